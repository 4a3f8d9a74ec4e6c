//! The list of extensions: who has an account at RingCentral.

use secrecy::SecretString;
use serde_json::Value;

use super::usage::Group;
use crate::upstream::error::Error;
use crate::upstream::model::{Extension, RcUserId, id_of};
use crate::upstream::transport::Wire;

/// Extensions a page: the most that the platform gives.
const PER_PAGE: usize = 1000;

/// The most pages that are read: the platform has accounts of some ten thousand.
const PAGES: usize = 100;

/// Every extension of the account.
pub(in crate::upstream) async fn list(
    wire: &Wire,
    base: &str,
    token: &SecretString,
) -> Result<Vec<Extension>, Error> {
    let mut found = Vec::new();
    for page in 1..=PAGES {
        let url = format!("{base}/restapi/v1.0/account/~/extension?perPage={PER_PAGE}&page={page}");
        let answer = wire.platform_get(Group::Medium, "listExtensions", &url, token).await?;
        let records = answer.get("records").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        found.extend(records.iter().filter_map(read));
        let pages = answer.pointer("/paging/totalPages").and_then(Value::as_u64).unwrap_or(1);
        if records.is_empty() || usize::try_from(pages).is_ok_and(|pages| page >= pages) {
            break;
        }
    }
    Ok(found)
}

/// One extension; without an id it is none.
pub(in crate::upstream) fn read(item: &Value) -> Option<Extension> {
    let text = |path: &str| item.pointer(path).and_then(Value::as_str).map(str::to_owned);
    Some(Extension {
        id: RcUserId(id_of(item.get("id")?)?),
        name: text("/name"),
        email: text("/contact/email"),
        number: text("/extensionNumber"),
        status: text("/status"),
        kind: text("/type"),
    })
}
