//! What the path of an operation means in a schema.

use scim_filter_parser::PatchPath;

use crate::scim::coerce::Reader;
use crate::scim::error::quoted_path;
use crate::scim::filter::Element;
use crate::scim::schema::{Resolved, ResourceType};
use crate::scim::{Error, quirks};

/// Where an operation works.
pub(super) enum Target {
    /// The resource as a whole: the path is the URN of the core schema.
    Resource,
    /// An attribute, sub-attribute or extension; the elements of a list that a value filter selects.
    At(Resolved, Option<Element>),
    /// Outside the schema: skipped.
    Unknown,
}

/// Understands a path.
///
/// # Errors
///
/// `invalidPath` when it cannot be parsed, or names something unknown where that is refused.
pub(super) fn target(ty: &ResourceType, path: &str, reader: &mut Reader<'_>) -> Result<Target, Error> {
    if !path.contains('[') {
        if ty.is_core_urn(path) {
            return Ok(Target::Resource);
        }
        if let Some(at) = ty.find(path) {
            return unqualified(path, at, reader);
        }
    }
    let parsed = quirks::unquoted_literal(reader.rules, |options| PatchPath::parse_with(path, options))
        .map_err(|error| {
            Error::invalid_path(format!("path {} cannot be parsed: {error}.", quoted_path(path)))
        })?;
    let unknown = |reader: &mut Reader<'_>| reader.unknown(path.to_owned()).map(|()| Target::Unknown);
    let Some(mut at) = ty.resolve(&parsed.attr) else { return unknown(reader) };
    let Some(filter) = parsed.filter else {
        return match parsed.sub {
            None => Ok(Target::At(at, None)),
            Some(_) => unknown(reader),
        };
    };
    let Some(attribute) = at.attribute.filter(|each| each.multi_valued && at.sub.is_none()) else {
        return Err(Error::invalid_path(format!("path {} filters what is not a list.", quoted_path(path))));
    };
    let element = Element::compile(attribute, &filter, reader.rules)
        .map_err(|error| Error::invalid_path(format!("path {}: {}", quoted_path(path), error.detail)))?;
    if let Some(name) = parsed.sub {
        let alias = || quirks::sub_attribute_alias(reader.rules, attribute, &name);
        at.sub = attribute.sub(&name).or_else(alias);
        if at.sub.is_none() {
            return unknown(reader);
        }
    }
    Ok(Target::At(at, Some(element)))
}

fn unqualified(path: &str, at: Resolved, reader: &mut Reader<'_>) -> Result<Target, Error> {
    if quirks::unqualified_extension(reader.rules, path, &at) {
        return Ok(Target::At(at, None));
    }
    reader.unknown(path.to_owned()).map(|()| Target::Unknown)
}
