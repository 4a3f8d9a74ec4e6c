//! What ties people to accounts in RingCX. An account belongs to one person at most; the indexes say so.

use jiff::Timestamp;

use super::inventory::Kind;
use super::{Error, Tx, owners};
use crate::domain::link::Link;
use crate::domain::{PersonId, TenantId};

/// The accounts of a person.
pub fn get(tx: &mut Tx<'_>, tenant: &TenantId, person: &PersonId) -> Result<Option<Link>, Error> {
    tx.one(
        "SELECT link FROM links WHERE tenant = $1 AND person_id = $2",
        &[tenant.into(), person.into()],
        |row| serde_json::from_str(&row.text(0)?).map_err(|error| Error::Corrupt(format!("a link: {error}"))),
    )
}

/// Writes the accounts of a person, and that they are the tenant's.
///
/// # Errors
/// [`Error::Conflict`] when one of them belongs to another tenant.
pub fn save(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    link: &Link,
    now: Timestamp,
) -> Result<(), Error> {
    let ids =
        (link.agent.as_ref().map(|agent| agent.id.agent.0), link.admin.as_ref().map(|admin| admin.id.0));
    let before = tx.one(
        "SELECT agent_id, admin_id FROM links WHERE tenant = $1 AND person_id = $2",
        &[tenant.into(), person.into()],
        |row| Ok((row.opt_int(0)?, row.opt_int(1)?)),
    )?;
    if before.unwrap_or_default() != ids {
        owners::hold(tx, tenant, person, Kind::Agent, ids.0)?;
        owners::hold(tx, tenant, person, Kind::Admin, ids.1)?;
    }
    let text = serde_json::to_string(link).map_err(|error| Error::Corrupt(format!("a link: {error}")))?;
    tx.exec(
        "INSERT INTO links (tenant, person_id, agent_id, admin_id, link, saved_at, unlinked_since)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant, person_id) DO UPDATE
         SET agent_id = excluded.agent_id, admin_id = excluded.admin_id, link = excluded.link, saved_at = excluded.saved_at,
             unlinked_since = excluded.unlinked_since",
        &[
            tenant.into(),
            person.into(),
            ids.0.into(),
            ids.1.into(),
            (&text).into(),
            now.into(),
            link.unlinked.as_ref().map(|it| it.since).into(),
        ],
    )
    .map(drop)
}

/// Those whose agents have been waiting for a RingCentral extension since then or later.
pub fn unlinked(tx: &mut Tx<'_>, tenant: &TenantId, since: Timestamp) -> Result<Vec<PersonId>, Error> {
    tx.all(
        "SELECT person_id FROM links WHERE tenant = $1 AND unlinked_since >= $2 ORDER BY person_id",
        &[tenant.into(), since.into()],
        |row| Ok(row.text(0)?.into()),
    )
}

/// Forgets the accounts of a person.
pub fn remove(tx: &mut Tx<'_>, tenant: &TenantId, person: &PersonId) -> Result<(), Error> {
    owners::hold(tx, tenant, person, Kind::Agent, None)?;
    owners::hold(tx, tenant, person, Kind::Admin, None)?;
    tx.exec("DELETE FROM links WHERE tenant = $1 AND person_id = $2", &[tenant.into(), person.into()])
        .map(drop)
}

/// Whose agent it is.
pub fn by_agent(tx: &mut Tx<'_>, tenant: &TenantId, agent: i64) -> Result<Option<PersonId>, Error> {
    tx.one(
        "SELECT person_id FROM links WHERE tenant = $1 AND agent_id = $2",
        &[tenant.into(), agent.into()],
        |row| Ok(row.text(0)?.into()),
    )
}

/// Whose administrator it is.
pub fn by_admin(tx: &mut Tx<'_>, tenant: &TenantId, admin: i64) -> Result<Option<PersonId>, Error> {
    tx.one(
        "SELECT person_id FROM links WHERE tenant = $1 AND admin_id = $2",
        &[tenant.into(), admin.into()],
        |row| Ok(row.text(0)?.into()),
    )
}

/// How many people have an agent, or are getting one just now: one statement, so that whoever gets it meanwhile counts once.
pub fn count_agents(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<u64, Error> {
    let count = tx.one(
        "SELECT (SELECT COUNT(*) FROM links l JOIN people p ON p.tenant = l.tenant AND p.id = l.person_id
                 WHERE l.tenant = $1 AND l.agent_id IS NOT NULL AND p.deleted_at IS NULL)
              + (SELECT COUNT(*) FROM journal j WHERE j.tenant = $1 AND j.operation = 'createAgent' AND j.outcome IS NULL
                 AND NOT EXISTS (SELECT 1 FROM links l WHERE l.tenant = j.tenant AND l.person_id = j.person_id
                     AND l.agent_id IS NOT NULL))",
        &[tenant.into()],
        |row| row.int(0),
    )?;
    Ok(u64::try_from(count.unwrap_or_default()).unwrap_or_default())
}

/// Everybody who has an account in RingCX, deleted people included while they still have one.
pub fn people(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<PersonId>, Error> {
    tx.all(
        "SELECT person_id FROM links WHERE tenant = $1 AND (agent_id IS NOT NULL OR admin_id IS NOT NULL)
         ORDER BY person_id",
        &[tenant.into()],
        |row| Ok(row.text(0)?.into()),
    )
}
