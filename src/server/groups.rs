//! `/Groups`. Answers never wait for RingCX: what follows from a membership is the worker's.

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::Response;

use super::answers::{self, Shown};
use super::auth::Caller;
use super::extract::{Body, Conditions, Parameters};
use super::users::{operations, path_id};
use super::{App, Error, metrics};
use crate::domain::{GroupId, answer};
use crate::reconcile::GroupWritten;
use crate::scim::list::ListQuery;
use crate::scim::project::Projection;
use crate::scim::{self, check, schema::GROUP};
use crate::store::search::FoundGroup;
use crate::store::{groups, members};

/// Names the ids that a write named as members and that name nobody here.
static X_SKIPPED_MEMBERS: HeaderName = HeaderName::from_static("x-skipped-members");

/// Ids in that header, at most.
const SKIPPED_SHOWN: usize = 20;

/// `GET /Groups/{id}` (RFC 7644 §3.4.1).
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
    Ok(answers::with(answers::json(StatusCode::OK, shown.text), header::ETAG, &shown.etag))
}

/// `POST /Groups` (RFC 7644 §3.3).
pub(super) async fn create(
    caller: Caller,
    State(app): State<App>,
    Parameters(query): Parameters,
    Body(body): Body,
) -> Result<Response, Error> {
    let wanted = check::members(&body, &caller.rules)?.unwrap_or_default();
    let new = check::create(&GROUP, body, &caller.rules)?;
    let written = app.reconciler.create_group(&caller.tenant, &caller.actor, new, wanted).await?;
    let shown = show(&app, &caller, &written.id, &query).await?;
    let location = shown.location.clone();
    Ok(answers::with(respond(&caller, StatusCode::CREATED, shown, &written), header::LOCATION, &location))
}

/// `PUT /Groups/{id}` (RFC 7644 §3.5.1).
pub(super) async fn replace(
    caller: Caller,
    State(app): State<App>,
    Parameters(query): Parameters,
    conditions: Conditions,
    Id(id): Id,
    Body(body): Body,
) -> Result<Response, Error> {
    let if_match = conditions.if_match.as_deref();
    let written = app.reconciler.replace_group(&caller.tenant, &caller.actor, &id, body, if_match).await?;
    Ok(respond(&caller, StatusCode::OK, show(&app, &caller, &id, &query).await?, &written))
}

/// `PATCH /Groups/{id}` (RFC 7644 §3.5.2): 204, or 200 with the resource when attributes are asked for.
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
    let written = app.reconciler.patch_group(&caller.tenant, &caller.actor, &id, op, if_match).await?;
    if query.attributes.is_some() {
        return Ok(respond(&caller, StatusCode::OK, show(&app, &caller, &id, &query).await?, &written));
    }
    Ok(skipped(&caller, answers::empty(StatusCode::NO_CONTENT), &written))
}

/// `DELETE /Groups/{id}` (RFC 7644 §3.6).
pub(super) async fn delete(
    caller: Caller,
    State(app): State<App>,
    conditions: Conditions,
    Id(id): Id,
) -> Result<Response, Error> {
    let if_match = conditions.if_match.as_deref();
    app.reconciler.delete_group(&caller.tenant, &caller.actor, &id, if_match).await?;
    Ok(answers::empty(StatusCode::NO_CONTENT))
}

/// The id in a path.
pub(super) struct Id(GroupId);

impl axum::extract::FromRequestParts<App> for Id {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, app: &App) -> Result<Self, Error> {
        Ok(Self(GroupId::from(path_id(parts, app).await?)))
    }
}

fn projection(query: &ListQuery) -> Result<Projection, Error> {
    Ok(Projection::parse(&GROUP, query.attributes.as_deref(), query.excluded_attributes.as_deref())?)
}

async fn show(app: &App, caller: &Caller, id: &GroupId, query: &ListQuery) -> Result<Shown, Error> {
    let projection = projection(query)?;
    let (tenant, wanted, with_members) = (caller.tenant.clone(), id.clone(), projection.wants("members"));
    let found = app
        .store
        .read(move |tx| {
            let Some(group) = groups::get(tx, &tenant, &wanted)? else { return Ok(None) };
            let members = if with_members { Some(members::of_group(tx, &tenant, &wanted)?) } else { None };
            Ok::<_, crate::store::Error>(Some(FoundGroup { group, members }))
        })
        .await?;
    let found = found.ok_or_else(|| scim::Error::not_found("Group", id.as_str()))?;
    Ok(answers::group(&caller.base, &found, &projection, &GROUP))
}

/// The version of a group.
pub(super) async fn version(app: &App, caller: &Caller, id: &GroupId) -> Result<String, Error> {
    let (tenant, wanted) = (caller.tenant.clone(), id.clone());
    let found = app.store.read(move |tx| groups::get(tx, &tenant, &wanted)).await?;
    let version = found.map(|group| answer::group_etag(group.version));
    version.ok_or_else(|| scim::Error::not_found("Group", id.as_str()).into())
}

/// Counts the members that a write named and nobody has.
pub(super) fn count_skipped(caller: &Caller, written: &GroupWritten) {
    if !written.skipped.is_empty() {
        metrics::skipped_members(caller.tenant.to_string(), written.skipped.len());
    }
}

fn respond(caller: &Caller, status: StatusCode, shown: Shown, written: &GroupWritten) -> Response {
    skipped(caller, answers::with(answers::json(status, shown.text), header::ETAG, &shown.etag), written)
}

fn skipped(caller: &Caller, response: Response, written: &GroupWritten) -> Response {
    if written.skipped.is_empty() {
        return response;
    }
    count_skipped(caller, written);
    let mut ids: Vec<&str> = written.skipped.iter().take(SKIPPED_SHOWN).map(String::as_str).collect();
    if written.skipped.len() > SKIPPED_SHOWN {
        ids.push("...");
    }
    answers::with(response, X_SKIPPED_MEMBERS.clone(), &ids.join(", "))
}
