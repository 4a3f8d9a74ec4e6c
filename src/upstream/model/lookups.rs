//! What an account has to choose from: dial groups and queues.

use serde::{Deserialize, Serialize};

/// A dial group: the campaigns that an agent dials for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialGroup {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// How it dials, as in `PREVIEW`.
    pub mode: Option<String>,
    /// Whether it is in use.
    pub active: bool,
}

/// A queue, which RingCX calls a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// The name of its queue group.
    pub group: String,
}
