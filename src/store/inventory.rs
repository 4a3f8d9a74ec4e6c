//! What RingCX had when it was last read: linking asks this, never one list per create.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Error, Row, Tx, Val};
use crate::domain::{TenantId, fold};
use crate::upstream::model::{Admin, Agent, AgentGroupId};

/// The kinds of account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Agents.
    Agent,
    /// Administrators.
    Admin,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Admin => "admin",
        }
    }
}

/// An account, as far as linking looks into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// Its id in RingCX.
    pub id: i64,
    /// Its login name.
    pub name: String,
    /// Its e-mail address, folded.
    pub email_key: Option<String>,
    /// The RingCentral extension to which it is tied.
    pub rc_user_id: Option<i64>,
    /// The customer's own key.
    pub external_id: Option<String>,
    /// The agent group of an agent.
    pub group: Option<i64>,
    /// Whether it may work.
    pub active: bool,
    /// When it was seen.
    pub seen: Timestamp,
}

impl Item {
    /// An agent as RingCX showed it; nothing without an id.
    pub fn agent(agent: &Agent, group: AgentGroupId, seen: Timestamp) -> Option<Self> {
        Some(Self {
            kind: Kind::Agent,
            id: agent.id()?.0,
            name: agent.username().unwrap_or_default().to_owned(),
            email_key: agent.email().filter(|email| !email.is_empty()).map(fold),
            rc_user_id: agent.rc_user_id().map(|id| id.0),
            external_id: agent.external_agent_id().filter(|id| !id.is_empty()).map(str::to_owned),
            group: Some(agent.group_id().unwrap_or(group).0),
            active: agent.is_active(),
            seen,
        })
    }

    /// An administrator as RingCX showed it; nothing without an id.
    pub fn admin(admin: &Admin, seen: Timestamp) -> Option<Self> {
        Some(Self {
            kind: Kind::Admin,
            id: admin.id()?.0,
            name: admin.user_name().unwrap_or_default().to_owned(),
            email_key: None,
            rc_user_id: admin.rc_user_id().map(|id| id.0),
            external_id: None,
            group: None,
            active: admin.enabled(),
            seen,
        })
    }
}

const COLUMNS: &str = "upstream_id, name, email_key, rc_user_id, external_id, group_id, active, seen_at";

fn read(kind: Kind) -> impl Fn(&Row<'_>) -> Result<Item, Error> {
    move |row| {
        Ok(Item {
            kind,
            id: row.int(0)?,
            name: row.text(1)?,
            email_key: row.opt_text(2)?,
            rc_user_id: row.opt_int(3)?,
            external_id: row.opt_text(4)?,
            group: row.opt_int(5)?,
            active: row.flag(6)?,
            seen: row.time(7)?,
        })
    }
}

/// Writes an account as it was seen.
pub fn put(tx: &mut Tx<'_>, tenant: &TenantId, item: &Item) -> Result<(), Error> {
    tx.exec(
        "INSERT INTO inventory (tenant, kind, upstream_id, name, name_key, email_key, rc_user_id, external_id, group_id,
             active, seen_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (tenant, kind, upstream_id) DO UPDATE SET name = excluded.name, name_key = excluded.name_key,
             email_key = excluded.email_key, rc_user_id = excluded.rc_user_id, external_id = excluded.external_id,
             group_id = excluded.group_id, active = excluded.active, seen_at = excluded.seen_at",
        &[
            tenant.into(),
            item.kind.as_str().into(),
            item.id.into(),
            (&item.name).into(),
            (&fold(&item.name)).into(),
            item.email_key.as_deref().into(),
            item.rc_user_id.into(),
            item.external_id.as_deref().into(),
            item.group.into(),
            item.active.into(),
            item.seen.into(),
        ],
    )
    .map(drop)
}

/// Writes an account as a list shows it: what the list leaves out stays as it was seen before.
pub fn refresh(tx: &mut Tx<'_>, tenant: &TenantId, item: &Item) -> Result<(), Error> {
    let before = get(tx, tenant, item.kind, item.id)?;
    let mut item = item.clone();
    if let Some(before) = before {
        item.email_key = item.email_key.or(before.email_key);
        item.rc_user_id = item.rc_user_id.or(before.rc_user_id);
        item.external_id = item.external_id.or(before.external_id);
    }
    put(tx, tenant, &item)
}

/// Keeps what was read of an agent under its own path: the fields that an import shows, as JSON, and when.
pub fn keep_detail(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    agent: i64,
    detail: &str,
    now: Timestamp,
) -> Result<(), Error> {
    tx.exec(
        "UPDATE inventory SET detail = $4, detail_at = $5 WHERE tenant = $1 AND kind = $2 AND upstream_id = $3",
        &[tenant.into(), Kind::Agent.as_str().into(), agent.into(), detail.into(), now.into()],
    )
    .map(drop)
}

/// What was read of agents under their own paths since `since`.
pub fn details(tx: &mut Tx<'_>, tenant: &TenantId, since: Timestamp) -> Result<BTreeMap<i64, String>, Error> {
    let found = tx.all(
        "SELECT upstream_id, detail FROM inventory
         WHERE tenant = $1 AND kind = $2 AND detail IS NOT NULL AND detail_at >= $3",
        &[tenant.into(), Kind::Agent.as_str().into(), since.into()],
        |row| Ok((row.int(0)?, row.text(1)?)),
    )?;
    Ok(found.into_iter().collect())
}

/// Takes out an account that is gone.
pub fn remove(tx: &mut Tx<'_>, tenant: &TenantId, kind: Kind, id: i64) -> Result<(), Error> {
    tx.exec(
        "DELETE FROM inventory WHERE tenant = $1 AND kind = $2 AND upstream_id = $3",
        &[tenant.into(), kind.as_str().into(), id.into()],
    )
    .map(drop)
}

/// One account.
pub fn get(tx: &mut Tx<'_>, tenant: &TenantId, kind: Kind, id: i64) -> Result<Option<Item>, Error> {
    Ok(select(tx, tenant, kind, "upstream_id = $3", &[id.into()])?.into_iter().next())
}

/// Those that were seen since `since`.
pub fn seen_since(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    kind: Kind,
    since: Timestamp,
) -> Result<Vec<Item>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM inventory WHERE tenant = $1 AND kind = $2 AND seen_at >= $3 ORDER BY upstream_id"
    );
    tx.all(&sql, &[tenant.into(), kind.as_str().into(), since.into()], read(kind))
}

/// Those with this login name, folded.
pub fn by_name(tx: &mut Tx<'_>, tenant: &TenantId, kind: Kind, key: &str) -> Result<Vec<Item>, Error> {
    select(tx, tenant, kind, "name_key = $3", &[key.into()])
}

/// Those whose folded login name lies between two, the first included.
pub fn by_name_between(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    kind: Kind,
    (from, to): &(String, String),
) -> Result<Vec<Item>, Error> {
    select(tx, tenant, kind, "name_key >= $3 AND name_key < $4", &[from.into(), to.into()])
}

/// Those with this e-mail address, folded.
pub fn by_email(tx: &mut Tx<'_>, tenant: &TenantId, kind: Kind, key: &str) -> Result<Vec<Item>, Error> {
    select(tx, tenant, kind, "email_key = $3", &[key.into()])
}

/// Those tied to this extension.
pub fn by_rc_user(tx: &mut Tx<'_>, tenant: &TenantId, kind: Kind, id: i64) -> Result<Vec<Item>, Error> {
    select(tx, tenant, kind, "rc_user_id = $3", &[id.into()])
}

/// Those with this key of the customer's.
pub fn by_external(tx: &mut Tx<'_>, tenant: &TenantId, kind: Kind, id: &str) -> Result<Vec<Item>, Error> {
    select(tx, tenant, kind, "external_id = $3", &[id.into()])
}

fn select(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    kind: Kind,
    condition: &'static str,
    values: &[Val<'_>],
) -> Result<Vec<Item>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM inventory WHERE tenant = $1 AND kind = $2 AND {condition} ORDER BY upstream_id LIMIT 100"
    );
    let all: Vec<Val<'_>> =
        [tenant.into(), kind.as_str().into()].into_iter().chain(values.iter().copied()).collect();
    tx.all(&sql, &all, read(kind))
}
