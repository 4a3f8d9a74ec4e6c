//! What the typed functions promise, concurrency included.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use super::super::budgets::Bucket;
use super::super::{Error, Tx, budgets, groups, jobs, leases, members, names, people, revisions, search};
use super::{Scratch, at, insert_person, on_both, person_id, tenant};
use crate::domain::person::group_keys;
use crate::domain::{Actor, GroupId, PersonId};
use crate::scim::Resource;
use crate::upstream::model::Lane;

on_both!(
    a_budget_of_another_name_takes_over_what_is_known,
    each_of_a_thousand_jobs_is_claimed_once,
    a_lease_that_ran_out_is_taken_over_and_its_old_holder_cannot_end_the_job,
    work_that_came_in_meanwhile_keeps_the_job,
    the_highest_lane_goes_first,
    an_old_holder_cannot_end_a_later_job_of_the_same_person,
    concurrent_members_of_one_group_lose_nothing,
    a_name_has_one_holder,
    concurrent_claims_of_one_name_have_one_winner,
    revisions_of_one_person_are_numbered_without_gaps,
    a_bucket_never_gives_more_than_it_has,
    a_limit_that_ringcx_named_is_known_to_all_until_it_is_old,
    a_minute_sees_no_more_exchanges_than_allowed,
    a_lease_has_one_owner,
    a_tombstone_leaves_the_counts_and_keeps_its_id,
);

const LEASE: Duration = Duration::from_mins(1);

async fn enqueue(scratch: &Scratch, person: PersonId, lane: Lane, now: i64) {
    let work =
        move |tx: &mut super::super::Tx<'_>| jobs::enqueue(tx, &tenant(), &person, lane, at(now), at(now));
    scratch.store.write(work).await.unwrap();
}

async fn claim(scratch: &Scratch, owner: &'static str, now: i64) -> Option<jobs::Job> {
    scratch
        .store
        .write(move |tx| jobs::claim_next(tx, &[(tenant(), Lane::Reconcile)], owner, at(now), LEASE))
        .await
        .unwrap()
}

async fn complete(scratch: &Scratch, job: &jobs::Job) -> bool {
    let job = job.clone();
    scratch.store.write(move |tx| jobs::complete(tx, &job)).await.unwrap()
}

async fn each_of_a_thousand_jobs_is_claimed_once(scratch: Scratch) {
    let fill = |tx: &mut super::super::Tx<'_>| {
        (0..1000).try_for_each(|n| jobs::enqueue(tx, &tenant(), &person_id(n), Lane::Update, at(1), at(1)))
    };
    scratch.store.write(fill).await.unwrap();
    let workers: Vec<_> = (0..8)
        .map(|n| {
            let store = scratch.store.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let owner = format!("worker-{n}");
                    let claimed = store
                        .write(move |tx| {
                            jobs::claim_next(tx, &[(tenant(), Lane::Reconcile)], &owner, at(10), LEASE)
                        })
                        .await
                        .unwrap();
                    match claimed {
                        Some(job) => mine.push(job.person.to_string()),
                        None => return mine,
                    }
                }
            })
        })
        .collect();
    let mut claimed = Vec::new();
    for worker in workers {
        claimed.extend(worker.await.unwrap());
    }
    assert_eq!(claimed.len(), 1000);
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>().len(), 1000);
}

async fn a_lease_that_ran_out_is_taken_over_and_its_old_holder_cannot_end_the_job(scratch: Scratch) {
    enqueue(&scratch, person_id(1), Lane::Update, 1).await;
    let first = claim(&scratch, "a", 10).await.unwrap();
    assert_eq!(claim(&scratch, "b", 20).await, None, "still leased");
    let second = claim(&scratch, "b", 61_000).await.unwrap();
    assert!(second.fence > first.fence);
    assert!(!complete(&scratch, &first).await);
    let old = first.clone();
    let renewed = scratch.store.write(move |tx| jobs::renew(tx, &old, at(61_001), LEASE)).await.unwrap();
    assert_eq!(renewed, None);
    assert!(complete(&scratch, &second).await);
    assert_eq!(scratch.number("SELECT count(*) FROM jobs").await, 0);
}

async fn work_that_came_in_meanwhile_keeps_the_job(scratch: Scratch) {
    enqueue(&scratch, person_id(1), Lane::Update, 1).await;
    let job = claim(&scratch, "a", 10).await.unwrap();
    enqueue(&scratch, person_id(1), Lane::Deactivate, 11).await;
    assert!(!complete(&scratch, &job).await);
    assert_eq!(claim(&scratch, "b", 12).await, None, "the first holder still works");
    let back = job.clone();
    scratch.store.write(move |tx| jobs::retry_at(tx, &back, at(12), "newer work")).await.unwrap();
    let again = claim(&scratch, "b", 12).await.unwrap();
    assert_eq!((again.lane, again.generation), (Lane::Deactivate, 2));
    assert!(complete(&scratch, &again).await);
}

async fn the_highest_lane_goes_first(scratch: Scratch) {
    enqueue(&scratch, person_id(1), Lane::Reconcile, 1).await;
    enqueue(&scratch, person_id(2), Lane::Deactivate, 3).await;
    enqueue(&scratch, person_id(3), Lane::Deactivate, 2).await;
    enqueue(&scratch, person_id(4), Lane::Deactivate, 99).await;
    let mut order = Vec::new();
    while let Some(job) = claim(&scratch, "a", 10).await {
        order.push(job.person);
    }
    assert_eq!(order, [person_id(3), person_id(2), person_id(1)]);
}

async fn an_old_holder_cannot_end_a_later_job_of_the_same_person(scratch: Scratch) {
    enqueue(&scratch, person_id(1), Lane::Update, 1).await;
    let stalled = claim(&scratch, "a", 10).await.unwrap();
    let taken = claim(&scratch, "b", 70_000).await.unwrap();
    assert!(complete(&scratch, &taken).await);
    enqueue(&scratch, person_id(1), Lane::Update, 70_001).await;
    let later = claim(&scratch, "c", 70_001).await.unwrap();
    assert!(!complete(&scratch, &stalled).await, "the row has begun a new life");
    assert!(complete(&scratch, &later).await);
}

async fn group(scratch: &Scratch) -> GroupId {
    let id = GroupId::from("g-1");
    let given = id.clone();
    let insert = move |tx: &mut super::super::Tx<'_>| {
        let body = json!({ "displayName": "Everyone" }).to_string();
        let keys = group_keys(&Resource::from_json(&body).unwrap());
        groups::insert(
            tx,
            &tenant(),
            &given,
            &groups::NewGroup { body: &body, keys: &keys, agent_group: None },
            at(1),
        )
    };
    scratch.store.write(insert).await.unwrap();
    id
}

async fn concurrent_members_of_one_group_lose_nothing(scratch: Scratch) {
    let id = group(&scratch).await;
    let adds: Vec<_> = (0..200)
        .map(|n| {
            let (store, id) = (scratch.store.clone(), id.clone());
            tokio::spawn(async move {
                let add = store.write(move |tx| {
                    groups::lock(tx, &tenant(), &id)?;
                    let new =
                        [members::NewMember { id: person_id(n).to_string(), display: None, is_group: false }];
                    let added = members::add(tx, &tenant(), &id, &new, at(2))?;
                    groups::touch(tx, &tenant(), &id, at(2))?;
                    Ok::<_, Error>(added.len())
                });
                add.await
            })
        })
        .collect();
    for add in adds {
        assert_eq!(add.await.unwrap().unwrap(), 1);
    }
    assert_eq!(scratch.number("SELECT count(*) FROM members").await, 200);
    assert_eq!(scratch.number("SELECT version FROM groups").await, 201);
    let again = scratch.store.write(move |tx| {
        let new = [members::NewMember { id: person_id(7).to_string(), display: None, is_group: false }];
        members::add(tx, &tenant(), &id, &new, at(3))
    });
    assert!(again.await.unwrap().is_empty(), "a member is added once");
}

async fn a_name_has_one_holder(scratch: Scratch) {
    let claimed = scratch.store.write(|tx| {
        let claim = |tx: &mut _, owner| names::claim(tx, &tenant(), names::Kind::UserName, "jo", owner);
        let answers = [claim(tx, "p1")?, claim(tx, "p2")?, claim(tx, "p1")?];
        names::release_all(tx, &tenant(), "p1")?;
        Ok::<_, Error>((answers, claim(tx, "p2")?))
    });
    let (answers, freed) = claimed.await.unwrap();
    assert_eq!(answers, [None, Some("p1".to_owned()), None]);
    assert_eq!(freed, None);
}

async fn concurrent_claims_of_one_name_have_one_winner(scratch: Scratch) {
    let claims: Vec<_> = (0..32)
        .map(|n| {
            let store = scratch.store.clone();
            tokio::spawn(async move {
                let owner = format!("p{n}");
                let claim = move |tx: &mut super::super::Tx<'_>| {
                    names::claim(tx, &tenant(), names::Kind::UserName, "jo", &owner)
                };
                store.write(claim).await
            })
        })
        .collect();
    let mut winners = 0;
    for claim in claims {
        winners += usize::from(claim.await.unwrap().unwrap().is_none());
    }
    assert_eq!(winners, 1);
}

async fn revisions_of_one_person_are_numbered_without_gaps(scratch: Scratch) {
    let id = person_id(1);
    let insert = move |tx: &mut super::super::Tx<'_>| {
        insert_person(tx, &person_id(1), &json!({"userName": "jo"}), at(1))
    };
    scratch.store.write(insert).await.unwrap();
    let appends: Vec<_> = (0..50)
        .map(|_| {
            let (store, id) = (scratch.store.clone(), id.clone());
            tokio::spawn(async move {
                let append = store.write(move |tx| {
                    people::lock(tx, &tenant(), &id)?;
                    let by = Actor::new("c", "c", "r");
                    let new = revisions::NewRevision {
                        kind: revisions::Kind::Patch,
                        change: &json!({}),
                        body: "{}",
                        by: &by,
                        now: at(2),
                    };
                    revisions::append(tx, &tenant(), &id, &new)
                });
                append.await
            })
        })
        .collect();
    let mut numbers = BTreeSet::new();
    for append in appends {
        numbers.insert(append.await.unwrap().unwrap());
    }
    assert_eq!(numbers.into_iter().collect::<Vec<_>>(), (1..=50).collect::<Vec<i64>>());
}

async fn a_bucket_never_gives_more_than_it_has(scratch: Scratch) {
    // 600 a minute: a bucket of 120, of which 24 are for urgent calls, and one more every 100 ms.
    let take = |urgent, now| {
        let work = move |tx: &mut super::super::Tx<'_>| {
            budgets::take(tx, "id", at(now), budgets::Bucket::of_calls(600, urgent))
        };
        let store = scratch.store.clone();
        async move { store.write(work).await.unwrap() == budgets::Taken::Yes }
    };
    let asked: Vec<_> = (0..200).map(|_| tokio::spawn(take(false, 1_000))).collect();
    let mut given = 0;
    for one in asked {
        given += usize::from(one.await.unwrap());
    }
    assert_eq!(given, 96);
    let mut urgent = 0;
    while take(true, 1_000).await {
        urgent += 1;
    }
    assert_eq!(urgent, 24);
    assert!(!take(true, 1_099).await);
    assert!(take(true, 1_100).await);
    let stop = |tx: &mut super::super::Tx<'_>| budgets::penalise(tx, "id", at(60_000));
    scratch.store.write(stop).await.unwrap();
    assert!(!take(true, 59_999).await);
    assert!(take(true, 60_000).await);
}

async fn a_limit_that_ringcx_named_is_known_to_all_until_it_is_old(scratch: Scratch) {
    let limit_at = |now: i64| scratch.store.read(move |tx| budgets::limit(tx, "id", at(now)));
    assert_eq!(limit_at(0).await.unwrap(), None);
    let bucket = budgets::Bucket::of_calls(100, false);
    scratch.store.write(move |tx| budgets::take(tx, "id", at(0), bucket)).await.unwrap();
    for (named, until) in [(30, 5_000), (60, 9_000)] {
        scratch.store.write(move |tx| budgets::learn(tx, "id", named, at(until))).await.unwrap();
        assert_eq!(limit_at(0).await.unwrap(), Some(named), "the last word counts");
    }
    assert_eq!(limit_at(8_999).await.unwrap(), Some(60));
    assert_eq!(limit_at(9_000).await.unwrap(), None);
    scratch.store.write(|tx| budgets::penalise(tx, "id", at(60_000))).await.unwrap();
    let taken = scratch.store.write(move |tx| budgets::take(tx, "id", at(59_000), bucket)).await.unwrap();
    assert_eq!(taken, budgets::Taken::Stopped(Duration::from_secs(1)));
}

async fn a_minute_sees_no_more_exchanges_than_allowed(scratch: Scratch) {
    let bucket = budgets::Bucket::of_exchanges(5);
    for start in [0, 7_000, 31_000] {
        let mut given = 0;
        for second in 0..60 {
            let take = move |tx: &mut super::super::Tx<'_>| {
                budgets::take(tx, &format!("id{start}"), at(start + second * 1_000), bucket)
            };
            given += usize::from(scratch.store.write(take).await.unwrap() == budgets::Taken::Yes);
        }
        assert!((4..=5).contains(&given), "{given}");
    }
}

async fn a_lease_has_one_owner(scratch: Scratch) {
    let acquire = |owner: &'static str, now| {
        scratch.store.write(move |tx| leases::acquire(tx, "sealer", owner, at(now), Duration::from_secs(10)))
    };
    assert_eq!(acquire("a", 1_000).await.unwrap(), Some(1));
    assert_eq!(acquire("b", 2_000).await.unwrap(), None);
    assert_eq!(acquire("a", 9_000).await.unwrap(), Some(1), "renewed");
    assert_eq!(acquire("b", 18_999).await.unwrap(), None);
    assert_eq!(acquire("b", 19_000).await.unwrap(), Some(2));
    assert_eq!(acquire("a", 19_001).await.unwrap(), None);
}

async fn a_tombstone_leaves_the_counts_and_keeps_its_id(scratch: Scratch) {
    let fill = |tx: &mut super::super::Tx<'_>| {
        insert_person(tx, &person_id(1), &json!({"userName": "Jo", "emails": [{"value": "jo@b.c"}]}), at(1))?;
        insert_person(tx, &person_id(2), &json!({"userName": "Al"}), at(1))?;
        people::tombstone(tx, &tenant(), &person_id(1), at(2))?;
        people::tombstone(tx, &tenant(), &person_id(1), at(3))
    };
    scratch.store.write(fill).await.unwrap();
    let every = search::Search {
        filter: None,
        keep: std::sync::Arc::new(|_: &_| true),
        order: None,
        window: search::Window::Offset(0),
        limit: 10,
    };
    let page = search::people(&scratch.store, &tenant(), every).await.unwrap();
    assert_eq!((page.total, page.items.len()), (1, 1));
    let looked = scratch.store.read(|tx| {
        let there = people::get(tx, &tenant(), &person_id(1))?;
        let standing = people::standing(tx, &tenant(), &person_id(1))?;
        Ok::<_, Error>((there, standing, people::tombstones_by_user_name(tx, &tenant(), "jo")?.len()))
    });
    assert_eq!(looked.await.unwrap(), (None, Some(people::Standing::Deleted), 1));
    assert_eq!(scratch.number("SELECT count(*) FROM person_emails").await, 0);
}

async fn a_budget_of_another_name_takes_over_what_is_known(scratch: Scratch) {
    let write = |tx: &mut Tx<'_>| {
        budgets::take(tx, "old", at(0), Bucket::of_calls(60, true))?;
        budgets::learn(tx, "old", 30, at(90_000))?;
        budgets::penalise(tx, "old", at(60_000))?;
        budgets::penalise(tx, "old/auth", at(30_000))?;
        budgets::penalise(tx, "older", at(50_000))?;
        budgets::inherit(tx, "old", "new")?;
        // Once it has a life of its own, nothing is taken over any more.
        budgets::penalise(tx, "old", at(80_000))?;
        budgets::inherit(tx, "old", "new")
    };
    scratch.store.write(write).await.unwrap();
    let known = |name: &'static str| {
        let read = move |tx: &mut Tx<'_>| {
            Ok::<_, Error>((budgets::level(tx, name)?, budgets::limit(tx, name, at(1))?))
        };
        scratch.store.read(read)
    };
    let (level, limit) = known("new").await.unwrap();
    assert_eq!((level.unwrap().penalty_until, limit), (at(60_000), Some(30)));
    assert_eq!(known("new/auth").await.unwrap().0.unwrap().penalty_until, at(30_000));
    assert_eq!(known("newer").await.unwrap(), (None, None));
}
