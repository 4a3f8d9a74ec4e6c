//! What is ours: the public URL, the store, the tokens of clients.

use std::time::Duration;

use super::{Config, Patient, Report, Store, TenantId, clause, store};
use crate::clock::Clock;
use crate::store::{facts, tokens};
use crate::upstream::reach;

/// How long before its end a token is worth a word, and when it is late.
const SOON: Duration = Duration::from_hours(24 * 30);
const LATE: Duration = Duration::from_hours(24);

/// Asks the server under the URL that clients see.
pub(super) async fn public_url(config: &Config, report: &mut Report) {
    let Some(url) = config.server.public_url.as_deref().map(|url| url.trim_end_matches('/')) else {
        return report.ok("public URL", "not set: clients are told the address that the server listens on");
    };
    let fix = if url.ends_with("/scim/v2") {
        "take /scim/v2 out of server.public_url, to which the server adds it"
    } else {
        "start `serve`, or correct server.public_url or the proxy in front of it"
    };
    match reach(&format!("{url}/healthz")).await {
        Ok((200, body)) if body.contains("\"status\":\"ok\"") => {
            report.ok("public URL", format!("{url} answers"));
        }
        Ok((status, _)) => {
            report
                .fail("public URL", format!("{url}/healthz answers {status} and is not this bridge; {fix}"));
        }
        Err(why) => report.fail("public URL", format!("{url} cannot be reached from here: {why}; {fix}")),
    }
}

/// Why the store did not open, with the fix.
pub(super) fn not_opened(config: &Config, error: &anyhow::Error) -> String {
    let why = clause(&format!("{error:#}"));
    let fix = match error.downcast_ref::<store::Error>() {
        // It names the folder already.
        Some(store::Error::Unavailable(why)) if why.contains("store.url") => return clause(why),
        Some(store::Error::Corrupt(why)) => return format!("does not open: {why}"),
        _ if config.store.url.starts_with("postgres") => {
            "start PostgreSQL, or correct host, user, password and database in store.url"
        }
        _ => "correct the path in store.url, or give the bridge's user the right to write there",
    };
    format!("{why}; {fix}")
}

/// Whether the store takes a write.
pub(super) async fn writable(store: &Store, report: &mut Report) -> bool {
    let Ok(tenant) = "default".parse::<TenantId>() else { return false };
    let now = Clock::system().now();
    let written = store.write(move |tx| facts::set(tx, &tenant, "check", "written", now)).await;
    match &written {
        Ok(()) => report.ok("store", "takes writes"),
        Err(error) => {
            let why = clause(error);
            report.fail(
                "store",
                format!("takes no writes: {why}; give the bridge's user the right to write there"),
            );
        }
    }
    written.is_ok()
}

/// The tokens with which identity providers sign in.
pub(super) async fn client_tokens(patient: &Patient<'_>, report: &mut Report) {
    let (of, now) = (patient.id.clone(), Clock::system().now());
    let found = match patient.store.read(move |tx| tokens::list(tx, &of)).await {
        Ok(found) => found,
        Err(error) => {
            return report.fail("client tokens", format!("cannot be read: {}; try again", clause(&error)));
        }
    };
    let live: Vec<_> = found.iter().filter(|token| token.is_live(now)).collect();
    if live.is_empty() && patient.settings.issuer.is_empty() {
        let fix = "make one with `ringcx-scim token create`";
        report.fail(
            "client tokens",
            format!("no identity provider can sign in, there is no live token; {fix}"),
        );
    }
    for token in live {
        let name = &token.name;
        let Some(end) = token.expires.filter(|end| *end < now + SOON && token.replaced.is_none()) else {
            report.ok("client tokens", format!("{name} is live"));
            continue;
        };
        let detail =
            format!("{name} ends at {end}; `ringcx-scim token rotate --name {name}` makes a new one");
        if end < now + LATE {
            report.fail("client tokens", detail);
        } else {
            report.warn("client tokens", detail);
        }
    }
}
