//! What the tests stand on.

mod bridge;

pub(crate) use bridge::{Answer, Setup, TestBridge};
