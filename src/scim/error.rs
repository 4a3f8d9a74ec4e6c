//! The error of the protocol (RFC 7644 §3.12) and its `scimType` words, those of RFC 9865 included, in one table.

use std::fmt;

use serde_json::{Value, json};

use super::{Object, urn};

/// A refusal as the client sees it. `Display` is the detail: attribute, offending value, reason and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Error {
    /// HTTP status.
    pub status: u16,
    /// The keyword of RFC 7644 table 9, where one applies.
    pub scim_type: Option<ScimType>,
    /// One sentence for the administrator of the client, without secrets.
    pub detail: String,
}

/// Declares the keywords of RFC 7644 table 9 and RFC 9865 §2.1: variant, constructor, wire name, status, meaning.
macro_rules! scim_types {
    ($($variant:ident, $constructor:ident, $name:literal, $status:literal, $doc:literal;)*) => {
        /// The detail error keywords of RFC 7644 table 9 and RFC 9865 §2.1.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub enum ScimType { $(#[doc = $doc] $variant,)* }

        impl ScimType {
            /// Every keyword, in the order of the table.
            pub const ALL: &'static [ScimType] = &[$(Self::$variant),*];

            /// The keyword on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }
        }

        impl Error {
            $(#[doc = $doc]
            pub fn $constructor(detail: impl Into<String>) -> Self {
                Self::of(ScimType::$variant, detail)
            })*
        }
    };
}

scim_types! {
    InvalidFilter, invalid_filter, "invalidFilter", 400, "The filter cannot be parsed, or compares what cannot be compared.";
    TooMany, too_many, "tooMany", 400, "The query yields more than the server is willing to work through.";
    Uniqueness, uniqueness, "uniqueness", 409, "A value that has to be unique is taken.";
    Mutability, mutability, "mutability", 400, "The attribute may not be changed.";
    InvalidSyntax, invalid_syntax, "invalidSyntax", 400, "The body is not of the right structure.";
    InvalidPath, invalid_path, "invalidPath", 400, "The path of a PATCH operation is malformed or names no attribute.";
    NoTarget, no_target, "noTarget", 400, "The path of a PATCH operation selects nothing.";
    InvalidValue, invalid_value, "invalidValue", 400, "A required value is missing or a value does not fit its attribute.";
    InvalidVers, invalid_vers, "invalidVers", 400, "The protocol version is not supported.";
    InvalidCursor, invalid_cursor, "invalidCursor", 400, "The cursor was not given by this server for this query (RFC 9865 §2.1).";
    ExpiredCursor, expired_cursor, "expiredCursor", 400, "The cursor is too old (RFC 9865 §2.1).";
    InvalidCount, invalid_count, "invalidCount", 400, "The page size is not possible with a cursor (RFC 9865 §2.1).";
    Sensitive, sensitive, "sensitive", 403, "The request puts confidential values into its URI (RFC 7644 §7.5.2).";
}

impl Error {
    /// An error without a keyword.
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Self { status, scim_type: None, detail: detail.into() }
    }

    /// An error with a keyword and the status that belongs to it.
    pub fn of(scim_type: ScimType, detail: impl Into<String>) -> Self {
        Self { status: scim_type.status(), scim_type: Some(scim_type), detail: detail.into() }
    }

    /// 404: `what` ("User", "Group" ...) with this id is not here.
    pub fn not_found(what: &str, id: &str) -> Self {
        Self::new(404, format!("{what} {} does not exist here.", quoted(id)))
    }

    /// The same error, its detail prefixed by where it happened.
    pub(super) fn within(mut self, place: impl fmt::Display) -> Self {
        self.detail = format!("{place}: {}", self.detail);
        self
    }

    /// The body of the answer. `status` is a string, and there is no member of ours (RFC 7644 §3.12): strict clients refuse
    /// unknown ones, so the request id ends the detail, where the admin reads it.
    pub fn to_body(&self, request_id: &str) -> Value {
        let mut body = Object::new();
        body.insert("schemas".to_owned(), json!([urn::ERROR]));
        body.insert("status".to_owned(), Value::String(self.status.to_string()));
        if let Some(scim_type) = self.scim_type {
            body.insert("scimType".to_owned(), Value::from(scim_type.as_str()));
        }
        body.insert("detail".to_owned(), Value::from(format!("{} (request {request_id})", self.detail)));
        Value::Object(body)
    }
}

/// Longest piece of a client's value that an error repeats.
const SHOWN: usize = 60;
/// Longest piece of a path; the URN of an extension takes 55.
const SHOWN_PATH: usize = 110;

/// A client's text as an error repeats it: quoted, escaped, cut.
pub(super) fn quoted(text: &str) -> String {
    quoted_to(text, SHOWN)
}

/// A client's path or attribute name as an error repeats it.
pub(super) fn quoted_path(text: &str) -> String {
    quoted_to(text, SHOWN_PATH)
}

fn quoted_to(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
    }
}

/// A client's value as an error repeats it: text quoted, anything else as JSON, cut.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_status_is_string() {
        let body = Error::not_found("User", "2819").to_body("req-1");
        assert_eq!(
            body,
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "404",
                   "detail": "User \"2819\" does not exist here. (request req-1)"})
        );
    }

    #[test]
    fn each_scim_type_has_its_status() {
        let all: Vec<(&str, u16)> = ScimType::ALL.iter().map(|each| (each.as_str(), each.status())).collect();
        assert_eq!(
            all,
            [
                ("invalidFilter", 400),
                ("tooMany", 400),
                ("uniqueness", 409),
                ("mutability", 400),
                ("invalidSyntax", 400),
                ("invalidPath", 400),
                ("noTarget", 400),
                ("invalidValue", 400),
                ("invalidVers", 400),
                ("invalidCursor", 400),
                ("expiredCursor", 400),
                ("invalidCount", 400),
                ("sensitive", 403),
            ]
        );
        let taken = Error::uniqueness("x");
        assert_eq!((taken.status, taken.to_body("r")["scimType"].as_str()), (409, Some("uniqueness")));
    }

    #[test]
    fn long_values_are_cut_at_a_character() {
        let text = quoted(&"ä".repeat(200));
        assert_eq!(text.chars().count(), SHOWN + 5);
        assert!(text.ends_with("..."));
    }
}
