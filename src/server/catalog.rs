//! `/Roles/{id}`, `/Entitlements/{id}` and `/AgentGroups/{id}`: what the tenant has to give, to be read only.

use axum::extract::State;
use axum::response::Response;

use super::auth::Caller;
use super::discovery::Id;
use super::extract::{Conditions, Parameters};
use super::parts::offer_object;
use super::{App, Error, answers};
use crate::scim;
use crate::scim::list::ListQuery;
use crate::scim::project::Projection;
use crate::scim::schema::{AGENT_GROUP, ENTITLEMENT, ROLE, ResourceType};

/// `GET /Roles/{id}`.
pub(super) async fn role(
    caller: Caller,
    State(app): State<App>,
    Parameters(query): Parameters,
    conditions: Conditions,
    Id(id): Id,
) -> Result<Response, Error> {
    one(&app, &caller, &ROLE, &id, &query, &conditions)
}

/// `GET /Entitlements/{id}`.
pub(super) async fn entitlement(
    caller: Caller,
    State(app): State<App>,
    Parameters(query): Parameters,
    conditions: Conditions,
    Id(id): Id,
) -> Result<Response, Error> {
    one(&app, &caller, &ENTITLEMENT, &id, &query, &conditions)
}

/// `GET /AgentGroups/{id}`.
pub(super) async fn agent_group(
    caller: Caller,
    State(app): State<App>,
    Parameters(query): Parameters,
    conditions: Conditions,
    Id(id): Id,
) -> Result<Response, Error> {
    one(&app, &caller, &AGENT_GROUP, &id, &query, &conditions)
}

fn one(
    app: &App,
    caller: &Caller,
    ty: &ResourceType,
    id: &str,
    query: &ListQuery,
    conditions: &Conditions,
) -> Result<Response, Error> {
    let offers = app.reconciler.offers(&caller.tenant, ty);
    let offer = offers.iter().find(|offer| offer.id == id);
    let offer = offer.ok_or_else(|| scim::Error::not_found(ty.name, id))?;
    let projection =
        Projection::parse(ty, query.attributes.as_deref(), query.excluded_attributes.as_deref())?;
    let shown = projection.apply(ty, offer_object(&caller.base, ty, offer));
    Ok(answers::tagged(shown, conditions))
}
