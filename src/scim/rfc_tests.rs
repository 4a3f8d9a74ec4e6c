//! Walks the examples of RFC 7643 and RFC 7644 in `tests/rfc`, one file each.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::patch::{MemberChange, PatchOp, apply, member_matches, split_members};
use super::schema::{GROUP, ResourceType, USER};
use super::{Error, Member, Object, Resource, Rules, check, filter};

/// One example: what is there, what is asked, what comes of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    name: String,
    r#type: String,
    action: Action,
    #[serde(default)]
    given: Object,
    request: Value,
    expected: Option<Value>,
    error: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Create,
    Replace,
    Patch,
    Filter,
}

#[test]
fn rfc_examples() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rfc");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 40, "only {} examples", files.len());
    for file in files {
        let example: Example = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let outcome = example.outcome();
        let (expected, place) = (&example.expected, file.display());
        match outcome {
            Ok(value) => assert_eq!(Some(value), *expected, "{} ({place})", example.name),
            Err(error) => {
                let scim_type = error.scim_type.map(super::ScimType::as_str);
                let error_seen = json!({"status": error.status, "scimType": scim_type});
                assert_eq!(Some(error_seen), example.error, "{}: {error} ({place})", example.name);
            }
        }
    }
}

impl Example {
    fn outcome(&self) -> Result<Value, Error> {
        let ty: &ResourceType = if self.r#type == "User" { &USER } else { &GROUP };
        let rules = Rules::default();
        let mut given = self.given.clone();
        let mut members = ids(given.remove("members"));
        let stored = Resource::from_object(given);
        let request = self.request.clone();
        let resource = match self.action {
            Action::Filter => {
                let parsed = filter::parse(ty, request.as_str().unwrap(), &rules)?;
                return Ok(Value::Bool(filter::matches(ty, &parsed, stored.as_object())));
            }
            Action::Create | Action::Replace => {
                let listed = check::members(&request, &rules)?.unwrap_or_default();
                members = listed.into_iter().map(|member| member.id).collect();
                match self.action {
                    Action::Create => check::create(ty, request, &rules)?,
                    _ => check::replace(ty, &stored, request, &rules)?,
                }
            }
            Action::Patch => {
                let op = PatchOp::parse(request, &rules)?;
                assert_eq!(PatchOp::from_json(&op.to_json()), Ok(op.clone()), "{}", self.name);
                let (op, changes) =
                    if self.r#type == "Group" { split_members(&op, &rules)? } else { (op, Vec::new()) };
                let patched = apply(ty, &stored, &op, &rules)?;
                for change in changes {
                    apply_change(&mut members, change);
                }
                patched.resource
            }
        };
        let mut answer = resource.into_object();
        if self.r#type == "Group" {
            answer.insert("members".to_owned(), json!(members));
        }
        Ok(Value::Object(answer))
    }
}

fn ids(members: Option<Value>) -> Vec<String> {
    members.map(|members| serde_json::from_value(members).unwrap()).unwrap_or_default()
}

/// What the store does with a change of membership.
pub(super) fn apply_change(members: &mut Vec<String>, change: MemberChange) {
    let ids = |list: Vec<Member>| list.into_iter().map(|member| member.id);
    match change {
        MemberChange::Add(list) => {
            for id in ids(list) {
                if !members.contains(&id) {
                    members.push(id);
                }
            }
        }
        MemberChange::Remove(list) => members.retain(|id| !list.contains(id)),
        MemberChange::RemoveAll => members.clear(),
        MemberChange::RemoveWhere(filter) => members.retain(|id| !member_matches(&filter, id, None, false)),
        MemberChange::Replace(list) => *members = ids(list).collect(),
    }
}
