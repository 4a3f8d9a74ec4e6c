//! What reports read: who owns an account, who waits, what was seen since when.

use serde_json::json;

use super::super::{inventory, links, people, reports, survey};
use super::{Scratch, at, insert_person, on_both, person_id, tenant};
use crate::domain::link::{AgentGroupAgent, AgentLink, Left, Link};
use crate::upstream::model::{Agent, AgentGroupId, AgentId};

on_both!(
    owners_are_people_with_accounts_and_their_tombstones,
    those_who_wait_come_oldest_first_and_without_the_inactive,
    what_was_seen_before_is_not_seen_since,
    counts_are_kept_as_they_were_counted,
    silence_about_active_is_found_over_pages_and_what_is_said_later_is_kept,
);

fn linked(agent: i64) -> Link {
    let agent = AgentLink {
        id: AgentGroupAgent { agent: AgentId(agent), group: AgentGroupId(1) },
        username: "jo".to_owned(),
        former: std::collections::BTreeMap::new(),
        ours: true,
        home: None,
        enabled: false,
        owned: std::collections::BTreeSet::new(),
        wrote_external_id: false,
        rc_user_id: None,
        unseen: false,
        found: crate::domain::found::Found::default(),
    };
    let left = Left { at: at(5), direct_line: Some("4711".to_owned()) };
    Link { agent: Some(agent), left: Some(left), ..Link::default() }
}

async fn owners_are_people_with_accounts_and_their_tombstones(scratch: Scratch) {
    let found = scratch.store.write(|tx| {
        for number in 0..3 {
            let body = json!({"userName": format!("Jo-{number}"), "active": number != 1});
            insert_person(tx, &person_id(number), &body, at(1))?;
        }
        links::save(tx, &tenant(), &person_id(0), &linked(70), at(2))?;
        links::save(tx, &tenant(), &person_id(1), &linked(71), at(2))?;
        people::tombstone(tx, &tenant(), &person_id(0), at(3))?;
        reports::owners(tx, &tenant())
    });
    let found = found.await.unwrap();
    let seen: Vec<_> = found.iter().map(|it| (it.user_name.as_str(), it.active, it.deleted)).collect();
    assert_eq!(seen, [("jo-0", true, Some(at(3))), ("jo-1", false, None)]);
    assert_eq!(found[0].link, linked(70), "an account is kept whole");
}

async fn those_who_wait_come_oldest_first_and_without_the_inactive(scratch: Scratch) {
    let found = scratch.store.write(|tx| {
        for (number, active, since) in [(0, true, 9), (1, false, 1), (2, true, 4), (3, true, 2), (4, true, 1)]
        {
            let body = json!({"userName": format!("jo-{number}"), "active": active});
            insert_person(tx, &person_id(number), &body, at(since))?;
        }
        tx.exec("UPDATE people SET state = 'held' WHERE id <> 'p-00004'", &[])?;
        people::tombstone(tx, &tenant(), &person_id(3), at(9))?;
        reports::held(tx, &tenant())
    });
    let found: Vec<_> = found.await.unwrap().into_iter().map(|it| (it.user_name, it.since)).collect();
    assert_eq!(found, [("jo-2".to_owned(), at(4)), ("jo-0".to_owned(), at(9))]);
}

async fn what_was_seen_before_is_not_seen_since(scratch: Scratch) {
    let found = scratch.store.write(|tx| {
        for (id, seen) in [(1, 10), (2, 20), (3, 30)] {
            let raw = json!({"agentId": id, "username": "jo"});
            let agent = Agent::from_raw(raw.as_object().cloned().unwrap_or_default());
            let item = inventory::Item::agent(&agent, AgentGroupId(1), at(seen));
            item.iter().try_for_each(|item| inventory::put(tx, &tenant(), item))?;
        }
        let of = |tx: &mut super::super::Tx<'_>, kind| inventory::seen_since(tx, &tenant(), kind, at(20));
        Ok::<_, super::Error>((of(tx, inventory::Kind::Agent)?, of(tx, inventory::Kind::Admin)?))
    });
    let (agents, admins) = found.await.unwrap();
    assert_eq!((agents.iter().map(|it| it.id).collect::<Vec<_>>(), admins.len()), (vec![2, 3], 0));
}

async fn counts_are_kept_as_they_were_counted(scratch: Scratch) {
    let counts = reports::Counts { unowned: 3, held: 2, held_since: 1, direct_lines: 0 };
    let before = scratch.store.read(|tx| reports::counts(tx, &tenant())).await.unwrap();
    scratch.store.write(move |tx| reports::keep(tx, &tenant(), counts, at(1))).await.unwrap();
    let after = scratch.store.read(|tx| reports::counts(tx, &tenant())).await.unwrap();
    assert_eq!((before, after), (None, Some(counts)));
}

async fn silence_about_active_is_found_over_pages_and_what_is_said_later_is_kept(scratch: Scratch) {
    let found = scratch.store.write(|tx| {
        for number in 0..600 {
            insert_person(tx, &person_id(number), &json!({"userName": format!("jo-{number}")}), at(1))?;
        }
        for (number, active) in [(600, json!(true)), (601, json!(false)), (602, json!(null))] {
            let body = json!({"userName": format!("jo-{number}"), "active": active});
            insert_person(tx, &person_id(number), &body, at(1))?;
        }
        insert_person(tx, &person_id(603), &json!({"userName": "young"}), at(2))?;
        people::tombstone(tx, &tenant(), &person_id(0), at(3))?;
        people::keep_body(tx, &tenant(), &person_id(1), r#"{"userName":"jo-1","active":true}"#)?;
        let kept = people::get(tx, &tenant(), &person_id(1))?.unwrap();
        Ok::<_, crate::store::Error>((survey::never_said_active(tx, &tenant(), at(2))?, kept))
    });
    let (found, kept) = found.await.unwrap();
    assert_eq!((found.len(), found.first(), found.last()), (599, Some(&person_id(2)), Some(&person_id(602))));
    assert_eq!((kept.version, kept.modified), (1, at(1)), "nothing that is shown has changed");
}
