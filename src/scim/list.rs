//! Queries over a collection and their answers (RFC 7644 §3.4.2).

use serde_json::Value;

use super::error::quoted;
use super::{Error, Rules, quirks, urn};

/// How many resources a page has when the client does not say.
pub const DEFAULT_COUNT: u64 = 100;

/// Which part of the answer a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paging {
    /// From a place in the list, 1 or more (RFC 7644 §3.4.2.4).
    Index(u64),
    /// From a mark that the server gave; an empty one begins (RFC 9865).
    Cursor(String),
}

/// The parameters of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// Text of the filter.
    pub filter: Option<String>,
    /// Which part.
    pub paging: Paging,
    /// Most resources to show; 0 asks for the total alone.
    pub count: u64,
    /// Attributes to show.
    pub attributes: Option<String>,
    /// Attributes not to show.
    pub excluded_attributes: Option<String>,
    /// Attribute to sort by.
    pub sort_by: Option<String>,
    /// `ascending` or `descending`.
    pub sort_order: Option<String>,
}

/// The parameters as they come, before those that depend on each other are read.
#[derive(Default)]
struct Raw {
    texts: [Option<String>; 5],
    start_index: Value,
    count: Value,
    cursor: Option<String>,
}

/// The parameters that are texts, in the order of `Raw::texts`.
const TEXTS: [&str; 5] = ["filter", "attributes", "excludedAttributes", "sortBy", "sortOrder"];

impl ListQuery {
    /// Reads the pairs of a query string, decoded. Unknown parameters are ignored; of a repeated one the first counts.
    ///
    /// `startIndex` below 1 is 1, a negative `count` is 0 (RFC 7644 §3.4.2.4), and `count` is capped at `max_results`; with a
    /// cursor it must lie between 1 and that (RFC 9865 §2.1). Where both are given, the cursor decides.
    ///
    /// ```
    /// use ringcx_scim::scim::Rules;
    /// use ringcx_scim::scim::list::{ListQuery, Paging};
    ///
    /// let pairs = [("startIndex", "0"), ("count", "5000"), ("aadOptscim062020", "")];
    /// let query = ListQuery::parse(pairs, 200, &Rules::default())?;
    /// assert_eq!((query.paging, query.count), (Paging::Index(1), 200));
    /// # Ok::<(), ringcx_scim::scim::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// 400 `invalidValue` when `startIndex` or `count` is not a number, `invalidCount` when a cursor cannot have that count.
    pub fn parse<'q>(
        pairs: impl IntoIterator<Item = (&'q str, &'q str)>,
        max_results: u64,
        rules: &Rules,
    ) -> Result<Self, Error> {
        let mut raw = Raw::default();
        let mut seen: Vec<&str> = Vec::new();
        for (name, value) in pairs {
            let (name, value) = quirks::without_url_flag(rules, name, value);
            if seen.contains(&name) {
                continue;
            }
            seen.push(name);
            raw.take(name, &Value::from(value));
        }
        raw.finish(max_results)
    }

    /// Reads the body of a query by POST (RFC 7644 §3.4.3), where lists of attributes are arrays.
    ///
    /// # Errors
    ///
    /// 400 `invalidSyntax` when the body is not a `SearchRequest`, `invalidValue` as in [`ListQuery::parse`].
    pub fn from_search(body: &Value, max_results: u64, rules: &Rules) -> Result<Self, Error> {
        let Value::Object(body) = body else {
            return Err(Error::invalid_syntax("The body is not a JSON object; send a SearchRequest."));
        };
        if !quirks::loose_schemas(rules, body.get("schemas"), urn::SEARCH_REQUEST) {
            return Err(Error::invalid_syntax(format!(
                "schemas must be a list that contains {}.",
                urn::SEARCH_REQUEST
            )));
        }
        let mut raw = Raw::default();
        for (name, value) in body {
            raw.take(name, value);
        }
        raw.finish(max_results)
    }
}

impl Raw {
    fn take(&mut self, name: &str, value: &Value) {
        match name {
            "startIndex" => self.start_index = value.clone(),
            "count" => self.count = value.clone(),
            // An empty cursor asks for the first page (RFC 9865 §2).
            "cursor" => self.cursor = value.as_str().map(|text| text.trim().to_owned()),
            _ => {
                let of = TEXTS.iter().position(|each| *each == name);
                if let Some(place) = of.and_then(|index| self.texts.get_mut(index)) {
                    *place = text(value);
                }
            }
        }
    }

    fn finish(self, max_results: u64) -> Result<ListQuery, Error> {
        let [filter, attributes, excluded_attributes, sort_by, sort_order] = self.texts;
        let default = DEFAULT_COUNT.min(max_results);
        let (paging, count) = match self.cursor {
            None => {
                let start = number("startIndex", &self.start_index)?.map_or(1, |number| number.max(1));
                let count = number("count", &self.count)?.unwrap_or(default).min(max_results);
                (Paging::Index(start), count)
            }
            Some(cursor) => {
                let count = number("count", &self.count).unwrap_or(Some(0)).unwrap_or(default);
                if !(1..=max_results).contains(&count) {
                    return Err(Error::invalid_count(format!(
                        "With a cursor, count must be between 1 and {max_results}."
                    )));
                }
                (Paging::Cursor(cursor), count)
            }
        };
        Ok(ListQuery { filter, paging, count, attributes, excluded_attributes, sort_by, sort_order })
    }
}

/// A text parameter; a list is joined by commas, blank is not given.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    };
    (!text.is_empty()).then_some(text)
}

/// A count, negative ones as 0; `None` where it is blank. Stays within what a database counts.
fn number(name: &str, value: &Value) -> Result<Option<u64>, Error> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    };
    if text.is_empty() {
        return Ok(None);
    }
    let negative = text.starts_with('-');
    let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::invalid_value(format!("{name} {} is not a whole number.", quoted(&text))));
    }
    if negative {
        return Ok(Some(0));
    }
    let most = i64::MAX.unsigned_abs();
    Ok(Some(digits.parse::<u64>().unwrap_or(most).min(most)))
}

/// The answer to a query whose resources are texts already; with a cursor there is no `startIndex` (RFC 9865 §2).
pub fn page(total: u64, start_index: Option<u64>, next_cursor: Option<&str>, resources: &[&str]) -> String {
    let size: usize = resources.iter().map(|text| text.len() + 1).sum();
    let mut text = String::with_capacity(size + 512);
    text.extend([r#"{"schemas":[""#, urn::LIST_RESPONSE, r#""],"totalResults":"#, &total.to_string()]);
    if let Some(start) = start_index {
        text.extend([r#","startIndex":"#, &start.to_string()]);
    }
    text.extend([r#","itemsPerPage":"#, &resources.len().to_string()]);
    if let Some(cursor) = next_cursor {
        // Letters, digits, hyphens and underscores: nothing to escape.
        text.extend([r#","nextCursor":""#, cursor, r#"""#]);
    }
    text.push_str(r#","Resources":["#);
    for (index, resource) in resources.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(resource);
    }
    text.push_str("]}");
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(pairs: &[(&'static str, &'static str)]) -> Result<ListQuery, Error> {
        ListQuery::parse(pairs.iter().copied(), 200, &Rules::default())
    }

    #[test]
    fn paging_count_bounds() {
        let check = |name, value, expected: (u64, u64)| {
            let query = parse(&[(name, value)]).unwrap();
            assert_eq!(
                (query.paging, query.count),
                (Paging::Index(expected.0), expected.1),
                "{name}={value}"
            );
        };
        check("count", "2", (1, 2));
        check("count", "0", (1, 0));
        check("count", "-5", (1, 0));
        check("count", "201", (1, 200));
        check("count", "99999999999999999999999", (1, 200));
        check("count", "", (1, 100));
        check("startIndex", "0", (1, 100));
        check("startIndex", "-3", (1, 100));
        check("startIndex", "101", (101, 100));
        check("startIndex", "99999999999999999999999", (i64::MAX.unsigned_abs(), 100));
        for (name, value) in [("count", "ten"), ("startIndex", "1.5"), ("count", "-"), ("startIndex", "0x1")]
        {
            let error = parse(&[(name, value)]).unwrap_err();
            assert_eq!(error.scim_type, Some(crate::scim::ScimType::InvalidValue));
            assert!(error.detail.contains(name) && error.detail.contains(value), "{error}");
        }
        assert_eq!(ListQuery::parse([], 50, &Rules::default()).unwrap().count, 50);
    }

    #[test]
    fn a_cursor_has_a_count_within_bounds_and_goes_before_an_index() {
        let query = parse(&[("cursor", ""), ("startIndex", "7"), ("count", "200")]).unwrap();
        assert_eq!((query.paging, query.count), (Paging::Cursor(String::new()), 200));
        assert_eq!(parse(&[("cursor", "x")]).unwrap().paging, Paging::Cursor("x".to_owned()));
        for count in ["0", "-1", "201", "many"] {
            let error = parse(&[("cursor", "x"), ("count", count)]).unwrap_err();
            assert_eq!(error.scim_type, Some(crate::scim::ScimType::InvalidCount), "{count}");
        }
    }

    #[test]
    fn entra_tenant_url_flag_ignored() {
        for pairs in [
            [("aadOptscim062020", ""), ("filter", "userName eq \"x\"")],
            [("aadOptscim062020?filter", "userName eq \"x\""), ("", "")],
            [("filter", "userName eq \"x\"?aadOptscim062020"), ("unknown", "1")],
            [("AzureAdScimPatch2017", ""), ("filter", " userName eq \"x\" ")],
        ] {
            assert_eq!(parse(&pairs).unwrap().filter.as_deref(), Some("userName eq \"x\""), "{pairs:?}");
        }
        let other = parse(&[("filter", "title eq \"who?\"")]).unwrap();
        assert_eq!(other.filter.as_deref(), Some("title eq \"who?\""));
    }

    #[test]
    fn search_body_reads_like_a_query_string() {
        let body = json!({"schemas": [urn::SEARCH_REQUEST], "attributes": ["userName", "id"], "startIndex": 3, "count": 900,
                          "filter": "userName pr", "sortBy": "userName", "sortOrder": "descending"});
        let query = ListQuery::from_search(&body, 200, &Rules::default()).unwrap();
        assert_eq!(query.attributes.as_deref(), Some("userName,id"));
        assert_eq!((query.paging, query.count), (Paging::Index(3), 200));
        assert_eq!(query.sort_order.as_deref(), Some("descending"));
        assert!(ListQuery::from_search(&json!([]), 200, &Rules::default()).is_err());
        assert!(ListQuery::from_search(&json!({"count": true}), 200, &Rules::default()).is_err());
    }

    #[test]
    fn okta_list_counters_are_integers() {
        let body = |text: String| serde_json::from_str::<Value>(&text).unwrap();
        assert_eq!(
            body(page(7, Some(3), None, &["{\"id\":\"1\"}", "{}"])),
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 7, "startIndex": 3,
                   "itemsPerPage": 2, "Resources": [{"id": "1"}, {}]})
        );
        let marked = body(page(0, None, Some("abc"), &[]));
        assert_eq!(
            (&marked["Resources"], &marked["nextCursor"], marked.get("startIndex")),
            (&json!([]), &json!("abc"), None)
        );
    }
}
