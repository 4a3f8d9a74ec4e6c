//! The one error of HTTP: what the client reads, and what the log says.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::{reconcile, scim, store};

/// Why a request was not served. The body is written by the outermost layer, which knows the request id.
#[derive(Clone, Debug)]
pub struct Error {
    /// What the client reads.
    pub(super) scim: scim::Error,
    /// When to ask again.
    pub(super) after: Option<Duration>,
    /// What the log says besides; never secrets or personal data.
    pub(super) log: Option<String>,
}

impl Error {
    /// An error of the protocol.
    pub(super) fn new(status: u16, detail: impl Into<String>) -> Self {
        scim::Error::new(status, detail).into()
    }

    /// 401: the same answer whatever was wrong; only the log knows.
    pub(super) fn unauthorized(log: &str) -> Self {
        Self {
            log: Some(log.to_owned()),
            ..Self::new(401, "The token was not accepted; check the token and its expiry.")
        }
    }

    /// 429: too many calls to RingCX.
    pub(super) fn slow_down(after: Duration, detail: String) -> Self {
        Self { after: Some(after), ..Self::new(429, detail) }
    }

    /// 503: RingCX or the store cannot answer now.
    pub(super) fn unavailable(after: Duration, detail: String) -> Self {
        Self { after: Some(after), ..Self::new(503, detail) }
    }
}

impl From<scim::Error> for Error {
    fn from(scim: scim::Error) -> Self {
        // Whoever is told to come again is told when.
        let after = (scim.status == 503).then_some(Duration::from_secs(5));
        Self { scim, after, log: None }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        let log = Some(error.to_string());
        match error {
            store::Error::Unavailable(_) | store::Error::Stale | store::Error::LeaseLost => Self {
                log,
                ..Self::unavailable(
                    Duration::from_secs(5),
                    "The store of the bridge cannot answer now; try again.".to_owned(),
                )
            },
            store::Error::Conflict { .. } => Self {
                log,
                ..scim::Error::uniqueness("A value that must be unique is in use already.").into()
            },
            store::Error::Corrupt(_) => Self {
                log,
                ..Self::new(500, "The bridge failed; its log has the reason under this request id.")
            },
        }
    }
}

impl From<reconcile::Error> for Error {
    fn from(error: reconcile::Error) -> Self {
        match error {
            reconcile::Error::Scim(error) => error.into(),
            reconcile::Error::Store(error) => error.into(),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.scim.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(after) = self.after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            // The rest of the body is not read, so the connection cannot be used again.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// `Retry-After` is an integer, and never sooner than meant.
fn whole_seconds(after: Duration) -> u64 {
    after.as_secs() + u64::from(after.subsec_nanos() > 0 || after.is_zero())
}
