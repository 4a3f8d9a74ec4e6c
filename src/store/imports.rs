//! What each run of the import has made, so that it can be taken back, and what people have decided about accounts.

use jiff::Timestamp;

use super::{Error, Row, Tx, jobs, journal, links, members, names, people, revisions};
use crate::domain::{GroupId, PersonId, TenantId};

/// What a run can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A person.
    Person,
    /// A group.
    Group,
    /// The agent of a person who was there before.
    Agent,
    /// The administrator of a person who was there before.
    Admin,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Person, Self::Group, Self::Agent, Self::Admin];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Group => "group",
            Self::Agent => "agent",
            Self::Admin => "admin",
        }
    }
}

/// Something that a run has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// The SCIM id of the person or the group.
    pub id: String,
    /// The version of a person who was there before, as the run left it.
    pub version: i64,
}

/// A person as an import compares accounts with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The SCIM id.
    pub id: PersonId,
    /// What the client wrote.
    pub body: String,
    /// The agent.
    pub agent: Option<i64>,
    /// The administrator.
    pub admin: Option<i64>,
}

/// Everybody who is there, with their accounts.
pub fn people(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<Standing>, Error> {
    tx.all(
        "SELECT p.id, p.body, l.agent_id, l.admin_id
         FROM people p LEFT JOIN links l ON l.tenant = p.tenant AND l.person_id = p.id
         WHERE p.tenant = $1 AND p.deleted_at IS NULL ORDER BY p.id",
        &[tenant.into()],
        standing,
    )
}

/// Deleted people who still have an account.
pub fn graves(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<Standing>, Error> {
    tx.all(
        "SELECT p.id, p.body, l.agent_id, l.admin_id
         FROM people p JOIN links l ON l.tenant = p.tenant AND l.person_id = p.id
         WHERE p.tenant = $1 AND p.deleted_at IS NOT NULL ORDER BY p.id",
        &[tenant.into()],
        standing,
    )
}

fn standing(row: &Row<'_>) -> Result<Standing, Error> {
    Ok(Standing {
        id: row.text(0)?.into(),
        body: row.text(1)?,
        agent: row.opt_int(2)?,
        admin: row.opt_int(3)?,
    })
}

/// The groups that are there: id, folded name, linked agent group.
pub fn groups(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<(GroupId, String, Option<i64>)>, Error> {
    tx.all(
        "SELECT id, name_key, agent_group_id FROM groups WHERE tenant = $1 AND deleted_at IS NULL ORDER BY id",
        &[tenant.into()],
        |row| Ok((row.text(0)?.into(), row.text(1)?, row.opt_int(2)?)),
    )
}

/// Begins a run.
pub fn begin(tx: &mut Tx<'_>, tenant: &TenantId, id: &str, now: Timestamp) -> Result<(), Error> {
    tx.exec(
        "INSERT INTO imports (tenant, id, at) VALUES ($1, $2, $3)",
        &[tenant.into(), id.into(), now.into()],
    )
    .map(drop)
}

/// The runs that have not been taken back, the latest first.
pub fn runs(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<String>, Error> {
    tx.all("SELECT id FROM imports WHERE tenant = $1 ORDER BY id DESC", &[tenant.into()], |row| row.text(0))
}

/// Remembers what a run has made.
pub fn made(tx: &mut Tx<'_>, tenant: &TenantId, run: &str, item: &Item) -> Result<(), Error> {
    tx.exec(
        "INSERT INTO import_items (tenant, import_id, kind, item_id, version) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant, kind, item_id) DO UPDATE SET import_id = excluded.import_id, version = excluded.version",
        &[
            tenant.into(),
            run.into(),
            item.kind.as_str().into(),
            (&item.id).into(),
            item.version.into(),
        ],
    )
    .map(drop)
}

/// What a run has made and is still there, links and people before groups.
pub fn items(tx: &mut Tx<'_>, tenant: &TenantId, run: &str) -> Result<Vec<Item>, Error> {
    let found = tx.all(
        "SELECT kind, item_id, version FROM import_items WHERE tenant = $1 AND import_id = $2 ORDER BY item_id",
        &[tenant.into(), run.into()],
        |row| Ok((row.text(0)?, row.text(1)?, row.int(2)?)),
    )?;
    let mut items = Vec::new();
    for kind in [Kind::Admin, Kind::Agent, Kind::Person, Kind::Group] {
        let of_kind = found.iter().filter(|(word, ..)| word == kind.as_str());
        items.extend(of_kind.map(|(_, id, version)| Item { kind, id: id.clone(), version: *version }));
    }
    Ok(items)
}

/// Follows a version that an import, and no client, has moved.
pub fn follow(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    from: i64,
    to: i64,
) -> Result<(), Error> {
    tx.exec(
        "UPDATE import_items SET version = $4 WHERE tenant = $1 AND item_id = $2 AND version = $3",
        &[tenant.into(), person.into(), from.into(), to.into()],
    )
    .map(drop)
}

/// Forgets that a run has made this.
pub fn forget(tx: &mut Tx<'_>, tenant: &TenantId, item: &Item) -> Result<(), Error> {
    tx.exec(
        "DELETE FROM import_items WHERE tenant = $1 AND kind = $2 AND item_id = $3",
        &[tenant.into(), item.kind.as_str().into(), (&item.id).into()],
    )
    .map(drop)
}

/// Forgets everything that runs have made of a person.
fn forget_person(tx: &mut Tx<'_>, tenant: &TenantId, id: &PersonId) -> Result<(), Error> {
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Group) {
        forget(tx, tenant, &Item { kind, id: id.as_str().to_owned(), version: 0 })?;
    }
    Ok(())
}

/// Takes out a run that has made nothing and decided nothing.
pub fn drop_empty(tx: &mut Tx<'_>, tenant: &TenantId, run: &str) -> Result<(), Error> {
    tx.exec(
        "DELETE FROM imports WHERE tenant = $1 AND id = $2
         AND NOT EXISTS (SELECT 1 FROM import_items i WHERE i.tenant = $1 AND i.import_id = $2)
         AND NOT EXISTS (SELECT 1 FROM import_decisions d WHERE d.tenant = $1 AND d.import_id = $2)",
        &[tenant.into(), run.into()],
    )
    .map(drop)
}

/// Ends a run that was taken back: its decisions go, and it goes itself when nothing of it is left.
pub fn end(tx: &mut Tx<'_>, tenant: &TenantId, run: &str) -> Result<(), Error> {
    let of = [tenant.into(), run.into()];
    tx.exec("DELETE FROM import_decisions WHERE tenant = $1 AND import_id = $2", &of)?;
    if items(tx, tenant, run)?.is_empty() {
        tx.exec("DELETE FROM imports WHERE tenant = $1 AND id = $2", &of)?;
    }
    Ok(())
}

/// Remembers a decision about an account.
pub fn decide(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    run: &str,
    account: &str,
    choice: &str,
) -> Result<(), Error> {
    tx.exec(
        "INSERT INTO import_decisions (tenant, account, choice, import_id) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant, account) DO UPDATE SET choice = excluded.choice, import_id = excluded.import_id",
        &[tenant.into(), account.into(), choice.into(), run.into()],
    )
    .map(drop)
}

/// Takes a decision back: the account is a question again.
pub fn undecide(tx: &mut Tx<'_>, tenant: &TenantId, account: &str) -> Result<(), Error> {
    tx.exec(
        "DELETE FROM import_decisions WHERE tenant = $1 AND account = $2",
        &[tenant.into(), account.into()],
    )
    .map(drop)
}

/// Whether a person has decided to leave an account alone.
pub fn is_left_out(tx: &mut Tx<'_>, tenant: &TenantId, account: &str) -> Result<bool, Error> {
    let left = tx.one(
        "SELECT 1 FROM import_decisions WHERE tenant = $1 AND account = $2 AND choice = 'skip'",
        &[tenant.into(), account.into()],
        |_| Ok(()),
    )?;
    Ok(left.is_some())
}

/// What has been decided: account and choice.
pub fn decisions(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<(String, String)>, Error> {
    tx.all(
        "SELECT account, choice FROM import_decisions WHERE tenant = $1 ORDER BY account",
        &[tenant.into()],
        |row| Ok((row.text(0)?, row.text(1)?)),
    )
}

/// Whether somebody works on the person, or a change of theirs is under way.
pub fn is_busy(tx: &mut Tx<'_>, tenant: &TenantId, id: &PersonId) -> Result<bool, Error> {
    Ok(jobs::get(tx, tenant, id)?.is_some()
        || !journal::unfinished(tx, tenant, id)?.is_empty()
        || !revisions::waiting(tx, tenant, id)?.is_empty())
}

/// Takes a person out for good with everything that is kept of them, the audit record excepted.
pub fn erase_person(tx: &mut Tx<'_>, tenant: &TenantId, id: &PersonId, now: Timestamp) -> Result<(), Error> {
    for group in members::leave_all(tx, tenant, id.as_str())? {
        super::groups::touch(tx, tenant, &group, now)?;
    }
    names::release_all(tx, tenant, id.as_str())?;
    links::remove(tx, tenant, id)?;
    for table in ["revisions", "jobs", "journal", "losses"] {
        let sql = format!("DELETE FROM {table} WHERE tenant = $1 AND person_id = $2");
        tx.exec(&sql, &[tenant.into(), id.into()])?;
    }
    forget_person(tx, tenant, id)?;
    people::erase(tx, tenant, id)
}

/// Takes a group out for good with its members and its name.
pub fn erase_group(tx: &mut Tx<'_>, tenant: &TenantId, id: &GroupId, now: Timestamp) -> Result<(), Error> {
    members::clear(tx, tenant, id)?;
    for outer in members::leave_all(tx, tenant, id.as_str())? {
        super::groups::touch(tx, tenant, &outer, now)?;
    }
    names::release_all(tx, tenant, id.as_str())?;
    tx.exec(
        "DELETE FROM jobs WHERE tenant = $1 AND person_id = $2",
        &[tenant.into(), jobs::group_subject(id).as_str().into()],
    )?;
    super::groups::erase(tx, tenant, id)
}
