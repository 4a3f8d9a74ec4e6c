//! What the import stores and how it is taken out again.

use serde_json::json;

use super::super::imports::{self, Item, Kind};
use super::super::{Tx, groups, inventory, links, members, names, people};
use super::{Scratch, at, insert_person, on_both, person_id, tenant};
use crate::domain::GroupId;
use crate::domain::link::Link;
use crate::domain::person::group_keys;
use crate::scim::Resource;
use crate::upstream::model::{Agent, AgentGroupId};

on_both!(
    an_imported_membership_follows_the_agent_until_a_client_names_it,
    what_a_run_made_is_taken_out_without_a_trace,
    a_detail_is_found_while_it_is_young,
);

fn group(tx: &mut Tx<'_>, id: &str, name: &str, agent_group: i64) -> Result<GroupId, super::Error> {
    let body = json!({"displayName": name}).to_string();
    let keys = group_keys(&Resource::from_json(&body).unwrap());
    let id = GroupId::from(id);
    names::claim(tx, &tenant(), names::Kind::GroupName, &keys.display_name_key, id.as_str())?;
    let new = groups::NewGroup { body: &body, keys: &keys, agent_group: Some(agent_group) };
    groups::insert(tx, &tenant(), &id, &new, at(1))?;
    groups::set_imported(tx, &tenant(), &id, true)?;
    Ok(id)
}

async fn an_imported_membership_follows_the_agent_until_a_client_names_it(scratch: Scratch) {
    scratch
        .store
        .write(|tx| {
            let person = person_id(1);
            insert_person(tx, &person, &json!({"userName": "a"}), at(1))?;
            let (uk, us) = (group(tx, "uk", "UK", 1)?, group(tx, "us", "US", 2)?);
            let within = |tx: &mut Tx<'_>, id: &GroupId| members::ids(tx, &tenant(), id).map(|ids| ids.len());
            members::show_home(tx, &tenant(), &person, 1, at(2))?;
            assert_eq!((within(tx, &uk)?, within(tx, &us)?), (1, 0));
            assert!(members::groups_of(tx, &tenant(), &person, false)?.is_empty(), "it gives nothing");
            assert_eq!(members::groups_of_person(tx, &tenant(), &person)?.len(), 1, "it shows");
            members::show_home(tx, &tenant(), &person, 2, at(3))?;
            assert_eq!((within(tx, &uk)?, within(tx, &us)?), (0, 1));
            assert!(!members::is_named(tx, &tenant(), &person)?);
            let named = members::NewMember { id: person.as_str().to_owned(), display: None, is_group: false };
            let again = std::slice::from_ref(&named);
            assert_eq!(members::add(tx, &tenant(), &us, again, at(4))?.len(), 1, "to a client it is new");
            assert_eq!(members::add(tx, &tenant(), &us, again, at(4))?.len(), 0);
            assert_eq!(members::groups_of(tx, &tenant(), &person, false)?.len(), 1);
            members::show_home(tx, &tenant(), &person, 1, at(5))?;
            assert_eq!((within(tx, &uk)?, within(tx, &us)?), (1, 1), "what a client has named stays");
            Ok::<_, super::Error>(())
        })
        .await
        .unwrap();
}

async fn what_a_run_made_is_taken_out_without_a_trace(scratch: Scratch) {
    scratch
        .store
        .write(|tx| {
            let person = person_id(1);
            imports::begin(tx, &tenant(), "r1", at(1))?;
            insert_person(tx, &person, &json!({"userName": "a", "emails": [{"value": "a@b.c"}]}), at(1))?;
            names::claim(tx, &tenant(), names::Kind::UserName, "a", person.as_str())?;
            links::save(tx, &tenant(), &person, &Link::default(), at(1))?;
            let uk = group(tx, "uk", "UK", 1)?;
            members::show_home(tx, &tenant(), &person, 1, at(1))?;
            let item = |kind, id: &str| Item { kind, id: id.to_owned(), version: 1 };
            imports::made(tx, &tenant(), "r1", &item(Kind::Group, uk.as_str()))?;
            imports::made(tx, &tenant(), "r1", &item(Kind::Person, person.as_str()))?;
            imports::decide(tx, &tenant(), "r1", "agent:1", "skip")?;
            let kinds: Vec<Kind> =
                imports::items(tx, &tenant(), "r1")?.iter().map(|item| item.kind).collect();
            assert_eq!(kinds, [Kind::Person, Kind::Group]);
            imports::erase_person(tx, &tenant(), &person, at(2))?;
            imports::erase_group(tx, &tenant(), &uk, at(2))?;
            imports::forget(tx, &tenant(), &item(Kind::Group, uk.as_str()))?;
            imports::end(tx, &tenant(), "r1")?;
            assert!(imports::runs(tx, &tenant())?.is_empty());
            assert_eq!(people::standing(tx, &tenant(), &person)?, None);
            Ok::<_, super::Error>(())
        })
        .await
        .unwrap();
    for sql in [
        "SELECT COUNT(*) FROM people",
        "SELECT COUNT(*) FROM person_emails",
        "SELECT COUNT(*) FROM names",
        "SELECT COUNT(*) FROM links",
        "SELECT COUNT(*) FROM groups",
        "SELECT COUNT(*) FROM members",
        "SELECT COUNT(*) FROM import_items",
        "SELECT COUNT(*) FROM import_decisions",
        "SELECT COALESCE(MAX(value), 0) FROM counters",
    ] {
        assert_eq!(scratch.number(sql).await, 0, "{sql}");
    }
}

async fn a_detail_is_found_while_it_is_young(scratch: Scratch) {
    scratch
        .store
        .write(|tx| {
            let serde_json::Value::Object(raw) = json!({"agentId": 7, "username": "a"}) else {
                return Ok(());
            };
            let item = inventory::Item::agent(&Agent::from_raw(raw), AgentGroupId(1), at(1)).unwrap();
            inventory::put(tx, &tenant(), &item)?;
            inventory::keep_detail(tx, &tenant(), 7, "{}", at(10))?;
            // A list that is read later does not lose it.
            inventory::refresh(tx, &tenant(), &item)?;
            assert_eq!(inventory::details(tx, &tenant(), at(10))?.len(), 1);
            assert_eq!(inventory::details(tx, &tenant(), at(11))?.len(), 0);
            Ok::<_, super::Error>(())
        })
        .await
        .unwrap();
}
