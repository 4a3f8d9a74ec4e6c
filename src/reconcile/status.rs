//! How a tenant stands as a whole, for its operator.

use std::collections::BTreeMap;

use serde::Serialize;

use super::contact::KNOWN_AT;
use super::dry_run::Preview;
use super::hold;
use super::{Error, Reconciler};
use crate::domain::policy::Mode;
use crate::domain::words::count;
use crate::domain::{GroupId, TenantId};
use crate::store::holds::Pause;
use crate::store::{self, budgets, facts, holds, jobs, losses, people, planned};

/// How a tenant stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Which.
    pub tenant: TenantId,
    /// Whether upstream changes are made.
    pub mode: Mode,
    /// The pause, if an operator has paused it.
    pub paused: Option<Pause>,
    /// What holds its work: one sentence each.
    pub holds: Vec<String>,
    /// What a dry run has planned.
    pub plan: Preview,
    /// The people in each `provisioningState`.
    pub people: BTreeMap<String, i64>,
    /// The jobs in each lane.
    pub jobs: Vec<Queue>,
    /// The groups for which no agent group could be made; they wait for an operator.
    pub unmade_groups: Vec<UnmadeGroup>,
    /// The calls that may be made.
    pub budget: Budget,
    /// When the names of its account were last read from RingCX; none before first contact.
    pub last_contact: Option<String>,
}

/// The jobs in one lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Queue {
    /// Its name.
    pub lane: &'static str,
    /// Those that will be worked on.
    pub waiting: i64,
    /// Those that wait for a person.
    pub parked: i64,
}

/// A group for which no agent group could be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnmadeGroup {
    /// Its SCIM id.
    pub group: GroupId,
    /// Why, in one sentence.
    pub why: String,
}

/// The calls that may be made with the tenant's credential, by all who use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// Calls a minute.
    pub per_minute: u32,
    /// When the last one was made.
    pub last_call: Option<String>,
    /// Until when RingCX has stopped everybody.
    pub penalty_until: Option<String>,
}

impl Reconciler {
    /// How a tenant stands; `budget` names the bucket of its calls.
    ///
    /// # Errors
    /// When there is no such tenant, or the store cannot answer.
    pub async fn status(&self, tenant: &TenantId, budget: &str) -> Result<Status, Error> {
        let (tenant, bucket, now) = (self.tenant(tenant)?, budget.to_owned(), self.clock.now());
        let (id, mode, per_minute) = (tenant.id.clone(), tenant.policy.mode, tenant.ringcx.per_minute());
        Ok(self
            .store
            .read_long(move |tx| {
                let hold = hold::of(tx, &id, mode)?;
                let plan = Preview::of(planned::all(tx, &id)?, per_minute, mode);
                let level = budgets::level(tx, &bucket)?;
                let known_at = facts::get(tx, &id, KNOWN_AT)?.and_then(|text| text.parse().ok());
                let known_at = known_at.and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
                let lanes = jobs::by_lane(tx, &id)?.into_iter();
                let lanes = lanes.map(|(lane, all, parked)| Queue {
                    lane: lane.as_str(),
                    waiting: all - parked,
                    parked,
                });
                let people = people::by_state(tx, &id)?;
                let blocked = losses::count_blocked(tx, &id)?;
                let blocked = (blocked > 0).then(|| {
                    format!(
                        "The mass-change guard has blocked what would take access from {}; `ringcx-scim tenant release` \
                         carries it out, `ringcx-scim tenant reject` drops it.",
                        count(blocked, "person", "people")
                    )
                });
                let unmade = jobs::parked_groups(tx, &id)?.into_iter().filter_map(|job| {
                    Some(UnmadeGroup { group: job.group()?, why: job.last_error.unwrap_or_default() })
                });
                Ok::<_, store::Error>(Status {
                    mode,
                    holds: hold.iter().map(|hold| hold.sentence(&id)).chain(blocked).collect(),
                    paused: holds::paused(tx, &id)?,
                    plan,
                    people: people.into_iter().collect(),
                    jobs: lanes.collect(),
                    unmade_groups: unmade.collect(),
                    budget: Budget {
                        per_minute,
                        last_call: level.map(|it| it.last_call.to_string()),
                        penalty_until: level
                            .filter(|it| it.penalty_until > now)
                            .map(|it| it.penalty_until.to_string()),
                    },
                    last_contact: known_at.map(|at| at.to_string()),
                    tenant: id.clone(),
                })
            })
            .await?)
    }
}
