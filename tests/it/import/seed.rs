//! The contact centre of the acceptance test: 400 agents in 12 groups, 25 administrators, 9 rights documents, 300 extensions.
//!
//! The first 380 are the people of the identity provider; the rest is what such a place collects: leavers, accounts of one
//! person that differ in case alone, desks, agents of other sub-accounts, one that nobody may touch.

use ringcx_scim::store::Store;
use ringcx_simulator::{Control, Seed};
use serde_json::{Value, json};

pub(crate) const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";

const PEOPLE: usize = 380;

/// The agent groups with the number by which [`group_of`] names them.
pub(crate) fn groups() -> Vec<(usize, String)> {
    (0..12).map(|number| (number, group_name(number))).collect()
}

fn group_name(number: usize) -> String {
    if number == 0 { "Default".to_owned() } else { format!("Team {number:02}") }
}

fn group_id(number: usize) -> i64 {
    1000 + i64::try_from(number).unwrap()
}

/// The group of an account.
pub(crate) fn group_of(number: usize) -> usize {
    number % 12
}

/// The name under which the identity provider knows one of its people.
pub(crate) fn upn(number: usize) -> String {
    match number {
        // These two pairs share an address, so only their login names tell them apart.
        10..14 => format!("shared{number}@example.com"),
        20..26 => format!("case{number}@example.com"),
        _ => format!("p{number}@example.com"),
    }
}

/// An agent of the seed.
pub(crate) fn account(number: usize) -> Value {
    let id = 5000 + number;
    let (first, last) = (format!("First{number}"), format!("Last{number}"));
    let login = upn(number);
    let mut agent = json!({
        "agentId": id, "username": login, "email": login, "firstName": first, "lastName": last,
        "location": format!("Floor {}", number % 5), "agentRank": number % 25,
    });
    let mut set = |name: &str, value: Value| agent.as_object_mut().unwrap().insert(name.to_owned(), value);
    match number {
        // A workforce-management feed has its keys in RingCX.
        0..5 => drop(set("externalAgentId", json!(format!("WFM-{number}")))),
        5..8 => {
            set("username", json!(format!("p{number}+15300002_{id}@example.com")));
            set("rcUserId", json!(900_000_000 + number));
            set("userManagedByRC", json!(true));
        }
        8 | 9 => drop(set("transientAgent", json!(true))),
        10 | 11 => drop(set("email", json!("desk1@example.com"))),
        12 | 13 => drop(set("email", json!("Desk2@Example.com"))),
        20..26 => drop(set("username", json!(format!("Case{number}@EXAMPLE.com")))),
        // Their login name is their address.
        30..40 => drop(set("email", Value::Null)),
        PEOPLE..388 => drop(set("isActive", json!(false))),
        388..392 => {
            let pair = (number - 388) / 2;
            let login = if number.is_multiple_of(2) {
                format!("Twin{pair}@example.com")
            } else {
                format!("twin{pair}@Example.com")
            };
            set("username", json!(login));
            set("email", Value::Null);
        }
        392..397 => {
            set("username", json!(format!("floor{number}")));
            set("email", json!("not an address"));
        }
        397 | 398 => drop(set("agentType", json!("MULTI_USER"))),
        _ => {}
    }
    agent
}

/// The whole seed.
pub(crate) fn centre() -> Seed {
    let mut seed = Seed::empty();
    for number in 1..12 {
        seed = seed.group(group_id(number), &group_name(number));
    }
    for number in 0..400 {
        seed = seed.agent(group_id(group_of(number)), account(number));
    }
    for doc in 0..9 {
        seed = seed.rights_doc(4700 + doc, &format!("Document {doc}"));
    }
    for number in 0..300 {
        let id = 900_000_000 + i64::try_from(number).unwrap();
        seed = seed.extension(id, &format!("First{number} Last{number}"), &upn(number));
    }
    // 100 is the bridge's own. Three have the user name of an agent, one its extension, one is the root, the rest is nobody here.
    for number in 101..125_usize {
        let admin = match number {
            101 => json!({"userId": 101, "userName": "P100@example.com", "roles": ["SUPER_USER", "USER"]}),
            102 | 103 => {
                json!({"userId": number, "userName": format!("p{number}@example.com"), "roles": ["USER"]})
            }
            104 => {
                json!({"userId": 104, "userName": "boss@example.com", "rcUserId": 900_000_005, "roles": ["USER"]})
            }
            105 => {
                json!({"userId": 105, "userName": "root@example.com", "rootUser": true, "roles": ["SUPER_USER"]})
            }
            _ => {
                json!({"userId": number, "userName": format!("office{number}@example.com"), "roles": ["USER"]})
            }
        };
        seed = seed.admin(admin);
    }
    seed
}

/// Who has which rights document.
pub(crate) fn assign(ringcx: &Control) {
    for doc in 0..9 {
        ringcx.assign(4700 + doc, 110 + doc);
    }
    ringcx.assign(4700, 102);
}

/// Nothing is left of people, groups and what ties them.
pub(crate) async fn assert_empty(store: &Store) {
    for table in [
        "people",
        "person_emails",
        "groups",
        "members",
        "links",
        "names",
        "revisions",
        "jobs",
        "imports",
        "import_items",
        "import_decisions",
    ] {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        let rows = store.read(move |tx| tx.one(&sql, &[], |row| row.int(0))).await.unwrap();
        assert_eq!(rows, Some(0), "{table}");
    }
    let counted = store
        .read(|tx| tx.all("SELECT name, value FROM counters", &[], |row| Ok((row.text(0)?, row.int(1)?))))
        .await
        .unwrap();
    assert!(counted.iter().all(|(_, value)| *value == 0), "{counted:?}");
}
