//! Rate limits: sliding windows on the simulator's own clock.

use std::collections::{BTreeMap, VecDeque};

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

/// RingCentral's usage groups: each with a window and a penalty of its own.
#[derive(Debug, Default)]
pub(crate) struct Groups(BTreeMap<&'static str, (Window, i64)>);

impl Groups {
    /// Counts a call of a group at `now`; a refusal closes the group, and each call while it is closed begins that again.
    pub(crate) fn admit(&mut self, group: &'static str, now: i64, knobs: &Knobs) -> Option<Answer> {
        let (window, closed_until) = self.0.entry(group).or_default();
        let seconds = Knobs::number(&knobs.platform_window_s);
        if now >= *closed_until && window.admit(now, limit_of(group, knobs), seconds) {
            return None;
        }
        *closed_until =
            now + i64::try_from(Knobs::number(&knobs.platform_penalty_s) * 1000).unwrap_or(i64::MAX);
        let error = json!({"errorCode": "CMN-301", "message": "Request rate exceeded"});
        let mut answer = Answer::json(
            429,
            &json!({
                "errorCode": "CMN-301", "message": "Request rate exceeded", "errors": [error],
            }),
        );
        if knobs.retry_after == "on" {
            answer.headers.push(("retry-after", knobs.platform_penalty_s.clone()));
        }
        Some(answer)
    }

    /// What every answer of a group says of it.
    pub(crate) fn headers(&self, group: &'static str, knobs: &Knobs) -> Vec<(&'static str, String)> {
        let limit = limit_of(group, knobs);
        let used = self.0.get(group).map_or(0, |(window, _)| window.0.len() as u64);
        vec![
            ("x-rate-limit-group", group.to_owned()),
            ("x-rate-limit-limit", limit.to_string()),
            ("x-rate-limit-remaining", limit.saturating_sub(used).to_string()),
            ("x-rate-limit-window", knobs.platform_window_s.clone()),
        ]
    }
}

fn limit_of(group: &str, knobs: &Knobs) -> u64 {
    Knobs::number(match group {
        "light" => &knobs.light_limit,
        "medium" => &knobs.medium_limit,
        "heavy" => &knobs.heavy_limit,
        _ => &knobs.auth_limit,
    })
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
