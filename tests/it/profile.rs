//! The agent's form in RingCX, field by field: what an attribute becomes there, what is refused, what a withdrawal leaves.

use ringcx_simulator::Profile;
use serde_json::{Value, json};

use crate::support::{Answer, Setup, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const PROFILES: [Profile; 3] = [Profile::Friendly, Profile::Hostile, Profile::Spec];

async fn bridge(profile: Profile, policy: Value, agent_defaults: Value) -> TestBridge {
    let mut whole = json!({"default_agent_group": "Default", "password_on_put": "omit"});
    whole.as_object_mut().unwrap().extend(policy.as_object().unwrap().clone());
    TestBridge::start(Setup { profile, policy: whole, agent_defaults, ..Setup::default() }).await
}

async fn put(bridge: &TestBridge, id: &str, attribute: &str, value: Value) -> Answer {
    let operation = json!({"op": "replace", "path": format!("{RINGCX}:{attribute}"), "value": value});
    bridge.send("PATCH", &format!("/Users/{id}"), Some(&json!({"Operations": [operation]}))).await
}

async fn remove(bridge: &TestBridge, id: &str, attribute: &str) {
    let operation = json!({"op": "remove", "path": format!("{RINGCX}:{attribute}")});
    let answer =
        bridge.send("PATCH", &format!("/Users/{id}"), Some(&json!({"Operations": [operation]}))).await;
    assert_eq!(answer.status, 200, "{attribute}: {}", answer.text);
}

/// Attribute, the value as a client sends it, the field in RingCX, its value there, and what a withdrawal leaves.
fn rows() -> Vec<(&'static str, Value, &'static str, Value, Value)> {
    vec![
        ("agentType", json!("supervisor"), "agentType", json!("SUPERVISOR"), json!("AGENT")),
        ("agentRank", json!("12"), "agentRank", json!(12), json!(0)),
        ("location", json!("Leeds"), "location", json!("Leeds"), json!("")),
        ("team", json!("Blue"), "team", json!("Blue"), json!("")),
        ("initialState", json!("lunch"), "initLoginBaseState", json!("LUNCH"), json!("AVAILABLE")),
        ("initialState", json!("Training"), "initLoginBaseStateId", json!(11788), json!(11786)),
        ("ghostRnaAction", json!("lunch"), "ghostRnaAction", json!("LUNCH"), json!("LUNCH")),
        ("maxChats", json!("3"), "maxChats", json!(3), json!(3)),
        ("enableSoftphone", json!("False"), "enableSoftphone", json!(false), json!(true)),
        (
            "defaultLoginDestination",
            json!("+44 20 7123 4567"),
            "defaultLoginDest",
            json!("+442071234567"),
            json!(""),
        ),
        ("defaultLoginDestination", json!("101"), "defaultLoginDest", json!("101"), json!("")),
        (
            "altDefaultLoginDestination",
            json!("sip:jo@example.com"),
            "altDefaultLoginDest",
            json!("sip:jo@example.com"),
            json!(""),
        ),
        ("directExtension", json!("4711"), "directAgentExtension", json!("4711"), json!("")),
        (
            "manualOutboundCallerId",
            json!("+44 (20) 7123 4567"),
            "manualOutboundDefaultCallerId",
            json!("+442071234567"),
            json!(""),
        ),
        ("phoneLoginPin", json!("4321"), "phoneLoginPin", json!("4321"), json!("")),
        ("allowInbound", json!("false"), "allowInbound", json!(false), json!(false)),
        ("allowOutbound", json!("True"), "allowOutbound", json!(true), json!(true)),
        ("allowChat", json!("True"), "allowChat", json!(true), json!(true)),
        ("allowLoginUpdates", json!("False"), "allowLoginUpdates", json!(false), json!(false)),
        ("defaultDialGroup", json!("surveys"), "phoneLoginDialGroup", json!({"id": 7002}), Value::Null),
        ("defaultDialGroup", json!("7001"), "phoneLoginDialGroup", json!({"id": 7001}), Value::Null),
        (
            "manualOutboundQueue",
            json!("Hotline"),
            "manualOutboundDefaultGate",
            json!({"id": 8101}),
            Value::Null,
        ),
        ("manualOutboundQueue", json!("8103"), "manualOutboundDefaultGate", json!({"id": 8103}), Value::Null),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_parameter_of_the_form_reaches_ringcx_and_a_withdrawal_takes_it_back() {
    for profile in PROFILES {
        let bridge =
            bridge(profile, json!({"assignment_shape": "objects", "phone_login_pin": true}), json!({})).await;
        for (number, (attribute, sent, field, there, withdrawn)) in rows().into_iter().enumerate() {
            let place = format!("{profile:?} {attribute} {sent}");
            // On create, and the same on an agent that exists.
            let name = format!("made-{number}@example.com");
            let (_, agent) = bridge.create(json!({"userName": name, RINGCX: {attribute: sent}})).await;
            assert_eq!(bridge.ringcx.agent(agent).unwrap()[field], there, "{place}");
            let (id, agent) = bridge.create(json!({"userName": format!("set-{number}@example.com")})).await;
            let answer = put(&bridge, &id, attribute, sent.clone()).await;
            assert_eq!(answer.status, 200, "{place}: {}", answer.text);
            assert_eq!(bridge.ringcx.agent(agent).unwrap()[field], there, "{place}");
            let shown =
                bridge.send("GET", &format!("/Users/{id}"), None).await.body[RINGCX][attribute].clone();
            if sent.is_string()
                && there.is_string()
                && attribute != "phoneLoginPin"
                && attribute != "agentType"
            {
                assert_eq!(shown, sent, "{place}: shown as sent");
            }
            remove(&bridge, &id, attribute).await;
            assert_eq!(bridge.ringcx.agent(agent).unwrap()[field], withdrawn, "{place}: withdrawn");
        }
        assert_eq!(bridge.ringcx.count("listDialGroups"), 1, "read once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_cannot_be_is_refused_before_any_call_and_the_refusal_says_what_can() {
    let bridge =
        bridge(Profile::Friendly, json!({"assignment_shape": "ids", "phone_login_pin": true}), json!({}))
            .await;
    let (id, _) = bridge.create(json!({"userName": "jo@example.com"})).await;
    bridge.ringcx.clear_calls();
    for (attribute, value, says) in [
        ("agentType", json!("MULTI_USER"), "AGENT, SUPERVISOR"),
        ("agentRank", json!(25), "0-24"),
        ("agentRank", json!(-1), "0-24"),
        ("maxChats", json!(-1), "below 0"),
        ("initialState", json!("ASLEEP"), "AVAILABLE, LUNCH, TRAINING."),
        ("initialState", json!("RETIRED"), "AVAILABLE, LUNCH, TRAINING."),
        ("ghostRnaAction", json!("RETIRED"), "AVAILABLE, LUNCH, TRAINING."),
        ("defaultLoginDestination", json!("call me maybe"), "telephone number"),
        ("altDefaultLoginDestination", json!("+1"), "telephone number"),
        ("directExtension", json!("12a"), "digits only"),
        ("manualOutboundCallerId", json!("nobody"), "E.164"),
        ("phoneLoginPin", json!("secret"), "digits only"),
        ("rcExtensionId", json!("x"), "digits only"),
        ("persona", json!("boss"), "agent, admin, both, none"),
        ("defaultDialGroup", json!("Nothing"), "Campaigns (7001), Surveys (7002)."),
        ("manualOutboundQueue", json!("Returns"), "more than one queue"),
        ("manualOutboundQueue", json!("9"), "Hotline (8101)"),
    ] {
        let answer = put(&bridge, &id, attribute, value.clone()).await;
        assert_eq!(
            (answer.status, answer.body["scimType"].as_str()),
            (400, Some("invalidValue")),
            "{attribute} {value}"
        );
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(attribute) && detail.contains(says), "{attribute}: {detail}");
        assert!(attribute != "phoneLoginPin" || !detail.contains("secret"), "{detail}");
    }
    assert_eq!(bridge.ringcx.count("updateAgent"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dial_group_without_a_shape_is_refused_by_the_name_of_the_setting() {
    let bridge = bridge(Profile::Friendly, json!({}), json!({})).await;
    for attribute in ["defaultDialGroup", "manualOutboundQueue"] {
        let body = json!({"userName": "jo@example.com", RINGCX: {attribute: "7001"}});
        let answer = bridge.send("POST", "/Users", Some(&body)).await;
        assert_eq!(answer.status, 400);
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.starts_with(attribute) && detail.contains("assignment_shape"), "{detail}");
    }
    assert_eq!(bridge.ringcx.count("createAgent") + bridge.ringcx.count("listDialGroups"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pin_is_dropped_unread_unless_the_tenant_takes_it() {
    let bridge = bridge(Profile::Friendly, json!({}), json!({})).await;
    let (id, agent) =
        bridge.create(json!({"userName": "jo@example.com", RINGCX: {"phoneLoginPin": "86753"}})).await;
    assert_eq!(put(&bridge, &id, "phoneLoginPin", json!("86753")).await.status, 200);
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["phoneLoginPin"], Value::Null);
    let person = bridge.store.read(move |tx| {
        ringcx_scim::store::people::get(tx, &"default".parse().unwrap(), &id.as_str().into())
    });
    assert!(!person.await.unwrap().unwrap().body.contains("86753"), "it is not kept either");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn directory_phone_never_login_destination() {
    let phones = json!([{"type": "mobile", "value": "+44 7700 900123"}, {"type": "work", "value": "+44 20 7123 4567"}]);
    for (source, there) in [("extension", ""), ("phoneNumbers.work", "+442071234567"), ("none", "")] {
        for profile in PROFILES {
            let policy = json!({"default_login_destination_source": source});
            let bridge = bridge(profile, policy, json!({})).await;
            let (id, agent) =
                bridge.create(json!({"userName": "jo@example.com", "phoneNumbers": phones})).await;
            let now = bridge.ringcx.agent(agent).unwrap();
            assert_eq!(now["defaultLoginDest"].as_str().unwrap_or_default(), there, "{source}");
            assert_eq!(now["altDefaultLoginDest"].as_str().unwrap_or_default(), "", "{source}");
            let shown = bridge.send("GET", &format!("/Users/{id}"), None).await.body;
            assert_eq!(shown["phoneNumbers"], phones, "shown as sent");
            // The attribute of the extension wins, where it counts at all.
            let answer = put(&bridge, &id, "defaultLoginDestination", json!("101")).await;
            assert_eq!(answer.body[RINGCX]["defaultLoginDestination"], "101", "{}", answer.text);
            let wanted = if source == "none" { "" } else { "101" };
            let now = bridge.ringcx.agent(agent).unwrap()["defaultLoginDest"].clone();
            assert_eq!(now.as_str().unwrap_or_default(), wanted, "{source}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn location_and_team_come_from_where_the_tenant_says() {
    let policy = json!({"location_source": "addresses.work.locality", "team_source": "department"});
    let bridge = bridge(Profile::Friendly, policy, json!({})).await;
    let body = json!({
        "userName": "jo@example.com", ENTERPRISE: {"department": "Returns"},
        "addresses": [{"type": "home", "locality": "York"}, {"type": "work", "locality": "Leeds"}],
    });
    let (id, agent) = bridge.create(body).await;
    let now = bridge.ringcx.agent(agent).unwrap();
    assert_eq!((&now["location"], &now["team"]), (&json!("Leeds"), &json!("Returns")));
    assert_eq!(put(&bridge, &id, "team", json!("Blue")).await.status, 200);
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["team"], "Blue", "the extension wins");
    remove(&bridge, &id, "team").await;
    assert_eq!(bridge.ringcx.agent(agent).unwrap()["team"], "Returns");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_agents_begin_with_the_tenants_defaults_by_name() {
    for profile in PROFILES {
        let defaults = json!({
            "allowManualCalls": false, "maxChats": 7, "initLoginBaseState": "lunch", "phoneLoginDialGroup": "surveys",
            "manualOutboundDefaultGate": 8101, "agentRank": 12,
        });
        let bridge = bridge(profile, json!({"assignment_shape": "ids"}), defaults).await;
        let (id, agent) =
            bridge.create(json!({"userName": "jo@example.com", RINGCX: {"agentRank": 3}})).await;
        let now = bridge.ringcx.agent(agent).unwrap();
        let of = |names: [&str; 7]| names.map(|name| now[name].clone());
        assert_eq!(
            of([
                "allowManualCalls",
                "maxChats",
                "initLoginBaseState",
                "initLoginBaseStateId",
                "phoneLoginDialGroup",
                "manualOutboundDefaultGate",
                "enableSoftphone"
            ]),
            [json!(false), json!(7), json!("LUNCH"), json!(11787), json!(7002), json!(8101), json!(true)]
        );
        assert_eq!(now["agentRank"], 3, "what the client sends wins");
        // A floor manager may change what only a default gave; the next write of the client leaves it alone.
        bridge.ringcx.edit_agent(agent, |fields| drop(fields.insert("maxChats".to_owned(), json!(1))));
        assert_eq!(put(&bridge, &id, "team", json!("Blue")).await.status, 200);
        assert_eq!(bridge.ringcx.agent(agent).unwrap()["maxChats"], 1, "{profile:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clear_number_returns_to_default() {
    let defaults =
        json!({"agentRank": 12, "maxChats": 7, "allowInbound": false, "initLoginBaseState": "TRAINING"});
    let bridge = bridge(Profile::Friendly, json!({}), defaults).await;
    let sent = json!({"agentRank": 3, "maxChats": 1, "allowInbound": true, "initialState": "LUNCH"});
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com", RINGCX: sent})).await;
    for attribute in ["agentRank", "maxChats", "allowInbound", "initialState"] {
        remove(&bridge, &id, attribute).await;
    }
    let now = bridge.ringcx.agent(agent).unwrap();
    let of = |names: [&str; 5]| names.map(|name| now[name].clone());
    assert_eq!(
        of(["agentRank", "maxChats", "allowInbound", "initLoginBaseState", "initLoginBaseStateId"]),
        [json!(12), json!(7), json!(false), json!("TRAINING"), json!(11788)]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_withdrawn_belongs_to_the_floor_again() {
    let bridge = bridge(Profile::Friendly, json!({}), json!({})).await;
    let (id, agent) = bridge.create(json!({"userName": "jo@example.com", RINGCX: {"team": "Blue"}})).await;
    remove(&bridge, &id, "team").await;
    bridge.ringcx.edit_agent(agent, |fields| drop(fields.insert("team".to_owned(), json!("Night shift"))));
    assert_eq!(put(&bridge, &id, "location", json!("Leeds")).await.status, 200);
    let now = bridge.ringcx.agent(agent).unwrap();
    assert_eq!((&now["team"], &now["location"]), (&json!("Night shift"), &json!("Leeds")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_ringcx_had_already_is_the_clients_once_it_was_sent() {
    let bridge = bridge(Profile::Friendly, json!({}), json!({})).await;
    bridge.ringcx.edit_agent(5001, |fields| drop(fields.insert("team".to_owned(), json!("Blue"))));
    let body =
        json!({"userName": "wanda@example.com", "name": {"givenName": "Wanda"}, RINGCX: {"team": "Blue"}});
    let (id, agent) = bridge.create(body).await;
    assert_eq!(agent, 5001);
    remove(&bridge, &id, "team").await;
    assert_eq!(bridge.ringcx.agent(5001).unwrap()["team"], "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_default_that_names_nothing_makes_no_agent_and_says_so() {
    let policy = json!({"default_agent_group": "Default", "assignment_shape": "ids"});
    let agent_defaults = json!({"phoneLoginDialGroup": "Nowhere"});
    let settle = std::time::Duration::from_millis(300);
    let bridge = TestBridge::start(Setup { policy, agent_defaults, settle, ..Setup::default() }).await;
    let answer = bridge.send("POST", "/Users", Some(&json!({"userName": "jo@example.com"}))).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_eq!(bridge.ringcx.count("createAgent"), 0);
    let found = bridge.send("GET", "/Users?filter=userName eq \"jo@example.com\"", None).await.body;
    let error = found["Resources"][0][RINGCX]["lastError"].as_str().unwrap();
    assert!(
        error.contains("agent_defaults.phoneLoginDialGroup") && error.contains("Campaigns (7001)"),
        "{error}"
    );
}
