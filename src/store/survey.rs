//! What the doctor asks of a tenant's rows: mistakes that no single row shows.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Error, Tx};
use crate::domain::{PersonId, TenantId};

/// The most rows that an answer names.
const NAMED: i64 = 20;

/// How many bodies are read at a time.
const PAGE: i64 = 500;

/// Agents that share an e-mail address with another one, two of each address.
pub fn agents_of_one_email(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<(i64, i64)>, Error> {
    tx.all(
        "SELECT MIN(upstream_id), MAX(upstream_id) FROM inventory
         WHERE tenant = $1 AND kind = 'agent' AND email_key IS NOT NULL
         GROUP BY email_key HAVING COUNT(*) > 1 ORDER BY 1 LIMIT $2",
        &[tenant.into(), NAMED.into()],
        |row| Ok((row.int(0)?, row.int(1)?)),
    )
}

/// People whose `userName` is the login name of an agent that is not theirs.
pub fn user_names_of_other_agents(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<(PersonId, i64)>, Error> {
    tx.all(
        "SELECT people.id, inventory.upstream_id FROM inventory
         JOIN people ON people.tenant = inventory.tenant AND people.user_name_key = inventory.name_key
             AND people.deleted_at IS NULL
         LEFT JOIN links ON links.tenant = people.tenant AND links.person_id = people.id
         WHERE inventory.tenant = $1 AND inventory.kind = 'agent'
             AND (links.agent_id IS NULL OR links.agent_id <> inventory.upstream_id)
         ORDER BY people.id LIMIT $2",
        &[tenant.into(), NAMED.into()],
        |row| Ok((row.text(0)?.into(), row.int(1)?)),
    )
}

/// People who were there before a time and of whom no client has said since whether they are active.
///
/// What a client wrote is JSON, which the two databases read differently, so it is read here, a page at a time.
pub fn never_said_active(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    before: Timestamp,
) -> Result<Vec<PersonId>, Error> {
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = tx.all(
            "SELECT id, body FROM people
             WHERE tenant = $1 AND deleted_at IS NULL AND created_at < $2 AND id > $3 ORDER BY id LIMIT $4",
            &[tenant.into(), before.into(), (&after).into(), PAGE.into()],
            |row| Ok((row.text(0)?, row.text(1)?)),
        )?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after.clone_from(last);
        let silent = |body: &str| {
            let body: Result<Map<String, Value>, _> = serde_json::from_str(body);
            body.is_ok_and(|body| body.get("active").is_none_or(Value::is_null))
        };
        found.extend(page.iter().filter(|(_, body)| silent(body)).map(|(id, _)| id.as_str().into()));
    }
}

/// The administrators in RingCX that belong to people of the identity provider.
pub fn linked_admins(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<BTreeSet<i64>, Error> {
    let sql = "SELECT admin_id FROM links WHERE tenant = $1 AND admin_id IS NOT NULL";
    Ok(tx.all(sql, &[tenant.into()], |row| row.int(0))?.into_iter().collect())
}
