//! One round of reconciliation, step by step: the place that it has come to is kept in the store, so that one which is cut short
//! (a restart, a lost lease, RingCX not answering) goes on there, on whatever replica is next.
//!
//! What a step finds is dealt with before the place moves on. A step that was not written down is done again, which costs calls
//! and nothing else.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::drift::{compare, compare_admin, compare_names, due, list_admins, unsettled_admin};
use super::group_work::mend_ties;
use super::rounds::{ROUND_AT, contact};
use super::tenant::Known;
use super::{ContactError, Drift, Finding, Reconciler, Tenant, found_again};
use crate::domain::PersonId;
use crate::domain::policy::LinkExtension;
use crate::store::{self, facts, inventory, links};
use crate::upstream::model::AgentGroupId;
use crate::upstream::{Calls, Lane};

/// The fact that says how far the round that is under way has come, as JSON; an empty text when there is none.
const PLACE: &str = "drift_round";

/// How far a round has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// When the round began, in milliseconds since 1970.
    begun: i64,
    /// When it came here, in milliseconds since 1970.
    kept: i64,
    next: Next,
    /// The person at whom the round ended last time: a second time they are left to a job of their own.
    stopped_at: Option<PersonId>,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Next {
    /// The names of the account.
    Names,
    /// The list of administrators.
    Admins,
    /// The lists of agents, of the groups with a greater id than this.
    Groups(Option<i64>),
    /// The people whom no list has shown since the round began, after this one.
    People(Option<PersonId>),
}

impl Reconciler {
    /// Goes on with the round that is under way, or begins one; `every` is how long one may have lain
    /// that is gone on with.
    pub(super) async fn go_round(&self, tenant: &Arc<Tenant>, every: Duration) -> Result<(), ContactError> {
        let mut place = self.place_of_round(tenant, every).await?;
        let begun = jiff::Timestamp::from_millisecond(place.begun).unwrap_or_default();
        let calls = tenant.ringcx.calls(Lane::Reconcile, None);
        loop {
            place.next = match place.next.clone() {
                Next::Names => {
                    if tenant.policy.link_rc_extension != LinkExtension::Off {
                        self.refresh_access(tenant).await?;
                    }
                    // Somebody may have made an agent group by hand, and moved people into it.
                    let known = self.list_names(tenant, Lane::Reconcile).await?;
                    self.refresh_rights_docs(tenant, Lane::Reconcile).await?;
                    let (of, now) = (tenant.id.clone(), self.clock.now());
                    self.store
                        .write(move |tx| mend_ties(tx, &of, &known.directory.agent_groups, now))
                        .await?;
                    Next::Admins
                }
                Next::Admins => {
                    self.round_of_admins(tenant, &calls).await?;
                    Next::Groups(None)
                }
                Next::Groups(after) => {
                    self.round_of_groups(tenant, &calls, after, &mut place).await?;
                    Next::People(None)
                }
                Next::People(after) => {
                    self.round_of_people(tenant, &calls, begun, after, &mut place).await?;
                    break;
                }
            };
            self.keep_place(tenant, &mut place).await?;
        }
        self.count_reports(&tenant.id, begun).await?;
        let (of, now) = (tenant.id.clone(), self.clock.now());
        let ended = now.as_millisecond().to_string();
        Ok(self
            .store
            .write(move |tx| {
                facts::set(tx, &of, PLACE, "", now)?;
                facts::set(tx, &of, ROUND_AT, &ended, now)
            })
            .await?)
    }

    /// Where the round stands. One that has lain too long begins anew: what it saw first is as old as what no round has seen.
    async fn place_of_round(&self, tenant: &Tenant, every: Duration) -> Result<Place, store::Error> {
        let of = tenant.id.clone();
        let kept = self.store.read(move |tx| facts::get(tx, &of, PLACE)).await?;
        let kept = kept.and_then(|text| serde_json::from_str::<Place>(&text).ok());
        let now = self.clock.now().as_millisecond();
        let young = |place: &Place| u128::try_from(now - place.kept).is_ok_and(|age| age < every.as_millis());
        Ok(kept.filter(young).unwrap_or(Place { begun: now, kept: now, next: Next::Names, stopped_at: None }))
    }

    async fn keep_place(&self, tenant: &Tenant, place: &mut Place) -> Result<(), store::Error> {
        let (of, now) = (tenant.id.clone(), self.clock.now());
        place.kept = now.as_millisecond();
        let text = serde_json::to_string(place).map_err(|error| store::Error::Corrupt(error.to_string()))?;
        self.store.write(move |tx| facts::set(tx, &of, PLACE, &text, now)).await
    }

    async fn round_of_admins(&self, tenant: &Arc<Tenant>, calls: &Calls) -> Result<(), ContactError> {
        let admins = list_admins(tenant, calls).await?;
        let (of, now) = (tenant.id.clone(), self.clock.now());
        let items =
            admins.values().filter_map(|admin| inventory::Item::admin(admin, now)).collect::<Vec<_>>();
        self.store.write(move |tx| found_again::look(tx, &of, &items)).await?;
        let known = self.known_now(tenant).await?.unwrap_or_default();
        let mut found = Vec::new();
        for id in admins.keys().map(|id| id.0) {
            let of = tenant.id.clone();
            let Some(person) = self.store.read(move |tx| links::by_admin(tx, &of, id)).await? else {
                continue;
            };
            let Some(loaded) = self.load(tenant, &person).await? else { continue };
            let desired = due(tenant, &known, &loaded)?;
            found.extend(compare_admin(tenant, &loaded, &desired, &admins));
        }
        self.deal_with(tenant, found).await
    }

    async fn round_of_groups(
        &self,
        tenant: &Arc<Tenant>,
        calls: &Calls,
        after: Option<i64>,
        place: &mut Place,
    ) -> Result<(), ContactError> {
        let known = self.known_now(tenant).await?.unwrap_or_default();
        let mut ids: Vec<i64> = known.directory.agent_groups.iter().map(|group| group.id.0).collect();
        ids.retain(|id| after.is_none_or(|after| *id > after));
        ids.sort_unstable();
        let mut listing = self.begin_listing(tenant).await?;
        for id in ids {
            let listed = self.list_group(tenant, AgentGroupId(id), calls, &mut listing).await?;
            let mut found = Vec::new();
            for shown in &listed {
                let Some(agent) = shown.1.id() else { continue };
                let of = tenant.id.clone();
                let person = self.store.read(move |tx| links::by_agent(tx, &of, agent.0)).await?;
                let Some(person) = person else { continue };
                let Some(loaded) = self.load(tenant, &person).await? else { continue };
                found.extend(compare(tenant, &loaded, shown));
                let desired = due(tenant, &known, &loaded)?;
                found.extend(compare_names(tenant, &loaded, &desired, &shown.1));
            }
            self.deal_with(tenant, found).await?;
            place.next = Next::Groups(Some(id));
            self.keep_place(tenant, place).await?;
        }
        let of = tenant.id.clone();
        self.store.write(move |tx| found_again::look_in_inventory(tx, &of)).await?;
        Ok(self.end_listing(tenant, &listing).await?)
    }

    /// Looks under their own paths at those whom lists have not shown, and at those of whom lists do not say enough.
    async fn round_of_people(
        &self,
        tenant: &Arc<Tenant>,
        calls: &Calls,
        begun: jiff::Timestamp,
        after: Option<PersonId>,
        place: &mut Place,
    ) -> Result<(), ContactError> {
        let known = self.known_now(tenant).await?.unwrap_or_default();
        let of = tenant.id.clone();
        let people = self.store.read_long(move |tx| links::people(tx, &of)).await?;
        let rest = people.into_iter().filter(|id| after.as_ref().is_none_or(|after| id > after));
        for id in rest {
            if !self.looked_at_in_round(tenant, &known, calls, begun, &id, place).await? {
                continue;
            }
            place.next = Next::People(Some(id));
            self.keep_place(tenant, place).await?;
        }
        Ok(())
    }

    /// Looks at one person unless a list was enough; whether that took calls.
    async fn looked_at_in_round(
        &self,
        tenant: &Arc<Tenant>,
        known: &Known,
        calls: &Calls,
        begun: jiff::Timestamp,
        id: &PersonId,
        place: &mut Place,
    ) -> Result<bool, ContactError> {
        let Some(loaded) = self.load(tenant, id).await? else { return Ok(false) };
        let desired = due(tenant, known, &loaded)?;
        if !unsettled_admin(tenant, &loaded, &desired)
            && let Some(link) = &loaded.link.agent
        {
            let (of, agent) = (tenant.id.clone(), link.id.agent.0);
            let kind = inventory::Kind::Agent;
            let seen = self.store.read(move |tx| inventory::get(tx, &of, kind, agent)).await?;
            if seen.is_some_and(|it| it.seen >= begun) {
                return Ok(false);
            }
        }
        match self.look_at(tenant, known, calls, &loaded).await {
            Ok(found) => self.deal_with(tenant, found).await?,
            Err(ContactError::Upstream(error)) if place.stopped_at.as_ref() == Some(id) => {
                tracing::warn!(%error, tenant = %tenant.id, person.id = %id, "a person was not compared with RingCX; the round goes on");
                self.look_again(&tenant.id, id.clone()).await?;
            }
            Err(error) => {
                place.stopped_at = Some(id.clone());
                self.keep_place(tenant, place).await?;
                return Err(error);
            }
        }
        Ok(true)
    }

    /// Reports what was found, and has it brought in line.
    async fn deal_with(&self, tenant: &Tenant, findings: Vec<Finding>) -> Result<(), ContactError> {
        for found in &findings {
            tracing::warn!(
                tenant = %tenant.id, person.id = %found.person, account = %found.account, kind = ?found.kind,
                "RingCX differs from what was confirmed"
            );
        }
        if findings.is_empty() {
            return Ok(());
        }
        let drift = Drift { findings, ..Drift::default() };
        self.repair(&tenant.id, &drift, None).await.map(drop).map_err(contact)
    }
}
