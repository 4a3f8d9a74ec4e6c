//! HTTP: a request becomes a call, meets the limits and the faults, and is carried out under the lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::stream;
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::control::{Call, Control};
use crate::faults::{self, Fault, FaultKind};
use crate::knobs::Knobs;
use crate::limits;
use crate::routes::{self, Family, Found, Req};
use crate::world::World;

type Shared = Arc<Mutex<World>>;

/// The whole of it behind one handler: which path is served is decided by the table of routes alone.
pub(crate) fn router(world: Shared) -> Router {
    Router::new().fallback(handle).with_state(world)
}

fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn handle(State(world): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, 16 * 1024 * 1024).await.unwrap_or_default();
    let text = |name: header::HeaderName| {
        parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let path = parts.uri.path().to_owned();
    if let Some(rest) = path.strip_prefix("/simulator/") {
        return respond(&control(&world, parts.method.as_str(), rest, &bytes));
    }
    let kind = text(header::CONTENT_TYPE).unwrap_or_default();
    let form = if kind.starts_with("application/x-www-form-urlencoded") {
        routes::pairs(&bytes)
    } else {
        Vec::new()
    };
    let req = Req {
        method: parts.method.as_str().to_owned(),
        query: routes::pairs(parts.uri.query().unwrap_or_default().as_bytes()),
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        form,
        params: Vec::new(),
        authorization: text(header::AUTHORIZATION),
        api_token: parts.headers.get("x-auth-token").and_then(|value| value.to_str().ok()).map(str::to_owned),
    };
    let Some(found) = routes::find(&req.method, &path) else {
        let shell = lock(&world).knobs.html_shell == "on"
            && !path.starts_with("/voice/api")
            && !path.starts_with("/api/");
        return respond(&if shell { Answer::html() } else { Answer::not_found() });
    };
    serve(&world, found, req, &path, parts.uri.query().unwrap_or_default()).await
}

async fn serve(world: &Shared, found: Found, mut req: Req, path: &str, query: &str) -> Response {
    req.params = found.params;
    let fault = {
        let mut world = lock(world);
        let asked = faults::meet(&mut world.faults, found.route.operation);
        asked.or_else(|| if found.route.family == Family::Admin { world.chaos.next() } else { None })
    };
    let delay = fault.as_ref().and_then(FaultKind::delay);
    if let Some((delay, false)) = delay {
        tokio::time::sleep(delay).await;
    }
    let (answer, dropped) = {
        let mut world = lock(world);
        let (mut answer, dropped) = carry_out(&mut world, found.route, &req, fault.as_ref());
        let call = Call {
            seq: world.calls.len(),
            at: world.now(),
            method: req.method.clone(),
            // An API token stands in the path of its own deletion.
            path: if found.route.operation == "deleteApiToken" {
                found.route.path.to_owned()
            } else {
                path.to_owned()
            },
            query: query.to_owned(),
            operation: found.route.operation.to_owned(),
            status: if dropped { 0 } else { answer.status },
            body: without_secrets(&req.body),
            applied: answer.applied,
        };
        world.calls.push(call);
        answer.headers.extend(world.date().map(|date| ("date", date)));
        if answer.applied && req.method != "GET" {
            world.keep();
        }
        (answer, dropped)
    };
    if let Some((delay, true)) = delay {
        tokio::time::sleep(delay).await;
    }
    if dropped {
        // A body that breaks off makes the server close the connection in the middle of the answer.
        let broken =
            stream::once(async { Err::<&'static str, _>(std::io::Error::other("dropped on request")) });
        return Response::new(Body::from_stream(broken));
    }
    respond(&answer)
}

/// Limits, then the call. True: the connection is to break.
fn carry_out(
    world: &mut World,
    route: &routes::Route,
    req: &Req,
    fault: Option<&FaultKind>,
) -> (Answer, bool) {
    if let Some(group) = usage_group(world, route) {
        let now = world.now();
        let refused = world.usage.admit(group, now, &world.knobs);
        let (mut answer, dropped) = match refused {
            Some(refused) => (refused, false),
            None => serve_call(world, route, req, fault),
        };
        answer.headers.extend(world.usage.headers(group, &world.knobs));
        return (answer, dropped);
    }
    if let Some(refused) = limited(world, route.family, req) {
        return (refused, false);
    }
    serve_call(world, route, req, fault)
}

/// The usage group of a call of the RingCentral platform.
fn usage_group(world: &World, route: &routes::Route) -> Option<&'static str> {
    let list = match world.knobs.extension_list_group.as_str() {
        "light" => "light",
        "heavy" => "heavy",
        _ => "medium",
    };
    match route.operation {
        "getToken" | "revokeToken" => Some("auth"),
        "listExtensions" => Some(list),
        _ if route.family == Family::Platform => Some("light"),
        _ => None,
    }
}

/// Credentials, permissions, faults, then the work itself. True: the connection is to break.
fn serve_call(
    world: &mut World,
    route: &routes::Route,
    req: &Req,
    fault: Option<&FaultKind>,
) -> (Answer, bool) {
    match fault {
        Some(FaultKind::Status(status, body)) => return (Answer::text(*status, body), false),
        Some(FaultKind::TooManyRequests { retry_after }) => {
            return (limits::too_many(&world.knobs, retry_after.as_deref()), false);
        }
        Some(FaultKind::DropBefore) => return (Answer::empty(500), true),
        Some(FaultKind::Html200) => return (Answer::html(), false),
        Some(FaultKind::False200) => return (Answer { applied: false, ..Answer::ok(&json!(false)) }, false),
        Some(FaultKind::Unauthorized) => return (unauthorized(&world.knobs), false),
        Some(
            FaultKind::DropAfter | FaultKind::HtmlAfter | FaultKind::Delay(_) | FaultKind::DelayAfter(_),
        )
        | None => {}
    }
    if route.family == Family::Admin && !routes::auth::is_signed_in(world, req) {
        return (unauthorized(&world.knobs), false);
    }
    match routes::auth::refusal_of_disabled(world, req).filter(|_| route.family == Family::Admin) {
        Some(403) => return (Answer::forbidden(), false),
        Some(_) => return (unauthorized(&world.knobs), false),
        None => {}
    }
    if route.family == Family::Platform && !routes::auth::is_signed_in_at_platform(world, req) {
        return (
            Answer::json(401, &json!({"errorCode": "OAU-128", "message": "Access token expired"})),
            false,
        );
    }
    if world.forbidden.contains(route.operation) {
        return (Answer::forbidden(), false);
    }
    let answer = (route.run)(world, req);
    let answer = if fault == Some(&FaultKind::HtmlAfter) { Answer::html() } else { answer };
    (answer, matches!(fault, Some(FaultKind::DropAfter)))
}

fn limited(world: &mut World, family: Family, req: &Req) -> Option<Answer> {
    let now = world.now();
    let by_token = world.knobs.rate_scope == "token";
    let whose = req.authorization.as_ref().or(req.api_token.as_ref()).filter(|_| by_token);
    let window_s = Knobs::number(&world.knobs.rate_window_s);
    let (window, limit) = match family {
        Family::Admin => {
            let window = world.admin_windows.entry(whose.cloned().unwrap_or_default()).or_default();
            (window, Knobs::number(&world.knobs.rate_limit))
        }
        Family::Exchange => (&mut world.auth_window, Knobs::number(&world.knobs.auth_limit)),
        Family::Refresh if world.knobs.refresh_counts_as_auth == "yes" => {
            (&mut world.auth_window, Knobs::number(&world.knobs.auth_limit))
        }
        Family::Refresh | Family::Platform | Family::Open => return None,
    };
    let admitted = window.admit(now, limit, window_s);
    let resets = family == Family::Admin && world.knobs.penalty_resets == "yes" && now < world.penalty_until;
    if admitted && !resets {
        return None;
    }
    let penalty = i64::try_from(Knobs::number(&world.knobs.penalty_s)).unwrap_or_default();
    if family == Family::Admin {
        world.penalty_until = now + penalty * 1000;
    }
    Some(limits::too_many(&world.knobs, None))
}

fn unauthorized(knobs: &Knobs) -> Answer {
    match knobs.unauthorized_body.as_str() {
        "json" => Answer::error(401, "Jwt is expired", ""),
        "empty" => Answer::empty(401),
        _ => Answer::text(401, "Jwt is expired"),
    }
}

fn respond(answer: &Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body.clone()));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if !answer.kind.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.kind));
    }
    for (name, value) in &answer.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(*name, value);
        }
    }
    response
}

/// A body as the log of calls shows it.
fn without_secrets(body: &Value) -> Value {
    match body {
        Value::Object(object) => {
            let shown = object.iter().map(|(name, value)| {
                let secret = name.to_ascii_lowercase().contains("password") || name == "phoneLoginPin";
                (name.clone(), if secret { json!("***") } else { without_secrets(value) })
            });
            Value::Object(shown.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(without_secrets).collect(),
        other => other.clone(),
    }
}

/// The control over HTTP.
fn control(world: &Shared, method: &str, path: &str, bytes: &[u8]) -> Answer {
    let control = Control::new(Arc::clone(world));
    let body: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
    match (method, path) {
        ("GET", "state") => Answer::ok(&control.state()),
        ("GET", "calls") => Answer::ok(&json!(control.calls())),
        ("DELETE", "calls") => {
            control.clear_calls();
            Answer::empty(204)
        }
        ("POST", "faults") => match serde_json::from_value::<Fault>(body) {
            Ok(fault) => {
                control.fault(fault);
                Answer::empty(204)
            }
            Err(error) => Answer::invalid("fault", &error.to_string()),
        },
        ("POST", "chaos") => match serde_json::from_value(body) {
            Ok(chaos) => {
                control.chaos(chaos);
                Answer::empty(204)
            }
            Err(error) => Answer::invalid("chaos", &error.to_string()),
        },
        ("POST", "knobs") => {
            for (name, value) in body.as_object().into_iter().flatten() {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                if let Err(why) = control.set(name, &value) {
                    return Answer::invalid(name, &why);
                }
            }
            Answer::empty(204)
        }
        ("POST", "extensions") => match control.add_extension(body) {
            Ok(()) => Answer::empty(204),
            Err(why) => Answer::invalid("contact.email", &why),
        },
        ("POST", "clock") => {
            let seconds = body.get("advance_s").and_then(Value::as_u64).unwrap_or_default();
            control.advance(std::time::Duration::from_secs(seconds));
            Answer::empty(204)
        }
        _ => Answer::not_found(),
    }
}
