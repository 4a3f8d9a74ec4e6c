//! Queries over one type of resource or several: filter, order, page (RFC 7644 §3.4.2, §3.4.3, RFC 9865).
//!
//! `parts` knows how the resources of one type are found; here is what is the same for all, and how several types become one
//! list: one after another, or merged where an order is asked for.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::auth::Caller;
use super::cursor::{self, Mark};
use super::extract::{Body, Parameters};
use super::parts::{Item, Listed, Part};
use super::{App, Error, answers};
use crate::scim::filter;
use crate::scim::list::{ListQuery, Paging};
use crate::scim::schema::{AGENT_GROUP, ENTITLEMENT, GROUP, ROLE, ResourceType, USER, announced};
use crate::scim::{self, list};
use crate::store::search::{Place, Window};

/// `GET /` and its kin: a query over all types (RFC 7644 §3.4.2.1).
pub(super) async fn everything(
    caller: Caller,
    State(app): State<App>,
    Parameters(query): Parameters,
) -> Result<Response, Error> {
    respond(&app, &caller, announced(caller.rules.compatibility), &query).await
}

/// Declares a handler for `GET` of a collection and one for `POST .search`.
macro_rules! collection {
    ($(#[$doc:meta])* $list:ident, $search:ident, $types:expr) => {
        $(#[$doc])*
        pub(super) async fn $list(
            caller: Caller,
            State(app): State<App>,
            Parameters(query): Parameters,
        ) -> Result<Response, Error> {
            respond(&app, &caller, $types, &query).await
        }

        /// The same by `POST` (RFC 7644 §3.4.3).
        pub(super) async fn $search(
            caller: Caller,
            State(app): State<App>,
            Body(body): Body,
        ) -> Result<Response, Error> {
            let query = ListQuery::from_search(&body, app.settings.max_results, &caller.rules)?;
            respond(&app, &caller, $types, &query).await
        }
    };
}

collection!(
    /// `GET /Users`.
    users, search_users, &[&USER]
);
collection!(
    /// `GET /Groups`.
    groups, search_groups, &[&GROUP]
);
collection!(
    /// `GET /Roles`.
    roles, search_roles, &[&ROLE]
);
collection!(
    /// `GET /Entitlements`.
    entitlements, search_entitlements, &[&ENTITLEMENT]
);
collection!(
    /// `GET /AgentGroups`.
    agent_groups, search_agent_groups, &[&AGENT_GROUP]
);

/// `POST /.search` at the root.
pub(super) async fn search_everything(
    caller: Caller,
    State(app): State<App>,
    Body(body): Body,
) -> Result<Response, Error> {
    let query = ListQuery::from_search(&body, app.settings.max_results, &caller.rules)?;
    respond(&app, &caller, announced(caller.rules.compatibility), &query).await
}

async fn respond(
    app: &App,
    caller: &Caller,
    types: &[&'static ResourceType],
    query: &ListQuery,
) -> Result<Response, Error> {
    let most = app.settings.max_filter_length;
    if query.filter.as_ref().is_some_and(|filter| filter.len() > most) {
        return Err(scim::Error::invalid_filter(format!(
            "The filter is longer than {most} bytes; ask for less at a time."
        ))
        .into());
    }
    let filter = query.filter.as_deref().map(|text| filter::read(text, &caller.rules)).transpose()?;
    let part = |ty: &&'static ResourceType| Part::new(caller, ty, types, query, filter.as_ref());
    let parts = types.iter().map(part).collect::<Result<Vec<_>, _>>()?;
    let endpoint = types.first().filter(|_| types.len() == 1).map_or("", |ty| ty.endpoint);
    let body = match &query.paging {
        Paging::Index(start) => {
            let listed = indexed(app, caller, &parts, start - 1, query.count).await?;
            list::page(listed.total, Some(*start), None, &texts(&listed.items))
        }
        Paging::Cursor(cursor) => {
            let fingerprint = cursor::fingerprint(endpoint, query);
            let mark = match cursor.as_str() {
                "" => None,
                cursor => Some(cursor::open(app, caller, &fingerprint, cursor).await?),
            };
            let (listed, last) = marked(app, caller, &parts, mark, query.count).await?;
            let next = match last {
                Some(mark) => Some(cursor::seal(app, caller, &fingerprint, &mark).await?),
                None => None,
            };
            list::page(listed.total, None, next.as_deref(), &texts(&listed.items))
        }
    };
    Ok(answers::json(StatusCode::OK, body))
}

fn texts(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| item.text.as_str()).collect()
}

/// A page by index.
async fn indexed(
    app: &App,
    caller: &Caller,
    parts: &[Part],
    offset: u64,
    limit: u64,
) -> Result<Listed, Error> {
    if let [only] = parts {
        return only.page(app, caller, Window::Offset(offset), limit).await;
    }
    if parts.iter().any(Part::is_sorted) {
        let first = usize::try_from(offset).unwrap_or(usize::MAX);
        return merged(app, caller, parts, |places| first.min(places.len()), limit).await;
    }
    let mut whole = Listed::default();
    for part in parts {
        let left = limit - whole.items.len() as u64;
        let listed = part.page(app, caller, Window::Offset(offset.saturating_sub(whole.total)), left).await?;
        whole.total += listed.total;
        whole.items.extend(listed.items);
    }
    Ok(whole)
}

/// A page by cursor, and the mark of the next one.
async fn marked(
    app: &App,
    caller: &Caller,
    parts: &[Part],
    mark: Option<Mark>,
    limit: u64,
) -> Result<(Listed, Option<Mark>), Error> {
    let (first, place) = mark.map_or((0, None), |mark| (mark.part, Some(mark.into_place())));
    let (listed, part) = match parts {
        [only] => (only.page(app, caller, Window::After(place), limit).await?, 0),
        several if several.iter().any(Part::is_sorted) => {
            let descending = several.iter().any(Part::is_descending);
            let begin = |places: &[(String, usize, String)]| {
                let Some(place) = &place else { return 0 };
                let after = (place.key.as_str(), first, place.id.as_str());
                places.partition_point(|(key, part, id)| {
                    let order = (key.as_str(), *part, id.as_str()).cmp(&after);
                    if descending { order.is_ge() } else { order.is_le() }
                })
            };
            let listed = merged(app, caller, several, begin, limit).await?;
            let part = listed.items.last().map_or(0, |item| item.part);
            (listed, part)
        }
        several => one_after_another(app, caller, several, first, place, limit).await?,
    };
    let next = listed.items.last().filter(|_| listed.more).map(|item| {
        let place = Place { key: item.key.clone(), id: item.id.clone(), total: listed.total };
        Mark::new(app, part, place)
    });
    Ok((listed, next))
}

/// A page by cursor over several types without an order, and the type of its last resource.
async fn one_after_another(
    app: &App,
    caller: &Caller,
    parts: &[Part],
    first: usize,
    place: Option<Place>,
    limit: u64,
) -> Result<(Listed, usize), Error> {
    let counted = place.as_ref().map(|place| place.total);
    let (mut whole, mut last, mut place) = (Listed::default(), first, place);
    for (index, part) in parts.iter().enumerate().skip(first) {
        let left = limit - whole.items.len() as u64;
        if left == 0 && counted.is_some() {
            whole.more = true;
            break;
        }
        // With nothing left to show, only the number is wanted.
        let window = if left == 0 { Window::Offset(0) } else { Window::After(place.take()) };
        let listed = part.page(app, caller, window, left).await?;
        whole.more |= listed.more || (left == 0 && listed.total > 0);
        whole.total += listed.total;
        if !listed.items.is_empty() {
            last = index;
        }
        whole.items.extend(listed.items);
    }
    whole.total = counted.unwrap_or(whole.total);
    Ok((whole, last))
}

/// A page of several types in one order; `begin` finds its first place.
async fn merged(
    app: &App,
    caller: &Caller,
    parts: &[Part],
    begin: impl FnOnce(&[(String, usize, String)]) -> usize,
    limit: u64,
) -> Result<Listed, Error> {
    let mut places = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let found = part.places(app, caller).await?;
        places.extend(found.into_iter().map(|(key, id)| (key, index, id)));
    }
    places.sort_unstable();
    if parts.iter().any(Part::is_descending) {
        places.reverse();
    }
    let (total, first) = (places.len(), begin(&places));
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let chosen: Vec<_> = places.into_iter().skip(first).take(limit).collect();
    let mut items: Vec<Option<Item>> = chosen.iter().map(|_| None).collect();
    for (index, part) in parts.iter().enumerate() {
        let ids = chosen.iter().filter(|(_, of, _)| *of == index).map(|(.., id)| id.clone()).collect();
        for item in part.of_ids(app, caller, ids).await? {
            let at = chosen.iter().position(|(_, of, id)| *of == index && *id == item.id);
            if let Some(slot) = at.and_then(|at| items.get_mut(at)) {
                *slot = Some(Item { part: index, ..item });
            }
        }
    }
    let more = first + chosen.len() < total;
    Ok(Listed { total: total as u64, items: items.into_iter().flatten().collect(), more })
}
