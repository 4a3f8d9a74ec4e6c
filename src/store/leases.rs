//! Leases: who does what only one replica may do.

use std::time::Duration;

use jiff::Timestamp;

use super::{Error, Tx};

/// Takes or keeps a lease; its fence, or nothing while somebody else holds it.
pub fn acquire(
    tx: &mut Tx<'_>,
    name: &str,
    owner: &str,
    now: Timestamp,
    length: Duration,
) -> Result<Option<i64>, Error> {
    tx.one(
        "INSERT INTO leases (name, owner, fence, until_at) VALUES ($1, $2, 1, $3)
         ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until_at = excluded.until_at,
             fence = CASE WHEN leases.owner = excluded.owner THEN leases.fence ELSE leases.fence + 1 END
         WHERE leases.owner = excluded.owner OR leases.until_at <= $4
         RETURNING fence",
        &[name.into(), owner.into(), (now + length).into(), now.into()],
        |row| row.int(0),
    )
}

/// Gives a lease back.
pub fn release(tx: &mut Tx<'_>, name: &str, owner: &str) -> Result<(), Error> {
    tx.exec("DELETE FROM leases WHERE name = $1 AND owner = $2", &[name.into(), owner.into()]).map(drop)
}
