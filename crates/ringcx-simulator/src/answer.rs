//! Answers in the shapes of RingCX.

use serde_json::{Value, json};

/// An answer before it becomes HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) body: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Whether the call did what it was to do.
    pub(crate) applied: bool,
}

impl Answer {
    pub(crate) fn json(status: u16, value: &Value) -> Self {
        let applied = (200..300).contains(&status);
        Self { status, kind: "application/json", body: value.to_string(), headers: Vec::new(), applied }
    }

    pub(crate) fn ok(value: &Value) -> Self {
        Self::json(200, value)
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            kind: "",
            body: String::new(),
            headers: Vec::new(),
            applied: (200..300).contains(&status),
        }
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        let applied = (200..300).contains(&status);
        Self { status, kind: "text/plain", body: body.to_owned(), headers: Vec::new(), applied }
    }

    pub(crate) fn html() -> Self {
        let body = "<!DOCTYPE html><html><head><title>RingCX</title></head><body></body></html>".to_owned();
        Self { status: 200, kind: "text/html", body, headers: Vec::new(), applied: false }
    }

    /// The envelope of errors.
    pub(crate) fn error(status: u16, general: &str, details: &str) -> Self {
        Self::json(
            status,
            &json!({
                "generalMessage": general, "details": details, "developerMessage": "", "cause": "", "requestUri": "",
                "timestamp": 0,
            }),
        )
    }

    pub(crate) fn not_found() -> Self {
        let text = "The resource you have requested does not exist";
        Self::error(404, text, text)
    }

    pub(crate) fn forbidden() -> Self {
        Self::json(
            403,
            &json!({
                "errorCode": "access.denied.exception",
                "generalMessage": "You do not have permission to access this resource",
                "details": "", "developerMessage": "Access is denied", "cause": "", "requestUri": "", "timestamp": 0,
            }),
        )
    }

    /// A body that does not fit, with the attribute at fault.
    pub(crate) fn invalid(attribute: &str, message: &str) -> Self {
        let text = "The supplied data is not valid";
        Self::json(
            400,
            &json!({
                "generalMessage": text, "details": text,
                "validationErrors": [{"attributeName": attribute, "message": message, "value": null}],
            }),
        )
    }
}
