//! The routes, and the layers around them.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use super::answered::Answering;
use super::auth::{Caller, ClientRequestId, RequestId, Straightened, no_route, tenant_of};
use super::network::{Outside, Source};
use super::refusals::Refusals;
use super::{
    App, Error, answers, bulk, catalog, discovery, groups, health, me, metrics, oauth, openapi, query, users,
};

/// Names the request in the answer, in the log, and in the audit record.
static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// No answer comes later than this: Okta hangs up after 60 seconds.
const LATEST: Duration = Duration::from_secs(55);

/// What one address is told whose credentials are refused again and again.
const TOO_MANY_REFUSALS: &str =
    "Too many credentials from this address were not accepted within a minute; check the token and wait.";

/// The whole server as a service: paths are put right before they are routed.
pub fn router(app: App) -> Router {
    let routes = tenant_routes("/scim/v2")
        .merge(tenant_routes("/{tenant}/scim/v2"))
        .route("/oauth/token", post(oauth::exchange))
        .route("/{tenant}/oauth/token", post(oauth::exchange))
        .route("/.well-known/jwks.json", get(oauth::keys))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::scrape))
        .route(
            "/openapi.json",
            get(|| async { ([(header::CONTENT_TYPE, "application/json")], openapi::document()) }),
        )
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(Arc::new(Semaphore::new(app.settings.max_writes)), bounded))
        .layer(middleware::from_fn_with_state((app.clone(), Arc::new(Refusals::default())), around))
        .with_state(app);
    Router::new().fallback_service(tower::util::MapRequest::new(routes, straighten))
}

fn tenant_routes(base: &str) -> Router<App> {
    let at = |path: &str| format!("{base}{path}");
    Router::new()
        .route(&at("/Users"), get(query::users).post(users::create))
        .route(
            &at("/Users/{id}"),
            get(users::get).put(users::replace).patch(users::patch).delete(users::delete),
        )
        .route(&at("/Groups"), get(query::groups).post(groups::create))
        .route(
            &at("/Groups/{id}"),
            get(groups::get).put(groups::replace).patch(groups::patch).delete(groups::delete),
        )
        .route(base, get(query::everything))
        .route(&at("/.search"), post(query::search_everything))
        .route(&at("/Me"), get(me::get).put(me::replace).patch(me::patch).delete(me::delete).post(me::create))
        .route(&at("/Bulk"), post(bulk::bulk))
        .route(&at("/Users/.search"), post(query::search_users))
        .route(&at("/Groups/.search"), post(query::search_groups))
        .route(&at("/Roles"), get(query::roles))
        .route(&at("/Roles/.search"), post(query::search_roles))
        .route(&at("/Roles/{id}"), get(catalog::role))
        .route(&at("/Entitlements"), get(query::entitlements))
        .route(&at("/Entitlements/.search"), post(query::search_entitlements))
        .route(&at("/Entitlements/{id}"), get(catalog::entitlement))
        .route(&at("/AgentGroups"), get(query::agent_groups))
        .route(&at("/AgentGroups/.search"), post(query::search_agent_groups))
        .route(&at("/AgentGroups/{id}"), get(catalog::agent_group))
        .route(&at("/ServiceProviderConfig"), get(discovery::config))
        .route(&at("/ResourceTypes"), get(discovery::resource_types))
        .route(&at("/ResourceTypes/{id}"), get(discovery::resource_type))
        .route(&at("/Schemas"), get(discovery::schemas))
        .route(&at("/Schemas/{id}"), get(discovery::schema))
}

/// Repeated slashes count as one, and one at the end as none: some clients glue their paths together.
fn straighten(mut request: Request) -> Request {
    let path = request.uri().path();
    if !path.contains("//") && (path.len() <= 1 || !path.ends_with('/')) {
        return request;
    }
    // The base itself is written with a slash at the end in RFC 7644 §3.4.2.1; anything else is a client's own way.
    let is_base = !path.contains("//") && path.ends_with("/scim/v2/");
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let mut text = format!("/{}", segments.join("/"));
    if let Some(query) = request.uri().query() {
        text.push('?');
        text.push_str(query);
    }
    if let Ok(uri) = text.parse::<Uri>() {
        *request.uri_mut() = uri;
        if !is_base {
            request.extensions_mut().insert(Straightened);
        }
    }
    request
}

/// A path below a tenant is nobody's business without a token.
async fn unknown(State(app): State<App>, request: Request) -> Error {
    let (mut parts, _) = request.into_parts();
    if tenant_of(parts.uri.path()).is_some() {
        let caller =
            <Caller as axum::extract::FromRequestParts<App>>::from_request_parts(&mut parts, &app).await;
        if let Err(error) = caller {
            return error;
        }
    }
    no_route(parts.uri.path())
}

/// The method is not served here. `OPTIONS` asks what is; either way the router adds the header Allow.
async fn not_allowed(request: Request) -> Response {
    if request.method() == Method::OPTIONS {
        return answers::empty(StatusCode::NO_CONTENT);
    }
    Error::new(405, format!("{} is not possible here; the header Allow has what is.", request.method()))
        .into_response()
}

fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    let failed = Error::new(500, "The bridge failed; its log has the reason under this request id.");
    Error { log: Some("a handler panicked".to_owned()), ..failed }.into_response()
}

/// The outermost layer: request id, time limit, error bodies, metrics, one line of log.
async fn around(
    State((app, refusals)): State<(App, Arc<Refusals>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let id = app.ids.next().to_string();
    let method = request.method().as_str().to_owned();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |it| it.as_str().to_owned());
    let tenant = tenant_of(request.uri().path()).map_or("", |(tenant, _)| tenant);
    let tenant = tenant
        .parse()
        .ok()
        .filter(|tenant| app.tenants.contains_key(tenant))
        .map_or_else(String::new, String::from);
    request.extensions_mut().insert(RequestId(id.clone()));
    if let Some(id) = ClientRequestId::of(request.headers()) {
        request.extensions_mut().insert(id);
    }
    let source = Source::of(&request, &app.settings.trusted_proxies);
    request.extensions_mut().insert(source);
    if app.settings.public_url.is_none()
        && let Some(outside) = Outside::of(&request, &app.settings.trusted_proxies)
    {
        request.extensions_mut().insert(outside);
    }
    let answering = Answering::default();
    request.extensions_mut().insert(answering.clone());
    let path = request.uri().path().to_owned();
    let answered = tokio::time::timeout(LATEST, next.run(request)).await;
    let mut response = answered.unwrap_or_else(|_| {
        Error::unavailable(
            Duration::from_secs(10),
            "The request took too long; what was accepted goes on.".to_owned(),
        )
        .into_response()
    });
    if response.status() == StatusCode::UNAUTHORIZED
        && let Some(after) =
            source.0.and_then(|it| refusals.count(it, app.settings.max_refusals_per_minute, app.clock.now()))
    {
        response = Error::slow_down(after, TOO_MANY_REFUSALS.to_owned()).into_response();
    }
    let error = response.extensions_mut().remove::<Error>();
    if let Some(error) = &error {
        *response.body_mut() = Body::from(error.scim.to_body(&id).to_string());
        response.headers_mut().insert(header::CONTENT_TYPE, answers::SCIM_JSON);
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID.clone(), id);
    }
    answering.record(&app, &method, &path, response.status().as_u16(), error.as_ref()).await;
    let (status, took) = (response.status(), begun.elapsed());
    log(&id, &method, &route, &tenant, status, took, error.as_ref());
    metrics::request(route, method, status.as_u16(), tenant, took);
    response
}

/// Holds no more writes than fit: each may wait for RingCX, and a flood must not fill the memory.
async fn bounded(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    let Ok(_place) = places.try_acquire() else {
        let why = "The bridge has as many writes under way as it holds (server.max_writes); try again.";
        return Error::unavailable(Duration::from_secs(5), why.to_owned()).into_response();
    };
    next.run(request).await
}

/// One line a request, without queries, bodies and personal data.
fn log(
    id: &str,
    method: &str,
    route: &str,
    tenant: &str,
    status: StatusCode,
    took: Duration,
    error: Option<&Error>,
) {
    let duration_ms = took.as_millis();
    let reason = error.and_then(|error| error.log.as_deref()).unwrap_or_default();
    let status = status.as_u16();
    // "Not now" is an answer like others, unless there is something to say about it.
    if status >= 500 && (status != 503 || !reason.is_empty()) {
        tracing::error!(
            request.id = id,
            method,
            route,
            tenant,
            status,
            duration_ms,
            reason,
            "request failed"
        );
    } else if status == 401 {
        tracing::warn!(request.id = id, method, route, tenant, status, duration_ms, reason, "caller refused");
    } else {
        tracing::debug!(
            request.id = id,
            method,
            route,
            tenant,
            status,
            duration_ms,
            reason,
            "request served"
        );
    }
}
