//! HTTP: routes, callers, bodies, errors, TLS.
//!
//! A handler parses, asks the reconciler or the store once, and answers. It knows nothing of RingCX. Start with [`router()`]; every
//! error of every kind leaves through [`Error`] and is a SCIM error with a request id.

mod answered;
mod answers;
mod auth;
mod bulk;
mod catalog;
mod cursor;
mod discovery;
mod error;
mod extract;
mod groups;
mod health;
mod issued;
pub mod issuer;
mod me;
mod metrics;
pub mod network;
mod oauth;
mod openapi;
mod parts;
mod query;
mod refusals;
mod router;
mod serve;
mod settings;
mod stored;
pub mod token;
mod users;

use std::collections::HashMap;
use std::sync::Arc;

pub use error::Error;
pub use metrics::install as install_metrics;
pub use openapi::document as openapi;
pub use router::router;
pub use serve::{check_certificate, run};
pub use settings::Settings;

use crate::clock::{Clock, Ids};
use crate::domain::TenantId;
use crate::reconcile::Reconciler;
use crate::scim::Rules;
use crate::store::Store;

/// What every handler needs. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts of an [`App`].
pub struct Parts {
    /// The store, from which every read is answered.
    pub store: Store,
    /// The controller, to which every write goes.
    pub reconciler: Reconciler,
    /// The tenants and how their requests are read.
    pub tenants: HashMap<TenantId, Rules>,
    /// The issuers whose tokens each tenant accepts.
    pub issuers: HashMap<TenantId, Vec<issuer::Issuer>>,
    /// Their keys.
    pub keys: issuer::Keys,
    /// The URL under which clients see the server, without a slash at the end.
    pub public_url: String,
    /// The time.
    pub clock: Clock,
    /// Request ids.
    pub ids: Ids,
    /// The limits.
    pub settings: Settings,
}

impl App {
    /// An application of these parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
