//! Reading JSON: as `serde_json` does, but a member given twice is refused. What one reader takes from the first and another from
//! the last is no value at all (RFC 8259 §4).

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use super::{Error, Object};

/// Reads one JSON value.
///
/// ```
/// use ringcx_scim::scim::json;
///
/// assert!(json::read(br#"{"userName": "jo"}"#).is_ok());
/// assert!(json::read(br#"{"active": true, "active": false}"#).unwrap_err().detail.contains("twice"));
/// ```
///
/// # Errors
///
/// 400 `invalidSyntax` with line and column, never with what stands there.
pub fn read(bytes: &[u8]) -> Result<Value, Error> {
    if std::str::from_utf8(bytes).is_err() {
        return Err(Error::invalid_syntax("The body is not UTF-8; JSON is sent as UTF-8."));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Once.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Error::invalid_syntax(if error.is_data() {
            format!(
                "The body gives a member of an object twice (line {line}, column {column}); send each once."
            )
        } else {
            format!("The body is not JSON (line {line}, column {column}); send one JSON object.")
        })
    })
}

/// Reads a value whose objects have each member once.
struct Once;

impl<'de> DeserializeSeed<'de> for Once {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Once)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Object::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom("a member is given twice"));
            }
            let value = members.next_value_seed(Once)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_single_meaning_is_refused_with_its_place() {
        for (text, part) in [
            (r#"{"a": 1, "b": {"c": 1, "c": 2}}"#, "twice (line 1"),
            (r#"{"a": 1}{"#, "not JSON"),
            (r#"{"a": "\ud800"}"#, "not JSON"),
            (r#"{"a": 1e999}"#, "not JSON"),
            ("", "not JSON"),
            (&"[".repeat(1000), "not JSON"),
        ] {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(error.detail.contains(part), "{text}: {error}");
        }
        assert!(read(b"{\"a\": \"\xff\"}").unwrap_err().detail.contains("UTF-8"));
    }

    proptest! {
        #[test]
        fn anything_else_reads_as_serde_json_reads_it(text in r#"[\[\]{}",:0-9ae.\\u -]{0,40}"#) {
            if let Ok(value) = read(text.as_bytes()) {
                prop_assert_eq!(value, serde_json::from_str::<Value>(&text).unwrap());
            } else if let Ok(value) = serde_json::from_str::<Value>(&text) {
                prop_assert!(value.to_string().len() < text.len(), "{} is fine", text);
            }
        }
    }
}
