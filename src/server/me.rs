//! `/Me` (RFC 7644 §3.11): the person to whom the token belongs. For any other token it is not implemented, as the RFC allows.

use axum::extract::State;
use axum::http::header;
use axum::response::Response;

use super::auth::Caller;
use super::extract::{Body, Conditions, Parameters};
use super::users::{self, Id};
use super::{App, Error, answers};
use crate::domain::PersonId;

/// `GET /Me`.
pub(super) async fn get(
    caller: Caller,
    app: State<App>,
    query: Parameters,
    conditions: Conditions,
) -> Result<Response, Error> {
    let id = person(&caller)?;
    let location = location(&caller, &id);
    Ok(located(users::get(caller, app, query, conditions, Id(id)).await?, &location))
}

/// `PUT /Me`.
pub(super) async fn replace(
    caller: Caller,
    app: State<App>,
    query: Parameters,
    conditions: Conditions,
    body: Body,
) -> Result<Response, Error> {
    let id = person(&caller)?;
    let location = location(&caller, &id);
    Ok(located(users::replace(caller, app, query, conditions, Id(id), body).await?, &location))
}

/// `PATCH /Me`.
pub(super) async fn patch(
    caller: Caller,
    app: State<App>,
    query: Parameters,
    conditions: Conditions,
    body: Body,
) -> Result<Response, Error> {
    let id = person(&caller)?;
    let location = location(&caller, &id);
    Ok(located(users::patch(caller, app, query, conditions, Id(id), body).await?, &location))
}

/// `DELETE /Me`.
pub(super) async fn delete(
    caller: Caller,
    app: State<App>,
    conditions: Conditions,
) -> Result<Response, Error> {
    let id = person(&caller)?;
    users::delete(caller, app, conditions, Id(id)).await
}

/// `POST /Me`: nobody registers himself here.
pub(super) async fn create(_: Caller) -> Error {
    Error::new(501, "Self-registration at /Me is not implemented; POST to /Users.")
}

fn person(caller: &Caller) -> Result<PersonId, Error> {
    caller.person.clone().ok_or_else(|| {
        Error::new(
            501,
            "/Me is implemented only for a token of a person (token create --person); use /Users/{id}.",
        )
    })
}

fn location(caller: &Caller, id: &PersonId) -> String {
    format!("{}/Users/{id}", caller.base)
}

/// RFC 7644 §3.11: every answer says where the resource really is.
fn located(response: Response, location: &str) -> Response {
    answers::with(response, header::LOCATION, location)
}
