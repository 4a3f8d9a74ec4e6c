//! Rate limits: sliding windows on the simulator's own clock.

use std::collections::VecDeque;

use serde_json::json;

use crate::answer::Answer;
use crate::knobs::Knobs;

/// The calls that still count.
#[derive(Debug, Default)]
pub(crate) struct Window(VecDeque<i64>);

impl Window {
    /// Counts a call at `now` (milliseconds); false when it is one too many.
    pub(crate) fn admit(&mut self, now: i64, limit: u64, window_s: u64) -> bool {
        let from = now - i64::try_from(window_s * 1000).unwrap_or(i64::MAX);
        while self.0.front().is_some_and(|at| *at <= from) {
            self.0.pop_front();
        }
        if self.0.len() as u64 >= limit {
            return false;
        }
        self.0.push_back(now);
        true
    }
}

/// The answer to one call too many.
pub(crate) fn too_many(knobs: &Knobs, retry_after: Option<&str>) -> Answer {
    let mut answer = if knobs.rate_body == "text" {
        Answer::text(429, "rate")
    } else {
        Answer::json(429, &json!({"errorCode": "CMN-301", "message": "Request rate exceeded"}))
    };
    match (retry_after, knobs.rate_headers.as_str()) {
        (Some(text), _) => answer.headers.push(("retry-after", text.to_owned())),
        (None, "retry_after") => answer.headers.push(("retry-after", knobs.penalty_s.clone())),
        (None, "x_rate_limit") => {
            answer.headers.push(("x-rate-limit-limit", knobs.rate_limit.clone()));
            answer.headers.push(("x-rate-limit-remaining", "0".to_owned()));
            answer.headers.push(("x-rate-limit-window", knobs.penalty_s.clone()));
        }
        (None, _) => {}
    }
    answer
}
