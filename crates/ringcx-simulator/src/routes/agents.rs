//! Agents: in exactly one group, which is part of their path.

use serde_json::{Map, Value, json};

use super::Req;
use super::groups::is_ours;
use crate::answer::Answer;
use crate::knobs::Knobs;
use crate::world::{ASSOCIATIONS, Agent, World};

/// What a list shows of an agent.
const BASIC: [&str; 12] = [
    "agentId",
    "username",
    "firstName",
    "lastName",
    "agentType",
    "isActive",
    "location",
    "team",
    "allowDirectAgentTransfer",
    "defaultLoginDest",
    "loadBalanceEnabled",
    "permissions",
];

/// What RingCentral maintains for agents that it manages.
const MANAGED: [&str; 4] = ["firstName", "lastName", "email", "username"];

fn id_value(world: &World, id: i64) -> Value {
    if world.knobs.ids == "string" { json!(id.to_string()) } else { json!(id) }
}

/// An agent with every field, as a GET shows it.
fn detail(world: &World, id: i64, agent: &Agent) -> Value {
    let mut shown = agent.fields.clone();
    shown.insert("agentId".to_owned(), id_value(world, id));
    let name = world.groups.get(&agent.group).map(|group| group.name.clone());
    shown.insert("agentGroup".to_owned(), json!({"id": id_value(world, agent.group), "description": name}));
    shown.insert("groupId".to_owned(), id_value(world, agent.group));
    for field in ["rcUserId", "initLoginBaseStateId", "parentAgentId"] {
        if let Some((id, value)) = shown.get(field).and_then(number).zip(shown.get_mut(field)) {
            *value = id_value(world, id);
        }
    }
    for field in ["createdOn", "lastLoginDate", "transientDeleteDate"] {
        if let Some(date) = shown.get_mut(field) {
            *date = world.date_value(date);
        }
    }
    for field in ASSOCIATIONS {
        let held = agent.associations.get(field).filter(|_| world.knobs.null_on_get == "no");
        shown.insert(field.to_owned(), held.cloned().unwrap_or(Value::Null));
    }
    match (world.knobs.password_echo.as_str(), &agent.password) {
        ("mask", Some(_)) => drop(shown.insert("password".to_owned(), json!("********"))),
        ("real", Some(password)) => drop(shown.insert("password".to_owned(), json!(password))),
        _ => drop(shown.remove("password")),
    }
    shown.insert("sipSafeUsername".to_owned(), json!(agent.text("username")));
    Value::Object(shown)
}

fn basic(world: &World, id: i64, agent: &Agent) -> Value {
    let Value::Object(whole) = detail(world, id, agent) else { return Value::Null };
    match world.knobs.list_fields.as_str() {
        "full" => Value::Object(whole),
        more => {
            let docs = ["initLoginBaseState", "initLoginBaseStateId", "allowInbound", "allowOutbound"];
            let shows = |name: &str| BASIC.contains(&name) || (more == "docs" && docs.contains(&name));
            Value::Object(whole.into_iter().filter(|(name, _)| shows(name)).collect())
        }
    }
}

fn in_group(world: &World, req: &Req) -> Vec<(i64, Agent)> {
    let group = req.id("agentGroupId");
    let all = world.knobs.list_includes_inactive == "yes";
    let shows = |agent: &&Agent| agent.group == group && !agent.deleted && (all || is_active(world, agent));
    world
        .agents
        .iter()
        .filter(|(id, agent)| shows(agent) && world.shows(**id))
        .map(|(id, agent)| (*id, agent.clone()))
        .collect()
}

fn is_active(world: &World, agent: &Agent) -> bool {
    let flag = |name: &str| agent.fields.get(name).and_then(Value::as_bool).unwrap_or(true);
    if world.knobs.active_field == "active" { flag("active") } else { flag("isActive") }
}

pub(crate) fn list(world: &mut World, req: &Req) -> Answer {
    if !is_ours(world, req) || !world.groups.contains_key(&req.id("agentGroupId")) {
        return Answer::not_found();
    }
    let found = in_group(world, req);
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<usize>().ok());
    let cap = usize::try_from(Knobs::number(&world.knobs.max_rows_cap)).unwrap_or_default();
    let (first, most) = match (cap, number(req.query("maxRows"))) {
        (0, None) => (0, usize::MAX),
        (cap, asked) => {
            let rows = asked.unwrap_or(usize::MAX).min(if cap == 0 { usize::MAX } else { cap });
            let base = usize::try_from(Knobs::number(&world.knobs.page_base)).unwrap_or_default();
            (number(req.query("page")).unwrap_or(base).saturating_sub(base).saturating_mul(rows), rows)
        }
    };
    let page = found.iter().skip(first).take(most);
    Answer::ok(&page.map(|(id, agent)| basic(world, *id, agent)).collect())
}

pub(crate) fn integration(world: &mut World, req: &Req) -> Answer {
    let agents = in_group(world, req);
    Answer::ok(&agents.iter().map(|(id, agent)| json!({
        "rcUserId": agent.fields.get("rcUserId"), "agentId": id, "agentGroupId": agent.group,
        "firstName": agent.text("firstName"), "lastName": agent.text("lastName"),
        "engageUserName": agent.text("username"), "userName": agent.text("username"), "email": agent.fields.get("email"),
        "agentType": agent.text("agentType"), "isActive": is_active(world, agent),
    })).collect())
}

fn known(world: &World, req: &Req) -> Option<(i64, Agent)> {
    let id = req.id("agentId");
    let strict = world.knobs.group_path_check == "strict";
    let agent = world.agents.get(&id).filter(|agent| !agent.deleted)?;
    (is_ours(world, req) && (!strict || agent.group == req.id("agentGroupId"))).then(|| (id, agent.clone()))
}

pub(crate) fn get(world: &mut World, req: &Req) -> Answer {
    let now = world.now();
    let stale =
        world.stale.get(&req.id("agentId")).filter(|(until, _)| now < *until).map(|(_, old)| old.clone());
    match (known(world, req).filter(|(id, _)| world.shows(*id)), stale) {
        (Some((id, _)), Some(old)) => Answer::ok(&detail(world, id, &old)),
        (Some((id, agent)), None) => Answer::ok(&detail(world, id, &agent)),
        (None, _) => Answer::not_found(),
    }
}

pub(crate) fn create(world: &mut World, req: &Req) -> Answer {
    let group = req.id("agentGroupId");
    let Some(body) = req.body.as_object().filter(|_| is_ours(world, req)) else { return Answer::not_found() };
    if !world.groups.contains_key(&group) {
        return Answer::not_found();
    }
    let text =
        |name: &str| body.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let linked = body.get("rcUserId").is_some_and(|id| !id.is_null());
    let Some(username) = text("username") else { return Answer::invalid("username", "is required") };
    let needs_password = match world.knobs.password_required.as_str() {
        "no" => false,
        "unless_linked" => !linked,
        _ => true,
    };
    match text("password") {
        None if needs_password => return Answer::invalid("password", "is required"),
        Some(password) if !is_strong(password, &world.knobs.password_policy) => {
            return Answer::invalid("password", "is too weak");
        }
        _ => {}
    }
    if world.knobs.rc_link == "required" && !linked {
        return Answer::invalid("rcUserId", "is required");
    }
    if world.knobs.require_body_group == "yes" && body_group(body).is_none() {
        return Answer::invalid("agentGroup", "is required");
    }
    if let Some(refused) = check(world, body).or_else(|| conflict(world, username, -1)) {
        return refused;
    }
    if let Some(refused) = link_refused(world, body, -1) {
        return refused;
    }
    let (username, password) = (username.to_owned(), text("password").map(str::to_owned));
    let (id, associations) = (world.fresh_id(), world.usual_associations());
    let mut agent = Agent { group, fields: World::usual_agent(id), associations, password, deleted: false };
    lay_over(&mut agent, body, false);
    let rewrite =
        world.knobs.username_rewrite == "always" || (world.knobs.username_rewrite == "linked_only" && linked);
    if let (true, Some((local, domain))) = (rewrite, username.split_once('@')) {
        let made = format!("{local}+{}_{id}@{domain}", world.seed.account_id);
        agent.fields.insert("username".to_owned(), json!(made));
    }
    world.agents.insert(id, agent.clone());
    world.born(id);
    world.record("CREATE", "Agent", id);
    let mut shown = detail(world, id, &agent);
    if let Some(shown) = shown.as_object_mut() {
        // The published sample of this answer has neither.
        shown.remove("password");
        shown.remove("email");
    }
    Answer::json(201, &shown)
}

/// Whether the RingCentral extension in a body cannot be tied to the agent `own`.
fn link_refused(world: &World, body: &Map<String, Value>, own: i64) -> Option<Answer> {
    let id = number(body.get("rcUserId").filter(|id| !id.is_null())?)?;
    let tied = |agent: &Agent| agent.fields.get("rcUserId").and_then(number) == Some(id) && !agent.deleted;
    if world.agents.get(&own).is_some_and(tied) {
        return None;
    }
    if world.knobs.rc_link == "disabled" {
        return Some(Answer::invalid("rcUserId", "the account is not linked to RingCentral"));
    }
    if world.knobs.rc_user_unique == "account" && world.agents.values().any(tied) {
        return Some(Answer::error(409, "The RingCentral user is linked already", ""));
    }
    let off = |(_, it): &(i64, Value)| {
        let enabled = it.get("status").and_then(Value::as_str) == Some("Enabled");
        it.get("id").and_then(number) == Some(id) && !enabled
    };
    (world.knobs.link_requires_enabled == "yes" && world.extensions.iter().any(off))
        .then(|| Answer::invalid("rcUserId", "the RingCentral user is not enabled"))
}

/// The ids of an agent, all of them numbers in the published schema.
const IDS: [&str; 6] =
    ["agentId", "rcUserId", "groupId", "agentGroupId", "initLoginBaseStateId", "parentAgentId"];

/// Values that RingCX checks on create and update alike.
fn check(world: &World, body: &Map<String, Value>) -> Option<Answer> {
    if let Some(refused) = text_id(world, body, &IDS) {
        return Some(refused);
    }
    let group = body.get("agentGroup").and_then(Value::as_object);
    if let Some(refused) = group.and_then(|group| text_id(world, group, &["id", "agentGroupId"])) {
        return Some(refused);
    }
    let rank = body.get("agentRank").and_then(Value::as_i64).unwrap_or_default();
    if world.knobs.rank_check == "on" && !(0..=24).contains(&rank) {
        return Some(Answer::invalid("agentRank", "must be between 0 and 24"));
    }
    let kind = body.get("agentType").and_then(Value::as_str).unwrap_or("AGENT");
    if !["AGENT", "SUPERVISOR", "MULTI_USER", "MULTI_SUPERVISOR"].contains(&kind) {
        return Some(Answer::invalid("agentType", "is unknown"));
    }
    let state = body.get("initLoginBaseStateId").and_then(Value::as_i64);
    if let (Some(state), Some(label)) = (state, body.get("initLoginBaseState").and_then(Value::as_str)) {
        let fits = World::aux_states()
            .iter()
            .any(|(id, name, base, _)| *id == state && (*name == label || *base == label));
        if !fits {
            return Some(Answer::invalid("initLoginBaseStateId", "is no state of this account"));
        }
    }
    None
}

/// Login names are unique on the whole platform, in any case.
fn conflict(world: &World, username: &str, own: i64) -> Option<Answer> {
    let holds =
        |(id, agent): (&i64, &Agent)| *id != own && agent.text("username").eq_ignore_ascii_case(username);
    if !world.agents.iter().any(holds) {
        return None;
    }
    Some(match world.knobs.agent_conflict.as_str() {
        "400_validation" => Answer::invalid("username", "is already in use"),
        "500" => Answer::error(
            500,
            "An Internal Server Error occurred while processing this request",
            "Duplicate entry for key 'username'",
        ),
        _ => Answer::error(409, "A user with this user name already exists", "username"),
    })
}

fn is_strong(password: &str, policy: &str) -> bool {
    let classes = [
        password.bytes().any(|b| b.is_ascii_lowercase()),
        password.bytes().any(|b| b.is_ascii_uppercase()),
        password.bytes().any(|b| b.is_ascii_digit()),
        password.bytes().any(|b| b.is_ascii_punctuation()),
    ];
    let (length, kinds) = if policy == "strict" { (20, 4) } else { (8, 3) };
    password.len() >= length && classes.iter().filter(|it| **it).count() >= kinds
}

/// The refusal of a text where one of these ids is a number.
pub(super) fn text_id(world: &World, body: &Map<String, Value>, ids: &[&str]) -> Option<Answer> {
    let field = ids.iter().find(|id| body.get(**id).is_some_and(Value::is_string))?;
    (world.knobs.ids_in == "strict").then(|| Answer::invalid(field, "is not a number"))
}

fn body_group(body: &Map<String, Value>) -> Option<i64> {
    let group = body.get("agentGroup")?;
    number(group.get("id").or_else(|| group.get("agentGroupId"))?)
}

fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// Writes the fields of a body over an agent; associations live beside it.
fn lay_over(agent: &mut Agent, body: &Map<String, Value>, null_clears: bool) {
    const OWN: [&str; 8] = [
        "agentId",
        "agentGroup",
        "groupId",
        "agentGroupId",
        "password",
        "createdOn",
        "lastLoginDate",
        "sipSafeUsername",
    ];
    for (name, value) in body {
        if ASSOCIATIONS.contains(&name.as_str()) {
            let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
            if !empty {
                agent.associations.insert(name.clone(), value.clone());
            } else if null_clears {
                agent.associations.remove(name);
            }
        } else if !OWN.contains(&name.as_str()) {
            agent.fields.insert(name.clone(), value.clone());
        }
    }
}

pub(crate) fn update(world: &mut World, req: &Req) -> Answer {
    let by_path = world.knobs.move_mode == "path";
    let target = req.id("agentGroupId");
    let found = known(world, req).or_else(|| {
        let id = req.id("agentId");
        let agent = world.agents.get(&id).filter(|agent| !agent.deleted && by_path)?;
        (is_ours(world, req) && world.groups.contains_key(&target)).then(|| (id, agent.clone()))
    });
    let Some((id, agent)) = found else { return Answer::not_found() };
    let Some(body) = req.body.as_object() else { return Answer::invalid("body", "is not an object") };
    match put(world, id, &agent, body, by_path.then_some(target)) {
        Ok(agent) => Answer::ok(&detail(world, id, &agent)),
        Err(refused) => refused,
    }
}

pub(crate) fn update_many(world: &mut World, req: &Req) -> Answer {
    if world.knobs.bulk_put == "501" {
        return Answer::error(501, "Not implemented", "");
    }
    let target = req.id("agentGroupId");
    let Some(items) = req.body.as_array().filter(|_| world.groups.contains_key(&target)) else {
        return Answer::not_found();
    };
    let moves = world.knobs.move_mode == "bulk";
    let mut shown = Vec::new();
    if world.knobs.bulk_put == "replace_membership" {
        let named: Vec<i64> = items.iter().filter_map(|item| item.get("agentId").and_then(number)).collect();
        world.agents.retain(|id, agent| agent.group != target || named.contains(id));
    }
    for body in items.iter().filter_map(Value::as_object) {
        let id = body.get("agentId").and_then(number).unwrap_or(-1);
        let here =
            world.agents.get(&id).filter(|agent| !agent.deleted && (moves || agent.group == target)).cloned();
        let Some(agent) = here else {
            if world.knobs.bulk_put == "atomic" {
                return Answer::not_found();
            }
            continue;
        };
        match put(world, id, &agent, body, moves.then_some(target)) {
            Ok(agent) => shown.push(detail(world, id, &agent)),
            Err(refused) if world.knobs.bulk_put == "atomic" => return refused,
            Err(_) => {}
        }
    }
    Answer::ok(&Value::Array(shown))
}

/// One PUT, by the knobs.
fn put(
    world: &mut World,
    id: i64,
    old: &Agent,
    body: &Map<String, Value>,
    moved: Option<i64>,
) -> Result<Agent, Answer> {
    if let Some(refused) = check(world, body) {
        return Err(refused);
    }
    if let Some(refused) = link_refused(world, body, id) {
        return Err(refused);
    }
    let managed = old.fields.get("userManagedByRC") == Some(&json!(true));
    let touches = |name: &&&str| body.get(**name).is_some_and(|value| old.fields.get(**name) != Some(value));
    if managed && world.knobs.managed_fields == "reject400" && MANAGED.iter().any(|name| touches(&name)) {
        return Err(Answer::invalid("userManagedByRC", "the field is maintained by RingCentral"));
    }
    let mut agent = old.clone();
    if world.knobs.put_mode == "replace" {
        let created = old.fields.get("createdOn").cloned();
        agent.fields = World::usual_agent(id);
        agent.fields.insert("createdOn".to_owned(), created.unwrap_or_default());
    }
    lay_over(&mut agent, body, world.knobs.null_put_clears == "yes");
    if managed && world.knobs.managed_fields == "ignore" {
        for name in MANAGED {
            agent.fields.insert(name.to_owned(), old.fields.get(name).cloned().unwrap_or_default());
        }
    }
    rename(world, id, old, &mut agent)?;
    repassword(world, body, &mut agent)?;
    let wished = match world.knobs.move_mode.as_str() {
        "body_agentgroup_id" => body_group(body),
        "body_groupid" => body.get("groupId").and_then(number),
        "path" | "bulk" => moved,
        _ => None,
    };
    if let Some(group) = wished {
        if !world.groups.contains_key(&group) {
            return Err(Answer::invalid("agentGroup", "does not exist"));
        }
        agent.group = group;
    }
    let delay = i64::try_from(Knobs::number(&world.knobs.visibility_delay_ms)).unwrap_or_default();
    if delay > 0 {
        world.stale.insert(id, (world.now() + delay, old.clone()));
    }
    if agent.associations != old.associations {
        let change = json!({"agentId": id, "before": old.associations, "after": agent.associations});
        world.membership_changes.push(change);
    }
    world.agents.insert(id, agent.clone());
    world.record("UPDATE", "Agent", id);
    Ok(agent)
}

fn rename(world: &World, id: i64, old: &Agent, agent: &mut Agent) -> Result<(), Answer> {
    let (before, after) = (old.text("username").to_owned(), agent.text("username").to_owned());
    if before.eq_ignore_ascii_case(&after) {
        return Ok(());
    }
    match world.knobs.username_update.as_str() {
        "reject400" => Err(Answer::invalid("username", "cannot be changed")),
        "ignore" => {
            agent.fields.insert("username".to_owned(), json!(before));
            Ok(())
        }
        _ if after.is_empty() => Err(Answer::invalid("username", "is required")),
        _ => conflict(world, &after, id).map_or(Ok(()), Err),
    }
}

fn repassword(world: &World, body: &Map<String, Value>, agent: &mut Agent) -> Result<(), Answer> {
    let given = body.get("password").and_then(Value::as_str);
    match (world.knobs.put_masked_password.as_str(), given) {
        ("required", None) => Err(Answer::invalid("password", "is required")),
        ("ignored", Some("********")) | (_, None) => Ok(()),
        (_, Some(password)) => {
            agent.password = Some(password.to_owned());
            Ok(())
        }
    }
}

pub(crate) fn delete(world: &mut World, req: &Req) -> Answer {
    let Some((id, mut agent)) = known(world, req) else {
        return match world.knobs.delete_missing.as_str() {
            "false" => Answer { applied: false, ..Answer::ok(&json!(false)) },
            "403" => Answer::forbidden(),
            _ => Answer::not_found(),
        };
    };
    if world.knobs.delete_mode == "hard" {
        world.agents.remove(&id);
    } else {
        agent.deleted = true;
        world.agents.insert(id, agent);
    }
    world.record("DELETE", "Agent", id);
    Answer::ok(&json!(true))
}
