//! What a client was told, for the auditor: of writes that were refused or had to wait for RingCX.
//!
//! A write that is stored and answered in the same moment has a record of its own already, so it costs no second one.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::{App, Error};
use crate::domain::{Actor, TenantId};
use crate::store::audit;

/// What is gathered about a write while it is served. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Answering(Arc<Mutex<Gathered>>);

#[derive(Debug, Default)]
struct Gathered {
    caller: Option<(TenantId, Actor)>,
    waited: bool,
    operations: Option<Value>,
}

impl Answering {
    fn with(&self, note: impl FnOnce(&mut Gathered)) {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Who writes.
    pub(super) fn writer(&self, tenant: &TenantId, actor: &Actor) {
        self.with(|it| it.caller = Some((tenant.clone(), actor.clone())));
    }

    /// RingCX has a say in the answer.
    pub(super) fn waits(&self) {
        self.with(|it| it.waited = true);
    }

    /// What became of each operation of a bulk request.
    pub(super) fn operations(&self, operations: Value) {
        self.with(|it| {
            it.waited = true;
            it.operations = Some(operations);
        });
    }

    /// Writes the answer down, where it is worth a record.
    pub(super) async fn record(
        &self,
        app: &App,
        method: &str,
        path: &str,
        status: u16,
        error: Option<&Error>,
    ) {
        let mut gathered = Gathered::default();
        self.with(|it| gathered = std::mem::take(it));
        let Some((tenant, actor)) = gathered.caller.filter(|_| gathered.waited || status >= 400) else {
            return;
        };
        let mut detail = json!({"method": method, "path": path, "status": status});
        if let Value::Object(fields) = &mut detail {
            if let Some(error) = error {
                fields.insert("detail".to_owned(), json!(error.scim.detail));
            }
            if let Some(operations) = gathered.operations {
                fields.insert("operations".to_owned(), operations);
            }
        }
        let record = audit::Record::new(&app.ids.next(), app.clock.now(), &actor, "answered", &detail);
        if let Err(error) = app.store.write(move |tx| audit::append(tx, &tenant, &record)).await {
            tracing::warn!(request.id = actor.request_id, %error, "an answer was not written down for the auditor");
        }
    }
}
