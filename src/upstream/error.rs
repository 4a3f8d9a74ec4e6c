//! What an upstream answer means, so that nobody above looks at a status code.

use std::time::Duration;

use serde_json::Value;

/// Why a call did not do what was asked. Its text is one sentence without secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Our own credential is not accepted: a matter for the operator, never for the client.
    #[error("the bridge's own credential was not accepted ({0}).")]
    Unauthorized(String),
    /// Our credential may not do this.
    #[error("the bridge's RingCX account lacks a permission ({0}).")]
    Forbidden(String),
    /// There is nothing under this id, or nothing that we may see.
    #[error("it does not exist there.")]
    NotFound,
    /// Something of this name exists already.
    #[error("{0}")]
    Conflict(String),
    /// The bridge itself holds changes back: the call was not sent.
    #[error("{0}")]
    Held(String),
    /// What the call rests on is out of date: it was not sent, and is to be thought over again.
    #[error("what is known of it is out of date; nothing was sent.")]
    Outdated,
    /// Too many calls: nothing may be sent for this long.
    #[error("too many calls, free again in {} s.", .after.as_secs())]
    Limited {
        /// How long nothing may be sent.
        after: Duration,
    },
    /// The content was refused.
    #[error("{message}")]
    Rejected {
        /// RingCX's own reason.
        message: String,
        /// The attributes at fault and what is wrong with each.
        validation: Vec<(String, String)>,
    },
    /// No usable answer: the network, a time-out, a server error.
    #[error("{message}")]
    Unavailable {
        /// Whether the call may have been carried out all the same.
        maybe_applied: bool,
        /// What happened.
        message: String,
    },
    /// An answer that makes no sense: HTML, text or a shape that nobody published.
    #[error("the answer was not understood ({message}).")]
    Garbled {
        /// Whether the call may have been carried out all the same.
        maybe_applied: bool,
        /// What came instead.
        message: String,
    },
}

/// What the caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try again later.
    Retry,
    /// Try again with a new token.
    Reauth,
    /// Tell whoever asked.
    GiveUp,
}

impl Error {
    /// What to do about it.
    pub fn next(&self) -> Next {
        match self {
            Self::Held(_)
            | Self::Outdated
            | Self::Limited { .. }
            | Self::Unavailable { .. }
            | Self::Garbled { .. } => Next::Retry,
            Self::Unauthorized(_) => Next::Reauth,
            Self::Forbidden(_) | Self::NotFound | Self::Conflict(_) | Self::Rejected { .. } => Next::GiveUp,
        }
    }

    /// One word, for logs and metrics: the text may quote RingCX, and RingCX may name people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unauthorized(_) => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict(_) => "conflict",
            Self::Held(_) => "held",
            Self::Outdated => "outdated",
            Self::Limited { .. } => "limited",
            Self::Rejected { .. } => "rejected",
            Self::Unavailable { .. } => "unavailable",
            Self::Garbled { .. } => "garbled",
        }
    }

    /// Its text without e-mail addresses and login names of that form, for whoever did not ask about one person.
    pub fn without_addresses(&self) -> String {
        let text = self.to_string();
        let words = text.split(' ').map(|word| if word.contains('@') { "(address)" } else { word });
        words.collect::<Vec<_>>().join(" ")
    }

    /// Whether a changing call may have been carried out although it failed: look before trying again.
    pub fn may_have_been_applied(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { maybe_applied: true, .. } | Self::Garbled { maybe_applied: true, .. }
        )
    }

    /// Whether the refusal is about the login name: RingCX answers a taken one with 409, 400 or 500.
    pub fn names_username(&self) -> bool {
        let speaks = |text: &str| {
            let text = text.to_ascii_lowercase().replace([' ', '_'], "");
            text.contains("username")
        };
        match self {
            Self::Conflict(message) => speaks(message),
            Self::Rejected { message, validation } => {
                validation.iter().any(|(attribute, _)| speaks(attribute)) || speaks(message)
            }
            _ => false,
        }
    }

    /// What an answer means when it is an error; `changes` says whether the call was to change something.
    pub fn of_answer(
        status: u16,
        content_type: &str,
        body: &str,
        retry_after: Option<Duration>,
        changes: bool,
    ) -> Option<Self> {
        meaning(&Raw { status, content_type, retry_after, body: body.as_bytes() }, changes).err()
    }

    /// Whether RingCentral has refused the JWT, and not the client that showed it.
    pub fn blames_jwt(&self) -> bool {
        matches!(self, Self::Unauthorized(why) if why.starts_with("RingCentral refused the JWT"))
    }

    /// Trouble of our own that stops a call.
    pub fn store(message: String) -> Self {
        Self::Unavailable { maybe_applied: false, message }
    }
}

/// An answer before it has a meaning.
pub(super) struct Raw<'a> {
    pub(super) status: u16,
    pub(super) content_type: &'a str,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: &'a [u8],
}

/// How long nothing is sent after the first 429 that names no time.
pub(super) const PENALTY: Duration = Duration::from_secs(30);

/// The meaning of an answer to a call; `changes` says whether the call was to change something.
pub(super) fn meaning(raw: &Raw<'_>, changes: bool) -> Result<Value, Error> {
    let text = String::from_utf8_lossy(raw.body);
    match raw.status {
        200..=299 => success(raw, &text, changes),
        401 => Err(Error::Unauthorized(short(&reason(raw, &text)))),
        403 => Err(Error::Forbidden(short(&reason(raw, &text)))),
        404 => Err(Error::NotFound),
        409 => Err(Error::Conflict(short(&reason(raw, &text)))),
        429 => Err(Error::Limited { after: raw.retry_after.unwrap_or(PENALTY) }),
        408 | 500..=599 => Err(server_error(raw, &text, changes)),
        300..=399 => {
            Err(Error::Garbled { maybe_applied: false, message: format!("redirect {}", raw.status) })
        }
        _ => Err(rejected(raw, &text)),
    }
}

/// The meaning of an answer that is text, or that text as JSON; it is not shown, since it may be a secret.
pub(super) fn text_meaning(raw: &Raw<'_>) -> Result<Value, Error> {
    let text = String::from_utf8_lossy(raw.body);
    let text = text.trim().trim_matches('"');
    let fits = (200..300).contains(&raw.status) && !raw.content_type.contains("html");
    if !fits || text.starts_with('<') {
        return meaning(raw, true);
    }
    if text.is_empty() || text == "false" {
        let message = "text was due and nothing came".to_owned();
        return Err(Error::Garbled { maybe_applied: true, message });
    }
    Ok(Value::from(text))
}

fn success(raw: &Raw<'_>, text: &str, changes: bool) -> Result<Value, Error> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Ok(Value::Null);
    }
    let html = raw.content_type.contains("html") || trimmed.starts_with("<!") || trimmed.starts_with("<html");
    if html {
        // A path outside the API serves the web application's shell with 200, and a gateway its own page after the work is done.
        return Err(Error::Garbled { maybe_applied: changes, message: "HTML with status 200".to_owned() });
    }
    match serde_json::from_str(trimmed) {
        Ok(Value::Bool(false)) if changes => Err(Error::Rejected {
            message: "RingCX answered \"false\": it did not do it.".to_owned(),
            validation: Vec::new(),
        }),
        Ok(value) => Ok(value),
        Err(_) => {
            Err(Error::Garbled { maybe_applied: changes, message: "text where JSON was due".to_owned() })
        }
    }
}

/// A server error may hide a refusal: some installations answer a taken login name with 500.
fn server_error(raw: &Raw<'_>, text: &str, changes: bool) -> Error {
    let refused = rejected(raw, text);
    if raw.status == 500 && refused.names_username() {
        return refused;
    }
    Error::Unavailable {
        maybe_applied: changes,
        message: format!("RingCX answered with status {}.", raw.status),
    }
}

fn rejected(raw: &Raw<'_>, text: &str) -> Error {
    let body: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    let items = body.get("validationErrors").and_then(Value::as_array).into_iter().flatten();
    let validation: Vec<(String, String)> = items
        .map(|item| {
            let part = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            (part("attributeName"), part("message"))
        })
        .collect();
    let mut message = short(&reason(raw, text));
    for (attribute, why) in &validation {
        message = format!("{message} {attribute}: {}", short(why));
    }
    Error::Rejected { message, validation }
}

/// RingCX's own words, from whichever field of the envelope has them.
fn reason(raw: &Raw<'_>, text: &str) -> String {
    let body: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    let field =
        |name: &str| body.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let general = field("generalMessage").or_else(|| field("error_description")).or_else(|| field("message"));
    match (general, field("details")) {
        (Some(general), Some(details)) if general != details => format!("{general}: {details}"),
        (Some(one), _) | (None, Some(one)) => one.to_owned(),
        (None, None) if body.is_null() && !raw.content_type.contains("html") && !text.trim().is_empty() => {
            text.trim().to_owned()
        }
        (None, None) => format!("status {}", raw.status),
    }
}

/// The first 200 characters, on one line.
fn short(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, content_type: &str, body: &str) -> Result<Value, Error> {
        meaning(&Raw { status, content_type, retry_after: None, body: body.as_bytes() }, true)
    }

    #[test]
    fn every_answer_has_a_meaning() {
        let json = "application/json";
        assert_eq!(of(204, "", ""), Ok(Value::Null));
        assert_eq!(of(200, json, "true"), Ok(Value::Bool(true)));
        assert!(matches!(of(200, json, "false"), Err(Error::Rejected { .. })));
        assert!(matches!(
            of(200, "text/html", "<html></html>"),
            Err(Error::Garbled { maybe_applied: true, .. })
        ));
        assert!(matches!(of(200, "text/plain", "done"), Err(Error::Garbled { maybe_applied: true, .. })));
        assert_eq!(
            of(401, "text/plain", "Jwt is expired"),
            Err(Error::Unauthorized("Jwt is expired".to_owned()))
        );
        assert_eq!(of(429, "text/plain", "rate"), Err(Error::Limited { after: PENALTY }));
        assert_eq!(of(404, json, "{}"), Err(Error::NotFound));
        assert!(of(502, "text/html", "<html>").unwrap_err().may_have_been_applied());
        let denied = r#"{"errorCode":"access.denied.exception","generalMessage":"You do not have permission","details":""}"#;
        assert_eq!(of(403, json, denied), Err(Error::Forbidden("You do not have permission".to_owned())));
    }

    #[test]
    fn a_taken_login_name_is_recognised_in_every_dialect() {
        let validation = r#"{"generalMessage":"The supplied data is not valid",
            "validationErrors":[{"attributeName":"username","message":"is already in use","value":"x"}]}"#;
        for (status, body) in [
            (409, r#"{"generalMessage":"User name already exists"}"#),
            (400, validation),
            (500, r#"{"generalMessage":"An Internal Server Error occurred","details":"username is taken"}"#),
        ] {
            assert!(of(status, "application/json", body).unwrap_err().names_username(), "{status}");
        }
        assert!(
            !of(400, "application/json", r#"{"generalMessage":"agentRank"}"#).unwrap_err().names_username()
        );
    }
}
