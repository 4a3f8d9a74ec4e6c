//! Writes to people that wait for RingCX, and what became of them.

use jiff::Timestamp;
use serde_json::Value;

use super::{Error, Row, Tx};
use crate::domain::{Actor, PersonId, TenantId};

/// What kind of write it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `POST`.
    Create,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
    /// `DELETE`.
    Delete,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Create, Self::Put, Self::Patch, Self::Delete];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// RingCX has confirmed it.
    Settled,
    /// RingCX or a guard has refused it.
    Refused,
    /// The mass-change guard keeps it until a person decides.
    Blocked,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Refused => "refused",
            Self::Blocked => "blocked",
        }
    }
}

/// One write to a person.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// Its place in the order of the person's writes.
    pub seq: i64,
    /// What kind of write it is.
    pub kind: Kind,
    /// What the client asked for, as JSON, to compute it again on another base.
    pub change: String,
    /// The resource that it leads to.
    pub body: String,
    /// Who asked.
    pub by: Actor,
    /// When.
    pub created: Timestamp,
    /// What became of it.
    pub outcome: Option<Outcome>,
    /// Why it was refused, as JSON.
    pub detail: Option<String>,
}

/// A write to be appended.
#[derive(Clone, Copy, Debug)]
pub struct NewRevision<'a> {
    /// What kind of write it is.
    pub kind: Kind,
    /// What the client asked for.
    pub change: &'a Value,
    /// The resource that it leads to.
    pub body: &'a str,
    /// Who asked.
    pub by: &'a Actor,
    /// When.
    pub now: Timestamp,
}

const COLUMNS: &str = "seq, kind, change, body, credential, request_id, created_at, outcome, detail, actor";

fn read(row: &Row<'_>) -> Result<Revision, Error> {
    let kind = row.text(1)?;
    let kind = Kind::ALL.into_iter().find(|it| it.as_str() == kind);
    let (credential, request_id) = (row.text(4)?, row.text(5)?);
    let name = row.opt_text(9)?.unwrap_or_else(|| credential.clone());
    Ok(Revision {
        seq: row.int(0)?,
        kind: kind.ok_or_else(|| Error::Corrupt("the kind of a revision".to_owned()))?,
        change: row.text(2)?,
        body: row.text(3)?,
        by: Actor::new(&credential, &name, &request_id),
        created: row.time(6)?,
        outcome: match row.opt_text(7)?.as_deref() {
            None => None,
            Some("settled") => Some(Outcome::Settled),
            Some("blocked") => Some(Outcome::Blocked),
            Some(_) => Some(Outcome::Refused),
        },
        detail: row.opt_text(8)?,
    })
}

/// Appends a write and says its place in the order. The caller holds the person's lock.
pub fn append(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    new: &NewRevision<'_>,
) -> Result<i64, Error> {
    let last = tx.one(
        "SELECT COALESCE(MAX(seq), 0) FROM revisions WHERE tenant = $1 AND person_id = $2",
        &[tenant.into(), person.into()],
        |row| row.int(0),
    )?;
    let seq = last.unwrap_or(0) + 1;
    tx.exec(
        "INSERT INTO revisions (tenant, person_id, seq, kind, change, body, credential, request_id, created_at, actor)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        &[
            tenant.into(),
            person.into(),
            seq.into(),
            new.kind.as_str().into(),
            (&new.change.to_string()).into(),
            new.body.into(),
            (&new.by.credential).into(),
            (&new.by.request_id).into(),
            new.now.into(),
            (&new.by.name).into(),
        ],
    )?;
    Ok(seq)
}

/// The same for a write that the mass-change guard keeps.
pub fn append_blocked(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    new: &NewRevision<'_>,
) -> Result<i64, Error> {
    let seq = append(tx, tenant, person, new)?;
    let sql = "UPDATE revisions SET outcome = 'blocked' WHERE tenant = $1 AND person_id = $2 AND seq = $3";
    tx.exec(sql, &[tenant.into(), person.into(), seq.into()])?;
    Ok(seq)
}

/// The writes that wait, in order.
pub fn waiting(tx: &mut Tx<'_>, tenant: &TenantId, person: &PersonId) -> Result<Vec<Revision>, Error> {
    let sql = [
        "SELECT ",
        COLUMNS,
        " FROM revisions WHERE tenant = $1 AND person_id = $2 AND outcome IS NULL ORDER BY seq",
    ]
    .concat();
    tx.all(&sql, &[tenant.into(), person.into()], read)
}

/// The writes that the mass-change guard keeps, in order.
pub fn blocked(tx: &mut Tx<'_>, tenant: &TenantId, person: &PersonId) -> Result<Vec<Revision>, Error> {
    let sql = [
        "SELECT ",
        COLUMNS,
        " FROM revisions WHERE tenant = $1 AND person_id = $2 AND outcome = 'blocked' ORDER BY seq",
    ]
    .concat();
    tx.all(&sql, &[tenant.into(), person.into()], read)
}

/// Ends the writes that the mass-change guard keeps: they are asked for anew, or not at all.
pub fn end_blocked(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    detail: &str,
    now: Timestamp,
) -> Result<(), Error> {
    tx.exec(
        "UPDATE revisions SET outcome = 'refused', detail = $3, finished_at = $4
         WHERE tenant = $1 AND person_id = $2 AND outcome = 'blocked'",
        &[tenant.into(), person.into(), detail.into(), now.into()],
    )
    .map(drop)
}

/// One write.
pub fn get(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    seq: i64,
) -> Result<Option<Revision>, Error> {
    let sql =
        ["SELECT ", COLUMNS, " FROM revisions WHERE tenant = $1 AND person_id = $2 AND seq = $3"].concat();
    tx.one(&sql, &[tenant.into(), person.into(), seq.into()], read)
}

/// The last create of a person.
pub fn last_create(tx: &mut Tx<'_>, tenant: &TenantId, person: &PersonId) -> Result<Option<Revision>, Error> {
    let sql = [
        "SELECT ",
        COLUMNS,
        " FROM revisions WHERE tenant = $1 AND person_id = $2 AND kind = 'create' ORDER BY seq DESC LIMIT 1",
    ]
    .concat();
    tx.one(&sql, &[tenant.into(), person.into()], read)
}

/// Replaces the resource to which a waiting write leads.
pub fn set_body(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    seq: i64,
    body: &str,
) -> Result<(), Error> {
    tx.exec(
        "UPDATE revisions SET body = $4 WHERE tenant = $1 AND person_id = $2 AND seq = $3 AND outcome IS NULL",
        &[tenant.into(), person.into(), seq.into(), body.into()],
    )
    .map(drop)
}

/// Counts a waiting write as asked for now: somebody waits for it anew.
pub fn touch(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    seq: i64,
    now: Timestamp,
) -> Result<(), Error> {
    tx.exec(
        "UPDATE revisions SET created_at = $4 WHERE tenant = $1 AND person_id = $2 AND seq = $3 AND outcome IS NULL",
        &[tenant.into(), person.into(), seq.into(), now.into()],
    )
    .map(drop)
}

/// Ends every waiting write up to and with `seq`.
pub fn finish_through(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    seq: i64,
    outcome: Outcome,
    detail: Option<&str>,
    now: Timestamp,
) -> Result<(), Error> {
    tx.exec(
        "UPDATE revisions SET outcome = $4, detail = $5, finished_at = $6
         WHERE tenant = $1 AND person_id = $2 AND seq <= $3 AND outcome IS NULL",
        &[tenant.into(), person.into(), seq.into(), outcome.as_str().into(), detail.into(), now.into()],
    )
    .map(drop)
}

/// Ends one waiting write.
pub fn finish_one(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    seq: i64,
    outcome: Outcome,
    detail: Option<&str>,
    now: Timestamp,
) -> Result<(), Error> {
    tx.exec(
        "UPDATE revisions SET outcome = $4, detail = $5, finished_at = $6
         WHERE tenant = $1 AND person_id = $2 AND seq = $3 AND outcome IS NULL",
        &[tenant.into(), person.into(), seq.into(), outcome.as_str().into(), detail.into(), now.into()],
    )
    .map(drop)
}

/// Drops writes that ended before `before`.
pub fn prune(tx: &mut Tx<'_>, before: Timestamp) -> Result<(), Error> {
    tx.exec("DELETE FROM revisions WHERE outcome IS NOT NULL AND finished_at < $1", &[before.into()])
        .map(drop)
}
