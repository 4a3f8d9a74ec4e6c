//! What a record for the auditor says in detail: before and after of what changed, and never a secret.

use serde_json::{Map, Value, json};

use crate::scim::Resource;

/// Stands where a secret was.
const SECRET: &str = "***";

/// Whether a field holds a secret, by its name: passwords, PINs, tokens.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "secret", "token"].iter().any(|it| name.contains(it)) || name.ends_with("pin")
}

/// Before and after of the fields that differ; those of an extension one by one.
pub(super) fn differences(before: &Map<String, Value>, after: &Map<String, Value>) -> Value {
    let mut changes = Map::new();
    compare("", before, after, &mut changes);
    Value::Object(changes)
}

/// The same for a resource; nothing before stands for one that is new.
pub(super) fn fields_changed(before: Option<&Resource>, after: &Resource) -> Value {
    let before = before.map(|it| it.clone().into_object()).unwrap_or_default();
    differences(&before, &after.clone().into_object())
}

fn compare(
    path: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    changes: &mut Map<String, Value>,
) {
    let empty = Map::new();
    for name in before.keys().chain(after.keys().filter(|name| !before.contains_key(*name))) {
        let (old, new) = (before.get(name), after.get(name));
        if old == new {
            continue;
        }
        let inner = |value: Option<&Value>| value.is_none_or(Value::is_object) && name.starts_with("urn:");
        if inner(old) && inner(new) {
            let (old, new) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
            compare(&format!("{name}:"), old.unwrap_or(&empty), new.unwrap_or(&empty), changes);
            continue;
        }
        let shown = |value: Option<&Value>| value.map(|value| redacted(name, value));
        changes.insert(format!("{path}{name}"), json!({"before": shown(old), "after": shown(new)}));
    }
}

/// The value of a field without the secrets in it.
fn redacted(name: &str, value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        _ if is_secret(name) => json!(SECRET),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), redacted(name, value))).collect()
        }
        Value::Array(items) => items.iter().map(|item| redacted(name, item)).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_shown_and_secrets_never() {
        let object = |value: Value| value.as_object().cloned().unwrap_or_default();
        let before = object(json!({
            "userName": "jo", "title": "x", "urn:a": {"phoneLoginPin": "1", "team": "a", "same": 1},
            "credentials": [{"password": "old", "kind": "p"}],
        }));
        let after = object(json!({
            "userName": "jo", "active": true, "urn:a": {"phoneLoginPin": "2", "team": "b", "same": 1},
            "credentials": [{"password": "new", "kind": "p"}], "apiToken": "t", "opinion": "good",
        }));
        let hidden = json!([{"password": "***", "kind": "p"}]);
        let expected = json!({
            "title": {"before": "x", "after": null},
            "active": {"before": null, "after": true},
            "urn:a:phoneLoginPin": {"before": "***", "after": "***"},
            "urn:a:team": {"before": "a", "after": "b"},
            "credentials": {"before": hidden, "after": hidden},
            "apiToken": {"before": null, "after": "***"},
            "opinion": {"before": null, "after": "good"},
        });
        assert_eq!(differences(&before, &after), expected);
        assert_eq!(differences(&before, &before), json!({}));
    }
}
