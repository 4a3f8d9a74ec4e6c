//! Groups; who is in them stands in [`super::members`].

use jiff::Timestamp;

use super::{Error, Row, Tx};
use crate::domain::person::GroupKeys;
use crate::domain::{GroupId, TenantId};

/// One stored group.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The SCIM id.
    pub id: GroupId,
    /// What the client wrote, without members.
    pub body: String,
    /// Counts every change of the group and of its members.
    pub version: i64,
    /// When the group was created.
    pub created: Timestamp,
    /// When it, or who is in it, last changed.
    pub modified: Timestamp,
    /// The RingCX agent group to which it is linked.
    pub agent_group: Option<i64>,
    /// The name that a mapping matched first, kept over renames.
    pub pinned_name: Option<String>,
    /// Whether the import made it and no client has written to it since.
    pub imported: bool,
}

/// What is written of a new group.
#[derive(Clone, Copy, Debug)]
pub struct NewGroup<'a> {
    /// What the client wrote, without members.
    pub body: &'a str,
    /// The columns by which it is found.
    pub keys: &'a GroupKeys,
    /// The RingCX agent group of the same name.
    pub agent_group: Option<i64>,
}

/// The columns of a group, in the order in which [`read`] takes them.
pub(super) const COLUMNS: &str =
    "id, body, version, created_at, modified_at, agent_group_id, pinned_name, imported";

/// The group of a row of [`COLUMNS`].
pub(super) fn read(row: &Row<'_>) -> Result<Group, Error> {
    Ok(Group {
        id: row.text(0)?.into(),
        body: row.text(1)?,
        version: row.int(2)?,
        created: row.time(3)?,
        modified: row.time(4)?,
        agent_group: row.opt_int(5)?,
        pinned_name: row.opt_text(6)?,
        imported: row.flag(7)?,
    })
}

/// Every group that is there, oldest first, as mappings see it: its id, the name that a mapping matched first or else its own, and its
/// external id.
pub fn named(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<(GroupId, String, Option<String>)>, Error> {
    let sql = "SELECT id, COALESCE(pinned_name, display_name), external_id FROM groups
               WHERE tenant = $1 AND deleted_at IS NULL ORDER BY created_at, id";
    tx.all(sql, &[tenant.into()], |row| Ok((row.text(0)?.into(), row.text(1)?, row.opt_text(2)?)))
}

/// Stores a new group.
pub fn insert(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &GroupId,
    new: &NewGroup<'_>,
    now: Timestamp,
) -> Result<(), Error> {
    tx.exec(
        "INSERT INTO groups (tenant, id, name_key, external_id, display_name, body, version, created_at, modified_at,
             agent_group_id, agent_group_ours, imported)
         VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $7, $8, $9, $9)",
        &[
            tenant.into(),
            id.into(),
            (&new.keys.display_name_key).into(),
            new.keys.external_id.as_deref().into(),
            (&new.keys.display_name).into(),
            new.body.into(),
            now.into(),
            new.agent_group.into(),
            false.into(),
        ],
    )?;
    super::search::count(tx, tenant, super::search::GROUPS, 1)
}

/// A group that is there.
pub fn get(tx: &mut Tx<'_>, tenant: &TenantId, id: &GroupId) -> Result<Option<Group>, Error> {
    let sql =
        ["SELECT ", COLUMNS, " FROM groups WHERE tenant = $1 AND id = $2 AND deleted_at IS NULL"].concat();
    tx.one(&sql, &[tenant.into(), id.into()], read)
}

/// A group that is there, locked until the transaction ends.
pub fn lock(tx: &mut Tx<'_>, tenant: &TenantId, id: &GroupId) -> Result<Option<Group>, Error> {
    let sql = [
        "SELECT ",
        COLUMNS,
        " FROM groups WHERE tenant = $1 AND id = $2 AND deleted_at IS NULL /*pg FOR UPDATE */",
    ]
    .concat();
    tx.one(&sql, &[tenant.into(), id.into()], read)
}

/// Writes the attributes of a group. The version is moved by [`touch`].
pub fn update(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &GroupId,
    body: &str,
    keys: &GroupKeys,
    pinned_name: Option<&str>,
) -> Result<(), Error> {
    tx.exec(
        "UPDATE groups SET body = $3, name_key = $4, display_name = $5, external_id = $6, pinned_name = $7
         WHERE tenant = $1 AND id = $2",
        &[
            tenant.into(),
            id.into(),
            body.into(),
            (&keys.display_name_key).into(),
            (&keys.display_name).into(),
            keys.external_id.as_deref().into(),
            pinned_name.into(),
        ],
    )
    .map(drop)
}

/// Moves the version of a group.
pub fn touch(tx: &mut Tx<'_>, tenant: &TenantId, id: &GroupId, now: Timestamp) -> Result<(), Error> {
    tx.exec(
        "UPDATE groups SET version = version + 1, modified_at = $3 WHERE tenant = $1 AND id = $2",
        &[tenant.into(), id.into(), now.into()],
    )
    .map(drop)
}

/// Links a group to a RingCX agent group; `ours` says that the bridge has made that one.
pub fn link(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &GroupId,
    agent_group: i64,
    ours: bool,
) -> Result<(), Error> {
    tx.exec(
        "UPDATE groups SET agent_group_id = $3, agent_group_ours = $4 WHERE tenant = $1 AND id = $2",
        &[tenant.into(), id.into(), agent_group.into(), ours.into()],
    )
    .map(drop)
}

/// The groups that are there and linked, each with the id of its agent group.
pub fn ties(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<(GroupId, i64)>, Error> {
    tx.all(
        "SELECT id, agent_group_id FROM groups
         WHERE tenant = $1 AND agent_group_id IS NOT NULL AND deleted_at IS NULL ORDER BY id",
        &[tenant.into()],
        |row| Ok((row.text(0)?.into(), row.int(1)?)),
    )
}

/// The group that is linked to an agent group.
pub fn by_agent_group(tx: &mut Tx<'_>, tenant: &TenantId, agent_group: i64) -> Result<Option<Group>, Error> {
    let sql = [
        "SELECT ",
        COLUMNS,
        " FROM groups WHERE tenant = $1 AND agent_group_id = $2 AND deleted_at IS NULL ORDER BY id LIMIT 1",
    ]
    .concat();
    tx.one(&sql, &[tenant.into(), agent_group.into()], read)
}

/// Says whether the group is the import's, or a client's from now on.
pub fn set_imported(tx: &mut Tx<'_>, tenant: &TenantId, id: &GroupId, imported: bool) -> Result<(), Error> {
    tx.exec(
        "UPDATE groups SET imported = $3 WHERE tenant = $1 AND id = $2",
        &[tenant.into(), id.into(), imported.into()],
    )
    .map(drop)
}

/// Takes a group out for good, as if it had never been here. Members and names are taken out by the caller.
pub fn erase(tx: &mut Tx<'_>, tenant: &TenantId, id: &GroupId) -> Result<(), Error> {
    let was_there = get(tx, tenant, id)?.is_some();
    tx.exec("DELETE FROM groups WHERE tenant = $1 AND id = $2", &[tenant.into(), id.into()])?;
    if was_there { super::search::count(tx, tenant, super::search::GROUPS, -1) } else { Ok(()) }
}

/// Makes a tombstone: the id stays taken for ever.
pub fn tombstone(tx: &mut Tx<'_>, tenant: &TenantId, id: &GroupId, now: Timestamp) -> Result<(), Error> {
    let buried = tx.exec(
        "UPDATE groups SET deleted_at = $3, version = version + 1, modified_at = $3
         WHERE tenant = $1 AND id = $2 AND deleted_at IS NULL",
        &[tenant.into(), id.into(), now.into()],
    )?;
    if buried == 1 {
        super::search::count(tx, tenant, super::search::GROUPS, -1)?;
    }
    Ok(())
}
