//! The one place that sends: token, budget, retry, and the meaning of the answer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::budget::{Budget, Ticket};
use super::error::{Error, PENALTY, Raw, meaning, text_meaning};
use super::gate::Gate;
use super::metrics;
use super::model::Lane;
use super::platform::usage::{Group, Said, Usage};
use super::settings::{PlatformSettings, RingCxSettings};
use super::token::{Credential, Proof, SharedTokens, SignInNotice, Tokens};
use crate::clock::Clock;

/// How often a read is tried in all.
const TRIES: u32 = 3;

/// The longest that a read waits out a penalty by itself; beyond that the caller is told.
const PATIENCE: Duration = Duration::from_secs(2);

/// The connection to one RingCX identity: shared by the tenants that use the same credential.
pub struct Transport {
    wire: Wire,
    tokens: SharedTokens,
    budget: Arc<dyn Budget>,
    base: Url,
    /// The name of the credential, as configured.
    pub(super) credential: String,
    /// Whether the credential was refused the last time it was shown.
    refused: AtomicBool,
    /// When that was, in milliseconds since 1970; 0: never.
    shown: AtomicI64,
}

/// One call, before it is sent.
pub(super) struct Call<'a> {
    /// Its name in the interface description, in metrics and in logs.
    pub(super) operation: &'static str,
    pub(super) method: Method,
    /// Path segments after the host, each escaped here.
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, String)],
    pub(super) body: Option<&'a Value>,
    pub(super) answer: Answer,
    pub(super) lane: Lane,
    /// Keeps the place in line of earlier calls of the same work.
    pub(super) ticket: Option<&'a Ticket>,
    pub(super) give_up_at: Option<tokio::time::Instant>,
    /// From when on what the call rests on is out of date.
    pub(super) not_after: Option<tokio::time::Instant>,
    /// Says to wait for a place no longer.
    pub(super) way: Option<&'a CancellationToken>,
    /// Who may hold it back; none for a call that changes nothing.
    pub(super) gate: Option<&'a dyn Gate>,
}

/// What kind of answer a call gets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// JSON, from a call that may be repeated.
    OfRead,
    /// JSON, from a call that may have been carried out although its answer was lost.
    OfChange,
    /// The same, but text.
    Text,
}

impl Answer {
    fn of_change(self) -> bool {
        self != Self::OfRead
    }
}

impl Transport {
    /// A connection with these settings. Sends nothing yet.
    ///
    /// # Errors
    /// When the credentials are missing, the URL is none, or TLS cannot be set up; one sentence says which.
    pub fn new(
        ringcx: &RingCxSettings,
        platform: Option<&PlatformSettings>,
        budget: Arc<dyn Budget>,
        clock: Clock,
    ) -> Result<Self, String> {
        let credential = match (&ringcx.api_token, platform) {
            (Some(token), _) => Credential::ApiToken(token.clone(), ringcx.api_token_file.clone()),
            (None, Some(platform)) => Credential::Jwt(platform.clone()),
            (None, None) => {
                return Err("there is neither ringcx.api_token nor a ringcentral section".to_owned());
            }
        };
        let base = Url::parse(&ringcx.base_url).map_err(|error| format!("ringcx.base_url: {error}"))?;
        let usage = Usage::new(Arc::clone(&budget), ringcx.auth_per_minute);
        let wire = Wire::new(ringcx.request_timeout.as_duration(), usage, clock.clone());
        let wire = wire.map_err(|error| format!("TLS: {error}"))?;
        let tokens = Tokens::new(ringcx, credential, Arc::clone(&budget), clock);
        Ok(Self {
            wire,
            tokens: Arc::new(tokens),
            budget,
            base,
            credential: Self::identity(ringcx, platform),
            refused: AtomicBool::new(false),
            shown: AtomicI64::new(0),
        })
    }

    /// From now on a call waits for a sign-in where RingCX allows no other at the moment, for 90 s at most, and says so to `notice`.
    pub fn wait_for_sign_ins(&self, notice: SignInNotice) {
        self.tokens.wait_for_sign_ins(notice);
    }

    /// Whether `other` sends on the same budget.
    pub(super) fn shares_budget_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.budget, &other.budget)
    }

    /// Sends a call and gives its answer a meaning. Reads are tried again; changes never, except after a refused token.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Value, Error> {
        let answer = self.insist(call).await;
        let refused = match &answer {
            Err(Error::Unauthorized(_)) => true,
            Ok(_)
            | Err(Error::Forbidden(_) | Error::NotFound | Error::Conflict(_) | Error::Rejected { .. }) => {
                false
            }
            Err(_) => return answer,
        };
        self.refused.store(refused, Ordering::Relaxed);
        self.shown.store(self.wire.clock.now().as_millisecond(), Ordering::Relaxed);
        answer
    }

    /// Whether the credential was refused the last time it was shown.
    pub(super) fn credential_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// When RingCX last said whether it takes the credential.
    pub(super) fn credential_shown(&self) -> Option<jiff::Timestamp> {
        let shown = Some(self.shown.load(Ordering::Relaxed)).filter(|shown| *shown > 0)?;
        jiff::Timestamp::from_millisecond(shown).ok()
    }

    /// The end of the RingCentral JWT, where it can be read.
    pub(super) fn jwt_ends(&self) -> Option<jiff::Timestamp> {
        self.tokens.jwt_ends()
    }

    async fn insist(&self, call: &Call<'_>) -> Result<Value, Error> {
        let mut renewed = false;
        let mut tries = 0;
        loop {
            tries += 1;
            self.turn(call).await.map_err(|after| Error::Limited { after })?;
            // After the wait, so that no token is renewed in a penalty or ends in the line.
            let proof = self.tokens.proof(&self.wire).await?;
            if !self.budget.penalty_left().is_zero() {
                // A penalty has begun meanwhile: the place is lost, and the call waits with everybody else.
                tries -= 1;
                continue;
            }
            // Asked last, so that nobody who has waited long for a call sends it into a pause.
            if let Some(gate) = call.gate {
                gate.admit(call.lane).await?;
            }
            if call.not_after.is_some_and(|end| tokio::time::Instant::now() > end) {
                return Err(Error::Outdated);
            }
            let error = match self.attempt(call, &proof).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let reads = call.method == Method::GET;
            match &error {
                Error::Unauthorized(_) if !renewed => {
                    renewed = true;
                    if !self.tokens.refused(&proof).await {
                        return Err(error);
                    }
                }
                Error::Limited { after } => {
                    self.budget.penalise(*after).await;
                    if !reads || tries >= TRIES || *after > PATIENCE {
                        return Err(error);
                    }
                }
                Error::Unavailable { .. } | Error::Garbled { .. } if reads && tries < TRIES => {
                    tokio::time::sleep(Duration::from_millis(100) * tries).await;
                }
                _ => return Err(error),
            }
        }
    }

    /// Signs in at the RingCentral platform, where the credential is one of RingCentral's.
    pub(super) async fn platform_sign_in(&self) -> Option<Result<(), Error>> {
        if self.tokens.renewable() { Some(self.platform().await.map(drop)) } else { None }
    }

    /// Seconds by which RingCX's clock was ahead of ours at its last answer.
    pub(super) fn clock_ahead(&self) -> Option<i64> {
        Some(self.wire.ahead.load(Ordering::Relaxed)).filter(|ahead| *ahead != UNTOLD)
    }

    /// Waits for a call from the budget, unless this one is to make way.
    async fn turn(&self, call: &Call<'_>) -> Result<(), Duration> {
        let turn = self.budget.acquire(call.lane, call.ticket, call.give_up_at);
        let Some(way) = call.way else { return turn.await };
        tokio::select! {
            biased;
            () = way.cancelled() => Err(Duration::ZERO),
            taken = turn => taken,
        }
    }

    /// A token of the RingCentral platform and the way there.
    pub(super) async fn platform(&self) -> Result<(&Wire, SecretString, String), Error> {
        let (token, settings) = self.tokens.platform_token(&self.wire).await?;
        Ok((&self.wire, token, settings.base_url.trim_end_matches('/').to_owned()))
    }

    async fn attempt(&self, call: &Call<'_>, proof: &Proof) -> Result<Value, Error> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(call.path);
        }
        let mut request = self.wire.client.request(call.method.clone(), url);
        if !call.query.is_empty() {
            request = request.query(call.query);
        }
        request = match proof {
            Proof::ApiToken(token) => request.header("X-Auth-Token", token.expose_secret()),
            Proof::Bearer(token, _) => request.bearer_auth(token.expose_secret()),
        };
        if let Some(body) = call.body {
            request = request.json(body);
        }
        crate::fuse::point();
        let (answer, said) = self.wire.exchange(call.operation, request, call.answer).await;
        crate::fuse::point();
        if let Some(limit) = said.per_minute {
            self.budget.learn(limit);
        }
        answer
    }

    /// The calls so far, by operation.
    pub(super) fn calls_made(&self) -> BTreeMap<&'static str, u64> {
        self.wire.made.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long nothing may be sent with these credentials.
    pub(super) fn penalty_left(&self) -> Duration {
        self.budget.penalty_left()
    }

    /// The URL of RingCX.
    pub(super) fn base(&self) -> &str {
        self.base.as_str()
    }

    /// Calls a minute that may be made with these credentials.
    pub(super) fn per_minute(&self) -> u32 {
        self.budget.per_minute()
    }
}

/// The HTTP client, and how its answers are read.
pub(super) struct Wire {
    client: reqwest::Client,
    /// The usage groups of the RingCentral platform, each with a limit of its own.
    usage: Usage,
    /// The calls so far, by operation.
    made: Mutex<BTreeMap<&'static str, u64>>,
    /// How often in a row "too many" came without a time.
    untold: AtomicU32,
    clock: Clock,
    /// Seconds by which the last answer's `Date` was ahead of our clock.
    ahead: AtomicI64,
}

/// No answer with a `Date` has come yet.
const UNTOLD: i64 = i64::MIN;

/// Client authentication of the OAuth token request.
pub(super) struct Basic<'a> {
    pub(super) user: &'a str,
    pub(super) password: &'a SecretString,
}

impl Wire {
    fn new(timeout: Duration, usage: Usage, clock: Clock) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("ringcx-scim/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(5).min(timeout))
            .timeout(timeout)
            // A redirect would carry the credential to another host.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let ahead = AtomicI64::new(UNTOLD);
        let (made, untold) = (Mutex::default(), AtomicU32::new(0));
        Ok(Self { client, usage, made, untold, clock, ahead })
    }

    /// Posts a form; nothing in it reaches a log.
    pub(super) async fn form(
        &self,
        operation: &'static str,
        url: &str,
        form: &[(&str, &str)],
    ) -> Result<Value, Error> {
        self.exchange(operation, self.client.post(url).form(form), Answer::OfRead).await.0
    }

    /// Posts a form to the RingCentral platform, in its usage group for signing in.
    pub(super) async fn platform_form(
        &self,
        operation: &'static str,
        url: &str,
        form: &[(&str, &str)],
        basic: Basic<'_>,
    ) -> Result<Value, Error> {
        let request = self.client.post(url).form(form);
        let request = request.basic_auth(basic.user, Some(basic.password.expose_secret()));
        self.in_group(Group::Auth, operation, request).await
    }

    /// Gets a URL of the RingCentral platform with a bearer token.
    pub(super) async fn platform_get(
        &self,
        group: Group,
        operation: &'static str,
        url: &str,
        token: &SecretString,
    ) -> Result<Value, Error> {
        self.in_group(group, operation, self.client.get(url).bearer_auth(token.expose_secret())).await
    }

    async fn in_group(
        &self,
        group: Group,
        operation: &'static str,
        request: RequestBuilder,
    ) -> Result<Value, Error> {
        self.usage.admit(operation, group).await.map_err(|after| Error::Limited { after })?;
        let (answer, said) = self.exchange(operation, request, Answer::OfRead).await;
        self.usage.learn(operation, group, &said);
        if let Err(Error::Limited { after }) = &answer {
            self.usage.stop(operation, group, *after).await;
        }
        answer
    }

    /// One exchange: what the answer means, and what it says of limits.
    async fn exchange(
        &self,
        operation: &'static str,
        request: RequestBuilder,
        due: Answer,
    ) -> (Result<Value, Error>, Said) {
        *self.made.lock().unwrap_or_else(PoisonError::into_inner).entry(operation).or_default() += 1;
        let begun = Instant::now();
        let accept = if due == Answer::Text { "text/plain, application/json" } else { "application/json" };
        let (answer, said) = match self.read(request.header("Accept", accept), due).await {
            Ok((answer, said)) => (answer, said),
            Err(error) => (Err(error), Said::default()),
        };
        let outcome = answer.as_ref().map_or_else(Error::kind, |_| "ok");
        let took = begun.elapsed();
        metrics::call(operation, outcome, took);
        tracing::debug!(operation, outcome, duration_ms = took.as_millis(), "upstream call");
        (answer, said)
    }

    async fn read(
        &self,
        request: RequestBuilder,
        due: Answer,
    ) -> Result<(Result<Value, Error>, Said), Error> {
        #[expect(clippy::disallowed_methods, reason = "this is the place that sends")]
        let sent = request.send().await;
        let response = sent.map_err(|error| lost(&error, due.of_change()))?;
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let number = |name: &str| header(name).and_then(|text| text.trim().parse::<u64>().ok());
        let content_type = header("content-type").unwrap_or_default();
        let date = header("date");
        if let Some(theirs) = date.as_deref().and_then(time) {
            let ahead = theirs.as_second() - self.clock.now().as_second();
            self.ahead.store(ahead, Ordering::Relaxed);
        }
        let window = number("x-rate-limit-window").map(Duration::from_secs);
        let said = Said {
            group: header("x-rate-limit-group").filter(|name| !name.trim().is_empty()),
            per_minute: per_minute(number("x-rate-limit-limit"), window),
        };
        let told = header("retry-after").and_then(|text| pause(&text, date.as_deref())).or(window);
        let status = response.status().as_u16();
        let retry_after = (status == 429).then(|| bounded(told.unwrap_or_else(|| self.longer())));
        if status < 400 {
            self.untold.store(0, Ordering::Relaxed);
        }
        let body = response.bytes().await.map_err(|error| lost(&error, due.of_change()))?;
        let raw = Raw { status, content_type: &content_type, retry_after, body: &body };
        let answer = if due == Answer::Text { text_meaning(&raw) } else { meaning(&raw, due.of_change()) };
        Ok((answer, said))
    }

    /// How long to stop after a 429 that names no time: 30 s, doubled with each in a row, at most 4 minutes.
    fn longer(&self) -> Duration {
        PENALTY * (1 << self.untold.fetch_add(1, Ordering::Relaxed).min(3))
    }
}

/// `X-Rate-Limit-Limit` calls in `X-Rate-Limit-Window` seconds, as calls a minute.
fn per_minute(limit: Option<u64>, window: Option<Duration>) -> Option<u32> {
    let window = window?.as_secs();
    u32::try_from(limit?.checked_mul(60)?.checked_div(window)?).ok().filter(|limit| *limit > 0)
}

/// What a failed exchange means: only a connection that never stood leaves no doubt.
fn lost(error: &reqwest::Error, changes: bool) -> Error {
    let (maybe_applied, what) = if error.is_connect() {
        (false, "RingCX could not be reached.")
    } else if error.is_timeout() {
        (changes, "RingCX did not answer in time.")
    } else {
        (changes, "The connection to RingCX broke.")
    };
    Error::Unavailable { maybe_applied, message: what.to_owned() }
}

/// A pause that stops everybody is at least a second and at most an hour, whatever a header says: none at all would meet the next
/// 429, and one until 2099 would stop the bridge for good.
fn bounded(pause: Duration) -> Duration {
    pause.clamp(Duration::from_secs(1), Duration::from_hours(1))
}

/// The time of a header.
fn time(text: &str) -> Option<jiff::Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
}

/// `Retry-After`: seconds, or a date, which is compared with the answer's own `Date` (RFC 9110 §10.2.3).
fn pause(text: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<f64>() {
        // Beyond what the header may be, and seen all the same: fractions, negative and endless numbers.
        return Some(Duration::try_from_secs_f64(seconds.max(0.0).ceil()).unwrap_or(Duration::MAX));
    }
    let wait = time(text)?.as_second() - time(date?)?.as_second();
    Some(Duration::from_secs(u64::try_from(wait).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_between_a_second_and_an_hour() {
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        for (text, date, seconds) in [
            ("7", None, Some(7)),
            (" 7 ", date, Some(7)),
            ("0", None, Some(1)),
            ("0.2", None, Some(1)),
            ("1.5", None, Some(2)),
            ("-5", None, Some(1)),
            ("86400", None, Some(3600)),
            ("1e9", None, Some(3600)),
            ("inf", None, Some(3600)),
            ("18446744073709551615", None, Some(3600)),
            ("99999999999999999999999999", None, Some(3600)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", date, Some(30)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", date, Some(1)),
            ("Fri, 06 Nov 2099 08:49:37 GMT", date, Some(3600)),
            // A date that nothing is said to compare with, and what is neither: as if nothing was said.
            ("Sun, 06 Nov 1994 08:50:07 GMT", None, None),
            ("soon", date, None),
            ("", date, None),
            ("7 s", date, None),
        ] {
            let found = pause(text, date).map(|pause| bounded(pause).as_secs());
            assert_eq!(found, seconds, "{text}");
        }
        assert_eq!(bounded(Duration::MAX), Duration::from_hours(1), "the window of X-Rate-Limit-* as well");
    }
}
