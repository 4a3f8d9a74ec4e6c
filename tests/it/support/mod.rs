//! What the tests stand on.

mod bridge;
mod dice;
mod postgres;
mod simulator;

pub(crate) use bridge::{Answer, Setup, TestBridge};
pub(crate) use dice::Dice;
pub(crate) use postgres::postgres_database;
pub(crate) use simulator::Simulator;
