//! The rules of the plan, one table for each.

use serde_json::{Value, json};

use super::*;
use crate::scim::Resource;
use crate::upstream::model::AgentGroup;

#[derive(Default)]
struct World {
    policy: Policy,
    agents: Vec<AgentAccount>,
    admins: Vec<AdminAccount>,
    people: Vec<Person>,
    elsewhere: BTreeSet<AccountRef>,
    graves: BTreeMap<AccountRef, PersonId>,
    decisions: Decisions,
}

fn object(value: Value) -> serde_json::Map<String, Value> {
    let Value::Object(object) = value else { panic!("not an object") };
    object
}

impl World {
    fn agent(mut self, fields: Value) -> Self {
        let agent = Agent::from_raw(object(fields));
        self.agents.push(AgentAccount { id: agent.id().unwrap(), group: AgentGroupId(1), agent });
        self
    }

    fn admin(mut self, fields: Value) -> Self {
        let admin = Admin::from_raw(object(fields));
        self.admins.push(AdminAccount { id: admin.id().unwrap(), admin, rights_docs: BTreeSet::new() });
        self
    }

    fn person(mut self, id: &str, body: Value, agent: Option<i64>) -> Self {
        let user = Resource::from_object(object(body));
        let keys = crate::domain::person::user_keys(&user);
        self.people.push(Person {
            id: id.into(),
            user_name: keys.user_name,
            external_id: keys.external_id,
            emails: keys.emails,
            extension: user.text("rcExtensionId").and_then(|text| text.parse().ok()),
            agent: agent.map(AgentId),
            admin: None,
        });
        self
    }

    fn decide(mut self, text: &str) -> Self {
        let (account, choice) = parse_decision(text).unwrap();
        self.decisions.insert(account, Decision { choice, stored: false });
        self
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            policy: &self.policy,
            account_id: "77",
            own_user: Some(UserId(100)),
            agents: &self.agents,
            admins: &self.admins,
            people: &self.people,
            agent_groups: &[],
            groups: &[],
            elsewhere: &self.elsewhere,
            graves: &self.graves,
            decisions: &self.decisions,
        }
    }

    /// Each account as `account class action`.
    fn told(&self) -> Vec<String> {
        let rows = plan(&self.facts()).rows;
        let told = |row: &Row| {
            let action = match &row.action {
                Action::Nothing => "nothing".to_owned(),
                Action::Create { user_name } => format!("create {user_name}"),
                Action::Link(target) => format!("link {target}"),
                Action::Ask => "ask".to_owned(),
            };
            format!("{} {:?} {action}", row.account, row.class)
        };
        rows.iter().map(told).collect()
    }

    fn refused(&self) -> Option<String> {
        let facts = self.facts();
        check_decisions(&facts, &plan(&facts)).err()
    }
}

#[test]
fn import_username_prefers_unique_email() {
    let world = World::default()
        .agent(json!({"agentId": 1, "username": "anna+77_1@x.com", "email": "Anna@x.com"}))
        .agent(json!({"agentId": 2, "username": "bob", "email": "no address"}))
        .agent(json!({"agentId": 3, "username": "c1", "email": "desk@x.com"}))
        .agent(json!({"agentId": 4, "username": "c2", "email": "DESK@x.com"}))
        .agent(json!({"agentId": 5, "username": "dora"}))
        // Without an address its login name is the address it shows, so agent 7 shares it.
        .agent(json!({"agentId": 6, "username": "emil@x.com"}))
        .agent(json!({"agentId": 7, "username": "emil2", "email": "emil@x.com"}));
    assert_eq!(
        world.told(),
        [
            "agent:1 New create Anna@x.com",
            "agent:2 New create bob",
            "agent:3 New create c1",
            "agent:4 New create c2",
            "agent:5 New create dora",
            "agent:6 New create emil@x.com",
            "agent:7 New create emil2",
        ]
    );
}

#[test]
fn equal_names_in_any_case_are_a_question_until_one_is_decided() {
    let twins = || {
        World::default()
            .agent(json!({"agentId": 1, "username": "Sam@x.com"}))
            .agent(json!({"agentId": 2, "username": "sam@X.com"}))
    };
    assert_eq!(twins().told(), ["agent:1 Conflict ask", "agent:2 Conflict ask"]);
    assert_eq!(twins().decide("2=skip").told(), ["agent:1 New create Sam@x.com", "agent:2 LeftOut nothing"]);
    assert_eq!(twins().decide("1=new").told(), ["agent:1 New create Sam@x.com", "agent:2 Conflict ask"]);
}

#[test]
fn people_here_are_found_by_extension_external_id_name_and_last_by_address() {
    let world = World::default()
        .agent(json!({"agentId": 1, "username": "a", "rcUserId": 9}))
        .agent(json!({"agentId": 2, "username": "b", "externalAgentId": "E2"}))
        .agent(json!({"agentId": 3, "username": "Carl+77_3@x.com"}))
        .agent(json!({"agentId": 4, "username": "d", "email": "dora@x.com"}))
        .agent(json!({"agentId": 5, "username": "emil@x.com", "isActive": false}))
        .agent(json!({"agentId": 6, "username": "fred@x.com"}))
        .person("p1", json!({"userName": "one", "rcExtensionId": "9"}), None)
        .person("p2", json!({"userName": "two", "externalId": "E2"}), None)
        .person("p3", json!({"userName": "carl@x.com"}), None)
        .person("p4", json!({"userName": "four", "emails": [{"value": "Dora@x.com"}]}), None)
        .person("p5", json!({"userName": "emil@x.com"}), None)
        .person("p6", json!({"userName": "fred@x.com"}), Some(60));
    assert_eq!(
        world.told(),
        [
            "agent:1 Candidate link p1",
            "agent:2 Candidate link p2",
            "agent:3 Candidate link p3",
            "agent:4 Candidate ask",
            "agent:5 Candidate ask",
            "agent:6 Conflict ask",
        ]
    );
    let decided = world.decide("4=link:p4").decide("5=link:p5").told();
    assert_eq!(decided[3..5], ["agent:4 Candidate link p4", "agent:5 Candidate link p5"]);
}

#[test]
fn link_order_and_ambiguity_are_questions() {
    let world = World::default()
        .agent(json!({"agentId": 1, "username": "a@x.com", "externalAgentId": "E"}))
        .agent(json!({"agentId": 2, "username": "b", "externalAgentId": "E"}))
        // The extension decides, although the name says somebody else.
        .agent(json!({"agentId": 3, "username": "c@x.com", "rcUserId": 9}))
        .person("p1", json!({"userName": "one", "externalId": "E"}), None)
        .person("p2", json!({"userName": "c@x.com"}), None)
        .person("p3", json!({"userName": "three", "rcExtensionId": "9"}), None);
    assert_eq!(world.told(), ["agent:1 Conflict ask", "agent:2 Conflict ask", "agent:3 Candidate link p3"]);
}

#[test]
fn kinds_of_account_are_told_apart() {
    let world = World {
        policy: Policy { protected: ["7".to_owned()].into(), ..Policy::default() },
        ..World::default()
    };
    let world = world
        .agent(json!({"agentId": 1, "username": "a", "transientAgent": true}))
        .agent(json!({"agentId": 2, "username": "b", "multiAccountAgent": true}))
        .agent(json!({"agentId": 3, "username": "c", "agentType": "MULTI_SUPERVISOR"}))
        .agent(json!({"agentId": 4, "username": "d", "userManagedByRC": true}))
        .agent(json!({"agentId": 5, "username": "e", "isActive": false}))
        .agent(json!({"agentId": 6, "username": "f"}))
        .agent(json!({"agentId": 7, "username": "g"}))
        .person("p6", json!({"userName": "six"}), Some(6));
    assert_eq!(
        world.told(),
        [
            "agent:1 ReadOnly create a",
            "agent:2 ReadOnly create b",
            "agent:3 ReadOnly create c",
            "agent:4 ManagedByRingcentral create d",
            "agent:5 New create e",
            "agent:6 Linked nothing",
            "agent:7 Protected nothing",
        ]
    );
}

#[test]
fn privileged_admin_not_adopted() {
    let world = || {
        World::default()
            .agent(json!({"agentId": 1, "username": "ann@x.com", "rcUserId": 9}))
            .admin(json!({"userId": 100, "userName": "bridge@x.com"}))
            .admin(json!({"userId": 101, "userName": "ANN@x.com", "roles": ["SUPER_USER"]}))
            .admin(json!({"userId": 102, "userName": "other@x.com", "rcUserId": 9, "roles": ["USER"]}))
            .admin(json!({"userId": 103, "userName": "nobody@x.com"}))
            .admin(json!({"userId": 104, "userName": "root@x.com", "rootUser": true}))
    };
    let told = [
        "agent:1 New create ann@x.com",
        "admin:100 Protected nothing",
        "admin:101 Candidate ask",
        "admin:102 Candidate ask",
        "admin:103 Foreign nothing",
        "admin:104 Protected nothing",
    ];
    assert_eq!(world().told(), told);
    let refused = world().decide("admin:101=link:agent:1");
    assert!(refused.refused().unwrap().contains("adopt_admins"), "{:?}", refused.refused());
    assert_eq!(refused.told(), told, "a decision alone gives no power");
    let mut allowed = refused;
    allowed.policy.adopt_admins = true;
    assert_eq!(allowed.refused(), None);
    assert_eq!(allowed.told()[2], "admin:101 Candidate link agent:1");
    assert_eq!(world().decide("admin:102=link:agent:1").told()[3], "admin:102 Candidate link agent:1");
}

#[test]
fn decisions_that_cannot_be_carried_out_are_named() {
    let world = || {
        World::default()
            .agent(json!({"agentId": 1, "username": "a"}))
            .agent(json!({"agentId": 2, "username": "b"}))
            .admin(json!({"userId": 100, "userName": "bridge@x.com"}))
            .person("p1", json!({"userName": "one"}), Some(1))
    };
    for (decision, says) in [
        ("9=skip", "agent:9"),
        ("1=skip", "belongs to a person already"),
        ("2=link:nobody", "no person nobody"),
        ("2=link:p1", "agent 1 already"),
        ("2=link:agent:1", "SCIM id"),
        ("admin:100=new", "bridge's own"),
    ] {
        let refused = world().decide(decision).refused();
        assert!(refused.as_deref().is_some_and(|why| why.contains(says)), "{decision}: {refused:?}");
    }
    for wrong in ["x", "agent:x=skip", "queue:1=skip", "1=link:", "1=later", "1=link:admin:3"] {
        assert!(parse_decision(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn groups_of_one_name_are_a_question_and_linked_ones_stay() {
    let world = World::default();
    let group =
        |id: i64, name: &str| AgentGroup { id: AgentGroupId(id), name: name.to_owned(), is_default: false };
    let agent_groups =
        [group(1, "UK"), group(2, "Twice"), group(3, "twice"), group(4, "US"), group(5, "Mine")];
    let groups = [("g4".into(), "america".to_owned(), Some(4)), ("g5".into(), "mine".to_owned(), None)];
    let facts = Facts { agent_groups: &agent_groups, groups: &groups, ..world.facts() };
    let classes: Vec<Class> = plan(&facts).groups.iter().map(|row| row.class).collect();
    assert_eq!(classes, [Class::New, Class::Conflict, Class::Conflict, Class::Linked, Class::Linked]);
}

#[test]
fn an_account_of_another_tenant_is_a_conflict_that_can_only_be_left_out() {
    let world = || {
        let mut world = World::default()
            .agent(json!({"agentId": 1, "username": "ann"}))
            .agent(json!({"agentId": 2, "username": "bob"}))
            .admin(json!({"userId": 101, "userName": "ann", "roles": []}))
            .person("p1", json!({"userName": "ann"}), None);
        world.elsewhere = BTreeSet::from([AccountRef::Agent(AgentId(1)), AccountRef::Admin(UserId(101))]);
        world
    };
    assert_eq!(world().told(), ["agent:1 Conflict ask", "agent:2 New create bob", "admin:101 Conflict ask"]);
    assert_eq!(world().refused(), None);
    for decision in ["agent:1=new", "agent:1=link:p1", "admin:101=link:p1", "admin:101=new"] {
        let refused = world().decide(decision).refused().unwrap_or_default();
        assert!(refused.contains("another tenant"), "{decision}: {refused}");
    }
    let skipped = world().decide("agent:1=skip").decide("admin:101=skip");
    assert_eq!(skipped.refused(), None);
    assert_eq!(
        skipped.told(),
        ["agent:1 LeftOut nothing", "agent:2 New create bob", "admin:101 LeftOut nothing"]
    );
}

#[test]
fn what_was_left_out_by_decision_is_counted_as_that() {
    let world = World::default()
        .agent(json!({"agentId": 1, "username": "ann"}))
        .agent(json!({"agentId": 2, "username": "bob"}))
        .admin(json!({"userId": 101, "userName": "ann", "roles": []}))
        .decide("1=skip")
        .decide("admin:101=skip");
    let counted = plan(&world.facts()).classes();
    assert_eq!(counted, BTreeMap::from([(Class::New, 1), (Class::LeftOut, 2)]));
}

#[test]
fn an_account_of_somebody_who_was_deleted_here_is_neither_new_nor_a_question() {
    let world = || {
        let mut world = World::default()
            .agent(json!({"agentId": 1, "username": "ann", "isActive": false}))
            .admin(json!({"userId": 101, "userName": "ann", "roles": []}))
            .person("p2", json!({"userName": "ann"}), None);
        world.graves.insert(AccountRef::Agent(AgentId(1)), "p1".into());
        world.graves.insert(AccountRef::Admin(UserId(101)), "p1".into());
        world
    };
    assert_eq!(world().told(), ["agent:1 Former nothing", "admin:101 Former nothing"]);
    for decision in ["1=new", "1=link:p2", "admin:101=link:p2"] {
        let refused = world().decide(decision).refused().unwrap_or_default();
        assert!(refused.contains("tenant disown --person p1"), "{decision}: {refused}");
    }
}

#[test]
fn one_person_gets_no_two_accounts_of_a_kind_by_decision() {
    let world = || {
        World::default()
            .agent(json!({"agentId": 1, "username": "ann"}))
            .agent(json!({"agentId": 2, "username": "bob"}))
            .admin(json!({"userId": 101, "userName": "ann", "roles": []}))
            .admin(json!({"userId": 102, "userName": "ann2", "roles": []}))
            .person("p1", json!({"userName": "ann"}), Some(1))
            .person("p3", json!({"userName": "cid"}), None)
    };
    // The same person under two names.
    let twice = world().decide("admin:101=link:agent:1").decide("admin:102=link:p1");
    assert!(twice.refused().is_some_and(|why| why.contains("admin:101") && why.contains("p1")));
    let mut agents = world().decide("2=link:p3");
    agents = agents.agent(json!({"agentId": 3, "username": "cid2"})).decide("3=link:p3");
    assert!(agents.refused().is_some_and(|why| why.contains("several agents")), "{:?}", agents.refused());
    assert_eq!(world().decide("admin:101=link:agent:1").told()[2], "admin:101 Candidate link p1");
}

#[test]
fn a_decision_that_makes_nobody_is_refused_with_the_reason() {
    let world = World::default()
        .agent(json!({"agentId": 1, "username": "ann"}))
        .person("p1", json!({"userName": "ann"}), Some(9))
        .decide("1=new");
    let refused = world.refused().unwrap_or_default();
    assert!(refused.contains("agent:1") && refused.contains("user name ann"), "{refused}");
    let twins = World::default()
        .agent(json!({"agentId": 1, "username": "Sam@x.com"}))
        .agent(json!({"agentId": 2, "username": "sam@X.com"}))
        .decide("1=new")
        .decide("2=new");
    assert!(twins.refused().is_some_and(|why| why.contains("one user name")), "{:?}", twins.refused());
}
