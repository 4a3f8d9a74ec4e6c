//! `/Users`.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use tokio::time::Instant;

use super::answers::{self, Shown};
use super::auth::Caller;
use super::extract::{Body, Conditions, Parameters};
use super::{App, Error};
use crate::domain::{PersonId, answer};
use crate::reconcile::{Begun, Change, Outcome};
use crate::scim::list::ListQuery;
use crate::scim::patch::PatchOp;
use crate::scim::project::Projection;
use crate::scim::{self, check, schema::USER};
use crate::store::search::FoundPerson;
use crate::store::{members, people};

/// `GET /Users/{id}` (RFC 7644 §3.4.1).
pub(super) async fn get(
    caller: Caller,
    State(app): State<App>,
    Parameters(query): Parameters,
    conditions: Conditions,
    Id(id): Id,
) -> Result<Response, Error> {
    let shown = show(&app, &caller, &id, &query).await?;
    if conditions.is_current(&shown.etag) {
        return Ok(answers::with(answers::empty(StatusCode::NOT_MODIFIED), header::ETAG, &shown.etag));
    }
    Ok(respond(StatusCode::OK, shown))
}

/// `POST /Users` (RFC 7644 §3.3): answers once RingCX has agreed, refused, or shown that it cannot answer in time.
pub(super) async fn create(
    caller: Caller,
    State(app): State<App>,
    Parameters(query): Parameters,
    Body(body): Body,
) -> Result<Response, Error> {
    let new = check::create(&USER, body, &caller.rules)?;
    crate::fuse::snap("handler", new.text("userName").unwrap_or_default());
    let begun = app.reconciler.create(&caller.tenant, &caller.actor, new).await?;
    let id = conclude(&app, &caller, begun).await?;
    let shown = show(&app, &caller, &id, &query).await?;
    let location = shown.location.clone();
    Ok(answers::with(respond(StatusCode::CREATED, shown), header::LOCATION, &location))
}

/// `PUT /Users/{id}` (RFC 7644 §3.5.1).
pub(super) async fn replace(
    caller: Caller,
    State(app): State<App>,
    Parameters(query): Parameters,
    conditions: Conditions,
    Id(id): Id,
    Body(body): Body,
) -> Result<Response, Error> {
    let if_match = conditions.if_match.as_deref();
    let change = Change::Put(body);
    let begun = app.reconciler.change(&caller.tenant, &caller.actor, &id, change, if_match).await?;
    let id = conclude(&app, &caller, begun).await?;
    Ok(respond(StatusCode::OK, show(&app, &caller, &id, &query).await?))
}

/// `PATCH /Users/{id}` (RFC 7644 §3.5.2): 200 with the resource, which Okta and Microsoft's validator read.
pub(super) async fn patch(
    caller: Caller,
    State(app): State<App>,
    Parameters(query): Parameters,
    conditions: Conditions,
    Id(id): Id,
    Body(body): Body,
) -> Result<Response, Error> {
    let op = operations(&app, body, &caller)?;
    let if_match = conditions.if_match.as_deref();
    let change = Change::Patch(op);
    let begun = app.reconciler.change(&caller.tenant, &caller.actor, &id, change, if_match).await?;
    let id = conclude(&app, &caller, begun).await?;
    Ok(respond(StatusCode::OK, show(&app, &caller, &id, &query).await?))
}

/// `DELETE /Users/{id}` (RFC 7644 §3.6).
pub(super) async fn delete(
    caller: Caller,
    State(app): State<App>,
    conditions: Conditions,
    Id(id): Id,
) -> Result<Response, Error> {
    let if_match = conditions.if_match.as_deref();
    let begun = app.reconciler.delete(&caller.tenant, &caller.actor, &id, if_match).await?;
    if begun.waits() {
        caller.answering.waits();
    }
    match app.reconciler.conclude(&caller.tenant, begun, deadline(&app)).await? {
        Outcome::Gone => Ok(answers::empty(StatusCode::NO_CONTENT)),
        other => settled(other).map(|_| answers::empty(StatusCode::NO_CONTENT)),
    }
}

/// The id in a path.
pub(super) struct Id(pub(super) PersonId);

impl axum::extract::FromRequestParts<App> for Id {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, app: &App) -> Result<Self, Error> {
        Ok(Self(PersonId::from(path_id(parts, app).await?)))
    }
}

/// The last segment of a resource's path, decoded.
pub(super) async fn path_id(parts: &mut axum::http::request::Parts, app: &App) -> Result<String, Error> {
    use axum::extract::FromRequestParts;
    let path = Path::<std::collections::HashMap<String, String>>::from_request_parts(parts, app).await;
    let mut path = path.map_err(|_| Error::new(404, "The id in the path cannot be decoded."))?.0;
    Ok(path.remove("id").unwrap_or_default())
}

/// Reads a PATCH body of reasonable length.
pub(super) fn operations(app: &App, body: serde_json::Value, caller: &Caller) -> Result<PatchOp, Error> {
    let op = PatchOp::parse(body, &caller.rules)?;
    let most = app.settings.max_operations;
    if op.len() > most {
        return Err(Error::new(
            413,
            format!("The PATCH has {} operations; send {most} at most at a time.", op.len()),
        ));
    }
    Ok(op)
}

fn projection(query: &ListQuery) -> Result<Projection, Error> {
    Ok(Projection::parse(&USER, query.attributes.as_deref(), query.excluded_attributes.as_deref())?)
}

async fn conclude(app: &App, caller: &Caller, begun: Begun) -> Result<PersonId, Error> {
    if begun.waits() {
        caller.answering.waits();
    }
    settled(app.reconciler.conclude(&caller.tenant, begun, deadline(app)).await?)
}

/// When a request stops waiting for RingCX.
pub(super) fn deadline(app: &App) -> Instant {
    Instant::now() + app.settings.settle_timeout.as_duration()
}

async fn show(app: &App, caller: &Caller, id: &PersonId, query: &ListQuery) -> Result<Shown, Error> {
    let projection = projection(query)?;
    let (tenant, wanted) = (caller.tenant.clone(), id.clone());
    let found = app
        .store
        .read(move |tx| {
            let Some(person) = people::get(tx, &tenant, &wanted)? else { return Ok(None) };
            let groups = members::groups_of_person(tx, &tenant, &wanted)?;
            Ok::<_, crate::store::Error>(Some(FoundPerson { person, groups }))
        })
        .await?;
    let found = found.ok_or_else(|| scim::Error::not_found("User", id.as_str()))?;
    Ok(answers::user(&caller.base, &found, &projection, &USER))
}

/// The version of a person.
pub(super) async fn version(app: &App, caller: &Caller, id: &PersonId) -> Result<String, Error> {
    let (tenant, wanted) = (caller.tenant.clone(), id.clone());
    let found = app
        .store
        .read(move |tx| {
            let Some(person) = people::get(tx, &tenant, &wanted)? else { return Ok(None) };
            let groups = members::groups_of_person(tx, &tenant, &wanted)?;
            Ok::<_, crate::store::Error>(Some(answer::user_etag(person.version, &groups)))
        })
        .await?;
    found.ok_or_else(|| scim::Error::not_found("User", id.as_str()).into())
}

fn respond(status: StatusCode, shown: Shown) -> Response {
    answers::with(answers::json(status, shown.text), header::ETAG, &shown.etag)
}

/// The person of a write that has succeeded.
pub(super) fn settled(outcome: Outcome) -> Result<PersonId, Error> {
    match outcome {
        Outcome::Settled(id) => Ok(id),
        Outcome::Gone => Err(Error::new(404, "The user was deleted meanwhile.")),
        Outcome::Rejected(error) => Err(error.into()),
        Outcome::Busy { after, detail } => Err(Error::slow_down(after, detail)),
        Outcome::Unavailable { after, detail } => Err(Error::unavailable(after, detail)),
    }
}
