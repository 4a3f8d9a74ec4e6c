//! The plan of an import: which account of RingCX becomes whom, as a function of what was read and who is here.
//!
//! Nothing here stores or sends. Start with [`plan`]; [`Decision`]s are what people have said about single accounts, and
//! [`check_decisions`] refuses those that cannot be carried out. The matching order is that of a create (`reconcile::matching`);
//! what is not beyond doubt is a question for a person.

mod admins;
mod agents;
mod decision;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::policy::Policy;
use super::{GroupId, PersonId, fold};
use crate::upstream::model::{Admin, Agent, AgentGroup, AgentGroupId, AgentId, RightsDocId, UserId};
pub use decision::{AccountRef, Choice, Decision, Decisions, Target, check_decisions, parse_decision};

/// An agent as it was read.
#[derive(Clone, Debug)]
pub struct AgentAccount {
    /// Its id.
    pub id: AgentId,
    /// The group in which it is.
    pub group: AgentGroupId,
    /// Everything that was kept of it.
    pub agent: Agent,
}

/// An administrator as it was read.
#[derive(Clone, Debug)]
pub struct AdminAccount {
    /// Its id.
    pub id: UserId,
    /// Everything else.
    pub admin: Admin,
    /// The rights documents assigned to it.
    pub rights_docs: BTreeSet<RightsDocId>,
}

/// Somebody who is here already.
#[derive(Clone, Debug)]
pub struct Person {
    /// The SCIM id.
    pub id: PersonId,
    /// `userName`.
    pub user_name: String,
    /// `externalId`.
    pub external_id: Option<String>,
    /// The addresses, folded.
    pub emails: Vec<String>,
    /// The extension that the client named.
    pub extension: Option<i64>,
    /// The agent that they have.
    pub agent: Option<AgentId>,
    /// The administrator that they have.
    pub admin: Option<UserId>,
}

/// Everything that a plan depends on.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The settings.
    pub policy: &'a Policy,
    /// The RingCX sub-account.
    pub account_id: &'a str,
    /// The bridge's own administrator.
    pub own_user: Option<UserId>,
    /// The agents.
    pub agents: &'a [AgentAccount],
    /// The administrators.
    pub admins: &'a [AdminAccount],
    /// Who is here.
    pub people: &'a [Person],
    /// The agent groups.
    pub agent_groups: &'a [AgentGroup],
    /// The SCIM groups: id, folded name, linked agent group.
    pub groups: &'a [(GroupId, String, Option<i64>)],
    /// The accounts that belong to other tenants of this bridge.
    pub elsewhere: &'a BTreeSet<AccountRef>,
    /// The accounts that people who were deleted here still have.
    pub graves: &'a BTreeMap<AccountRef, PersonId>,
    /// What people have decided.
    pub decisions: &'a Decisions,
}

/// What an account is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// It belongs to a person here already.
    Linked,
    /// It becomes a person.
    New,
    /// It becomes a person whose name, address and login RingCentral maintains.
    ManagedByRingcentral,
    /// It becomes a person whom only another sub-account may change.
    ReadOnly,
    /// A person here could be its owner.
    Candidate,
    /// Several could be, another account has the same name, or another tenant of this bridge owns it.
    Conflict,
    /// A person has decided to leave it alone.
    LeftOut,
    /// It was the account of a person who was deleted here.
    Former,
    /// An administrator whom nobody here is.
    Foreign,
    /// It is never a target.
    Protected,
}

/// What an import does about an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Make a person of this user name.
    Create {
        /// The SCIM `userName`, fixed from now on.
        user_name: String,
    },
    /// Link it to a person.
    Link(Target),
    /// Nothing until a person decides.
    Ask,
}

/// One account of the plan.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which.
    pub account: AccountRef,
    /// Its login name in RingCX.
    pub login: String,
    /// The group of an agent.
    pub group: Option<AgentGroupId>,
    /// Whether it may work.
    pub active: bool,
    /// What it is to us.
    pub class: Class,
    /// What is done.
    pub action: Action,
    /// Whose it is, or could be.
    pub people: Vec<Target>,
    /// Whether a person has decided it.
    pub decided: bool,
    /// One sentence.
    pub why: String,
}

/// One agent group of the plan.
#[derive(Clone, Debug)]
pub struct GroupRow {
    /// Which.
    pub id: AgentGroupId,
    /// Its name.
    pub name: String,
    /// [`Class::Linked`], [`Class::New`] or [`Class::Conflict`].
    pub class: Class,
    /// The SCIM group that is linked to it, or that has its name.
    pub group: Option<GroupId>,
    /// One sentence.
    pub why: String,
}

/// The whole plan.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The accounts, agents first, by id.
    pub rows: Vec<Row>,
    /// The agent groups, by id.
    pub groups: Vec<GroupRow>,
}

impl Plan {
    /// The accounts about which nobody has decided yet.
    pub fn open(&self) -> usize {
        self.rows.iter().filter(|row| row.action == Action::Ask).count()
    }

    /// The agent groups that become no SCIM groups because they share a name: no decision here helps.
    pub fn unnamed_groups(&self) -> usize {
        self.groups.iter().filter(|row| row.class == Class::Conflict).count()
    }

    /// How many accounts there are of each class.
    pub fn classes(&self) -> BTreeMap<Class, usize> {
        let mut counts = BTreeMap::new();
        for row in &self.rows {
            *counts.entry(row.class).or_default() += 1;
        }
        counts
    }

    /// The row of an account.
    pub fn row(&self, account: AccountRef) -> Option<&Row> {
        self.rows.iter().find(|row| row.account == account)
    }
}

/// The plan for what was read.
pub fn plan(facts: &Facts<'_>) -> Plan {
    let mut rows = agents::rows(facts);
    let admins = admins::rows(facts, &rows);
    rows.extend(admins);
    Plan { rows, groups: groups(facts) }
}

fn groups(facts: &Facts<'_>) -> Vec<GroupRow> {
    let mut named: BTreeMap<String, usize> = BTreeMap::new();
    for group in facts.agent_groups {
        *named.entry(fold(&group.name)).or_default() += 1;
    }
    let mut all: Vec<&AgentGroup> = facts.agent_groups.iter().collect();
    all.sort_by_key(|group| group.id);
    let row = |group: &AgentGroup| {
        let row = |class, of: Option<&GroupId>, why: &str| GroupRow {
            id: group.id,
            name: group.name.clone(),
            class,
            group: of.cloned(),
            why: why.to_owned(),
        };
        let key = fold(&group.name);
        let linked = facts.groups.iter().find(|(.., agent_group)| *agent_group == Some(group.id.0));
        let holder = facts.groups.iter().find(|(_, name, _)| *name == key);
        match (linked, holder) {
            (Some((id, ..)), _) => row(Class::Linked, Some(id), "is linked already"),
            // The client's group: what its members get is decided by the mappings.
            (None, Some((id, ..))) => {
                row(Class::Linked, Some(id), "a SCIM group has this name already; it is left as it is")
            }
            (None, None) if named.get(&key).is_some_and(|count| *count > 1) => {
                row(Class::Conflict, None, "RingCX has several groups of this name; rename one of them there")
            }
            (None, None) => row(Class::New, None, "becomes a SCIM group"),
        }
    };
    all.into_iter().map(row).collect()
}

/// What another tenant owns is no question that can be answered here, only left out.
fn refuse_elsewhere(facts: &Facts<'_>, row: &mut Row) {
    row.class = Class::Conflict;
    row.people = Vec::new();
    row.action = Action::Ask;
    ELSEWHERE.clone_into(&mut row.why);
    if matches!(facts.decisions.get(&row.account), Some(it) if it.choice == Choice::Skip) {
        leave_out(row);
    }
}

/// What becomes of an account that a person has decided to leave alone.
fn leave_out(row: &mut Row) {
    row.class = Class::LeftOut;
    row.action = Action::Nothing;
    row.decided = true;
    "left out by decision".clone_into(&mut row.why);
}

/// An account of somebody who was deleted here is theirs until it is handed back: what was given through it is still to be taken.
fn keep_buried(row: &mut Row, owner: &PersonId) {
    row.class = Class::Former;
    row.why = format!(
        "was the account of person {owner}, who was deleted; `ringcx-scim tenant disown --person {owner}` hands it back, then \
         import again"
    );
}

/// A person has one account of a kind: several that want the same are a question, unless all but one are decided.
fn refuse_shared_people(rows: &mut [Row], kind: &str) {
    let mut wanted: BTreeMap<Target, Vec<usize>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        if let Action::Link(target) = &row.action {
            wanted.entry(target.clone()).or_default().push(at);
        }
    }
    for (target, places) in wanted.into_iter().filter(|(_, places)| places.len() > 1) {
        let decided = places.iter().filter(|at| rows.get(**at).is_some_and(|row| row.decided)).count();
        for at in places {
            let Some(row) = rows.get_mut(at).filter(|row| decided != 1 || !row.decided) else { continue };
            row.class = Class::Conflict;
            row.action = Action::Ask;
            row.why = format!("several {kind} could be {target}; a person has one of each kind");
        }
    }
}

/// Why an account that another tenant owns is left alone.
pub const ELSEWHERE: &str =
    "belongs to another tenant of this bridge; leave it out with skip, or remove the person there first";
