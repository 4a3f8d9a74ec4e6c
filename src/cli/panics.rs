//! What is said when the program fails inside: where, and never about whom.
//!
//! The message of a panic may quote what was worked on, a name or a secret; the place in the source is what its author needs.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

/// Takes the place of the standard hook, which prints the message. `RUST_BACKTRACE=1` adds the calls that led there.
pub(super) fn keep_quiet_about_values() {
    std::panic::set_hook(Box::new(told));
}

#[expect(clippy::print_stderr, reason = "a command that keeps no log tells its operator on standard error")]
fn told(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = Backtrace::capture();
    let calls = match backtrace.status() {
        BacktraceStatus::Captured => backtrace.to_string(),
        _ => String::new(),
    };
    if tracing::dispatcher::has_been_set() {
        tracing::error!(
            place,
            calls,
            "the bridge failed inside; the message is kept back, it may quote what was worked on"
        );
    } else {
        eprintln!("error: the bridge failed inside at {place}; please report this line\n{calls}");
    }
}
