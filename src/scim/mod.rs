//! The SCIM 2.0 protocol (RFC 7643, RFC 7644): schemas as data, checks, PATCH, filters, projection, errors.
//!
//! Pure: no async, no HTTP types, no store, and nothing of RingCX beyond the extension schema, which is data like the rest.
//! Start with [`schema`], whose tables decide what is valid, what may be written, what is shown and how it compares;
//! then [`check`] (POST, PUT), [`patch`], [`filter`] and [`project`], which only read those tables. Every tolerated deviation
//! from the RFCs has a function of its own in [`quirks`].

pub mod bulk;
pub mod check;
mod coerce;
pub mod discovery;
pub mod error;
pub mod features;
pub mod filter;
mod fold;
pub mod json;
pub mod list;
pub mod patch;
mod place;
pub mod project;
pub mod quirks;
mod resource;
mod rules;
pub mod schema;
pub mod sort;
pub mod urn;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod rfc_tests;

pub use check::{Member, MemberKind};
pub use error::{Error, ScimType};
pub use fold::fold;
pub use resource::Resource;
pub use rules::{Compatibility, Rules};

/// A JSON object: attribute names to values.
pub type Object = serde_json::Map<String, serde_json::Value>;
