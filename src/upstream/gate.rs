//! Whether a tenant may change RingCX at all: asked at the last moment before a call is sent.

use super::budget::BoxFuture;
use super::error::Error;
use super::model::Lane;

/// Holds back the changing calls of one tenant; calls that only read never ask.
///
/// The plan above has its own reasons not to make a call. This one makes sure that none slips through, whatever is above.
pub trait Gate: Send + Sync {
    /// Lets a changing call in `lane` pass, or says in [`Error::Held`] why it is not sent.
    fn admit(&self, lane: Lane) -> BoxFuture<'_, Result<(), Error>>;
}
