//! Resolves a parsed filter against the schema: attributes to table rows, literals to values of the attribute's type.

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;
use serde_json::{Number, Value};

use super::{AttrPath, CompareOp, CompareValue, Filter};
use crate::scim::error::{quoted, quoted_path};
use crate::scim::fold::fold;
use crate::scim::schema::{Attribute, Kind, Resolved, ResourceType};
use crate::scim::{Error, Rules, quirks};

/// A resolved filter.
#[derive(Debug)]
pub(in crate::scim) enum Node {
    Present(Place),
    Compare(Place, Test),
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    /// One element of the list satisfies all of it (RFC 7644 §3.4.2.2, value paths).
    Element(Resolved, Box<Node>),
}

/// Where a value stands.
#[derive(Clone, Copy, Debug)]
pub(in crate::scim) enum Place {
    /// In the resource.
    Resource(Resolved),
    /// In the element that a value path looks at.
    Element(&'static Attribute),
}

/// A comparison with a literal.
#[derive(Debug)]
pub(in crate::scim) struct Test {
    pub(super) op: CompareOp,
    pub(super) exact: bool,
    pub(super) operand: Operand,
}

/// A literal, in the attribute's type.
#[derive(Debug)]
pub(super) enum Operand {
    Null,
    Flag(bool),
    Number(f64),
    Time(Timestamp),
    /// As written, and folded where the attribute ignores case.
    Text {
        written: String,
        wanted: String,
    },
}

/// The value filter of a PATCH path.
#[derive(Debug)]
pub(in crate::scim) struct Element(Node);

impl Element {
    /// Resolves the filter between brackets after `attribute`.
    pub(in crate::scim) fn compile(
        attribute: &'static Attribute,
        filter: &Filter,
        rules: &Rules,
    ) -> Result<Self, Error> {
        node(&Scope { names: Names::Element(attribute), rules, among: &[] }, filter).map(Self)
    }

    /// Whether an element is selected.
    pub(in crate::scim) fn matches(&self, element: &crate::scim::Object) -> bool {
        self.0.holds(element)
    }

    /// The sub-attributes of an element that the filter describes, if it is equalities joined by `and`.
    pub(in crate::scim) fn equalities(&self) -> Option<Vec<(&'static Attribute, Value)>> {
        fn collect(node: &Node, pairs: &mut Vec<(&'static Attribute, Value)>) -> Option<()> {
            match node {
                Node::Compare(Place::Element(attribute), Test { op: CompareOp::Eq, operand, .. }) => {
                    let value = match operand {
                        Operand::Flag(flag) => Value::Bool(*flag),
                        Operand::Text { written, .. } => Value::from(written.as_str()),
                        Operand::Number(number) => Value::Number(Number::from_f64(*number)?),
                        Operand::Time(time) => Value::from(time.to_string()),
                        Operand::Null => return Some(()),
                    };
                    pairs.push((*attribute, value));
                    Some(())
                }
                Node::All(all) => all.iter().try_for_each(|each| collect(each, pairs)),
                Node::Compare(..) | Node::Present(_) | Node::Any(_) | Node::Not(_) | Node::Element(..) => {
                    None
                }
            }
        }
        let mut pairs = Vec::new();
        collect(&self.0, &mut pairs)?;
        Some(pairs)
    }
}

/// What the names of a filter refer to.
#[derive(Clone, Copy)]
enum Names<'a> {
    Resource(&'a ResourceType),
    Element(&'static Attribute),
}

/// How a filter is read.
#[derive(Clone, Copy)]
struct Scope<'a> {
    names: Names<'a>,
    rules: &'a Rules,
    /// The types that are asked together: what one of them has is absent from the others (RFC 7644 §3.4.2.1).
    among: &'a [&'a ResourceType],
}

pub(super) fn filter(
    ty: &ResourceType,
    among: &[&ResourceType],
    filter: &Filter,
    rules: &Rules,
) -> Result<Node, Error> {
    node(&Scope { names: Names::Resource(ty), rules, among }, filter)
}

/// What a comparison with an attribute says of a resource that cannot have it.
fn of_nothing(op: CompareOp, value: &CompareValue) -> Node {
    let holds = match op {
        CompareOp::Eq => matches!(value, CompareValue::Null),
        CompareOp::Ne => !matches!(value, CompareValue::Null),
        _ => false,
    };
    if holds { Node::All(Vec::new()) } else { NEVER }
}

/// Matches nothing.
const NEVER: Node = Node::Any(Vec::new());

fn node(scope: &Scope<'_>, filter: &Filter) -> Result<Node, Error> {
    let all =
        |filters: &[Filter]| filters.iter().map(|each| node(scope, each)).collect::<Result<Vec<_>, _>>();
    Ok(match filter {
        Filter::And(filters) => Node::All(all(filters)?),
        Filter::Or(filters) => Node::Any(all(filters)?),
        Filter::Not(inner) => Node::Not(Box::new(node(scope, inner)?)),
        Filter::Present(path) => scope.place(path)?.map_or(NEVER, |(place, _)| Node::Present(place)),
        Filter::Compare(path, op, value) => {
            let Some((place, leaf)) = scope.place(path)? else { return Ok(of_nothing(*op, value)) };
            let (place, leaf) = comparable(path, place, leaf)?;
            let operand = operand(scope.rules, path, leaf, *op, value)?;
            Node::Compare(place, Test { op: *op, exact: leaf.case_exact, operand })
        }
        Filter::ValuePath(path, inner) => {
            let Some((place, leaf)) = scope.place(path)? else { return Ok(NEVER) };
            match place {
                Place::Resource(at) if at.sub.is_none() && leaf.kind == Kind::Complex => Node::Element(
                    at,
                    Box::new(node(&Scope { names: Names::Element(leaf), ..*scope }, inner)?),
                ),
                Place::Resource(_) | Place::Element(_) => {
                    return Err(Error::invalid_filter(format!(
                        "{} has no sub-attributes to filter on.",
                        quoted_path(&path.to_string())
                    )));
                }
            }
        }
    })
}

impl Scope<'_> {
    /// Where a path leads, and the attribute there; nowhere when only another type has it.
    fn place(&self, path: &AttrPath) -> Result<Option<(Place, &'static Attribute)>, Error> {
        let (place, leaf) = match self.names {
            Names::Resource(ty) => {
                let qualified = |at: &Resolved| {
                    path.urn.is_some()
                        || at.extension.is_none()
                        || quirks::unqualified_extension(self.rules, &path.name, at)
                };
                let at = ty.resolve(path).filter(qualified);
                if at.is_none() && self.among.iter().any(|each| each.resolve(path).is_some()) {
                    return Ok(None);
                }
                let at = at.ok_or_else(|| {
                    Error::invalid_filter(format!(
                        "filter on {} is not supported, it is no attribute of {}; use {}that /Schemas lists.",
                        quoted_path(&path.to_string()),
                        ty.name,
                        if ty.name == "User" {
                            "userName, externalId, displayName, emails or another attribute "
                        } else {
                            "one "
                        }
                    ))
                })?;
                let leaf = at.leaf().ok_or_else(|| {
                    Error::invalid_filter(format!(
                        "filter on {at} as a whole is not supported; name an attribute."
                    ))
                })?;
                (Place::Resource(at), leaf)
            }
            Names::Element(attribute) => {
                let sub = attribute
                    .sub(&path.name)
                    .filter(|_| path.urn.is_none() && path.sub.is_none())
                    .ok_or_else(|| {
                        let path = quoted_path(&path.to_string());
                        Error::invalid_filter(format!("{path} is no sub-attribute of {}.", attribute.name))
                    })?;
                (Place::Element(sub), sub)
            }
        };
        if leaf.secret() {
            return Err(Error::invalid_filter(format!(
                "filter on {} is not allowed, it is never shown.",
                leaf.name
            )));
        }
        Ok(Some((place, leaf)))
    }
}

/// A complex attribute compares by its `value` (RFC 7643 §2.4): `emails eq "jo@b.com"`, `manager eq "42"`.
fn comparable(
    path: &AttrPath,
    place: Place,
    leaf: &'static Attribute,
) -> Result<(Place, &'static Attribute), Error> {
    if leaf.kind != Kind::Complex {
        return Ok((place, leaf));
    }
    match (place, leaf.sub("value")) {
        (Place::Resource(at), Some(value)) => {
            Ok((Place::Resource(Resolved { sub: Some(value), ..at }), value))
        }
        (Place::Resource(_) | Place::Element(_), _) => {
            let path = quoted_path(&path.to_string());
            Err(Error::invalid_filter(format!(
                "{path} is complex and has no value to compare; name a sub-attribute."
            )))
        }
    }
}

/// The literal in the type of the attribute, if the operator makes sense for it.
fn operand(
    rules: &Rules,
    path: &AttrPath,
    leaf: &Attribute,
    op: CompareOp,
    value: &CompareValue,
) -> Result<Operand, Error> {
    let partial = matches!(op, CompareOp::Co | CompareOp::Sw | CompareOp::Ew);
    let equality = matches!(op, CompareOp::Eq | CompareOp::Ne);
    let kind = leaf.kind;
    let refuse = |why: &str| {
        Err(Error::invalid_filter(format!("{} is {}; {why}.", quoted_path(&path.to_string()), kind.as_str())))
    };
    // RFC 7644 §3.4.2.2: Boolean and Binary attributes have no order.
    if !equality && (kind == Kind::Boolean || (kind == Kind::Binary && !partial)) {
        return refuse("it can be compared with eq and ne only");
    }
    if partial && matches!(kind, Kind::Integer | Kind::Decimal) {
        return refuse("it cannot be compared as text");
    }
    if matches!(value, CompareValue::Null) {
        return if equality { Ok(Operand::Null) } else { refuse("null can be compared with eq and ne only") };
    }
    let literal = match value {
        CompareValue::Null => String::new(),
        CompareValue::Bool(flag) => flag.to_string(),
        CompareValue::Number(number) => number.as_str().to_owned(),
        CompareValue::String(text) => text.clone(),
    };
    if literal.contains('\0') {
        return refuse("no value contains the character NUL");
    }
    let fits = match (kind, value) {
        (Kind::Boolean, CompareValue::Bool(_)) | (Kind::Integer | Kind::Decimal, CompareValue::Number(_)) => {
            true
        }
        (_, CompareValue::String(text)) => quirks::quoted_literal(rules, kind, text),
        (Kind::Boolean | Kind::Integer | Kind::Decimal | Kind::DateTime, _) => false,
        (Kind::String | Kind::Reference | Kind::Binary | Kind::Complex, _) => quirks::unquoted(rules),
    };
    if !fits {
        return refuse(&format!("{} does not fit it", quoted(&literal)));
    }
    match kind {
        Kind::Boolean => Ok(Operand::Flag(quirks::read_boolean(&literal) == Some(true))),
        Kind::Integer | Kind::Decimal => Ok(Operand::Number(literal.trim().parse().unwrap_or_default())),
        Kind::DateTime if !partial => match time(&literal) {
            Some(time) => Ok(Operand::Time(time)),
            None => refuse(&format!("{} is no RFC 3339 time", quoted(&literal))),
        },
        Kind::String | Kind::Reference | Kind::Binary | Kind::DateTime | Kind::Complex => {
            let wanted = if leaf.case_exact { literal.clone() } else { fold(&literal) };
            Ok(Operand::Text { written: literal, wanted })
        }
    }
}

/// A time with an offset; without one it is taken as UTC, and a date alone as its midnight.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let local = || {
        let local = text.parse::<civil::DateTime>().ok()?;
        local.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    };
    text.parse().ok().or_else(local)
}
