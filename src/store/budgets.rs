//! The bucket of upstream calls that all replicas share: one row per RingCX identity.

use std::time::Duration;

use jiff::Timestamp;

use super::{Error, Tx};

/// What came of asking for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It may go out.
    Yes,
    /// Not before this long.
    Wait(Duration),
    /// Nobody may send anything for this long.
    Stopped(Duration),
}

/// A call, in the thousandths in which the bucket counts.
const CALL: i64 = 1000;

/// A bucket of calls holds a fifth of a minute's calls, at least this many. No 60 seconds see more than a full bucket and a
/// minute's refill: 120 at the default rate of 100, which is what RingCX documents.
const LEAST: i64 = 5;

/// The measures of a bucket, in thousandths of a call.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    rate: i64,
    capacity: i64,
    reserve: i64,
}

impl Bucket {
    /// A bucket that refills with `rate` calls a minute, whose last fifth is for `urgent` calls.
    pub fn of_calls(rate: u32, urgent: bool) -> Self {
        let rate = i64::from(rate.max(1));
        let capacity = (rate / 5).max(LEAST) * CALL;
        Self { rate, capacity, reserve: if urgent { 0 } else { capacity / 5 } }
    }

    /// A bucket of which no 60 seconds see more than `per_minute` calls: what it holds and a minute's refill are as many.
    pub fn of_exchanges(per_minute: u32) -> Self {
        let per_minute = i64::from(per_minute.max(1));
        let rate = (per_minute / 2).max(1);
        Self { rate, capacity: (per_minute - rate).max(1) * CALL, reserve: 0 }
    }
}

/// Takes a call for `identity` from its bucket.
pub fn take(tx: &mut Tx<'_>, identity: &str, now: Timestamp, bucket: Bucket) -> Result<Taken, Error> {
    let Bucket { rate, capacity, reserve } = bucket;
    let now = now.as_millisecond();
    tx.exec(
        "INSERT INTO budgets (identity, tokens_milli, refilled_at, penalty_until) VALUES ($1, $2, $3, 0)
         ON CONFLICT DO NOTHING",
        &[identity.into(), capacity.into(), now.into()],
    )?;
    let row = tx.one(
        "SELECT tokens_milli, refilled_at, penalty_until FROM budgets WHERE identity = $1 /*pg FOR UPDATE */",
        &[identity.into()],
        |row| Ok((row.int(0)?, row.int(1)?, row.int(2)?)),
    )?;
    let Some((tokens, refilled, penalty_until)) = row else { return Ok(Taken::Wait(Duration::from_secs(1))) };
    if now < penalty_until {
        return Ok(Taken::Stopped(millis(penalty_until - now)));
    }
    // A minute has 60,000 ms and a call 1,000 thousandths: `rate` thousandths come in every 60 ms.
    let gained = (now - refilled).clamp(0, 60_000) * rate / 60;
    let tokens = (tokens + gained).min(capacity);
    let missing = CALL + reserve - tokens;
    if missing > 0 {
        return Ok(Taken::Wait(millis(missing * 60 / rate + 1)));
    }
    // The part of a thousandth that was not gained yet stays in the time.
    let used = if tokens == capacity { now - refilled } else { gained * 60 / rate };
    tx.exec(
        "UPDATE budgets SET tokens_milli = $2, refilled_at = $3 WHERE identity = $1",
        &[identity.into(), (tokens - CALL).into(), (refilled + used).into()],
    )?;
    Ok(Taken::Yes)
}

/// Remembers how many calls a minute RingCX said it takes, and until when that is believed.
pub fn learn(tx: &mut Tx<'_>, identity: &str, per_minute: u32, until: Timestamp) -> Result<(), Error> {
    tx.exec(
        "UPDATE budgets SET limit_per_minute = $2, limit_until = $3 WHERE identity = $1",
        &[identity.into(), i64::from(per_minute).into(), until.into()],
    )
    .map(drop)
}

/// How many calls a minute RingCX takes, as far as it has said so lately.
pub fn limit(tx: &mut Tx<'_>, identity: &str, now: Timestamp) -> Result<Option<u32>, Error> {
    let limit = tx.one(
        "SELECT limit_per_minute FROM budgets WHERE identity = $1 AND limit_until > $2",
        &[identity.into(), now.into()],
        |row| row.int(0),
    )?;
    Ok(limit.and_then(|limit| u32::try_from(limit).ok()).filter(|limit| *limit > 0))
}

/// Stops everybody until `until`.
pub fn penalise(tx: &mut Tx<'_>, identity: &str, until: Timestamp) -> Result<(), Error> {
    tx.exec(
        "INSERT INTO budgets (identity, tokens_milli, refilled_at, penalty_until) VALUES ($1, 0, $2, $2)
         ON CONFLICT (identity) DO UPDATE SET penalty_until = excluded.penalty_until
         WHERE budgets.penalty_until < excluded.penalty_until",
        &[identity.into(), until.into()],
    )
    .map(drop)
}

/// The state of a bucket, for an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// When the last call was taken from it.
    pub last_call: Timestamp,
    /// Until when RingCX has stopped everybody; long ago when it has not.
    pub penalty_until: Timestamp,
}

/// How the bucket of `identity` stands; none before its first call.
pub fn level(tx: &mut Tx<'_>, identity: &str) -> Result<Option<Level>, Error> {
    tx.one("SELECT refilled_at, penalty_until FROM budgets WHERE identity = $1", &[identity.into()], |row| {
        Ok(Level { last_call: row.time(0)?, penalty_until: row.time(1)? })
    })
}

/// Gives `new` what is known under the name `old`, of its bucket and of those beside it (`old/...`), unless `new` is known already.
pub fn inherit(tx: &mut Tx<'_>, old: &str, new: &str) -> Result<(), Error> {
    let known = tx.all("SELECT identity FROM budgets", &[], |row| row.text(0))?;
    if known.iter().any(|it| it == new) {
        return Ok(());
    }
    for name in &known {
        let Some(rest) = name.strip_prefix(old).filter(|rest| rest.is_empty() || rest.starts_with('/'))
        else {
            continue;
        };
        tx.exec(
            "INSERT INTO budgets (identity, tokens_milli, refilled_at, penalty_until, limit_per_minute, limit_until)
             SELECT $2, tokens_milli, refilled_at, penalty_until, limit_per_minute, limit_until FROM budgets WHERE identity = $1
             ON CONFLICT DO NOTHING",
            &[name.into(), (&format!("{new}{rest}")).into()],
        )?;
    }
    Ok(())
}

fn millis(count: i64) -> Duration {
    Duration::from_millis(u64::try_from(count).unwrap_or_default())
}
