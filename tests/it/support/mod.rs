//! What the tests stand on.

mod bridge;
mod postgres;

pub(crate) use bridge::{Answer, Setup, TestBridge};
pub(crate) use postgres::postgres_database;
