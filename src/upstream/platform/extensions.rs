//! The list of extensions: who has an account at RingCentral.

use std::collections::BTreeSet;

use secrecy::SecretString;
use serde_json::Value;

use super::usage::Group;
use crate::upstream::error::Error;
use crate::upstream::model::{Extension, RcUserId, id_of};
use crate::upstream::transport::Wire;

/// Extensions a page: the most that the platform gives; it may give fewer.
const PER_PAGE: usize = 1000;

/// The last page that the platform has.
const PAGES: usize = 1000;

/// Every extension of the account, each once.
pub(in crate::upstream) async fn list(
    wire: &Wire,
    base: &str,
    token: &SecretString,
) -> Result<Vec<Extension>, Error> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    for page in 1..=PAGES {
        let url = format!("{base}/restapi/v1.0/account/~/extension?perPage={PER_PAGE}&page={page}");
        let answer = wire.platform_get(Group::Medium, "listExtensions", &url, token).await?;
        // Half a list is none: whoever stands on the rest would be taken for somebody without an extension.
        let records = answer.get("records").and_then(Value::as_array).ok_or_else(|| Error::Garbled {
            maybe_applied: false,
            message: format!("page {page} of the list of extensions has no records"),
        })?;
        let before = found.len();
        found.extend(records.iter().filter_map(read).filter(|it| seen.insert(it.id)));
        // A page with nothing new is the end, whatever it says of others.
        if found.len() == before || !has_next(&answer, page, records.len()) {
            break;
        }
    }
    Ok(found)
}

/// Whether there is a page after this one. The address of the next page is the documented sign, totals may be missing, and a
/// page may be shorter than was asked for.
fn has_next(answer: &Value, page: usize, records: usize) -> bool {
    let number = |path: &str| answer.pointer(path).and_then(id_of).and_then(|it| usize::try_from(it).ok());
    if answer.pointer("/navigation/nextPage").is_some_and(|next| !next.is_null()) {
        return true;
    }
    match (number("/paging/totalPages"), answer.pointer("/navigation/firstPage")) {
        (Some(pages), _) => page < pages,
        (None, Some(_)) => false,
        (None, None) => records >= number("/paging/perPage").unwrap_or(PER_PAGE),
    }
}

/// One extension; without an id it is none.
pub(in crate::upstream) fn read(item: &Value) -> Option<Extension> {
    let text = |path: &str| {
        let text = item.pointer(path).and_then(Value::as_str).map(str::trim);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let number = item.get("extensionNumber").and_then(id_of).map(|number| number.to_string());
    Some(Extension {
        id: RcUserId(id_of(item.get("id")?)?),
        name: text("/name"),
        first_name: text("/contact/firstName"),
        last_name: text("/contact/lastName"),
        email: text("/contact/email"),
        email_is_login: item.pointer("/contact/emailAsLoginName") == Some(&Value::Bool(true)),
        number: text("/extensionNumber").or(number),
        status: text("/status"),
        kind: text("/type"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_next_page_is_known_in_every_reading() {
        let next = json!({"navigation": {"nextPage": {"uri": "x"}}});
        let last = json!({"navigation": {"firstPage": {"uri": "x"}}});
        let total = json!({"paging": {"totalPages": "2"}, "navigation": {}});
        let silent = json!({"paging": {"perPage": 100}});
        for (answer, page, records, expected) in [
            (&next, 1, 100, true),
            (&last, 2, 100, false),
            (&total, 1, 3, true),
            (&total, 2, 100, false),
            (&silent, 1, 100, true),
            (&silent, 2, 99, false),
            (&Value::Null, 1, 100, false),
        ] {
            assert_eq!(has_next(answer, page, records), expected, "{answer}");
        }
    }

    #[test]
    fn ids_and_numbers_are_numbers_or_texts() {
        for item in [
            json!({"id": 3_361_292_020_i64, "extensionNumber": "101"}),
            json!({"id": "3361292020", "extensionNumber": 101}),
        ] {
            let read = read(&item).unwrap();
            assert_eq!((read.id, read.number.as_deref()), (RcUserId(3_361_292_020), Some("101")));
        }
        assert!(read(&json!({"extensionNumber": "101"})).is_none());
    }
}
