//! Rights documents and who has them.

use serde_json::{Value, json};

use super::Req;
use super::admins::shown;
use crate::answer::Answer;
use crate::seed::object;
use crate::world::{Doc, World};

fn document(world: &World, id: i64, doc: &Doc, user: i64) -> Value {
    let mut shown = object(json!({
        "rightsDocId": id, "rightsDocName": doc.name, "ownerId": doc.owner, "accountId": world.seed.account_id,
        "isMaster": doc.is_master, "cascade": false, "assigned": doc.holders.contains(&user),
    }));
    shown.extend(doc.permissions.clone());
    Value::Object(shown)
}

/// What the account is called in a map of documents.
fn key(world: &World) -> &str {
    if world.knobs.rights_keys == "opaque" { "4f1c" } else { world.seed.account_id.as_str() }
}

/// A map from the account to those of its documents that `fits` takes.
fn map(world: &World, user: i64, fits: impl Fn(&Doc) -> bool) -> Answer {
    if !world.admins.contains_key(&user) {
        return Answer::not_found();
    }
    let docs = world.docs.iter().filter(|(_, doc)| fits(doc));
    let docs: Vec<Value> = docs.map(|(id, doc)| document(world, *id, doc, user)).collect();
    Answer::ok(&json!({ (key(world)): docs }))
}

pub(crate) fn all(world: &mut World, req: &Req) -> Answer {
    map(world, req.id("userId"), |_| true)
}

pub(crate) fn assigned(world: &mut World, req: &Req) -> Answer {
    let user = req.id("userId");
    map(world, user, |doc| doc.holders.contains(&user))
}

pub(crate) fn owned(world: &mut World, req: &Req) -> Answer {
    let user = req.id("userId");
    map(world, user, |doc| doc.owner == user && !doc.is_master)
}

pub(crate) fn owned_master(world: &mut World, req: &Req) -> Answer {
    let user = req.id("userId");
    map(world, user, |doc| doc.owner == user && doc.is_master)
}

/// All documents of an administrator merged into one for each account.
pub(crate) fn aggregated(world: &mut World, req: &Req) -> Answer {
    let user = req.id("userId");
    if !world.admins.contains_key(&user) {
        return Answer::not_found();
    }
    let held: Vec<&Doc> = world.docs.values().filter(|doc| doc.holders.contains(&user)).collect();
    let merged = |name: &str| -> Value {
        let parts = held.iter().filter_map(|doc| doc.permissions.get(name)?.as_array()).flatten();
        let mut all: Vec<Value> = Vec::new();
        parts.for_each(|part| {
            if !all.contains(part) {
                all.push(part.clone());
            }
        });
        all.into()
    };
    let whole = world.knobs.aggregate == "all";
    let part = |name: &str| if whole { merged(name) } else { json!([]) };
    Answer::ok(&json!({ (key(world)): {
        "rightsDocName": "", "accountId": world.seed.account_id, "accountPermissions": merged("accountPermissions"),
        "productPermissions": part("productPermissions"), "resourcePermissions": part("resourcePermissions"),
    }}))
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
