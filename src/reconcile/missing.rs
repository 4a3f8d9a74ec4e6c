//! Accounts that RingCX does not show: late, or gone.

use serde_json::json;

use super::case::Case;
use super::report;
use super::trouble::Trouble;
use crate::scim;
use crate::store::inventory::Kind;
use crate::store::lost::{self, Lost};
use crate::store::{self, links, people};
use crate::upstream;
use crate::upstream::model::{AgentId, UserId};

impl Case<'_> {
    /// RingCX shows the account: whatever hid it before is over.
    pub(super) async fn shows(&mut self, kind: Kind) -> Result<(), Trouble> {
        let missing = match kind {
            Kind::Agent => &mut self.link.agent_missing,
            Kind::Admin => &mut self.link.admin_missing,
        };
        if missing.take().is_some() { self.save_link().await } else { Ok(()) }
    }

    /// RingCX does not show the account, neither under its id for as long as its own changes take to show, nor in a list: it is gone.
    ///
    /// # Errors
    /// [`Trouble::Lost`] while it may only show late: whoever leaves must not stay on because of one stray answer.
    pub(super) async fn is_gone(&mut self, kind: Kind, id: i64) -> Result<(), Trouble> {
        let now = self.clock.now();
        let missing = match kind {
            Kind::Agent => &mut self.link.agent_missing,
            Kind::Admin => &mut self.link.admin_missing,
        };
        let first = missing.is_none();
        let since = *missing.get_or_insert(now);
        if first {
            self.save_link().await?;
        }
        let late = since + self.tenant.ringcx.visibility_delay() > now;
        if late || self.is_listed(kind, id).await? {
            return Err(Trouble::Lost(format!(
                "RingCX does not show {} {id} at the moment; it is looked for again.",
                word(kind)
            )));
        }
        Ok(())
    }

    /// Whether the list in which the account was last still has it.
    async fn is_listed(&self, kind: Kind, id: i64) -> Result<bool, Trouble> {
        let listed = match kind {
            Kind::Agent => {
                let Some(link) = &self.link.agent else { return Ok(false) };
                match self.calls.agents(link.id.group).await {
                    Ok(agents) => Ok(agents.iter().any(|agent| agent.id() == Some(AgentId(id)))),
                    // With its group, or hidden with it: the looks into all groups have said what there is to say.
                    Err(upstream::Error::NotFound | upstream::Error::Forbidden(_)) => Ok(false),
                    Err(error) => Err(error),
                }
            }
            Kind::Admin => {
                self.calls.admins().await.map(|all| all.iter().any(|admin| admin.id() == Some(UserId(id))))
            }
        };
        listed.map_err(|error| Trouble::reading(&format!("the list with {} {id}", word(kind)), &error))
    }

    /// Unties an account that is gone. Should it show again, its person gets it back ([`super::found_again`]).
    pub(super) async fn let_go(&mut self, kind: Kind, id: i64) -> Result<(), Trouble> {
        let (account, link) = match kind {
            Kind::Agent => {
                self.link.agent_missing = None;
                (json!({"agentId": id}), serde_json::to_string(&self.link.agent.take()))
            }
            Kind::Admin => {
                self.link.admin_missing = None;
                (json!({"adminUserId": id}), serde_json::to_string(&self.link.admin.take()))
            }
        };
        let link = link.map_err(|error| store::Error::Corrupt(error.to_string()))?;
        let why = "RingCX no longer has the account; the person is tied to it no more";
        self.note_decision("noticed", &json!({"account": account, "decision": why})).await?;
        let lost = Lost { kind, id, person: self.person.clone(), link };
        let (tenant, now, left) = (self.tenant.id.clone(), self.clock.now(), self.link.clone());
        self.write(move |tx| {
            lost::put(tx, &tenant, &lost, now)?;
            links::save(tx, &tenant, &lost.person, &left, now)
        })
        .await
    }

    /// Shows that the agent is gone, also to those who come after whoever waits now, until the client acts: each work looks again.
    pub(super) async fn show_gone(&mut self, why: &scim::Error) -> Result<(), Trouble> {
        self.link.agent_applied = None;
        let (tenant, person, lease) = (self.tenant.id.clone(), self.person.clone(), self.lease.clone());
        let (link, why, now) = (self.link.clone(), why.clone(), self.clock.now());
        let shown = self.store.write(move |tx| {
            let stored = people::lock(tx, &tenant, &person)?;
            lease.check(tx)?;
            links::save(tx, &tenant, &person, &link, now)?;
            match stored.filter(|it| it.deleted.is_none()) {
                Some(stored) => report::show_error(tx, &tenant, &stored, &link, &why, now),
                None => Ok(()),
            }
        });
        Ok(shown.await?)
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Agent => "agent",
        Kind::Admin => "administrator",
    }
}
