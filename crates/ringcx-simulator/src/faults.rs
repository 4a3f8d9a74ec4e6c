//! Trouble on request.

use std::time::Duration;

use serde::Deserialize;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// This status and body instead of an answer; nothing is done.
    Status(u16, String),
    /// 429 with this `Retry-After`, as text or as JSON.
    TooManyRequests {
        /// Seconds, or an HTTP date.
        retry_after: Option<String>,
    },
    /// The connection breaks before anything is done.
    DropBefore,
    /// Everything is done, then the connection breaks.
    DropAfter,
    /// Everything is done, and a page in HTML answered with 200, as by a gateway in between.
    HtmlAfter,
    /// The web application's page with status 200.
    Html200,
    /// `false` with status 200; nothing is done.
    False200,
    /// The answer comes late, by so many milliseconds.
    Delay(u64),
    /// Everything is done at once, and the answer comes late, by so many milliseconds.
    DelayAfter(u64),
    /// The token counts as expired.
    Unauthorized,
}

/// A fault that waits for its calls.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Fault {
    /// The operation that it meets, as in [`crate::operations`]; empty: any of RingCX.
    pub operation: String,
    /// How many matching calls are spared first.
    #[serde(default)]
    pub skip: u32,
    /// How many calls it meets then.
    #[serde(default = "once")]
    pub times: u32,
    /// What goes wrong.
    pub kind: FaultKind,
}

/// Trouble at random: of so many thousand calls of RingCX, so many meet it. The same seed gives the same trouble.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Chaos {
    /// 429 with `Retry-After: 1`; nothing is done.
    pub limited: u64,
    /// 500; nothing is done.
    pub failed: u64,
    /// Everything is done, then the connection breaks.
    pub lost: u64,
    /// Where the sequence begins.
    pub seed: u64,
}

impl Chaos {
    /// What meets the next call.
    pub(crate) fn next(&mut self) -> Option<FaultKind> {
        // Knuth's linear congruential generator; its high bits are good enough for trouble.
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = (self.seed >> 33) % 1000;
        if at < self.limited {
            Some(FaultKind::TooManyRequests { retry_after: Some("1".to_owned()) })
        } else if at < self.limited + self.failed {
            Some(FaultKind::Status(500, String::new()))
        } else if at < self.limited + self.failed + self.lost {
            Some(FaultKind::DropAfter)
        } else {
            None
        }
    }
}

const fn once() -> u32 {
    1
}

impl Fault {
    /// A fault that meets the next call of `operation`.
    pub fn once(operation: &str, kind: FaultKind) -> Self {
        Self { operation: operation.to_owned(), skip: 0, times: 1, kind }
    }

    /// A fault that meets every call of `operation` from now on.
    pub fn always(operation: &str, kind: FaultKind) -> Self {
        Self { times: u32::MAX, ..Self::once(operation, kind) }
    }
}

/// The fault that meets this call, if one does.
pub(crate) fn meet(faults: &mut Vec<Fault>, operation: &str) -> Option<FaultKind> {
    let at = faults.iter().position(|fault| fault.operation.is_empty() || fault.operation == operation)?;
    let fault = faults.get_mut(at)?;
    if fault.skip > 0 {
        fault.skip -= 1;
        return None;
    }
    let kind = fault.kind.clone();
    if fault.times != u32::MAX {
        fault.times -= 1;
    }
    if fault.times == 0 {
        faults.remove(at);
    }
    Some(kind)
}

impl FaultKind {
    /// How late the answer comes, and whether that is after the work.
    pub(crate) fn delay(&self) -> Option<(Duration, bool)> {
        match self {
            Self::Delay(millis) => Some((Duration::from_millis(*millis), false)),
            Self::DelayAfter(millis) => Some((Duration::from_millis(*millis), true)),
            _ => None,
        }
    }
}
