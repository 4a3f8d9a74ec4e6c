//! Look-ups: states, extensions, dial groups, queues, audit records.

use serde_json::{Value, json};

use super::Req;
use super::groups::is_ours;
use crate::answer::Answer;
use crate::knobs::Knobs;
use crate::world::World;

pub(crate) fn rc_account(_: &mut World, _: &Req) -> Answer {
    Answer::ok(&json!({"id": "400100200", "status": "Confirmed"}))
}

pub(crate) fn extensions(world: &mut World, req: &Req) -> Answer {
    let number =
        |name: &str, or: usize| req.query(name).and_then(|text| text.parse().ok()).unwrap_or(or).max(1);
    let (page, per_page) = (number("page", 1), number("perPage", 100).min(1000));
    let all = &world.seed.extensions;
    let records: Vec<&Value> = all.iter().skip((page - 1) * per_page).take(per_page).collect();
    let mut answer = Answer::ok(&json!({
        "records": records,
        "paging": {"page": page, "perPage": per_page, "totalPages": all.len().div_ceil(per_page).max(1), "totalElements": all.len()},
        "navigation": {},
    }));
    answer.headers.push(("x-rate-limit-group", "medium".to_owned()));
    answer
}

pub(crate) fn rc_extensions(world: &mut World, _: &Req) -> Answer {
    match world.knobs.rc_extensions.as_str() {
        "404" => Answer::not_found(),
        "records" => Answer::ok(&json!({"records": world.seed.extensions})),
        _ => Answer::ok(&json!(world.seed.extensions)),
    }
}

pub(crate) fn accounts(world: &mut World, _: &Req) -> Answer {
    Answer::ok(&json!([{
        "accountId": world.seed.account_id, "accountName": "Simulated", "mainAccountId": world.seed.main_account_id,
        "rcAccountAccess": "ENABLED",
    }]))
}

pub(crate) fn aux_states(world: &mut World, req: &Req) -> Answer {
    if !is_ours(world, req) {
        return Answer::not_found();
    }
    let active_only = req.query("active") == Some("1") || req.query("activeOnly") == Some("true");
    let states = World::aux_states().into_iter().filter(|(.., active)| *active || !active_only);
    Answer::ok(&states.map(|(id, name, base, active)| json!({
        "stateId": id, "agentAuxState": name, "description": "", "isActive": active, "isAgentSelectable": true,
        "isRequired": false, "rank": 1, "baseAgentState": {"id": 1, "colKey": base, "colLabel": base, "name": base},
    })).collect())
}

pub(crate) fn dial_groups(world: &mut World, req: &Req) -> Answer {
    if !is_ours(world, req) {
        return Answer::not_found();
    }
    let group = |id: i64, name: &str, mode: &str| json!({"dialGroupId": id, "dialGroupName": name, "dialMode": mode, "isActive": true});
    Answer::ok(&json!([group(7001, "Campaigns", "PREVIEW"), group(7002, "Surveys", "PREDICTIVE")]))
}

pub(crate) fn gate_groups(world: &mut World, req: &Req) -> Answer {
    if !is_ours(world, req) {
        return Answer::not_found();
    }
    let gate = |id: i64, name: &str| json!({"gateId": id, "gateName": name});
    Answer::ok(&json!([
        {"gateGroupId": 8001, "groupName": "Service", "gates": [gate(8101, "Hotline"), gate(8102, "Returns")]},
        {"gateGroupId": 8002, "groupName": "Sales", "gates": [gate(8103, "Returns")]},
        {"gateGroupId": 8003, "groupName": "Empty", "gates": null},
    ]))
}

pub(crate) fn auditable(_: &mut World, _: &Req) -> Answer {
    let names = ["Agent", "AgentGroup", "User", "RightsDocTable"];
    Answer::ok(
        &names
            .iter()
            .map(|name| json!({"fullPath": format!("com.virtualacd.{name}"), "name": name}))
            .collect(),
    )
}

pub(crate) fn audit(world: &mut World, req: &Req) -> Answer {
    if req.body.get("accountId").and_then(Value::as_str).is_none() {
        return Answer::invalid("accountId", "is required");
    }
    let delay = i64::try_from(Knobs::number(&world.knobs.audit_delay_s)).unwrap_or_default() * 1000;
    let visible = world.now() - delay;
    let at = |name: &str, or: i64| req.body.get(name).and_then(Value::as_i64).unwrap_or(or);
    let (from, to) = (at("startDateTimeAsUnix", 0), at("endDateTimeAsUnix", i64::MAX));
    let shows = |at: i64| at <= visible && (from..=to).contains(&at);
    Answer::ok(&world.audit.iter().filter(|(at, _)| shows(*at)).map(|(_, record)| record.clone()).collect())
}
