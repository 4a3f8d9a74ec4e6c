//! Who has lost access, and who is about to: what the mass-change guard counts, blocks and can undo. One row per person at most.

use jiff::Timestamp;

use super::{Error, Row, Tx};
use crate::domain::{GroupId, PersonId, TenantId};

/// Access that somebody has lost, or is about to lose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Who.
    pub person: PersonId,
    /// When the identity provider said so.
    pub at: Timestamp,
    /// How many people were active then.
    pub base: u64,
    /// Whether it counts against the limits of an hour and a day.
    pub counts: bool,
    /// What blocks it; none where it went through.
    pub block: Option<Block>,
    /// What the person had, as JSON.
    pub former: String,
}

/// What blocks a loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The word of the rule.
    pub rule: String,
    /// The group that the rule is about.
    pub group: Option<GroupId>,
    /// When the window of the rule began.
    pub since: Timestamp,
}

const COLUMNS: &str = "person_id, at, base, counts, rule, group_id, since_at, former";

fn read(row: &Row<'_>) -> Result<Loss, Error> {
    let block = match (row.opt_text(4)?, row.opt_time(6)?) {
        (Some(rule), Some(since)) => Some(Block { rule, group: row.opt_text(5)?.map(GroupId::from), since }),
        _ => None,
    };
    Ok(Loss {
        person: row.text(0)?.into(),
        at: row.time(1)?,
        base: u64::try_from(row.int(2)?).unwrap_or_default(),
        counts: row.flag(3)?,
        block,
        former: row.text(7)?,
    })
}

/// Makes everybody else who counts in this tenant wait until the transaction ends.
pub fn lock(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<(), Error> {
    tx.exec("INSERT INTO breakers (tenant) VALUES ($1) ON CONFLICT DO NOTHING", &[tenant.into()])?;
    let sql = "SELECT tenant FROM breakers WHERE tenant = $1 /*pg FOR UPDATE */";
    tx.one(sql, &[tenant.into()], |_| Ok(())).map(drop)
}

/// The loss of a person.
pub fn get(tx: &mut Tx<'_>, tenant: &TenantId, person: &PersonId) -> Result<Option<Loss>, Error> {
    let sql = ["SELECT ", COLUMNS, " FROM losses WHERE tenant = $1 AND person_id = $2"].concat();
    tx.one(&sql, &[tenant.into(), person.into()], read)
}

/// Writes the loss of a person.
pub fn save(tx: &mut Tx<'_>, tenant: &TenantId, loss: &Loss) -> Result<(), Error> {
    let block = loss.block.as_ref();
    tx.exec(
        "INSERT INTO losses (tenant, person_id, at, base, counts, rule, group_id, since_at, former)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (tenant, person_id) DO UPDATE
         SET at = excluded.at, base = excluded.base, counts = excluded.counts, rule = excluded.rule,
             group_id = excluded.group_id, since_at = excluded.since_at, former = excluded.former",
        &[
            tenant.into(),
            (&loss.person).into(),
            loss.at.into(),
            i64::try_from(loss.base).unwrap_or(i64::MAX).into(),
            loss.counts.into(),
            block.map(|it| it.rule.as_str()).into(),
            block.and_then(|it| it.group.as_ref()).map(GroupId::as_str).into(),
            block.map(|it| it.since).into(),
            (&loss.former).into(),
        ],
    )
    .map(drop)
}

/// Forgets the loss of a person.
pub fn forget(tx: &mut Tx<'_>, tenant: &TenantId, person: &PersonId) -> Result<(), Error> {
    tx.exec("DELETE FROM losses WHERE tenant = $1 AND person_id = $2", &[tenant.into(), person.into()])
        .map(drop)
}

/// Forgets every loss of a tenant that went through.
pub fn forget_passed(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<(), Error> {
    tx.exec("DELETE FROM losses WHERE tenant = $1 AND rule IS NULL", &[tenant.into()]).map(drop)
}

/// Whether a tenant has any.
pub fn any(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<bool, Error> {
    Ok(tx.one("SELECT 1 FROM losses WHERE tenant = $1 LIMIT 1", &[tenant.into()], |_| Ok(()))?.is_some())
}

/// How many people of a tenant have something in RingCX and may use it.
pub fn active_people(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<u64, Error> {
    let sql = "SELECT COUNT(*) FROM people WHERE tenant = $1 AND state IN ('active', 'blocked') AND deleted_at IS NULL";
    let count = tx.one(sql, &[tenant.into()], |row| row.int(0))?.unwrap_or_default();
    Ok(u64::try_from(count).unwrap_or_default())
}

/// How many have lost access since `since`, and how many were active when the first of them did.
pub fn window(tx: &mut Tx<'_>, tenant: &TenantId, since: Timestamp) -> Result<(u64, Option<u64>), Error> {
    let values = [tenant.into(), since.into()];
    let number = |number: i64| u64::try_from(number).unwrap_or_default();
    let sql = "SELECT COUNT(*) FROM losses WHERE tenant = $1 AND counts AND at > $2";
    let count = tx.one(sql, &values, |row| row.int(0))?.unwrap_or_default();
    let sql =
        "SELECT base FROM losses WHERE tenant = $1 AND counts AND at > $2 ORDER BY at, person_id LIMIT 1";
    let base = tx.one(sql, &values, |row| row.int(0))?;
    Ok((number(count), base.map(number)))
}

/// Those who have lost access since `since`.
pub fn since(tx: &mut Tx<'_>, tenant: &TenantId, since: Timestamp) -> Result<Vec<Loss>, Error> {
    let sql =
        ["SELECT ", COLUMNS, " FROM losses WHERE tenant = $1 AND counts AND at > $2 ORDER BY at, person_id"];
    tx.all(&sql.concat(), &[tenant.into(), since.into()], read)
}

/// Whose loss is blocked, in order, after `after`.
pub fn blocked(tx: &mut Tx<'_>, tenant: &TenantId, after: &str, most: i64) -> Result<Vec<PersonId>, Error> {
    let sql = "SELECT person_id FROM losses WHERE tenant = $1 AND rule IS NOT NULL AND person_id > $2
               ORDER BY person_id LIMIT $3";
    tx.all(sql, &[tenant.into(), after.into(), most.into()], |row| Ok(row.text(0)?.into()))
}

/// Whose loss one rule blocks for one group.
pub fn blocked_by(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    rule: &str,
    group: &GroupId,
) -> Result<Vec<PersonId>, Error> {
    let sql =
        "SELECT person_id FROM losses WHERE tenant = $1 AND rule = $2 AND group_id = $3 ORDER BY person_id";
    tx.all(sql, &[tenant.into(), rule.into(), group.into()], |row| Ok(row.text(0)?.into()))
}

/// The rules that block something, each with when its earliest window began.
pub fn blocks(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<Block>, Error> {
    let sql = "SELECT rule, group_id, MIN(since_at) FROM losses WHERE tenant = $1 AND rule IS NOT NULL
               GROUP BY rule, group_id ORDER BY rule, group_id";
    tx.all(sql, &[tenant.into()], |row| {
        Ok(Block { rule: row.text(0)?, group: row.opt_text(1)?.map(GroupId::from), since: row.time(2)? })
    })
}

/// How many are blocked.
pub fn count_blocked(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<i64, Error> {
    let sql = "SELECT COUNT(*) FROM losses WHERE tenant = $1 AND rule IS NOT NULL";
    Ok(tx.one(sql, &[tenant.into()], |row| row.int(0))?.unwrap_or_default())
}

/// Drops losses that went through before `before`: they count no more and are not given back.
pub fn prune(tx: &mut Tx<'_>, before: Timestamp) -> Result<(), Error> {
    tx.exec("DELETE FROM losses WHERE rule IS NULL AND at < $1", &[before.into()]).map(drop)
}
