//! Records as they are shown: all of them for an export, or those of one request.

use jiff::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::{COLUMNS, Record};
use crate::store::{Error, Row, Store, Tx};

/// Records read in one transaction.
const PAGE: i64 = 500;

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its number in the chain; none before it is sealed.
    pub seq: Option<i64>,
    /// The hash of the record before it.
    pub previous: Option<String>,
    /// Its own.
    pub hash: Option<String>,
    /// Whose.
    pub tenant: String,
    /// What it says.
    pub record: Record,
}

impl Stored {
    /// What it says in detail.
    pub fn detail(&self) -> Value {
        serde_json::from_str(&self.record.detail)
            .unwrap_or_else(|_| Value::String(self.record.detail.clone()))
    }
}

impl Serialize for Stored {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = &self.record;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("seq", &self.seq)?;
        map.serialize_entry("id", &record.id)?;
        map.serialize_entry("at", &record.at)?;
        map.serialize_entry("tenant", &self.tenant)?;
        map.serialize_entry("actor", &record.actor)?;
        map.serialize_entry("credential", &record.credential)?;
        map.serialize_entry("request_id", &record.request_id)?;
        map.serialize_entry("client_request_id", &record.client_request_id)?;
        map.serialize_entry("also", &record.also)?;
        map.serialize_entry("person", &record.person)?;
        map.serialize_entry("group", &record.group)?;
        map.serialize_entry("action", &record.action)?;
        map.serialize_entry("detail", &self.detail())?;
        map.serialize_entry("prev_hash", &self.previous)?;
        map.serialize_entry("hash", &self.hash)?;
        map.end()
    }
}

fn read(row: &Row<'_>) -> Result<Stored, Error> {
    Ok(Stored {
        seq: row.opt_int(12)?,
        previous: row.opt_text(13)?,
        hash: row.opt_text(14)?,
        tenant: row.text(1)?,
        record: Record {
            id: row.text(0)?,
            at: row.time(2)?,
            credential: row.text(3)?,
            actor: row.opt_text(9)?,
            request_id: row.text(4)?,
            client_request_id: row.opt_text(10)?,
            also: row.opt_text(11)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
            person: row.opt_text(5)?.map(Into::into),
            group: row.opt_text(6)?.map(Into::into),
            action: row.text(7)?,
            detail: row.text(8)?,
        },
    })
}

fn sealed(tx: &mut Tx<'_>, after: i64) -> Result<Vec<Stored>, Error> {
    let sql = ["SELECT ", COLUMNS, ", seq, prev_hash, hash FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2"]
        .concat();
    let mut found = tx.all(&sql, &[after.into(), PAGE.into()], read)?;
    if i64::try_from(found.len()).is_ok_and(|count| count < PAGE) {
        // Of the same moment, so that none is passed over while it is being sealed.
        let sql =
            ["SELECT ", COLUMNS, ", seq, prev_hash, hash FROM audit WHERE seq IS NULL ORDER BY id"].concat();
        found.extend(tx.all(&sql, &[], read)?);
    }
    Ok(found)
}

/// Hands over every record in the order of the chain, and then those that are not sealed yet.
///
/// # Errors
/// When the store cannot answer.
pub async fn each(store: &Store, mut take: impl FnMut(Stored)) -> Result<(), Error> {
    let mut after = 0;
    loop {
        let found = store.read_long(move |tx| sealed(tx, after)).await?;
        let whole =
            i64::try_from(found.iter().filter(|it| it.seq.is_some()).count()).is_ok_and(|it| it == PAGE);
        after = found.iter().filter_map(|it| it.seq).max().unwrap_or(after);
        found.into_iter().for_each(&mut take);
        if !whole {
            return Ok(());
        }
    }
}

/// Which records somebody asks for; everything that is set must agree.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of this tenant.
    pub tenant: Option<String>,
    /// About this person, by SCIM id.
    pub person: Option<String>,
    /// From this time on.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

impl Wanted {
    fn takes(&self, it: &Stored) -> bool {
        self.tenant.as_ref().is_none_or(|tenant| *tenant == it.tenant)
            && self.since.is_none_or(|since| it.record.at >= since)
            && self.until.is_none_or(|until| it.record.at < until)
    }

    /// The page behind a record, or the first one.
    fn page(&self, tx: &mut Tx<'_>, behind: Option<&Record>) -> Result<Vec<Stored>, Error> {
        let first = self.since.unwrap_or(Timestamp::UNIX_EPOCH);
        let end = self.until.unwrap_or(Timestamp::MAX);
        let id = behind.map(|it| it.id.as_str()).unwrap_or_default();
        if let Some(person) = &self.person {
            let of_page = [person.into(), id.into(), first.into(), end.into(), PAGE.into()];
            return tx.all(&select(OF_PERSON), &of_page, read);
        }
        let from = behind.map_or(first, |it| it.at);
        tx.all(&select(OF_TIME), &[from.into(), id.into(), end.into(), PAGE.into()], read)
    }
}

/// What is about a person, behind an id.
const OF_PERSON: &str = "person_id = $1 AND id > $2 AND at >= $3 AND at < $4 ORDER BY id LIMIT $5";

/// What is of a stretch of time, behind a time and an id.
const OF_TIME: &str = "at >= $1 AND (at > $1 OR id > $2) AND at < $3 ORDER BY at, id LIMIT $4";

fn select(which: &str) -> String {
    format!("SELECT {COLUMNS}, seq, prev_hash, hash FROM audit WHERE {which}")
}

/// Hands over the records that somebody asks for: about a person or of a stretch of time by an index and in the order of time,
/// else in the order of the chain.
///
/// # Errors
/// When the store cannot answer.
pub async fn some(store: &Store, wanted: &Wanted, mut take: impl FnMut(Stored)) -> Result<(), Error> {
    let mut take = |found: Stored| {
        if wanted.takes(&found) {
            take(found);
        }
    };
    if wanted.person.is_none() && wanted.since.is_none() && wanted.until.is_none() {
        return each(store, take).await;
    }
    let mut behind: Option<Record> = None;
    loop {
        let (asked, place) = (wanted.clone(), behind.clone());
        let found = store.read_long(move |tx| asked.page(tx, place.as_ref())).await?;
        let Some(last) = found.last() else { return Ok(()) };
        behind = Some(last.record.clone());
        found.into_iter().for_each(&mut take);
    }
}

/// Whether there is any record of the tenant, and any about the person, at whatever time.
///
/// # Errors
/// When the store cannot answer.
pub fn knows(tx: &mut Tx<'_>, wanted: &Wanted) -> Result<(bool, bool), Error> {
    let mut any = |column: &str, value: &Option<String>| {
        let Some(value) = value else { return Ok(false) };
        let sql = ["SELECT 1 FROM audit WHERE ", column, " = $1 LIMIT 1"].concat();
        Ok::<_, Error>(tx.one(&sql, &[value.into()], |_| Ok(()))?.is_some())
    };
    Ok((any("tenant", &wanted.tenant)?, any("person_id", &wanted.person)?))
}

/// The records of a request, by the id that the bridge or the client gave it, in the order in which they were made.
///
/// # Errors
/// When the store cannot answer.
pub async fn of_request(store: &Store, request: &str) -> Result<Vec<Stored>, Error> {
    let sql = [
        "SELECT ",
        COLUMNS,
        ", seq, prev_hash, hash FROM audit WHERE id IN (
             SELECT id FROM audit WHERE request_id = $1
             UNION SELECT id FROM audit WHERE client_request_id = $1
             UNION SELECT audit_id FROM audit_also WHERE request_id = $1)
         ORDER BY id",
    ]
    .concat();
    let request = request.to_owned();
    store.read_long(move |tx| tx.all(&sql, &[(&request).into()], read)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_asked_for_is_found_by_an_index() {
        let store = Store::open(&crate::store::Settings::at("sqlite::memory:")).await.unwrap();
        for (which, index, count) in [(OF_PERSON, "audit_person", 5), (OF_TIME, "audit_at", 4)] {
            let sql = format!("EXPLAIN QUERY PLAN {}", select(which));
            let values = vec![crate::store::Val::from(0_i64); count];
            let plan = store.read(move |tx| tx.all(&sql, &values, |row| row.text(3))).await.unwrap();
            assert!(plan.iter().all(|it| it.starts_with("SEARCH") && it.contains(index)), "{plan:?}");
        }
    }
}
