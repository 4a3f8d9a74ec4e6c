//! Orders and cursors: what columns sort is what a look at each row sorts, and a walk loses nobody while others come and go.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::super::Tx;
use super::super::people;
use super::super::search::{FoundPerson, Order, Place, Search, Window, people as search_people};
use super::{Scratch, at, insert_person, on_both, person_id, tenant};
use crate::scim::filter::{self, Filter};
use crate::scim::sort::Sort;
use crate::scim::{Object, Rules, schema};

on_both!(
    an_order_is_the_same_by_column_by_scan_and_by_cursor,
    a_cursor_walk_returns_every_survivor_exactly_once,
);

fn full(found: &FoundPerson) -> Object {
    let mut object: Object = serde_json::from_str(&found.person.answer).unwrap();
    object.insert("id".to_owned(), json!(found.person.id.as_str()));
    object
}

fn order(by: &str, descending: bool) -> Order<FoundPerson> {
    let word = if descending { "descending" } else { "ascending" };
    let sort = Sort::parse(&schema::USER, &[&schema::USER], Some(by), Some(word)).unwrap().unwrap();
    let path = sort.path.clone();
    Order { path, descending, key: Arc::new(move |found| sort.key(&full(found))) }
}

fn search(text: Option<&str>, order: Option<Order<FoundPerson>>, limit: u64) -> Search<FoundPerson> {
    let parsed: Option<Filter> =
        text.map(|text| filter::parse(&schema::USER, text, &Rules::default()).unwrap());
    let asked = parsed.clone();
    let keep = move |found: &FoundPerson| {
        asked.as_ref().is_none_or(|asked| filter::matches(&schema::USER, asked, &full(found)))
    };
    Search { filter: parsed, keep: Arc::new(keep), order, window: Window::Offset(0), limit }
}

/// The ids of every page by cursor, and the totals that the pages said.
async fn walk(scratch: &Scratch, search: &Search<FoundPerson>) -> (Vec<String>, BTreeSet<u64>) {
    let (mut seen, mut totals, mut window) = (Vec::new(), BTreeSet::new(), Window::After(None));
    loop {
        let page = Search { window: window.clone(), ..search.clone() };
        let page = search_people(&scratch.store, &tenant(), page).await.unwrap();
        totals.insert(page.total);
        seen.extend(page.items.iter().map(|found| found.person.id.to_string()));
        let Some(last) = page.items.last().filter(|_| page.more) else { return (seen, totals) };
        let key = search.order.as_ref().map(|order| (order.key)(last)).unwrap_or_default();
        let id = last.person.id.to_string();
        window = Window::After(Some(Place { key, id, total: page.total }));
    }
}

async fn an_order_is_the_same_by_column_by_scan_and_by_cursor(scratch: Scratch) {
    let fill = |tx: &mut Tx<'_>| {
        (0..60).try_for_each(|n| {
            let name = format!("{}{}", ["b", "A", "ä", "Z", "a"][n % 5], n / 7);
            let title = (n % 3 != 0).then(|| format!("t{}", n % 4));
            let body = json!({"userName": format!("{name}.{n}"), "title": title, "active": n % 2 == 0,
                "emails": [{"value": format!("{}@x", 99 - n)}]});
            insert_person(tx, &person_id(n), &body, at(1))
        })
    };
    scratch.store.write(fill).await.unwrap();
    for by in ["userName", "id", "title", "active", "emails.value", "displayName"] {
        for descending in [false, true] {
            for text in [None, Some("active eq true"), Some("title pr"), Some("userName sw \"a\"")] {
                let asked = search(text, Some(order(by, descending)), 7);
                let whole = Search { order: None, limit: 1000, ..asked.clone() };
                let all = search_people(&scratch.store, &tenant(), whole).await.unwrap();
                let key = Arc::clone(&asked.order.as_ref().unwrap().key);
                let mut expected: Vec<(String, String)> =
                    all.items.iter().map(|found| (key(found), found.person.id.to_string())).collect();
                expected.sort();
                if descending {
                    expected.reverse();
                }
                let expected: Vec<String> = expected.into_iter().map(|(_, id)| id).collect();
                let place = format!("{by} {descending} {text:?}");
                let (walked, totals) = walk(&scratch, &asked).await;
                assert_eq!(walked, expected, "{place}");
                assert_eq!(totals, BTreeSet::from([expected.len() as u64]), "{place}");
                let page = Search { window: Window::Offset(3), ..asked };
                let page = search_people(&scratch.store, &tenant(), page).await.unwrap();
                let shown: Vec<String> = page.items.iter().map(|it| it.person.id.to_string()).collect();
                assert_eq!(shown, expected.iter().skip(3).take(7).cloned().collect::<Vec<_>>(), "{place}");
                assert_eq!(page.total, expected.len() as u64, "{place}");
            }
        }
    }
}

async fn a_cursor_walk_returns_every_survivor_exactly_once(scratch: Scratch) {
    const PEOPLE: usize = 20_000;
    let name = |n: usize| json!({"userName": format!("user-{:05}", (n * 7919) % PEOPLE)});
    for part in 0..20 {
        let fill = move |tx: &mut Tx<'_>| {
            (part * 1000..(part + 1) * 1000)
                .try_for_each(|n| insert_person(tx, &person_id(n), &name(n), at(1)))
        };
        scratch.store.write(fill).await.unwrap();
    }
    for by in [None, Some("userName")] {
        let asked = search(None, by.map(|by| order(by, false)), 200);
        let (mut seen, mut window, mut gone, mut round) = (Vec::new(), Window::After(None), Vec::new(), 0);
        loop {
            let page = Search { window: window.clone(), ..asked.clone() };
            let page = search_people(&scratch.store, &tenant(), page).await.unwrap();
            seen.extend(page.items.iter().map(|found| found.person.id.to_string()));
            let Some(last) = page.items.last().filter(|_| page.more) else { break };
            let key = asked.order.as_ref().map(|order| (order.key)(last)).unwrap_or_default();
            window = Window::After(Some(Place { key, id: last.person.id.to_string(), total: page.total }));
            // After each page one of a hundred goes, and one comes in somewhere.
            let victims: Vec<usize> =
                (0..2).map(|k| (round * 37 + k * 9_999 + by.map_or(0, |_| 5)) % PEOPLE).collect();
            gone.extend(victims.iter().map(|n| person_id(*n).to_string()));
            let (fresh, sorted) = (round, by.is_some());
            let change = move |tx: &mut Tx<'_>| {
                for n in &victims {
                    people::tombstone(tx, &tenant(), &person_id(*n), at(2))?;
                }
                for k in 0..2 {
                    let id = format!("p-{:05}-{}{sorted}", (fresh * 53 + k * 7) % PEOPLE, k);
                    let body = json!({"userName": format!("new-{fresh}-{k}-{sorted}")});
                    insert_person(tx, &id.as_str().into(), &body, at(2))?;
                }
                Ok::<_, super::Error>(())
            };
            scratch.store.write(change).await.unwrap();
            round += 1;
        }
        assert!(round >= 95, "{round} pages");
        let distinct: BTreeSet<&String> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len(), "somebody came twice");
        let left = Search { limit: 100_000, order: None, ..asked };
        let left = search_people(&scratch.store, &tenant(), left).await.unwrap();
        let missed = left.items.iter().map(|found| found.person.id.to_string());
        let missed: Vec<String> = missed
            .filter(|id| !id.ends_with("true") && !id.ends_with("false") && !distinct.contains(id))
            .collect();
        assert!(missed.is_empty(), "missed: {missed:?}");
        assert!(gone.len() >= 190);
    }
}
