//! Rights documents given to many in one call: whoever wants a document while another batch of it is under way joins the next.
//!
//! RingCX may take a list for the whole list of holders. So giving and taking one document never happen at once, on whatever replica
//! ([`Lease`]), and a list that may have cost others the document is noted before it is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use tokio::sync::oneshot;

use super::case::Case;
use super::lease::{Lease, unavailable};
use crate::domain::policy::AssignmentMode;
use crate::store::{self, audit, facts};
use crate::upstream::model::{RightsDocId, UserId};
use crate::upstream::{self, Calls};

/// The most users in one call: they stand in the query.
const MOST: usize = 50;

/// The most holders who are all named in one call, which is right in both readings: whoever has the document keeps it, even
/// when the process ends before its answer.
const WHOLE: usize = 300;

/// The batches of one tenant.
#[derive(Default)]
pub(super) struct DocBatches(Mutex<BTreeMap<RightsDocId, Arc<Turns>>>);

#[derive(Default)]
struct Turns {
    /// Held while a batch is under way.
    alone: tokio::sync::Mutex<()>,
    waiting: Mutex<Vec<Waiter>>,
}

struct Waiter {
    user: UserId,
    tell: oneshot::Sender<Result<Given, upstream::Error>>,
}

/// Who holds the document afterwards, and what the call did to those who held it before.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) holders: BTreeSet<UserId>,
    pub(super) learned: Option<AssignmentMode>,
}

/// How a batch is given.
pub(super) struct Batch<'a, 'c> {
    pub(super) case: &'a Case<'c>,
    pub(super) mode: AssignmentMode,
}

/// The lease on the holders of a document.
fn lease_on(case: &Case<'_>, doc: RightsDocId) -> Lease {
    case.lease_on(&format!("rights-doc:{doc}"))
}

/// The fact that has who held a document before it was given by a call that may have taken it from them.
fn noted(doc: RightsDocId) -> String {
    format!("assigning:{doc}")
}

impl DocBatches {
    fn turns(&self, doc: RightsDocId) -> Arc<Turns> {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(doc).or_default())
    }

    /// Takes `doc` from `user`, while nobody gives it to anybody.
    pub(super) async fn revoke(
        &self,
        doc: RightsDocId,
        user: UserId,
        case: &Case<'_>,
    ) -> Result<(), upstream::Error> {
        let turns = self.turns(doc);
        let _alone = turns.alone.lock().await;
        let take = async {
            mend(case, doc, Some(user)).await?;
            match case.calls.unassign_rights_doc(doc, user).await {
                Err(upstream::Error::NotFound) => Ok(()),
                other => other,
            }
        };
        // A removal that RingCX is still at gives nobody anything: what came of it is no reason to keep the lease.
        lease_on(case, doc).during(Box::pin(async { Ok(take.await) })).await?
    }

    /// Gives the document back to those who have lost it by an assignment that was cut short, and the lease that it had kept.
    pub(super) async fn mend(&self, doc: RightsDocId, case: &Case<'_>) -> Result<(), upstream::Error> {
        let lease = lease_on(case, doc);
        if held_before(case, doc).await?.is_none() {
            return lease.release().await.map_err(|error| unavailable(true, &error));
        }
        let turns = self.turns(doc);
        let _alone = turns.alone.lock().await;
        lease.during(Box::pin(mend(case, doc, None))).await
    }

    /// Gives `doc` to `user`, in one batch with everybody who waits for it.
    pub(super) async fn grant(
        &self,
        doc: RightsDocId,
        user: UserId,
        batch: &Batch<'_, '_>,
    ) -> Result<Given, upstream::Error> {
        let turns = self.turns(doc);
        let (tell, mut told) = oneshot::channel();
        turns.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(Waiter { user, tell });
        let _alone = turns.alone.lock().await;
        match told.try_recv() {
            Ok(answer) => return answer,
            // Whoever led our batch was cut off, and nobody knows how far it came.
            Err(oneshot::error::TryRecvError::Closed) => {
                return Err(upstream::Error::Unavailable {
                    maybe_applied: true,
                    message: "The assignment was cut off.".to_owned(),
                });
            }
            Err(oneshot::error::TryRecvError::Empty) => {}
        }
        let waiting = std::mem::take(&mut *turns.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let users: BTreeSet<UserId> = waiting.iter().map(|waiter| waiter.user).collect();
        let answer = match batch.mode {
            // Nobody who is not named is concerned.
            AssignmentMode::Add => Box::pin(batch.give(doc, &users)).await,
            AssignmentMode::Auto | AssignmentMode::Replace => {
                lease_on(batch.case, doc).during(Box::pin(batch.give(doc, &users))).await
            }
        };
        for waiter in waiting {
            // Who has gone away needs no answer.
            drop(waiter.tell.send(answer.clone()));
        }
        answer
    }
}

impl Batch<'_, '_> {
    /// Whether the call adds to the list of holders or replaces it is not documented, so until it is known the list is read
    /// before and after, and repaired.
    async fn give(&self, doc: RightsDocId, users: &BTreeSet<UserId>) -> Result<Given, upstream::Error> {
        let before = match self.mode {
            AssignmentMode::Add => BTreeSet::new(),
            AssignmentMode::Auto | AssignmentMode::Replace => {
                mend(self.case, doc, None).await?;
                self.case.calls.assignees(doc).await?
            }
        };
        let missing: Vec<UserId> = users.difference(&before).copied().collect();
        if missing.is_empty() {
            return Ok(Given { holders: before, learned: None });
        }
        let whole: Vec<UserId> = before.iter().chain(&missing).copied().collect();
        let in_doubt = self.mode == AssignmentMode::Auto && !before.is_empty() && whole.len() <= WHOLE;
        let partial = !in_doubt && (!before.is_empty() || missing.len() > MOST);
        let is_a_risk = self.mode == AssignmentMode::Auto && partial;
        if is_a_risk {
            note(self.case, doc, &whole).await?;
        }
        let mut adds = false;
        if self.mode == AssignmentMode::Replace {
            assign(&self.case.calls, doc, &whole).await?;
        } else if in_doubt {
            adds = self.assign_whole(doc, &whole, &missing).await?;
        } else {
            for part in missing.chunks(MOST) {
                assign(&self.case.calls, doc, part).await?;
            }
        }
        let mut holders = self.case.calls.assignees(doc).await?;
        let mut learned = adds.then_some(AssignmentMode::Add);
        if is_a_risk {
            let replaces = !before.is_subset(&holders) || !missing.iter().all(|user| holders.contains(user));
            learned = Some(if replaces { AssignmentMode::Replace } else { AssignmentMode::Add });
            if replaces {
                let lost: Vec<UserId> = before.difference(&holders).copied().collect();
                assign(&self.case.calls, doc, &whole).await?;
                given_back(self.case, doc, &lost).await?;
                holders = self.case.calls.assignees(doc).await?;
            }
            forget(self.case, doc).await?;
        }
        Ok(Given { holders, learned })
    }

    /// Names all holders, old and new, in one call. "Exists already" says that the call adds, so then the new ones are enough;
    /// whether it says that is given back.
    async fn assign_whole(
        &self,
        doc: RightsDocId,
        whole: &[UserId],
        missing: &[UserId],
    ) -> Result<bool, upstream::Error> {
        match self.case.calls.assign_rights_doc(doc, whole).await {
            Err(upstream::Error::Conflict(_)) => {
                for part in missing.chunks(MOST) {
                    assign(&self.case.calls, doc, part).await?;
                }
                Ok(true)
            }
            other => other.map(|()| false),
        }
    }
}

async fn assign(calls: &Calls, doc: RightsDocId, users: &[UserId]) -> Result<(), upstream::Error> {
    match calls.assign_rights_doc(doc, users).await {
        // One of them has it already: whether the others got it is not said, so each is asked for alone.
        Err(upstream::Error::Conflict(_)) if users.len() > 1 => {
            for user in users {
                match calls.assign_rights_doc(doc, &[*user]).await {
                    Ok(()) | Err(upstream::Error::Conflict(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        }
        // "Exists already" is what was asked for.
        Err(upstream::Error::Conflict(_)) => Ok(()),
        other => other,
    }
}

/// Gives the document back to those who held it before a call that was cut short, `without` one who is to lose it. The caller has the
/// lease.
async fn mend(case: &Case<'_>, doc: RightsDocId, without: Option<UserId>) -> Result<(), upstream::Error> {
    let Some(before) = held_before(case, doc).await? else { return Ok(()) };
    let holders = match case.calls.assignees(doc).await {
        Err(upstream::Error::NotFound) => return forget(case, doc).await,
        holders => holders?,
    };
    let whole: Vec<UserId> = before.union(&holders).filter(|user| Some(**user) != without).copied().collect();
    let lost: Vec<UserId> = whole.iter().filter(|user| !holders.contains(user)).copied().collect();
    if !lost.is_empty() {
        assign(&case.calls, doc, &whole).await?;
        given_back(case, doc, &lost).await?;
    }
    forget(case, doc).await
}

/// Tells the auditor who has the document again that an assignment to somebody else had taken from them.
async fn given_back(case: &Case<'_>, doc: RightsDocId, users: &[UserId]) -> Result<(), upstream::Error> {
    let (tenant, record) = (
        case.tenant.id.clone(),
        case.decision("restoreRightsDoc", &json!({"rightsDocId": doc, "userIds": users, "outcome": "done"})),
    );
    let noted = case.store.write(move |tx| audit::append(tx, &tenant, &record)).await;
    noted.map_err(|error: store::Error| unavailable(true, &error))
}

/// Who held the document before a call that was cut short.
async fn held_before(case: &Case<'_>, doc: RightsDocId) -> Result<Option<BTreeSet<UserId>>, upstream::Error> {
    let tenant = case.tenant.id.clone();
    let noted = case.store.read(move |tx| facts::get(tx, &tenant, &noted(doc))).await;
    let noted = noted.map_err(|error: store::Error| unavailable(false, &error))?;
    Ok(noted.map(|text| serde_json::from_str(&text).unwrap_or_default()))
}

async fn note(case: &Case<'_>, doc: RightsDocId, holders: &[UserId]) -> Result<(), upstream::Error> {
    let holders = serde_json::to_string(holders).unwrap_or_default();
    let (tenant, now) = (case.tenant.id.clone(), case.clock.now());
    let noted = case.store.write(move |tx| facts::set(tx, &tenant, &noted(doc), &holders, now)).await;
    noted.map_err(|error: store::Error| unavailable(false, &error))
}

async fn forget(case: &Case<'_>, doc: RightsDocId) -> Result<(), upstream::Error> {
    let tenant = case.tenant.id.clone();
    let forgotten = case.store.write(move |tx| facts::remove(tx, &tenant, &noted(doc))).await;
    forgotten.map_err(|error: store::Error| unavailable(true, &error))
}
