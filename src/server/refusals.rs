//! How often credentials were refused from one address lately: beyond a number, the answer is 429 instead of 401.
//!
//! Good credentials are served whatever else comes from their address: identity providers share addresses with strangers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// Addresses that are counted in a minute, at most; beyond that new ones are not.
const COUNTED: usize = 100_000;

/// The refusals of the running minute.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    number: i64,
    counts: HashMap<IpAddr, u32>,
}

impl Refusals {
    /// Counts one; when there were more than `most` within the minute, says when that is over.
    pub(super) fn count(&self, source: IpAddr, most: u32, now: Timestamp) -> Option<Duration> {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = now.as_second().div_euclid(60);
        if minute.number != number {
            *minute = Minute { number, counts: HashMap::new() };
        }
        if minute.counts.len() >= COUNTED && !minute.counts.contains_key(&source) {
            return None;
        }
        let count = minute.counts.entry(source).or_default();
        *count = count.saturating_add(1);
        let left = u64::try_from(60 - now.as_second().rem_euclid(60)).unwrap_or(60);
        (*count > most).then(|| Duration::from_secs(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_count_and_each_minute_begins_anew() {
        let refusals = Refusals::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        assert_eq!(refusals.count(one, 2, at(0)), None);
        assert_eq!(refusals.count(one, 2, at(1)), None);
        assert_eq!(refusals.count(one, 2, at(20)), Some(Duration::from_secs(40)));
        assert_eq!(refusals.count(other, 2, at(20)), None);
        assert_eq!(refusals.count(one, 2, at(60)), None);
    }
}
