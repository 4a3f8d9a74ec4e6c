//! The RingCX token: got once for everybody, renewed before it ends.
//!
//! RingCentral JWT grant, then the exchange at RingCX, then refreshes until RingCX refuses one. Five exchanges a minute are
//! allowed, so whoever needs a token while another one fetches it waits for that one.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::Mutex;

use super::budget::Budget;
use super::error::Error;
use super::platform::oauth;
use super::settings::{ExchangeParams, PlatformSettings, RingCxSettings};
use super::transport::Wire;
use crate::clock::Clock;

/// Lifetime of a RingCX token whose end cannot be read: five minutes.
const LIFE: Duration = Duration::from_mins(5);

/// How long before its end a token is renewed; a fifth of its life when that is shorter.
const MARGIN: Duration = Duration::from_mins(1);

/// How long a command waits altogether for a sign-in: a minute brings new ones, and others may be quicker once.
const PATIENCE: Duration = Duration::from_secs(90);

/// Told that there is no sign-in for this long, and whether it is waited for.
pub type SignInNotice = fn(Duration, bool);

/// How the bridge proves who it is.
pub(super) enum Credential {
    /// A permanent token of a RingCX administrator, in `X-Auth-Token`, and the file that it came from.
    ApiToken(SecretString, Option<PathBuf>),
    /// A RingCentral JWT, exchanged for RingCX tokens.
    Jwt(PlatformSettings),
}

/// What goes into the header of a call.
#[derive(Clone)]
pub(super) enum Proof {
    /// `X-Auth-Token`.
    ApiToken(SecretString),
    /// `Authorization: Bearer`; the number tells a renewed token from the one that was refused.
    Bearer(SecretString, u64),
}

/// The tokens of one credential.
pub(super) struct Tokens {
    credential: Credential,
    base_url: String,
    clock: Clock,
    per_minute: u32,
    params: ExchangeParams,
    budget: Arc<dyn Budget>,
    /// Set where sign-ins are waited for.
    notice: OnceLock<SignInNotice>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    generation: u64,
    /// The permanent token that took the place of the configured one.
    permanent: Option<SecretString>,
    access: Option<Access>,
    refresh: Option<SecretString>,
    platform: Option<oauth::PlatformToken>,
}

struct Access {
    token: SecretString,
    renew_at: jiff::Timestamp,
}

impl Tokens {
    pub(super) fn new(
        settings: &RingCxSettings,
        credential: Credential,
        budget: Arc<dyn Budget>,
        clock: Clock,
    ) -> Self {
        Self {
            credential,
            base_url: settings.base_url.trim_end_matches('/').to_owned(),
            clock,
            per_minute: settings.auth_per_minute,
            params: settings.exchange_params,
            budget,
            notice: OnceLock::new(),
            held: Mutex::default(),
        }
    }

    /// From now on whoever needs a token waits for a sign-in, for 90 s at most. The last one of a minute is left to the server,
    /// whose people wait.
    pub(super) fn wait_for_sign_ins(&self, notice: SignInNotice) {
        self.notice.get_or_init(|| notice);
    }

    /// A proof that is good now; fetched by one caller while the others wait.
    pub(super) async fn proof(&self, wire: &Wire) -> Result<Proof, Error> {
        let mut held = self.held.lock().await;
        let platform = match &self.credential {
            Credential::ApiToken(token, _) => {
                return Ok(Proof::ApiToken(held.permanent.as_ref().unwrap_or(token).clone()));
            }
            Credential::Jwt(platform) => platform,
        };
        let now = self.clock.now();
        if let Some(access) = held.access.as_ref().filter(|access| now < access.renew_at) {
            return Ok(Proof::Bearer(access.token.clone(), held.generation));
        }
        let mut left = PATIENCE;
        loop {
            match self.renew(&mut held, platform, wire).await {
                Err(Error::Limited { after }) if self.waits(after, &mut left).await => {}
                other => return other,
            }
        }
    }

    /// Waits until there is a sign-in again, where that was asked for and `left` is enough for it.
    async fn waits(&self, after: Duration, left: &mut Duration) -> bool {
        let Some(notice) = self.notice.get() else { return false };
        let pause = after.max(Duration::from_millis(100));
        let enough = pause <= *left;
        notice(pause, enough);
        if enough {
            tokio::time::sleep(pause).await;
            *left = left.saturating_sub(pause);
        }
        enough
    }

    /// Drops a token that RingCX refused, unless somebody has renewed it meanwhile; whether there is another one to try.
    pub(super) async fn refused(&self, proof: &Proof) -> bool {
        let mut held = self.held.lock().await;
        match (proof, &self.credential) {
            (Proof::Bearer(_, generation), _) => {
                if held.generation == *generation {
                    held.access = None;
                }
                true
            }
            // `ringcx-token rotate` has written the file, perhaps beside a running server.
            (Proof::ApiToken(refused), Credential::ApiToken(_, Some(file))) => {
                let Ok(text) = tokio::fs::read_to_string(file).await else { return false };
                let text = text.trim_end_matches(['\n', '\r']);
                let another = !text.is_empty() && text != refused.expose_secret();
                if another {
                    held.permanent = Some(SecretString::from(text));
                }
                another
            }
            (Proof::ApiToken(_), _) => false,
        }
    }

    /// Whether a refused proof can be renewed at all.
    pub(super) fn renewable(&self) -> bool {
        matches!(self.credential, Credential::Jwt(_))
    }

    /// The end of the RingCentral JWT, where it can be read.
    pub(super) fn jwt_ends(&self) -> Option<jiff::Timestamp> {
        let Credential::Jwt(platform) = &self.credential else { return None };
        jiff::Timestamp::from_second(expiry(platform.jwt.expose_secret())?).ok()
    }

    /// A token of the RingCentral platform, for its own API.
    pub(super) async fn platform_token(
        &self,
        wire: &Wire,
    ) -> Result<(SecretString, &PlatformSettings), Error> {
        let Credential::Jwt(platform) = &self.credential else {
            return Err(Error::Forbidden(
                "this tenant has no RingCentral credential; add its section ringcentral, or set extension_source".to_owned(),
            ));
        };
        let mut held = self.held.lock().await;
        let mut left = PATIENCE;
        loop {
            match self.platform(&mut held, platform, wire).await {
                Err(Error::Limited { after }) if self.waits(after, &mut left).await => {}
                token => return Ok((token?, platform)),
            }
        }
    }

    async fn renew(&self, held: &mut Held, platform: &PlatformSettings, wire: &Wire) -> Result<Proof, Error> {
        if let Some(refresh) = held.refresh.clone() {
            self.count().await?;
            held.refresh = None;
            let form = [("refresh_token", refresh.expose_secret()), ("rcTokenType", "Bearer")];
            let url = format!("{}/api/auth/token/refresh", self.base_url);
            match self.present(wire, "refreshToken", &url, &form).await {
                Ok(answer) => return self.keep(held, &answer),
                Err(error @ (Error::Limited { .. } | Error::Held(_) | Error::Outdated)) => {
                    held.refresh = Some(refresh);
                    return Err(error);
                }
                // Without an answer nobody knows whether the refresh token was used up: the next try begins with the JWT.
                Err(error @ (Error::Unavailable { .. } | Error::Garbled { .. })) => return Err(error),
                // RingCX has forgotten the refresh token: start again with the JWT.
                Err(
                    Error::Unauthorized(_)
                    | Error::Forbidden(_)
                    | Error::NotFound
                    | Error::Conflict(_)
                    | Error::Rejected { .. },
                ) => {}
            }
        }
        let url = format!("{}/api/auth/login/rc/accesstoken?includeRefresh=true", self.base_url);
        for fresh in [false, true] {
            if fresh {
                held.platform = None;
            }
            let token = self.platform(held, platform, wire).await?;
            self.count().await?;
            // Secrets go into the body: a query string ends up in logs.
            let form = [("rcAccessToken", token.expose_secret()), ("rcTokenType", "Bearer")];
            match self.present(wire, "exchangeToken", &url, &form).await {
                Err(Error::Unauthorized(_)) if !fresh => {}
                answer => return self.keep(held, &answer?),
            }
        }
        Err(Error::Unauthorized("RingCX refused the RingCentral token".to_owned()))
    }

    /// Sends the parameters where this RingCX wants them.
    async fn present(
        &self,
        wire: &Wire,
        operation: &'static str,
        url: &str,
        form: &[(&str, &str)],
    ) -> Result<Value, Error> {
        let answer = match self.params {
            ExchangeParams::Body => wire.form(operation, url, form).await,
            ExchangeParams::Query => {
                let url = reqwest::Url::parse_with_params(url, form);
                let url = url.map_err(|error| Error::store(format!("ringcx.base_url: {error}")))?;
                wire.form(operation, url.as_str(), &[]).await
            }
        };
        if let Err(Error::Limited { after }) = &answer {
            // Whoever needs a token next must not ask within the penalty.
            self.budget.penalise_of("auth", *after).await;
        }
        answer
    }

    async fn platform(
        &self,
        held: &mut Held,
        settings: &PlatformSettings,
        wire: &Wire,
    ) -> Result<SecretString, Error> {
        let now = self.clock.now();
        if let Some(token) = held.platform.as_ref().filter(|token| now < token.renew_at) {
            return Ok(token.token.clone());
        }
        let fresh = oauth::grant(wire, settings, now).await?;
        let token = fresh.token.clone();
        held.platform = Some(fresh);
        Ok(token)
    }

    fn keep(&self, held: &mut Held, answer: &Value) -> Result<Proof, Error> {
        let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let Some(access) = text("accessToken") else {
            return Err(Error::Garbled {
                maybe_applied: false,
                message: "a token answer without accessToken".to_owned(),
            });
        };
        let now = self.clock.now();
        let life = expiry(access).map_or(LIFE, |end| {
            Duration::from_secs(u64::try_from(end - now.as_second()).unwrap_or_default())
        });
        let margin = MARGIN.min(life / 5);
        held.generation += 1;
        held.refresh = text("refreshToken").map(SecretString::from);
        let token = SecretString::from(access);
        held.access = Some(Access { token: token.clone(), renew_at: now + life.saturating_sub(margin) });
        Ok(Proof::Bearer(token, held.generation))
    }

    /// Counts an exchange or a refresh, over all replicas; beyond what RingCX allows, says how long to wait.
    async fn count(&self) -> Result<(), Error> {
        let most = if self.notice.get().is_some() {
            self.per_minute.saturating_sub(1).max(1)
        } else {
            self.per_minute
        };
        self.budget.acquire_of("auth", most).await.map_err(|after| Error::Limited { after })
    }
}

/// The end of a token that happens to be a readable JWT, in seconds since the epoch.
fn expiry(token: &str) -> Option<i64> {
    claim(token, "exp")?.as_i64()
}

/// Whose a token is that happens to be a readable JWT.
pub(super) fn subject(token: &str) -> Option<String> {
    match claim(token, "sub")? {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn claim(token: &str, name: &str) -> Option<Value> {
    let claims = base64url(token.split('.').nth(1)?)?;
    serde_json::from_slice::<Value>(&claims).ok()?.get(name).cloned()
}

/// Bytes of base64 without padding (RFC 4648 §5).
fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.bytes().filter(|b| *b != b'=') {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' | b'+' => 62,
            b'_' | b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

/// The wire and the tokens together, as the transport shares them.
pub(super) type SharedTokens = Arc<Tokens>;

#[cfg(test)]
mod tests {
    use super::*;

    static TOLD: std::sync::Mutex<Vec<(Duration, bool)>> = std::sync::Mutex::new(Vec::new());

    #[tokio::test(start_paused = true)]
    async fn a_command_waits_for_a_sign_in_and_leaves_the_last_one_to_the_server() {
        let settings: RingCxSettings =
            serde_json::from_value(serde_json::json!({"account_id": "1", "auth_per_minute": 3})).unwrap();
        let budget = Arc::new(super::super::budget::LocalBudget::new(100));
        let tokens = || {
            let credential = Credential::ApiToken(SecretString::from("t"), None);
            Tokens::new(
                &settings,
                credential,
                Arc::<super::super::budget::LocalBudget>::clone(&budget),
                Clock::system(),
            )
        };
        let (server, command) = (tokens(), tokens());
        command.wait_for_sign_ins(|after, waits| TOLD.lock().unwrap().push((after, waits)));
        for _ in 0..2 {
            command.count().await.unwrap();
        }
        let Err(Error::Limited { after }) = command.count().await else { panic!("there is a third one") };
        server.count().await.unwrap();
        let mut left = PATIENCE;
        assert!(command.waits(after, &mut left).await && !command.waits(after, &mut left).await);
        assert_eq!(*TOLD.lock().unwrap(), [(after, true), (after, false)]);
        command.count().await.unwrap();
        assert!(!server.waits(Duration::ZERO, &mut left).await, "requests have their own time");
    }

    #[test]
    fn the_end_of_a_token_is_read_if_it_is_a_jwt() {
        // {"alg":"none"} . {"exp":1700000000}
        assert_eq!(expiry("eyJhbGciOiJub25lIn0.eyJleHAiOjE3MDAwMDAwMDB9.x"), Some(1_700_000_000));
        assert_eq!(expiry("opaque"), None);
        assert_eq!(expiry("a.b!.c"), None);
    }
}
