//! Membership: one row per member and group, with an index each way.

use jiff::Timestamp;

use super::{Error, Tx};
use crate::domain::answer::{GroupRef, MemberRef};
use crate::domain::{GroupId, PersonId, TenantId};

/// A member to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMember {
    /// The SCIM id of a person or a group.
    pub id: String,
    /// What the client wrote as `display`.
    pub display: Option<String>,
    /// Whether it is a group.
    pub is_group: bool,
}

/// A group in which somebody is, with what decides about grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InGroup {
    /// The SCIM id.
    pub id: GroupId,
    /// The `displayName`, or the one that a mapping matched before a rename.
    pub display_name: String,
    /// The `externalId`.
    pub external_id: Option<String>,
    /// The linked RingCX agent group.
    pub agent_group_id: Option<i64>,
}

/// Adds members and names those who were not in before, or were in by the import alone.
pub fn add(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    group: &GroupId,
    members: &[NewMember],
    now: Timestamp,
) -> Result<Vec<String>, Error> {
    let mut added = Vec::new();
    for member in members {
        let changed = tx.exec(
            "INSERT INTO members (tenant, group_id, member_id, kind, display, added_at) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (tenant, group_id, member_id) DO UPDATE SET imported = FALSE WHERE members.imported",
            &[
                tenant.into(),
                group.into(),
                (&member.id).into(),
                if member.is_group { "group" } else { "user" }.into(),
                member.display.as_deref().into(),
                now.into(),
            ],
        )?;
        if changed == 1 {
            added.push(member.id.clone());
        }
    }
    Ok(added)
}

/// Removes members and names those who were in.
pub fn remove(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    group: &GroupId,
    ids: &[String],
) -> Result<Vec<String>, Error> {
    let mut removed = Vec::new();
    for id in ids {
        let changed = tx.exec(
            "DELETE FROM members WHERE tenant = $1 AND group_id = $2 AND member_id = $3",
            &[tenant.into(), group.into(), id.into()],
        )?;
        if changed == 1 {
            removed.push(id.clone());
        }
    }
    Ok(removed)
}

/// Removes everybody and names them.
pub fn clear(tx: &mut Tx<'_>, tenant: &TenantId, group: &GroupId) -> Result<Vec<String>, Error> {
    let all = ids(tx, tenant, group)?;
    tx.exec("DELETE FROM members WHERE tenant = $1 AND group_id = $2", &[tenant.into(), group.into()])?;
    Ok(all)
}

/// How many people are in a group.
pub fn count_people(tx: &mut Tx<'_>, tenant: &TenantId, group: &GroupId) -> Result<u64, Error> {
    let sql = "SELECT COUNT(*) FROM members WHERE tenant = $1 AND group_id = $2 AND kind = 'user'";
    let count = tx.one(sql, &[tenant.into(), group.into()], |row| row.int(0))?.unwrap_or_default();
    Ok(u64::try_from(count).unwrap_or_default())
}

/// Whether a person is in a group.
pub fn has(tx: &mut Tx<'_>, tenant: &TenantId, group: &GroupId, person: &PersonId) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM members WHERE tenant = $1 AND group_id = $2 AND member_id = $3";
    Ok(tx.one(sql, &[tenant.into(), group.into(), person.into()], |_| Ok(()))?.is_some())
}

/// The ids of a group's members, in order.
pub fn ids(tx: &mut Tx<'_>, tenant: &TenantId, group: &GroupId) -> Result<Vec<String>, Error> {
    tx.all(
        "SELECT member_id FROM members WHERE tenant = $1 AND group_id = $2 ORDER BY member_id",
        &[tenant.into(), group.into()],
        |row| row.text(0),
    )
}

/// The members of a group, in order.
pub fn of_group(tx: &mut Tx<'_>, tenant: &TenantId, group: &GroupId) -> Result<Vec<MemberRef>, Error> {
    tx.all(
        "SELECT member_id, display, kind FROM members WHERE tenant = $1 AND group_id = $2 ORDER BY member_id",
        &[tenant.into(), group.into()],
        |row| {
            Ok(MemberRef { id: row.text(0)?, display: row.opt_text(1)?, is_group: row.text(2)? == "group" })
        },
    )
}

/// The groups of a person as an answer shows them, in order.
pub fn groups_of_person(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
) -> Result<Vec<GroupRef>, Error> {
    tx.all(
        "SELECT g.id, g.display_name FROM members m JOIN groups g ON g.tenant = m.tenant AND g.id = m.group_id
         WHERE m.tenant = $1 AND m.member_id = $2 ORDER BY g.id",
        &[tenant.into(), person.into()],
        |row| Ok(GroupRef { id: row.text(0)?.into(), display_name: row.text(1)? }),
    )
}

/// Shows a person as a member of the imported group of their agent group, and of no other imported one.
///
/// Such a membership says where the agent is; it gives nothing. Groups that a client has taken over are left alone.
pub fn show_home(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    agent_group: i64,
    now: Timestamp,
) -> Result<(), Error> {
    let home = super::groups::by_agent_group(tx, tenant, agent_group)?.filter(|group| group.imported);
    leave_homes_but(tx, tenant, person, home.as_ref().map(|group| &group.id), now)?;
    let Some(home) = home else { return Ok(()) };
    let added = tx.exec(
        "INSERT INTO members (tenant, group_id, member_id, kind, added_at, imported) VALUES ($1, $2, $3, $4, $5, TRUE)
         ON CONFLICT DO NOTHING",
        &[tenant.into(), (&home.id).into(), person.into(), "user".into(), now.into()],
    )?;
    if added == 1 { super::groups::touch(tx, tenant, &home.id, now) } else { Ok(()) }
}

/// Takes a person out of the imported groups in which nothing but the import has put them.
pub fn leave_homes(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    now: Timestamp,
) -> Result<(), Error> {
    leave_homes_but(tx, tenant, person, None, now)
}

fn leave_homes_but(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    keep: Option<&GroupId>,
    now: Timestamp,
) -> Result<(), Error> {
    let shown = tx.all(
        "SELECT m.group_id FROM members m JOIN groups g ON g.tenant = m.tenant AND g.id = m.group_id
         WHERE m.tenant = $1 AND m.member_id = $2 AND m.imported AND g.imported",
        &[tenant.into(), person.into()],
        |row| Ok(GroupId::from(row.text(0)?)),
    )?;
    for group in shown.iter().filter(|group| keep != Some(*group)) {
        remove(tx, tenant, group, &[person.as_str().to_owned()])?;
        super::groups::touch(tx, tenant, group, now)?;
    }
    Ok(())
}

/// Whether a client has named the person as a member of a group.
pub fn is_named(tx: &mut Tx<'_>, tenant: &TenantId, person: &PersonId) -> Result<bool, Error> {
    let found = tx.one(
        "SELECT 1 FROM members WHERE tenant = $1 AND member_id = $2 AND NOT imported LIMIT 1",
        &[tenant.into(), person.into()],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// The groups of a person as grants see them, in order: those that a client has named them in, and with `nested` those in which one
/// of these groups is, over any number of steps.
pub fn groups_of(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    nested: bool,
) -> Result<Vec<InGroup>, Error> {
    const COLUMNS: &str =
        "SELECT g.id, COALESCE(g.pinned_name, g.display_name), g.external_id, g.agent_group_id";
    let sql = if nested {
        [ABOVE, COLUMNS, " FROM above JOIN groups g ON g.tenant = $1 AND g.id = above.id ORDER BY g.id"]
            .concat()
    } else {
        [
            COLUMNS,
            " FROM members m JOIN groups g ON g.tenant = m.tenant AND g.id = m.group_id
              WHERE m.tenant = $1 AND m.member_id = $2 AND NOT m.imported ORDER BY g.id",
        ]
        .concat()
    };
    tx.all(&sql, &[tenant.into(), person.into()], |row| {
        Ok(InGroup {
            id: row.text(0)?.into(),
            display_name: row.text(1)?,
            external_id: row.opt_text(2)?,
            agent_group_id: row.opt_int(3)?,
        })
    })
}

/// The table of the groups in which a member is, over any number of steps. `UNION` ends circles.
const ABOVE: &str = "WITH RECURSIVE above (id) AS (
       SELECT group_id FROM members WHERE tenant = $1 AND member_id = $2 AND NOT imported
       UNION SELECT m.group_id FROM above JOIN members m ON m.tenant = $1 AND m.member_id = above.id AND NOT m.imported) ";

/// The groups in which a member is, over any number of steps, in order; a group is in itself where there is a circle.
pub fn groups_above(tx: &mut Tx<'_>, tenant: &TenantId, member: &str) -> Result<Vec<GroupId>, Error> {
    let sql = [ABOVE, "SELECT id FROM above ORDER BY id"].concat();
    tx.all(&sql, &[tenant.into(), member.into()], |row| Ok(row.text(0)?.into()))
}

/// The ids of the people in a group, over any number of steps, in order.
pub fn people_under(tx: &mut Tx<'_>, tenant: &TenantId, group: &GroupId) -> Result<Vec<String>, Error> {
    let sql = "WITH RECURSIVE under (id) AS (
                   SELECT group_id FROM members WHERE tenant = $1 AND group_id = $2
                   UNION SELECT m.member_id FROM under
                   JOIN members m ON m.tenant = $1 AND m.group_id = under.id AND m.kind = 'group' AND NOT m.imported)
               SELECT DISTINCT m.member_id FROM under JOIN members m ON m.tenant = $1 AND m.group_id = under.id
               WHERE m.kind = 'user' ORDER BY m.member_id";
    tx.all(sql, &[tenant.into(), group.into()], |row| row.text(0))
}

/// Takes a member out of every group and names those groups.
pub fn leave_all(tx: &mut Tx<'_>, tenant: &TenantId, member: &str) -> Result<Vec<GroupId>, Error> {
    let groups = tx.all(
        "SELECT group_id FROM members WHERE tenant = $1 AND member_id = $2 ORDER BY group_id",
        &[tenant.into(), member.into()],
        |row| Ok(GroupId::from(row.text(0)?)),
    )?;
    tx.exec("DELETE FROM members WHERE tenant = $1 AND member_id = $2", &[tenant.into(), member.into()])?;
    Ok(groups)
}
