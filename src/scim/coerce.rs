//! Reads a client's value as the schema wants it: type, constraint, and the tolerated shapes.

use std::fmt;

use serde_json::{Number, Value};

use super::error::shown;
use super::schema::{Attribute, Constraint, Kind, Resolved};
use super::{Error, Object, Resource, Rules, ScimType, quirks};

/// Most elements of a list; `members` is not read here.
pub(super) const MAX_ELEMENTS: usize = 1000;
/// Longest text in bytes. Names and addresses become keys of indexes, and those of PostgreSQL end at 2700 bytes.
const MAX_TEXT: usize = 1024;
/// Longest reference or certificate in bytes; a photo in a data URI still fits.
const MAX_DATA: usize = 256 * 1024;
/// Deepest nesting of a body. The deepest valid one has five levels.
const MAX_DEPTH: usize = 32;

/// Refuses a body nested beyond reason before anything walks it.
pub(super) fn check_depth(body: &Value) -> Result<(), Error> {
    fn within(value: &Value, left: usize) -> bool {
        let Some(left) = left.checked_sub(1) else { return false };
        match value {
            Value::Array(items) => items.iter().all(|item| within(item, left)),
            Value::Object(members) => members.values().all(|member| within(member, left)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        }
    }
    if within(body, MAX_DEPTH) {
        Ok(())
    } else {
        Err(Error::invalid_syntax(format!(
            "The body is nested more than {MAX_DEPTH} levels deep; send a flatter one."
        )))
    }
}

/// Where a value stands, for errors: a path, and the element of a list.
#[derive(Clone, Copy)]
pub(super) struct At {
    pub(super) resolved: Resolved,
    pub(super) index: Option<usize>,
}

impl At {
    fn sub(self, sub: &'static Attribute) -> Self {
        Self { resolved: Resolved { sub: Some(sub), ..self.resolved }, index: self.index }
    }
}

impl From<Resolved> for At {
    fn from(resolved: Resolved) -> Self {
        Self { resolved, index: None }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(index) = self.index else { return self.resolved.fmt(f) };
        let Resolved { extension, attribute, sub } = self.resolved;
        write!(f, "{}[{index}]", Resolved { extension, attribute, sub: None })?;
        sub.map_or(Ok(()), |sub| write!(f, ".{}", sub.name))
    }
}

/// Reads values; remembers what it skipped.
pub(super) struct Reader<'a> {
    pub(super) rules: &'a Rules,
    /// What is stored already: a value that violates a constraint but is the stored one (found at import) may be echoed.
    pub(super) stored: Option<&'a Resource>,
    /// Attributes outside the schema, by path.
    pub(super) skipped: Vec<String>,
    /// The keyword for an attribute outside the schema where those are refused.
    pub(super) unknown: ScimType,
}

impl<'a> Reader<'a> {
    /// For a whole body (POST, PUT).
    pub(super) fn of_body(rules: &'a Rules, stored: Option<&'a Resource>) -> Self {
        Self { rules, stored, skipped: Vec::new(), unknown: ScimType::InvalidSyntax }
    }

    /// For the values of PATCH operations.
    pub(super) fn of_patch(rules: &'a Rules, stored: &'a Resource) -> Self {
        Self { rules, stored: Some(stored), skipped: Vec::new(), unknown: ScimType::InvalidPath }
    }

    /// Skips, or refuses, an attribute outside the schema.
    pub(super) fn unknown(&mut self, path: String) -> Result<(), Error> {
        let in_body = self.unknown == ScimType::InvalidSyntax;
        if !quirks::unknown_attribute(self.rules, in_body, &path) {
            let path = super::error::quoted_path(&path);
            return Err(Error::of(
                self.unknown,
                format!("{path} is not an attribute of the schema; see /Schemas."),
            ));
        }
        self.skipped.push(path);
        Ok(())
    }

    /// The value of an attribute or sub-attribute; `None` where it says "unassigned".
    pub(super) fn read(&mut self, at: impl Into<At>, value: Value) -> Result<Option<Value>, Error> {
        let at = at.into();
        let Some(attribute) = at.resolved.leaf() else { return Ok(None) };
        if attribute.multi_valued {
            let elements = self.elements(at, attribute, value)?;
            return Ok((!elements.is_empty()).then_some(Value::Array(elements)));
        }
        self.one(at, attribute, value)
    }

    /// The elements of a list.
    pub(super) fn elements(
        &mut self,
        at: At,
        attribute: &'static Attribute,
        value: Value,
    ) -> Result<Vec<Value>, Error> {
        let items = match value {
            Value::Null => Vec::new(),
            Value::String(text) if text.is_empty() && quirks::empty_text(self.rules) => Vec::new(),
            other => quirks::single_as_list(self.rules, other)
                .map_err(|other| wrong_type(at, attribute, &other, "an array"))?,
        };
        if items.len() > MAX_ELEMENTS {
            let count = items.len();
            return Err(Error::invalid_value(format!(
                "{at} has {count} elements; send at most {MAX_ELEMENTS}."
            )));
        }
        let mut elements = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let at = At { index: Some(index), ..at };
            elements.extend(self.one(at, attribute, item)?);
        }
        let primaries =
            elements.iter().filter(|each| each.get("primary") == Some(&Value::Bool(true))).count();
        if primaries > 1 && !quirks::several_primaries(self.rules) {
            return Err(Error::invalid_value(format!(
                "{at} has {primaries} primary elements; mark one at most."
            )));
        }
        Ok(elements)
    }

    /// One value of the attribute's type, or one element of its list.
    pub(super) fn one(
        &mut self,
        at: At,
        attribute: &'static Attribute,
        value: Value,
    ) -> Result<Option<Value>, Error> {
        match value {
            Value::Null => Ok(None),
            Value::Array(items) => match quirks::list_as_single(self.rules, items) {
                Ok(single @ Value::Array(_)) => {
                    Err(wrong_type(at, attribute, &single, attribute.kind.as_str()))
                }
                Ok(single) => self.one(at, attribute, single),
                Err(items) => Err(wrong_type(at, attribute, &Value::Array(items), "one value")),
            },
            value if attribute.kind == Kind::Complex => {
                let mut object = Object::new();
                for (sub, value) in self.parts(at, attribute, value)? {
                    if let Some(value) = value {
                        object.insert(sub.name.to_owned(), value);
                    }
                }
                Ok((!object.is_empty()).then_some(Value::Object(object)))
            }
            Value::String(text) if text.is_empty() && quirks::empty_text(self.rules) => Ok(None),
            value => self.scalar(at, attribute, value).map(Some),
        }
    }

    /// The sub-attributes that a value of a complex attribute mentions; `None` for those it clears.
    pub(super) fn parts(
        &mut self,
        at: At,
        attribute: &'static Attribute,
        value: Value,
    ) -> Result<Vec<(&'static Attribute, Option<Value>)>, Error> {
        let rules = self.rules;
        let mut object = match value {
            Value::Object(object) => object,
            Value::String(text) if text.is_empty() && quirks::empty_text(rules) => return Ok(Vec::new()),
            other => quirks::scalar_as_object(rules, attribute, other)
                .map_err(|other| wrong_type(at, attribute, &other, "an object"))?,
        };
        quirks::unpack_role(rules, attribute, &mut object).map_err(|why| {
            Error::invalid_value(format!("{at} {why}; send the name of the role as value."))
        })?;
        let mut parts = Vec::with_capacity(object.len());
        for (key, value) in object {
            let alias = || quirks::sub_attribute_alias(rules, attribute, &key);
            match attribute.sub(&key).or_else(alias) {
                None => self.unknown(format!("{at}.{key}"))?,
                Some(sub) if !sub.writable() => {}
                Some(sub) => parts.push((sub, self.one(at.sub(sub), sub, value)?)),
            }
        }
        Ok(parts)
    }

    fn scalar(&mut self, at: At, attribute: &'static Attribute, value: Value) -> Result<Value, Error> {
        let rules = self.rules;
        let read = match (attribute.kind, value) {
            (Kind::Boolean, Value::Bool(flag)) => Value::Bool(flag),
            (Kind::Boolean, Value::String(text)) => quirks::boolean_text(rules, &text)
                .map(Value::Bool)
                .ok_or_else(|| wrong_type(at, attribute, &Value::String(text), "true or false"))?,
            (Kind::Integer, Value::Number(number)) => Value::from(
                whole(&number)
                    .ok_or_else(|| wrong_type(at, attribute, &Value::Number(number), "a whole number"))?,
            ),
            (Kind::Integer, Value::String(text)) => quirks::number_text::<i64>(rules, &text)
                .map(Value::from)
                .ok_or_else(|| wrong_type(at, attribute, &Value::String(text), "a whole number"))?,
            (Kind::Decimal, Value::Number(number)) => Value::Number(number),
            (Kind::Decimal, Value::String(text)) => {
                let number = quirks::number_text(rules, &text).and_then(Number::from_f64).map(Value::Number);
                number.ok_or_else(|| wrong_type(at, attribute, &Value::String(text), "a number"))?
            }
            (Kind::DateTime, Value::String(text)) => match text.parse::<jiff::Timestamp>() {
                Ok(_) => Value::String(text),
                Err(_) => return Err(wrong_type(at, attribute, &Value::String(text), "an RFC 3339 time")),
            },
            (Kind::String | Kind::Reference | Kind::Binary, Value::String(text)) => Value::String(text),
            (Kind::String | Kind::Reference, other) => quirks::scalar_as_text(rules, other)
                .map(Value::String)
                .map_err(|other| wrong_type(at, attribute, &other, "text"))?,
            (kind, other) => return Err(wrong_type(at, attribute, &other, kind.as_str())),
        };
        if let Value::String(text) = &read {
            check_text(at, attribute, text)?;
        }
        self.constrain(at, attribute, read)
    }

    fn constrain(&self, at: At, attribute: &'static Attribute, value: Value) -> Result<Value, Error> {
        let value = match constrained(attribute.constraint, value) {
            Ok(value) => return Ok(value),
            Err(value) => value,
        };
        // Kinds of agents that only RingCX may assign are shown, so an IdP that echoes its last GET sends them.
        if self.stored.is_some_and(|stored| stored.get(&at.to_string()) == Some(&value)) {
            return Ok(value);
        }
        let reason = match attribute.constraint {
            Constraint::Any => String::new(),
            Constraint::Range { min, max: Some(max) } => format!("is out of range {min}-{max}"),
            Constraint::Range { min, max: None } => format!("is below {min}"),
            Constraint::Words(words) => format!("is none of {}", words.join(", ")),
            Constraint::Digits => "may contain digits only".to_owned(),
            Constraint::Phone => {
                "is no telephone number; send 7 to 15 digits in E.164 form, for example +442071234567"
                    .to_owned()
            }
            Constraint::Destination => {
                "is no destination; send a telephone number such as +442071234567, an extension, a SIP address, or the word \
                 of a softphone"
                    .to_owned()
            }
        };
        let name = short(at);
        Err(Error::invalid_value(format!("{name}{} {reason}.", offending(attribute, &value))))
    }
}

/// Refuses what could not be stored.
fn check_text(at: At, attribute: &Attribute, text: &str) -> Result<(), Error> {
    let most = if attribute.kind == Kind::String { MAX_TEXT } else { MAX_DATA };
    if text.len() > most {
        let length = text.len();
        return Err(Error::invalid_value(format!("{at} is {length} bytes long; send at most {most}.")));
    }
    if text.contains('\0') {
        return Err(Error::invalid_value(format!(
            "{at} contains the character NUL, which cannot be stored; leave it out."
        )));
    }
    Ok(())
}

/// The value in the form its constraint wants, or back.
fn constrained(constraint: Constraint, value: Value) -> Result<Value, Value> {
    let fits = match (constraint, &value) {
        (Constraint::Range { min, max }, Value::Number(number)) => {
            number.as_i64().is_some_and(|number| number >= min && max.is_none_or(|max| number <= max))
        }
        (Constraint::Words(words), Value::String(text)) => {
            let known = words.iter().find(|word| word.eq_ignore_ascii_case(text.trim()));
            return known.map(|word| Value::from(*word)).ok_or(value);
        }
        (Constraint::Digits, Value::String(text)) => text.bytes().all(|byte| byte.is_ascii_digit()),
        (Constraint::Phone, Value::String(text)) => is_phone(text),
        (Constraint::Destination, Value::String(text)) => {
            is_phone(text) || is_extension_or_softphone(text.trim())
        }
        _ => true,
    };
    if fits { Ok(value) } else { Err(value) }
}

fn is_extension_or_softphone(text: &str) -> bool {
    let all = |fits: fn(u8) -> bool| !text.is_empty() && text.bytes().all(fits);
    let sip = text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    (all(|byte| byte.is_ascii_digit()) && (2..=8).contains(&text.len()))
        || all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        || (sip && all(|byte| byte.is_ascii_graphic()))
}

fn is_phone(text: &str) -> bool {
    let rest = text.trim();
    let rest = rest.strip_prefix('+').unwrap_or(rest);
    let digits = rest.bytes().filter(u8::is_ascii_digit).count();
    (7..=15).contains(&digits) && rest.chars().all(|each| each.is_ascii_digit() || " -.()".contains(each))
}

/// A whole number, also one written `5.0`.
fn whole(number: &Number) -> Option<i64> {
    // Beyond 2^53 a float is not exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    number.as_i64().or_else(|| {
        let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= EXACT)?;
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        Some(float as i64)
    })
}

fn wrong_type(at: At, attribute: &Attribute, value: &Value, wanted: &str) -> Error {
    let wanted = if wanted == Kind::Boolean.as_str() { "true or false" } else { wanted };
    let name = short(at);
    Error::invalid_value(format!("{name}{} does not fit; send {wanted}.", offending(attribute, value)))
}

/// The name of an attribute without the URN of its extension: what an administrator looks for.
fn short(at: At) -> String {
    let whole = at.to_string();
    whole.rsplit(':').next().unwrap_or_default().to_owned()
}

/// ` "value"`, or nothing for a secret.
fn offending(attribute: &Attribute, value: &Value) -> String {
    if attribute.secret() { String::new() } else { format!(" {}", shown(value)) }
}
