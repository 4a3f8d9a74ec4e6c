//! Filters (RFC 7644 §3.4.2.2): checked against the schema, evaluated on what a GET would show.
//!
//! [`parse`] turns text into a tree whose attributes all exist; [`matches()`] evaluates it. For many resources compile once with
//! [`Matcher`]. How texts compare follows from the schema's `caseExact`. The grammar is not here but in `scim-filter-parser`.

mod compile;
mod evaluate;

pub use scim_filter_parser::{AttrPath, CompareOp, CompareValue, Filter};

pub(super) use compile::Element;

use super::schema::ResourceType;
use super::{Error, Object, Rules, quirks};

/// A filter resolved against a schema, ready to be evaluated many times.
#[derive(Debug)]
pub struct Matcher(compile::Node);

impl Matcher {
    /// Resolves every attribute and reads every literal.
    ///
    /// # Errors
    ///
    /// 400 `invalidFilter`, naming the attribute.
    pub fn compile(ty: &ResourceType, filter: &Filter) -> Result<Self, Error> {
        // What the tenant's rules refuse was refused by `parse`.
        compile::filter(ty, &[], filter, &Rules::default()).map(Self)
    }

    /// The same for a filter over several types: what only another of `among` has is absent from `ty`.
    ///
    /// # Errors
    ///
    /// 400 `invalidFilter` for an attribute that none of them has.
    pub fn compile_among(
        ty: &ResourceType,
        among: &[&ResourceType],
        filter: &Filter,
        rules: &Rules,
    ) -> Result<Self, Error> {
        compile::filter(ty, among, filter, rules).map(Self)
    }

    /// Whether nothing can match, whatever it is.
    pub fn is_never(&self) -> bool {
        self.0.is_never()
    }

    /// Whether a full answer object (with `id`, `meta`, `groups`, `members`) matches.
    pub fn matches(&self, full: &Object) -> bool {
        self.0.holds(full)
    }
}

/// Reads a filter and checks it against the schema.
///
/// ```
/// use ringcx_scim::scim::{Rules, filter, schema};
/// use serde_json::json;
///
/// let person = json!({"userName": "Jo@B.com"});
/// let wanted = filter::parse(&schema::USER, r#"userName Eq "jo@b.com""#, &Rules::default())?;
/// assert!(filter::matches(&schema::USER, &wanted, person.as_object().unwrap()));
/// assert!(filter::parse(&schema::USER, "shoeSize gt 9", &Rules::default()).is_err());
/// # Ok::<(), ringcx_scim::scim::Error>(())
/// ```
///
/// # Errors
///
/// 400 `invalidFilter` when it cannot be parsed, names no attribute of this type or a secret one, or compares what cannot be
/// compared.
pub fn parse(ty: &ResourceType, text: &str, rules: &Rules) -> Result<Filter, Error> {
    let filter = read(text, rules)?;
    compile::filter(ty, &[], &filter, rules)?;
    Ok(filter)
}

/// Reads the text of a filter, without asking what it names.
///
/// # Errors
///
/// 400 `invalidFilter` when it cannot be parsed.
pub fn read(text: &str, rules: &Rules) -> Result<Filter, Error> {
    quirks::unquoted_literal(rules, |options| Filter::parse_with(text, options))
        .map_err(|error| Error::invalid_filter(format!("The filter cannot be parsed: {error}.")))
}

/// Whether a full answer object matches; a filter that does not fit the schema matches nothing.
pub fn matches(ty: &ResourceType, filter: &Filter, full: &Object) -> bool {
    Matcher::compile(ty, filter).is_ok_and(|matcher| matcher.matches(full))
}

#[cfg(test)]
mod tests;
