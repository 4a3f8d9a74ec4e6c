//! Time, ids and spans of time: the only place that asks the system for either.
//!
//! Tests use fixed clocks and ids; everything else takes a [`Clock`] and an [`Ids`] from whoever built it.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Says what time it is; cheap to clone, clones agree.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until [`Clock::advance`] moves it.
    pub fn fixed(at: Timestamp) -> Self {
        Self(Source::Fixed(Arc::new(AtomicI64::new(at.as_millisecond()))))
    }

    /// The time now, to the millisecond.
    pub fn now(&self) -> Timestamp {
        let millis = match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the place that may ask")]
            Source::System => Timestamp::now().as_millisecond(),
            Source::Fixed(millis) => millis.load(Ordering::SeqCst),
        };
        Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MIN)
    }

    /// Moves a fixed clock forward; the clock of the machine does not listen.
    pub fn advance(&self, by: Duration) {
        if let Source::Fixed(millis) = &self.0 {
            millis.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }
}

/// Makes ids that sort in the order of their making (UUID version 7, RFC 9562 §5.7).
#[derive(Clone, Debug)]
pub struct Ids(Maker);

#[derive(Clone, Debug)]
enum Maker {
    System(Arc<Mutex<Uuid>>),
    Fixed(Arc<AtomicU64>),
}

impl Ids {
    /// Ids that no one else makes.
    pub fn system() -> Self {
        Self(Maker::System(Arc::new(Mutex::new(Uuid::nil()))))
    }

    /// The same ids in each run: `00000000-0000-7000-8000-000000000001` and so on.
    pub fn fixed() -> Self {
        Self(Maker::Fixed(Arc::new(AtomicU64::new(0))))
    }

    /// The next id; later ids are greater, also within one millisecond.
    pub fn next(&self) -> Uuid {
        match &self.0 {
            Maker::System(last) => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                #[expect(clippy::disallowed_methods, reason = "this is the place that may ask")]
                let fresh = Uuid::now_v7();
                *last = fresh.max(Uuid::from_u128(last.as_u128().wrapping_add(1)));
                *last
            }
            Maker::Fixed(count) => {
                let n = count.fetch_add(1, Ordering::SeqCst) + 1;
                Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0000 | u128::from(n))
            }
        }
    }
}

/// A length of time as people write it in a configuration: `250ms`, `20s`, `5m`, `24h`, `365d`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

/// Why a text is not a [`Span`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a length of time; write a whole number and a unit: ms, s, m, h or d, as in \"20s\"")]
pub struct SpanError(String);

impl Span {
    /// A span of so many seconds.
    pub const fn secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A span of so many milliseconds.
    pub const fn millis(milliseconds: u64) -> Self {
        Self(Duration::from_millis(milliseconds))
    }

    /// The span as the standard library counts it.
    pub const fn as_duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let error = || SpanError(text.to_owned());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).ok_or_else(error)?;
        let number: u64 = number.parse().map_err(|_| error())?;
        let unit_millis = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(error()),
        };
        number.checked_mul(unit_millis).map(Self::millis).ok_or_else(error)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
            if millis > 0 && millis.is_multiple_of(size) {
                return write!(f, "{}{unit}", millis / size);
            }
        }
        write!(f, "{millis}ms")
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_print_as_people_write_them() {
        for (text, millis) in [("250ms", 250), ("20s", 20_000), ("5m", 300_000), ("24h", 86_400_000)] {
            assert_eq!(text.parse::<Span>().unwrap(), Span::millis(millis), "{text}");
        }
        assert_eq!("24h".parse::<Span>().unwrap().to_string(), "1d");
        for text in
            ["", "20", "s", "-1s", "1.5s", "20 s", "99999999999999999999d", "20000000000000000d", "5é"]
        {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn ids_ascend_within_one_millisecond() {
        let ids = Ids::system();
        let made: Vec<Uuid> = (0..10_000).map(|_| ids.next()).collect();
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(Ids::fixed().next().to_string(), "00000000-0000-7000-8000-000000000001");
    }

    #[test]
    fn a_fixed_clock_moves_when_told() {
        let clock = Clock::fixed(Timestamp::UNIX_EPOCH);
        clock.clone().advance(Duration::from_secs(90));
        assert_eq!(clock.now().as_second(), 90);
    }
}
