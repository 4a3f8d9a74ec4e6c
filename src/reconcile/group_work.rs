//! The agent group that an unmatched SCIM group makes, where the tenant wants that.

use std::sync::Arc;

use serde_json::{Value, json};

use super::groups::standing;
use super::trouble::{Doing, Trouble};
use super::work::{Loaded, Worked};
use super::{Reconciler, Tenant, alert, nesting};
use crate::domain::desired::group_named;
use crate::domain::grant;
use crate::domain::person::group_keys;
use crate::domain::policy::{Mode, NestedGroups};
use crate::domain::{Actor, GroupId, PersonId, TenantId, fold};
use crate::scim::Resource;
use crate::store::{self, Tx, audit, groups, jobs, journal, planned};
use crate::upstream::model::{AgentGroup, AgentGroupId};
use crate::upstream::{self, Calls, Lane};

/// The call that makes an agent group, as the journal names it.
const CREATE: &str = "createAgentGroup";

/// What is looked for on behalf of a SCIM group.
struct Sought {
    /// Whose.
    id: GroupId,
    /// Its name.
    name: String,
    /// The agent group that it is tied to.
    tied: Option<AgentGroupId>,
    /// Whether one is made where there is none.
    makes: bool,
}

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
        let known = self.known_now(tenant).await?.unwrap_or_default();
        let is_known = |id: i64| known.directory.agent_groups.iter().any(|it| it.id.0 == id);
        let Some(group) = group.filter(|group| !group.agent_group.is_some_and(is_known)) else {
            return self.finish_job(job).await;
        };
        let body = super::work::parse(&group.body)?;
        let tied = group.agent_group.map(AgentGroupId);
        let sought = Sought {
            id: id.clone(),
            name: group_keys(&body).display_name,
            tied,
            makes: makes(tenant, &group, &body),
        };
        match self.agent_group_of(tenant, &sought, job).await {
            Ok(None) => self.finish_job(job).await,
            Ok(Some((agent_group, ours))) => {
                let (of, id, now) = (tenant.id.clone(), id.clone(), self.clock.now());
                let by = job.causes.last().cloned().unwrap_or_else(Actor::bridge);
                let linked = json!({"agentGroupId": agent_group, "made": ours});
                let record = self.group_record(&id, &by, "link_group", &linked);
                let (lease, nested) = (job.lease(), tenant.policy.nested_groups);
                self.store
                    .write(move |tx| {
                        if tied != Some(agent_group) {
                            groups::link(tx, &of, &id, agent_group.0, ours)?;
                            audit::append(tx, &of, &record)?;
                        }
                        lease.check(tx)?;
                        planned::replace(tx, &of, &jobs::group_subject(&id), &[], now)?;
                        look_at_members(tx, (&of, nested), &id, &by, now)
                    })
                    .await?;
                self.finish_job(job).await
            }
            Err(Trouble::Held(why)) => self.hold_back(job, &why).await,
            // Tried again it would be refused again: it waits for another name, or for the operator.
            Err(Trouble::Refused(why)) => self.park_group(tenant, job, id, &why.detail).await,
            Err(Trouble::Parked(why)) => self.park_group(tenant, job, id, &why).await,
            Err(Trouble::Limited(after)) => self.postpone(tenant, job, after, jobs::LIMITED).await,
            Err(Trouble::Unavailable(_, why) | Trouble::Lost(why)) => {
                self.postpone(tenant, job, self.times.back_off(job.attempts), &why).await
            }
            Err(Trouble::Outdated) => {
                let why = "What the work rests on is out of date; it begins anew.";
                self.postpone(tenant, job, self.times.back_off(job.attempts), why).await
            }
            Err(Trouble::Store(error)) => Err(error),
        }
    }

    /// The agent group that this SCIM group is tied to, or else of its name, from a fresh list; else a new one where the tenant wants
    /// that. The list also finds one whose creation was not answered.
    async fn agent_group_of(
        &self,
        tenant: &Arc<Tenant>,
        sought: &Sought,
        job: &jobs::Job,
    ) -> Result<Option<(AgentGroupId, bool)>, Trouble> {
        let name = &sought.name;
        let calls = self.calls_for(tenant, job, Lane::Create);
        let earlier = self.earlier_tries(tenant, job).await?;
        if let Some(found) = self.listed_group(tenant, &calls, name, sought.tied).await? {
            let ours = earlier.iter().any(|it| names(it, name));
            self.close_tries(tenant, &earlier, "looked_up").await?;
            return Ok(Some((found, ours)));
        }
        self.close_tries(tenant, &earlier, "not_applied").await?;
        if !sought.makes {
            return Ok(None);
        }
        if tenant.policy.mode == Mode::DryRun {
            self.plan_group(tenant, &job.person).await?;
            return Ok(None);
        }
        let made = self.make_group(tenant, &calls, sought, job).await;
        if let Err(Trouble::Refused(_)) = &made {
            // RingCX may show late what an earlier try has made, and then its name is taken.
            if let Some(found) = self.listed_group(tenant, &calls, name, None).await? {
                return Ok(Some((found, earlier.iter().any(|it| names(it, name)))));
            }
        }
        made.map(|id| Some((id, true)))
    }

    /// Looks for the group in a fresh list, and remembers it when it is there.
    async fn listed_group(
        &self,
        tenant: &Tenant,
        calls: &Calls,
        name: &str,
        tied: Option<AgentGroupId>,
    ) -> Result<Option<AgentGroupId>, Trouble> {
        let listed = calls.agent_groups().await;
        let listed = listed.map_err(|error| Trouble::reading("the list of agent groups", &error))?;
        let tied = tied.filter(|id| listed.iter().any(|group| group.id == *id));
        let id = match tied.map_or_else(|| group_named(name, &listed), Ok) {
            Ok(id) => id,
            Err(_) if !listed.iter().any(|group| fold(&group.name) == fold(name)) => return Ok(None),
            // One more of this name would not help.
            Err(why) => return Err(Trouble::Parked(why)),
        };
        if let Some(found) = listed.into_iter().find(|group| group.id == id) {
            self.know_group(tenant, found).await?;
        }
        Ok(Some(id))
    }

    async fn make_group(
        &self,
        tenant: &Tenant,
        calls: &Calls,
        Sought { id, name, .. }: &Sought,
        job: &jobs::Job,
    ) -> Result<AgentGroupId, Trouble> {
        let entry = journal::Entry {
            id: self.ids.next().to_string(),
            person: job.person.clone(),
            operation: CREATE.to_owned(),
            intent: json!({"groupName": name}).to_string(),
            started: self.clock.now(),
        };
        let (of, row, lease) = (tenant.id.clone(), entry.clone(), job.lease());
        self.store
            .write(move |tx| {
                lease.check(tx)?;
                journal::open(tx, &of, &row)
            })
            .await?;
        let made = calls.create_agent_group(name).await;
        let outcome = match &made {
            Ok(_) => "done",
            Err(error) if error.may_have_been_applied() => "lost",
            Err(upstream::Error::Held(_) | upstream::Error::Outdated) => "held",
            Err(_) => "refused",
        };
        let mut detail = json!({"call": {"groupName": name}, "outcome": outcome});
        if let (Value::Object(fields), Ok(group)) = (&mut detail, &made) {
            fields.insert("made".to_owned(), json!({"agentGroupId": group.id}));
        }
        let by = job.causes.last().cloned().unwrap_or_else(Actor::bridge);
        let record = self.group_record(id, &by, CREATE, &detail);
        let (of, now, lease) = (tenant.id.clone(), self.clock.now(), job.lease());
        self.store
            .write(move |tx| {
                lease.check(tx)?;
                // A row without an end is looked up before anything is tried again.
                if outcome != "lost" {
                    journal::close(tx, &of, &entry.id, outcome, now)?;
                }
                audit::append(tx, &of, &record)
            })
            .await?;
        let made: AgentGroup =
            made.map_err(|error| Trouble::of(Doing::Changing, "the agent group", &error))?;
        let id = made.id;
        self.know_group(tenant, made).await?;
        Ok(id)
    }

    /// The creations of this group's agent group that may have been carried out.
    async fn earlier_tries(
        &self,
        tenant: &Tenant,
        job: &jobs::Job,
    ) -> Result<Vec<journal::Entry>, store::Error> {
        let (of, subject) = (tenant.id.clone(), job.person.clone());
        self.store
            .read(move |tx| {
                let mut tries = journal::looked_up_in_vain(tx, &of, &subject, CREATE)?;
                tries.extend(journal::unfinished(tx, &of, &subject)?);
                Ok(tries)
            })
            .await
    }

    async fn close_tries(
        &self,
        tenant: &Tenant,
        tries: &[journal::Entry],
        outcome: &'static str,
    ) -> Result<(), store::Error> {
        if tries.is_empty() {
            return Ok(());
        }
        let (of, now) = (tenant.id.clone(), self.clock.now());
        let ids: Vec<String> = tries.iter().map(|it| it.id.clone()).collect();
        self.store
            .write(move |tx| ids.iter().try_for_each(|id| journal::close(tx, &of, id, outcome, now)))
            .await
    }

    /// Sets the work on a group aside until it has another name or the operator releases it; its members show why.
    async fn park_group(
        &self,
        tenant: &Tenant,
        job: &jobs::Job,
        id: &GroupId,
        why: &str,
    ) -> Result<Worked, store::Error> {
        tracing::error!(tenant = %tenant.id, group.id = %id, why, "an agent group was not made and waits for an operator");
        let by = job.causes.last().cloned().unwrap_or_else(Actor::bridge);
        let record = self.group_record(id, &by, "parked", &json!({"detail": why}));
        let text = format!(
            "No agent group was made for group {id}: {why} Give the group another name in the identity provider, or put it right in \
             RingCX and run `ringcx-scim tenant release`."
        );
        let (of, id, job, now) = (tenant.id.clone(), id.clone(), job.clone(), self.clock.now());
        let (why, nested) = (why.to_owned(), tenant.policy.nested_groups);
        self.store
            .write(move |tx| {
                audit::append(tx, &of, &record)?;
                alert::raise(tx, &of, alert::Kind::ParkedJob, job.person.as_str(), &text, now)?;
                jobs::park(tx, &job, &why, now)?;
                look_at_members(tx, (&of, nested), &id, &by, now)
            })
            .await?;
        Ok(Worked::Later)
    }

    /// What is said to a person of the agent groups that could not be made for their groups.
    pub(super) async fn unmade_groups(
        &self,
        tenant: &Tenant,
        loaded: &Loaded,
    ) -> Result<Vec<String>, store::Error> {
        let unlinked = loaded.memberships.iter().filter(|it| it.linked.is_none());
        let unlinked: Vec<GroupId> = unlinked.map(|it| it.id.clone()).collect();
        if unlinked.is_empty() || !tenant.policy.auto_create_agent_groups {
            return Ok(Vec::new());
        }
        let of = tenant.id.clone();
        self.store
            .read(move |tx| {
                let mut said = Vec::new();
                for id in &unlinked {
                    let job = jobs::get(tx, &of, &jobs::group_subject(id))?;
                    if let Some(why) = job.filter(|it| it.parked.is_some()).and_then(|it| it.last_error) {
                        said.push(format!("No agent group was made for group {id}: {why}"));
                    }
                }
                Ok(said)
            })
            .await
    }
}

/// Has the groups looked at that are tied to an agent group that RingCX does not list any more: one of their name may have taken its
/// place, or is made where the tenant wants that.
pub(super) fn mend_ties(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    known: &[AgentGroup],
    now: jiff::Timestamp,
) -> Result<(), store::Error> {
    for (id, tied) in groups::ties(tx, tenant)? {
        if !known.iter().any(|group| group.id.0 == tied) {
            jobs::enqueue(tx, tenant, &jobs::group_subject(&id), Lane::Create, now, now)?;
        }
    }
    Ok(())
}

/// Whether a group may make an agent group: not one that only shows what the import has found, nor one that a mapping speaks of.
fn makes(tenant: &Tenant, group: &groups::Group, body: &Resource) -> bool {
    tenant.policy.auto_create_agent_groups
        && !group.imported
        && !grant::is_spoken_for(&standing(group, body), &tenant.policy, &tenant.mappings)
}

fn look_at_members(
    tx: &mut Tx<'_>,
    of: (&TenantId, NestedGroups),
    id: &GroupId,
    by: &Actor,
    now: jiff::Timestamp,
) -> Result<(), store::Error> {
    for member in nesting::people_in(tx, of, id)? {
        jobs::enqueue_for(tx, of.0, &PersonId::from(member), Lane::Move, (now, now), by)?;
    }
    Ok(())
}

/// Whether a row of the journal is about an agent group of this name.
fn names(entry: &journal::Entry, name: &str) -> bool {
    let intent: Value = serde_json::from_str(&entry.intent).unwrap_or(Value::Null);
    intent.get("groupName").and_then(Value::as_str) == Some(name)
}
