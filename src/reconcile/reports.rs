//! Reports: accounts without an owner, people who wait, direct lines of people switched off, leavers.
//!
//! What RingCX has is read in the lane of reconciliation; the rest is what the store remembers. A round counts the same things for
//! metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::drift::Drift;
use super::tenant::Known;
use super::{ContactError, Reconciler, Tenant};
use crate::domain::link::Left;
use crate::domain::policy::DirectLine as LinePolicy;
use crate::domain::{PersonId, TenantId};
use crate::store::reports::{self, Counts, Held, Owner};
use crate::store::{self, inventory};
use crate::upstream::model::{AgentId, UserId};
use crate::upstream::{self, Calls, Lane};

/// Why nobody active owns an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The identity provider knows nobody who has it.
    NoPerson,
    /// The person is switched off.
    Inactive,
    /// The person was deleted.
    Deleted,
}

/// An account that may work in RingCX although nobody active owns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unowned {
    /// `agent` or `administrator`.
    pub kind: &'static str,
    /// Its id in RingCX.
    pub id: i64,
    /// Its login name.
    pub name: String,
    /// The SCIM id of the person who had it.
    pub person: Option<PersonId>,
    /// Why it counts.
    pub why: Why,
}

/// The direct line of somebody who is switched off: callers reach nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenLine {
    /// The SCIM id.
    pub person: PersonId,
    /// Their `userName`.
    pub user_name: String,
    /// The agent.
    pub agent: AgentId,
    /// Its `directAgentExtension`.
    pub line: String,
    /// When the person was switched off.
    pub since: Timestamp,
}

/// Somebody who was switched off, and what became of their accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leaver {
    /// The SCIM id.
    pub person: PersonId,
    /// Their `userName`.
    pub user_name: String,
    /// When RingCX confirmed it.
    pub since: Timestamp,
    /// Whether the client has deleted them as well.
    pub deleted: bool,
    /// The agent.
    pub agent: Option<AgentId>,
    /// The administrator.
    pub admin: Option<UserId>,
    /// What has ended, in words.
    pub ended: Vec<String>,
    /// What should have ended and has not.
    pub open: Vec<String>,
    /// What the bridge can neither see nor end.
    pub unseen: Vec<&'static str>,
}

/// RingCX gives API tokens to whoever asks, for themselves: nobody sees another's.
const TOKENS: &str = "permanent API tokens: RingCX shows them to their owner alone; whether they die with the account is not known";

/// No call ends a session.
const SESSIONS: &str =
    "a live session: RingCX has no call that ends one; its token lives for about five minutes";

impl Reconciler {
    /// The accounts that may work in RingCX although nobody active owns them, from fresh lists.
    ///
    /// # Errors
    /// What RingCX or the store said.
    pub async fn unowned(&self, tenant: &TenantId) -> Result<Vec<Unowned>, ContactError> {
        let Some(tenant) = self.tenants.get(tenant).cloned() else { return Ok(Vec::new()) };
        self.first_contact(&tenant).await?;
        let Some(known) = tenant.known() else { return Ok(Vec::new()) };
        let begun = self.clock.now();
        let calls = tenant.ringcx.calls(Lane::Reconcile, None);
        self.list(&tenant, &known, &calls, &mut Drift::default()).await?;
        self.unowned_since(&tenant, &known, &calls, begun).await
    }

    /// The same over the agents that lists have shown since `begun`; administrators cost one call.
    async fn unowned_since(
        &self,
        tenant: &Tenant,
        known: &Known,
        calls: &Calls,
        begun: Timestamp,
    ) -> Result<Vec<Unowned>, ContactError> {
        let of = tenant.id.clone();
        let read = self.store.read_long(move |tx| {
            let agents = inventory::seen_since(tx, &of, inventory::Kind::Agent, begun)?;
            Ok::<_, store::Error>((agents, reports::owners(tx, &of)?))
        });
        let (agents, owners) = read.await?;
        let agent_owners: BTreeMap<i64, &Owner> =
            owners.iter().filter_map(|it| Some((it.link.agent.as_ref()?.id.agent.0, it))).collect();
        let admin_owners: BTreeMap<i64, &Owner> =
            owners.iter().filter_map(|it| Some((it.link.admin.as_ref()?.id.0, it))).collect();
        let mut found = Vec::new();
        for agent in agents.iter().filter(|it| it.active && !tenant.policy.protects(it.id, &it.name)) {
            found.extend(without_owner("agent", agent.id, &agent.name, agent_owners.get(&agent.id)));
        }
        if !tenant.policy.manage_admins {
            return Ok(found);
        }
        let admins = match calls.admins().await {
            Ok(admins) => admins,
            Err(upstream::Error::Forbidden(_)) => return Ok(found),
            Err(error) => return Err(error.into()),
        };
        for admin in admins.iter().filter(|it| it.enabled() && !it.root_user() && it.id() != known.own_user) {
            let (Some(id), name) = (admin.id(), admin.user_name().unwrap_or_default()) else { continue };
            if !tenant.policy.protects(id.0, name) {
                found.extend(without_owner("administrator", id.0, name, admin_owners.get(&id.0)));
            }
        }
        Ok(found)
    }

    /// Those who wait for an agent group, or are only on record, the oldest first.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn held(&self, tenant: &TenantId) -> Result<Vec<Held>, store::Error> {
        let of = tenant.clone();
        self.store.read_long(move |tx| reports::held(tx, &of)).await
    }

    /// The direct lines of people who are switched off, each looked at in RingCX.
    ///
    /// # Errors
    /// What RingCX or the store said.
    pub async fn direct_lines(&self, tenant: &TenantId) -> Result<Vec<OpenLine>, ContactError> {
        let Some(tenant) = self.tenants.get(tenant).cloned() else { return Ok(Vec::new()) };
        let calls = tenant.ringcx.calls(Lane::Reconcile, None);
        let of = tenant.id.clone();
        let owners = self.store.read_long(move |tx| reports::owners(tx, &of)).await?;
        let mut found = Vec::new();
        let remembered: Vec<_> = owners.iter().filter_map(|it| remembered_line(&tenant, it)).collect();
        let all = remembered.len();
        for (done, (owner, left)) in remembered.into_iter().enumerate() {
            self.tell("looking at direct lines", done, all);
            let Some(link) = &owner.link.agent else { continue };
            let line = match calls.agent(link.id.group, link.id.agent).await {
                Ok(agent) => agent.direct_line().map(str::to_owned),
                Err(upstream::Error::NotFound) => None,
                Err(error) => return Err(error.into()),
            };
            found.extend(line.map(|line| OpenLine {
                person: owner.person.clone(),
                user_name: owner.user_name.clone(),
                agent: link.id.agent,
                line,
                since: left.at,
            }));
        }
        self.tell("looking at direct lines", all, all);
        Ok(found)
    }

    /// Those who were switched off since `since`, the latest first.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn leavers(&self, tenant: &TenantId, since: Timestamp) -> Result<Vec<Leaver>, store::Error> {
        let Ok(tenant) = self.tenant(tenant) else { return Ok(Vec::new()) };
        let of = tenant.id.clone();
        let owners = self.store.read_long(move |tx| reports::owners(tx, &of)).await?;
        let mut found: Vec<Leaver> = owners.iter().filter_map(|it| leaver(tenant, it, since)).collect();
        found.sort_by(|one, other| other.since.cmp(&one.since).then(one.person.cmp(&other.person)));
        Ok(found)
    }

    /// Counts for the metrics what reports would show, over the agents that lists have shown since `begun`.
    ///
    /// # Errors
    /// What RingCX or the store said.
    pub async fn count_reports(&self, tenant: &TenantId, begun: Timestamp) -> Result<(), ContactError> {
        let Some(tenant) = self.tenants.get(tenant) else { return Ok(()) };
        let Some(known) = tenant.known() else { return Ok(()) };
        let calls = tenant.ringcx.calls(Lane::Reconcile, None);
        let unowned = self.unowned_since(tenant, &known, &calls, begun).await?.len();
        let of = Arc::clone(tenant);
        let (held, lines) = self
            .store
            .read_long(move |tx| {
                let owners = reports::owners(tx, &of.id)?;
                let lines = owners.iter().filter(|it| remembered_line(&of, it).is_some()).count();
                Ok::<_, store::Error>((reports::held(tx, &of.id)?, lines))
            })
            .await?;
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let counts = Counts {
            unowned: number(unowned),
            held: number(held.len()),
            held_since: held.first().map_or(0, |it| it.since.as_second()),
            direct_lines: number(lines),
        };
        let (of, now) = (tenant.id.clone(), self.clock.now());
        Ok(self.store.write(move |tx| reports::keep(tx, &of, counts, now)).await?)
    }
}

fn without_owner(kind: &'static str, id: i64, name: &str, owner: Option<&&Owner>) -> Option<Unowned> {
    let why = match owner {
        None => Why::NoPerson,
        Some(owner) if owner.deleted.is_some() => Why::Deleted,
        Some(owner) if !owner.active => Why::Inactive,
        Some(_) => return None,
    };
    Some(Unowned { kind, id, name: name.to_owned(), person: owner.map(|it| it.person.clone()), why })
}

/// The line that somebody had when they were switched off, unless the tenant does not want to know.
fn remembered_line<'a>(tenant: &Tenant, owner: &'a Owner) -> Option<(&'a Owner, &'a Left)> {
    let left = owner.link.left.as_ref()?;
    let reported = tenant.policy.on_deactivate_direct_line != LinePolicy::Keep;
    (reported && left.direct_line.is_some()).then_some((owner, left))
}

fn leaver(tenant: &Tenant, owner: &Owner, since: Timestamp) -> Option<Leaver> {
    let left = owner.link.left.as_ref().filter(|left| left.at >= since)?;
    let (mut ended, mut open, mut unseen) = (Vec::new(), Vec::new(), vec![SESSIONS]);
    let mut say = |what: String, on: bool| if on { open.push(what) } else { ended.push(what) };
    if let Some(agent) = &owner.link.agent {
        say(format!("login of agent {}", agent.id.agent), agent.enabled);
    }
    if let Some(admin) = &owner.link.admin {
        unseen.push(TOKENS);
        say(format!("login of administrator {}", admin.id), admin.enabled);
        for role in &admin.granted_roles {
            say(format!("role {role} of administrator {}", admin.id), true);
        }
        for doc in &admin.granted_docs {
            say(format!("rights document {doc} of administrator {}", admin.id), true);
        }
    }
    if owner.link.agent.is_none() && owner.link.admin.is_none() {
        say("the account, deleted in RingCX".to_owned(), false);
    }
    if remembered_line(tenant, owner).is_some() {
        open.push("direct line of the agent, unless it was emptied since".to_owned());
    }
    Some(Leaver {
        person: owner.person.clone(),
        user_name: owner.user_name.clone(),
        since: left.at,
        deleted: owner.deleted.is_some(),
        agent: owner.link.agent.as_ref().map(|it| it.id.agent),
        admin: owner.link.admin.as_ref().map(|it| it.id),
        ended,
        open,
        unseen,
    })
}
