//! What the chain of audit records proves, and what the store tells of it.

use serde_json::json;

use super::super::Tx;
use super::super::audit::chain::{Kind, Verdict, verify};
use super::super::audit::{self, story};
use super::{Scratch, at, on_both, person_id, tenant};
use crate::domain::Actor;

on_both!(
    a_whole_chain_is_proven_and_its_unsealed_tail_is_named,
    an_edited_a_removed_and_a_reordered_record_are_named,
    what_was_cut_off_is_missed_by_whoever_kept_the_head,
    records_of_an_earlier_version_keep_their_place,
    a_request_finds_the_records_that_it_was_merged_into,
    an_export_has_every_record_once,
    an_export_of_a_person_or_a_time_has_what_is_asked_for,
);

fn record(n: i64) -> audit::Record {
    let by = Actor::new("c", "token:c", &format!("r{}", n % 3));
    audit::Record::new(&format!("{n:05}"), at(n), &by, "patch", &json!({ "n": n })).about(&person_id(1))
}

async fn fill(scratch: &Scratch, from: i64, to: i64) {
    let fill = move |tx: &mut Tx<'_>| (from..to).try_for_each(|n| audit::append(tx, &tenant(), &record(n)));
    scratch.store.write(fill).await.unwrap();
}

async fn sealed(records: i64, scratch: &Scratch) {
    fill(scratch, 0, records).await;
    while scratch.store.write(audit::seal_batch).await.unwrap() > 0 {}
}

async fn look(scratch: &Scratch) -> Verdict {
    verify(&scratch.store, None).await.unwrap()
}

fn found(verdict: &Verdict) -> Vec<(Kind, i64, i64)> {
    verdict.faults.iter().map(|it| (it.kind, it.record, it.through)).collect()
}

async fn a_whole_chain_is_proven_and_its_unsealed_tail_is_named(scratch: Scratch) {
    assert_eq!(look(&scratch).await, Verdict::default());
    sealed(1_200, &scratch).await;
    fill(&scratch, 1_200, 1_203).await;
    let verdict = look(&scratch).await;
    assert_eq!((verdict.records, verdict.unsealed, verdict.unsealed_since), (1_200, 3, Some(at(1_200))));
    assert_eq!((verdict.head.as_ref().unwrap().len(), found(&verdict)), (64, Vec::new()));
}

async fn an_edited_a_removed_and_a_reordered_record_are_named(scratch: Scratch) {
    sealed(30, &scratch).await;
    scratch.change("UPDATE audit SET detail = '{}' WHERE seq = 7").await.unwrap();
    assert_eq!(found(&look(&scratch).await), [(Kind::Edited, 7, 7)]);
    scratch.change("UPDATE audit SET actor = 'cli:mallory' WHERE seq = 9").await.unwrap();
    scratch.change("DELETE FROM audit WHERE seq = 12 OR seq = 13").await.unwrap();
    for sql in [
        "UPDATE audit SET seq = 1000 WHERE seq = 20",
        "UPDATE audit SET seq = 20 WHERE seq = 22",
        "UPDATE audit SET seq = 22 WHERE seq = 1000",
    ] {
        scratch.change(sql).await.unwrap();
    }
    scratch.change("DELETE FROM audit WHERE seq = 1").await.unwrap();
    let expected = [
        (Kind::Removed, 1, 1),
        (Kind::Edited, 7, 7),
        (Kind::Edited, 9, 9),
        (Kind::Removed, 12, 13),
        (Kind::Reordered, 20, 22),
    ];
    assert_eq!(found(&look(&scratch).await), expected);
    // Whoever seals the edited record anew is found by the one after it.
    let forge = |tx: &mut Tx<'_>| {
        let hash = "0".repeat(64);
        tx.exec("UPDATE audit SET hash = $1 WHERE seq = 26", &[(&hash).into()]).map(drop)?;
        tx.exec("UPDATE audit SET prev_hash = $1 WHERE seq = 27", &[(&hash).into()]).map(drop)
    };
    scratch.store.write(forge).await.unwrap();
    let verdict = look(&scratch).await;
    assert!(found(&verdict).ends_with(&[(Kind::Edited, 26, 26), (Kind::Edited, 27, 27)]), "{verdict:?}");
}

async fn what_was_cut_off_is_missed_by_whoever_kept_the_head(scratch: Scratch) {
    sealed(10, &scratch).await;
    let head = look(&scratch).await.head.unwrap();
    fill(&scratch, 10, 12).await;
    scratch.store.write(audit::seal_batch).await.unwrap();
    let later = verify(&scratch.store, Some(&head)).await.unwrap();
    assert_eq!(found(&later), [], "the chain has grown since");
    scratch.change("DELETE FROM audit WHERE seq > 9").await.unwrap();
    assert_eq!(found(&look(&scratch).await), [], "an end that is gone leaves no trace in the chain");
    let cut = verify(&scratch.store, Some(&head)).await.unwrap();
    assert_eq!(found(&cut), [(Kind::Truncated, 10, 10)]);
}

async fn records_of_an_earlier_version_keep_their_place(scratch: Scratch) {
    let old = |tx: &mut Tx<'_>| {
        tx.exec(
            "INSERT INTO audit (id, tenant, at, credential, request_id, action, detail) VALUES ('0', 'default', 0, 'c', 'r', 'x', '{}')",
            &[],
        )
        .map(drop)
    };
    scratch.store.write(old).await.unwrap();
    sealed(3, &scratch).await;
    let verdict = look(&scratch).await;
    assert_eq!((verdict.records, found(&verdict)), (4, Vec::new()));
    // What the version before has computed for this record.
    let first =
        scratch.store.read(|tx| tx.one("SELECT hash FROM audit WHERE seq = 1", &[], |row| row.text(0)));
    let fields = "1:07:default1:01:c1:r0:0:1:x2:{}";
    let hash = crate::hex::hex(&<sha2::Sha256 as sha2::Digest>::digest(format!("\n{fields}")));
    assert_eq!(first.await.unwrap(), Some(hash));
}

async fn a_request_finds_the_records_that_it_was_merged_into(scratch: Scratch) {
    let append = |tx: &mut Tx<'_>| {
        let by = Actor { client_request_id: Some("theirs".to_owned()), ..Actor::new("c", "token:c", "r1") };
        audit::append(tx, &tenant(), &audit::Record::new(&"1", at(1), &by, "patch", &json!({})))?;
        let by = Actor::new("c", "token:c", "r2");
        audit::append(tx, &tenant(), &audit::Record::new(&"2", at(2), &by, "patch", &json!({})))?;
        let both = ["r1", "r2", ""].map(str::to_owned);
        let call = audit::Record::new(&"3", at(3), &by, "updateAgent", &json!({})).also(both);
        audit::append(tx, &tenant(), &call)
    };
    scratch.store.write(append).await.unwrap();
    for (request, ids) in
        [("r1", vec!["1", "3"]), ("r2", vec!["2", "3"]), ("theirs", vec!["1"]), ("none", vec![])]
    {
        let story = story::of_request(&scratch.store, request).await.unwrap();
        let found: Vec<&str> = story.iter().map(|it| it.record.id.as_str()).collect();
        assert_eq!(found, ids, "{request}");
    }
}

async fn an_export_has_every_record_once(scratch: Scratch) {
    for records in [0, 499, 500, 501] {
        sealed(records, &scratch).await;
        fill(&scratch, 2_000, 2_002).await;
        let mut seen = Vec::new();
        story::each(&scratch.store, |stored| seen.push(stored.seq)).await.unwrap();
        let expected: Vec<Option<i64>> = (1..=records).map(Some).chain([None, None]).collect();
        assert_eq!(seen, expected, "{records}");
        scratch.change("DELETE FROM audit").await.unwrap();
    }
}

async fn an_export_of_a_person_or_a_time_has_what_is_asked_for(scratch: Scratch) {
    sealed(1_100, &scratch).await;
    let other = |n: i64| record(n).about(&person_id(2));
    let add = move |tx: &mut Tx<'_>| (1_100..1_110).try_for_each(|n| audit::append(tx, &tenant(), &other(n)));
    scratch.store.write(add).await.unwrap();
    let person = |n: usize| Some(person_id(n).to_string());
    let wanted = story::Wanted::default;
    for (wanted, expected) in [
        (wanted(), (0..1_110).collect::<Vec<i64>>()),
        (story::Wanted { person: person(1), ..wanted() }, (0..1_100).collect()),
        (story::Wanted { person: person(2), ..wanted() }, (1_100..1_110).collect()),
        (story::Wanted { person: person(1), since: Some(at(1_098)), ..wanted() }, vec![1_098, 1_099]),
        (story::Wanted { person: person(2), until: Some(at(1_101)), ..wanted() }, vec![1_100]),
        (story::Wanted { since: Some(at(7)), until: Some(at(1_102)), ..wanted() }, (7..1_102).collect()),
        (story::Wanted { since: Some(at(1_109)), ..wanted() }, vec![1_109]),
        (story::Wanted { tenant: Some("other".to_owned()), since: Some(at(0)), ..wanted() }, vec![]),
        (story::Wanted { person: person(3), ..wanted() }, vec![]),
    ] {
        let mut found = Vec::new();
        let take = |it: story::Stored| found.push(it.record.id.parse::<i64>().unwrap());
        story::some(&scratch.store, &wanted, take).await.unwrap();
        assert_eq!(found, expected, "{wanted:?}");
    }
}
