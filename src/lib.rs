//! A SCIM 2.0 server that provisions a RingCX contact centre.
//!
//! Two worlds and a bridge. [`scim`] speaks SCIM and has never heard of RingCX; [`upstream`] speaks RingCX and has never
//! heard of SCIM; [`domain`] is the only place where both words stand in one sentence. Every write follows one pattern:
//! store what the client wants, look at what RingCX has, plan the difference, apply it, report.
//!
//! * [`clock`]: time and ids.
//! * [`scim`]: the protocol, pure: schemas as data, checks, filters, PATCH, projection, errors.
//! * [`upstream`]: the clients of RingCX and of the RingCentral platform.
//! * [`domain`]: people, mappings, what ought to be, what is, and the plan between them; pure.
//! * [`store`]: SQLite and PostgreSQL; a transaction is a closure.
//! * [`reconcile`]: intent, observe, plan, apply; the worker.
//! * [`server`] speaks HTTP.
//! * [`config`] and [`cli`]: what an operator touches.
//!
//! A module uses what stands above it in this list, never what stands below (`tests/it/tidy.rs` holds the exact arrows).

pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
mod fuse;
mod hex;
pub mod reconcile;
pub mod scim;
pub mod server;
pub mod store;
pub mod upstream;
