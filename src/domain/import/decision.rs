//! What people decide about single accounts: `agent:5001=link:PERSON`, `admin:101=skip`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::admins::needs_setting;
use super::{Action, Class, Facts, Plan};
use crate::domain::PersonId;
use crate::upstream::model::{AgentId, UserId};

/// An account of RingCX: `agent:5001`, `admin:101`; a bare number is an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountRef {
    /// An agent.
    Agent(AgentId),
    /// An administrator.
    Admin(UserId),
}

impl fmt::Display for AccountRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(id) => write!(f, "agent:{id}"),
            Self::Admin(id) => write!(f, "admin:{id}"),
        }
    }
}

impl Serialize for AccountRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for AccountRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, id) = text.split_once(':').unwrap_or(("agent", text));
        let id = id.trim().parse().map_err(|_| {
            format!("\"{text}\" names no account; write agent:ID or admin:ID with RingCX's number")
        })?;
        match kind.trim() {
            "agent" => Ok(Self::Agent(AgentId(id))),
            "admin" => Ok(Self::Admin(UserId(id))),
            other => Err(format!("\"{other}\" is no kind of account; write agent:ID or admin:ID")),
        }
    }
}

/// A person, or whoever an agent belongs to once the import is done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// By SCIM id.
    Person(PersonId),
    /// By the agent.
    OwnerOf(AgentId),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(id) => id.fmt(f),
            Self::OwnerOf(id) => write!(f, "agent:{id}"),
        }
    }
}

/// What becomes of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It belongs to this person.
    Link(Target),
    /// It becomes a person of its own.
    New,
    /// It is left alone.
    Skip,
    /// The former decision is taken back.
    Ask,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(target) => write!(f, "link:{target}"),
            Self::New => f.write_str("new"),
            Self::Skip => f.write_str("skip"),
            Self::Ask => f.write_str("ask"),
        }
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "new" => Ok(Self::New),
            "skip" => Ok(Self::Skip),
            "ask" => Ok(Self::Ask),
            other => match other.strip_prefix("link:").map(str::trim) {
                // No SCIM id of ours has a colon.
                Some(account) if account.contains(':') => match account.parse()? {
                    AccountRef::Agent(id) => Ok(Self::Link(Target::OwnerOf(id))),
                    AccountRef::Admin(_) => {
                        Err(format!("\"{account}\" is no person; link to a SCIM id or agent:ID"))
                    }
                },
                Some(id) if !id.is_empty() => Ok(Self::Link(Target::Person(id.into()))),
                _ => Err(format!(
                    "\"{other}\" is no decision; write link:PERSON (a SCIM id, or agent:ID for that agent's person), new, \
                     skip, or ask to take a decision back"
                )),
            },
        }
    }
}

/// A choice, and whether it was made in an earlier run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What was chosen.
    pub choice: Choice,
    /// Whether it comes from the store.
    pub stored: bool,
}

/// The decisions by account.
pub type Decisions = BTreeMap<AccountRef, Decision>;

/// One decision as it is typed: `ACCOUNT=CHOICE`.
///
/// # Errors
/// A sentence that says what is wrong and what to write.
pub fn parse_decision(text: &str) -> Result<(AccountRef, Choice), String> {
    let (account, choice) = text
        .split_once('=')
        .ok_or_else(|| format!("\"{text}\" decides nothing; write ACCOUNT=CHOICE, as in agent:5001=skip"))?;
    Ok((account.trim().parse()?, choice.parse()?))
}

/// Whether the new decisions can be carried out; those of earlier runs were checked then.
///
/// # Errors
/// A sentence that names the first that cannot, and why.
pub fn check_decisions(facts: &Facts<'_>, plan: &Plan) -> Result<(), String> {
    for (account, decision) in facts.decisions.iter().filter(|(_, decision)| !decision.stored) {
        let row = plan
            .row(*account)
            .ok_or_else(|| format!("RingCX shows no {account}; see `ringcx-scim import --dry-run`"))?;
        match row.class {
            Class::Protected => return Err(format!("{account} is never a target: {}", row.why)),
            Class::Linked => return Err(format!("{account} belongs to a person already: {}", row.why)),
            Class::Former => return Err(format!("{account} {}", row.why)),
            _ => {}
        }
        let takes_over = matches!(decision.choice, Choice::Link(_) | Choice::New);
        if takes_over && facts.elsewhere.contains(account) {
            return Err(format!("{account} {}", row.why));
        }
        if let Choice::Link(target) = &decision.choice {
            check_target(facts, plan, *account, target)?;
        }
        if takes_over {
            check_power(facts, *account)?;
            if row.action == Action::Ask {
                return Err(format!("{account} cannot be decided like that: {}", row.why));
            }
        }
    }
    Ok(())
}

fn check_target(facts: &Facts<'_>, plan: &Plan, account: AccountRef, target: &Target) -> Result<(), String> {
    let person = match target {
        Target::Person(id) => {
            let found = facts.people.iter().find(|person| person.id == *id);
            found.ok_or_else(|| format!("there is no person {id}; see GET /Users"))?
        }
        Target::OwnerOf(agent) => {
            let row = plan
                .row(AccountRef::Agent(*agent))
                .ok_or_else(|| format!("RingCX shows no agent:{agent}"))?;
            if matches!(account, AccountRef::Agent(_)) {
                return Err(format!("{account} cannot be linked to another agent; name a person by SCIM id"));
            }
            match (&row.class, &row.action) {
                (Class::Linked, _) => {
                    let owner = facts.people.iter().find(|person| person.agent == Some(*agent));
                    owner.ok_or_else(|| format!("agent:{agent} belongs to nobody"))?
                }
                (_, Action::Create { .. } | Action::Link(_)) => return Ok(()),
                _ => {
                    return Err(format!(
                        "agent:{agent} is not imported, so it has no person; decide it first"
                    ));
                }
            }
        }
    };
    let taken = match account {
        AccountRef::Agent(_) => person.agent.map(|id| format!("agent {id}")),
        AccountRef::Admin(_) => person.admin.map(|id| format!("administrator {id}")),
    };
    match taken {
        Some(other) => Err(format!("person {} has {other} already; a person has one of each", person.id)),
        None => Ok(()),
    }
}

fn check_power(facts: &Facts<'_>, account: AccountRef) -> Result<(), String> {
    let AccountRef::Admin(id) = account else { return Ok(()) };
    match facts.admins.iter().find(|admin| admin.id == id) {
        Some(found) if needs_setting(facts, found) => Err(format!(
            "{account} holds a role that lets its holder gain more; set adopt_admins = true as well to hand it to the identity \
             provider"
        )),
        _ => Ok(()),
    }
}
