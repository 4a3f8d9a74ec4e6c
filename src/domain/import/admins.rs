//! The rows of administrators: never linked and never made without a person's decision.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    AccountRef, Action, AdminAccount, Choice, Class, Facts, Row, Target, keep_buried, leave_out,
    refuse_elsewhere, refuse_shared_people,
};
use crate::domain::fold;
use crate::domain::grant::is_privileged;
use crate::upstream::model::UserId;

/// Whose administrator it could be.
#[derive(Default)]
struct Owners {
    by_name: BTreeMap<String, BTreeSet<Target>>,
    by_extension: BTreeMap<i64, BTreeSet<Target>>,
    names: BTreeSet<String>,
}

impl Owners {
    /// People who are here, and those whom the agents of this import become.
    fn of(facts: &Facts<'_>, agents: &[Row]) -> Self {
        let mut owners = Self::default();
        for person in facts.people {
            owners.names.insert(fold(&person.user_name));
            if person.admin.is_none() {
                owners.add(Target::Person(person.id.clone()), &[&person.user_name], person.extension);
            }
        }
        for row in agents {
            let AccountRef::Agent(agent) = row.account else { continue };
            let found = facts.agents.iter().find(|account| account.id == agent);
            let extension = found.and_then(|account| account.agent.rc_user_id()).map(|id| id.0);
            match (&row.action, row.people.as_slice()) {
                (Action::Create { user_name }, _) => {
                    owners.names.insert(fold(user_name));
                    owners.add(Target::OwnerOf(agent), &[user_name, &row.login], extension);
                }
                // Who has the agent has its login name and its extension as well.
                (_, [Target::Person(id)]) if row.class == Class::Linked => {
                    let free = facts.people.iter().any(|person| person.id == *id && person.admin.is_none());
                    if free {
                        owners.add(Target::Person(id.clone()), &[&row.login], extension);
                    }
                }
                _ => {}
            }
        }
        owners
    }

    fn add(&mut self, target: Target, names: &[&str], extension: Option<i64>) {
        for name in names {
            self.by_name.entry(fold(name)).or_default().insert(target.clone());
        }
        if let Some(extension) = extension {
            self.by_extension.entry(extension).or_default().insert(target);
        }
    }

    fn could_be(&self, account: &AdminAccount) -> Vec<Target> {
        let extension = account.admin.rc_user_id().and_then(|id| self.by_extension.get(&id.0));
        let name = self.by_name.get(&fold(account.admin.user_name().unwrap_or_default()));
        let all: BTreeSet<&Target> = extension.into_iter().chain(name).flatten().collect();
        all.into_iter().cloned().collect()
    }
}

/// One row for each administrator, by id.
pub(super) fn rows(facts: &Facts<'_>, agents: &[Row]) -> Vec<Row> {
    let owners = Owners::of(facts, agents);
    let linked: BTreeMap<UserId, Target> = facts
        .people
        .iter()
        .filter_map(|person| Some((person.admin?, Target::Person(person.id.clone()))))
        .collect();
    let mut accounts: Vec<&AdminAccount> = facts.admins.iter().collect();
    accounts.sort_by_key(|account| account.id);
    let mut rows: Vec<Row> =
        accounts.into_iter().map(|account| row(facts, &owners, &linked, account)).collect();
    refuse_shared_people(&mut rows, "administrators");
    rows
}

fn row(facts: &Facts<'_>, owners: &Owners, linked: &BTreeMap<UserId, Target>, account: &AdminAccount) -> Row {
    let admin = &account.admin;
    let mut row = Row {
        account: AccountRef::Admin(account.id),
        login: admin.user_name().unwrap_or_default().to_owned(),
        group: None,
        active: admin.enabled(),
        class: Class::Foreign,
        action: Action::Nothing,
        people: Vec::new(),
        decided: false,
        why: String::new(),
    };
    if let Some(owner) = linked.get(&account.id) {
        row.class = Class::Linked;
        row.why = format!("belongs to person {owner}");
        row.people = vec![owner.clone()];
        return row;
    }
    let never = if facts.own_user == Some(account.id) {
        Some("the bridge's own account")
    } else if admin.root_user() {
        Some("the root user")
    } else if facts.policy.protects(account.id.0, &row.login) {
        Some("named in the setting protected")
    } else {
        None
    };
    if let Some(why) = never {
        row.class = Class::Protected;
        why.clone_into(&mut row.why);
        return row;
    }
    if let Some(owner) = facts.graves.get(&row.account) {
        keep_buried(&mut row, owner);
        return row;
    }
    if facts.elsewhere.contains(&row.account) {
        refuse_elsewhere(facts, &mut row);
        return row;
    }
    let power = power(account);
    row.people = owners.could_be(account);
    match row.people.as_slice() {
        [] => row.why = format!("nobody here has its user name{power}"),
        [one] => {
            row.class = Class::Candidate;
            row.action = Action::Ask;
            row.why = format!("could be {one}; administrators are never linked without a decision{power}");
        }
        _ => {
            row.class = Class::Conflict;
            row.action = Action::Ask;
            row.why = format!("several people could be its owner{power}");
        }
    }
    decide(&mut row, facts, owners, account);
    row
}

/// What the account can do, for whoever decides.
fn power(account: &AdminAccount) -> String {
    let roles = account.admin.roles();
    let privileged: Vec<String> =
        roles.iter().filter(|role| is_privileged(role)).map(ToString::to_string).collect();
    let docs = account.rights_docs.len();
    match (privileged.is_empty(), docs) {
        (true, 0) => String::new(),
        (true, docs) => format!("; has {docs} rights documents"),
        (false, _) => format!("; holds {} (needs adopt_admins = true)", privileged.join(", ")),
    }
}

/// Adopting an account hands its future to the identity provider, so power needs a setting as well as a decision.
pub(super) fn needs_setting(facts: &Facts<'_>, account: &AdminAccount) -> bool {
    !facts.policy.adopt_admins && account.admin.roles().iter().any(is_privileged)
}

/// The person whom a target means, where they are here already: one person under two names would get two administrators.
fn owner_now(facts: &Facts<'_>, target: &Target) -> Target {
    let Target::OwnerOf(agent) = target else { return target.clone() };
    let owner = facts.people.iter().find(|person| person.agent == Some(*agent));
    owner.map_or_else(|| target.clone(), |person| Target::Person(person.id.clone()))
}

fn decide(row: &mut Row, facts: &Facts<'_>, owners: &Owners, account: &AdminAccount) {
    let Some(decision) = facts.decisions.get(&row.account) else { return };
    let takes_over = matches!(decision.choice, Choice::New | Choice::Link(_));
    if takes_over && needs_setting(facts, account) {
        // Decided while the setting allowed it.
        row.action = Action::Ask;
        return;
    }
    match &decision.choice {
        Choice::Ask => return,
        Choice::Skip => leave_out(row),
        Choice::New if owners.names.contains(&fold(&row.login)) => {
            row.class = Class::Conflict;
            row.action = Action::Ask;
            "a person has its user name, so it cannot become another one".clone_into(&mut row.why);
            return;
        }
        Choice::New => {
            row.action = Action::Create { user_name: row.login.clone() };
            row.class = Class::New;
            "becomes a person by decision".clone_into(&mut row.why);
        }
        Choice::Link(target) => {
            let free = match target {
                Target::Person(id) => {
                    facts.people.iter().any(|person| person.id == *id && person.admin.is_none())
                }
                Target::OwnerOf(_) => true,
            };
            if !free {
                return;
            }
            row.class = Class::Candidate;
            row.why = format!("linked to {target} by decision");
            row.action = Action::Link(owner_now(facts, target));
        }
    }
    row.decided = true;
}
