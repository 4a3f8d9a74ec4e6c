//! The suite of the store, run on both databases.
