#![doc = include_str!("../README.md")]
//!
//! # Where to start reading
//!
//! `ast` holds the types, `grammar` turns text into them (its words are read by `token`), `print` turns them back
//! into text. `options` is what a caller may choose, `error` what a caller is told. The crate knows the grammar
//! only: no schema, no attribute types, no resource.

mod ast;
mod error;
mod grammar;
mod options;
mod print;
mod token;
#[cfg(test)]
mod work;

pub use ast::{AttrPath, CompareOp, CompareValue, Filter, Number, PatchPath};
pub use error::{ErrorKind, ParseError};
pub use options::Options;
