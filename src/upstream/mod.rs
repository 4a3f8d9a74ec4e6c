//! The clients of RingCX and of the RingCentral platform.
//!
//! No SCIM and no SQL. [`transport`] is the one place that sends: it gets the token, asks the [`Budget`], and gives every answer a
//! meaning ([`Error`]). [`Calls`] are the typed operations, a file per family under `ringcx` and `platform`. Start there. The
//! operator's [`Webhook`] is no part of RingCX, and shares nothing with the rest.

mod budget;
pub mod error;
mod gate;
mod identity;
mod metrics;
pub mod model;
mod platform;
mod reach;
mod ringcx;
mod settings;
mod token;
mod transport;
mod webhook;

pub use budget::{BELIEVED, BoxFuture, Budget, Line, LocalBudget, Place, Ticket};
pub use error::{Error, Next};
pub use gate::Gate;
pub use model::Lane;
pub use reach::reach;
pub use ringcx::{Calls, Onboarding, RingCx};
pub use settings::{ExchangeParams, ExtensionSource, PlatformSettings, RingCxSettings};
pub use token::SignInNotice;
pub use transport::Transport;
pub use webhook::{AlertSettings, Webhook};
