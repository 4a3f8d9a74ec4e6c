//! The pulse: whether RingCX still takes the bridge's credential, asked when nothing else has shown it for a while.
//!
//! So a bridge with nothing to do knows within a minute that it could do nothing, and a credential that is put right is noticed. The
//! question also renews the tokens, which is how their renewal is tested day and night.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Reconciler;
use crate::domain::TenantId;
use crate::upstream::Lane;

/// How long a credential counts as good that nobody has shown since.
const QUIET: Duration = Duration::from_secs(45);

/// How often it is looked whether it is time to ask.
const LOOK: Duration = Duration::from_secs(5);

impl Reconciler {
    /// Asks until `shutdown`.
    pub(super) async fn pulses(&self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            self.feel_pulse(QUIET).await;
        }
    }

    /// Asks RingCX who the bridge is, for each credential that was not shown for `quiet`.
    pub async fn feel_pulse(&self, quiet: Duration) {
        for tenant in self.tenants.values() {
            let shown = tenant.ringcx.credential_shown();
            if shown.is_none_or(|at| self.clock.now() >= at + quiet) {
                // What comes of it is noted where every answer is.
                drop(tenant.ringcx.calls(Lane::Reconcile, None).identity().await);
            }
        }
    }

    /// Whether RingCX or RingCentral refused the tenant's credential the last time it was shown.
    pub fn credential_refused(&self, tenant: &TenantId) -> bool {
        self.tenants.get(tenant).is_some_and(|tenant| tenant.ringcx.credential_refused())
    }
}
