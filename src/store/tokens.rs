//! Bearer tokens by their SHA-256. The token itself is never here.

use jiff::Timestamp;

use super::{Error, Row, Tx};
use crate::domain::{PersonId, TenantId};

/// A token as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its id, which stands in audit records.
    pub id: String,
    /// Whose it is.
    pub tenant: TenantId,
    /// The name that the operator gave it.
    pub name: String,
    /// SHA-256 of the token, in hex.
    pub hash: String,
    /// `read` or `write`.
    pub scope: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// For whom `/Me` stands.
    pub person: Option<PersonId>,
    /// When another one took its name; it lives on until it ends.
    pub replaced: Option<Timestamp>,
    /// The networks from which it may be used, divided by spaces; left out: from everywhere.
    pub networks: Option<String>,
}

impl Token {
    /// Whether it is good at this time.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|end| end > now)
    }
}

const COLUMNS: &str = "id, tenant, name, hash, scope, created_at, expires_at, last_used_at, revoked_at, person_id, replaced_at, networks";

fn read(row: &Row<'_>) -> Result<Token, Error> {
    let tenant = row.text(1)?;
    Ok(Token {
        id: row.text(0)?,
        tenant: tenant.parse().map_err(|_| Error::Corrupt("the tenant of a token".to_owned()))?,
        name: row.text(2)?,
        hash: row.text(3)?,
        scope: row.text(4)?,
        created: row.time(5)?,
        expires: row.opt_time(6)?,
        last_used: row.opt_time(7)?,
        revoked: row.opt_time(8)?,
        person: row.opt_text(9)?.map(PersonId::from),
        replaced: row.opt_time(10)?,
        networks: row.opt_text(11)?,
    })
}

/// Stores a new token; false when a live one has that name.
pub fn create(tx: &mut Tx<'_>, token: &Token) -> Result<bool, Error> {
    let made = tx.exec(
        "INSERT INTO tokens (tenant, id, name, hash, scope, created_at, expires_at, person_id, networks)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT DO NOTHING",
        &[
            (&token.tenant).into(),
            (&token.id).into(),
            (&token.name).into(),
            (&token.hash).into(),
            (&token.scope).into(),
            token.created.into(),
            token.expires.into(),
            token.person.as_ref().map(PersonId::as_str).into(),
            token.networks.as_ref().into(),
        ],
    )?;
    Ok(made == 1)
}

/// The token of a hash, also one that has ended.
pub fn by_hash(tx: &mut Tx<'_>, hash: &str) -> Result<Option<Token>, Error> {
    let sql = ["SELECT ", COLUMNS, " FROM tokens WHERE hash = $1"].concat();
    tx.one(&sql, &[hash.into()], read)
}

/// The token of an id, also one that has ended.
pub fn by_id(tx: &mut Tx<'_>, tenant: &TenantId, id: &str) -> Result<Option<Token>, Error> {
    let sql = ["SELECT ", COLUMNS, " FROM tokens WHERE tenant = $1 AND id = $2"].concat();
    tx.one(&sql, &[tenant.into(), id.into()], read)
}

/// Gives the name of a live token to a new one; the old one ends at `end` at the latest. False when no live one has the name.
pub fn replace(tx: &mut Tx<'_>, token: &Token, end: Timestamp) -> Result<bool, Error> {
    let replaced = tx.exec(
        "UPDATE tokens SET replaced_at = $3,
             expires_at = CASE WHEN expires_at IS NULL OR expires_at > $4 THEN $4 ELSE expires_at END
         WHERE tenant = $1 AND name = $2 AND revoked_at IS NULL AND replaced_at IS NULL",
        &[(&token.tenant).into(), (&token.name).into(), token.created.into(), end.into()],
    )?;
    Ok(replaced == 1 && create(tx, token)?)
}

/// The live token of a name.
pub fn by_name(tx: &mut Tx<'_>, tenant: &TenantId, name: &str) -> Result<Option<Token>, Error> {
    let sql = [
        "SELECT ",
        COLUMNS,
        " FROM tokens WHERE tenant = $1 AND name = $2 AND revoked_at IS NULL AND replaced_at IS NULL",
    ]
    .concat();
    tx.one(&sql, &[tenant.into(), name.into()], read)
}

/// The tokens of a tenant, oldest first.
pub fn list(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<Token>, Error> {
    let sql = ["SELECT ", COLUMNS, " FROM tokens WHERE tenant = $1 ORDER BY created_at, id"].concat();
    tx.all(&sql, &[tenant.into()], read)
}

/// Revokes the live token of a name; false when there is none.
pub fn revoke(tx: &mut Tx<'_>, tenant: &TenantId, name: &str, now: Timestamp) -> Result<bool, Error> {
    let revoked = tx.exec(
        "UPDATE tokens SET revoked_at = $3 WHERE tenant = $1 AND name = $2 AND revoked_at IS NULL",
        &[tenant.into(), name.into(), now.into()],
    )?;
    Ok(revoked > 0)
}

/// Writes when a token was last used.
pub fn touch(tx: &mut Tx<'_>, tenant: &TenantId, id: &str, now: Timestamp) -> Result<(), Error> {
    tx.exec(
        "UPDATE tokens SET last_used_at = $3 WHERE tenant = $1 AND id = $2",
        &[tenant.into(), id.into(), now.into()],
    )
    .map(drop)
}
