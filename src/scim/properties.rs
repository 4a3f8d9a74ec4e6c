//! Properties of the pure functions, over generated input.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::patch::{PatchOp, apply, only_disable, split_members};
use super::schema::{GROUP, USER};
use super::{Compatibility, Object, Resource, Rules, check, filter, urn};

/// Names worth meeting: known ones, other cases, paths, URNs, nonsense.
fn name() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "userName",
        "USERNAME",
        "name",
        "name.givenName",
        "emails",
        "emails.value",
        "roles",
        "entitlements",
        "active",
        "manager",
        "members",
        "displayName",
        "externalId",
        "title",
        "addresses",
        "schemas",
        "id",
        "meta",
        "groups",
        "password",
        "value",
        "type",
        "primary",
        "display",
        "$ref",
        "op",
        "path",
        "Operations",
        "nonsense",
        "",
        "x509Certificates",
        "emails[type eq \"work\"].value",
        "emails[type eq",
        "roles[primary eq \"True\"].value",
        "members[value eq \"1\"]",
        "addresses[type eq \"work\"]",
        urn::USER,
        urn::RINGCX_USER,
        urn::ENTERPRISE_USER,
        "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User:agentRank",
    ]);
    prop_oneof![9 => known.prop_map(str::to_owned), 1 => ".{0,12}"]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i16>().prop_map(|number| json!(f64::from(number) / 2.0)),
        name().prop_map(Value::from),
        prop::sample::select(vec!["True", "false", "", "work", "{\"value\":\"A\"}", "AGENT", "12"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(name(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn operations() -> impl Strategy<Value = Value> {
    let verb = prop::sample::select(vec!["add", "Replace", "REMOVE"]);
    let operation = (verb, prop::option::of(name()), json())
        .prop_map(|(op, path, value)| json!({"op": op, "path": path, "value": value}));
    prop::collection::vec(operation, 1..4).prop_map(|operations| json!({"Operations": operations}))
}

fn rules() -> impl Strategy<Value = Rules> {
    prop::sample::select(Compatibility::ALL.to_vec()).prop_map(Rules::of)
}

fn person() -> Resource {
    let value = json!({"userName": "jo", "active": true, "emails": [{"value": "a", "type": "work", "primary": true}, {"value": "b"}],
                       "roles": [{"value": "A", "primary": true}], urn::RINGCX_USER: {"agentRank": 3}});
    Resource::from_object(value.as_object().unwrap().clone())
}

/// What `Resource` promises: nothing empty, one primary at most, no unknown or secret name.
fn assert_sound(resource: &Resource) {
    fn no_empty(value: &Value) -> bool {
        match value {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty() && items.iter().all(no_empty),
            Value::Object(members) => !members.is_empty() && members.values().all(no_empty),
            Value::Bool(_) | Value::Number(_) => true,
        }
    }
    let object = resource.as_object();
    assert!(no_empty(&Value::Object(object.clone())), "{object:?}");
    for (name, value) in object {
        assert!(
            !["schemas", "id", "meta", "groups", "members", "password"].contains(&name.as_str()),
            "{name}"
        );
        assert_eq!(USER.find(name).or_else(|| GROUP.find(name)).map(|at| at.to_string()), Some(name.clone()));
        if let Value::Array(list) = value {
            assert!(list.iter().filter(|each| each["primary"] == true).count() <= 1, "{value}");
        }
    }
    assert_eq!(Resource::from_json(&resource.to_json()).as_ref(), Ok(resource));
}

proptest! {
    #[test]
    fn random_bodies_never_panic_and_give_sound_resources(body in json(), rules in rules()) {
        for ty in [&USER, &GROUP] {
            if let Ok(resource) = check::create(ty, body.clone(), &rules) {
                assert_sound(&resource);
                // What was accepted once is accepted again, and means the same.
                let mut again = resource.clone().into_object();
                again.insert("schemas".to_owned(), json!([ty.schema.id]));
                prop_assert_eq!(check::create(ty, Value::Object(again), &rules), Ok(resource));
            }
            if let Ok(resource) = check::replace(ty, &person(), body.clone(), &rules) {
                assert_sound(&resource);
            }
        }
        let _members = check::members(&body, &rules);
    }

    #[test]
    fn random_patches_never_panic_and_give_sound_resources(body in operations(), rules in rules()) {
        if let Ok(op) = PatchOp::parse(body, &rules) {
            prop_assert_eq!(PatchOp::from_json(&op.to_json()), Ok(op.clone()));
            let _disable = only_disable(&op);
            if let Ok(patched) = apply(&USER, &person(), &op, &rules) {
                assert_sound(&patched.resource);
            }
            if let Ok((rest, _)) = split_members(&op, &rules) {
                let group = Resource::from_object(json!({"displayName": "G"}).as_object().unwrap().clone());
                if let Ok(patched) = apply(&GROUP, &group, &rest, &rules) {
                    assert_sound(&patched.resource);
                }
            }
        }
    }

    #[test]
    fn add_twice_is_once(path in name(), value in json()) {
        // An element added by one key and renamed with all others by the next is added anew each time.
        if value.to_string().contains("emails.value") {
            return Ok(());
        }
        let rules = Rules::default();
        let body = json!({"Operations": [{"op": "add", "path": path, "value": value}]});
        if let Ok(op) = PatchOp::parse(body, &rules)
            && let Ok(once) = apply(&USER, &person(), &op, &rules)
        {
            let twice = apply(&USER, &once.resource, &op, &rules).unwrap();
            prop_assert_eq!(twice.resource.as_object(), once.resource.as_object());
        }
    }

    #[test]
    fn printed_filters_match_the_same(text in filter_text(), full in full()) {
        let filter = filter::parse(&USER, &text, &Rules::default()).unwrap();
        let again = filter::parse(&USER, &filter.to_string(), &Rules::default()).unwrap();
        prop_assert_eq!(filter::matches(&USER, &filter, &full), filter::matches(&USER, &again, &full));
    }

    #[test]
    fn not_is_the_opposite(text in filter_text(), full in full()) {
        let plain = filter::parse(&USER, &text, &Rules::default()).unwrap();
        let negated = filter::parse(&USER, &format!("not ({text})"), &Rules::default()).unwrap();
        prop_assert_ne!(filter::matches(&USER, &plain, &full), filter::matches(&USER, &negated, &full));
    }
}

fn filter_text() -> impl Strategy<Value = String> {
    let attribute = prop::sample::select(vec![
        "userName",
        "title",
        "emails.value",
        "emails",
        "externalId",
        "name.familyName",
        "roles.value",
    ]);
    let op = prop::sample::select(vec!["eq", "Ne", "co", "sw", "ew", "gt", "ge", "lt", "LE"]);
    let word = prop::sample::select(vec!["a", "B", "ä", "", "ab", "A b"]);
    let leaf = (attribute, op, word).prop_map(|(attribute, op, word)| format!("{attribute} {op} \"{word}\""));
    let leaf = prop_oneof![
        4 => leaf,
        1 => Just("title pr".to_owned()),
        1 => Just("emails[type eq \"work\" and value co \"a\"]".to_owned()),
        1 => Just("active eq \"True\"".to_owned()),
    ];
    leaf.prop_recursive(3, 16, 2, |inner| {
        let joined = (inner.clone(), prop::sample::select(vec!["and", "OR"]), inner.clone());
        prop_oneof![
            joined.prop_map(|(left, op, right)| format!("({left}) {op} {right}")),
            inner.prop_map(|inner| format!("not ({inner})")),
        ]
    })
}

fn full() -> impl Strategy<Value = Object> {
    let word = || prop::sample::select(vec!["a", "A", "b", "Ä", "ab", "a B"]);
    (word(), prop::option::of(word()), prop::collection::vec((word(), prop::bool::ANY), 0..3), any::<bool>())
        .prop_map(|(user_name, title, emails, active)| {
            let emails: Vec<Value> = emails
                .iter()
                .map(|(value, work)| json!({"value": value, "type": if *work { "work" } else { "home" }}))
                .collect();
            let mut full =
                json!({"userName": user_name, "emails": emails, "active": active, "externalId": user_name});
            if let Some(title) = title {
                full["title"] = json!(title);
            }
            full.as_object().unwrap().clone()
        })
}
