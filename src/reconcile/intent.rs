//! Writes to a person become durable intent: one transaction with the job that carries it out.
//!
//! A write without effect in RingCX is confirmed in that same transaction, and costs no call.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::accept;
use super::breaker;
use super::record::fields_changed;
use super::settle::Outcome;
use super::tenant::{Known, Tenant};
use super::work::parse;
use super::{Error, Reconciler, report};
use crate::domain::access::Access;
use crate::domain::answer::{Provisioning, stored_user};
use crate::domain::desired::check_names;
use crate::domain::link::Link;
use crate::domain::{Actor, PersonId, TenantId};
use crate::scim::patch::{self, PatchOp};
use crate::scim::{self, Resource, Rules, check, quirks, schema};
use crate::store::revisions::{self, Kind, NewRevision};
use crate::store::{Tx, audit, jobs, links, people};
use crate::upstream::Lane;
use crate::upstream::model::AgentGroupId;

/// A write that is durable.
pub(super) enum Accepted {
    /// Confirmed already.
    Now(PersonId),
    /// Confirmed when this revision is.
    Waits(PersonId, i64),
    /// Kept until a person decides.
    Blocked(PersonId, Box<breaker::Trip>),
    /// The person is gone already: there was nothing in RingCX.
    Gone,
}

/// A write to a person that is durable, or has ended already; [`Reconciler::conclude`] waits for RingCX.
pub struct Begun {
    state: State,
    /// What is answered whatever becomes of it: the rest of the request was at fault.
    fault: Option<scim::Error>,
}

enum State {
    Ended(Outcome),
    Accepted { accepted: Accepted, at_once: bool },
}

impl Begun {
    fn ended(outcome: Outcome) -> Self {
        Self { state: State::Ended(outcome), fault: None }
    }

    fn accepted(accepted: Accepted, at_once: bool) -> Self {
        Self { state: State::Accepted { accepted, at_once }, fault: None }
    }

    /// Whether RingCX or an operator has a say in the answer.
    pub fn waits(&self) -> bool {
        matches!(self.state, State::Accepted { accepted: Accepted::Waits(..) | Accepted::Blocked(..), .. })
    }

    /// Whom it is about, if they are there.
    pub fn person(&self) -> Option<&PersonId> {
        match &self.state {
            State::Accepted {
                accepted: Accepted::Now(id) | Accepted::Waits(id, _) | Accepted::Blocked(id, _),
                ..
            } => Some(id),
            State::Ended(_) | State::Accepted { accepted: Accepted::Gone, .. } => None,
        }
    }
}

/// How a write changes a person.
pub enum Change {
    /// The resource as it is to be (RFC 7644 §3.5.1).
    Put(Value),
    /// Operations (RFC 7644 §3.5.2).
    Patch(PatchOp),
}

impl Reconciler {
    /// `POST /Users`: makes the write durable.
    ///
    /// # Errors
    /// When the request cannot be accepted at all: a name in use, an unknown role, a candidate that a person must decide on.
    pub async fn create(&self, tenant: &TenantId, by: &Actor, new: Resource) -> Result<Begun, Error> {
        self.create_in(tenant, by, new, None).await
    }

    /// The same, with the agent group that an operator wants where no group decides.
    pub(super) async fn create_in(
        &self,
        tenant: &TenantId,
        by: &Actor,
        new: Resource,
        home: Option<AgentGroupId>,
    ) -> Result<Begun, Error> {
        let tenant = self.tenant(tenant)?;
        let new = without_pin(tenant, new);
        let known = match self.known_for(tenant, &new).await? {
            Ok(known) => known,
            Err(outcome) => return Ok(Begun::ended(outcome)),
        };
        check_names(&new, &tenant.terms(&known))?;
        let fresh = PersonId::from(self.ids.next());
        let record = self.record(&fresh, Some(by.clone()), "create", &Value::Null);
        let (of, by, now) = (Arc::clone(tenant), by.clone(), self.clock.now());
        let accepted = self
            .store
            .write(move |tx| {
                let accepted =
                    accept::create(tx, &of, &known, &accept::New { id: &fresh, user: &new, home }, &by, now)?;
                let told = decided(&record, &accepted, fields_changed(None, &new));
                let told = with_accounts(tx, &of.id, told)?;
                audit::append(tx, &of.id, &told)?;
                Ok::<_, Error>(accepted)
            })
            .await?;
        Ok(Begun::accepted(accepted, tenant.policy.async_create))
    }

    /// `PUT` and `PATCH /Users/{id}`: makes the write durable.
    ///
    /// A disable that travels with an operation at fault is carried out alone where the tenant says so; the error is answered
    /// all the same, so the client tries the rest again.
    ///
    /// # Errors
    /// When the request cannot be accepted at all.
    pub async fn change(
        &self,
        tenant: &TenantId,
        by: &Actor,
        id: &PersonId,
        change: Change,
        if_match: Option<&str>,
    ) -> Result<Begun, Error> {
        let survivor = match &change {
            Change::Patch(op) => patch::only_disable(op),
            Change::Put(_) => None,
        };
        let rules = &self.tenant(tenant)?.rules;
        match (self.accept_change(tenant, by, id, change, if_match).await, survivor) {
            (Err(Error::Scim(error)), Some(disable))
                if error.status == 400 && quirks::disable_survives(rules) =>
            {
                let alone = self.accept_change(tenant, by, id, Change::Patch(disable), if_match).await?;
                Ok(Begun { fault: Some(error), ..alone })
            }
            (answer, _) => answer,
        }
    }

    /// `DELETE /Users/{id}`: makes the write durable.
    ///
    /// # Errors
    /// 404 for a person who is not there, 412 when `if_match` does not fit.
    pub async fn delete(
        &self,
        tenant: &TenantId,
        by: &Actor,
        id: &PersonId,
        if_match: Option<&str>,
    ) -> Result<Begun, Error> {
        let tenant = self.tenant(tenant)?;
        let record = self.record(id, Some(by.clone()), "delete", &json!({}));
        let guard = self.record(id, Some(by.clone()), "mass_change_blocked", &Value::Null);
        let (of, by, id, now) = (Arc::clone(tenant), by.clone(), id.clone(), self.clock.now());
        let if_match = if_match.map(str::to_owned);
        let accepted = self
            .store
            .write(move |tx| {
                let loaded = accept::lock(tx, &of, &id, if_match.as_deref())?;
                if let Some(waiting) = loaded.waiting.iter().find(|it| it.kind == Kind::Delete) {
                    // Asked again: what was set aside for a person may go through by now.
                    if jobs::get(tx, &of.id, &id)?.is_some_and(|job| job.parked.is_some()) {
                        jobs::enqueue_for(tx, &of.id, &id, Lane::Deactivate, (now, now), &by)?;
                    }
                    return Ok(Accepted::Waits(id.clone(), waiting.seq));
                }
                people::set_imported(tx, &of.id, &id, false)?;
                let linked = loaded.link.agent.is_some() || loaded.link.admin.is_some();
                if !linked && loaded.waiting.is_empty() && loaded.unfinished.is_empty() {
                    report::bury(tx, &of.id, &id, now)?;
                    audit::append(tx, &of.id, &decided(&record, &Accepted::Gone, Value::Null))?;
                    return Ok::<_, Error>(Accepted::Gone);
                }
                let mut user = parse(&loaded.person.body)?;
                let change = json!({});
                let body = user.to_json();
                let new = NewRevision { kind: Kind::Delete, change: &change, body: &body, by: &by, now };
                let base = accept::base_of(&loaded)?;
                if let Some(trip) = breaker::stop(tx, &of, &loaded, &base, Access::default(), now)? {
                    audit::append(tx, &of.id, &told(&guard, &trip, &id))?;
                    let accepted = accept::block(tx, &of, &loaded, &new, trip)?;
                    audit::append(tx, &of.id, &decided(&record, &accepted, Value::Null))?;
                    return Ok(accepted);
                }
                let seq = revisions::append(tx, &of.id, &id, &new)?;
                jobs::enqueue(tx, &of.id, &id, Lane::Deactivate, now, now)?;
                // Visible as inactive until RingCX confirms.
                user.set("active", Value::Bool(false));
                let answer = stored_user(&id, &user, &loaded.link, Provisioning::Disabled, None);
                people::show(tx, &of.id, &id, &answer, Provisioning::Disabled, None, now)?;
                let accepted = Accepted::Waits(id.clone(), seq);
                audit::append(tx, &of.id, &decided(&record, &accepted, Value::Null))?;
                Ok(accepted)
            })
            .await?;
        Ok(Begun::accepted(accepted, false))
    }

    /// Answers once RingCX has agreed, refused, or shown that it cannot answer in time.
    ///
    /// # Errors
    /// What was at fault about a request of which only the disable was carried out.
    pub async fn conclude(
        &self,
        tenant: &TenantId,
        begun: Begun,
        deadline: Instant,
    ) -> Result<Outcome, Error> {
        let outcome = match begun.state {
            State::Ended(outcome) => outcome,
            State::Accepted { accepted: Accepted::Now(id), .. } => Outcome::Settled(id),
            State::Accepted { accepted: Accepted::Gone, .. } => Outcome::Gone,
            State::Accepted { accepted: Accepted::Blocked(_, trip), .. } => {
                Outcome::Unavailable { after: breaker::ASK_AGAIN, detail: breaker::sentence(&trip.block) }
            }
            State::Accepted { accepted: Accepted::Waits(id, _), at_once: true } => {
                self.bell.notify_waiters();
                Outcome::Settled(id)
            }
            State::Accepted { accepted: Accepted::Waits(id, seq), at_once: false } => {
                self.settle(self.tenant(tenant)?, &id, seq, deadline).await?
            }
        };
        match begun.fault {
            Some(error) => Err(Error::Scim(error)),
            None => Ok(outcome),
        }
    }

    async fn accept_change(
        &self,
        tenant: &TenantId,
        by: &Actor,
        id: &PersonId,
        change: Change,
        if_match: Option<&str>,
    ) -> Result<Begun, Error> {
        let tenant = self.tenant(tenant)?;
        // What the names mean does not depend on the transaction, and reading them again may take a call.
        let known = match self.draft(tenant, id, &change).await? {
            Some(draft) => self.known_for(tenant, &draft).await?,
            None => self.known_now(tenant).await?.ok_or_else(not_met),
        };
        let known = match known {
            Ok(known) => known,
            Err(outcome) => return Ok(Begun::ended(outcome)),
        };
        let action = if matches!(change, Change::Put(_)) { "replace" } else { "patch" };
        let record = self.record(id, Some(by.clone()), action, &Value::Null);
        let guard = self.record(id, Some(by.clone()), "mass_change_blocked", &Value::Null);
        let (of, by, id, now) = (Arc::clone(tenant), by.clone(), id.clone(), self.clock.now());
        let if_match = if_match.map(str::to_owned);
        let rules = tenant.rules.uncounted();
        let accepted = self
            .store
            .write(move |tx| {
                let mut loaded = accept::lock(tx, &of, &id, if_match.as_deref())?;
                if loaded.waiting.iter().any(|it| it.kind == Kind::Delete) {
                    return Err(accept::missing(&id));
                }
                let base = accept::base_of(&loaded)?;
                if !loaded.blocked.is_empty() {
                    // The client writes to the person as it believes them to be.
                    let believed = breaker::as_wanted(&of, &base, &loaded);
                    let wanted = apply(&of, &rules, &believed, &loaded.link, &change)?;
                    let has = |user| breaker::access(&of, &loaded, user);
                    if !has(&base).loses(has(&wanted)) {
                        breaker::countermand(tx, &of.id, &mut loaded, now)?;
                    }
                }
                let user = apply(&of, &rules, &base, &loaded.link, &change)?;
                let accepted = accept::change(tx, &of, &known, &loaded, &base, &user, &change, &by, now)?;
                if let Accepted::Blocked(_, trip) = &accepted {
                    audit::append(tx, &of.id, &told(&guard, trip, &id))?;
                }
                if accept::is_news(&base, &user) || matches!(accepted, Accepted::Waits(..)) {
                    let changed = fields_changed(Some(&base), &user);
                    audit::append(tx, &of.id, &decided(&record, &accepted, changed))?;
                }
                Ok(accepted)
            })
            .await?;
        Ok(Begun::accepted(accepted, false))
    }

    /// The resource as it would be, to see which names it uses; nothing when the change has to do with none, so that it waits for
    /// nothing.
    async fn draft(
        &self,
        tenant: &Arc<Tenant>,
        id: &PersonId,
        change: &Change,
    ) -> Result<Option<Resource>, Error> {
        let loaded = self.load(tenant, id).await?.filter(|it| it.person.deleted.is_none());
        let loaded = loaded.ok_or_else(|| accept::missing(id))?;
        let base = accept::base_of(&loaded)?;
        let user = apply(tenant, &tenant.rules, &base, &loaded.link, change)?;
        Ok(accept::touches_grants(&base, &user).then_some(user))
    }

    /// What is known of the account, read again when `user` names something that is not; else why that cannot be said now.
    async fn known_for(
        &self,
        tenant: &Arc<Tenant>,
        user: &Resource,
    ) -> Result<Result<Arc<Known>, Outcome>, Error> {
        let Some(known) = self.known_now(tenant).await? else { return Ok(Err(not_met())) };
        if check_names(user, &tenant.terms(&known)).is_ok() {
            return Ok(Ok(known));
        }
        Ok(self.names_in_time(tenant).await?.ok_or_else(|| unread(tenant)))
    }
}

/// A PIN that the tenant does not take is not stored either.
fn without_pin(tenant: &Tenant, mut user: Resource) -> Resource {
    if !tenant.policy.phone_login_pin {
        user.remove(&format!("{}:phoneLoginPin", scim::urn::RINGCX_USER));
    }
    user
}

fn apply(
    tenant: &Tenant,
    rules: &Rules,
    base: &Resource,
    link: &Link,
    change: &Change,
) -> Result<Resource, Error> {
    let mut user = match change {
        Change::Put(body) => check::replace(&schema::USER, base, body.clone(), rules)?,
        Change::Patch(op) => {
            let patched = patch::apply(&schema::USER, base, op, rules)?;
            for path in &patched.skipped {
                let attribute = attribute(path);
                tracing::warn!(tenant = %tenant.id, attribute, "an attribute outside the schema was skipped");
            }
            patched.resource
        }
    };
    if let Some(agent) = &link.agent {
        agent.found.drop_echo(base, &mut user);
    }
    Ok(without_pin(tenant, user))
}

/// The record of a blocked write.
fn told(record: &audit::Record, trip: &breaker::Trip, id: &PersonId) -> audit::Record {
    audit::Record { detail: trip.detail(std::slice::from_ref(id)).to_string(), ..record.clone() }
}

/// What may be logged of a path: the attribute before the filter, which may hold anything about anybody.
fn attribute(path: &str) -> &str {
    let name = path.split('[').next().unwrap_or_default();
    let is_name = name.chars().all(|letter| letter.is_ascii_alphanumeric() || "$-_.:".contains(letter));
    if is_name { name } else { "no attribute" }
}

fn unread(tenant: &Tenant) -> Outcome {
    Outcome::Unavailable {
        after: tenant.ringcx.penalty_left().max(std::time::Duration::from_secs(10)),
        detail: "RingCX could not be asked whether what this request names is there; send it again."
            .to_owned(),
    }
}

fn not_met() -> Outcome {
    Outcome::Unavailable {
        after: std::time::Duration::from_secs(10),
        detail: "The bridge has not read this RingCX account yet; people are written once it has.".to_owned(),
    }
}

/// A record of a create, with the accounts in RingCX that the person has taken over.
fn with_accounts(tx: &mut Tx<'_>, tenant: &TenantId, record: audit::Record) -> Result<audit::Record, Error> {
    let Some(person) = &record.person else { return Ok(record) };
    let link = links::get(tx, tenant, person)?.unwrap_or_default();
    let agent = link.agent.map(|agent| ("agentId", agent.id.agent.0));
    let admin = link.admin.map(|admin| ("adminUserId", admin.id.0));
    let linked: Map<String, Value> =
        agent.into_iter().chain(admin).map(|(name, id)| (name.to_owned(), json!(id))).collect();
    let mut detail: Map<String, Value> = serde_json::from_str(&record.detail).unwrap_or_default();
    if !linked.is_empty() {
        detail.insert("linked".to_owned(), Value::Object(linked));
    }
    Ok(audit::Record { detail: Value::Object(detail).to_string(), ..record })
}

/// For the auditor: what changes, and whether RingCX has to do with it.
fn decided(record: &audit::Record, accepted: &Accepted, changed: Value) -> audit::Record {
    let (person, decision) = match accepted {
        Accepted::Now(id) => (Some(id), json!({"decision": "stored"})),
        Accepted::Waits(id, seq) => (Some(id), json!({"decision": "waits for RingCX", "revision": seq})),
        Accepted::Blocked(id, _) => (Some(id), json!({"decision": "blocked by the mass-change guard"})),
        Accepted::Gone => (None, json!({"decision": "removed"})),
    };
    let mut detail = decision;
    if let (Value::Object(fields), false) = (&mut detail, changed.is_null()) {
        fields.insert("changed".to_owned(), changed);
    }
    let person = person.cloned().or_else(|| record.person.clone());
    audit::Record { person, detail: detail.to_string(), ..record.clone() }
}
