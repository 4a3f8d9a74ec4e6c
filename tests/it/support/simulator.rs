//! A [`Simulator`] that fails the test in which an update took somebody out of a queue.

use std::ops::Deref;

use ringcx_simulator::Options;

/// The simulator, with everybody in a queue, a dial group and a skill. What a supervisor set there is never the bridge's to
/// change, so every test that ends well is held against that.
pub(crate) struct Simulator(ringcx_simulator::Simulator);

impl Simulator {
    pub(crate) async fn start(mut options: Options) -> std::io::Result<Self> {
        options.knobs.set("agents_in_queues", "yes").unwrap();
        Ok(Self(ringcx_simulator::Simulator::start(options).await?))
    }
}

impl Deref for Simulator {
    type Target = ringcx_simulator::Simulator;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let changes = self.admin().membership_changes();
            assert!(changes.is_empty(), "updates changed queues, dial groups or skills: {changes:?}");
        }
    }
}
