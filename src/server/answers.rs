//! Answers: resources and lists as responses.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::extract::Conditions;
use crate::domain::answer::{self, Meta};
use crate::scim::Object;
use crate::scim::project::Projection;
use crate::scim::schema::ResourceType;
use crate::store::search::{FoundGroup, FoundPerson};

/// The media type of every answer (RFC 7644 §3.1).
pub(super) const SCIM_JSON: HeaderValue = HeaderValue::from_static("application/scim+json");

/// A response with a body of SCIM JSON.
pub(super) fn json(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, SCIM_JSON);
    response
}

/// A resource that has no row of its own, with a version made of its text; 304 when the client has it already.
pub(super) fn tagged(object: Object, conditions: &Conditions) -> Response {
    let (etag, text) = versioned(object);
    if conditions.is_current(&etag) {
        return with(empty(StatusCode::NOT_MODIFIED), header::ETAG, &etag);
    }
    with(json(StatusCode::OK, text), header::ETAG, &etag)
}

/// The version of such a resource, and its text with the version in it.
pub(super) fn versioned(mut object: Object) -> (String, String) {
    let etag = answer::text_etag(&to_text(object.clone()));
    if let Some(meta) = object.get_mut("meta").and_then(serde_json::Value::as_object_mut) {
        meta.insert("version".to_owned(), serde_json::Value::from(etag.as_str()));
    }
    (etag, to_text(object))
}

/// A response without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Adds a header, if its value can be one.
pub(super) fn with(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// A person as text, its version, and where it is.
pub(super) struct Shown {
    pub(super) text: String,
    pub(super) etag: String,
    pub(super) location: String,
}

/// A person as the client wants to see them; without a projection nothing is parsed.
pub(super) fn user(base: &str, found: &FoundPerson, projection: &Projection, ty: &ResourceType) -> Shown {
    let FoundPerson { person, groups } = found;
    let etag = answer::user_etag(person.version, groups);
    let meta = Meta { base, created: person.created, modified: person.modified, version: &etag };
    let text = if projection.is_all() {
        answer::user_text(&person.answer, groups, &meta)
    } else {
        to_text(projection.apply(ty, answer::user_object(&person.answer, &person.id, groups, &meta)))
    };
    Shown { text, location: format!("{base}/Users/{}", person.id), etag }
}

/// A person as a filter sees them.
pub(super) fn user_object(base: &str, found: &FoundPerson) -> Object {
    let FoundPerson { person, groups } = found;
    let etag = answer::user_etag(person.version, groups);
    let meta = Meta { base, created: person.created, modified: person.modified, version: &etag };
    answer::user_object(&person.answer, &person.id, groups, &meta)
}

/// A group as a filter sees it.
pub(super) fn group_object(base: &str, found: &FoundGroup) -> Object {
    let group = &found.group;
    let etag = answer::group_etag(group.version);
    let meta = Meta { base, created: group.created, modified: group.modified, version: &etag };
    let body = crate::scim::Resource::from_json(&group.body).unwrap_or_default();
    answer::group_object(
        &group.id,
        &body,
        found.members.as_deref().filter(|members| !members.is_empty()),
        &meta,
    )
}

/// A group as the client wants to see it.
pub(super) fn group(base: &str, found: &FoundGroup, projection: &Projection, ty: &ResourceType) -> Shown {
    let text = to_text(projection.apply(ty, group_object(base, found)));
    let etag = answer::group_etag(found.group.version);
    Shown { text, location: format!("{base}/Groups/{}", found.group.id), etag }
}

fn to_text(object: Object) -> String {
    serde_json::Value::Object(object).to_string()
}
