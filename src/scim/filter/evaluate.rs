//! Evaluates a resolved filter on an object; allocates only for texts beyond ASCII.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::Value;

use super::CompareOp;
use super::compile::{Node, Operand, Place, Test};
use crate::scim::Object;
use crate::scim::fold::folded;
use crate::scim::resource::is_empty;

impl Node {
    /// Whether no object satisfies the filter.
    pub(super) fn is_never(&self) -> bool {
        match self {
            Self::Any(nodes) => nodes.iter().all(Self::is_never),
            Self::All(nodes) => nodes.iter().any(Self::is_never),
            Self::Present(_) | Self::Compare(..) | Self::Not(_) | Self::Element(..) => false,
        }
    }

    /// Whether the object satisfies the filter.
    pub(in crate::scim) fn holds(&self, object: &Object) -> bool {
        match self {
            Self::Present(place) => place.any(object, |value| !is_empty(value)),
            Self::Compare(place, test) => test.holds(*place, object),
            Self::All(nodes) => nodes.iter().all(|node| node.holds(object)),
            Self::Any(nodes) => nodes.iter().any(|node| node.holds(object)),
            Self::Not(node) => !node.holds(object),
            Self::Element(at, node) => match at.value(object) {
                Some(Value::Array(elements)) => elements
                    .iter()
                    .any(|element| element.as_object().is_some_and(|element| node.holds(element))),
                Some(Value::Object(single)) => node.holds(single),
                _ => false,
            },
        }
    }
}

impl Place {
    /// Whether any of the values here satisfies a condition: of a list, one is enough (RFC 7644 §3.4.2.2).
    fn any(self, object: &Object, mut condition: impl FnMut(&Value) -> bool) -> bool {
        let (value, sub) = match self {
            Self::Element(attribute) => (object.get(attribute.name), None),
            Self::Resource(at) => (at.value(object), at.sub),
        };
        let mut each = |element: &Value| match sub {
            None => condition(element),
            Some(sub) => element.get(sub.name).is_some_and(&mut condition),
        };
        match value {
            None => false,
            // Without a sub-attribute the list itself decides: `emails pr`.
            Some(Value::Array(elements)) => elements.iter().any(each),
            Some(single) => each(single),
        }
    }
}

impl Test {
    fn holds(&self, place: Place, object: &Object) -> bool {
        match (self.op, &self.operand) {
            (CompareOp::Eq, Operand::Null) => !place.any(object, |value| !is_empty(value)),
            (_, Operand::Null) => place.any(object, |value| !is_empty(value)),
            (CompareOp::Ne, _) => {
                // Nothing there is different from anything.
                let mut found = false;
                let differs = place.any(object, |value| {
                    found = true;
                    !self.accepts(CompareOp::Eq, value)
                });
                differs || !found
            }
            (op, _) => place.any(object, |value| self.accepts(op, value)),
        }
    }

    fn accepts(&self, op: CompareOp, value: &Value) -> bool {
        match (&self.operand, value) {
            (Operand::Flag(wanted), Value::Bool(flag)) => flag == wanted,
            (Operand::Number(wanted), Value::Number(number)) => number
                .as_f64()
                .and_then(|number| number.partial_cmp(wanted))
                .is_some_and(|order| ordered(op, order)),
            (Operand::Time(wanted), Value::String(text)) => {
                text.parse::<Timestamp>().is_ok_and(|time| ordered(op, time.cmp(wanted)))
            }
            (Operand::Text { wanted, .. }, Value::String(text)) => self.accepts_text(op, text, wanted),
            _ => false,
        }
    }

    /// `wanted` is folded where case does not matter.
    fn accepts_text(&self, op: CompareOp, text: &str, wanted: &str) -> bool {
        if self.exact {
            return text_holds(op, text, wanted);
        }
        if text.is_ascii() && wanted.is_ascii() {
            let (text, wanted) = (text.as_bytes(), wanted.as_bytes());
            let at = text.len().checked_sub(wanted.len());
            let same = |part: Option<&[u8]>| part.is_some_and(|part| part.eq_ignore_ascii_case(wanted));
            return match op {
                CompareOp::Eq => text.eq_ignore_ascii_case(wanted),
                CompareOp::Sw => same(text.get(..wanted.len())),
                CompareOp::Ew => at.is_some_and(|at| same(text.get(at..))),
                CompareOp::Co if wanted.is_empty() => true,
                CompareOp::Co => text.windows(wanted.len()).any(|part| same(Some(part))),
                CompareOp::Ne | CompareOp::Gt | CompareOp::Ge | CompareOp::Lt | CompareOp::Le => {
                    let lower = |byte: &u8| byte.to_ascii_lowercase();
                    ordered(op, text.iter().map(lower).cmp(wanted.iter().copied()))
                }
            };
        }
        text_holds(op, &folded(text), wanted)
    }
}

fn text_holds(op: CompareOp, text: &str, wanted: &str) -> bool {
    match op {
        CompareOp::Co => text.contains(wanted),
        CompareOp::Sw => text.starts_with(wanted),
        CompareOp::Ew => text.ends_with(wanted),
        _ => ordered(op, text.cmp(wanted)),
    }
}

fn ordered(op: CompareOp, order: Ordering) -> bool {
    match op {
        CompareOp::Eq => order.is_eq(),
        CompareOp::Ne => order.is_ne(),
        CompareOp::Gt => order.is_gt(),
        CompareOp::Ge => order.is_ge(),
        CompareOp::Lt => order.is_lt(),
        CompareOp::Le => order.is_le(),
        // Numbers and times have no parts; refused when the filter is read.
        CompareOp::Co | CompareOp::Sw | CompareOp::Ew => false,
    }
}
