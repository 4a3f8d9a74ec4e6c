//! `/Bulk` (RFC 7644 §3.7): every operation becomes durable first, then one wait for RingCX serves them all.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::StreamExt;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::auth::Caller;
use super::extract::Body;
use super::users::{deadline, operations, settled};
use super::{App, Error, answers, groups, users};
use crate::domain::{GroupId, PersonId};
use crate::reconcile::{Begun, Change, Outcome};
use crate::scim::bulk::{BulkRequest, Method, Operation, Resolved, resolve};
use crate::scim::schema::{GROUP, USER};
use crate::scim::{self, Object, check, urn};

/// How many people are waited for at a time.
const TOGETHER: usize = 32;

/// What became of an operation so far.
enum Stage {
    /// Durable; RingCX has to agree.
    Waits(Begun),
    /// Done: the type of the resource and its id; none once it is deleted.
    Done(&'static str, Option<String>),
    /// Refused.
    Failed(Error),
}

/// A request under way.
struct Run<'a> {
    app: &'a App,
    caller: &'a Caller,
    request: &'a BulkRequest,
    resolved: Resolved,
    stages: Vec<Option<Stage>>,
    /// What has to follow: an operation's attributes that refer to others of its circle.
    later: Vec<(usize, Object)>,
    errors: u64,
}

/// `POST /Bulk`.
pub(super) async fn bulk(
    caller: Caller,
    State(app): State<App>,
    Body(body): Body,
) -> Result<Response, Error> {
    let until = deadline(&app);
    let request = BulkRequest::parse(body, app.settings.max_bulk_operations, &caller.rules)?;
    let mut run = Run {
        app: &app,
        caller: &caller,
        request: &request,
        resolved: Resolved::new(),
        stages: request.operations.iter().map(|_| None).collect(),
        later: Vec::new(),
        errors: 0,
    };
    run.accept_all().await;
    let results = run.conclude(until).await;
    caller.answering.operations(results.iter().map(outcome).collect());
    let body = json!({"schemas": [urn::BULK_RESPONSE], "Operations": results});
    Ok(answers::json(StatusCode::OK, body.to_string()))
}

/// What the auditor is told of one operation.
fn outcome(result: &Value) -> Value {
    let pick = |name: &str| result.get(name).cloned();
    let detail = result.pointer("/response/detail");
    json!({"method": pick("method"), "location": pick("location"), "status": pick("status"), "detail": detail})
}

impl Run<'_> {
    /// Makes every operation durable, until there are too many errors.
    async fn accept_all(&mut self) {
        for (index, cut) in self.request.order() {
            if self.request.fail_on_errors.is_some_and(|most| self.errors >= most) {
                return;
            }
            let Some(operation) = self.request.operations.get(index) else { continue };
            let stage = self.accept(index, operation, cut).await;
            let id = match &stage {
                Ok(Stage::Waits(begun)) => begun.person().map(|id| id.as_str().to_owned()),
                Ok(Stage::Done(_, id)) => id.clone(),
                Ok(Stage::Failed(_)) | Err(_) => None,
            };
            if let Some(name) = &operation.bulk_id {
                self.resolved.insert(name.clone(), id);
            }
            self.put(index, stage);
        }
        for (index, attributes) in std::mem::take(&mut self.later) {
            if let Err(error) = self.complete(index, attributes).await {
                self.put(index, Err(error));
            }
        }
    }

    fn put(&mut self, index: usize, stage: Result<Stage, Error>) {
        let stage = stage.unwrap_or_else(|error| {
            self.errors += 1;
            Stage::Failed(error)
        });
        if let Some(slot) = self.stages.get_mut(index) {
            *slot = Some(stage);
        }
    }

    async fn accept(&mut self, index: usize, operation: &Operation, cut: bool) -> Result<Stage, Error> {
        let target = operation.target.as_ref().map_err(|error| Error::from(error.clone()))?;
        let data = if cut {
            let (now, later) = operation.cut(&self.resolved);
            self.later.push((index, later));
            now
        } else {
            operation.data.clone().unwrap_or_default()
        };
        let data = resolve(data, &self.resolved)?;
        let id = operation.id(&self.resolved)?.unwrap_or_default();
        let version = operation.version.as_deref();
        match operation.method {
            Ok(method) if target.ty == USER.name => self.user(method, &id, data, version).await,
            Ok(method) => self.group(method, &id, data, version).await,
            Err(_) => Err(Error::new(400, "The operation has no method.")),
        }
    }

    async fn user(
        &self,
        method: Method,
        id: &str,
        data: Value,
        version: Option<&str>,
    ) -> Result<Stage, Error> {
        let (reconciler, caller) = (&self.app.reconciler, self.caller);
        let (tenant, actor, person) = (&caller.tenant, &caller.actor, PersonId::from(id));
        let begun = match method {
            Method::Post => {
                reconciler.create(tenant, actor, check::create(&USER, data, &caller.rules)?).await
            }
            Method::Put => reconciler.change(tenant, actor, &person, Change::Put(data), version).await,
            Method::Patch => {
                let change = Change::Patch(operations(self.app, data, caller)?);
                reconciler.change(tenant, actor, &person, change, version).await
            }
            Method::Delete => reconciler.delete(tenant, actor, &person, version).await,
        };
        Ok(Stage::Waits(begun?))
    }

    async fn group(
        &self,
        method: Method,
        id: &str,
        data: Value,
        version: Option<&str>,
    ) -> Result<Stage, Error> {
        let (reconciler, caller) = (&self.app.reconciler, self.caller);
        let (tenant, actor, group) = (&caller.tenant, &caller.actor, GroupId::from(id));
        let written = match method {
            Method::Post => {
                let members = check::members(&data, &caller.rules)?.unwrap_or_default();
                let new = check::create(&GROUP, data, &caller.rules)?;
                reconciler.create_group(tenant, actor, new, members).await?
            }
            Method::Put => reconciler.replace_group(tenant, actor, &group, data, version).await?,
            Method::Patch => {
                let op = operations(self.app, data, caller)?;
                reconciler.patch_group(tenant, actor, &group, op, version).await?
            }
            Method::Delete => {
                reconciler.delete_group(tenant, actor, &group, version).await?;
                return Ok(Stage::Done(GROUP.name, None));
            }
        };
        groups::count_skipped(caller, &written);
        Ok(Stage::Done(GROUP.name, Some(written.id.as_str().to_owned())))
    }

    /// Adds to a resource of a circle what refers to the others.
    async fn complete(&mut self, index: usize, attributes: Object) -> Result<(), Error> {
        let Some(Stage::Done(..) | Stage::Waits(_)) = self.stages.get(index).and_then(Option::as_ref) else {
            return Ok(());
        };
        let Some(operation) = self.request.operations.get(index) else { return Ok(()) };
        let created = operation.bulk_id.as_ref().and_then(|name| self.resolved.get(name)).cloned().flatten();
        let (Some(id), Ok(target)) = (created, &operation.target) else { return Ok(()) };
        let value = resolve(Value::Object(attributes), &self.resolved)?;
        let patch = json!({"schemas": [urn::PATCH_OP], "Operations": [{"op": "add", "value": value}]});
        let stage = if target.ty == USER.name {
            self.user(Method::Patch, &id, patch, None).await?
        } else {
            self.group(Method::Patch, &id, patch, None).await?
        };
        self.put(index, Ok(stage));
        Ok(())
    }

    /// Waits for RingCX, for all together, and says what became of each operation that was begun, in the order of the request.
    async fn conclude(self, until: Instant) -> Vec<Value> {
        let Self { app, caller, request, stages, .. } = self;
        let mut waiting = Vec::new();
        for (operation, stage) in request.operations.iter().zip(stages) {
            // Those after the last error that was allowed were never begun, and are not spoken of.
            waiting.extend(stage.map(|stage| one(app, caller, operation, stage, until)));
        }
        stream::iter(waiting).buffered(TOGETHER).collect().await
    }
}

async fn one(app: &App, caller: &Caller, operation: &Operation, stage: Stage, until: Instant) -> Value {
    let ended = end(app, caller, stage, until).await;
    result(app, caller, operation, ended).await
}

/// The type and the id of the resource, once RingCX has agreed.
async fn end(
    app: &App,
    caller: &Caller,
    stage: Stage,
    until: Instant,
) -> Result<(&'static str, Option<String>), Error> {
    match stage {
        Stage::Failed(error) => Err(error),
        Stage::Done(ty, id) => Ok((ty, id)),
        Stage::Waits(begun) => match app.reconciler.conclude(&caller.tenant, begun, until).await? {
            Outcome::Gone => Ok((USER.name, None)),
            outcome => Ok((USER.name, Some(settled(outcome)?.as_str().to_owned()))),
        },
    }
}

/// One entry of the answer; the status is a text (RFC 7644 §3.7.3).
async fn result(
    app: &App,
    caller: &Caller,
    operation: &Operation,
    ended: Result<(&'static str, Option<String>), Error>,
) -> Value {
    let mut entry = Object::new();
    let mut put = |name: &str, value: Value| {
        entry.insert(name.to_owned(), value);
    };
    let method = operation.method.as_ref().map_or_else(String::as_str, |method| method.as_str());
    put("method", json!(method));
    if let Some(name) = &operation.bulk_id {
        put("bulkId", json!(name));
    }
    let (status, id, error) = match ended {
        Ok((_, None)) => (204, None, None),
        Ok((ty, Some(id))) => {
            let status = if operation.method == Ok(Method::Post) { 201 } else { 200 };
            (status, Some((ty, id)), None)
        }
        Err(error) => (error.scim.status, None, Some(error)),
    };
    let named = operation.target.as_ref().ok().and_then(|target| Some((target.ty, target.id.clone()?)));
    if let Some((ty, id)) = id.clone().or(named.filter(|(_, id)| !id.contains(':'))) {
        put("location", json!(format!("{}/{ty}s/{id}", caller.base)));
    }
    if let Some((ty, id)) = id {
        let version = if ty == USER.name {
            users::version(app, caller, &PersonId::from(id)).await
        } else {
            groups::version(app, caller, &GroupId::from(id)).await
        };
        if let Ok(version) = version {
            put("version", json!(version));
        }
    }
    put("status", json!(status.to_string()));
    if let Some(error) = error {
        if let Some(log) = &error.log {
            tracing::warn!(
                request.id = caller.actor.request_id,
                reason = log,
                "an operation of a bulk request failed"
            );
        }
        put("response", scim::Error::to_body(&error.scim, &caller.actor.request_id));
    }
    Value::Object(entry)
}
