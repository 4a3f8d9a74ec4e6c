//! Filters as SQL, where an index can serve them.
//!
//! A conjunction gives the conditions of those operands that have a column; the rest is for the caller to look at. What comes out is
//! therefore never too narrow, and `exact` says whether it is also never too wide.

use scim_filter_parser::{AttrPath, CompareOp, CompareValue, Filter};

use super::Val;
use crate::domain::fold;

/// A value that outlives the filter it came from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Owned {
    Text(String),
    Int(i64),
    Bool(bool),
}

impl Owned {
    pub(super) fn as_val(&self) -> Val<'_> {
        match self {
            Self::Text(text) => Val::Text(text),
            Self::Int(number) => Val::Int(*number),
            Self::Bool(flag) => Val::Bool(*flag),
        }
    }
}

/// Conditions for a `WHERE`, each beginning with ` AND `, with parameters from `first` on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pushed {
    pub(super) sql: String,
    pub(super) values: Vec<Owned>,
    pub(super) exact: bool,
    first: usize,
}

/// How a column compares with what a filter says.
#[derive(Clone, Copy)]
enum Column {
    /// Folded text.
    Folded(&'static str),
    /// Exact text.
    Exact(&'static str),
    /// A boolean.
    Flag(&'static str),
    /// Milliseconds.
    Time(&'static str),
    /// A folded text in another table; the last `$` stands for the parameter.
    FoldedIn(&'static str),
    /// An exact text in another table.
    ExactIn(&'static str),
}

const USER_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

// `IN` and not `EXISTS`: SQLite goes through every person for the latter, and begins with the index for the former.
const EMAIL: Column =
    Column::FoldedIn("id IN (SELECT person_id FROM person_emails WHERE tenant = $1 AND email_key = $)");
const IN_GROUP: Column =
    Column::ExactIn("id IN (SELECT member_id FROM members WHERE tenant = $1 AND group_id = $)");
const MEMBER: Column =
    Column::ExactIn("id IN (SELECT group_id FROM members WHERE tenant = $1 AND member_id = $)");

fn user_column(name: &str, sub: Option<&str>) -> Option<Column> {
    Some(match (name, sub) {
        ("username", None) => Column::Folded("user_name_key"),
        ("displayname", None) => Column::Folded("display_name_key"),
        ("externalid", None) => Column::Exact("external_id"),
        ("id", None) => Column::Exact("id"),
        ("active", None) => Column::Flag("active"),
        ("meta", Some("lastmodified")) => Column::Time("modified_at"),
        ("emails", None | Some("value")) => EMAIL,
        ("groups", None | Some("value")) => IN_GROUP,
        _ => return None,
    })
}

fn group_column(name: &str, sub: Option<&str>) -> Option<Column> {
    Some(match (name, sub) {
        ("displayname", None) => Column::Folded("name_key"),
        ("externalid", None) => Column::Exact("external_id"),
        ("id", None) => Column::Exact("id"),
        ("meta", Some("lastmodified")) => Column::Time("modified_at"),
        ("members", None | Some("value")) => MEMBER,
        _ => return None,
    })
}

/// The conditions of a filter over people; parameters are numbered from `first`.
pub(super) fn people(filter: &Filter, first: usize) -> Pushed {
    push(filter, first, USER_URN, user_column)
}

/// The conditions of a filter over groups.
pub(super) fn groups(filter: &Filter, first: usize) -> Pushed {
    push(filter, first, GROUP_URN, group_column)
}

/// The column that sorts people like this attribute, if one does: text that everybody has.
pub(super) fn people_order(path: &AttrPath) -> Option<&'static str> {
    order(path, USER_URN, user_column, &["username", "id"])
}

/// The column that sorts groups like this attribute, if one does.
pub(super) fn groups_order(path: &AttrPath) -> Option<&'static str> {
    order(path, GROUP_URN, group_column, &["displayname", "id"])
}

fn order(path: &AttrPath, urn: &str, columns: Columns, always: &[&str]) -> Option<&'static str> {
    always.iter().find(|name| path.name.eq_ignore_ascii_case(name))?;
    match column(path, urn, columns)? {
        Column::Folded(name) | Column::Exact(name) => Some(name),
        Column::Flag(_) | Column::Time(_) | Column::FoldedIn(_) | Column::ExactIn(_) => None,
    }
}

type Columns = fn(&str, Option<&str>) -> Option<Column>;

fn push(filter: &Filter, first: usize, urn: &str, columns: Columns) -> Pushed {
    let mut pushed = Pushed { sql: String::new(), values: Vec::new(), exact: true, first };
    match filter {
        Filter::And(operands) => operands.iter().for_each(|one| pushed.operand(one, urn, columns)),
        one => pushed.operand(one, urn, columns),
    }
    pushed
}

impl Pushed {
    fn operand(&mut self, filter: &Filter, urn: &str, columns: Columns) {
        let pushed = match filter {
            Filter::Compare(path, op, value) => {
                column(path, urn, columns).is_some_and(|column| self.compare(column, *op, value))
            }
            Filter::ValuePath(path, inner) => {
                // One element must satisfy all of it; that some element has the value is a necessary part, and the
                // whole of it where nothing else is asked.
                self.value_of(path, inner, urn, columns)
            }
            _ => false,
        };
        self.exact &= pushed;
    }

    fn value_of(&mut self, path: &AttrPath, inner: &Filter, urn: &str, columns: Columns) -> bool {
        let parts = match inner {
            Filter::And(parts) => parts.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut pushed = 0;
        for part in parts {
            if let Filter::Compare(sub, CompareOp::Eq, value) = part
                && sub.urn.is_none()
                && sub.sub.is_none()
                && sub.name.eq_ignore_ascii_case("value")
                && let Some(column) = column(path, urn, columns)
                && self.compare(column, CompareOp::Eq, value)
            {
                pushed += 1;
            }
        }
        parts.len() == 1 && pushed == 1
    }

    /// Adds a comparison; false when no column can serve it.
    fn compare(&mut self, column: Column, op: CompareOp, value: &CompareValue) -> bool {
        match (column, op, value) {
            (Column::Folded(name), CompareOp::Eq, CompareValue::String(text)) => {
                self.add(&format!("{name} = $"), Owned::Text(fold(text)));
            }
            (Column::Folded(name), CompareOp::Sw, CompareValue::String(text)) => {
                return self.begins(name, &fold(text));
            }
            (Column::Exact(name), CompareOp::Eq, CompareValue::String(text)) => {
                self.add(&format!("{name} = $"), Owned::Text(text.clone()));
            }
            (Column::FoldedIn(sql), CompareOp::Eq, CompareValue::String(text)) => {
                self.add(sql, Owned::Text(fold(text)));
            }
            (Column::ExactIn(sql), CompareOp::Eq, CompareValue::String(text)) => {
                self.add(sql, Owned::Text(text.clone()));
            }
            (Column::Flag(name), CompareOp::Eq, CompareValue::Bool(flag)) => {
                self.add(&format!("{name} = $"), Owned::Bool(*flag));
            }
            (Column::Time(name), op, CompareValue::String(text)) => return self.time(name, op, text),
            _ => return false,
        }
        true
    }

    /// Texts that begin with `prefix` lie between it and the next text of its length, by code point on both databases.
    fn begins(&mut self, name: &str, prefix: &str) -> bool {
        let Some(last) = prefix.chars().next_back() else { return false };
        let Some(after) = (last as u32 + 1..=0x10_FFFF).find_map(char::from_u32) else { return false };
        let head = prefix.strip_suffix(last).unwrap_or_default();
        self.add(&format!("{name} >= $"), Owned::Text(prefix.to_owned()));
        self.add(&format!("{name} < $"), Owned::Text(format!("{head}{after}")));
        true
    }

    /// Times are stored to the millisecond, and shown like that.
    fn time(&mut self, name: &str, op: CompareOp, text: &str) -> bool {
        let Ok(at) = text.parse::<jiff::Timestamp>() else { return false };
        let sign = match op {
            CompareOp::Eq => "=",
            CompareOp::Gt => ">",
            CompareOp::Ge => ">=",
            CompareOp::Lt => "<",
            CompareOp::Le => "<=",
            CompareOp::Ne | CompareOp::Co | CompareOp::Sw | CompareOp::Ew => return false,
        };
        if at.as_nanosecond() % 1_000_000 != 0 {
            return false;
        }
        self.add(&format!("{name} {sign} $"), Owned::Int(at.as_millisecond()));
        true
    }

    fn add(&mut self, condition: &str, value: Owned) {
        let number = self.first + self.values.len();
        self.sql.push_str(" AND ");
        // The tenant is always `$1`; the other place is that of the value.
        match condition.rsplit_once('$') {
            Some((before, after)) => self.sql.extend([before, "$", &number.to_string(), after]),
            None => self.sql.push_str(condition),
        }
        self.values.push(value);
    }
}

fn column(path: &AttrPath, urn: &str, columns: Columns) -> Option<Column> {
    if path.urn.as_deref().is_some_and(|it| !it.eq_ignore_ascii_case(urn)) {
        return None;
    }
    let sub = path.sub.as_deref().map(str::to_ascii_lowercase);
    columns(&path.name.to_ascii_lowercase(), sub.as_deref())
}
