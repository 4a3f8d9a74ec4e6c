//! Queries over a collection and their answers (RFC 7644 §3.4.2).

use serde_json::{Value, json};

use super::error::quoted;
use super::{Error, Object, quirks, urn};

/// How many resources a page has when the client does not say.
const DEFAULT_COUNT: u64 = 100;

/// The parameters of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// Text of the filter.
    pub filter: Option<String>,
    /// First resource to show, 1 or more.
    pub start_index: u64,
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

impl ListQuery {
    /// Reads the pairs of a query string, decoded. Unknown parameters are ignored; of a repeated one the first counts.
    ///
    /// `startIndex` below 1 is 1, a negative `count` is 0 (RFC 7644 §3.4.2.4), and `count` is capped at `max_results`.
    ///
    /// ```
    /// use ringcx_scim::scim::list::ListQuery;
    ///
    /// let query = ListQuery::parse([("startIndex", "0"), ("count", "5000"), ("aadOptscim062020", "")], 200)?;
    /// assert_eq!((query.start_index, query.count), (1, 200));
    /// # Ok::<(), ringcx_scim::scim::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// 400 `invalidValue` when `startIndex` or `count` is not a number.
    pub fn parse<'q>(
        pairs: impl IntoIterator<Item = (&'q str, &'q str)>,
        max_results: u64,
    ) -> Result<Self, Error> {
        let mut query = Self::first_page(max_results);
        let mut seen: Vec<&str> = Vec::new();
        for (name, value) in pairs {
            let (name, value) = quirks::without_url_flag(name, value);
            if seen.contains(&name) {
                continue;
            }
            seen.push(name);
            query.take(name, &Value::from(value), max_results)?;
        }
        Ok(query)
    }

    /// Reads the body of a query by POST (RFC 7644 §3.4.3), where lists of attributes are arrays.
    ///
    /// # Errors
    ///
    /// 400 `invalidSyntax` when the body is not an object, `invalidValue` as in [`ListQuery::parse`].
    pub fn from_search(body: &Value, max_results: u64) -> Result<Self, Error> {
        let Value::Object(body) = body else {
            return Err(Error::invalid_syntax("The body is not a JSON object; send a SearchRequest."));
        };
        let mut query = Self::first_page(max_results);
        for (name, value) in body {
            query.take(name, value, max_results)?;
        }
        Ok(query)
    }

    fn first_page(max_results: u64) -> Self {
        Self {
            filter: None,
            start_index: 1,
            count: DEFAULT_COUNT.min(max_results),
            attributes: None,
            excluded_attributes: None,
            sort_by: None,
            sort_order: None,
        }
    }

    fn take(&mut self, name: &str, value: &Value, max_results: u64) -> Result<(), Error> {
        match name {
            "startIndex" => {
                self.start_index = number(name, value)?.map_or(self.start_index, |number| number.max(1));
            }
            "count" => self.count = number(name, value)?.unwrap_or(self.count).min(max_results),
            "filter" => self.filter = text(value),
            "attributes" => self.attributes = text(value),
            "excludedAttributes" => self.excluded_attributes = text(value),
            "sortBy" => self.sort_by = text(value),
            "sortOrder" => self.sort_order = text(value),
            _ => {}
        }
        Ok(())
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

/// The answer to a query; counters are integers, `Resources` is there even when empty.
pub fn response(total: u64, start_index: u64, resources: Vec<Value>) -> Value {
    let mut body = Object::new();
    body.insert("schemas".to_owned(), json!([urn::LIST_RESPONSE]));
    body.insert("totalResults".to_owned(), Value::from(total));
    body.insert("startIndex".to_owned(), Value::from(start_index));
    body.insert("itemsPerPage".to_owned(), Value::from(resources.len()));
    body.insert("Resources".to_owned(), Value::Array(resources));
    Value::Object(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&'static str, &'static str)]) -> Result<ListQuery, Error> {
        ListQuery::parse(pairs.iter().copied(), 200)
    }

    #[test]
    fn paging_count_bounds() {
        let check = |name, value, expected: (u64, u64)| {
            let query = parse(&[(name, value)]).unwrap();
            assert_eq!((query.start_index, query.count), expected, "{name}={value}");
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
        assert_eq!(ListQuery::parse([], 50).unwrap().count, 50);
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
        let query = ListQuery::from_search(&body, 200).unwrap();
        assert_eq!(query.attributes.as_deref(), Some("userName,id"));
        assert_eq!((query.start_index, query.count), (3, 200));
        assert_eq!(query.sort_order.as_deref(), Some("descending"));
        assert!(ListQuery::from_search(&json!([]), 200).is_err());
        assert!(ListQuery::from_search(&json!({"count": true}), 200).is_err());
    }

    #[test]
    fn okta_list_counters_are_integers() {
        let body = response(7, 3, vec![json!({"id": "1"})]);
        assert_eq!(
            body,
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 7, "startIndex": 3,
                   "itemsPerPage": 1, "Resources": [{"id": "1"}]})
        );
        assert_eq!(response(0, 1, vec![])["Resources"], json!([]));
    }
}
