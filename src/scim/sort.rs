//! Sorting (RFC 7644 §3.4.2.3): which attribute decides, and in what order.
//!
//! A value becomes a text whose code points sort like the value itself, so that any store, and a cursor, can hold the place of a
//! resource in the order. A resource without the attribute comes last, or first when descending.

use jiff::Timestamp;
use serde_json::Value;

use super::error::{quoted, quoted_path};
use super::filter::AttrPath;
use super::fold::fold;
use super::schema::{Attribute, Kind, Resolved, ResourceType};
use super::{Error, Object};

/// An order of resources.
#[derive(Clone, Debug)]
pub struct Sort {
    /// The attribute as it was named, for a store that has a column for it.
    pub path: AttrPath,
    /// Whether the greatest comes first.
    pub descending: bool,
    at: Option<Resolved>,
}

/// Stands before the text of a value, and alone where there is none.
const PRESENT: char = '0';
const ABSENT: char = '1';

impl Sort {
    /// Reads `sortBy` and `sortOrder`; `None` when nothing is to be sorted by. The attribute must be one of `among`; in a type
    /// that does not have it, every resource is without it.
    ///
    /// ```
    /// use ringcx_scim::scim::{schema::USER, sort::Sort};
    /// use serde_json::json;
    ///
    /// let sort = Sort::parse(&USER, &[&USER], Some("name.familyName"), Some("descending"))?.unwrap();
    /// let key = |name: &str| sort.key(json!({"name": {"familyName": name}}).as_object().unwrap());
    /// assert!(sort.descending && key("abel") < key("Baker"));
    /// # Ok::<(), ringcx_scim::scim::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// 400 `invalidValue` for an attribute that nobody has, is complex, or is never shown, and for an unknown order.
    pub fn parse(
        ty: &ResourceType,
        among: &[&ResourceType],
        sort_by: Option<&str>,
        sort_order: Option<&str>,
    ) -> Result<Option<Self>, Error> {
        let descending = match sort_order {
            None => false,
            Some(word) if word.eq_ignore_ascii_case("ascending") => false,
            Some(word) if word.eq_ignore_ascii_case("descending") => true,
            Some(other) => {
                let other = quoted(other);
                return Err(Error::invalid_value(format!(
                    "sortOrder {other} is unknown; use ascending or descending."
                )));
            }
        };
        let Some(text) = sort_by else { return Ok(None) };
        let refuse = |why: &str| Err(Error::invalid_value(format!("sortBy {} {why}.", quoted_path(text))));
        let Ok(path) = AttrPath::parse(text) else {
            return refuse("is no attribute path; name one attribute such as userName or name.familyName");
        };
        if !among.iter().any(|each| each.resolve(&path).is_some()) {
            return refuse("is no attribute here; see /Schemas");
        }
        let at = match ty.resolve(&path) {
            None => None,
            Some(at) => match comparable(at) {
                Ok(at) => Some(at),
                Err(why) => return refuse(why),
            },
        };
        Ok(Some(Self { path, descending, at }))
    }

    /// The place of a full answer object in the ascending order.
    pub fn key(&self, full: &Object) -> String {
        let text = self.at.and_then(|at| {
            let value = at.value(full)?;
            let element = match value {
                Value::Array(elements) => preferred(elements)?,
                single => single,
            };
            let value = match at.sub {
                Some(sub) => element.get(sub.name)?,
                None => element,
            };
            comparable_text(at.leaf()?, value)
        });
        text.map_or_else(|| ABSENT.to_string(), |text| format!("{PRESENT}{text}"))
    }

    /// The text of a key, as a column of folded or exact text has it; `None` where the attribute is absent.
    pub fn text_of(key: &str) -> Option<&str> {
        key.strip_prefix(PRESENT)
    }

    /// The key of such a text.
    pub fn key_of(text: &str) -> String {
        format!("{PRESENT}{text}")
    }
}

/// The attribute by whose values resources can be ordered.
fn comparable(at: Resolved) -> Result<Resolved, &'static str> {
    let leaf = at.leaf().ok_or("names a schema; name an attribute")?;
    if leaf.secret() {
        return Err("is never shown, and nothing is sorted by it");
    }
    if leaf.kind != Kind::Complex {
        return Ok(at);
    }
    match leaf.sub("value").filter(|_| at.sub.is_none()) {
        Some(value) => Ok(Resolved { sub: Some(value), ..at }),
        None => Err("has parts; name one of them, such as name.familyName"),
    }
}

/// RFC 7644 §3.4.2.3: of many values the primary one decides, else the first.
fn preferred(elements: &[Value]) -> Option<&Value> {
    let primary = |element: &&Value| element.get("primary") == Some(&Value::Bool(true));
    elements.iter().find(primary).or_else(|| elements.first())
}

fn comparable_text(attribute: &Attribute, value: &Value) -> Option<String> {
    match value {
        Value::String(text) if attribute.kind == Kind::DateTime => {
            let time = text.parse::<Timestamp>().ok()?;
            Some(format!("{:039}", time.as_nanosecond() + (1_i128 << 100)))
        }
        Value::String(text) if attribute.case_exact => Some(text.clone()),
        Value::String(text) => Some(fold(text)),
        Value::Bool(flag) => Some(u8::from(*flag).to_string()),
        Value::Number(number) => {
            // The bits of a float sort like the float once the sign is turned over.
            let bits = number.as_f64()?.to_bits();
            let ordered = if bits >> 63 == 0 { bits ^ (1 << 63) } else { !bits };
            Some(format!("{ordered:016x}"))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scim::schema::{GROUP, USER};
    use crate::scim::urn;

    /// Sorts bodies by an attribute and gives their ids.
    fn sorted(by: &str, order: &str, bodies: &Value) -> Vec<String> {
        let sort = Sort::parse(&USER, &[&USER], Some(by), Some(order)).unwrap().unwrap();
        let mut keys: Vec<(String, String)> = bodies
            .as_array()
            .unwrap()
            .iter()
            .map(|body| (sort.key(body.as_object().unwrap()), body["id"].as_str().unwrap().to_owned()))
            .collect();
        keys.sort();
        if sort.descending {
            keys.reverse();
        }
        keys.into_iter().map(|(_, id)| id).collect()
    }

    #[test]
    fn every_kind_of_attribute_sorts_and_absent_ones_come_last() {
        let rank = |number: i64| json!({"agentRank": number});
        let bodies = json!([
            {"id": "a", "userName": "b", "active": true, "externalId": "B", urn::RINGCX_USER: rank(9),
             "meta": {"created": "2026-01-01T10:00:00+02:00"}, "emails": [{"value": "z@x"}, {"value": "a@x", "primary": true}]},
            {"id": "b", "userName": "A", "active": false, "externalId": "a", urn::RINGCX_USER: rank(-3),
             "meta": {"created": "2026-01-01T09:00:00Z"}, "emails": [{"value": "M@x", "type": "work"}]},
            {"id": "c", "userName": "ä", "meta": {"created": "1960-01-01T00:00:00Z"}, urn::RINGCX_USER: rank(24)},
        ]);
        let check = |by: &str, expected: &str| {
            let up: String = sorted(by, "Ascending", &bodies).concat();
            assert_eq!(up, expected, "{by}");
            let down: String = sorted(by, "descending", &bodies).concat();
            assert_eq!(down.chars().rev().collect::<String>(), expected, "{by} descending");
        };
        check("userName", "bac");
        check("active", "bac");
        check("externalId", "abc");
        check(&format!("{}:agentRank", urn::RINGCX_USER), "bac");
        check("meta.created", "cab");
        check("emails", "abc");
        check("emails.value", "abc");
        check("emails.type", "bac");
        check("ID", "abc");
    }

    #[test]
    fn what_cannot_be_sorted_by_is_refused() {
        for (by, order, part) in [
            ("shoeSize", None, "no attribute"),
            ("name", None, "has parts"),
            (urn::RINGCX_USER, None, "names a schema"),
            ("urn:ietf:params:scim:schemas:extension:ringcx:2.0:User:phoneLoginPin", None, "never shown"),
            ("emails[type eq \"work\"]", None, "no attribute path"),
            ("userName", Some("up"), "ascending or descending"),
        ] {
            let error = Sort::parse(&USER, &[&USER], Some(by), order).unwrap_err();
            assert!(error.detail.contains(part), "{by}: {error}");
        }
        assert!(Sort::parse(&USER, &[&USER], None, Some("descending")).unwrap().is_none());
        let of_users = Sort::parse(&GROUP, &[&USER, &GROUP], Some("userName"), None).unwrap().unwrap();
        assert_eq!(of_users.key(json!({"displayName": "x"}).as_object().unwrap()), "1");
    }
}
