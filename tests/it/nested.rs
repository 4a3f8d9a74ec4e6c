//! Groups in groups (`nested_groups`): nothing comes of them unless the tenant has them count, and then exactly what the whole graph says.

use std::collections::{BTreeMap, BTreeSet};

use ringcx_scim::domain::{Actor, TenantId};
use ringcx_scim::reconcile::Verdict;
use serde_json::{Value, json};

use crate::support::{Dice, Setup, TestBridge, postgres_database};

const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";

/// One role for each group, so that roles say in which groups somebody counts; two give nothing and only tie others together.
const GROUPS: [(&str, &str); 5] = [
    ("A", ""),
    ("B", ""),
    ("C", "REPORT_ADMINISTRATIVE_USER"),
    ("D", "WFO_ACCESS"),
    ("E", "ACCESS_GOODDATA_VIEWER"),
];

fn mappings() -> Value {
    let giving = GROUPS.into_iter().filter(|(_, role)| !role.is_empty());
    let roles = giving.map(|(name, role)| json!({"match": name, "roles": [role]}));
    let outer = json!({"match": "Outer", "agent_group": "UK Agents", "roles": ["WFO_ACCESS"]});
    Value::Array(roles.chain([outer]).collect())
}

async fn start(nested: &str, guard: &str, store_url: Option<String>) -> TestBridge {
    let policy = json!({
        "default_agent_group": "Default", "password_on_put": "omit", "nested_groups": nested, "mass_change": guard,
    });
    let usual = Setup::default();
    let store_url = store_url.unwrap_or_else(|| usual.store_url.clone());
    TestBridge::start(Setup { policy, groups: mappings(), store_url, ..usual }).await
}

async fn group(bridge: &TestBridge, name: &str, members: &[&str]) -> String {
    let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    let answer =
        bridge.send("POST", "/Groups", Some(&json!({"displayName": name, "members": members}))).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.body["id"].as_str().unwrap().to_owned()
}

async fn change(bridge: &TestBridge, group: &str, op: &str, member: &str) {
    let operation = if op == "add" {
        json!({"op": "add", "path": "members", "value": [{"value": member}]})
    } else {
        json!({"op": "remove", "path": format!("members[value eq \"{member}\"]")})
    };
    let answer =
        bridge.send("PATCH", &format!("/Groups/{group}"), Some(&json!({"Operations": [operation]}))).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
}

/// The roles that somebody holds and may use, without base access.
fn roles(bridge: &TestBridge, name: &str) -> BTreeSet<String> {
    let admin = bridge.ringcx.admin_named(name).filter(|admin| admin["enabled"] == true);
    let roles = admin.iter().flat_map(|admin| admin["roles"].as_array().unwrap());
    roles.map(|role| role.as_str().unwrap().to_owned()).filter(|role| role != "USER").collect()
}

/// The agent group of an agent.
fn place(bridge: &TestBridge, agent: i64) -> i64 {
    bridge.ringcx.agent(agent).unwrap()["agentGroupId"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nested_members_have_no_effect_unless_they_are_expanded() {
    for (nested, counts) in [("ignore", false), ("expand", true)] {
        let bridge = start(nested, "off", None).await;
        let (ann, agent) = bridge.create(json!({"userName": "ann@example.com"})).await;
        let home = place(&bridge, agent);
        let inner = group(&bridge, "Inner", &[&ann]).await;
        let outer = group(&bridge, "Outer", &[&inner]).await;
        bridge.run_jobs().await;
        assert_eq!(place(&bridge, agent) != home, counts, "{nested}");
        assert_eq!(roles(&bridge, "ann@example.com").contains("WFO_ACCESS"), counts, "{nested}");
        let shown = bridge.send("GET", &format!("/Groups/{outer}"), None).await.body;
        assert_eq!(shown["members"][0]["value"], inner, "as the client wrote it");
        assert_eq!(shown["members"].as_array().unwrap().len(), 1);
        let shown = bridge.send("GET", &format!("/Users/{ann}"), None).await.body;
        assert_eq!(shown["groups"].as_array().unwrap().len(), 1, "only where somebody has put them");
        // Out of the inner group, out of the outer one.
        change(&bridge, &inner, "remove", &ann).await;
        bridge.run_jobs().await;
        assert_eq!((place(&bridge, agent), roles(&bridge, "ann@example.com").len()), (home, 0));
    }
}

/// What the test believes: who is in which group, by id.
#[derive(Default)]
struct Graph {
    members: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// The groups in which somebody is, over any number of steps.
    fn above(&self, member: &str) -> BTreeSet<String> {
        let (mut found, mut open) = (BTreeSet::new(), vec![member.to_owned()]);
        while let Some(one) = open.pop() {
            for (group, _) in self.members.iter().filter(|(_, members)| members.contains(&one)) {
                if found.insert(group.clone()) {
                    open.push(group.clone());
                }
            }
        }
        found
    }
}

/// Random edges, circles among them, and groups that go and come again: everybody has what the graph says, after each write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_has_what_the_graph_of_groups_says() {
    let postgres = postgres_database().await;
    for (case, store_url) in [(1, None), (2, None), (3, postgres)] {
        let bridge = start("expand", "off", store_url).await;
        let mut people = Vec::new();
        for name in ["ann@example.com", "bob@example.com"] {
            people.push((name, bridge.create(json!({"userName": name})).await.0));
        }
        let (mut graph, mut ids) = (Graph::default(), Vec::new());
        for (name, _) in GROUPS {
            let id = group(&bridge, name, &[]).await;
            graph.members.insert(id.clone(), BTreeSet::new());
            ids.push(id);
        }
        let mut dice = Dice(case);
        for step in 0..40 {
            let at = dice.roll(GROUPS.len());
            let member = match dice.roll(GROUPS.len() + people.len()) {
                n if n < people.len() => people[n].1.clone(),
                n => ids[n - people.len()].clone(),
            };
            let within = ids[at].clone();
            match dice.roll(8) {
                0..=3 => {
                    change(&bridge, &within, "add", &member).await;
                    graph.members.get_mut(&within).unwrap().insert(member);
                }
                4 | 5 => {
                    change(&bridge, &within, "remove", &member).await;
                    graph.members.get_mut(&within).unwrap().remove(&member);
                }
                6 => {
                    let body = json!({"displayName": GROUPS[at].0, "members": [{"value": member}]});
                    let answer = bridge.send("PUT", &format!("/Groups/{within}"), Some(&body)).await;
                    assert_eq!(answer.status, 200, "{}", answer.text);
                    graph.members.insert(within, BTreeSet::from([member]));
                }
                _ => {
                    assert_eq!(bridge.send("DELETE", &format!("/Groups/{within}"), None).await.status, 204);
                    graph.members.remove(&within);
                    for members in graph.members.values_mut() {
                        members.remove(&within);
                    }
                    let member = if member == within { people[0].1.clone() } else { member };
                    ids[at] = group(&bridge, GROUPS[at].0, &[&member]).await;
                    graph.members.insert(ids[at].clone(), BTreeSet::from([member]));
                }
            }
            bridge.run_jobs().await;
            for (name, id) in &people {
                let within = graph.above(id);
                let counts = |(at, (_, role)): (usize, &(&str, &str))| {
                    (within.contains(&ids[at]) && !role.is_empty()).then(|| (*role).to_owned())
                };
                let expected: BTreeSet<String> = GROUPS.iter().enumerate().filter_map(counts).collect();
                assert_eq!(roles(&bridge, name), expected, "case {case}, step {step}, {name}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_edges_that_are_written_at_once_see_one_another() {
    let bridge = start("expand", "off", postgres_database().await).await;
    let (ann, _) = bridge.create(json!({"userName": "ann@example.com"})).await;
    let outer = group(&bridge, "Outer", &[]).await;
    let (middle, inner) = (group(&bridge, "Middle", &[]).await, group(&bridge, "Inner", &[]).await);
    for _ in 0..10 {
        for op in ["add", "remove"] {
            tokio::join!(
                change(&bridge, &outer, op, &middle),
                change(&bridge, &middle, op, &inner),
                change(&bridge, &inner, op, &ann)
            );
            bridge.run_jobs().await;
            assert_eq!(roles(&bridge, "ann@example.com").len(), usize::from(op == "add"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_is_taken_out_of_another_counts_as_all_its_people() {
    let bridge = start("expand", "on", None).await;
    let mut staff = Vec::new();
    for n in 0..8 {
        staff.push(bridge.create(json!({"userName": format!("p{n}@example.com")})).await.0);
    }
    let ids: Vec<&str> = staff.iter().map(String::as_str).collect();
    let inner = group(&bridge, "Inner", &ids).await;
    let outer = group(&bridge, "Outer", &[&inner]).await;
    bridge.run_jobs().await;
    let holders = |bridge: &TestBridge| {
        (0..8).filter(|n| !roles(bridge, &format!("p{n}@example.com")).is_empty()).count()
    };
    assert_eq!(holders(&bridge), 8);
    change(&bridge, &outer, "remove", &inner).await;
    bridge.run_jobs().await;
    assert_eq!(holders(&bridge), 8, "blocked");
    let shown = bridge.send("GET", &format!("/Users/{}", staff[0]), None).await.body;
    assert_eq!(shown[RINGCX]["provisioningState"], "blocked", "{shown}");
    let tenant: TenantId = "default".parse().unwrap();
    let by = Actor::operator("kim", "run-1");
    let decided =
        bridge.reconciler.decide(&tenant, &by, Verdict::Reject, None, &BTreeSet::new()).await.unwrap();
    assert_eq!(decided.decided.len(), 8, "{decided:?}");
    bridge.run_jobs().await;
    assert_eq!(holders(&bridge), 8);
    let shown = bridge.send("GET", &format!("/Groups/{outer}"), None).await.body;
    assert_eq!(shown["members"].as_array().unwrap().len(), 8, "they are in again, each for themselves");
}
