//! Reads typed settings out of the tree, and goes on after a mistake so that all of them are reported at once.
//!
//! The type of a key decides how the value of a variable is read: digits stay text where text is due, `true` becomes a flag
//! where a flag is due, lists and tables are TOML values. Start reading at [`settings`].

use std::collections::BTreeSet;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};

use super::tree::{self, Node, Value};
use super::{Complaint, near};

/// How many mistakes are worth listing; a wrong file could have thousands.
const MOST_COMPLAINTS: usize = 100;

/// Reads `T` from the tree. Settings come back also when there are complaints, with defaults where those stand, so that what
/// can still be checked is; `None` when even that is impossible.
pub(super) fn settings<T: DeserializeOwned>(root: &mut Node) -> (Option<T>, Vec<Complaint>) {
    let mut complaints: Vec<Complaint> = Vec::new();
    let mut named: BTreeSet<Vec<String>> = BTreeSet::new();
    loop {
        let fault = match T::deserialize(Reader(root)) {
            Ok(settings) => return (Some(settings), complaints),
            Err(fault) => fault,
        };
        let path: Vec<String> = fault.path.into_iter().rev().collect();
        let complaint = repair(root, &path, fault.what);
        match complaint {
            Repaired::Silently => {}
            Repaired::Not(complaint) => {
                if named.insert(complaint.path().to_vec()) {
                    complaints.push(complaint);
                }
                return (None, complaints);
            }
            Repaired::Because(complaint) => {
                if named.insert(complaint.path().to_vec()) {
                    complaints.push(complaint);
                }
            }
        }
        if complaints.len() >= MOST_COMPLAINTS {
            return (None, complaints);
        }
    }
}

/// Every key that a settings struct knows, as it says itself when asked for one that it does not know.
#[cfg(test)]
pub(super) fn keys_of<T: DeserializeOwned>() -> &'static [&'static str] {
    let nothing = Node { origin: tree::Origin::Nowhere, value: Value::Blank };
    let entries = std::collections::BTreeMap::from([("?".to_owned(), nothing)]);
    let table = Node { origin: tree::Origin::Nowhere, value: Value::Table(entries) };
    match T::deserialize(Reader(&table)) {
        Err(Fault { what: What::Unknown { known, .. }, .. }) => known,
        _ => panic!("it does not deny unknown fields"),
    }
}

enum Repaired {
    Because(Complaint),
    Silently,
    /// Reading cannot get past it.
    Not(Complaint),
}

/// Changes the tree so that reading gets past a fault. Each change removes an entry, or fills a hole for good, so it ends.
fn repair(root: &mut Node, path: &[String], what: What) -> Repaired {
    match what {
        What::Unknown { key, known } => {
            let full = [path, std::slice::from_ref(&key)].concat();
            let complaint = Complaint::new(root.origin_of(&full), &full, unknown(&key, known));
            match root.find_mut(path).and_then(Node::entries_mut).and_then(|entries| entries.remove(&key)) {
                Some(_) => Repaired::Because(complaint),
                None => Repaired::Not(complaint),
            }
        }
        What::Missing(key) => {
            if let Some(entries) = root.find_mut(path).and_then(Node::entries_mut) {
                let hole = Node { origin: tree::Origin::Nowhere, value: Value::Absent };
                entries.insert(key.to_owned(), hole);
                return Repaired::Silently;
            }
            let full = [path, &[key.to_owned()]].concat();
            Repaired::Not(Complaint::new(root.origin_of(&full), &full, missing(&full)))
        }
        What::Hole => {
            let complaint = Complaint::new(root.origin_of(path), path, missing(path));
            let Some(node) = root.find_mut(path) else { return Repaired::Not(complaint) };
            node.value = Value::Blank;
            Repaired::Because(complaint)
        }
        What::Wrong(message) => {
            let complaint = Complaint::new(root.origin_of(path), path, message);
            let Some((last, parents)) = path.split_last() else { return Repaired::Not(complaint) };
            let Some(parent) = root.find_mut(parents) else { return Repaired::Not(complaint) };
            parent.unfold();
            match &mut parent.value {
                Value::Table(entries) => match entries.remove(last) {
                    Some(Node { value: Value::Blank, .. }) | None => Repaired::Not(complaint),
                    Some(_) => Repaired::Because(complaint),
                },
                // An item is taken out of its list; the numbers of later complaints shift, their lines do not.
                Value::List(items) => match last.parse::<usize>() {
                    Ok(index) if index < items.len() => {
                        items.remove(index);
                        Repaired::Because(complaint)
                    }
                    _ => Repaired::Not(complaint),
                },
                _ => Repaired::Not(complaint),
            }
        }
    }
}

fn missing(path: &[String]) -> String {
    let parents = path.split_last().map(|(_, parents)| parents).unwrap_or_default();
    // An entry of a list of tables has a section that repeats, and no variable of its own.
    match parents.split_last() {
        Some((number, list)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("is missing; set it in each [[{}]]", list.join("."))
        }
        _ => {
            let section = parents.join(".");
            format!("is missing; set it in the file under [{section}] or as {}", tree::variable_of(path))
        }
    }
}

pub(super) fn unknown(key: &str, known: &[&str]) -> String {
    match near::nearest(key, known) {
        Some(nearest) => format!("unknown key; did you mean {nearest}?"),
        None => format!("unknown key; known here are {}", known.join(", ")),
    }
}

/// Why reading stopped, and where: the steps of the path come innermost first.
#[derive(Debug)]
struct Fault {
    path: Vec<String>,
    what: What,
}

#[derive(Debug)]
enum What {
    Unknown {
        key: String,
        known: &'static [&'static str],
    },
    /// An entry of the table at the path.
    Missing(&'static str),
    /// The value at the path.
    Hole,
    Wrong(String),
}

impl Fault {
    fn new(what: What) -> Self {
        Self { path: Vec::new(), what }
    }

    fn wrong(message: impl Into<String>) -> Self {
        Self::new(What::Wrong(message.into()))
    }

    fn under(mut self, step: impl Into<String>) -> Self {
        self.path.push(step.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.what)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::wrong(message.to_string())
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(What::Unknown { key: field.to_owned(), known: expected })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(What::Missing(field))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::wrong(format!("\"{variant}\" is not one of {}", expected.join(", ")))
    }

    // Texts are not shown: they may be secret.
    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        match unexpected {
            Unexpected::Str(_) => Self::wrong(format!("is text, but {expected} is due")),
            other => Self::wrong(format!("is {other}, but {expected} is due")),
        }
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        match unexpected {
            Unexpected::Signed(number) if number < 0 => {
                Self::wrong(format!("is {number}, but a whole number from 0 up is due"))
            }
            Unexpected::Signed(number) => Self::wrong(format!("is {number}, which is too large")),
            other => Self::invalid_type(other, expected),
        }
    }
}

/// A node as serde reads it.
struct Reader<'a>(&'a Node);

impl Reader<'_> {
    fn not(&self, due: &str) -> Fault {
        let hint = if due == "text" { "; put it in quotes" } else { "" };
        let is = match &self.0.value {
            Value::Table(_) => "a table",
            Value::List(_) => "a list",
            Value::Text(_) | Value::Raw(_) => return Fault::wrong(format!("is text, but {due} is due")),
            Value::Integer(_) | Value::Float(_) => {
                return Fault::wrong(format!("is a number, but {due} is due{hint}"));
            }
            Value::Flag(_) => return Fault::wrong(format!("is true or false, but {due} is due{hint}")),
            Value::Absent => return Fault::new(What::Hole),
            Value::Blank => "nothing",
        };
        Fault::wrong(format!("is {is}, but {due} is due"))
    }

    /// The list or table that a variable spells.
    fn spelt(&self, text: &str, due: &str, example: &str) -> Result<Node, Fault> {
        tree::parse_value(text, &self.0.origin).map_err(|reason| {
            Fault::wrong(format!("must be {due} as TOML writes it, as in {example} ({reason})"))
        })
    }
}

/// The whole numbers, one method each: the visitor complains when the number does not fit its type.
macro_rules! numbers {
    ($($method:ident),+ $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            match &self.0.value {
                Value::Integer(number) => visitor.visit_i64(*number),
                Value::Raw(text) => match text.trim().parse() {
                    Ok(number) => visitor.visit_i64(number),
                    Err(_) => Err(Fault::wrong(format!("\"{text}\" is not a whole number"))),
                },
                Value::Blank => visitor.visit_i64(0),
                _ => Err(self.not("a whole number")),
            }
        })+
    };
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Table(_) => self.deserialize_map(visitor),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Text(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Flag(flag) => visitor.visit_bool(*flag),
            // Anything goes here, so a variable means what TOML says it means, and is text otherwise.
            Value::Raw(text) => match tree::parse_value(text, &self.0.origin) {
                Ok(node) => Reader(&node).deserialize_any(visitor),
                Err(_) => visitor.visit_str(text),
            },
            Value::Absent => Err(self.not("a value")),
            Value::Blank => visitor.visit_unit(),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Flag(flag) => visitor.visit_bool(*flag),
            Value::Raw(text) if text.trim().eq_ignore_ascii_case("true") => visitor.visit_bool(true),
            Value::Raw(text) if text.trim().eq_ignore_ascii_case("false") => visitor.visit_bool(false),
            Value::Blank => visitor.visit_bool(false),
            _ => Err(self.not("true or false")),
        }
    }

    numbers! {
        deserialize_i8, deserialize_i16, deserialize_i32, deserialize_i64, deserialize_u8, deserialize_u16,
        deserialize_u32, deserialize_u64,
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Raw(text) => match text.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => visitor.visit_f64(number),
                _ => Err(Fault::wrong(format!("\"{text}\" is not a number"))),
            },
            Value::Blank => visitor.visit_f64(0.0),
            _ => Err(self.not("a number")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Text(text) | Value::Raw(text) => visitor.visit_str(text),
            Value::Blank => visitor.visit_str(""),
            _ => Err(self.not("text")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Blank => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::List(items) => visitor.visit_seq(Items { items: items.iter().enumerate() }),
            Value::Blank => visitor.visit_seq(Items { items: [].iter().enumerate() }),
            Value::Raw(text) => {
                let node = self.spelt(text, "a list", r#"["A", "B"]"#)?;
                match &node.value {
                    Value::List(_) => Reader(&node).deserialize_seq(visitor),
                    _ => Err(Fault::wrong(r#"must be a list as TOML writes it, as in ["A", "B"]"#)),
                }
            }
            _ => Err(self.not("a list")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let nothing = std::collections::BTreeMap::new();
        match &self.0.value {
            Value::Table(entries) => visitor.visit_map(Entries { entries: entries.iter(), next: None }),
            Value::Absent | Value::Blank => {
                visitor.visit_map(Entries { entries: nothing.iter(), next: None })
            }
            Value::Raw(text) => {
                let node = self.spelt(text, "a table", r#"{ key = "value" }"#)?;
                match &node.value {
                    Value::Table(_) => Reader(&node).deserialize_map(visitor),
                    _ => Err(Fault::wrong(r#"must be a table as TOML writes it, as in { key = "value" }"#)),
                }
            }
            _ => Err(self.not("a table")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Text(text) | Value::Raw(text) => {
                let word: StrDeserializer<'_, Fault> = text.as_str().into_deserializer();
                visitor.visit_enum(word)
            }
            _ => Err(self.not("text")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! { char bytes byte_buf unit unit_struct tuple tuple_struct identifier }
}

struct Items<'a> {
    items: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        match self.items.next() {
            None => Ok(None),
            Some((index, node)) => {
                seed.deserialize(Reader(node)).map(Some).map_err(|fault| fault.under(index.to_string()))
            }
        }
    }
}

struct Entries<'a> {
    entries: std::collections::btree_map::Iter<'a, String, Node>,
    next: Option<(&'a str, &'a Node)>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((key, node)) = self.entries.next() else { return Ok(None) };
        self.next = Some((key, node));
        let name: StrDeserializer<'_, Fault> = key.as_str().into_deserializer();
        seed.deserialize(name).map(Some).map_err(|fault| match fault.what {
            What::Unknown { .. } => fault,
            // A key that is itself a bad value, such as the name of a tenant.
            _ => fault.under(key),
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        match self.next.take() {
            Some((key, node)) => seed.deserialize(Reader(node)).map_err(|fault| fault.under(key)),
            None => Err(Fault::wrong("a value without a key")),
        }
    }
}
