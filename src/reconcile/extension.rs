//! Tying agents to RingCentral extensions: which one at creation, and later, when it has appeared.
//!
//! RingCentral's own provisioning creates extensions apart from this bridge, often later. An agent that was made without one is
//! noted and looked at again for a day. The bridge writes no extension and takes no link away.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::agent_steps::{LATE, LOOKS};
use super::case::Case;
use super::fence::foreign;
use super::matching;
use super::steps::{Errand, Settled};
use super::trouble::{Doing, PAUSE, Trouble};
use super::work::parse;
use super::{Reconciler, Tenant};
use crate::domain::desired::{Desired, DesiredAgent};
use crate::domain::import::AccountRef;
use crate::domain::link::{NoExtension, Unlinked};
use crate::domain::office::{Choice, Extensions};
use crate::domain::person;
use crate::domain::plan::ObservedAgent;
use crate::domain::policy::LinkExtension;
use crate::scim;
use crate::store::{self, imports, inventory, jobs, leases, links, people};
use crate::upstream::model::{AgentId, RcAccess, RcUserId};
use crate::upstream::{self, Lane};

/// How long the list of extensions is believed.
pub(super) const LIVE: Duration = Duration::from_mins(10);

/// How old the list may be for a refusal: an extension that was made a moment ago is not to be missed.
const FRESH: Duration = Duration::from_secs(30);

/// How long an agent waits for its extension.
const PATIENCE: Duration = Duration::from_hours(24);

/// What came of looking for a new agent's extension.
pub(super) enum Sought {
    /// This one.
    Found(RcUserId),
    /// None, and why.
    Missing(NoExtension),
    /// None is wanted, or none can be had.
    Unwanted,
}

impl Case<'_> {
    /// The extension of a new agent, by the tenant's rules.
    pub(super) async fn seek_extension(&self, wanted: &DesiredAgent) -> Result<Sought, Trouble> {
        let policy = &self.tenant.policy;
        let required = policy.link_rc_extension == LinkExtension::Required;
        if policy.link_rc_extension == LinkExtension::Off {
            return Ok(Sought::Unwanted);
        }
        if self.known.rc_access == Some(RcAccess::Disabled) {
            return if required { Err(refused(NOT_LINKED)) } else { Ok(Sought::Unwanted) };
        }
        if let Some(id) = wanted.rc_user_id {
            self.refuse_no_person(id).await?;
            return Ok(Sought::Found(id));
        }
        let found = match self.look_up(wanted, LIVE).await {
            // No is said only from a list that is not old.
            Ok(Err(_)) if required => self.look_up(wanted, FRESH).await,
            other => other,
        };
        match found {
            Ok(Ok(id)) => Ok(Sought::Found(id)),
            Ok(Err(why)) if required => Err(refused(required_but(why))),
            Ok(Err(why)) => Ok(Sought::Missing(why)),
            Err(error @ (upstream::Error::Limited { .. } | upstream::Error::Unavailable { .. })) => {
                Err(Trouble::of(Doing::Reading, "the list of extensions", &error))
            }
            Err(error) if required => Err(Trouble::Unavailable(
                PAUSE,
                format!(
                    "The RingCentral extensions cannot be read, and link_rc_extension is required: {error}"
                ),
            )),
            Err(error) => {
                tracing::warn!(error = error.kind(), tenant = %self.tenant.id, "the RingCentral extensions cannot be read; agents are made without");
                Ok(Sought::Missing(NoExtension::Unreadable))
            }
        }
    }

    /// Brings the person in line, and ties the agent to an extension that has appeared since it was made.
    pub(super) async fn bring_in_line_tied(
        &mut self,
        desired: &Desired,
        errand: &Errand,
    ) -> Result<Settled, Trouble> {
        self.observe_each(desired, errand.scope).await?;
        let followed = self.follow_home(desired).await?;
        let desired = followed.as_ref().unwrap_or(desired);
        let Some(extension) = self.late_extension(desired).await else {
            return self.bring_in_line(desired, errand).await;
        };
        let mut tied = desired.clone();
        if let Some(agent) = &mut tied.agent {
            agent.rc_user_id = Some(extension);
        }
        // The link is new, whatever else was wished before.
        let stood = std::mem::replace(&mut self.before.agent, false);
        let brought = self.bring_in_line(&tied, errand).await;
        self.before.agent = stood;
        match brought {
            // Nobody asked for this link, so its refusal is nobody's error.
            Err(Trouble::Refused(why)) => {
                tracing::warn!(tenant = %self.tenant.id, person.id = %self.person, status = why.status, "RingCX does not tie an extension");
                self.stop_waiting();
                self.unmet.clear();
                self.bring_in_line(desired, errand).await
            }
            other => other,
        }
    }

    /// The extension of an agent that was made without one and still waits: what the client named, or one that has appeared.
    ///
    /// Trouble with the list is no trouble of this work: there will be another look.
    pub(super) async fn late_extension(&mut self, desired: &Desired) -> Option<RcUserId> {
        let wanted = desired.agent.as_ref().filter(|_| desired.active)?;
        let tied = self.seen.agent.as_ref()?.agent.rc_user_id().is_some();
        let waits = self.link.unlinked.as_ref()?.since + PATIENCE > self.clock.now();
        let ours = self.link.agent.as_ref().is_some_and(|agent| agent.ours);
        if tied || !waits || !ours || self.tenant.policy.link_rc_extension == LinkExtension::Off {
            return None;
        }
        match self.look_up(wanted, LIVE).await.ok()? {
            Ok(id) if self.holder_of(id).await.ok()?.is_none() => Some(id),
            Ok(_) => None,
            Err(why) => {
                if let Some(unlinked) = &mut self.link.unlinked {
                    unlinked.why = why;
                }
                None
            }
        }
    }

    /// Whether the list of extensions has one for this person.
    async fn look_up(
        &self,
        wanted: &DesiredAgent,
        live: Duration,
    ) -> Result<Result<RcUserId, NoExtension>, upstream::Error> {
        let Some(email) = &wanted.lookup_email else { return Ok(Err(NoExtension::NotFound)) };
        let directory = self.tenant.extensions(&self.calls, live).await?;
        Ok(chosen(self.tenant, &directory, email))
    }

    /// The agent of this account that has the extension already, as far as the inventory knows; the person's own does not count.
    ///
    /// # Errors
    /// 409 when it is another tenant's.
    pub(super) async fn holder_of(&self, id: RcUserId) -> Result<Option<inventory::Item>, Trouble> {
        let tenant = self.tenant.id.clone();
        let own = self.link.agent.as_ref().map(|agent| agent.id.agent.0);
        let found = self
            .store
            .read(move |tx| inventory::by_rc_user(tx, &tenant, inventory::Kind::Agent, id.0))
            .await?;
        let holder = found.into_iter().find(|item| Some(item.id) != own);
        if let Some(item) = &holder
            && self.is_foreign(item.kind, item.id).await?
        {
            return Err(Trouble::Refused(foreign()));
        }
        Ok(holder)
    }

    /// Takes over the agent that has the extension already, instead of making a second one for the same person; what is answered
    /// has the work look at it before it goes on.
    ///
    /// # Errors
    /// 409 when it is somebody else's, or only a person can decide.
    pub(super) async fn adopt_holder(
        &mut self,
        item: &inventory::Item,
        extension: RcUserId,
    ) -> Result<Trouble, Trouble> {
        let (tenant, agent) = (self.tenant.id.clone(), item.id);
        let account = AccountRef::Agent(AgentId(agent)).to_string();
        let (whose, left_out) = self
            .store
            .read(move |tx| {
                Ok::<_, store::Error>((
                    links::by_agent(tx, &tenant, agent)?,
                    imports::is_left_out(tx, &tenant, &account)?,
                ))
            })
            .await?;
        let may = item.active && !left_out && self.tenant.policy.link_existing;
        let (Some(_), None, true) = (item.group, &whose, may) else {
            let whose = whose.map(|person| format!(" of user {person}")).unwrap_or_default();
            return Err(Trouble::Refused(scim::Error::uniqueness(format!(
                "RingCentral extension {extension} is tied to RingCX agent {agent}{whose}; decide with `ringcx-scim import` \\
                 whether they belong together, or change the link in RingCX."
            ))));
        };
        self.tie(item).await?;
        Ok(Trouble::Lost(format!("RingCX agent {agent} has this person's extension and is taken over.")))
    }

    /// Takes over an active agent that was found by its login name; what is answered has the work look at it before it goes on.
    pub(super) async fn take_over(&mut self, item: &inventory::Item) -> Result<Trouble, Trouble> {
        self.tie(item).await?;
        Ok(Trouble::Lost(format!("RingCX agent {} has this person's login name and is taken over.", item.id)))
    }

    /// Ties the person to an agent that RingCX has.
    async fn tie(&mut self, item: &inventory::Item) -> Result<(), Trouble> {
        let linked = json!({"linked": {"agentId": item.id}, "rcUserId": item.rc_user_id});
        self.note_decision("link", &linked).await?;
        self.link.agent = Some(matching::link_to(item));
        self.save_link().await
    }

    /// Refuses an extension that another agent has: one agent per extension and sub-account.
    pub(super) async fn refuse_taken_extension(&self, id: RcUserId) -> Result<(), Trouble> {
        self.refuse_no_person(id).await?;
        match self.holder_of(id).await? {
            None => Ok(()),
            Some(item) => Err(Trouble::Refused(scim::Error::uniqueness(format!(
                "RingCentral extension {id} is tied to RingCX agent {} already; change the link in RingCX first.",
                item.id
            )))),
        }
    }

    /// Refuses an extension that the client named and that belongs to no person: a department, a menu. One that the list does not
    /// show may be new, and where there is no list, RingCX is asked.
    async fn refuse_no_person(&self, id: RcUserId) -> Result<(), Trouble> {
        let Ok(directory) = self.tenant.extensions(&self.calls, LIVE).await else { return Ok(()) };
        let Some(other) = directory.by_id(id).filter(|it| !it.is_person()) else { return Ok(()) };
        let kind = other.kind.as_deref().unwrap_or("unknown");
        Err(refused(&format!(
            "RingCentral extension {id} is of type {kind} and belongs to no person, so no agent is tied to it; correct \
             rcExtensionId, or leave it out."
        )))
    }

    /// Looks whether the agent is tied, and remembers it.
    pub(super) async fn confirm_extension(
        &mut self,
        after: ObservedAgent,
        id: RcUserId,
    ) -> Result<ObservedAgent, Trouble> {
        let mut shown = self.look_at_agent(after.group, after.id).await?;
        for _ in 0..LOOKS {
            if shown.agent.rc_user_id() == Some(id) {
                break;
            }
            // RingCX may show its own changes late.
            tokio::time::sleep(LATE).await;
            shown = self.look_at_agent(after.group, after.id).await?;
        }
        if shown.agent.rc_user_id() != Some(id) {
            return Err(Trouble::unconfirmed("the link of the agent to its RingCentral extension"));
        }
        self.link.unlinked = None;
        if let Some(link) = &mut self.link.agent {
            link.rc_user_id = Some(id);
        }
        let (tenant, item) =
            (self.tenant.id.clone(), inventory::Item::agent(&shown.agent, shown.group, self.clock.now()));
        if let Some(item) = item {
            self.store.write(move |tx| inventory::refresh(tx, &tenant, &item)).await?;
        }
        Ok(shown)
    }

    /// Ends the waiting for an extension that RingCX does not tie.
    pub(super) fn stop_waiting(&mut self) {
        if let Some(unlinked) = &mut self.link.unlinked {
            *unlinked = Unlinked { since: Timestamp::UNIX_EPOCH, why: NoExtension::Unusable };
        }
    }

    /// Notes that a new agent has no extension, so that it is looked at again.
    pub(super) fn note_unlinked(&mut self, why: Option<NoExtension>) {
        let since = self.clock.now();
        self.link.unlinked = why.map(|why| Unlinked { since, why });
    }
}

/// The one extension of an address, or why there is none.
pub(super) fn chosen(tenant: &Tenant, directory: &Extensions, email: &str) -> Result<RcUserId, NoExtension> {
    match directory.of_email(email, &tenant.policy.link_rc_statuses) {
        Choice::One(extension) => Ok(extension.id),
        Choice::None => Err(NoExtension::NotFound),
        Choice::Ambiguous => Err(NoExtension::Ambiguous),
        Choice::Unusable(_) => Err(NoExtension::Unusable),
    }
}

/// Adds to a refusal that is about the extension what an administrator can do about it.
pub(super) fn about_extension(why: Trouble) -> Trouble {
    let Trouble::Refused(error) = why else { return why };
    let said = error.detail.to_ascii_lowercase();
    let hint = if error.status == 409
        && ["rcuserid", "linked", "extension"].iter().any(|it| said.contains(it))
    {
        "Another RingCX agent has the person's RingCentral extension, and the lists that the bridge may read do not say which: \
         `ringcx-scim import` reads every agent and finds it; with the role WFO_ACCESS the bridge's account sees it by itself."
    } else if said.contains("rcuserid") {
        "This RingCX account has a rule about links to RingCentral: set link_rc_extension to \"required\" where it takes only \
         linked agents, to \"off\" where it is not linked to RingCentral at all."
    } else {
        return Trouble::Refused(error);
    };
    let detail = format!("{}. {hint}", error.detail.trim_end_matches('.'));
    Trouble::Refused(scim::Error { detail, ..error })
}

const NOT_LINKED: &str = "This RingCX account is not linked to RingCentral (rcAccountAccess is DISABLED), and \
    link_rc_extension is required; have RingCentral link it, or set link_rc_extension to \"off\".";

const fn required_but(why: NoExtension) -> &'static str {
    match why {
        NoExtension::NotFound | NoExtension::Unreadable => {
            "No RingCentral extension has this person's e-mail address, and link_rc_extension is required; create the extension, \
             or set rcExtensionId."
        }
        NoExtension::Ambiguous => {
            "Several RingCentral extensions have this person's e-mail address, and link_rc_extension is required; set \
             rcExtensionId, or make the address unique."
        }
        NoExtension::Unusable => {
            "The RingCentral extension with this person's e-mail address is in no state in which it is tied (setting \
             link_rc_statuses), and link_rc_extension is required; enable the extension."
        }
    }
}

fn refused(why: &str) -> Trouble {
    Trouble::Refused(scim::Error::invalid_value(why))
}

impl Reconciler {
    /// Has agents tied whose extension has appeared since they were made; how many those are. One replica at a time looks.
    ///
    /// # Errors
    /// What RingCentral or the store said.
    pub async fn link_late(&self, tenant: &crate::domain::TenantId) -> Result<usize, super::ContactError> {
        let Some(tenant) = self.tenants.get(tenant).cloned() else { return Ok(0) };
        let (of, since) = (tenant.id.clone(), self.clock.now() - PATIENCE);
        let waiting = self.store.read(move |tx| links::unlinked(tx, &of, since)).await?;
        if waiting.is_empty() || tenant.policy.link_rc_extension == LinkExtension::Off {
            return Ok(0);
        }
        let (name, owner, now) =
            (format!("extensions:{}", tenant.id), Arc::clone(&self.owner), self.clock.now());
        let alone = self
            .store
            .write(move |tx| leases::acquire(tx, &name, &owner, now, Duration::from_mins(1)))
            .await?;
        if alone.is_none() {
            return Ok(0);
        }
        let calls = tenant.ringcx.calls(Lane::Reconcile, None);
        let directory = match tenant.extensions(&calls, self.times.extensions_live).await {
            // There is no list; each create that wants one says so.
            Err(upstream::Error::Forbidden(_)) => return Ok(0),
            other => other?,
        };
        let of = Arc::clone(&tenant);
        let found = self
            .store
            .write(move |tx| {
                let mut found = 0;
                for id in &waiting {
                    let Some(person) = people::get(tx, &of.id, id)? else { continue };
                    let user = parse(&person.body)?;
                    let Some(email) = person::lookup_email(&user) else { continue };
                    let Some(mut link) = links::get(tx, &of.id, id)? else { continue };
                    if !person::is_active(&user) || link.agent.as_ref().is_none_or(|agent| !agent.ours) {
                        continue;
                    }
                    let Ok(extension) = chosen(&of, &directory, email) else { continue };
                    let own = link.agent.as_ref().map(|agent| agent.id.agent.0);
                    let held = inventory::by_rc_user(tx, &of.id, inventory::Kind::Agent, extension.0)?;
                    if held.iter().any(|item| Some(item.id) != own) {
                        continue;
                    }
                    // What was confirmed is no longer all that is wished; the work looks afresh.
                    link.agent_applied = None;
                    links::save(tx, &of.id, id, &link, now)?;
                    jobs::enqueue(tx, &of.id, id, Lane::Reconcile, now, now)?;
                    found += 1;
                }
                Ok::<_, store::Error>(found)
            })
            .await?;
        if found > 0 {
            self.bell.notify_waiters();
        }
        Ok(found)
    }
}
