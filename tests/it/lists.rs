//! `list`: what RingCX has, as an operator who writes a mapping sees it.

use ringcx_simulator::Profile;
use serde_json::{Value, json};

use crate::beside::Beside;

async fn list(world: &Beside, kind: &str) -> Value {
    let said = world.run(&["list", kind, "--json"]).await;
    assert_eq!(said.code, 0, "{kind}: {}", said.errors);
    said.json
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_a_mapping_names_is_listed_with_its_id() {
    for profile in [Profile::Friendly, Profile::Hostile, Profile::Spec] {
        let world = Beside::start(profile, &[]).await;
        world.ringcx.assign(4711, 100);
        for (kind, first) in [
            ("agent-groups", json!({"id": 1000, "name": "Default", "default": true})),
            ("rights-docs", json!({"id": 4711, "name": "Supervisor", "master": false})),
            ("aux-states", json!({"id": 11786, "name": "AVAILABLE", "base": "AVAILABLE", "active": true})),
            ("dial-groups", json!({"id": 7001, "name": "Campaigns", "mode": "PREVIEW", "active": true})),
            ("queues", json!({"id": 8101, "name": "Hotline", "queue_group": "Service"})),
            (
                "extensions",
                json!({"id": "3361292020", "number": "101", "name": "Linked Person", "email": "linked@example.com",
                    "type": "User", "status": "Enabled"}),
            ),
        ] {
            assert_eq!(list(&world, kind).await[0], first, "{profile:?} {kind}");
        }
        let agents = list(&world, "agents").await;
        let agent = &agents[0];
        assert_eq!(
            (&agent["id"], &agent["agent_group"], &agent["active"]),
            (&json!(5001), &json!("Platform Team"), &json!(true))
        );
        assert_eq!((&agent["username"], &agent["person"]), (&json!("wanda@example.com"), &Value::Null));
        let text = agents.to_string();
        assert!(
            !text.contains("password") && !text.contains("set-by-hand") && !text.contains("****"),
            "{text}"
        );
        let admins = list(&world, "admins").await;
        let own = |admin: &&Value| admin["own"] == json!(true);
        assert_eq!(
            admins.as_array().unwrap().iter().filter(own).map(|it| it["id"].clone()).collect::<Vec<_>>(),
            [json!(100)]
        );
        assert!(admins.to_string().contains("SUPER_USER"), "{admins}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_ringcx_does_not_show_is_one_sentence_and_exit_code_1() {
    let world = Beside::start(Profile::Friendly, &[]).await;
    world.ringcx.forbid("listUsers");
    let said = world.run(&["list", "admins"]).await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.errors.contains("the admins were not read"), "{}", said.errors);
    assert!(
        said.errors.contains("lacks a permission") && said.errors.lines().count() == 1,
        "{}",
        said.errors
    );
    let said = world.run(&["list", "agents", "--tenant", "nobody"]).await;
    assert!(said.code == 2 && said.errors.contains("no tenant nobody"), "{}", said.errors);
    let said = world.run(&["list", "everything"]).await;
    assert!(said.code == 2 && said.errors.contains("dial-groups"), "{}", said.errors);
    let said = world.run(&["list", "agent-groups"]).await;
    assert!(said.code == 0 && said.out.contains("UK Agents") && said.out.contains("1001"), "{}", said.out);
}
