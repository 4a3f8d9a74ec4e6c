//! What can go wrong with the store, as far as a caller can act on it.

/// Why the store did not do what was asked. "Not found" is no error: it is `Ok(None)`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Something unique is held already: tell the client who holds it, if known.
    #[error("{what} is already in use")]
    Conflict {
        /// What must be unique: an attribute (`userName`) or the name of a constraint. Never a value.
        what: String,
        /// The id of the record that holds it, where the store knows it.
        holder: Option<String>,
    },
    /// The record changed since the caller read it: read it again.
    #[error("the record was changed by someone else meanwhile")]
    Stale,
    /// Somebody else has taken over the work that this write belongs to: leave it to them.
    #[error("somebody else holds the lease by now")]
    LeaseLost,
    /// The database cannot answer now, or nobody knows whether it did: look before trying again.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The database holds, or was asked, something that this program does not understand. Trying again does not help.
    #[error("the store answered something unexpected: {0}")]
    Corrupt(String),
}
