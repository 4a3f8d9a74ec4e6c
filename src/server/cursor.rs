//! Cursors (RFC 9865): a place in a list, sealed, so that nobody can make, change or read one.
//!
//! Bound to the tenant and the query by the seal, and to an age by what is sealed. The key is kept in the store: a cursor outlives
//! a restart and is good at every replica. A cursor can hold the name of the last person shown, hence the encryption.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::auth::Caller;
use super::{App, Error};
use crate::scim;
use crate::scim::list::ListQuery;
use crate::store::facts;
use crate::store::search::Place;

/// Where the key is kept.
const KEY: &str = "cursor_key";
/// Length of the nonce of AES-GCM in bytes.
const NONCE: usize = 12;

/// What a cursor holds.
#[derive(Serialize, Deserialize)]
pub(super) struct Mark {
    /// Which of the types that were asked, where there are several.
    pub(super) part: usize,
    key: String,
    id: String,
    total: u64,
    /// When it was made, in milliseconds.
    at: i64,
}

impl Mark {
    pub(super) fn new(app: &App, part: usize, place: Place) -> Self {
        let Place { key, id, total } = place;
        Self { part, key, id, total, at: app.clock.now().as_millisecond() }
    }

    pub(super) fn into_place(self) -> Place {
        Place { key: self.key, id: self.id, total: self.total }
    }
}

/// The text of a cursor.
pub(super) async fn seal(app: &App, caller: &Caller, query: &str, mark: &Mark) -> Result<String, Error> {
    let failed = |what: &str| Error {
        log: Some(what.to_owned()),
        ..Error::new(500, "The bridge failed; its log has the reason under this request id.")
    };
    let key = key(app, caller).await?.ok_or_else(|| failed("the key of the cursors is unusable"))?;
    let mut sealed = serde_json::to_vec(mark).map_err(|_| failed("a cursor could not be written"))?;
    let nonce = key
        .seal_in_place_append_tag(Aad::from(bound_to(caller, query)), &mut sealed)
        .map_err(|_| failed("a cursor could not be sealed"))?;
    let mut whole = nonce.as_ref().to_vec();
    whole.extend(sealed);
    Ok(URL_SAFE_NO_PAD.encode(whole))
}

/// What a cursor holds.
///
/// # Errors
/// `invalidCursor` when it is none of ours, of another tenant or of another query; `expiredCursor` when it is too old.
pub(super) async fn open(app: &App, caller: &Caller, query: &str, cursor: &str) -> Result<Mark, Error> {
    let invalid = || {
        Error::from(scim::Error::invalid_cursor(
            "cursor was not given for this query; send it with the same parameters, or begin with an empty one.",
        ))
    };
    let key = key(app, caller).await?.ok_or_else(invalid)?;
    let whole = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
    let (nonce, sealed) = whole.split_at_checked(NONCE).ok_or_else(invalid)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| invalid())?;
    let mut sealed = sealed.to_vec();
    let plain =
        key.open_in_place(nonce, Aad::from(bound_to(caller, query)), &mut sealed).map_err(|_| invalid())?;
    let mark: Mark = serde_json::from_slice(plain).map_err(|_| invalid())?;
    let age = app.clock.now().as_millisecond().saturating_sub(mark.at);
    if u128::try_from(age).unwrap_or_default() > app.settings.cursor_timeout.as_duration().as_millis() {
        return Err(scim::Error::expired_cursor(format!(
            "cursor is older than {} seconds; begin again with an empty one.",
            app.settings.cursor_timeout.as_duration().as_secs()
        ))
        .into());
    }
    Ok(mark)
}

/// The parts of a query that must not change from page to page; only the cursor and the size of the page may.
pub(super) fn fingerprint(endpoint: &str, query: &ListQuery) -> String {
    let ListQuery { filter, attributes, excluded_attributes, sort_by, sort_order, .. } = query;
    format!("{:?}", (endpoint, filter, attributes, excluded_attributes, sort_by, sort_order))
}

fn bound_to(caller: &Caller, query: &str) -> Vec<u8> {
    format!("{}\n{query}", caller.tenant).into_bytes()
}

/// The tenant's key, made when it is first needed.
async fn key(app: &App, caller: &Caller) -> Result<Option<RandomizedNonceKey>, Error> {
    let tenant = caller.tenant.clone();
    let known = app.store.read(move |tx| facts::get(tx, &tenant, KEY)).await?;
    let text = if let Some(text) = known {
        text
    } else {
        let mut random = [0_u8; 32];
        if getrandom::fill(&mut random).is_err() {
            return Ok(None);
        }
        let (tenant, fresh, now) = (caller.tenant.clone(), URL_SAFE_NO_PAD.encode(random), app.clock.now());
        app.store.write(move |tx| facts::set_once(tx, &tenant, KEY, &fresh, now)).await?
    };
    let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    Ok(RandomizedNonceKey::new(&AES_256_GCM, &bytes).ok())
}
