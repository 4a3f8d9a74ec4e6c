//! The RingCentral platform: signing in, and the list of extensions.

pub(super) mod extensions;
pub(super) mod oauth;
pub(super) mod usage;
