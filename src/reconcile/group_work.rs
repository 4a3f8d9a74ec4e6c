//! The agent group that an unmatched SCIM group makes, where the tenant wants that.

use std::sync::Arc;

use serde_json::json;

use super::work::Worked;
use super::{Reconciler, Tenant};
use crate::domain::desired::group_named;
use crate::domain::person::group_keys;
use crate::domain::policy::Mode;
use crate::domain::{Actor, GroupId, PersonId};
use crate::store::{self, groups, jobs, journal, members, planned};
use crate::upstream::model::{AgentGroup, AgentGroupId};
use crate::upstream::{self, Lane};

impl Reconciler {
    /// Makes or finds the agent group of a SCIM group, links the two, and has the members computed again.
    pub(super) async fn work_on_group(
        &self,
        tenant: &Arc<Tenant>,
        job: &mut jobs::Job,
        id: &GroupId,
    ) -> Result<Worked, store::Error> {
        let (of, wanted) = (tenant.id.clone(), id.clone());
        let group = self.store.read(move |tx| groups::get(tx, &of, &wanted)).await?;
        let Some(group) = group.filter(|group| group.agent_group.is_none()) else {
            return self.finish_job(job).await;
        };
        let name = group_keys(&super::work::parse(&group.body)?).display_name;
        match self.agent_group_named(tenant, &name, job).await {
            Ok(None) => self.finish_job(job).await,
            Ok(Some((agent_group, ours))) => {
                let (of, id, now) = (tenant.id.clone(), id.clone(), self.clock.now());
                let by = job.causes.last().cloned().unwrap_or_else(Actor::bridge);
                self.store
                    .write(move |tx| {
                        groups::link(tx, &of, &id, agent_group.0, ours)?;
                        planned::replace(tx, &of, &jobs::group_subject(&id), &[], now)?;
                        for member in members::ids(tx, &of, &id)? {
                            jobs::enqueue_for(tx, &of, &PersonId::from(member), Lane::Move, (now, now), &by)?;
                        }
                        Ok::<_, store::Error>(())
                    })
                    .await?;
                self.finish_job(job).await
            }
            Err(upstream::Error::Held(why)) => self.hold_back(job, &why).await,
            Err(error) => {
                let after = match &error {
                    upstream::Error::Limited { after } => *after,
                    _ => self.times.back_off(job.attempts),
                };
                let why = format!("RingCX did not make the agent group: {error}");
                self.postpone(tenant, job, after, &why).await
            }
        }
    }

    /// The agent group of this name, from a fresh list, else a new one where the tenant wants that; the list also finds one whose creation was not answered.
    async fn agent_group_named(
        &self,
        tenant: &Arc<Tenant>,
        name: &str,
        job: &jobs::Job,
    ) -> Result<Option<(AgentGroupId, bool)>, upstream::Error> {
        let calls = tenant.ringcx.calls(Lane::Create, None);
        let listed = calls.agent_groups().await?;
        if let Ok(id) = group_named(name, &listed) {
            let found = listed.into_iter().find(|group| group.id == id);
            let made = self.remember(tenant, found).await;
            return made.map(|()| Some((id, false))).map_err(|error| unavailable(&error));
        }
        if !tenant.policy.auto_create_agent_groups {
            return Ok(None);
        }
        if tenant.policy.mode == Mode::DryRun {
            let written = self.plan_group(tenant, &job.person).await;
            return written.map(|()| None).map_err(|error| unavailable(&error));
        }
        let entry = journal::Entry {
            id: self.ids.next().to_string(),
            person: job.person.clone(),
            operation: "createAgentGroup".to_owned(),
            intent: json!({"groupName": name}).to_string(),
            started: self.clock.now(),
        };
        let (of, row) = (tenant.id.clone(), entry.clone());
        self.store
            .write(move |tx| journal::open(tx, &of, &row))
            .await
            .map_err(|error| unavailable(&error))?;
        let made = calls.create_agent_group(name).await;
        let (of, now) = (tenant.id.clone(), self.clock.now());
        let outcome = if made.is_ok() { "done" } else { "refused" };
        let record = self.record(
            &job.person,
            job.causes.last().cloned(),
            "createAgentGroup",
            &json!({"groupName": name, "outcome": outcome}),
        );
        let closed = self
            .store
            .write(move |tx| {
                journal::close(tx, &of, &entry.id, outcome, now)?;
                crate::store::audit::append(tx, &of, &record)
            })
            .await;
        closed.map_err(|error| unavailable(&error))?;
        let made = made?;
        let id = made.id;
        self.remember(tenant, Some(made)).await.map_err(|error| unavailable(&error))?;
        Ok(Some((id, true)))
    }

    async fn remember(&self, tenant: &Tenant, group: Option<AgentGroup>) -> Result<(), store::Error> {
        match group {
            Some(group) => self.know_group(tenant, group).await,
            None => Ok(()),
        }
    }
}

fn unavailable(error: &store::Error) -> upstream::Error {
    upstream::Error::store(error.to_string())
}
