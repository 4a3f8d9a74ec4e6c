//! Rights documents and who has them.

use serde_json::{Value, json};

use super::Req;
use super::admins::shown;
use crate::answer::Answer;
use crate::world::{Doc, World};

fn document(world: &World, id: i64, doc: &Doc, user: i64) -> Value {
    json!({
        "rightsDocId": id, "rightsDocName": doc.name, "ownerId": 100, "accountId": world.seed.account_id, "isMaster": false,
        "cascade": false, "assigned": doc.holders.contains(&user), "accountPermissions": ["READ"],
        "productPermissions": [], "resourcePermissions": [],
    })
}

/// A map from the account to its documents.
fn map(world: &World, user: i64, assigned_only: bool) -> Answer {
    if !world.admins.contains_key(&user) {
        return Answer::not_found();
    }
    let docs = world.docs.iter().filter(|(_, doc)| !assigned_only || doc.holders.contains(&user));
    let docs: Vec<Value> = docs.map(|(id, doc)| document(world, *id, doc, user)).collect();
    Answer::ok(&json!({ (world.seed.account_id.as_str()): docs }))
}

pub(crate) fn all(world: &mut World, req: &Req) -> Answer {
    map(world, req.id("userId"), false)
}

pub(crate) fn assigned(world: &mut World, req: &Req) -> Answer {
    map(world, req.id("userId"), true)
}

pub(crate) fn aggregated(world: &mut World, req: &Req) -> Answer {
    let user = req.id("userId");
    let first = world.docs.iter().find(|(_, doc)| doc.holders.contains(&user));
    let merged = first.map_or_else(|| json!({}), |(id, doc)| document(world, *id, doc, user));
    Answer::ok(&json!({ (world.seed.account_id.as_str()): merged }))
}

pub(crate) fn holders(world: &mut World, req: &Req) -> Answer {
    let Some(doc) = world.docs.get(&req.id("rightsDocId")) else { return Answer::not_found() };
    Answer::ok(
        &doc.holders.iter().filter_map(|id| world.admins.get(id)).map(|admin| shown(world, admin)).collect(),
    )
}

pub(crate) fn assign(world: &mut World, req: &Req) -> Answer {
    let users: Vec<i64> = req
        .query
        .iter()
        .filter(|(name, _)| name == "userIds")
        .filter_map(|(_, id)| id.parse().ok())
        .collect();
    if users.is_empty() {
        return Answer::invalid("userIds", "is required");
    }
    if users.iter().any(|user| !world.admins.contains_key(user)) {
        return Answer::not_found();
    }
    let (replaces, refuses) = (world.knobs.assign_mode == "replace", world.knobs.assign_existing == "409");
    let Some(doc) = world.docs.get_mut(&req.id("rightsDocId")) else { return Answer::not_found() };
    if refuses && !replaces && users.iter().any(|user| doc.holders.contains(user)) {
        return Answer::error(409, "The document is assigned already", "");
    }
    if replaces {
        doc.holders.clear();
    }
    doc.holders.extend(users);
    world.record("UPDATE", "RightsDocTable", req.id("rightsDocId"));
    Answer::ok(&json!(true))
}

pub(crate) fn unassign(world: &mut World, req: &Req) -> Answer {
    let Some(doc) = world.docs.get_mut(&req.id("rightsDocId")) else { return Answer::not_found() };
    if !doc.holders.remove(&req.id("userId")) {
        return Answer::not_found();
    }
    world.record("UPDATE", "RightsDocTable", req.id("rightsDocId"));
    Answer::empty(200)
}
