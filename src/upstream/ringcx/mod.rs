//! The operations of RingCX, a file per family.

mod admin_users;
mod agent_groups;
mod agents;
mod integration;
mod lookups;
mod rights_docs;
mod roles;
mod tokens;

pub use admin_users::Onboarding;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::budget::Ticket;
use super::error::Error;
use super::gate::Gate;
use super::model::Lane;
use super::settings::ExtensionSource;
use super::token::SignInNotice;
use super::transport::{Answer, Call, Transport};

/// One RingCX sub-account. Cheap to clone.
#[derive(Clone)]
pub struct RingCx {
    transport: Arc<Transport>,
    account_id: Arc<str>,
    extension_source: ExtensionSource,
    list_page_size: Option<u32>,
    visibility_delay: Duration,
    gate: Option<Arc<dyn Gate>>,
}

/// Operations that change nothing although their method is none of a read.
const SEARCHES: [&str; 1] = ["searchAuditLogs"];

impl RingCx {
    /// The sub-account `account_id` behind `transport`.
    pub fn new(transport: Arc<Transport>, account_id: &str, extension_source: ExtensionSource) -> Self {
        Self {
            transport,
            account_id: account_id.into(),
            extension_source,
            list_page_size: None,
            visibility_delay: Duration::ZERO,
            gate: None,
        }
    }

    /// Reads lists of agents in pages of this size, for accounts whose lists are cut off.
    #[must_use]
    pub fn with_pages(self, list_page_size: Option<u32>) -> Self {
        Self { list_page_size, ..self }
    }

    /// The name of the configured credential, another one after a rotation; it says nothing about what it is.
    pub fn credential(&self) -> &str {
        &self.transport.credential
    }

    /// For an installation that shows so late what it has taken.
    #[must_use]
    pub fn showing_within(self, visibility_delay: Duration) -> Self {
        Self { visibility_delay, ..self }
    }

    /// How late RingCX may show what it has taken.
    pub fn visibility_delay(&self) -> Duration {
        self.visibility_delay
    }

    /// The URL of RingCX.
    pub fn base(&self) -> &str {
        self.transport.base()
    }

    /// Asks `gate` before every call that changes something.
    #[must_use]
    pub fn behind(self, gate: Arc<dyn Gate>) -> Self {
        Self { gate: Some(gate), ..self }
    }

    /// Whether `other` is reached on the same budget.
    pub fn shares_budget_with(&self, other: &Self) -> bool {
        self.transport.shares_budget_with(&other.transport)
    }

    /// From now on calls wait for a sign-in where RingCX allows no other at the moment, for 90 s at most, and say so to `notice`.
    pub fn wait_for_sign_ins(&self, notice: SignInNotice) {
        self.transport.wait_for_sign_ins(notice);
    }

    /// How long RingCX lets nobody with these credentials send anything; zero outside a penalty.
    pub fn penalty_left(&self) -> Duration {
        self.transport.penalty_left()
    }

    /// Calls a minute that may be made with these credentials, as configured or as learned from RingCX.
    pub fn per_minute(&self) -> u32 {
        self.transport.per_minute()
    }

    /// Whether RingCX or RingCentral refused these credentials the last time they were shown.
    pub fn credential_refused(&self) -> bool {
        self.transport.credential_refused()
    }

    /// Signs in at RingCentral alone; nothing where the credential is RingCX's own.
    pub async fn platform_sign_in(&self) -> Option<Result<(), Error>> {
        self.transport.platform_sign_in().await
    }

    /// Seconds by which RingCX's clock was ahead of ours at its last answer, if it said.
    pub fn clock_ahead(&self) -> Option<i64> {
        self.transport.clock_ahead()
    }

    /// When RingCX last said whether it takes these credentials.
    pub fn credential_shown(&self) -> Option<jiff::Timestamp> {
        self.transport.credential_shown()
    }

    /// When the RingCentral JWT ends, if it says.
    pub fn jwt_ends(&self) -> Option<jiff::Timestamp> {
        self.transport.jwt_ends()
    }

    /// The calls that this process has made with these credentials, by operation.
    pub fn calls_made(&self) -> BTreeMap<&'static str, u64> {
        self.transport.calls_made()
    }

    /// Calls in a lane of the budget, given up when they could not go out before `give_up_at`.
    pub fn calls(&self, lane: Lane, give_up_at: Option<tokio::time::Instant>) -> Calls {
        Calls { ringcx: self.clone(), lane, ticket: None, give_up_at, not_after: None, way: None }
    }
}

/// The typed operations, in one lane. Every method fails with what the answer means ([`Error`]).
#[derive(Clone)]
pub struct Calls {
    ringcx: RingCx,
    lane: Lane,
    ticket: Option<Ticket>,
    give_up_at: Option<tokio::time::Instant>,
    not_after: Option<tokio::time::Instant>,
    way: Option<CancellationToken>,
}

/// The path of the admin API below the host.
const ADMIN: [&str; 4] = ["voice", "api", "v1", "admin"];

impl Calls {
    /// The same calls, which wait for their turn only until `way` says to make way: then they fail with [`Error::Limited`] and no time.
    #[must_use]
    pub fn giving_way(self, way: CancellationToken) -> Self {
        Self { way: Some(way), ..self }
    }

    /// The same calls, which stand in line as one with all others of this ticket.
    #[must_use]
    pub fn in_turn_of(&self, ticket: &Ticket) -> Self {
        Self { ticket: Some(ticket.clone()), ..self.clone() }
    }

    /// The same calls, which are not sent after `end` and fail with [`Error::Outdated`] instead: what they rest on was seen too
    /// long before.
    #[must_use]
    pub fn not_after(self, end: tokio::time::Instant) -> Self {
        Self { not_after: Some(end), ..self }
    }

    /// Sends a call below `/voice/api/v1/admin`.
    async fn admin_call(
        &self,
        operation: &'static str,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Value, Error> {
        let path: Vec<&str> = ADMIN.iter().chain(path).copied().collect();
        self.call(operation, method, &path, query, body).await
    }

    /// Sends a call.
    async fn call(
        &self,
        operation: &'static str,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Value, Error> {
        let answer = if method == Method::GET { Answer::OfRead } else { Answer::OfChange };
        self.send(operation, method, path, query, body, answer).await
    }

    /// Sends a call below `/voice/api/v1/admin` whose answer is text.
    async fn text_call(
        &self,
        operation: &'static str,
        method: Method,
        path: &[&str],
    ) -> Result<Value, Error> {
        let path: Vec<&str> = ADMIN.iter().chain(path).copied().collect();
        self.send(operation, method, &path, &[], None, Answer::Text).await
    }

    async fn send(
        &self,
        operation: &'static str,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&Value>,
        answer: Answer,
    ) -> Result<Value, Error> {
        let (lane, give_up_at) = (self.lane, self.give_up_at);
        let reads = method == Method::GET || SEARCHES.contains(&operation);
        let gate = self.ringcx.gate.as_deref().filter(|_| !reads);
        let call = Call {
            operation,
            method,
            path,
            query,
            body,
            answer,
            lane,
            ticket: self.ticket.as_ref(),
            give_up_at,
            not_after: self.not_after,
            way: self.way.as_ref(),
            gate,
        };
        self.ringcx.transport.send(&call).await
    }

    /// Sends a call below the sub-account.
    async fn account_call(
        &self,
        operation: &'static str,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Value, Error> {
        let account = self.ringcx.account_id.clone();
        let path: Vec<&str> = ["accounts", &account].iter().chain(path).copied().collect();
        self.admin_call(operation, method, &path, query, body).await
    }
}

/// The objects of a list; an empty answer is an empty list.
fn objects(answer: Value) -> Result<Vec<Map<String, Value>>, Error> {
    match answer {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => Ok(items
            .into_iter()
            .filter_map(|item| match item {
                Value::Object(object) => Some(object),
                _ => None,
            })
            .collect()),
        _ => Err(garbled("an object where a list was due", false)),
    }
}

/// The object of an answer, if there is one.
fn object(answer: Value) -> Option<Map<String, Value>> {
    match answer {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

fn garbled(message: &str, maybe_applied: bool) -> Error {
    Error::Garbled { maybe_applied, message: message.to_owned() }
}
