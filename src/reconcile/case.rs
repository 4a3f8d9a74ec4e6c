//! The work on one person, under lease: what is remembered, what was seen, and the rows written around each call.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::guard;
use super::record::differences;
use super::sight::Sight;
use super::steps::Before;
use super::tenant::{Known, Tenant};
use super::trouble::{Doing, Trouble};
use crate::clock::{Clock, Ids};
use crate::domain::link::Link;
use crate::domain::plan::{Observed, ObservedAgent};
use crate::domain::{Actor, PersonId, TenantId};
use crate::scim;
use crate::store::{self, Store, Tx, audit, facts, inventory, jobs, journal, links};
use crate::upstream::model::{Admin, AgentGroupId, AgentId, UserId};
use crate::upstream::{self, Calls, Ticket};

/// One person while a worker holds their lease.
pub(super) struct Case<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) store: &'a Store,
    pub(super) clock: &'a Clock,
    pub(super) ids: &'a Ids,
    /// What is known of the account.
    pub(super) known: Arc<Known>,
    /// Who is worked on.
    pub(super) person: PersonId,
    /// The proof that nobody else works on them.
    pub(super) lease: jobs::Lease,
    /// On whose behalf.
    pub(super) by: Actor,
    /// All requests that this work carries out.
    pub(super) also: Vec<String>,
    /// The accounts of the person; stored after each step that changes it.
    pub(super) link: Link,
    /// What RingCX showed last.
    pub(super) seen: Observed,
    /// When that was.
    pub(super) looks: Looks,
    /// What could not be seen.
    pub(super) sight: Sight,
    /// How old it may be when a change that rests on it is sent.
    pub(super) fresh: Duration,
    /// What was wished before the write that is carried out.
    pub(super) before: Before,
    /// What RingCX refused of that.
    pub(super) unmet: Vec<scim::Error>,
    /// What is to be said about the person although the work went well.
    pub(super) notes: Vec<String>,
    /// The way to RingCX, in the lane of this work.
    pub(super) calls: Calls,
}

/// The last look at each persona.
#[derive(Default)]
pub(super) struct Looks {
    pub(super) agent: Look,
    pub(super) admin: Look,
}

/// A look at RingCX, and the place in line for the change that rests on it.
pub(super) struct Look {
    at: Instant,
    ticket: Ticket,
}

impl Default for Look {
    fn default() -> Self {
        Self { at: Instant::now(), ticket: Ticket::default() }
    }
}

impl Look {
    /// The look was this moment.
    pub(super) fn done(&mut self) {
        self.at = Instant::now();
    }

    /// The calls with which one looks.
    pub(super) fn looking(&self, calls: &Calls) -> Calls {
        calls.in_turn_of(&self.ticket)
    }

    /// The calls for a change that sends back what was seen, which must not be older than `fresh` when it goes out.
    pub(super) fn changing(&self, calls: &Calls, fresh: Duration) -> Calls {
        calls.in_turn_of(&self.ticket).not_after(self.at + fresh)
    }
}

/// An open row of the journal: a changing call that may be on its way.
pub(super) struct Entry {
    id: String,
    operation: String,
    intent: Value,
    started: jiff::Timestamp,
    /// What the call was to change, for the auditor.
    changed: Value,
    /// The account that it has made, for the auditor.
    made: Value,
    /// What RingCX said against it.
    reason: Option<String>,
}

/// What is written when a call has ended.
struct Closing {
    id: String,
    outcome: &'static str,
    now: jiff::Timestamp,
    record: audit::Record,
}

impl Closing {
    fn write(&self, tx: &mut Tx<'_>, tenant: &TenantId) -> Result<(), store::Error> {
        journal::close(tx, tenant, &self.id, self.outcome, self.now)?;
        audit::append(tx, tenant, &self.record)
    }
}

impl Entry {
    /// A row that earlier work left open.
    pub(super) fn left(row: &journal::Entry) -> Self {
        let intent = serde_json::from_str(&row.intent).unwrap_or(Value::Null);
        Self::new(row.id.clone(), &row.operation, intent, row.started)
    }

    fn new(id: String, operation: &str, intent: Value, started: jiff::Timestamp) -> Self {
        Self {
            id,
            operation: operation.to_owned(),
            intent,
            started,
            changed: Value::Null,
            made: Value::Null,
            reason: None,
        }
    }

    /// With before and after of what the call is to change.
    pub(super) fn changing(self, before: &Map<String, Value>, after: &Map<String, Value>) -> Self {
        Self { changed: differences(before, after), ..self }
    }

    /// With before and after of the one thing that the call is to change.
    pub(super) fn turning(self, what: &str, before: &Value, after: &Value) -> Self {
        Self { changed: json!({what: {"before": before, "after": after}}), ..self }
    }

    /// With the id of what the call has made.
    pub(super) fn having_made(self, what: &str, id: i64) -> Self {
        Self { made: json!({what: id}), ..self }
    }
}

impl Case<'_> {
    /// Writes down a changing call before it is made, so that a crash in between leaves a trace.
    pub(super) async fn begin(&self, operation: &str, intent: &Value) -> Result<Entry, Trouble> {
        let (entry, row) = self.entry(operation, intent);
        let tenant = self.tenant.id.clone();
        self.write(move |tx| journal::open(tx, &tenant, &row)).await?;
        Ok(entry)
    }

    /// Writes to the store, unless somebody else has taken over: then the work stops where it stands, and what it has left
    /// open in the journal is looked up by the other one.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        closure: impl Fn(&mut Tx<'_>) -> Result<T, store::Error> + Send + 'static,
    ) -> Result<T, Trouble> {
        let lease = self.lease.clone();
        let written = self.store.write(move |tx| {
            lease.check(tx)?;
            closure(tx)
        });
        Ok(written.await?)
    }

    /// A call and its row.
    pub(super) fn entry(&self, operation: &str, intent: &Value) -> (Entry, journal::Entry) {
        let started = self.clock.now();
        let entry = Entry::new(self.ids.next().to_string(), operation, intent.clone(), started);
        let row = journal::Entry {
            id: entry.id.clone(),
            person: self.person.clone(),
            operation: operation.to_owned(),
            intent: intent.to_string(),
            started,
        };
        (entry, row)
    }

    /// Writes down what became of a call. One whose outcome is unknown stays open: whoever comes next looks first.
    pub(super) async fn end<T>(
        &self,
        entry: Entry,
        answer: Result<T, upstream::Error>,
        what: &str,
    ) -> Result<T, Trouble> {
        self.end_as(Doing::Changing, entry, answer, what).await
    }

    /// The same for a call of a certain kind.
    pub(super) async fn end_as<T>(
        &self,
        doing: Doing,
        entry: Entry,
        answer: Result<T, upstream::Error>,
        what: &str,
    ) -> Result<T, Trouble> {
        let (entry, value) = self.made(doing, entry, answer, what).await?;
        self.close(entry, "done").await?;
        Ok(value)
    }

    /// The same, with the row left open where it went well: it is closed together with what was made.
    pub(super) async fn made<T>(
        &self,
        doing: Doing,
        entry: Entry,
        answer: Result<T, upstream::Error>,
        what: &str,
    ) -> Result<(Entry, T), Trouble> {
        match answer {
            Ok(value) => Ok((entry, value)),
            Err(error) => {
                let made_way = matches!(error, upstream::Error::Limited { after } if after.is_zero());
                if made_way || error == upstream::Error::Outdated {
                    // It was not sent, so there is nothing to tell anybody.
                    let (tenant, id) = (self.tenant.id.clone(), entry.id);
                    self.store.write(move |tx| journal::discard(tx, &tenant, &id)).await?;
                    return Err(Trouble::of(doing, what, &error));
                }
                let entry = Entry { reason: Some(error.to_string()), ..entry };
                if error.may_have_been_applied() {
                    self.note_lost(&entry).await?;
                } else {
                    let held = matches!(error, upstream::Error::Held(_));
                    self.close(entry, if held { "held" } else { "refused" }).await?;
                }
                Err(Trouble::of(doing, what, &error))
            }
        }
    }

    /// Closes a row of the journal and leaves a record for the auditor.
    pub(super) async fn close(&self, entry: Entry, outcome: &'static str) -> Result<(), Trouble> {
        let (tenant, closing) = (self.tenant.id.clone(), self.closing(entry, outcome));
        self.write(move |tx| closing.write(tx, &tenant)).await
    }

    /// The answer was lost: the row of the journal stays open, and the auditor learns that the call was made.
    async fn note_lost(&self, entry: &Entry) -> Result<(), Trouble> {
        let (tenant, record) = (self.tenant.id.clone(), self.call_record(entry, "unknown"));
        Ok(self.store.write(move |tx| audit::append(tx, &tenant, &record)).await?)
    }

    /// The end of a call, to be written together with what it has made.
    fn closing(&self, entry: Entry, outcome: &'static str) -> Closing {
        let record = self.call_record(&entry, outcome);
        Closing { id: entry.id, outcome, now: self.clock.now(), record }
    }

    /// A record of a call: what it was to do, to whom, what came of it, and how long it took.
    fn call_record(&self, entry: &Entry, outcome: &str) -> audit::Record {
        let took = self.clock.now().duration_since(entry.started).as_millis();
        let mut detail = json!({"call": entry.intent, "outcome": outcome, "duration_ms": took});
        if let Value::Object(fields) = &mut detail {
            for (name, value) in [("changed", &entry.changed), ("made", &entry.made)] {
                if !value.is_null() {
                    fields.insert(name.to_owned(), value.clone());
                }
            }
            if let Some(reason) = &entry.reason {
                fields.insert("reason".to_owned(), json!(reason));
            }
        }
        audit::Record::new(&self.ids.next(), self.clock.now(), &self.by, &entry.operation, &detail)
            .about(&self.person)
            .also(self.also.iter().cloned())
    }

    /// A record of a decision for the auditor.
    pub(super) fn decision(&self, action: &str, detail: &Value) -> audit::Record {
        audit::Record::new(&self.ids.next(), self.clock.now(), &self.by, action, detail)
            .about(&self.person)
            .also(self.also.iter().cloned())
    }

    /// Leaves a record of a decision for the auditor.
    pub(super) async fn note_decision(&self, action: &str, detail: &Value) -> Result<(), Trouble> {
        let (tenant, record) = (self.tenant.id.clone(), self.decision(action, detail));
        Ok(self.store.write(move |tx| audit::append(tx, &tenant, &record)).await?)
    }

    /// Stores the accounts of the person.
    pub(super) async fn save_link(&self) -> Result<(), Trouble> {
        let (tenant, person, link, now) =
            (self.tenant.id.clone(), self.person.clone(), self.link.clone(), self.clock.now());
        self.write(move |tx| links::save(tx, &tenant, &person, &link, now)).await
    }

    /// Something learned about this tenant's RingCX.
    pub(super) async fn fact(&self, name: &'static str) -> Result<Option<String>, Trouble> {
        let tenant = self.tenant.id.clone();
        Ok(self.store.read(move |tx| facts::get(tx, &tenant, name)).await?)
    }

    /// Remembers something about this tenant's RingCX.
    pub(super) async fn learn(&self, name: &'static str, value: &str) -> Result<(), Trouble> {
        let (tenant, value, now) = (self.tenant.id.clone(), value.to_owned(), self.clock.now());
        Ok(self.store.write(move |tx| facts::set(tx, &tenant, name, &value, now)).await?)
    }

    /// Stores what a create has made, in one transaction: the end of the call, the link, and the account in the inventory, so
    /// that it is never taken for a stranger.
    pub(super) async fn remember(
        &self,
        item: Option<inventory::Item>,
        entry: Entry,
        outcome: &'static str,
    ) -> Result<(), Trouble> {
        let closing = self.closing(entry, outcome);
        let (tenant, person, link, now) =
            (self.tenant.id.clone(), self.person.clone(), self.link.clone(), self.clock.now());
        self.write(move |tx| {
            if let Some(item) = &item {
                inventory::put(tx, &tenant, item)?;
            }
            closing.write(tx, &tenant)?;
            links::save(tx, &tenant, &person, &link, now)
        })
        .await
    }

    /// Takes a deleted agent out of the inventory.
    pub(super) async fn forget_agent(&self, id: AgentId) -> Result<(), Trouble> {
        self.forget(inventory::Kind::Agent, id.0).await
    }

    /// Takes a deleted administrator out of the inventory.
    pub(super) async fn forget_admin(&self, id: UserId) -> Result<(), Trouble> {
        self.forget(inventory::Kind::Admin, id.0).await
    }

    /// Takes an agent that RingCX no longer has out of the inventory.
    pub(super) async fn strike_agent(&self, id: AgentId) -> Result<(), Trouble> {
        let tenant = self.tenant.id.clone();
        self.write(move |tx| inventory::remove(tx, &tenant, inventory::Kind::Agent, id.0)).await
    }

    async fn forget(&self, kind: inventory::Kind, id: i64) -> Result<(), Trouble> {
        let (tenant, person, link, now) =
            (self.tenant.id.clone(), self.person.clone(), self.link.clone(), self.clock.now());
        self.write(move |tx| {
            inventory::remove(tx, &tenant, kind, id)?;
            links::save(tx, &tenant, &person, &link, now)
        })
        .await
    }

    /// The agent as RingCX shows it now.
    pub(super) async fn look_at_agent(
        &self,
        group: AgentGroupId,
        id: AgentId,
    ) -> Result<ObservedAgent, Trouble> {
        let agent = self.calls.agent(group, id).await;
        let agent = agent.map_err(|error| Trouble::of(Doing::Removing, "the agent", &error))?;
        Ok(ObservedAgent { id, group: agent.group_id().unwrap_or(group), agent })
    }

    /// The administrator as RingCX shows it now.
    pub(super) async fn look_at_admin(&self, id: UserId) -> Result<Admin, Trouble> {
        self.calls.admin(id).await.map_err(|error| Trouble::of(Doing::Removing, "the administrator", &error))
    }

    /// An administrator of this name that nobody linked is never taken over silently.
    pub(super) async fn refuse_known_admin(&self, user_name: &str) -> Result<(), Trouble> {
        let (tenant, key) = (self.tenant.id.clone(), crate::domain::fold(user_name));
        let found =
            self.store.read(move |tx| inventory::by_name(tx, &tenant, inventory::Kind::Admin, &key)).await?;
        match found.first() {
            None => Ok(()),
            Some(item) if self.is_foreign(item.kind, item.id).await? => {
                Err(Trouble::Refused(super::fence::foreign()))
            }
            Some(item) => {
                let id = UserId(item.id);
                let never = guard::untouchable(self.tenant, &self.known, id, user_name);
                let never = never.map(|error| scim::Error {
                    detail: format!("{} Give this person no roles, or another userName.", error.detail),
                    ..error
                });
                Err(Trouble::Refused(never.unwrap_or_else(|| guard::question_of_admin(id))))
            }
        }
    }
}
