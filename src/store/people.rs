//! People: the body as the client wrote it, the answer as a GET shows it, and the columns by which they are found.

use jiff::Timestamp;

use super::{Error, Row, Tx, Val};
use crate::domain::answer::Provisioning;
use crate::domain::person::UserKeys;
use crate::domain::{PersonId, TenantId};

/// One stored person; a tombstone when `deleted` is set.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// The SCIM id.
    pub id: PersonId,
    /// What the client wrote, last confirmed.
    pub body: String,
    /// What a GET shows, without `groups` and `meta`.
    pub answer: String,
    /// Counts every change of the answer.
    pub version: i64,
    /// When the person was created.
    pub created: Timestamp,
    /// When the answer last changed.
    pub modified: Timestamp,
    /// How far RingCX agrees.
    pub state: Provisioning,
    /// What RingCX last refused.
    pub last_error: Option<String>,
    /// Whether somebody switched the person off in RingCX.
    pub suspended: bool,
    /// When the person was deleted.
    pub deleted: Option<Timestamp>,
    /// Whether the import made the person and no client has written to it since.
    pub imported: bool,
}

/// What is written of a person.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// What the client wrote.
    pub body: &'a str,
    /// What a GET shows.
    pub answer: &'a str,
    /// The columns by which the person is found.
    pub keys: &'a UserKeys,
    /// How far RingCX agrees.
    pub state: Provisioning,
    /// What RingCX last refused.
    pub last_error: Option<&'a str>,
    /// Whether somebody switched the person off in RingCX.
    pub suspended: bool,
}

/// Whether an id was ever given to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The person is there.
    Live,
    /// The person was deleted.
    Deleted,
}

/// The columns of a person, in the order in which [`read`] takes them.
pub(super) const COLUMNS: &str =
    "id, body, answer, version, created_at, modified_at, state, last_error, suspended, deleted_at, imported";

/// The person of a row of [`COLUMNS`].
pub(super) fn read(row: &Row<'_>) -> Result<Person, Error> {
    let state = row.text(6)?;
    Ok(Person {
        id: row.text(0)?.into(),
        body: row.text(1)?,
        answer: row.text(2)?,
        version: row.int(3)?,
        created: row.time(4)?,
        modified: row.time(5)?,
        state: Provisioning::parse(&state)
            .ok_or_else(|| Error::Corrupt(format!("state {state} of a person")))?,
        last_error: row.opt_text(7)?,
        suspended: row.flag(8)?,
        deleted: row.opt_time(9)?,
        imported: row.flag(10)?,
    })
}

/// Stores a new person.
pub fn insert(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &PersonId,
    shown: &Shown<'_>,
    now: Timestamp,
) -> Result<(), Error> {
    let keys = shown.keys;
    tx.exec(
        "INSERT INTO people (tenant, id, user_name_key, external_id, display_name_key, active, body, answer, version,
             created_at, modified_at, state, last_error, suspended, imported)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $9, $10, $11, $12, $13)",
        &[
            tenant.into(),
            id.into(),
            (&keys.user_name_key).into(),
            keys.external_id.as_deref().into(),
            keys.display_name_key.as_deref().into(),
            keys.active.into(),
            shown.body.into(),
            shown.answer.into(),
            now.into(),
            shown.state.as_str().into(),
            shown.last_error.into(),
            shown.suspended.into(),
            false.into(),
        ],
    )?;
    write_emails(tx, tenant, id, &keys.emails)?;
    super::search::count(tx, tenant, super::search::PEOPLE, 1)
}

/// The person whom an operator names: by SCIM id, or by user name in any case.
pub fn named(tx: &mut Tx<'_>, tenant: &TenantId, name: &str) -> Result<Option<Person>, Error> {
    if let Some(person) = get(tx, tenant, &PersonId::from(name))? {
        return Ok(Some(person));
    }
    let id = by_user_name(tx, tenant, &crate::domain::fold(name))?;
    id.map_or(Ok(None), |id| get(tx, tenant, &id))
}

/// The person with this user name, folded, else the only one with this e-mail address.
pub fn by_address(tx: &mut Tx<'_>, tenant: &TenantId, key: &str) -> Result<Option<PersonId>, Error> {
    if let Some(id) = by_user_name(tx, tenant, key)? {
        return Ok(Some(id));
    }
    let found = tx.all(
        "SELECT p.id FROM person_emails e JOIN people p ON p.tenant = e.tenant AND p.id = e.person_id
         WHERE e.tenant = $1 AND e.email_key = $2 AND p.deleted_at IS NULL ORDER BY p.id LIMIT 2",
        &[tenant.into(), key.into()],
        |row| Ok(PersonId::from(row.text(0)?)),
    )?;
    Ok(if found.len() == 1 { found.into_iter().next() } else { None })
}

fn by_user_name(tx: &mut Tx<'_>, tenant: &TenantId, key: &str) -> Result<Option<PersonId>, Error> {
    tx.one(
        "SELECT id FROM people WHERE tenant = $1 AND user_name_key = $2 AND deleted_at IS NULL",
        &[tenant.into(), key.into()],
        |row| Ok(row.text(0)?.into()),
    )
}

/// A person who is there.
pub fn get(tx: &mut Tx<'_>, tenant: &TenantId, id: &PersonId) -> Result<Option<Person>, Error> {
    Ok(get_any(tx, tenant, id)?.filter(|person| person.deleted.is_none()))
}

/// A person or their tombstone.
pub fn get_any(tx: &mut Tx<'_>, tenant: &TenantId, id: &PersonId) -> Result<Option<Person>, Error> {
    let sql = concat_columns("SELECT ", " FROM people WHERE tenant = $1 AND id = $2");
    tx.one(&sql, &[tenant.into(), id.into()], read)
}

/// A person or their tombstone, locked until the transaction ends.
pub fn lock(tx: &mut Tx<'_>, tenant: &TenantId, id: &PersonId) -> Result<Option<Person>, Error> {
    let sql = concat_columns("SELECT ", " FROM people WHERE tenant = $1 AND id = $2 /*pg FOR UPDATE */");
    tx.one(&sql, &[tenant.into(), id.into()], read)
}

/// Writes a confirmed state: body, answer, keys, and a new version.
pub fn confirm(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &PersonId,
    shown: &Shown<'_>,
    now: Timestamp,
) -> Result<(), Error> {
    let keys = shown.keys;
    tx.exec(
        "UPDATE people SET user_name_key = $3, external_id = $4, display_name_key = $5, active = $6, body = $7,
             answer = $8, version = version + 1, modified_at = $9, state = $10, last_error = $11, suspended = $12
         WHERE tenant = $1 AND id = $2",
        &[
            tenant.into(),
            id.into(),
            (&keys.user_name_key).into(),
            keys.external_id.as_deref().into(),
            keys.display_name_key.as_deref().into(),
            keys.active.into(),
            shown.body.into(),
            shown.answer.into(),
            now.into(),
            shown.state.as_str().into(),
            shown.last_error.into(),
            shown.suspended.into(),
        ],
    )?;
    write_emails(tx, tenant, id, &keys.emails)
}

/// Writes how the person shows, and leaves what the client wrote. Nothing is moved when it shows the same.
pub fn show(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &PersonId,
    answer: &str,
    state: Provisioning,
    last_error: Option<&str>,
    now: Timestamp,
) -> Result<(), Error> {
    tx.exec(
        "UPDATE people SET answer = $3, state = $4, last_error = $5, version = version + 1, modified_at = $6
         WHERE tenant = $1 AND id = $2 AND answer <> $3",
        &[tenant.into(), id.into(), answer.into(), state.as_str().into(), last_error.into(), now.into()],
    )
    .map(drop)
}

/// Says whether the person is the import's, or a client's from now on.
pub fn set_imported(tx: &mut Tx<'_>, tenant: &TenantId, id: &PersonId, imported: bool) -> Result<(), Error> {
    tx.exec(
        "UPDATE people SET imported = $3 WHERE tenant = $1 AND id = $2",
        &[tenant.into(), id.into(), imported.into()],
    )
    .map(drop)
}

/// Keeps what the client wrote where it changes nothing that is shown.
pub fn keep_body(tx: &mut Tx<'_>, tenant: &TenantId, id: &PersonId, body: &str) -> Result<(), Error> {
    let sql = "UPDATE people SET body = $3 WHERE tenant = $1 AND id = $2";
    tx.exec(sql, &[tenant.into(), id.into(), body.into()]).map(drop)
}

/// Takes a person out for good, as if they had never been here. What they had in other tables is taken out by the caller.
pub fn erase(tx: &mut Tx<'_>, tenant: &TenantId, id: &PersonId) -> Result<(), Error> {
    let was_there = get(tx, tenant, id)?.is_some();
    tx.exec("DELETE FROM person_emails WHERE tenant = $1 AND person_id = $2", &[tenant.into(), id.into()])?;
    tx.exec("DELETE FROM people WHERE tenant = $1 AND id = $2", &[tenant.into(), id.into()])?;
    if was_there { super::search::count(tx, tenant, super::search::PEOPLE, -1) } else { Ok(()) }
}

/// Makes a tombstone: the id stays taken for ever.
pub fn tombstone(tx: &mut Tx<'_>, tenant: &TenantId, id: &PersonId, now: Timestamp) -> Result<(), Error> {
    let buried = tx.exec(
        "UPDATE people SET deleted_at = $3, version = version + 1, modified_at = $3
         WHERE tenant = $1 AND id = $2 AND deleted_at IS NULL",
        &[tenant.into(), id.into(), now.into()],
    )?;
    if buried == 0 {
        return Ok(());
    }
    tx.exec("DELETE FROM person_emails WHERE tenant = $1 AND person_id = $2", &[tenant.into(), id.into()])?;
    super::search::count(tx, tenant, super::search::PEOPLE, -1)
}

/// Makes a person of a tombstone again; the caller has claimed the names.
pub fn revive(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &PersonId,
    emails: &[String],
    now: Timestamp,
) -> Result<(), Error> {
    let revived = tx.exec(
        "UPDATE people SET deleted_at = NULL, state = 'pending', version = version + 1, modified_at = $3
         WHERE tenant = $1 AND id = $2 AND deleted_at IS NOT NULL",
        &[tenant.into(), id.into(), now.into()],
    )?;
    if revived == 0 {
        return Ok(());
    }
    write_emails(tx, tenant, id, emails)?;
    super::search::count(tx, tenant, super::search::PEOPLE, 1)
}

/// The tombstones of a user name, latest first.
pub fn tombstones_by_user_name(tx: &mut Tx<'_>, tenant: &TenantId, key: &str) -> Result<Vec<Person>, Error> {
    let sql = concat_columns(
        "SELECT ",
        " FROM people WHERE tenant = $1 AND user_name_key = $2 AND deleted_at IS NOT NULL ORDER BY deleted_at DESC LIMIT 20",
    );
    tx.all(&sql, &[tenant.into(), key.into()], read)
}

/// Whether an id is that of a person; nothing when it was never given.
pub fn standing(tx: &mut Tx<'_>, tenant: &TenantId, id: &PersonId) -> Result<Option<Standing>, Error> {
    let deleted = tx.one(
        "SELECT deleted_at FROM people WHERE tenant = $1 AND id = $2",
        &[tenant.into(), id.into()],
        |row| row.opt_int(0),
    )?;
    Ok(deleted.map(|deleted| if deleted.is_some() { Standing::Deleted } else { Standing::Live }))
}

fn write_emails(tx: &mut Tx<'_>, tenant: &TenantId, id: &PersonId, emails: &[String]) -> Result<(), Error> {
    let of = [Val::from(tenant), id.into()];
    let mut held = tx.all(
        "SELECT email_key FROM person_emails WHERE tenant = $1 AND person_id = $2 ORDER BY email_key",
        &of,
        |row| row.text(0),
    )?;
    held.sort();
    if held == emails {
        return Ok(());
    }
    tx.exec("DELETE FROM person_emails WHERE tenant = $1 AND person_id = $2", &of)?;
    for email in emails {
        tx.exec(
            "INSERT INTO person_emails (tenant, email_key, person_id) VALUES ($1, $2, $3)",
            &[tenant.into(), email.into(), id.into()],
        )?;
    }
    Ok(())
}

fn concat_columns(before: &str, after: &str) -> String {
    [before, COLUMNS, after].concat()
}

/// How many live people of a tenant there are in each state.
pub fn by_state(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<(String, i64)>, Error> {
    tx.all(
        "SELECT state, COUNT(*) FROM people WHERE tenant = $1 AND deleted_at IS NULL GROUP BY state ORDER BY state",
        &[tenant.into()],
        |row| Ok((row.text(0)?, row.int(1)?)),
    )
}

/// Everybody who is there, and everybody else who still has an account in RingCX.
pub fn ids_and_linked(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<PersonId>, Error> {
    tx.all(
        "SELECT id FROM people WHERE tenant = $1 AND deleted_at IS NULL
         UNION SELECT person_id FROM links WHERE tenant = $1 AND (agent_id IS NOT NULL OR admin_id IS NOT NULL)
         ORDER BY 1",
        &[tenant.into()],
        |row| Ok(row.text(0)?.into()),
    )
}
