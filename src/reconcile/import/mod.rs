//! Import: people, groups and administrators that RingCX has already become known here. RingCX itself is never changed by it.
//!
//! [`Reconciler::read_for_import`] reads and remembers, [`Reconciler::plan_import`] asks the pure plan (`domain::import`),
//! [`Reconciler::import`] carries it out in the store, and [`Reconciler::undo_import`] takes it back.

mod apply;
mod read;
mod rows;
mod undo;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use apply::Imported;
pub use read::{Reading, Seen};
pub use undo::{Kept, Undone};

use super::work::parse;
use super::{Reconciler, Tenant};
use crate::domain::import::{
    AccountRef, Choice, Decision, Decisions, Facts, Person, Plan, check_decisions, plan,
};
use crate::domain::mapping::ringcx_text;
use crate::domain::person::user_keys;
use crate::domain::{GroupId, PersonId, TenantId};
use crate::store::inventory::Kind;
use crate::store::{self, Tx, imports, owners};
use crate::upstream::model::{AgentId, UserId};

/// Why an import did not go on.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A decision cannot be carried out; nothing was changed.
    #[error("{0}")]
    Decision(String),
    /// Another run is at it.
    #[error(
        "another import of this tenant is running, or has ended without a word less than a minute ago; try again then"
    )]
    Busy,
    /// Our store is in trouble.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// A plan, with the decisions on which it rests.
pub struct Planned {
    /// What becomes of each account.
    pub plan: Plan,
    decisions: Decisions,
}

/// Who is here, as the plan compares accounts with them.
struct Here {
    people: Vec<Person>,
    groups: Vec<(GroupId, String, Option<i64>)>,
    decided: Vec<(String, String)>,
    elsewhere: BTreeSet<AccountRef>,
    graves: BTreeMap<AccountRef, PersonId>,
}

impl Reconciler {
    /// The plan for what was read, under the decisions of earlier runs and the new ones.
    ///
    /// # Errors
    /// A decision that cannot be carried out, or trouble with the store.
    pub async fn plan_import(
        &self,
        tenant: &TenantId,
        seen: &Seen,
        new: &[(AccountRef, Choice)],
    ) -> Result<Planned, ImportError> {
        let tenant = self.imported_tenant(tenant)?;
        let here = self.who_is_here(&tenant).await?;
        let mut decisions = Decisions::new();
        for (account, choice) in &here.decided {
            if let (Ok(account), Ok(choice)) = (account.parse(), choice.parse()) {
                decisions.insert(account, Decision { choice, stored: true });
            }
        }
        for (account, choice) in new {
            decisions.insert(*account, Decision { choice: choice.clone(), stored: false });
        }
        let known = tenant.known().unwrap_or_default();
        let facts = Facts {
            policy: &tenant.policy,
            account_id: &tenant.account_id,
            own_user: known.own_user,
            agents: &seen.agents,
            admins: &seen.admins,
            people: &here.people,
            agent_groups: &known.directory.agent_groups,
            groups: &here.groups,
            elsewhere: &here.elsewhere,
            graves: &here.graves,
            decisions: &decisions,
        };
        let plan = plan(&facts);
        check_decisions(&facts, &plan).map_err(ImportError::Decision)?;
        Ok(Planned { plan, decisions })
    }

    async fn who_is_here(&self, tenant: &Tenant) -> Result<Here, store::Error> {
        let of = tenant.id.clone();
        let (standing, groups, decided, elsewhere, buried) = self
            .store
            .read_long(move |tx| {
                Ok::<_, store::Error>((
                    imports::people(tx, &of)?,
                    imports::groups(tx, &of)?,
                    imports::decisions(tx, &of)?,
                    elsewhere(tx, &of)?,
                    imports::graves(tx, &of)?,
                ))
            })
            .await?;
        let mut people = Vec::with_capacity(standing.len());
        for one in standing {
            let body = parse(&one.body)?;
            let keys = user_keys(&body);
            people.push(Person {
                id: one.id,
                user_name: keys.user_name,
                external_id: keys.external_id,
                emails: keys.emails,
                extension: ringcx_text(&body, "rcExtensionId").and_then(|id| id.parse().ok()),
                agent: one.agent.map(AgentId),
                admin: one.admin.map(UserId),
            });
        }
        let mut graves = BTreeMap::new();
        for grave in buried {
            let agent = grave.agent.map(|id| AccountRef::Agent(AgentId(id)));
            let admin = grave.admin.map(|id| AccountRef::Admin(UserId(id)));
            graves.extend(agent.into_iter().chain(admin).map(|account| (account, grave.id.clone())));
        }
        Ok(Here { people, groups, decided, elsewhere, graves })
    }

    fn imported_tenant(&self, id: &TenantId) -> Result<Arc<Tenant>, store::Error> {
        let found = self.tenants.get(id).cloned();
        found.ok_or_else(|| store::Error::Corrupt(format!("there is no tenant {id}")))
    }
}

/// What other tenants of this bridge own in the same account of RingCX.
fn elsewhere(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<BTreeSet<AccountRef>, store::Error> {
    let agents = owners::elsewhere(tx, tenant, Kind::Agent)?;
    let admins = owners::elsewhere(tx, tenant, Kind::Admin)?;
    let agents = agents.into_iter().map(|id| AccountRef::Agent(AgentId(id)));
    Ok(agents.chain(admins.into_iter().map(|id| AccountRef::Admin(UserId(id)))).collect())
}
