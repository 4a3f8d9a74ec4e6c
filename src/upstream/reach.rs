//! Whether an address of our own answers, for the doctor: the public URL as an operator has written it.

use std::error::Error as _;
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Status and body of a GET without a credential; redirects are not followed.
///
/// # Errors
/// Half a sentence: why there was no answer.
pub async fn reach(url: &str) -> Result<(u16, String), String> {
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    #[expect(clippy::disallowed_methods, reason = "no call to RingCX: this is the bridge's own address")]
    let answer = client.get(url).send().await.map_err(|error| why(&error))?;
    let status = answer.status().as_u16();
    Ok((status, answer.text().await.unwrap_or_default()))
}

fn why(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut source = error.source();
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    let lower = text.to_ascii_lowercase();
    if error.is_timeout() {
        "there was no answer within 5 s".to_owned()
    } else if lower.contains("certificate") {
        format!("its certificate is not accepted ({text})")
    } else if lower.contains("resolve") || lower.contains("lookup") || lower.contains("not known") {
        "its host name is not known".to_owned()
    } else if lower.contains("corrupt message") || lower.contains("invalidcontenttype") {
        "there is no TLS".to_owned()
    } else {
        "nothing answers there".to_owned()
    }
}
