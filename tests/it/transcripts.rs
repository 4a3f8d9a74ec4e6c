//! The published conversations of identity providers (`tests/idp/*.json`), held with the bridge under every profile of the
//! simulator. After each step the simulator holds what the step says.

use std::collections::BTreeMap;

use ringcx_simulator::Profile;
use serde_json::{Map, Value, json};

use crate::support::{Answer, Setup, TestBridge};

const PROFILES: [Profile; 3] = [Profile::Friendly, Profile::Hostile, Profile::Spec];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entra_replay_with_default_patch_shapes() {
    hold("entra-replay-default").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entra_replay_with_flagged_patch_shapes() {
    hold("entra-replay-flagged").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn okta_aiw_does_everything_by_put() {
    hold("okta-aiw-put").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn okta_oin_activates_and_pushes_groups_by_patch() {
    hold("okta-oin-patch").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn okta_import_stable_paging() {
    hold("okta-import-paging").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jumpcloud_test_user_group_lifecycle() {
    hold("jumpcloud").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn onelogin_sends_what_its_template_says() {
    hold("onelogin").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pingone_writes_operators_with_a_capital() {
    hold("pingone").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keycloak_extension_keeps_its_own_ids() {
    hold("keycloak-extension").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authentik_reads_members_and_replaces_users() {
    hold("authentik").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rauthy_links_by_external_id() {
    hold("rauthy").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sailpoint_aggregates_after_discovery() {
    hold("sailpoint").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cyberark_maps_roles_to_groups() {
    hold("cyberark").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn google_sends_users_only() {
    hold("google-workspace").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc_7643_resources_are_written_and_read_back() {
    hold("rfc-7643").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc_7644_requests_answer_as_printed() {
    hold("rfc-7644").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc_9865_cursors_answer_as_printed() {
    hold("rfc-9865").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_replays_hold_on_postgresql() {
    for name in ["entra-replay-default", "okta-aiw-put", "okta-oin-patch", "rfc-7644", "rfc-9865"] {
        let Some(url) = crate::support::postgres_database().await else { return };
        hold_on(name, Profile::Friendly, &url).await;
    }
}

/// Nothing of a whole cycle reaches RingCX, and the identity provider notices nothing but what RingCX would have said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_cycles_of_entra_and_okta_are_answered_in_a_dry_run_and_change_nothing() {
    for name in ["entra-replay-default", "entra-replay-flagged", "okta-aiw-put", "okta-oin-patch"] {
        for profile in PROFILES {
            let mut script = script_of(name);
            script["tenant"]["policy"]["mode"] = json!("dry_run");
            let bridge = play(name, &script, profile, "sqlite::memory:").await;
            let calls = bridge.ringcx.calls().into_iter();
            let changing: Vec<_> =
                calls.filter(|it| it.method != "GET" && it.path.contains("/admin/")).collect();
            assert!(changing.is_empty(), "{name}, {profile:?}: {changing:?}");
            let plan = bridge.reconciler.preview(&"default".parse().unwrap()).await.unwrap();
            assert!(plan.totals.contains_key("create_agent"), "{name}, {profile:?}: {:?}", plan.totals);
        }
    }
}

async fn hold(name: &str) {
    for profile in PROFILES {
        hold_on(name, profile, "sqlite::memory:").await;
    }
}

async fn hold_on(name: &str, profile: Profile, store_url: &str) {
    drop(play(name, &script_of(name), profile, store_url).await);
}

fn script_of(name: &str) -> Value {
    let path = format!("{}/tests/idp/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

async fn play(name: &str, script: &Value, profile: Profile, store_url: &str) -> TestBridge {
    let tenant = &script["tenant"];
    let setup = Setup {
        profile,
        compatibility: tenant["compatibility"].as_str().unwrap().parse().unwrap(),
        policy: tenant["policy"].clone(),
        groups: tenant["group"].clone(),
        store_url: store_url.to_owned(),
        ..Setup::default()
    };
    let bridge = TestBridge::start(setup).await;
    let mut saved = BTreeMap::from([("base".to_owned(), json!(bridge.base))]);
    for step in script["steps"].as_array().unwrap() {
        let place = format!("{name}, {profile:?}, {}", step["does"].as_str().unwrap());
        one(&bridge, script, step, &mut saved, &place).await;
    }
    bridge
}

/// What is expected in a dry run: the same, without what RingCX would have made of it.
fn without_ringcx(expected: &mut Value) {
    match expected {
        Value::Object(object) => {
            object.remove("urn:ietf:params:scim:schemas:extension:ringcx:2.0:User");
            object.values_mut().for_each(without_ringcx);
        }
        Value::Array(items) => items.iter_mut().for_each(without_ringcx),
        _ => {}
    }
}

async fn one(
    bridge: &TestBridge,
    script: &Value,
    step: &Value,
    saved: &mut BTreeMap<String, Value>,
    place: &str,
) {
    let before = bridge.ringcx.calls().len();
    let send = fill(&step["send"], saved);
    let mut path = send["path"].as_str().unwrap().to_owned();
    if let Some(suffix) = script["url_suffix"].as_str() {
        path.push(if path.contains('?') { '&' } else { '?' });
        path.push_str(suffix);
    }
    let headers: Vec<(String, String)> = script["headers"]
        .as_object()
        .into_iter()
        .flatten()
        .chain(send["headers"].as_object().into_iter().flatten())
        .map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap().to_owned()))
        .collect();
    let body = body_of(&send);
    let answer = bridge.send_with(send["method"].as_str().unwrap(), &path, body.as_ref(), &headers).await;
    let dry = script["tenant"]["policy"]["mode"] == "dry_run";
    let mut expect = fill(&step["expect"], saved);
    if dry {
        without_ringcx(&mut expect);
    }
    check_answer(&answer, &expect, place);
    for (variable, pointer) in step["save"].as_object().into_iter().flatten() {
        let value = pick(&answer.body, pointer.as_str().unwrap()).or(dry.then_some(Value::Null));
        saved.insert(
            variable.clone(),
            value.unwrap_or_else(|| panic!("{place}: nothing at {pointer} of {}", answer.text)),
        );
    }
    if let Some(most) = step["calls"].as_u64() {
        let made = bridge.ringcx.calls().split_off(before);
        assert_eq!(made.len() as u64, most, "{place}: {made:?}");
    }
    bridge.run_jobs().await;
    if dry {
        return;
    }
    check_ringcx(bridge, &fill(&step["ringcx"], saved), place);
    for (operation, count) in step["made"].as_object().into_iter().flatten() {
        let made = bridge.ringcx.count(operation) as u64;
        assert_eq!(made, count.as_u64().unwrap(), "{place}: calls of {operation}");
    }
    if let Some(secret) = step["never"].as_str() {
        assert!(!answer.text.contains(secret), "{place}: the answer shows {secret}");
        assert!(!bridge.ringcx.state().to_string().contains(secret), "{place}: RingCX was told {secret}");
    }
}

/// The body of a request; with `merge` it is laid over something saved, as Okta lays changes over its last GET.
fn body_of(send: &Value) -> Option<Value> {
    let body = send.get("body")?.clone();
    let Some(under) = send["merge"].as_object() else { return Some(body) };
    let mut whole = under.clone();
    whole.extend(body.as_object().unwrap().clone());
    Some(Value::Object(whole))
}

fn check_answer(answer: &Answer, expect: &Value, place: &str) {
    assert_eq!(u64::from(answer.status), expect["status"].as_u64().unwrap(), "{place}: {}", answer.text);
    assert!(answer.headers.contains_key("x-request-id"), "{place}: no request id");
    for (name, part) in expect["headers"].as_object().into_iter().flatten() {
        let value = answer.headers.get(name).unwrap_or_else(|| panic!("{place}: no header {name}"));
        assert!(value.contains(part.as_str().unwrap()), "{place}: header {name} is {value}");
    }
    if let Some(body) = expect.get("body") {
        covers(&answer.body, body, place);
    }
    for pointer in expect["absent"].as_array().into_iter().flatten() {
        let found = pick(&answer.body, pointer.as_str().unwrap());
        assert_eq!(found, None, "{place}: {pointer} is there");
    }
    if answer.status >= 400 {
        let body = &answer.body;
        assert_eq!(
            body["schemas"],
            json!(["urn:ietf:params:scim:api:messages:2.0:Error"]),
            "{place}: {}",
            answer.text
        );
        assert_eq!(body["status"], json!(answer.status.to_string()), "{place}");
    }
}

/// Whether `whole` has all of `part`; arrays must be of one length.
fn covers(whole: &Value, part: &Value, place: &str) {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            for (name, value) in part {
                let found = whole.get(name).unwrap_or_else(|| panic!("{place}: no {name} in {whole:?}"));
                covers(found, value, &format!("{place}.{name}"));
            }
        }
        (Value::Array(whole), Value::Array(part)) => {
            assert_eq!(whole.len(), part.len(), "{place}: {whole:?}");
            for (at, (found, value)) in whole.iter().zip(part).enumerate() {
                covers(found, value, &format!("{place}[{at}]"));
            }
        }
        (whole, part) => assert_eq!(whole, part, "{place}"),
    }
}

fn check_ringcx(bridge: &TestBridge, expected: &Value, place: &str) {
    for want in expected.as_array().into_iter().flatten() {
        if let Some(id) = want["agent"].as_str() {
            let id: i64 = id.parse().unwrap();
            let agent = bridge.ringcx.agent(id).unwrap_or_else(|| panic!("{place}: agent {id} is gone"));
            covers(&agent, want.get("has").unwrap_or(&json!({})), place);
            if let Some(group) = want["group"].as_str() {
                let groups = bridge.ringcx.agent_groups();
                let name = groups
                    .iter()
                    .find(|(id, _)| json!(id) == agent["agentGroupId"])
                    .map(|(_, name)| name.as_str());
                assert_eq!(
                    name,
                    Some(group),
                    "{place}: {:?}",
                    bridge.ringcx.calls().iter().rev().take(12).collect::<Vec<_>>()
                );
            }
        }
        if let Some(name) = want["admin"].as_str() {
            let admin =
                bridge.ringcx.admin_named(name).unwrap_or_else(|| panic!("{place}: no administrator {name}"));
            covers(&admin, want.get("has").unwrap_or(&json!({})), place);
            let mut roles: Vec<String> = serde_json::from_value(admin["roles"].clone()).unwrap();
            roles.sort();
            assert_eq!(json!(roles), want["roles"], "{place}");
            let id = admin["userId"].as_i64().unwrap();
            let docs: Vec<i64> = [4711, 4712]
                .into_iter()
                .filter(|doc| bridge.ringcx.assignments(*doc).contains(&id))
                .collect();
            assert_eq!(json!(docs), want["rights_docs"], "{place}");
        }
    }
}

/// The value at a pointer whose first step may be a URN.
fn pick(body: &Value, pointer: &str) -> Option<Value> {
    body.pointer(pointer).cloned()
}

/// `${name}` becomes what was saved under that name.
fn fill(value: &Value, saved: &BTreeMap<String, Value>) -> Value {
    match value {
        Value::String(text) => {
            if let Some(whole) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'))
                && let Some(found) = saved.get(whole)
            {
                return found.clone();
            }
            let mut text = text.clone();
            for (name, found) in saved {
                if let Some(found) = found.as_str() {
                    text = text.replace(&format!("${{{name}}}"), found);
                }
            }
            json!(text)
        }
        Value::Array(items) => items.iter().map(|item| fill(item, saved)).collect(),
        Value::Object(object) => Value::Object(
            object.iter().map(|(name, item)| (name.clone(), fill(item, saved))).collect::<Map<_, _>>(),
        ),
        other => other.clone(),
    }
}
