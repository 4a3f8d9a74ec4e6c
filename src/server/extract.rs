//! Bodies and queries, read as tolerantly as real clients need.

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::{Extensions, header, request::Parts};
use serde_json::Value;

use super::{App, Error};
use crate::scim::list::ListQuery;
use crate::scim::{self, Rules, quirks};

/// A JSON body.
pub(super) struct Body(pub(super) Value);

impl FromRequest<App> for Body {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self, Error> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).map(|kind| kind.trim().to_ascii_lowercase());
        let named = kind.as_deref().unwrap_or_default().to_owned();
        let fits = match named.as_str() {
            "application/scim+json" | "application/json" => true,
            "" | "text/json" => quirks::missing_content_type(&rules(request.extensions())),
            _ => false,
        };
        if !fits {
            return Err(Error::new(
                415,
                format!("The body is {named}; send application/scim+json or application/json."),
            ));
        }
        let limit = app.settings.max_body_bytes;
        let bytes = to_bytes(request.into_body(), limit).await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            if cause.contains("length limit") {
                Error::new(
                    413,
                    format!(
                        "The body is larger than {limit} bytes; send fewer members or operations at a time."
                    ),
                )
            } else {
                Error::new(400, "The body ended early; send it again.")
            }
        })?;
        Ok(Self(scim::json::read(&bytes)?))
    }
}

/// The parameters of a query.
pub(super) struct Parameters(pub(super) ListQuery);

impl FromRequestParts<App> for Parameters {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map(|Query(pairs)| pairs);
        let pairs = pairs.map_err(|_| {
            scim::Error::invalid_value("The query cannot be decoded; percent-encode it as UTF-8.")
        })?;
        let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Ok(Self(ListQuery::parse(pairs, app.settings.max_results, &rules(&parts.extensions))?))
    }
}

/// The rules of the tenant, left by [`Caller`](super::auth::Caller), which every handler takes first.
fn rules(extensions: &Extensions) -> Rules {
    extensions.get::<Rules>().cloned().unwrap_or_default()
}

/// The header of a conditional request.
pub(super) struct Conditions {
    pub(super) if_match: Option<String>,
    pub(super) if_none_match: Option<String>,
}

impl FromRequestParts<App> for Conditions {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Error> {
        let text =
            |name| parts.headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
        Ok(Self {
            if_match: text(header::IF_MATCH).map(str::to_owned),
            if_none_match: text(header::IF_NONE_MATCH).map(str::to_owned),
        })
    }
}

impl Conditions {
    /// Whether the client has this version already.
    pub(super) fn is_current(&self, etag: &str) -> bool {
        let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        self.if_none_match
            .as_deref()
            .is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == "*" || plain(tag) == plain(etag)))
    }
}
