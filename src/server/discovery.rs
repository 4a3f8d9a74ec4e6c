//! What the server says about itself (RFC 7644 §4).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::answers;
use super::auth::Caller;
use super::extract::{Conditions, Parameters};
use super::users::path_id;
use super::{App, Error};
use crate::scim::discovery::{self, Limits};
use crate::scim::{self, list};

/// `GET /ServiceProviderConfig`.
pub(super) async fn config(
    caller: Caller,
    _: Unfiltered,
    conditions: Conditions,
    State(app): State<App>,
) -> Response {
    let limits = Limits {
        max_results: app.settings.max_results,
        cursor_timeout: app.settings.cursor_timeout.as_duration().as_secs(),
        max_operations: app.settings.max_bulk_operations as u64,
        max_payload_size: app.settings.max_body_bytes as u64,
    };
    one(discovery::service_provider_config(&caller.base, &limits), &conditions)
}

/// `GET /ResourceTypes`.
pub(super) async fn resource_types(caller: Caller, _: Unfiltered) -> Response {
    all(discovery::resource_types(&caller.base, caller.rules.compatibility))
}

/// `GET /ResourceTypes/{id}`.
pub(super) async fn resource_type(
    caller: Caller,
    _: Unfiltered,
    conditions: Conditions,
    Id(id): Id,
) -> Result<Response, Error> {
    pick(
        discovery::resource_types(&caller.base, caller.rules.compatibility),
        "ResourceType",
        &id,
        &conditions,
    )
}

/// `GET /Schemas`.
pub(super) async fn schemas(caller: Caller, _: Unfiltered) -> Response {
    all(discovery::schemas(&caller.base))
}

/// `GET /Schemas/{urn}`.
pub(super) async fn schema(
    caller: Caller,
    _: Unfiltered,
    conditions: Conditions,
    Id(id): Id,
) -> Result<Response, Error> {
    pick(discovery::schemas(&caller.base), "Schema", &id, &conditions)
}

/// The id in a path.
pub(super) struct Id(pub(super) String);

impl axum::extract::FromRequestParts<App> for Id {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, app: &App) -> Result<Self, Error> {
        Ok(Self(path_id(parts, app).await?))
    }
}

/// A request that does not filter what the server says about itself: that is forbidden (RFC 7644 §4).
pub(super) struct Unfiltered;

impl axum::extract::FromRequestParts<App> for Unfiltered {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, app: &App) -> Result<Self, Error> {
        let Parameters(query) = Parameters::from_request_parts(parts, app).await?;
        if query.filter.is_some() {
            return Err(Error::new(
                403,
                "What the server says about itself cannot be filtered; leave filter out.",
            ));
        }
        Ok(Self)
    }
}

fn one(value: Value, conditions: &Conditions) -> Response {
    match value {
        Value::Object(object) => answers::tagged(object, conditions),
        other => answers::json(StatusCode::OK, other.to_string()),
    }
}

fn all(resources: Vec<Value>) -> Response {
    let texts = resources.into_iter().filter_map(|resource| match resource {
        Value::Object(object) => Some(answers::versioned(object).1),
        _ => None,
    });
    let texts: Vec<String> = texts.collect();
    let shown: Vec<&str> = texts.iter().map(String::as_str).collect();
    answers::json(StatusCode::OK, list::page(shown.len() as u64, Some(1), None, &shown))
}

fn pick(resources: Vec<Value>, what: &str, id: &str, conditions: &Conditions) -> Result<Response, Error> {
    let named =
        |value: &Value| value.get("id").and_then(Value::as_str).is_some_and(|it| it.eq_ignore_ascii_case(id));
    let found = resources.into_iter().find(named);
    found.map(|value| one(value, conditions)).ok_or_else(|| scim::Error::not_found(what, id).into())
}
