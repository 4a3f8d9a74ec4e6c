//! The caps on what a tenant may create: a mis-scoped "everyone" stops before it has filled RingCX.
//!
//! The row of the journal that precedes a create is the reservation: it is counted and written in one transaction under a lock of the
//! tenant's, so no number of workers and replicas gets past a cap. Accounts that are taken over are not creations.

use std::time::Duration;

use serde_json::Value;

use super::case::{Case, Entry};
use super::trouble::{PAUSE, Trouble};
use crate::scim;
use crate::store::{facts, journal, links};

/// The fact whose row is locked while the caps are looked at.
const LOCK: &str = "caps";

/// The calls that make accounts.
const CREATES: [&str; 2] = ["createAgent", "createAdmin"];

/// Which cap is reached.
enum Full {
    Agents(u64),
    Hour(u64),
}

impl Case<'_> {
    /// Writes down a create before it is made, unless a cap says no.
    pub(super) async fn begin_create(&self, operation: &str, intent: &Value) -> Result<Entry, Trouble> {
        let policy = &self.tenant.policy;
        let max_agents = policy.max_agents.filter(|_| operation == "createAgent");
        let max_new = policy.max_new_per_hour;
        if max_agents.is_none() && max_new.is_none() {
            return self.begin(operation, intent).await;
        }
        let (entry, row) = self.entry(operation, intent);
        let (tenant, now) = (self.tenant.id.clone(), self.clock.now());
        let full = self.write(move |tx| {
            facts::set(tx, &tenant, LOCK, "", now)?;
            if let Some(most) = max_agents
                && links::count_agents(tx, &tenant)? >= most
            {
                return Ok(Some(Full::Agents(most)));
            }
            if let Some(most) = max_new {
                let mut made = 0;
                for create in CREATES {
                    made += journal::count_made_since(tx, &tenant, create, now - Duration::from_hours(1))?;
                }
                if made >= most {
                    return Ok(Some(Full::Hour(most)));
                }
            }
            journal::open(tx, &tenant, &row)?;
            Ok(None)
        });
        match full.await? {
            None => Ok(entry),
            Some(Full::Agents(most)) => Err(Trouble::Refused(scim::Error::invalid_value(format!(
                "This tenant may have {most} agents and has them all (setting max_agents); assign fewer people or raise it."
            )))),
            Some(Full::Hour(most)) => Err(Trouble::Unavailable(
                PAUSE.max(Duration::from_mins(5)),
                format!(
                    "{most} accounts were created within the last hour (setting max_new_per_hour); the next one waits."
                ),
            )),
        }
    }
}
