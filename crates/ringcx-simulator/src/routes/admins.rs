//! Administrators: one tree above the sub-accounts, and their roles.

use serde_json::{Map, Value, json};

use super::Req;
use super::agents::text_id;
use crate::answer::Answer;
use crate::seed::SERVICE;
use crate::world::World;

/// Every role that is published anywhere.
const ROLES: [&str; 17] = [
    "SUPER_USER",
    "USER",
    "MANAGE_USERS",
    "MANAGE_RIGHTS",
    "ACCESS_SIBLINGS",
    "ACCESS_AUDIT_LOG",
    "ASSUME_USERS",
    "REPORT_ADMINISTRATIVE_USER",
    "WFO_ACCESS",
    "ACCESS_GOODDATA_EDITOR",
    "ACCESS_GOODDATA_ANALYST",
    "ACCESS_GOODDATA_VIEWER",
    "ACCESS_GOODDATA_ADMIN",
    "ACCESS_GOODDATA_EXPLORER",
    "ACCESS_GOODDATA_EMBEDDED_EXPLORER",
    "ACCESS_GOODDATA_EMBEDDED_DASHBOARD",
    "NO_ACCESS",
];

fn roles_of(admin: &Map<String, Value>) -> Vec<String> {
    let roles = admin.get("roles").and_then(Value::as_array).into_iter().flatten();
    roles
        .filter_map(|role| role.as_str().or_else(|| role.get("roleType")?.as_str()))
        .map(str::to_owned)
        .collect()
}

fn shape(roles: &[String], objects: bool) -> Value {
    roles
        .iter()
        .map(|role| if objects { json!({"roleType": role, "description": ""}) } else { json!(role) })
        .collect()
}

/// An administrator as a GET shows it.
pub(super) fn shown(world: &World, admin: &Map<String, Value>) -> Value {
    let mut shown = admin.clone();
    if world.knobs.roles_shape == "absent" {
        shown.remove("roles");
    } else {
        shown.insert("roles".to_owned(), shape(&roles_of(admin), world.knobs.roles_shape == "objects"));
    }
    shown.insert("children".to_owned(), json!([]));
    let name = |field: &str| admin.get(field).and_then(Value::as_str).unwrap_or_default();
    shown.insert("fullName".to_owned(), json!(format!("{} {}", name("firstName"), name("lastName"))));
    if world.knobs.ids == "string" {
        let id = admin.get("userId").and_then(Value::as_i64).unwrap_or_default();
        shown.insert("userId".to_owned(), json!(id.to_string()));
        if let Some(id) = admin.get("rcUserId").and_then(Value::as_i64) {
            shown.insert("rcUserId".to_owned(), json!(id.to_string()));
        }
    }
    Value::Object(shown)
}

fn enabled(admin: &Map<String, Value>) -> bool {
    admin.get("enabled").and_then(Value::as_bool).unwrap_or(true)
}

fn parent_of(admin: &Map<String, Value>) -> Option<i64> {
    let path = admin.get("parentPath").and_then(Value::as_str)?;
    path.rsplit('.').nth(1)?.parse().ok()
}

pub(crate) fn list(world: &mut World, req: &Req) -> Answer {
    let active_only = req.query("activeOnly") == Some("true");
    let flat = req.query("flatten") == Some("true");
    let shows = |admin: &&Map<String, Value>| (!active_only || enabled(admin)) && is_shown(world, admin);
    if flat && world.knobs.flatten == "flat" {
        return Answer::ok(&world.admins.values().filter(shows).map(|admin| shown(world, admin)).collect());
    }
    let roots = world.admins.values().filter(|admin| parent_of(admin).is_none()).filter(shows);
    Answer::ok(&roots.map(|admin| tree(world, admin, active_only)).collect())
}

/// Whether an administrator shows yet.
fn is_shown(world: &World, admin: &Map<String, Value>) -> bool {
    admin.get("userId").and_then(Value::as_i64).is_none_or(|id| world.shows(id))
}

fn tree(world: &World, admin: &Map<String, Value>, active_only: bool) -> Value {
    let mut node = shown(world, admin);
    let own = admin.get("userId").and_then(Value::as_i64);
    let shows = |it: &&Map<String, Value>| (!active_only || enabled(it)) && is_shown(world, it);
    let children = world.admins.values().filter(|it| parent_of(it) == own).filter(shows);
    let children: Value = children.map(|child| tree(world, child, active_only)).collect();
    if let Some(node) = node.as_object_mut() {
        node.insert("children".to_owned(), children);
    }
    node
}

pub(crate) fn create(world: &mut World, req: &Req) -> Answer {
    let Some(body) = req.body.as_object() else { return Answer::invalid("userName", "is required") };
    let name = body.get("userName").and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    if name.is_empty() {
        return Answer::invalid("userName", "is required");
    }
    if roles_of(body).iter().any(|role| !ROLES.contains(&role.as_str())) {
        return Answer::invalid("roles", "has an unknown role");
    }
    let taken = |admin: &Map<String, Value>| {
        admin.get("userName").and_then(Value::as_str).is_some_and(|it| it.eq_ignore_ascii_case(&name))
    };
    if world.admins.values().any(taken) {
        return Answer::error(409, "A user with this user name already exists", "userName");
    }
    let parent = req.query("parentUserId").and_then(|id| id.parse().ok()).unwrap_or(SERVICE);
    let Some(path) =
        world.admins.get(&parent).and_then(|it| it.get("parentPath")?.as_str().map(str::to_owned))
    else {
        return Answer::not_found();
    };
    let id = world.fresh_id();
    let mut admin = body.clone();
    admin.insert("userId".to_owned(), json!(id));
    admin.insert("parentPath".to_owned(), json!(format!("{path}.{id}")));
    admin.insert("rootUser".to_owned(), json!(false));
    admin.insert("roles".to_owned(), json!(roles_of(body)));
    admin.entry("enabled").or_insert(json!(true));
    admin.insert("isSSO".to_owned(), json!(req.query("isSSO") == Some("true")));
    world.admins.insert(id, admin.clone());
    world.born(id);
    world.record("CREATE", "User", id);
    match world.knobs.create_user_status.as_str() {
        "201_empty" => Answer::empty(201),
        "201_body" => Answer::json(201, &shown(world, &admin)),
        _ => Answer::ok(&shown(world, &admin)),
    }
}

pub(crate) fn get(world: &mut World, req: &Req) -> Answer {
    match world.admins.get(&req.id("userId")).filter(|admin| is_shown(world, admin)) {
        Some(admin) => Answer::ok(&shown(world, admin)),
        None => Answer::not_found(),
    }
}

pub(crate) fn update(world: &mut World, req: &Req) -> Answer {
    let id = req.id("userId");
    let (Some(old), Some(body)) = (world.admins.get(&id).cloned(), req.body.as_object()) else {
        return Answer::not_found();
    };
    if let Some(refused) = text_id(world, body, &["userId", "rcUserId"]) {
        return refused;
    }
    let mut admin = if world.knobs.put_mode == "merge" { old.clone() } else { Map::new() };
    admin.extend(body.clone());
    for own in ["userId", "parentPath", "rootUser", "isSSO"] {
        admin.insert(own.to_owned(), old.get(own).cloned().unwrap_or_default());
    }
    let roles = match (body.contains_key("roles"), world.knobs.put_without_roles.as_str()) {
        (true, _) => roles_of(body),
        (false, "keep") => roles_of(&old),
        (false, _) => Vec::new(),
    };
    admin.insert("roles".to_owned(), json!(roles));
    admin.remove("children");
    admin.entry("enabled").or_insert(json!(true));
    world.admins.insert(id, admin);
    world.record("UPDATE", "User", id);
    get(world, req)
}

pub(crate) fn set_is_active(world: &mut World, req: &Req) -> Answer {
    let Some(active) = req.body.get("isActive").and_then(Value::as_bool) else {
        return Answer::invalid("isActive", "is required");
    };
    let id = req.id("userId");
    if world.knobs.set_is_active == "self_only" && id != SERVICE {
        return Answer::forbidden();
    }
    match world.admins.get_mut(&id) {
        Some(admin) => admin.insert("enabled".to_owned(), json!(active)),
        None => return Answer::not_found(),
    };
    world.record("UPDATE", "User", id);
    Answer::ok(&json!(true))
}

fn below(world: &World, id: i64) -> Vec<i64> {
    let mark = format!(".{id}.");
    let within = |admin: &Map<String, Value>| {
        let path = format!(".{}", admin.get("parentPath").and_then(Value::as_str).unwrap_or_default());
        path.contains(&mark)
    };
    world.admins.iter().filter(|(_, admin)| within(admin)).map(|(id, _)| *id).collect()
}

pub(crate) fn delete(world: &mut World, req: &Req) -> Answer {
    let id = req.id("userId");
    if !world.admins.contains_key(&id) {
        return match world.knobs.delete_missing.as_str() {
            "false" => Answer { applied: false, ..Answer::ok(&json!(false)) },
            "403" => Answer::forbidden(),
            _ => Answer::not_found(),
        };
    }
    let children = below(world, id);
    let heir = req.query("reassignUserId").and_then(|id| id.parse::<i64>().ok());
    // The interface deletes the whole tree unless told otherwise.
    let cascade = req.query("cascadeDelete") != Some("false");
    if let Some(heir) = heir {
        hand_over(world, id, heir);
    } else if cascade {
        for child in &children {
            world.admins.remove(child);
        }
    } else if !children.is_empty() {
        return Answer::error(409, "The user has created others", "");
    }
    world.admins.remove(&id);
    // A document goes with its owner.
    world.docs.retain(|_, doc| doc.owner != id);
    for doc in world.docs.values_mut() {
        doc.holders.remove(&id);
    }
    world.record("DELETE", "User", id);
    Answer::empty(200)
}

/// Puts everybody below one administrator under another, each with those below them.
fn hand_over(world: &mut World, from: i64, heir: i64) {
    let path = |world: &World, id: i64| {
        world.admins.get(&id).and_then(|it| it.get("parentPath")?.as_str().map(str::to_owned))
    };
    let (Some(old), Some(new)) = (path(world, from), path(world, heir)) else { return };
    for id in below(world, from) {
        let Some(rest) = path(world, id).and_then(|it| it.strip_prefix(&old).map(str::to_owned)) else {
            continue;
        };
        if let Some(admin) = world.admins.get_mut(&id) {
            admin.insert("parentPath".to_owned(), json!(format!("{new}{rest}")));
        }
    }
    if world.knobs.reassign_moves_docs == "yes" {
        for doc in world.docs.values_mut().filter(|doc| doc.owner == from) {
            doc.owner = heir;
        }
    }
}

pub(crate) fn reassign(world: &mut World, req: &Req) -> Answer {
    let id = |name: &str| req.query(name).and_then(|id| id.parse::<i64>().ok());
    let (Some(old), Some(heir)) = (id("oldUserId"), id("reassignUserId")) else {
        return Answer::invalid("oldUserId", "is required");
    };
    if !world.admins.contains_key(&heir) {
        return Answer::not_found();
    }
    hand_over(world, old, heir);
    Answer::empty(201)
}

/// A mail with a link to choose a password; the link leads back to `returnPath`.
pub(crate) fn send_reset(world: &mut World, req: &Req) -> Answer {
    let id = req.id("userId");
    if req.query("returnPath").unwrap_or_default().is_empty() {
        return Answer::invalid("returnPath", "is required");
    }
    if !world.admins.contains_key(&id) {
        return Answer::not_found();
    }
    world.reset_mails.push(id);
    Answer::ok(&json!(true))
}

pub(crate) fn children(world: &mut World, req: &Req) -> Answer {
    let id = req.id("userId");
    if !world.admins.contains_key(&id) {
        return Answer::not_found();
    }
    let children = world.admins.values().filter(|admin| parent_of(admin) == Some(id));
    Answer::ok(&children.map(|child| tree(world, child, false)).collect())
}

pub(crate) fn available(world: &mut World, req: &Req) -> Answer {
    let name = req.query("userName").unwrap_or_default();
    let taken = world.admins.values().any(|it| it.get("userName").and_then(Value::as_str) == Some(name));
    Answer::ok(&json!({"available": !taken}))
}

pub(crate) fn roles(world: &mut World, req: &Req) -> Answer {
    match world.admins.get(&req.id("userId")) {
        Some(admin) => Answer::ok(&shape(&roles_of(admin), world.knobs.getroles_shape == "objects")),
        None => Answer::not_found(),
    }
}

pub(crate) fn add_role(world: &mut World, req: &Req) -> Answer {
    let role = req.param("roleType").to_owned();
    if !ROLES.contains(&role.as_str()) {
        return Answer::invalid("roleType", "is unknown");
    }
    change_roles(world, req, |roles, knobs| {
        if roles.contains(&role) {
            return if knobs.role_add_existing == "409" {
                Answer::error(409, "The user has this role", "")
            } else {
                Answer::ok(&json!(true))
            };
        }
        roles.push(role.clone());
        Answer::ok(&json!(true))
    })
}

pub(crate) fn remove_role(world: &mut World, req: &Req) -> Answer {
    let role = req.param("roleType").to_owned();
    change_roles(world, req, |roles, knobs| {
        if !roles.contains(&role) {
            return match knobs.role_remove_missing.as_str() {
                "404" => Answer::not_found(),
                "false" => Answer { applied: false, ..Answer::ok(&json!(false)) },
                _ => Answer::ok(&json!(true)),
            };
        }
        roles.retain(|it| *it != role);
        Answer::ok(&json!(true))
    })
}

fn change_roles(
    world: &mut World,
    req: &Req,
    change: impl FnOnce(&mut Vec<String>, &crate::Knobs) -> Answer,
) -> Answer {
    let id = req.id("userId");
    let Some(mut roles) = world.admins.get(&id).map(roles_of) else { return Answer::not_found() };
    let answer = change(&mut roles, &world.knobs);
    if let Some(admin) = world.admins.get_mut(&id) {
        admin.insert("roles".to_owned(), json!(roles));
    }
    world.record("UPDATE", "User", id);
    answer
}
