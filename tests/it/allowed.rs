//! What may be given at all: by no way anything that the settings do not name.

use std::time::Duration;

use ringcx_scim::domain::TenantId;
use ringcx_scim::store::{Tx, facts};
use ringcx_simulator::{Fault, FaultKind, Profile, Seed};
use serde_json::{Value, json};

use crate::admins::{PROFILES, member_of, roles};
use crate::support::{Setup, TestBridge};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";

/// A tenant whose groups give roles and documents by their names.
async fn named(profile: Profile, extra: &Value) -> TestBridge {
    let mut policy = json!({
        "password_on_put": "omit", "default_agent_group": "Default", "allowed_roles": ["ACCESS_AUDIT_LOG"], "allowed_rights_docs": [4711, 4713],
        "role_group_prefix": "RingCX Role ", "rights_doc_group_prefix": "RingCX Rights ",
    });
    policy.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let seed = Seed::empty()
        .rights_doc(4711, "Supervisor")
        .rights_doc(4712, "Foreign")
        .master_rights_doc(4713, "Everything");
    TestBridge::start(Setup { profile, seed, policy, ..Setup::default() }).await
}

async fn said(bridge: &TestBridge, id: &str) -> String {
    let user = bridge.send("GET", &format!("/Users/{id}"), None).await.body;
    user[RINGCX]["lastError"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_named_after_a_role_or_document_gives_it_only_where_the_settings_name_it() {
    for profile in PROFILES {
        let bridge = named(profile, &json!({})).await;
        let (id, _) = bridge.create(json!({"userName": "ann@example.com"})).await;
        for (name, why) in [
            ("RingCX Role WFO_ACCESS", "allowed_roles"),
            ("RingCX Role SUPER_USER", "privileged_roles"),
            ("RingCX Rights Foreign", "allowed_rights_docs"),
            ("RingCX Rights Everything", "allowed_rights_docs"),
            ("RingCX Rights Nothing", "allowed_rights_docs"),
        ] {
            let group = member_of(&bridge, name, &id).await;
            assert_eq!(bridge.ringcx.admin_named("ann@example.com"), None, "{profile:?} {name}");
            let told = said(&bridge, &id).await;
            assert!(told.contains(name) && told.contains(why), "{name}: {told}");
            assert_eq!(bridge.send("DELETE", &format!("/Groups/{group}"), None).await.status, 204);
            bridge.run_jobs().await;
            assert_eq!(said(&bridge, &id).await, "", "{name}");
        }
        assert_eq!(bridge.ringcx.count("createUser"), 0);
        member_of(&bridge, "ringcx role access_audit_log", &id).await;
        member_of(&bridge, "RingCX Rights supervisor", &id).await;
        assert_eq!(roles(&bridge, "ann@example.com"), ["ACCESS_AUDIT_LOG", "USER"], "{profile:?}");
        assert_eq!(bridge.ringcx.assignments(4711).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_that_no_setting_names_and_master_documents_have_settings_of_their_own() {
    for profile in PROFILES {
        let asks =
            |doc: &str| json!({"userName": format!("p{doc}@example.com"), "entitlements": [{"value": doc}]});
        for (extra, given) in [
            (json!({}), vec!["4711"]),
            (json!({"all_rights_docs": true}), vec!["4711", "4712"]),
            (json!({"master_rights_docs": true}), vec!["4711", "4713"]),
            (json!({"all_rights_docs": true, "master_rights_docs": true}), vec!["4711", "4712", "4713"]),
        ] {
            let bridge = named(profile, &extra).await;
            let listed = bridge.send("GET", "/Entitlements", None).await.body;
            let shown: Vec<&str> =
                listed["Resources"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
            assert_eq!(shown, given, "{extra}");
            let described = listed["Resources"][0]["description"].as_str().unwrap();
            assert!(described.contains("ACCOUNT READ, AGENT READ"), "{described}");
            for doc in ["4711", "4712", "4713"] {
                let answer = bridge.send("POST", "/Users", Some(&asks(doc))).await;
                let wanted = if given.contains(&doc) { 201 } else { 400 };
                assert_eq!(answer.status, wanted, "{extra} {doc}: {}", answer.text);
                let held = bridge.ringcx.assignments(doc.parse().unwrap()).len();
                assert_eq!(held, usize::from(wanted == 201), "{extra} {doc}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mapping_to_a_master_document_gives_nothing_without_its_setting() {
    let groups = json!([{"match": "Chiefs", "rights_docs": [4713]}]);
    for given in [false, true] {
        let seed = Seed::empty().master_rights_doc(4713, "Everything");
        let policy = json!({"password_on_put": "omit", "master_rights_docs": given});
        let bridge =
            TestBridge::start(Setup { seed, policy, groups: groups.clone(), ..Setup::default() }).await;
        let (id, _) = bridge.create(json!({"userName": "ann@example.com"})).await;
        member_of(&bridge, "Chiefs", &id).await;
        assert_eq!(bridge.ringcx.assignments(4713).len(), usize::from(given));
    }
}

/// A round of reconciliation, the last one being long ago.
async fn round(bridge: &TestBridge) {
    let tenant: TenantId = "default".parse().unwrap();
    let (of, long_ago) = (tenant.clone(), jiff::Timestamp::UNIX_EPOCH);
    let set = move |tx: &mut Tx<'_>| facts::set(tx, &of, "drift_round_at", "0", long_ago);
    bridge.store.write(set).await.unwrap();
    bridge.reconciler.round_of(&tenant).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_that_are_made_renamed_or_deleted_in_ringcx_show_after_a_round() {
    let policy = json!({"rights_doc_group_prefix": "RingCX Rights ", "all_rights_docs": true, "reconcile_every": "1s"});
    let seed = Seed::empty().rights_doc(4711, "Supervisor").rights_doc(4712, "Old");
    let bridge = TestBridge::start(Setup { seed, policy, ..Setup::default() }).await;
    bridge.ringcx.add_doc(4711, "Team Lead", false);
    bridge.ringcx.add_doc(4799, "Wallboards", false);
    bridge.ringcx.remove_doc(4712);
    round(&bridge).await;
    let listed = bridge.send("GET", "/Entitlements", None).await.body;
    let shown: Vec<&str> = listed["Resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["displayName"].as_str().unwrap())
        .collect();
    assert_eq!(shown, ["Team Lead", "Wallboards"], "{listed}");
    let (id, _) = bridge.create(json!({"userName": "ann@example.com"})).await;
    member_of(&bridge, "RingCX Rights Wallboards", &id).await;
    assert_eq!(bridge.ringcx.assignments(4799).len(), 1);
    // Of two documents of one name nobody knows which is meant.
    bridge.ringcx.add_doc(4800, "team lead", false);
    round(&bridge).await;
    member_of(&bridge, "RingCX Rights Team Lead", &id).await;
    assert_eq!((bridge.ringcx.assignments(4711), bridge.ringcx.assignments(4800)), (vec![], vec![]));
    assert!(said(&bridge, &id).await.contains("4711 and 4800"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_that_come_with_a_grant_and_that_nobody_asked_for_are_named() {
    for profile in PROFILES {
        let bridge = named(profile, &json!({})).await;
        bridge.ringcx.fault(Fault::once("addRole", FaultKind::DelayAfter(400)));
        let body = json!({"userName": "ann@example.com", "roles": [{"value": "ACCESS_AUDIT_LOG"}]});
        let meanwhile = async {
            for _ in 0..100 {
                if bridge.ringcx.count("addRole") > 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let ann = bridge.ringcx.admin_named("ann@example.com").unwrap()["userId"].as_i64().unwrap();
            bridge
                .ringcx
                .edit_admin(ann, |admin| admin["roles"].as_array_mut().unwrap().push(json!("WFO_ACCESS")));
        };
        let (answer, ()) = tokio::join!(bridge.send("POST", "/Users", Some(&body)), meanwhile);
        assert_eq!(answer.status, 201, "{profile:?}: {}", answer.text);
        assert_eq!(roles(&bridge, "ann@example.com"), ["ACCESS_AUDIT_LOG", "USER", "WFO_ACCESS"]);
        let told = said(&bridge, answer.body["id"].as_str().unwrap()).await;
        assert!(told.contains("WFO_ACCESS") && !told.contains("ACCESS_AUDIT_LOG"), "{profile:?}: {told}");
    }
}
