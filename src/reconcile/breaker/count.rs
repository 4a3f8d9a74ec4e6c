//! Counting: whether what is lost in an hour, in a day, or by one group is too much, and what is written down about it.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::alert::{self, Kind};
use super::super::{Error, Tenant, groups, nesting};
use super::{REGROUP, with};
use crate::domain::access::{most_in_a_day, most_in_an_hour};
use crate::domain::grant::{GroupGrants, Membership};
use crate::domain::{GroupId, PersonId};
use crate::store::losses::{self, Block, Loss};
use crate::store::{self, Tx};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// The rules, by the word under which they are stored.
const BY_HOUR: &str = "hour";
const BY_DAY: &str = "day";
const BY_HALF: &str = "half";
pub(in crate::reconcile) const BY_EMPTY: &str = "empty";

/// What somebody had, to give it back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::reconcile) struct Former {
    /// The resource before the write that took access away; none where only a group did.
    pub(in crate::reconcile) body: Option<String>,
    /// The groups in which the person was.
    pub(in crate::reconcile) groups: BTreeSet<GroupId>,
    /// The groups that the person has left, as they were.
    pub(in crate::reconcile) left: Vec<Membership>,
    /// The groups that the person has left while that is blocked: the work takes them for members.
    pub(in crate::reconcile) kept: Vec<Membership>,
}

impl Former {
    /// What stands in a loss.
    pub(in crate::reconcile) fn of(loss: &Loss) -> Result<Self, store::Error> {
        serde_json::from_str(&loss.former)
            .map_err(|error| store::Error::Corrupt(format!("a loss of access: {error}")))
    }

    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// With what an earlier loss has remembered: the older body is the one to give back.
    fn after(self, earlier: Option<Self>) -> Self {
        let Some(earlier) = earlier else { return self };
        // As they were first: the older ones win.
        let joint = |older: Vec<Membership>, newer: Vec<Membership>| older.into_iter().fold(newer, with);
        Self {
            body: earlier.body.or(self.body),
            groups: &earlier.groups | &self.groups,
            left: joint(earlier.left, self.left),
            kept: joint(earlier.kept, self.kept),
        }
    }
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::reconcile) struct Trip {
    pub(in crate::reconcile) block: Block,
    pub(super) most: u64,
    pub(super) active: u64,
}

impl Trip {
    /// For the auditor.
    pub(in crate::reconcile) fn detail(&self, people: &[PersonId]) -> serde_json::Value {
        json!({
            "rule": self.block.rule, "group": self.block.group, "most": self.most, "active": self.active,
            "blocked": people,
        })
    }
}

/// One sentence for whoever sees a blocked person.
pub(in crate::reconcile) fn sentence(block: &Block) -> String {
    let why = match (block.rule.as_str(), &block.group) {
        (BY_DAY, _) => "more people are losing access within a day than this tenant's limit".to_owned(),
        (BY_HALF, Some(group)) => format!("more than half of group {group} is losing access within an hour"),
        (BY_EMPTY, Some(group)) => format!("group {group} was emptied by a list without members"),
        _ => "more people are losing access within an hour than this tenant's limit".to_owned(),
    };
    format!(
        "Blocked by the mass-change guard: {why}. It is kept until an operator runs `ringcx-scim tenant release` or \
         `ringcx-scim tenant reject`."
    )
}

/// Somebody who is about to lose access.
pub(super) struct Loser {
    pub(super) person: PersonId,
    /// Every group in which they were.
    pub(super) groups: Vec<Membership>,
    pub(super) former: Former,
    pub(super) earlier: Option<Loss>,
}

/// Lets everybody through or nobody, and writes it down.
pub(super) fn judge(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    losers: &[Loser],
    now: Timestamp,
) -> Result<Option<Trip>, Error> {
    if losers.is_empty() {
        return Ok(None);
    }
    let active = losses::active_people(tx, &tenant.id)?;
    let mut trip = None;
    for (rule, length) in [(BY_HOUR, HOUR), (BY_DAY, DAY)] {
        let since = now - length;
        let (lost, base) = losses::window(tx, &tenant.id, since)?;
        let base = base.unwrap_or(active);
        let counted = |it: &&Loser| it.earlier.as_ref().is_some_and(|loss| loss.counts && loss.at > since);
        let new = losers.iter().filter(|it| !counted(it)).count() as u64;
        let most = if rule == BY_HOUR {
            most_in_an_hour(&tenant.policy, base)
        } else {
            most_in_a_day(&tenant.policy, base)
        };
        if lost + new > most {
            let block = Block { rule: rule.to_owned(), group: None, since };
            trip = Some(Trip { block, most, active: base });
            break;
        }
    }
    if trip.is_none() {
        trip = more_than_half(tx, tenant, losers, active, now)?;
    }
    note(tx, tenant, losers, trip.as_ref(), active, now)?;
    Ok(trip)
}

/// Whether one mapped group loses more than half of its members' access within an hour.
fn more_than_half(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    losers: &[Loser],
    active: u64,
    now: Timestamp,
) -> Result<Option<Trip>, Error> {
    let since = now - HOUR;
    let before = losses::since(tx, &tenant.id, since)?;
    let before: Vec<(PersonId, Former)> = before
        .into_iter()
        .map(|loss| Former::of(&loss).map(|former| (loss.person, former)))
        .collect::<Result<_, _>>()?;
    let mut asked = BTreeSet::new();
    for group in losers.iter().flat_map(|it| &it.groups) {
        if !asked.insert(&group.id) || groups::gives(tenant, group) == GroupGrants::default() {
            continue;
        }
        let earlier = before.iter().filter(|(_, former)| former.groups.contains(&group.id)).map(|(id, _)| id);
        let now_too = losers.iter().filter(|it| it.former.groups.contains(&group.id)).map(|it| &it.person);
        let lost: BTreeSet<&PersonId> = earlier.chain(now_too).collect();
        // More than half of the smallest group that is looked at.
        if lost.len() as u64 * 2 <= tenant.policy.mass_change_group {
            continue;
        }
        let mut size = nesting::count_people(tx, tenant, &group.id)?;
        for person in &lost {
            size += u64::from(!nesting::has(tx, tenant, &group.id, person)?);
        }
        if size >= tenant.policy.mass_change_group && lost.len() as u64 * 2 > size {
            let block = Block { rule: BY_HALF.to_owned(), group: Some(group.id.clone()), since };
            return Ok(Some(Trip { block, most: size / 2, active }));
        }
    }
    Ok(None)
}

/// Writes losses down, blocked or not, and raises the alert.
pub(super) fn note(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    losers: &[Loser],
    trip: Option<&Trip>,
    active: u64,
    now: Timestamp,
) -> Result<(), Error> {
    for loser in losers {
        let earlier = loser.earlier.as_ref().map(Former::of).transpose()?;
        let counts = trip.is_none_or(|it| it.block.rule != BY_EMPTY)
            || loser.earlier.as_ref().is_some_and(|it| it.counts);
        let mut former = loser.former.clone();
        let mut block = trip.map(|it| it.block.clone());
        if block.is_some() {
            former.kept = std::mem::take(&mut former.left);
        }
        let mut former = former.after(earlier);
        if block.is_none() && loser.former.body.is_some() {
            // Whoever may go altogether may leave the groups as well.
            former.left.append(&mut former.kept);
        } else if block.is_none() {
            block = loser.earlier.as_ref().and_then(|it| it.block.clone());
        }
        let loss = Loss {
            person: loser.person.clone(),
            at: now,
            base: active,
            counts,
            block,
            former: former.to_text(),
        };
        losses::save(tx, &tenant.id, &loss)?;
    }
    let Some(trip) = trip else { return Ok(()) };
    let subject = trip
        .block
        .group
        .as_ref()
        .map_or(trip.block.rule.clone(), |group| format!("{}:{group}", trip.block.rule));
    let text = format!(
        "Tenant {}: {} Rule: {}, at most {} of {} active people. Put the identity provider right first, then decide.",
        tenant.id,
        sentence(&trip.block),
        trip.block.rule,
        trip.most,
        trip.active,
    );
    // What an emptied group comes to is known when its full list has had the time to follow.
    let tell = if trip.block.rule == BY_EMPTY { now + REGROUP } else { now };
    Ok(alert::raise_at(tx, &tenant.id, Kind::MassChange, &subject, &text, (now, tell))?)
}
