//! People, what they ought to have, what RingCX has, and the plan between the two.
//!
//! The only place where SCIM's words and RingCX's words stand in one sentence. Pure: nothing here waits, sends or stores.
//! Start with [`desired`] (what ought to be) and [`plan`] (the difference).

pub mod access;
pub mod answer;
pub mod desired;
pub mod found;
pub mod grant;
mod ids;
pub mod import;
pub mod link;
mod lookup;
pub mod mapping;
pub mod offer;
pub mod office;
pub mod person;
mod phone;
pub mod plan;
pub mod policy;
#[cfg(test)]
mod properties;
pub mod reasons;
pub mod rights_docs;
pub mod words;

pub use crate::scim::fold;
pub use ids::{Actor, GroupId, PersonId, TenantId, TenantIdError};
pub use policy::{GroupMapping, Policy};
