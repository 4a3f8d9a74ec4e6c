//! The plan as an operator reads it.

use serde_json::{Value, json};

use super::super::{columns, say};
use crate::domain::import::{Action, Class, GroupRow, Plan, Row};

/// What each class means, in one line.
const fn meaning(class: Class) -> &'static str {
    match class {
        Class::Linked => "belongs to a person here already",
        Class::New => "becomes a SCIM user",
        Class::ManagedByRingcentral => "becomes a SCIM user; RingCentral maintains name, address and login",
        Class::ReadOnly => "becomes a SCIM user that cannot be changed from here",
        Class::Candidate => "a person here could be its owner",
        Class::Conflict => "several could be, names collide, or another tenant owns it",
        Class::LeftOut => "left alone, because a person has decided so",
        Class::Former => {
            "was the account of a person who was deleted here; stays with them until it is handed back"
        }
        Class::Foreign => "an administrator whom nobody here is; left alone",
        Class::Protected => "never a target",
    }
}

const fn name(class: Class) -> &'static str {
    match class {
        Class::Linked => "linked",
        Class::New => "new",
        Class::ManagedByRingcentral => "managed by RingCentral",
        Class::ReadOnly => "read-only",
        Class::Candidate => "candidate",
        Class::Conflict => "conflict",
        Class::LeftOut => "left out",
        Class::Former => "former",
        Class::Foreign => "foreign",
        Class::Protected => "protected",
    }
}

fn action(row: &Row) -> String {
    match &row.action {
        Action::Nothing => "-".to_owned(),
        Action::Create { user_name } => format!("user {user_name}"),
        Action::Link(target) => format!("link to {target}"),
        Action::Ask => "decide".to_owned(),
    }
}

/// Prints the plan: how many of each class, then the accounts that deserve a look, or all of them.
pub(super) fn show(plan: &Plan, full: bool) {
    let mut summary = columns(["accounts", "class", "meaning"]);
    for (class, count) in plan.classes() {
        summary.add_row([count.to_string().as_str(), name(class), meaning(class)]);
    }
    let new_groups = plan.groups.iter().filter(|row| row.class == Class::New).count();
    say(&summary.to_string());
    let left = match plan.unnamed_groups() {
        0 => String::new(),
        left => format!(", {left} share a name and are left"),
    };
    say(&format!("{} agent groups, {new_groups} of them become SCIM groups{left}", plan.groups.len()));
    let plain = |row: &Row| row.why.is_empty() || matches!(row.class, Class::Linked | Class::Foreign);
    let mut accounts = columns(["account", "login", "class", "what happens", "why"]);
    let mut any = false;
    for row in plan.rows.iter().filter(|row| full || row.decided || !plain(row)) {
        any = true;
        let switched_off = if row.active { "" } else { " (off)" };
        let login = format!("{}{switched_off}", row.login);
        accounts.add_row([&row.account.to_string(), &login, name(row.class), &action(row), &row.why]);
    }
    for group in plan.groups.iter().filter(|row| full || row.class == Class::Conflict) {
        any = true;
        let id = format!("group:{}", group.id);
        let what = if group.class == Class::New { "SCIM group" } else { "-" };
        accounts.add_row([&id, &group.name, name(group.class), what, &group.why]);
    }
    if any {
        say(&accounts.to_string());
    }
}

/// One account for a script.
pub(super) fn row_json(row: &Row) -> Value {
    let (action, user_name, person) = match &row.action {
        Action::Nothing => ("none", None, None),
        Action::Create { user_name } => ("create", Some(user_name.clone()), None),
        Action::Link(target) => ("link", None, Some(target.to_string())),
        Action::Ask => ("ask", None, None),
    };
    json!({
        "account": row.account, "login": row.login, "agent_group": row.group, "active": row.active, "class": row.class,
        "action": action, "user_name": user_name, "person": person, "decided": row.decided, "why": row.why,
        "candidates": row.people.iter().map(ToString::to_string).collect::<Vec<String>>(),
    })
}

/// One agent group for a script.
pub(super) fn group_json(row: &GroupRow) -> Value {
    json!({"agent_group": row.id, "name": row.name, "class": row.class, "group": row.group, "why": row.why})
}
