//! The names of the upstream metrics, in one place.

use std::time::Duration;

/// Counts one call by operation and outcome, and records how long it took.
pub(super) fn call(operation: &'static str, outcome: &'static str, took: Duration) {
    #[expect(clippy::disallowed_macros, reason = "this is the place where upstream metrics are named")]
    {
        metrics::counter!("ringcx_scim_upstream_calls_total", "operation" => operation, "outcome" => outcome)
            .increment(1);
        metrics::histogram!("ringcx_scim_upstream_call_seconds", "operation" => operation)
            .record(took.as_secs_f64());
    }
}
