//! The audit record: append-only, and chained by hashes within a second of its insertion.
//!
//! [`append`] is all that writers need. [`chain`] proves what is there, [`story`] reads it.

pub mod chain;
pub mod story;

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Error, Row, Tx};
use crate::domain::{Actor, GroupId, PersonId, TenantId};

/// One record. [`Record::new`] and its kin make one; fields may come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Ascends with time.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// With what: the id of a token, or the bridge itself.
    pub credential: String,
    /// Who, the same across rotations of a token; nothing in records of earlier versions.
    pub actor: Option<String>,
    /// The request in which it was decided.
    pub request_id: String,
    /// The request id that the client brought along.
    pub client_request_id: Option<String>,
    /// Other requests that it belongs to.
    pub also: Vec<String>,
    /// About whom.
    pub person: Option<PersonId>,
    /// About which group.
    pub group: Option<GroupId>,
    /// What was decided or done.
    pub action: String,
    /// Before and after, or the call and its outcome, as JSON without secrets.
    pub detail: String,
}

impl Record {
    /// A record of what `by` has asked for or caused.
    pub fn new(id: &impl ToString, at: Timestamp, by: &Actor, action: &str, detail: &Value) -> Self {
        Self {
            id: id.to_string(),
            at,
            credential: by.credential.clone(),
            actor: Some(by.name.clone()),
            request_id: by.request_id.clone(),
            client_request_id: by.client_request_id.clone(),
            also: Vec::new(),
            person: None,
            group: None,
            action: action.to_owned(),
            detail: detail.to_string(),
        }
    }

    /// The same, about a person.
    #[must_use]
    pub fn about(self, person: &PersonId) -> Self {
        Self { person: Some(person.clone()), ..self }
    }

    /// The same, about a group.
    #[must_use]
    pub fn about_group(self, group: &GroupId) -> Self {
        Self { group: Some(group.clone()), ..self }
    }

    /// The same, belonging to more requests than one.
    #[must_use]
    pub fn also(self, requests: impl IntoIterator<Item = String>) -> Self {
        let mut also: Vec<String> =
            requests.into_iter().filter(|it| !it.is_empty() && *it != self.request_id).collect();
        also.sort_unstable();
        also.dedup();
        Self { also, ..self }
    }
}

/// Records sealed in one transaction.
const BATCH: i64 = 500;

/// Appends a record, unsealed, in the transaction of what it is about.
pub fn append(tx: &mut Tx<'_>, tenant: &TenantId, record: &Record) -> Result<(), Error> {
    let also = (!record.also.is_empty()).then(|| serde_json::json!(record.also).to_string());
    tx.exec(
        "INSERT INTO audit (id, tenant, at, credential, request_id, person_id, group_id, action, detail, actor, client_request_id,
             also)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &[
            (&record.id).into(),
            tenant.into(),
            record.at.into(),
            (&record.credential).into(),
            (&record.request_id).into(),
            record.person.as_ref().into(),
            record.group.as_ref().into(),
            (&record.action).into(),
            (&record.detail).into(),
            record.actor.as_ref().into(),
            record.client_request_id.as_ref().into(),
            also.as_ref().into(),
        ],
    )?;
    for request in &record.also {
        let sql = "INSERT INTO audit_also (request_id, audit_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        tx.exec(sql, &[request.into(), (&record.id).into()])?;
    }
    Ok(())
}

/// Whether there is something to seal.
pub fn has_unsealed(tx: &mut Tx<'_>) -> Result<bool, Error> {
    Ok(tx.one("SELECT 1 FROM audit WHERE seq IS NULL LIMIT 1", &[], |_| Ok(()))?.is_some())
}

const COLUMNS: &str = "id, tenant, at, credential, request_id, person_id, group_id, action, detail, actor, client_request_id, also";

/// The text over which a record is hashed: each field with its length before it, so that no two records have the same.
fn canonical(row: &Row<'_>) -> Result<String, Error> {
    let mut text = String::new();
    let fields = [
        row.text(0)?,
        row.text(1)?,
        row.int(2)?.to_string(),
        row.text(3)?,
        row.text(4)?,
        row.opt_text(5)?.unwrap_or_default(),
        row.opt_text(6)?.unwrap_or_default(),
        row.text(7)?,
        row.text(8)?,
    ];
    for field in fields {
        text.push_str(&field.len().to_string());
        text.push(':');
        text.push_str(&field);
    }
    // Columns of later versions: records that were sealed without them keep their hash.
    for (name, at) in [("actor", 9), ("client_request_id", 10), ("also", 11)] {
        if let Some(field) = row.opt_text(at)? {
            text.push_str(name);
            text.push_str(&field.len().to_string());
            text.push(':');
            text.push_str(&field);
        }
    }
    Ok(text)
}

fn chained(previous: &str, canonical: &str) -> String {
    let digest = Sha256::digest([previous.as_bytes(), b"\n", canonical.as_bytes()].concat());
    let mut hex = String::with_capacity(64);
    for byte in digest {
        hex.extend([byte >> 4, byte & 15].into_iter().filter_map(|half| char::from_digit(half.into(), 16)));
    }
    hex
}

/// Numbers and chains what is unsealed, in order. The caller holds the sealer's lease.
pub fn seal_batch(tx: &mut Tx<'_>) -> Result<u64, Error> {
    let last =
        tx.one("SELECT seq, hash FROM audit WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1", &[], |row| {
            Ok((row.int(0)?, row.opt_text(1)?.unwrap_or_default()))
        })?;
    let (mut seq, mut hash) = last.unwrap_or_default();
    let sql = ["SELECT ", COLUMNS, " FROM audit WHERE seq IS NULL ORDER BY id LIMIT $1"].concat();
    let open = tx.all(&sql, &[BATCH.into()], |row| Ok((row.text(0)?, canonical(row)?)))?;
    for (id, text) in &open {
        let next = chained(&hash, text);
        seq += 1;
        tx.exec(
            "UPDATE audit SET seq = $2, prev_hash = $3, hash = $4 WHERE id = $1",
            &[id.into(), seq.into(), (&hash).into(), (&next).into()],
        )?;
        hash = next;
    }
    Ok(open.len() as u64)
}
