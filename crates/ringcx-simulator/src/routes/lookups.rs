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

/// The list of extensions, by page; the filters that are documented are obeyed.
pub(crate) fn extensions(world: &mut World, req: &Req) -> Answer {
    let number =
        |name: &str, or: usize| req.query(name).and_then(|text| text.parse().ok()).unwrap_or(or).max(1);
    let most = usize::try_from(Knobs::number(&world.knobs.extension_page_max)).unwrap_or(1000).max(1);
    let (page, per_page) = (number("page", 1), number("perPage", 100).min(most));
    let all: Vec<Value> = visible(world).filter(|it| asked_for(it, req)).collect();
    let pages = all.len().div_ceil(per_page).max(1);
    let records: Vec<&Value> = all.iter().skip((page - 1) * per_page).take(per_page).collect();
    let base = "https://platform.ringcentral.com/restapi/v1.0/account/400100200/extension";
    let at = |page: usize| json!({"uri": format!("{base}?page={page}&perPage={per_page}")});
    let mut paging = json!({
        "page": page, "perPage": per_page, "pageStart": (page - 1) * per_page,
        "pageEnd": ((page - 1) * per_page + records.len()).saturating_sub(1),
    });
    if let (Some(paging), "yes") = (paging.as_object_mut(), world.knobs.extension_totals.as_str()) {
        paging.insert("totalPages".to_owned(), json!(pages));
        paging.insert("totalElements".to_owned(), json!(all.len()));
    }
    let mut answer = json!({"uri": base, "records": records, "paging": paging});
    if let (Some(answer), "yes") = (answer.as_object_mut(), world.knobs.extension_navigation.as_str()) {
        let mut navigation = json!({"firstPage": at(1), "lastPage": at(pages)});
        if let (Some(navigation), true) = (navigation.as_object_mut(), page < pages) {
            navigation.insert("nextPage".to_owned(), at(page + 1));
        }
        answer.insert("navigation".to_owned(), navigation);
    }
    Answer::ok(&answer)
}

/// The extensions that the list shows by now, with ids in the shape of the knob.
fn visible(world: &World) -> impl Iterator<Item = Value> {
    let now = world.now();
    world.extensions.iter().filter(move |(from, _)| *from <= now).map(|(_, it)| {
        let mut shown = it.clone();
        if let (Some(shown), "string") = (shown.as_object_mut(), world.knobs.ids.as_str()) {
            let id = shown.get("id").map(ToString::to_string).unwrap_or_default();
            shown.insert("id".to_owned(), json!(id));
        }
        shown
    })
}

/// Whether an extension passes the filters of the query; e-mail addresses are compared whole and in any case.
fn asked_for(extension: &Value, req: &Req) -> bool {
    let has = |name: &str, seen: Option<&Value>| {
        let mut asked = req
            .query
            .iter()
            .filter(|(key, _)| key == name)
            .flat_map(|(_, value)| value.split(','))
            .peekable();
        let seen = seen.and_then(Value::as_str).unwrap_or_default();
        asked.peek().is_none() || asked.any(|value| value.eq_ignore_ascii_case(seen))
    };
    has("email", extension.pointer("/contact/email"))
        && has("extensionNumber", extension.get("extensionNumber"))
        && has("status", extension.get("status"))
        && has("type", extension.get("type"))
}

pub(crate) fn rc_extensions(world: &mut World, _: &Req) -> Answer {
    let all: Vec<Value> = visible(world).collect();
    match world.knobs.rc_extensions.as_str() {
        "404" => Answer::not_found(),
        "records" => Answer::ok(&json!({"records": all})),
        _ => Answer::ok(&json!(all)),
    }
}

pub(crate) fn accounts(world: &mut World, _: &Req) -> Answer {
    let access = match world.knobs.rc_link.as_str() {
        "required" => "REQUIRED",
        "disabled" => "DISABLED",
        _ => "ENABLED",
    };
    Answer::ok(&json!([{
        "accountId": world.seed.account_id, "accountName": "Simulated", "mainAccountId": world.seed.main_account_id,
        "rcAccountAccess": access,
    }]))
}

pub(crate) fn aux_states(world: &mut World, req: &Req) -> Answer {
    if !is_ours(world, req) {
        return Answer::not_found();
    }
    let (active, only) = (req.query("active") == Some("1"), req.query("activeOnly") == Some("true"));
    let active_only = match world.knobs.aux_states_filter.as_str() {
        "active" => active,
        "active_only" => only,
        "none" => false,
        _ => active || only,
    };
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
    let asked = req.body.get("searchEntities").and_then(Value::as_array);
    let shows = |at: i64, record: &Value| {
        let class = record.get("auditedClass").and_then(Value::as_str).and_then(|it| it.rsplit('.').next());
        let wanted = asked.is_none_or(|it| it.iter().any(|name| name.as_str() == class));
        wanted && at <= visible && (from..=to).contains(&at)
    };
    let found =
        world.audit.iter().filter(|(at, record)| shows(*at, record)).map(|(_, record)| record.clone());
    let mut found: Vec<Value> = found.collect();
    if req.body.get("ascOrDesc").and_then(Value::as_str) == Some("DESCENDING") {
        found.reverse();
    }
    match usize::try_from(Knobs::number(&world.knobs.audit_cap)) {
        Ok(cap) if cap > 0 => found.truncate(cap),
        _ => {}
    }
    Answer::ok(&Value::Array(found))
}
