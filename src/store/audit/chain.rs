//! The proof that no sealed record was edited, removed or put elsewhere, in short transactions and constant memory.

use jiff::Timestamp;
use serde::Serialize;

use super::{COLUMNS, canonical, chained};
use crate::store::{Error, Row, Store, Tx};

/// Records read in one transaction.
const PAGE: i64 = 500;

/// Faults that are told; a chain with more of them is not worth a longer list.
const MOST_FAULTS: usize = 100;

/// What is wrong at a place of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The record is not what was sealed.
    Edited,
    /// The record is sealed, and the next one was sealed after another one.
    Replaced,
    /// Records are missing here.
    Removed,
    /// The record was sealed after another one than the one before it.
    Reordered,
    /// The expected head is not in the chain.
    Truncated,
}

/// A place where the chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The number of the record.
    pub record: i64,
    /// The last one, where it concerns several.
    pub through: i64,
    /// What is wrong.
    pub kind: Kind,
    /// One sentence.
    pub detail: String,
}

/// What [`verify`] has found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Records that are numbered and chained.
    pub records: i64,
    /// The hash of the last of them: whoever keeps it can prove later that nothing was cut off.
    pub head: Option<String>,
    /// Records that are not sealed yet.
    pub unsealed: i64,
    /// Since when.
    pub unsealed_since: Option<Timestamp>,
    /// Where the chain does not hold.
    pub faults: Vec<Fault>,
}

/// A record as the chain sees it.
struct Link {
    seq: i64,
    previous: String,
    hash: String,
    /// What its hash ought to be.
    expected: String,
}

fn read(row: &Row<'_>) -> Result<Link, Error> {
    let previous = row.opt_text(13)?.unwrap_or_default();
    let expected = chained(&previous, &canonical(row)?);
    Ok(Link { seq: row.int(12)?, previous, hash: row.opt_text(14)?.unwrap_or_default(), expected })
}

fn page(tx: &mut Tx<'_>, after: i64) -> Result<Vec<Link>, Error> {
    let sql = ["SELECT ", COLUMNS, ", seq, prev_hash, hash FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2"]
        .concat();
    tx.all(&sql, &[after.into(), PAGE.into()], read)
}

fn number_of(tx: &mut Tx<'_>, hash: &str) -> Result<Option<i64>, Error> {
    tx.one("SELECT seq FROM audit WHERE hash = $1 ORDER BY seq", &[hash.into()], |row| row.int(0))
}

fn unsealed(tx: &mut Tx<'_>) -> Result<(i64, Option<Timestamp>), Error> {
    let found = tx.one("SELECT COUNT(*), MIN(at) FROM audit WHERE seq IS NULL", &[], |row| {
        Ok((row.int(0)?, row.opt_time(1)?))
    })?;
    Ok(found.unwrap_or_default())
}

/// The walk along the chain.
#[derive(Default)]
struct Walk {
    verdict: Verdict,
    last: i64,
    hash: String,
    /// Whether the record before was itself at fault; what does not fit behind it says nothing new.
    broken: bool,
    met_expected: bool,
}

impl Walk {
    async fn step(&mut self, store: &Store, link: Link, expect: Option<&str>) -> Result<(), Error> {
        let gap = link.seq != self.last + 1;
        if gap {
            self.removed(self.last + 1, link.seq - 1);
        }
        let edited = link.hash != link.expected;
        if edited {
            let why = format!("record {} is not what was sealed: it was edited", link.seq);
            self.fault(link.seq, link.seq, Kind::Edited, why);
        } else if link.previous != self.hash && !gap && !self.broken {
            self.misplaced(store, &link).await?;
        }
        self.broken = edited;
        self.met_expected |= expect == Some(link.hash.as_str());
        self.last = link.seq;
        self.hash = link.hash;
        self.verdict.records += 1;
        Ok(())
    }

    fn removed(&mut self, first: i64, last: i64) {
        let which = if first == last {
            format!("record {first} is")
        } else {
            format!("records {first} to {last} are")
        };
        self.fault(first, last, Kind::Removed, format!("{which} missing: removed after sealing"));
    }

    /// A record that is whole and does not follow the one before it: either that one was sealed anew, or this one stood elsewhere.
    async fn misplaced(&mut self, store: &Store, link: &Link) -> Result<(), Error> {
        let (wanted, seq) = (link.previous.clone(), link.seq);
        let after =
            if wanted.is_empty() { Some(0) } else { store.read(move |tx| number_of(tx, &wanted)).await? };
        if let Some(after) = after {
            self.reordered(seq, after);
            return Ok(());
        }
        let before = (seq - 1).max(1);
        let why = format!(
            "record {seq} was not sealed after record {before}: that one was edited and sealed anew, or one between them was removed \
             and the rest renumbered"
        );
        self.fault(before, before, Kind::Replaced, why);
        Ok(())
    }

    fn reordered(&mut self, seq: i64, after: i64) {
        let run = self.verdict.faults.last_mut();
        if let Some(run) = run.filter(|it| it.kind == Kind::Reordered && it.through == seq - 1) {
            // Whoever follows a record that stands elsewhere now is itself in its place.
            if !(run.record..=run.through).contains(&after) {
                run.through = seq;
                run.detail = format!(
                    "records {} to {seq} do not stand in the order of their sealing: reordered",
                    run.record
                );
            }
            return;
        }
        let why =
            format!("record {seq} was sealed after record {after} and stands after {}: reordered", seq - 1);
        self.fault(seq, seq, Kind::Reordered, why);
    }

    fn fault(&mut self, record: i64, through: i64, kind: Kind, detail: String) {
        if self.verdict.faults.len() < MOST_FAULTS {
            self.verdict.faults.push(Fault { record, through, kind, detail });
        }
    }
}

/// Goes through the chain and says where it does not hold. `expect` is a head that was noted earlier: it must still be there.
///
/// # Errors
/// When the store cannot answer.
pub async fn verify(store: &Store, expect: Option<&str>) -> Result<Verdict, Error> {
    let mut walk = Walk::default();
    loop {
        let after = walk.last;
        let links = store.read_long(move |tx| page(tx, after)).await?;
        if links.is_empty() {
            break;
        }
        for link in links {
            walk.step(store, link, expect).await?;
        }
    }
    if let Some(head) = expect.filter(|_| !walk.met_expected) {
        let why = format!(
            "the expected head {head} is not in the chain: the last records were removed, or the chain was written anew"
        );
        walk.fault(walk.last + 1, walk.last + 1, Kind::Truncated, why);
    }
    let mut verdict = walk.verdict;
    verdict.head = (verdict.records > 0).then_some(walk.hash);
    (verdict.unsealed, verdict.unsealed_since) = store.read(unsealed).await?;
    Ok(verdict)
}
