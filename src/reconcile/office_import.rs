//! Making agents of RingCentral's users, and tying an agent that exists: each a write like any other, by an operator.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::intent::Change;
use super::office::{Decision, Office, OfficeUser};
use super::settle::Outcome;
use super::{Error, Reconciler};
use crate::domain::{Actor, PersonId, TenantId};
use crate::scim::patch::PatchOp;
use crate::scim::{Resource, check, schema, urn};
use crate::store::{self, jobs, links, people};
use crate::upstream::Lane;
use crate::upstream::model::{AgentGroupId, AgentId, RcUserId};

/// What an import gives: an agent group, and the four permissions of RingCX's own "Import Office users".
#[expect(clippy::struct_excessive_bools, reason = "each is a box of its own to tick")]
#[derive(Clone, Copy, Debug)]
pub struct ImportTerms {
    /// The agent group, where no group of the identity provider decides.
    pub group: AgentGroupId,
    /// Whether they may log in; without it they are on record, switched off, and their agent is made when they are switched on.
    pub login: bool,
    /// Whether they are supervisors.
    pub supervisor: bool,
    /// Whether they take inbound calls.
    pub inbound: bool,
    /// Whether they make outbound calls.
    pub outbound: bool,
    /// Whether RingCentral maintains the agent from then on.
    pub sync: bool,
}

/// What came of tying an agent to an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tied {
    /// RingCX shows the link.
    Yes(AgentId),
    /// It does not, and why.
    No(String),
}

impl Reconciler {
    /// Makes an agent of a RingCentral user, as was decided; nothing where there is nothing to do.
    ///
    /// # Errors
    /// When the write cannot be accepted at all.
    pub async fn import_office_user(
        &self,
        tenant: &TenantId,
        by: &Actor,
        (office, user, decision): (&Office, &OfficeUser, &Decision),
        terms: ImportTerms,
        deadline: Instant,
    ) -> Result<Option<Outcome>, Error> {
        let rules = &self.tenant(tenant)?.rules;
        let begun = match decision {
            Decision::Nothing | Decision::Left(_) => return Ok(None),
            Decision::Create => {
                let new = check::create(&schema::USER, new_person(office, user, terms), rules)?;
                self.create_in(tenant, by, new, Some(terms.group)).await?
            }
            Decision::Use(person) => {
                self.place(tenant, by, person, terms.group).await?;
                let op = PatchOp::parse(additions(user, terms), rules)?;
                self.change(tenant, by, person, Change::Patch(op), None).await?
            }
        };
        let outcome = self.conclude(tenant, begun, deadline).await?;
        if let (Decision::Use(person), Outcome::Settled(_)) = (decision, &outcome) {
            // Nothing but the place may have changed; then there is a job, and no request that it answers.
            self.work_once(tenant, person).await?;
        }
        Ok(Some(outcome))
    }

    /// The agent of a person of the tenant, if they have one.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn agent_of_person(
        &self,
        tenant: &TenantId,
        person: &PersonId,
    ) -> Result<Option<AgentId>, store::Error> {
        let (of, id) = (tenant.clone(), person.clone());
        let link = self.store.read(move |tx| links::get(tx, &of, &id)).await?;
        Ok(link.and_then(|link| link.agent).map(|agent| agent.id.agent))
    }

    /// The person whom an operator names by SCIM id or user name.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn person_named(
        &self,
        tenant: &TenantId,
        name: &str,
    ) -> Result<Option<(PersonId, Resource)>, store::Error> {
        let (of, name) = (tenant.clone(), name.trim().to_owned());
        let found = self.store.read(move |tx| people::named(tx, &of, &name)).await?;
        found.map(|person| Ok((person.id.clone(), super::work::parse(&person.body)?))).transpose()
    }

    /// Ties the agent of a person to an extension, and looks whether RingCX shows it.
    ///
    /// # Errors
    /// When the write cannot be accepted at all, or the store cannot answer.
    pub async fn tie(
        &self,
        tenant: &TenantId,
        by: &Actor,
        person: &PersonId,
        (extension, sync): (RcUserId, bool),
        deadline: Instant,
    ) -> Result<Tied, Error> {
        let of = Arc::clone(self.tenant(tenant)?);
        let mut value = json!({format!("{}:rcExtensionId", urn::RINGCX_USER): extension.to_string()});
        if let (Some(value), true) = (value.as_object_mut(), sync) {
            value.insert(format!("{}:syncWithOffice", urn::RINGCX_USER), json!(true));
        }
        let op = PatchOp::parse(json!({"Operations": [{"op": "replace", "value": value}]}), &of.rules)?;
        let begun = self.change(tenant, by, person, Change::Patch(op), None).await?;
        match self.conclude(tenant, begun, deadline).await? {
            Outcome::Settled(_) => {}
            Outcome::Gone => return Ok(Tied::No("the person was deleted meanwhile".to_owned())),
            Outcome::Rejected(why) => return Ok(Tied::No(why.detail)),
            Outcome::Busy { detail, .. } | Outcome::Unavailable { detail, .. } => {
                return Ok(Tied::No(detail));
            }
        }
        // The wish may have been there before, and the link be gone since: look afresh.
        self.look_afresh(tenant, by, person).await?;
        self.work_once(tenant, person).await?;
        let (id, tenant_id) = (person.clone(), tenant.clone());
        let link = self.store.read(move |tx| links::get(tx, &tenant_id, &id)).await?;
        let Some(agent) = link.and_then(|link| link.agent) else {
            return Ok(Tied::No("the person has no agent any more".to_owned()));
        };
        let calls = of.ringcx.calls(Lane::Update, None);
        Ok(match calls.agent(agent.id.group, agent.id.agent).await {
            Ok(seen) if seen.rc_user_id() != Some(extension) => {
                Tied::No("RingCX does not show the link; see the person's lastError".to_owned())
            }
            Ok(seen) if sync && !seen.user_managed_by_rc() => {
                Tied::No("RingCX shows the link, and not that RingCentral maintains the agent".to_owned())
            }
            Ok(_) => Tied::Yes(agent.id.agent),
            Err(error) => Tied::No(format!("RingCX was not asked afterwards: {error}")),
        })
    }

    /// Notes the agent group that an operator chose for a person, with the job that makes the agent.
    async fn place(
        &self,
        tenant: &TenantId,
        by: &Actor,
        person: &PersonId,
        group: AgentGroupId,
    ) -> Result<(), store::Error> {
        let (of, by, id, now) = (tenant.clone(), by.clone(), person.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                let mut link = links::get(tx, &of, &id)?.unwrap_or_default();
                link.home = Some(group);
                links::save(tx, &of, &id, &link, now)?;
                jobs::enqueue_for(tx, &of, &id, Lane::Update, (now, now), &by)
            })
            .await
    }

    /// Has the person's agent looked at, whatever was confirmed before.
    async fn look_afresh(
        &self,
        tenant: &TenantId,
        by: &Actor,
        person: &PersonId,
    ) -> Result<(), store::Error> {
        let (of, by, id, now) = (tenant.clone(), by.clone(), person.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                let Some(mut link) = links::get(tx, &of, &id)? else { return Ok(()) };
                link.agent_applied = None;
                links::save(tx, &of, &id, &link, now)?;
                jobs::enqueue_for(tx, &of, &id, Lane::Update, (now, now), &by)
            })
            .await
    }

    /// Does the job of one person that is due, unless a running server has it already.
    async fn work_once(&self, tenant: &TenantId, person: &PersonId) -> Result<(), Error> {
        let of = Arc::clone(self.tenant(tenant)?);
        if let Some(job) = self.claim(&of, person).await? {
            self.run_job(&of, job).await;
        }
        Ok(())
    }
}

/// A RingCentral user as a person of the tenant.
fn new_person(office: &Office, user: &OfficeUser, terms: ImportTerms) -> Value {
    let email = user.email.as_deref().unwrap_or_default();
    let mut new = json!({
        "userName": email, "active": terms.login,
        "emails": [{"value": email, "type": "work", "primary": true}],
        urn::RINGCX_USER: ringcx(user, terms),
    });
    let names = office.extension(user.id).map(|it| (it.first_name.clone(), it.last_name.clone()));
    let (first, last) = names.unwrap_or_default();
    let mut set = |name: &str, value: Option<Value>| {
        if let (Some(new), Some(value)) = (new.as_object_mut(), value) {
            new.insert(name.to_owned(), value);
        }
    };
    set("displayName", user.name.clone().map(Value::from));
    let mut name = serde_json::Map::new();
    name.extend(first.map(|it| ("givenName".to_owned(), Value::from(it))));
    name.extend(last.map(|it| ("familyName".to_owned(), Value::from(it))));
    set("name", (!name.is_empty()).then_some(Value::Object(name)));
    new
}

/// What a person who is there gets in addition.
fn additions(user: &OfficeUser, terms: ImportTerms) -> Value {
    let value: serde_json::Map<String, Value> = ringcx(user, terms)
        .into_iter()
        .map(|(name, value)| (format!("{}:{name}", urn::RINGCX_USER), value))
        .collect();
    json!({"Operations": [{"op": "add", "value": value}]})
}

fn ringcx(user: &OfficeUser, terms: ImportTerms) -> serde_json::Map<String, Value> {
    let mut ringcx = serde_json::Map::from_iter([
        ("rcExtensionId".to_owned(), json!(user.id.to_string())),
        ("allowInbound".to_owned(), json!(terms.inbound)),
        ("allowOutbound".to_owned(), json!(terms.outbound)),
    ]);
    if terms.supervisor {
        ringcx.insert("agentType".to_owned(), json!("SUPERVISOR"));
    }
    if terms.sync {
        ringcx.insert("syncWithOffice".to_owned(), json!(true));
    }
    ringcx
}
