//! Rights documents given to many in one call: whoever wants a document while another batch of it is under way joins the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::domain::policy::AssignmentMode;
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
pub(super) struct Batch<'a> {
    pub(super) calls: &'a Calls,
    pub(super) mode: AssignmentMode,
}

impl DocBatches {
    /// Gives `doc` to `user`, in one batch with everybody who waits for it.
    pub(super) async fn grant(
        &self,
        doc: RightsDocId,
        user: UserId,
        batch: &Batch<'_>,
    ) -> Result<Given, upstream::Error> {
        let turns = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(doc).or_default())
        };
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
        let answer = batch.give(doc, &users).await;
        for waiter in waiting {
            // Who has gone away needs no answer.
            drop(waiter.tell.send(answer.clone()));
        }
        answer
    }
}

impl Batch<'_> {
    /// Whether the call adds to the list of holders or replaces it is not documented, so until it is known the list is read
    /// before and after, and repaired.
    async fn give(&self, doc: RightsDocId, users: &BTreeSet<UserId>) -> Result<Given, upstream::Error> {
        let before = match self.mode {
            AssignmentMode::Add => BTreeSet::new(),
            AssignmentMode::Auto | AssignmentMode::Replace => self.calls.assignees(doc).await?,
        };
        let missing: Vec<UserId> = users.difference(&before).copied().collect();
        if missing.is_empty() {
            return Ok(Given { holders: before, learned: None });
        }
        let whole: Vec<UserId> = before.iter().chain(&missing).copied().collect();
        let in_doubt = self.mode == AssignmentMode::Auto && !before.is_empty() && whole.len() <= WHOLE;
        let mut adds = false;
        if self.mode == AssignmentMode::Replace {
            self.assign(doc, &whole).await?;
        } else if in_doubt {
            adds = self.assign_whole(doc, &whole, &missing).await?;
        } else {
            for part in missing.chunks(MOST) {
                self.assign(doc, part).await?;
            }
        }
        let mut holders = self.calls.assignees(doc).await?;
        let mut learned = adds.then_some(AssignmentMode::Add);
        let partial = !in_doubt && (!before.is_empty() || missing.len() > MOST);
        if self.mode == AssignmentMode::Auto && partial {
            let replaces = !before.is_subset(&holders) || !missing.iter().all(|user| holders.contains(user));
            learned = Some(if replaces { AssignmentMode::Replace } else { AssignmentMode::Add });
            if replaces {
                self.assign(doc, &whole).await?;
                holders = self.calls.assignees(doc).await?;
            }
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
        match self.calls.assign_rights_doc(doc, whole).await {
            Err(upstream::Error::Conflict(_)) => {
                for part in missing.chunks(MOST) {
                    self.assign(doc, part).await?;
                }
                Ok(true)
            }
            other => other.map(|()| false),
        }
    }

    async fn assign(&self, doc: RightsDocId, users: &[UserId]) -> Result<(), upstream::Error> {
        match self.calls.assign_rights_doc(doc, users).await {
            // One of them has it already: whether the others got it is not said, so each is asked for alone.
            Err(upstream::Error::Conflict(_)) if users.len() > 1 => {
                for user in users {
                    match self.calls.assign_rights_doc(doc, &[*user]).await {
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
}
