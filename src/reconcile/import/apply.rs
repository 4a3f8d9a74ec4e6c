//! Carries a plan out in the store, some accounts at a time, so that a running server is never held up.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::rows::{Around, Came};
use super::{ImportError, Planned, Reconciler, Seen};
use crate::domain::import::{AccountRef, Action, Choice, Class, GroupRow, Row};
use crate::domain::person::group_keys;
use crate::domain::{Actor, GroupId, PersonId, TenantId};
use crate::scim::Resource;
use crate::store::imports::{self, Item, Kind};
use crate::store::{self, audit, groups, leases, members, names};

/// What a run has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The run; none when there was nothing to do.
    pub run: Option<String>,
    /// Accounts that have become people.
    pub created: usize,
    /// Accounts that were linked to people who were here.
    pub linked: usize,
    /// Agent groups that have become SCIM groups.
    pub groups: usize,
    /// Accounts that were not, because somebody was quicker, and why.
    pub left: Vec<(AccountRef, String)>,
}

/// Rows in one transaction.
const CHUNK: usize = 25;

/// How long the right to import lasts without being used.
const LEASE: Duration = Duration::from_mins(1);

impl Reconciler {
    /// Carries out a plan: people, links and groups in the store, nothing in RingCX.
    ///
    /// # Errors
    /// When another run is at it, or the store is in trouble; what was done until then stays, and a second run goes on.
    pub async fn import(
        &self,
        tenant: &TenantId,
        seen: &Arc<Seen>,
        planned: &Planned,
        by: &Actor,
    ) -> Result<Imported, ImportError> {
        let tenant = self.imported_tenant(tenant)?;
        let plan = &planned.plan;
        let new: Vec<(AccountRef, Choice)> = planned
            .decisions
            .iter()
            .filter(|(_, decision)| !decision.stored)
            .map(|(account, decision)| (*account, decision.choice.clone()))
            .collect();
        let acts = |row: &&Row| matches!(row.action, Action::Create { .. } | Action::Link(_));
        let work: Vec<&Row> = plan.rows.iter().filter(acts).collect();
        let fresh: Vec<&GroupRow> = plan.groups.iter().filter(|row| row.class == Class::New).collect();
        if work.is_empty() && fresh.is_empty() && new.is_empty() {
            return Ok(Imported::default());
        }
        let run = self.ids.next().to_string();
        self.hold_import(&tenant.id).await?;
        self.begin_run(&tenant.id, &run, by, new).await?;
        let mut imported = Imported { run: Some(run.clone()), ..Imported::default() };
        for group in fresh {
            imported.groups += usize::from(self.import_group(&tenant.id, &run, by, group).await?);
        }
        self.show_linked(&tenant.id, &plan.rows).await?;
        for rows in work.chunks(CHUNK) {
            self.hold_import(&tenant.id).await?;
            let rows: Vec<Row> = rows.iter().map(|row| (*row).clone()).collect();
            let mut came = self.import_rows(&tenant.id, seen, &run, by, rows.clone()).await;
            for _ in 0..rows.len() {
                // Another tenant took one of them between the look and the write: the next look sees it.
                if !matches!(came, Err(store::Error::Conflict { .. })) {
                    break;
                }
                came = self.import_rows(&tenant.id, seen, &run, by, rows.clone()).await;
            }
            for (row, came) in rows.iter().zip(came?) {
                match (came, &row.action) {
                    (Came::Left(why), _) => imported.left.push((row.account, why)),
                    (Came::Done(_), Action::Create { .. }) => imported.created += 1,
                    (Came::Done(_), _) => imported.linked += 1,
                }
            }
        }
        if imported.created + imported.linked + imported.groups == 0 {
            let (of, empty) = (tenant.id.clone(), run.clone());
            self.store.write(move |tx| imports::drop_empty(tx, &of, &empty)).await?;
        }
        self.release_import(&tenant.id).await?;
        self.bell.notify_waiters();
        Ok(imported)
    }

    /// One run at a time, on whatever machine it was typed.
    pub(super) async fn hold_import(&self, tenant: &TenantId) -> Result<(), ImportError> {
        let (name, owner, now) = (format!("import:{tenant}"), Arc::clone(&self.owner), self.clock.now());
        let held = self.store.write(move |tx| leases::acquire(tx, &name, &owner, now, LEASE)).await?;
        held.map(drop).ok_or(ImportError::Busy)
    }

    pub(super) async fn release_import(&self, tenant: &TenantId) -> Result<(), store::Error> {
        let (name, owner) = (format!("import:{tenant}"), Arc::clone(&self.owner));
        self.store.write(move |tx| leases::release(tx, &name, &owner)).await
    }

    async fn begin_run(
        &self,
        tenant: &TenantId,
        run: &str,
        by: &Actor,
        new: Vec<(AccountRef, Choice)>,
    ) -> Result<(), store::Error> {
        let now = self.clock.now();
        let records: Vec<audit::Record> = new
            .iter()
            .map(|(account, choice)| {
                let detail = json!({"account": account.to_string(), "choice": choice.to_string()});
                audit::Record::new(&self.ids.next(), now, by, "import_decision", &detail)
            })
            .collect();
        let begun = audit::Record::new(&self.ids.next(), now, by, "import", &json!({"run": run}));
        let (of, run) = (tenant.clone(), run.to_owned());
        self.store
            .write(move |tx| {
                imports::begin(tx, &of, &run, now)?;
                audit::append(tx, &of, &begun)?;
                for ((account, choice), record) in new.iter().zip(&records) {
                    match choice {
                        Choice::Ask => imports::undecide(tx, &of, &account.to_string())?,
                        other => imports::decide(tx, &of, &run, &account.to_string(), &other.to_string())?,
                    }
                    audit::append(tx, &of, record)?;
                }
                Ok(())
            })
            .await
    }

    /// Makes the SCIM group of an agent group; whether it was still to be made.
    async fn import_group(
        &self,
        tenant: &TenantId,
        run: &str,
        by: &Actor,
        row: &GroupRow,
    ) -> Result<bool, store::Error> {
        let (id, now) = (GroupId::from(self.ids.next()), self.clock.now());
        let mut body = Resource::default();
        body.set("displayName", json!(row.name));
        let detail = json!({"agentGroupId": row.id, "run": run});
        let record = audit::Record::new(&self.ids.next(), now, by, "import_group", &detail).about_group(&id);
        let (of, run, agent_group) = (tenant.clone(), run.to_owned(), row.id.0);
        self.store
            .write(move |tx| {
                let keys = group_keys(&body);
                let key = &keys.display_name_key;
                if groups::by_agent_group(tx, &of, agent_group)?.is_some()
                    || names::claim(tx, &of, names::Kind::GroupName, key, id.as_str())?.is_some()
                {
                    return Ok(false);
                }
                let new =
                    groups::NewGroup { body: &body.to_json(), keys: &keys, agent_group: Some(agent_group) };
                groups::insert(tx, &of, &id, &new, now)?;
                groups::set_imported(tx, &of, &id, true)?;
                let item = Item { kind: Kind::Group, id: id.as_str().to_owned(), version: 1 };
                imports::made(tx, &of, &run, &item)?;
                audit::append(tx, &of, &record)?;
                Ok(true)
            })
            .await
    }

    /// Shows those who were linked before as members of the groups that this run has made.
    async fn show_linked(&self, tenant: &TenantId, rows: &[Row]) -> Result<(), store::Error> {
        let linked: Vec<(PersonId, i64)> = rows
            .iter()
            .filter(|row| row.class == Class::Linked)
            .filter_map(|row| match row.people.as_slice() {
                [crate::domain::import::Target::Person(id)] => Some((id.clone(), row.group?.0)),
                _ => None,
            })
            .collect();
        let now = self.clock.now();
        for chunk in linked.chunks(CHUNK) {
            let (of, chunk) = (tenant.clone(), chunk.to_vec());
            self.store
                .write(move |tx| {
                    chunk.iter().try_for_each(|(id, group)| members::show_home(tx, &of, id, *group, now))
                })
                .await?;
        }
        Ok(())
    }

    async fn import_rows(
        &self,
        tenant: &TenantId,
        seen: &Arc<Seen>,
        run: &str,
        by: &Actor,
        rows: Vec<Row>,
    ) -> Result<Vec<Came>, store::Error> {
        let tenant = self.imported_tenant(tenant)?;
        let known = tenant.known().unwrap_or_default();
        let now = self.clock.now();
        let rows: Vec<(Row, PersonId, audit::Record)> = rows
            .into_iter()
            .map(|row| {
                let detail = json!({"account": row.account.to_string(), "run": run});
                let record = audit::Record::new(&self.ids.next(), now, by, "import_account", &detail);
                (row, PersonId::from(self.ids.next()), record)
            })
            .collect();
        let (seen, run) = (Arc::clone(seen), run.to_owned());
        self.store
            .write(move |tx| {
                let around = Around { tenant: &tenant, known: &known, seen: &seen, run: &run, now };
                let mut came = Vec::with_capacity(rows.len());
                for (row, id, record) in &rows {
                    let one = match &row.action {
                        Action::Create { user_name } => around.create(tx, row.account, user_name, id)?,
                        Action::Link(target) => around.link(tx, row.account, target)?,
                        Action::Nothing | Action::Ask => Came::Left("is not decided".to_owned()),
                    };
                    if let Came::Done(person) = &one {
                        audit::append(tx, &tenant.id, &record.clone().about(person))?;
                    }
                    came.push(one);
                }
                Ok(came)
            })
            .await
    }
}
