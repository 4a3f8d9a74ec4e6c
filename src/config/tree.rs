//! The configuration before it has types: a tree of values that each know where they were written.
//!
//! Grows from one TOML file ([`from_toml`]), then from the environment above it ([`overlay`]), then from the files that
//! secrets are kept in ([`resolve_secret_files`]). Knows nothing of what any key means; [`super::read`] does the typing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::Complaint;

/// What every variable of ours begins with.
pub(super) const PREFIX: &str = "BRIDGE__";

/// A value and where it was written. Its `Debug` is left out on purpose: values may be secret.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) value: Value,
}

/// What a place in the tree holds.
#[derive(Clone)]
pub(super) enum Value {
    Table(BTreeMap<String, Node>),
    List(Vec<Node>),
    Text(String),
    Integer(i64),
    Float(f64),
    Flag(bool),
    /// The value of a variable: what it means depends on the type of its key.
    Raw(String),
    /// Nothing was written here although something must be: a section that may still turn out to need nothing.
    Absent,
    /// Stands in for a value that has been complained about, so that reading can go on.
    Blank,
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// In the configuration file, at this line.
    File { name: Arc<str>, line: usize },
    /// In this environment variable.
    Variable(Arc<str>),
    /// Nowhere.
    Nowhere,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Variable(name) => f.write_str(name),
            Self::Nowhere => f.write_str("configuration"),
        }
    }
}

impl Node {
    /// A tree without anything in it.
    pub(super) fn empty() -> Self {
        Self { origin: Origin::Nowhere, value: Value::Table(BTreeMap::new()) }
    }

    /// The node at the end of a path, if the tree reaches that far.
    pub(super) fn find(&self, path: &[String]) -> Option<&Self> {
        path.iter().try_fold(self, |node, step| match &node.value {
            Value::Table(entries) => entries.get(step),
            Value::List(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        })
    }

    /// The same, to change; the value of a variable on the way is read as the table or list that it spells.
    pub(super) fn find_mut(&mut self, path: &[String]) -> Option<&mut Self> {
        path.iter().try_fold(self, |node, step| {
            node.unfold();
            match &mut node.value {
                Value::Table(entries) => entries.get_mut(step),
                Value::List(items) => step.parse::<usize>().ok().and_then(|index| items.get_mut(index)),
                _ => None,
            }
        })
    }

    /// Where the value at a path was written, or else the nearest thing around it.
    pub(super) fn origin_of(&self, path: &[String]) -> &Origin {
        (0..=path.len())
            .rev()
            .filter_map(|length| path.get(..length).and_then(|start| self.find(start)))
            .map(|node| &node.origin)
            .find(|origin| **origin != Origin::Nowhere)
            .unwrap_or(&Origin::Nowhere)
    }

    /// The entries of a table, made one where nothing stands yet.
    pub(super) fn entries_mut(&mut self) -> Option<&mut BTreeMap<String, Self>> {
        self.unfold();
        if matches!(self.value, Value::Absent | Value::Blank) {
            self.value = Value::Table(BTreeMap::new());
        }
        match &mut self.value {
            Value::Table(entries) => Some(entries),
            _ => None,
        }
    }

    /// Turns a variable that spells a list or table into that list or table.
    pub(super) fn unfold(&mut self) {
        if let Value::Raw(text) = &self.value
            && let Ok(node) = parse_value(text, &self.origin)
            && matches!(node.value, Value::Table(_) | Value::List(_))
        {
            *self = node;
        }
    }
}

/// Reads a TOML document; `name` is what complaints call it.
pub(super) fn from_toml(name: &str, text: &str) -> Result<Node, Complaint> {
    let name: Arc<str> = name.into();
    let at = |offset: usize| Origin::File { name: Arc::clone(&name), line: line_of(text, offset) };
    match DeTable::parse(text) {
        Ok(document) => Ok(table(document.get_ref(), at(0), &at)),
        Err(error) => {
            let offset = error.span().map_or(0, |span| span.start);
            Err(Complaint::new(&at(offset), &[], format!("not TOML: {}", error.message())))
        }
    }
}

/// Reads one TOML value, as a variable spells a list or a table.
pub(super) fn parse_value(text: &str, origin: &Origin) -> Result<Node, String> {
    let document = format!("value = {text}");
    let parsed = DeTable::parse(&document).map_err(|error| error.message().to_owned())?;
    let mut entries = parsed.get_ref().iter();
    match (entries.next(), entries.next()) {
        (Some((_, value)), None) => Ok(convert(value.get_ref(), origin.clone(), &|_| origin.clone())),
        _ => Err("more than one value".to_owned()),
    }
}

fn table(entries: &DeTable<'_>, origin: Origin, at: &dyn Fn(usize) -> Origin) -> Node {
    let entries = entries
        .iter()
        .map(|(key, value)| {
            let origin = at(key.span().start);
            (key.get_ref().to_string(), convert(value.get_ref(), origin, at))
        })
        .collect();
    Node { origin, value: Value::Table(entries) }
}

fn convert(value: &DeValue<'_>, origin: Origin, at: &dyn Fn(usize) -> Origin) -> Node {
    let value = match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        // Too long for 64 bits: kept as text, which no number accepts.
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Text(number.to_string()),
        },
        DeValue::Float(number) => {
            number.as_str().parse().map_or_else(|_| Value::Text(number.as_str().to_owned()), Value::Float)
        }
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| convert(item.get_ref(), at(item.span().start), at)).collect())
        }
        DeValue::Table(entries) => return table(entries, origin, at),
    };
    Node { origin, value }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// Lays the environment over the tree: `BRIDGE__SERVER__LISTEN` is `server.listen`.
///
/// A name in upper case is lowered; one with small letters is taken as it stands, for keys that have capitals. In the name of
/// a tenant `_` means `-`. An empty variable counts as one that is not set.
pub(super) fn overlay(root: &mut Node, variables: impl Iterator<Item = (String, String)>) -> Vec<Complaint> {
    // In order of name, so that `...__POLICY` comes before `...__POLICY__ON_DELETE`.
    let variables: BTreeMap<String, String> =
        variables.filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty()).collect();
    variables.into_iter().filter_map(|(name, value)| place(root, &name, value).err()).collect()
}

fn place(root: &mut Node, name: &str, value: String) -> Result<(), Complaint> {
    let origin = Origin::Variable(name.into());
    let path = path_of(name);
    let Some((last, parents)) = path.split_last().filter(|_| path.iter().all(|step| !step.is_empty())) else {
        return Err(Complaint::new(&origin, &[], "names no key; write BRIDGE__SECTION__KEY".to_owned()));
    };
    let mut node = root;
    for (depth, step) in parents.iter().enumerate() {
        let entries = node.entries_mut().ok_or_else(|| not_a_table(&origin, &path, depth))?;
        node = entries
            .entry(step.clone())
            .or_insert_with(|| Node { origin: origin.clone(), value: Value::Table(BTreeMap::new()) });
    }
    let entries = node.entries_mut().ok_or_else(|| not_a_table(&origin, &path, parents.len()))?;
    entries.insert(last.clone(), Node { origin, value: Value::Raw(value) });
    Ok(())
}

fn not_a_table(origin: &Origin, path: &[String], depth: usize) -> Complaint {
    let around = path.get(..depth).unwrap_or_default();
    let message = format!(
        "{} is not a table; write all of it as one TOML value in {}",
        around.join("."),
        variable_of(around)
    );
    Complaint::new(origin, path, message)
}

/// The path that the name of a variable stands for.
fn path_of(name: &str) -> Vec<String> {
    let mut steps: Vec<String> = name
        .strip_prefix(PREFIX)
        .unwrap_or_default()
        .split("__")
        .map(|step| {
            if step.contains(|letter: char| letter.is_ascii_lowercase()) {
                step.to_owned()
            } else {
                step.to_ascii_lowercase()
            }
        })
        .collect();
    if let [first, tenant, ..] = steps.as_mut_slice()
        && first == "tenant"
    {
        *tenant = tenant.replace('_', "-");
    }
    steps
}

/// The name of the variable that sets the key at a path.
pub(super) fn variable_of(path: &[String]) -> String {
    let steps: Vec<String> = path
        .iter()
        .map(|step| {
            let plain = step.replace('-', "_");
            let capitals = plain.contains(|letter: char| letter.is_ascii_uppercase());
            if capitals { plain } else { plain.to_ascii_uppercase() }
        })
        .collect();
    format!("{PREFIX}{}", steps.join("__"))
}

/// The texts at a path below each entry of a table.
pub(super) fn texts(root: &Node, table: &str, below: &[&str]) -> BTreeMap<String, String> {
    let below: Vec<String> = below.iter().map(|step| (*step).to_owned()).collect();
    let Some(Value::Table(entries)) = root.find(&[table.to_owned()]).map(|node| &node.value) else {
        return BTreeMap::new();
    };
    let found = entries.iter().filter_map(|(name, entry)| match &entry.find(&below)?.value {
        Value::Text(text) | Value::Raw(text) => Some((name.clone(), text.clone())),
        _ => None,
    });
    found.collect()
}

/// Reads each secret that is given as `KEY_file` and puts it where `KEY` would stand; `*` in a path is any name.
pub(super) fn resolve_secret_files(root: &mut Node, secrets: &[&str]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for secret in secrets {
        let Some((parents, key)) = secret.rsplit_once('.') else { continue };
        let parents: Vec<&str> = parents.split('.').collect();
        resolve(root, &parents, key, &mut Vec::new(), &mut complaints);
    }
    complaints
}

fn resolve(node: &mut Node, below: &[&str], key: &str, path: &mut Vec<String>, out: &mut Vec<Complaint>) {
    node.unfold();
    let Value::Table(entries) = &mut node.value else { return };
    if let Some((step, rest)) = below.split_first() {
        for (name, child) in entries.iter_mut().filter(|(name, _)| *step == "*" || name == step) {
            path.push(name.clone());
            resolve(child, rest, key, path, out);
            path.pop();
        }
        return;
    }
    let file_key = format!("{key}_file");
    let Some(named) = entries.remove(&file_key) else { return };
    path.push(file_key.clone());
    if entries.contains_key(key) {
        out.push(Complaint::new(&named.origin, path, format!("given as well as {key}; keep one of the two")));
    } else {
        // Blank after a complaint: the key was given, so it must not also be reported as missing.
        let value = match &named.value {
            Value::Text(file) | Value::Raw(file) => read_secret(file),
            _ => Err("must be text: the name of a file".to_owned()),
        };
        let value = match value {
            Ok(secret) => Value::Text(secret),
            Err(message) => {
                out.push(Complaint::new(&named.origin, path, message));
                Value::Blank
            }
        };
        entries.insert(key.to_owned(), Node { origin: named.origin, value });
    }
    path.pop();
}

/// The content of a file without the line end that editors and `echo` leave.
fn read_secret(file: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(Path::new(file))
        .map_err(|error| format!("cannot read the file {file}: {error}"))?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() { Err(format!("the file {file} is empty")) } else { Ok(text.to_owned()) }
}
