//! What `/Schemas` announces of an attribute is what happens to it, by POST, PUT, PATCH and in bulk.
//!
//! The attributes are read over HTTP; a new one is tested without a line here, unless it takes particular values only.

use ringcx_scim::scim::Compatibility;
use serde_json::{Map, Value, json};

use crate::support::{Answer, Setup, TestBridge};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const RINGCX: &str = "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// An announced attribute or sub-attribute.
struct Leaf {
    schema: String,
    holder: Value,
    sub: Option<Value>,
}

impl Leaf {
    fn announced(&self) -> &Value {
        self.sub.as_ref().unwrap_or(&self.holder)
    }

    fn is(&self, word: &str, value: &str) -> bool {
        self.announced()[word] == value
    }

    fn read_only(&self) -> bool {
        self.holder["mutability"] == "readOnly" || self.is("mutability", "readOnly")
    }

    /// The path of the attribute that a PATCH writes: a list as a whole, anything else by itself.
    fn path(&self) -> String {
        let name = self.holder["name"].as_str().unwrap();
        let start = if self.schema == USER { name.to_owned() } else { format!("{}:{name}", self.schema) };
        match &self.sub {
            Some(sub) if self.holder["multiValued"] == false => {
                format!("{start}.{}", sub["name"].as_str().unwrap())
            }
            _ => start,
        }
    }

    /// The path as a filter and a projection name it.
    fn full_path(&self) -> String {
        match &self.sub {
            Some(sub) if self.holder["multiValued"] == true => {
                format!("{}.{}", self.path(), sub["name"].as_str().unwrap())
            }
            _ => self.path(),
        }
    }

    /// What stands at [`Leaf::path`] when the leaf has this value.
    fn at_path(&self, value: &Value) -> Value {
        match (&self.sub, self.holder["multiValued"] == true) {
            (Some(sub), true) => json!([{sub["name"].as_str().unwrap(): value}]),
            _ => value.clone(),
        }
    }

    /// A body in which the leaf has this value.
    fn body(&self, name: &str, value: &Value) -> Value {
        let mut attributes = Map::new();
        let whole = match (&self.sub, self.holder["multiValued"] == true) {
            (Some(sub), false) => json!({sub["name"].as_str().unwrap(): value}),
            _ => self.at_path(value),
        };
        attributes.insert(self.holder["name"].as_str().unwrap().to_owned(), whole);
        let mut body = json!({"schemas": [USER], "userName": name});
        let target = body.as_object_mut().unwrap();
        if self.schema == USER {
            target.extend(attributes);
        } else {
            target.insert(self.schema.clone(), Value::Object(attributes));
        }
        body
    }

    /// The value of the leaf in an answer.
    fn value<'a>(&self, answer: &'a Value) -> Option<&'a Value> {
        let holder = if self.schema == USER { answer } else { answer.get(&self.schema)? };
        let value = holder.get(self.holder["name"].as_str().unwrap())?;
        let value = if self.holder["multiValued"] == true { value.get(0)? } else { value };
        match &self.sub {
            Some(sub) => value.get(sub["name"].as_str().unwrap()),
            None => Some(value),
        }
    }
}

async fn leaves(bridge: &TestBridge) -> Vec<Leaf> {
    let schemas = bridge.send("GET", "/Schemas", None).await.body;
    let mut leaves = Vec::new();
    for schema in schemas["Resources"].as_array().unwrap() {
        let id = schema["id"].as_str().unwrap();
        if ![USER, RINGCX, ENTERPRISE].contains(&id) {
            continue;
        }
        for holder in schema["attributes"].as_array().unwrap() {
            let subs = holder["subAttributes"].as_array();
            let of = |sub: Option<&Value>| Leaf {
                schema: id.to_owned(),
                holder: holder.clone(),
                sub: sub.cloned(),
            };
            match subs {
                None => leaves.push(of(None)),
                Some(subs) => leaves.extend(subs.iter().map(|sub| of(Some(sub)))),
            }
        }
    }
    leaves
}

/// Two values that the attribute takes. Those with an announced list, or a meaning in RingCX, are named here.
fn fitting(leaf: &Leaf) -> (Value, Value) {
    let text = |one: &str, other: &str| (json!(one), json!(other));
    match leaf.full_path().rsplit(':').next().unwrap() {
        "agentType" => text("SUPERVISOR", "AGENT"),
        "agentGroupName" => text("UK Agents", "US Agents"),
        "initialState" | "ghostRnaAction" => text("LUNCH", "AVAILABLE"),
        "persona" => text("none", "agent"),
        "agentRank" => (json!(12), json!(24)),
        "directExtension" | "phoneLoginPin" | "rcExtensionId" => text("900100200", "900100201"),
        "manualOutboundCallerId" | "defaultLoginDestination" | "altDefaultLoginDestination" => {
            text("+441632960960", "+441632960961")
        }
        "defaultDialGroup" => text("7001", "7002"),
        "manualOutboundQueue" => text("8101", "8102"),
        "roles.value" => text("ACCESS_AUDIT_LOG", "ACCESS_SIBLINGS"),
        "entitlements.value" => text("4711", "4712"),
        _ => match leaf.announced()["type"].as_str().unwrap() {
            "boolean" => (json!(true), json!(false)),
            "integer" => (json!(3), json!(4)),
            "binary" => text("QUFB", "QUJC"),
            "reference" => text("https://example.com/Aa", "https://example.com/Bb"),
            _ => text("Value-Aa", "Value-Bb"),
        },
    }
}

/// A value of another type, which nothing may take under `strict`.
fn unfitting(leaf: &Leaf) -> Value {
    match leaf.announced()["type"].as_str().unwrap() {
        "boolean" | "integer" => json!("maybe"),
        _ => json!({"x": 1}),
    }
}

fn patch(op: &str, path: &str, value: &Value) -> Value {
    let mut operation = json!({"op": op, "path": path});
    if op != "remove" {
        operation["value"] = value.clone();
    }
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]})
}

async fn bulk(bridge: &TestBridge, method: &str, path: &str, data: &Value) -> Value {
    let operation = json!({"method": method, "path": path, "bulkId": "b", "data": data});
    let body =
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [operation]});
    let answer = bridge.send("POST", "/Bulk", Some(&body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["Operations"][0].clone()
}

async fn strict() -> TestBridge {
    let policy = json!({"password_on_put": "omit", "assignment_shape": "ids", "allowed_roles": ["ACCESS_AUDIT_LOG", "ACCESS_SIBLINGS"],
        "allowed_rights_docs": [4711, 4712]});
    TestBridge::start(Setup { policy, compatibility: Compatibility::Strict, ..Setup::default() }).await
}

fn created(answer: &Answer, place: &str) -> String {
    assert_eq!(answer.status, 201, "{place}: {}", answer.text);
    format!("/Users/{}", answer.body["id"].as_str().unwrap())
}

fn refused(status: &Value, answer: &Value, kind: &str, place: &str) {
    assert_eq!((status, &answer["scimType"]), (&json!("400"), &json!(kind)), "{place}: {answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_announced_attribute_is_what_it_is_announced_to_be() {
    let bridge = strict().await;
    let all = leaves(&bridge).await;
    assert!(all.len() > 80, "{}", all.len());
    for (number, leaf) in all.iter().enumerate() {
        if leaf.full_path() == "userName" {
            continue;
        }
        let name = format!("truth-{number}@example.com");
        if leaf.read_only() {
            read_only(&bridge, leaf, &name).await;
        } else {
            writable(&bridge, leaf, &name).await;
        }
    }
    bridge.run_jobs().await;
}

/// Ignored in bodies (RFC 7644 §3.3), refused as the path of an operation (§3.5.2).
async fn read_only(bridge: &TestBridge, leaf: &Leaf, name: &str) {
    let (value, _) = fitting(leaf);
    let place = leaf.full_path();
    let made = bridge.send("POST", "/Users", Some(&leaf.body(name, &value))).await;
    let url = created(&made, &place);
    assert_ne!(leaf.value(&made.body), Some(&value), "{place}");
    let put = bridge.send("PUT", &url, Some(&leaf.body(name, &value))).await;
    assert_eq!(put.status, 200, "{place}: {}", put.text);
    assert_ne!(leaf.value(&put.body), Some(&value), "{place}");
    let operation = patch("replace", &leaf.path(), &leaf.at_path(&value));
    let answer = bridge.send("PATCH", &url, Some(&operation)).await;
    refused(&json!(answer.status.to_string()), &answer.body, "mutability", &place);
    let entry = bulk(bridge, "PATCH", &url, &operation).await;
    refused(&entry["status"], &entry["response"], "mutability", &place);
    assert_eq!(bridge.send("DELETE", &url, None).await.status, 204);
}

async fn writable(bridge: &TestBridge, leaf: &Leaf, name: &str) {
    let (one, other) = fitting(leaf);
    let place = leaf.full_path();
    let shown = |answer: &Value, value: &Value| {
        let expected = (leaf.is("returned", "default") || leaf.is("returned", "always")).then_some(value);
        assert_eq!(leaf.value(answer), expected, "{place}");
    };
    wrong_type(bridge, leaf, name).await;
    let made = bridge.send("POST", "/Users", Some(&leaf.body(name, &one))).await;
    let url = created(&made, &place);
    shown(&made.body, &one);
    let operation = patch("replace", &leaf.path(), &leaf.at_path(&other));
    let patched = bridge.send("PATCH", &url, Some(&operation)).await;
    assert_eq!(patched.status, 200, "{place}: {}", patched.text);
    shown(&patched.body, &other);
    let put = bridge.send("PUT", &url, Some(&leaf.body(name, &one))).await;
    assert_eq!(put.status, 200, "{place}: {}", put.text);
    shown(&put.body, &one);
    let entry = bulk(bridge, "PATCH", &url, &operation).await;
    assert_eq!(entry["status"], "200", "{place}: {entry}");
    shown(&bridge.send("GET", &url, None).await.body, &other);
    wrong_change(bridge, leaf, &url, name).await;
    shown(&bridge.send("GET", &url, None).await.body, &other);
    projected(bridge, leaf, &url, &other).await;
    compared(bridge, leaf, &url, &other).await;
    assert_eq!(bridge.send("DELETE", &url, None).await.status, 204, "{place}");
}

async fn wrong_type(bridge: &TestBridge, leaf: &Leaf, name: &str) {
    let place = leaf.full_path();
    let body = leaf.body(name, &unfitting(leaf));
    let answer = bridge.send("POST", "/Users", Some(&body)).await;
    refused(&json!(answer.status.to_string()), &answer.body, "invalidValue", &place);
    let entry = bulk(bridge, "POST", "/Users", &body).await;
    refused(&entry["status"], &entry["response"], "invalidValue", &place);
}

async fn wrong_change(bridge: &TestBridge, leaf: &Leaf, url: &str, name: &str) {
    let place = leaf.full_path();
    let wrong = unfitting(leaf);
    let answer = bridge.send("PUT", url, Some(&leaf.body(name, &wrong))).await;
    refused(&json!(answer.status.to_string()), &answer.body, "invalidValue", &place);
    let operation = patch("replace", &leaf.path(), &leaf.at_path(&wrong));
    let answer = bridge.send("PATCH", url, Some(&operation)).await;
    refused(&json!(answer.status.to_string()), &answer.body, "invalidValue", &place);
    let entry = bulk(bridge, "PATCH", url, &operation).await;
    refused(&entry["status"], &entry["response"], "invalidValue", &place);
}

/// `returned` (RFC 7643 §7): by default unless excluded, never whatever is asked.
async fn projected(bridge: &TestBridge, leaf: &Leaf, url: &str, value: &Value) {
    let place = leaf.full_path();
    let only = bridge.send("GET", &format!("{url}?attributes={place}"), None).await.body;
    let without = bridge.send("GET", &format!("{url}?excludedAttributes={place}"), None).await.body;
    let never = leaf.is("returned", "never");
    assert_eq!(leaf.value(&only), (!never).then_some(value), "{place}");
    assert_eq!(leaf.value(&without), None, "{place}");
    assert!(only.get("id").is_some() && only.get("meta").is_none(), "{place}: {only}");
}

/// `caseExact` decides how texts compare; nothing is found by what is never shown.
async fn compared(bridge: &TestBridge, leaf: &Leaf, url: &str, value: &Value) {
    let place = leaf.full_path();
    let literal = match value {
        Value::String(text) => {
            let swapped =
                |c: char| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            format!("\"{}\"", text.chars().map(swapped).collect::<String>())
        }
        other => other.to_string(),
    };
    let id = url.rsplit('/').next().unwrap();
    let filter = format!("id eq \"{id}\" and {place} eq {literal}");
    let answer = bridge.send("GET", &format!("/Users?filter={filter}"), None).await;
    if leaf.is("returned", "never") {
        refused(&json!(answer.status.to_string()), &answer.body, "invalidFilter", &place);
        return;
    }
    let written = value.to_string();
    let same = literal == written;
    let found = same || leaf.announced()["caseExact"] == false;
    assert_eq!(answer.body["totalResults"], u64::from(found), "{filter}: {}", answer.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_required_and_unique_is_so_everywhere() {
    let bridge = strict().await;
    for (schema, endpoint, name) in [(USER, "/Users", "userName"), (GROUP, "/Groups", "displayName")] {
        let announced = bridge.send("GET", &format!("/Schemas/{schema}"), None).await.body;
        let attributes = announced["attributes"].as_array().unwrap();
        let marked = |word: &str, value: Value| -> Vec<&str> {
            attributes.iter().filter(|it| it[word] == value).map(|it| it["name"].as_str().unwrap()).collect()
        };
        assert_eq!(
            (marked("required", json!(true)), marked("uniqueness", json!("server"))),
            (vec![name], vec![name])
        );
        let body = |value: Value| json!({"schemas": [schema], name: value});
        let made = bridge.send("POST", endpoint, Some(&body(json!("Some@Example.com")))).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let url = format!("{endpoint}/{}", made.body["id"].as_str().unwrap());
        let second = bridge.send("POST", endpoint, Some(&body(json!("other@example.com")))).await;
        let second = format!("{endpoint}/{}", second.body["id"].as_str().unwrap());
        for missing in [json!({"schemas": [schema]}), body(json!(null)), body(json!(" "))] {
            for (method, path) in [("POST", endpoint), ("PUT", url.as_str())] {
                let answer = bridge.send(method, path, Some(&missing)).await;
                refused(
                    &json!(answer.status.to_string()),
                    &answer.body,
                    "invalidValue",
                    &format!("{method} {missing}"),
                );
                let entry = bulk(&bridge, method, path, &missing).await;
                refused(
                    &entry["status"],
                    &entry["response"],
                    "invalidValue",
                    &format!("bulk {method} {missing}"),
                );
            }
        }
        let remove = patch("remove", name, &Value::Null);
        let answer = bridge.send("PATCH", &url, Some(&remove)).await;
        refused(&json!(answer.status.to_string()), &answer.body, "invalidValue", name);
        // `caseExact` false: the same name in other letters is the same name.
        let taken = body(json!("SOME@example.COM"));
        let rename = patch("replace", name, &json!("sOME@example.com"));
        for (method, path, data) in
            [("POST", endpoint, &taken), ("PUT", second.as_str(), &taken), ("PATCH", &second, &rename)]
        {
            let answer = bridge.send(method, path, Some(data)).await;
            assert_eq!(
                (answer.status, &answer.body["scimType"]),
                (409, &json!("uniqueness")),
                "{method}: {}",
                answer.text
            );
            let entry = bulk(&bridge, method, path, data).await;
            assert_eq!(
                (&entry["status"], &entry["response"]["scimType"]),
                (&json!("409"), &json!("uniqueness"))
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_immutable_and_can_only_come_and_go() {
    let bridge = strict().await;
    let user =
        bridge.send("POST", "/Users", Some(&json!({"schemas": [USER], "userName": "jo@example.com"}))).await;
    let id = user.body["id"].as_str().unwrap();
    let body = json!({"schemas": [GROUP], "displayName": "G", "members": [{"value": id, "display": "Jo"}]});
    let group = bridge.send("POST", "/Groups", Some(&body)).await;
    let url = format!("/Groups/{}", group.body["id"].as_str().unwrap());
    let announced = bridge.send("GET", &format!("/Schemas/{GROUP}"), None).await.body;
    let members =
        announced["attributes"].as_array().unwrap().iter().find(|it| it["name"] == "members").unwrap();
    for sub in members["subAttributes"].as_array().unwrap() {
        assert_eq!(sub["mutability"], "immutable");
        let path = format!("members[value eq \"{id}\"].{}", sub["name"].as_str().unwrap());
        let operation = patch("replace", &path, &json!("x"));
        let answer = bridge.send("PATCH", &url, Some(&operation)).await;
        refused(&json!(answer.status.to_string()), &answer.body, "mutability", &path);
        let entry = bulk(&bridge, "PATCH", &url, &operation).await;
        refused(&entry["status"], &entry["response"], "mutability", &path);
    }
    for wrong in [json!("x"), json!([7]), json!([{"display": "Jo"}])] {
        let body = json!({"schemas": [GROUP], "displayName": "H", "members": wrong});
        let answer = bridge.send("POST", "/Groups", Some(&body)).await;
        refused(&json!(answer.status.to_string()), &answer.body, "invalidValue", "members");
    }
    let shown = bridge.send("GET", &url, None).await.body;
    assert_eq!(
        (shown["members"][0]["value"].as_str(), &shown["members"][0]["display"]),
        (Some(id), &json!("Jo"))
    );
    bridge.run_jobs().await;
}
