//! Lists and filters: what the database answers is what a look at each row would answer.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::super::search::{
    FoundGroup, FoundPerson, Members, Page, Search, Window, groups as search_groups, people as search_people,
};
use super::super::{Tx, groups, members, people, pushdown};
use super::{Scratch, at, insert_person, on_both, person_id, tenant};
use crate::domain::GroupId;
use crate::domain::person::group_keys;
use crate::scim::filter::{self, Filter};
use crate::scim::{Object, Resource, Rules, schema};

on_both!(
    a_pushed_filter_answers_as_a_look_at_each_row,
    pages_do_not_move_when_people_come_and_go,
    a_page_beyond_the_end_is_empty_and_counts_all,
    groups_are_found_by_name_and_member,
    groups_in_groups_are_followed_both_ways_and_circles_end,
);

/// What the rows of the tests show: the stored body with id, meta and groups.
fn full(found: &FoundPerson) -> Object {
    let mut object: Object = serde_json::from_str(&found.person.answer).unwrap();
    object.insert("id".to_owned(), json!(found.person.id.as_str()));
    object.insert("meta".to_owned(), json!({ "lastModified": found.person.modified.to_string() }));
    if !found.groups.is_empty() {
        let groups =
            found.groups.iter().map(|g| json!({ "value": g.id.as_str(), "display": g.display_name }));
        object.insert("groups".to_owned(), groups.collect());
    }
    object
}

fn parsed(text: &str) -> Filter {
    filter::parse(&schema::USER, text, &Rules::default()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn matching(filter: &Filter) -> Search<FoundPerson> {
    let asked = filter.clone();
    Search {
        filter: Some(filter.clone()),
        keep: Arc::new(move |found| filter::matches(&schema::USER, &asked, &full(found))),
        order: None,
        window: Window::Offset(0),
        limit: 1000,
    }
}

fn every(offset: u64, limit: u64) -> Search<FoundPerson> {
    Search { filter: None, keep: Arc::new(|_| true), order: None, window: Window::Offset(offset), limit }
}

async fn ids(scratch: &Scratch, search: Search<FoundPerson>) -> Vec<String> {
    let page = search_people(&scratch.store, &tenant(), search).await.unwrap();
    page.items.into_iter().map(|found| found.person.id.to_string()).collect()
}

fn insert_group(tx: &mut Tx<'_>, id: &str, name: &str, of: &[usize]) -> Result<(), super::Error> {
    let body = json!({ "displayName": name }).to_string();
    let keys = group_keys(&Resource::from_json(&body).unwrap());
    let id = GroupId::from(id);
    groups::insert(
        tx,
        &tenant(),
        &id,
        &groups::NewGroup { body: &body, keys: &keys, agent_group: None },
        at(1),
    )?;
    let new: Vec<_> = of
        .iter()
        .map(|n| members::NewMember { id: person_id(*n).to_string(), display: None, is_group: false })
        .collect();
    members::add(tx, &tenant(), &id, &new, at(1)).map(drop)
}

/// Few words, so that filters hit; with case, letters beyond ASCII, and texts that begin like others.
fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "jo",
        "Jo",
        "JOan",
        "joa",
        "Ärger",
        "ärg",
        "zoé",
        "z",
        "\u{10ffff}",
        "a%_b",
        "a",
    ])
}

fn population() -> impl Strategy<Value = Vec<Value>> {
    let person = (
        word(),
        any::<bool>(),
        prop::option::of(word()),
        prop::option::of(word()),
        prop::option::of((word(), word())),
    );
    prop::collection::vec(person, 1..12).prop_map(|people| {
        people
            .into_iter()
            .enumerate()
            .map(|(n, (name, active, display, external, email))| {
                let mut body = json!({ "userName": format!("{name}{}", n % 3), "active": active });
                if let Some(display) = display {
                    body["displayName"] = json!(display);
                }
                if let Some(external) = external {
                    body["externalId"] = json!(external);
                }
                if let Some((value, other)) = email {
                    body["emails"] =
                        json!([{ "value": value, "type": "work" }, { "value": other, "type": "home" }]);
                }
                body
            })
            .collect()
    })
}

fn comparison() -> impl Strategy<Value = String> {
    let text =
        prop::sample::select(vec!["userName", "displayName", "externalId", "emails.value", "emails", "id"]);
    let op = prop::sample::select(vec!["eq", "ne", "sw", "co", "ew", "gt", "ge", "lt", "le"]);
    let quoted = |word: &str| Value::from(word).to_string();
    prop_oneof![
        (text, op, word(), 0..4_u8).prop_map(move |(path, op, word, n)| match (path, n) {
            ("userName", 0..3) => format!("{path} {op} {}", quoted(&format!("{word}{n}"))),
            ("id", _) => format!("{path} {op} \"p-0000{n}\""),
            _ => format!("{path} {op} {}", quoted(word)),
        }),
        any::<bool>().prop_map(|flag| format!("active eq {flag}")),
        any::<bool>().prop_map(|flag| format!("active ne {flag}")),
        prop::sample::select(vec!["userName", "displayName", "emails", "groups"])
            .prop_map(|path| format!("{path} pr")),
        (word(), prop::sample::select(vec!["work", "home"])).prop_map(move |(word, kind)| format!(
            "emails[type eq \"{kind}\" and value eq {}]",
            quoted(word)
        )),
        prop::sample::select(vec!["g-1", "g-2", "g-3", "G-1"])
            .prop_map(|id| format!("groups.value eq \"{id}\"")),
        (prop::sample::select(vec!["eq", "gt", "ge", "lt", "le"]), 0..12_i64)
            .prop_map(|(op, second)| format!("meta.lastModified {op} \"{}\"", at(second * 1000))),
    ]
}

fn any_filter() -> impl Strategy<Value = String> {
    comparison().prop_recursive(3, 12, 3, |inner| {
        let many = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            many.clone().prop_map(|parts| parts.join(" and ")),
            many.prop_map(|parts| format!("({})", parts.join(" or "))),
            inner.prop_map(|part| format!("not ({part})")),
        ]
    })
}

async fn a_pushed_filter_answers_as_a_look_at_each_row(scratch: Scratch) {
    let mut runner = TestRunner::new(Config::default());
    let mut pushed = 0;
    for _ in 0..12 {
        let people = population().new_tree(&mut runner).unwrap().current();
        let count = people.len();
        let fill = move |tx: &mut Tx<'_>| {
            for table in ["people", "person_emails", "groups", "members", "counters"] {
                tx.exec(&format!("DELETE FROM {table}"), &[])?;
            }
            for (n, body) in people.iter().enumerate() {
                insert_person(tx, &person_id(n), body, at(i64::try_from(n).unwrap() * 1000))?;
            }
            insert_group(tx, "g-1", "Some", &(0..count).step_by(2).collect::<Vec<_>>())?;
            insert_group(tx, "g-2", "Few", &[0])
        };
        scratch.store.write(fill).await.unwrap();
        let all = search_people(&scratch.store, &tenant(), every(0, 1000)).await.unwrap();
        assert_eq!(all.total, count as u64);
        for _ in 0..40 {
            let text = any_filter().new_tree(&mut runner).unwrap().current();
            let asked = parsed(&text);
            pushed += usize::from(!pushdown::people(&asked, 2).sql.is_empty());
            let expected: Vec<String> = all
                .items
                .iter()
                .filter(|found| filter::matches(&schema::USER, &asked, &full(found)))
                .map(|found| found.person.id.to_string())
                .collect();
            let Page { total, items, .. } =
                search_people(&scratch.store, &tenant(), matching(&asked)).await.unwrap();
            let found: Vec<String> = items.iter().map(|found| found.person.id.to_string()).collect();
            assert_eq!(found, expected, "{text}");
            assert_eq!(total, expected.len() as u64, "{text}");
            let part = Search { window: Window::Offset(1), limit: 2, ..matching(&asked) };
            let second = search_people(&scratch.store, &tenant(), part).await.unwrap();
            let shown: Vec<String> = second.items.iter().map(|found| found.person.id.to_string()).collect();
            let middle: Vec<String> = expected.iter().skip(1).take(2).cloned().collect();
            assert_eq!((second.total, shown), (expected.len() as u64, middle), "{text}");
        }
    }
    assert!(pushed > 100, "only {pushed} filters reached the database");
}

async fn fill(scratch: &Scratch, count: usize) {
    let insert = move |tx: &mut Tx<'_>| {
        (0..count).try_for_each(|n| {
            insert_person(tx, &person_id(n * 2), &json!({"userName": format!("u{n}")}), at(1))
        })
    };
    scratch.store.write(insert).await.unwrap();
}

async fn pages_do_not_move_when_people_come_and_go(scratch: Scratch) {
    fill(&scratch, 30).await;
    let first = ids(&scratch, every(0, 10)).await;
    let change = |tx: &mut Tx<'_>| {
        // Ids ascend, so whoever comes is last; whoever goes was on a later page.
        insert_person(tx, &person_id(999), &json!({"userName": "late"}), at(2))?;
        people::tombstone(tx, &tenant(), &person_id(58), at(2))
    };
    scratch.store.write(change).await.unwrap();
    let mut seen = first;
    for page in 1..4 {
        seen.extend(ids(&scratch, every(page * 10, 10)).await);
    }
    let mut expected: Vec<String> = (0..29).map(|n| person_id(n * 2).to_string()).collect();
    expected.push(person_id(999).to_string());
    assert_eq!(seen, expected);
}

async fn a_page_beyond_the_end_is_empty_and_counts_all(scratch: Scratch) {
    fill(&scratch, 5).await;
    for (offset, limit) in [(5, 10), (500, 10), (0, 0)] {
        let page = search_people(&scratch.store, &tenant(), every(offset, limit)).await.unwrap();
        assert_eq!((page.total, page.items.len()), (5, 0));
        let filtered =
            Search { window: Window::Offset(offset), limit, ..matching(&parsed("active eq true")) };
        let page = search_people(&scratch.store, &tenant(), filtered).await.unwrap();
        assert_eq!((page.total, page.items.len()), (5, 0), "filtered");
    }
}

async fn groups_are_found_by_name_and_member(scratch: Scratch) {
    let fill = |tx: &mut Tx<'_>| {
        insert_group(tx, "g-1", "Sales", &[1, 2])?;
        insert_group(tx, "g-2", "Support", &[2])
    };
    scratch.store.write(fill).await.unwrap();
    for (text, expected) in [
        ("displayName eq \"SALES\"", vec!["g-1"]),
        ("displayName sw \"s\"", vec!["g-1", "g-2"]),
        ("members.value eq \"p-00002\"", vec!["g-1", "g-2"]),
        ("members[value eq \"p-00001\"]", vec!["g-1"]),
        ("members.value eq \"p-00002\" and displayName eq \"support\"", vec!["g-2"]),
        ("id eq \"G-1\"", vec![]),
    ] {
        let asked = filter::parse(&schema::GROUP, text, &Rules::default()).unwrap();
        let question = asked.clone();
        let keep = move |found: &FoundGroup| {
            let mut object: Object = serde_json::from_str(&found.group.body).unwrap();
            object.insert("id".to_owned(), json!(found.group.id.as_str()));
            let members = found.members.iter().flatten().map(|member| json!({ "value": member.id }));
            object.insert("members".to_owned(), members.collect());
            filter::matches(&schema::GROUP, &question, &object)
        };
        let window = Window::Offset(0);
        let search = Search { filter: Some(asked), keep: Arc::new(keep), order: None, window, limit: 10 };
        let members = Members { shown: false, asked: true };
        let page = search_groups(&scratch.store, &tenant(), search, members).await.unwrap();
        let found: Vec<&str> = page.items.iter().map(|found| found.group.id.as_str()).collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[tokio::test]
async fn eq_on_an_indexed_name_never_scans() {
    let scratch = Scratch::sqlite().await;
    for text in [
        "userName eq \"jo\"",
        "externalId eq \"jo\"",
        "displayName eq \"jo\"",
        "emails.value eq \"jo@b.c\"",
        "emails[type eq \"work\" and value eq \"jo@b.c\"]",
        "id eq \"p-1\"",
        "groups.value eq \"g-1\"",
        "userName eq \"jo\" and name.familyName co \"x\"",
        "userName sw \"jo\"",
    ] {
        let pushed = pushdown::people(&parsed(text), 2);
        assert!(!pushed.sql.is_empty(), "{text}");
        let sql = format!(
            "EXPLAIN QUERY PLAN SELECT body FROM people WHERE tenant = $1 AND deleted_at IS NULL{} ORDER BY id LIMIT 10",
            pushed.sql
        );
        let explain = move |tx: &mut Tx<'_>| {
            let tenant = tenant();
            let values =
                std::iter::once((&tenant).into()).chain(pushed.values.iter().map(pushdown::Owned::as_val));
            tx.all(&sql, &values.collect::<Vec<_>>(), |row| row.text(3))
        };
        let plan = scratch.store.read(explain).await.unwrap();
        let of_people = plan.iter().find(|line| line.contains(" people")).unwrap();
        // Bound by more than the tenant: `(tenant=? AND x=?)` or `(tenant=? AND x>? AND x<?)`.
        assert!(of_people.starts_with("SEARCH") && of_people.contains("tenant=? AND"), "{text}: {plan:?}");
        assert!(plan.iter().all(|line| !line.starts_with("SCAN")), "{text}: {plan:?}");
    }
}

async fn groups_in_groups_are_followed_both_ways_and_circles_end(scratch: Scratch) {
    scratch
        .store
        .write(|tx| {
            for n in 1..=3 {
                insert_person(tx, &person_id(n), &json!({"userName": n.to_string()}), at(1))?;
            }
            // 1 in "in", 2 in "mid", 3 in "out"; in < mid < out < in.
            for (n, id) in [(1, "in"), (2, "mid"), (3, "out")] {
                insert_group(tx, id, id, &[n])?;
            }
            let nest = |tx: &mut Tx<'_>, inner: &str, outer: &str| {
                let new = [members::NewMember { id: inner.to_owned(), display: None, is_group: true }];
                members::add(tx, &tenant(), &GroupId::from(outer), &new, at(2))
            };
            let above = |tx: &mut Tx<'_>, member: &str| {
                let groups = members::groups_above(tx, &tenant(), member)?;
                Ok::<_, super::Error>(groups.iter().map(ToString::to_string).collect::<Vec<_>>())
            };
            let under =
                |tx: &mut Tx<'_>, group: &str| members::people_under(tx, &tenant(), &GroupId::from(group));
            let [one, two, three] = [1, 2, 3].map(|n| person_id(n).to_string());
            nest(tx, "in", "mid")?;
            nest(tx, "mid", "out")?;
            assert_eq!(above(tx, &one)?, ["in", "mid", "out"]);
            assert_eq!(above(tx, "in")?, ["mid", "out"]);
            assert_eq!(above(tx, &three)?, ["out"]);
            assert_eq!(under(tx, "in")?, [one.as_str()]);
            assert_eq!(under(tx, "out")?, [one.as_str(), &two, &three]);
            let counted = |tx: &mut Tx<'_>, nested| members::groups_of(tx, &tenant(), &person_id(1), nested);
            assert_eq!((counted(tx, false)?.len(), counted(tx, true)?.len()), (1, 3));
            nest(tx, "out", "in")?;
            assert_eq!(above(tx, &three)?, ["in", "mid", "out"]);
            assert_eq!(above(tx, "in")?, ["in", "mid", "out"]);
            assert_eq!(under(tx, "in")?.len(), 3);
            Ok::<_, super::Error>(())
        })
        .await
        .unwrap();
}
