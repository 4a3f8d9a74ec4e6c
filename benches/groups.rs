//! What a group costs as it grows: `cargo bench --bench groups`.
//!
//! Over HTTP, on SQLite in a file, with authentication: the median of each request for groups of 100 to 100,000 members. What reads or
//! writes one member must not depend on the others. Also how the reading of bodies and queries grows with their length.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    dead_code,
    unused_imports,
    reason = "a benchmark fails by panicking, prints figures, and shares the support of the tests"
)]

use std::time::{Duration, Instant};

use ringcx_scim::domain::GroupId;
use ringcx_scim::domain::answer::Provisioning;
use ringcx_scim::domain::person::user_keys;
use ringcx_scim::scim::Resource;
use ringcx_scim::store::members::{self, NewMember};
use ringcx_scim::store::people;
use serde_json::json;

#[path = "../fuzz/checks.rs"]
mod checks;
#[path = "../tests/it/support/mod.rs"]
mod support;

use support::{Setup, TestBridge};

const PEOPLE: usize = 100_000;
const ROUNDS: usize = 200;

fn person(number: usize) -> String {
    format!("person-{number:06}")
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(groups());
    reading();
}

async fn groups() {
    let folder = tempfile::tempdir().unwrap();
    let store_url = format!("sqlite://{}", folder.path().join("bench.db").display());
    // Nobody has a group that gives something: the bridge alone is measured.
    let policy = json!({"password_on_put": "omit"});
    let bridge = TestBridge::start(Setup { policy, store_url, ..Setup::default() }).await;
    seed(&bridge).await;
    println!(
        "{:>8}  {:>12} {:>12} {:>14} {:>12}",
        "members", "PATCH add", "PATCH remove", "GET excluded", "members eq"
    );
    for size in [100, 1_000, 10_000, 100_000] {
        let group = group(&bridge, size).await;
        let url = format!("/Groups/{group}");
        let one = person(PEOPLE - 1);
        let (mut add, mut remove) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let body =
                json!({"Operations": [{"op": "remove", "path": format!("members[value eq \"{one}\"]")}]});
            remove.push(timed(&bridge, "PATCH", &url, Some(&body), 204).await);
            let body = json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": one}]}]});
            add.push(timed(&bridge, "PATCH", &url, Some(&body), 204).await);
        }
        let (mut excluded, mut filtered) = (Vec::new(), Vec::new());
        let filter = format!(
            "/Groups?excludedAttributes=members&filter=members[value eq \"{one}\"] and id eq \"{group}\""
        );
        for _ in 0..ROUNDS {
            excluded
                .push(timed(&bridge, "GET", &format!("{url}?excludedAttributes=members"), None, 200).await);
            filtered.push(timed(&bridge, "GET", &filter, None, 200).await);
        }
        let median = |times: &mut Vec<Duration>| {
            times.sort();
            times[times.len() / 2]
        };
        println!(
            "{size:>8}  {:>12?} {:>12?} {:>14?} {:>12?}",
            median(&mut add),
            median(&mut remove),
            median(&mut excluded),
            median(&mut filtered)
        );
    }
}

async fn timed(
    bridge: &TestBridge,
    method: &str,
    path: &str,
    body: Option<&serde_json::Value>,
    status: u16,
) -> Duration {
    let begun = Instant::now();
    let answer = bridge.send(method, path, body).await;
    let took = begun.elapsed();
    assert_eq!(answer.status, status, "{}", answer.text);
    took
}

async fn seed(bridge: &TestBridge) {
    for part in (0..PEOPLE).step_by(5_000) {
        let insert = move |tx: &mut ringcx_scim::store::Tx<'_>| {
            (part..part + 5_000).try_for_each(|number| {
                let body = json!({"userName": person(number)}).to_string();
                let keys = user_keys(&Resource::from_json(&body).unwrap());
                let shown = people::Shown {
                    body: &body,
                    answer: &body,
                    keys: &keys,
                    state: Provisioning::Held,
                    last_error: None,
                    suspended: false,
                };
                people::insert(
                    tx,
                    &"default".parse().unwrap(),
                    &person(number).into(),
                    &shown,
                    jiff::Timestamp::UNIX_EPOCH,
                )
            })
        };
        bridge.store.write(insert).await.unwrap();
    }
}

/// A group of the last people, so that the same one is in each.
async fn group(bridge: &TestBridge, size: usize) -> String {
    let answer = bridge.send("POST", "/Groups", Some(&json!({"displayName": format!("Of {size}")}))).await;
    let id = answer.body["id"].as_str().unwrap().to_owned();
    for part in (PEOPLE - size..PEOPLE).step_by(5_000) {
        let group = GroupId::from(id.as_str());
        let add = move |tx: &mut ringcx_scim::store::Tx<'_>| {
            let new = |number| NewMember { id: person(number), display: None, is_group: false };
            let all: Vec<NewMember> = (part..PEOPLE.min(part + 5_000)).map(new).collect();
            members::add(tx, &"default".parse().unwrap(), &group, &all, jiff::Timestamp::UNIX_EPOCH).map(drop)
        };
        bridge.store.write(add).await.unwrap();
    }
    id
}

/// A body or a query of `n` parts.
type Text = fn(usize) -> String;

fn reading() {
    let operations: Text = |n| {
        format!(
            r#"{{"Operations":[{}]}}"#,
            vec![r#"{"op":"replace","path":"title","value":"x"}"#; n].join(",")
        )
    };
    let chain: Text = |n| {
        let one = |i: usize| {
            let next = i + 1;
            format!(
                r#"{{"method":"POST","path":"/Groups","bulkId":"n{i}","data":{{"members":[{{"value":"bulkId:n{next}"}}]}}}}"#
            )
        };
        format!(r#"{{"Operations":[{}]}}"#, (0..n).map(one).collect::<Vec<_>>().join(","))
    };
    let filter: Text = |n| format!("filter={}", vec!["title%20eq%20%22x%22"; n].join("%20or%20"));
    println!("{:>8}  {:>10} {:>12}", "text", "parts", "time");
    for (name, check, text, sizes) in [
        ("PATCH", checks::patch_body as fn(&[u8]), operations, [250, 500, 1000, 2000]),
        ("bulk", checks::bulk_body, chain, [125, 250, 500, 1000]),
        ("query", checks::query_string, filter, [30, 60, 120, 240]),
    ] {
        for size in sizes {
            let text = text(size);
            let once = |_| {
                let begun = Instant::now();
                check(text.as_bytes());
                begun.elapsed()
            };
            let best = (0..20).map(once).min().unwrap();
            println!("{name:>8}  {size:>10} {best:>12?}");
        }
    }
}
