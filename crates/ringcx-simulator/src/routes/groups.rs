//! Agent groups.

use serde_json::{Value, json};

use super::Req;
use crate::answer::Answer;
use crate::world::{Group, World};

fn shown(world: &World, id: i64, group: &Group) -> Value {
    let id = if world.knobs.ids == "string" { json!(id.to_string()) } else { json!(id) };
    json!({"permissions": [], "agentGroupId": id, "groupName": group.name, "isDefault": group.is_default})
}

/// Whether the path names the account that there is.
pub(super) fn is_ours(world: &World, req: &Req) -> bool {
    req.param("accountId") == world.seed.account_id
}

pub(crate) fn list(world: &mut World, req: &Req) -> Answer {
    if !is_ours(world, req) {
        return Answer::not_found();
    }
    Answer::ok(&world.groups.iter().map(|(id, group)| shown(world, *id, group)).collect())
}

pub(crate) fn integration(world: &mut World, req: &Req) -> Answer {
    if !is_ours(world, req) {
        return Answer::not_found();
    }
    let groups = world.groups.iter().map(|(id, group)| json!({"agentGroupId": id, "groupName": group.name}));
    Answer::ok(&groups.collect())
}

pub(crate) fn get(world: &mut World, req: &Req) -> Answer {
    let id = req.id("agentGroupId");
    match world.groups.get(&id).filter(|_| is_ours(world, req)) {
        Some(group) => Answer::ok(&shown(world, id, group)),
        None => Answer::not_found(),
    }
}

pub(crate) fn create(world: &mut World, req: &Req) -> Answer {
    if !is_ours(world, req) {
        return Answer::not_found();
    }
    let name = req.body.get("groupName").and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    if name.is_empty() {
        return Answer::invalid("groupName", "is required");
    }
    let taken = world.groups.values().any(|group| group.name.eq_ignore_ascii_case(&name));
    if taken && world.knobs.group_name_unique == "yes" {
        return Answer::error(409, "An agent group of this name exists", "");
    }
    let id = world.fresh_id();
    world.groups.insert(id, Group { name, is_default: false });
    world.record("CREATE", "AgentGroup", id);
    match world.groups.get(&id) {
        Some(group) => Answer::json(201, &shown(world, id, group)),
        None => Answer::not_found(),
    }
}

pub(crate) fn update(world: &mut World, req: &Req) -> Answer {
    let id = req.id("agentGroupId");
    let name = req.body.get("groupName").and_then(Value::as_str).map(str::to_owned);
    match world.groups.get_mut(&id) {
        Some(group) => group.name = name.unwrap_or_else(|| group.name.clone()),
        None => return Answer::not_found(),
    }
    world.record("UPDATE", "AgentGroup", id);
    get(world, req)
}

pub(crate) fn delete(world: &mut World, req: &Req) -> Answer {
    let id = req.id("agentGroupId");
    if world.knobs.group_delete == "off" {
        return Answer::forbidden();
    }
    let Some(group) = world.groups.get(&id) else { return Answer::not_found() };
    if group.is_default {
        return Answer::error(400, "The default group cannot be deleted", "");
    }
    if world.agents.values().any(|agent| agent.group == id && !agent.deleted) {
        match world.knobs.delete_nonempty_group.as_str() {
            "cascade" => world.agents.retain(|_, agent| agent.group != id),
            "false" => return Answer { applied: false, ..Answer::ok(&json!(false)) },
            "400" => return Answer::error(400, "The group has agents", ""),
            _ => return Answer::error(409, "The group has agents", ""),
        }
    }
    world.groups.remove(&id);
    world.record("DELETE", "AgentGroup", id);
    Answer::ok(&json!(true))
}
