//! Lists and searches, in the order of the ids: stable whatever the paging.
//!
//! What the columns can answer is asked of the database; the rest is looked at row by row in short transactions, each beginning
//! where the last one ended, so that no reader holds up the writer's log.

use std::collections::BTreeMap;
use std::sync::Arc;

use scim_filter_parser::Filter;

use super::pushdown::{self, Pushed};
use super::{Error, Row, Store, Tx, Val, groups, people};
use crate::domain::answer::{GroupRef, MemberRef};
use crate::domain::{GroupId, TenantId};

/// The counter of live people.
pub(super) const PEOPLE: &str = "people";
/// The counter of live groups.
pub(super) const GROUPS: &str = "groups";

/// Rows in one short transaction of a long search.
const CHUNK: u64 = 500;

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// How many there are in all.
    pub total: u64,
    /// Those of this page.
    pub items: Vec<T>,
}

/// A person on a page, with the groups that stand in the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundPerson {
    /// The person.
    pub person: people::Person,
    /// Their groups.
    pub groups: Vec<GroupRef>,
}

/// A group on a page, with its members where they were asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundGroup {
    /// The group.
    pub group: groups::Group,
    /// Its members.
    pub members: Option<Vec<MemberRef>>,
}

/// Whether a row belongs to the answer; asked only where the database cannot say.
pub type Keep<T> = Arc<dyn Fn(&T) -> bool + Send + Sync>;

/// What is searched for.
#[derive(Clone)]
pub struct Search<T> {
    /// The filter, checked.
    pub filter: Option<Filter>,
    /// The same filter as a question about one row.
    pub keep: Keep<T>,
    /// How many are skipped.
    pub offset: u64,
    /// How many are shown.
    pub limit: u64,
}

/// The people of a tenant that a filter lets through.
///
/// # Errors
/// What the database said.
pub async fn people(
    store: &Store,
    tenant: &TenantId,
    search: Search<FoundPerson>,
) -> Result<Page<FoundPerson>, Error> {
    let pushed = search.filter.as_ref().map(|filter| pushdown::people(filter, 2));
    let table = Table {
        name: "people",
        columns: people::COLUMNS,
        counter: PEOPLE,
        read: people::read,
        id: |person: &people::Person| person.id.as_str().to_owned(),
        complete: with_groups,
    };
    run(store, tenant, search, pushed, table).await
}

/// The groups of a tenant that a filter lets through; `members` says whether they come with their members.
///
/// # Errors
/// What the database said.
pub async fn groups(
    store: &Store,
    tenant: &TenantId,
    search: Search<FoundGroup>,
    members: bool,
) -> Result<Page<FoundGroup>, Error> {
    let pushed = search.filter.as_ref().map(|filter| pushdown::groups(filter, 2));
    let table = Table {
        name: "groups",
        columns: groups::COLUMNS,
        counter: GROUPS,
        read: groups::read,
        id: |group: &groups::Group| group.id.as_str().to_owned(),
        complete: if members { with_members } else { without_members },
    };
    run(store, tenant, search, pushed, table).await
}

/// Adds to rows what an answer needs beside them.
type Complete<R, T> = fn(&mut Tx<'_>, &TenantId, Vec<R>) -> Result<Vec<T>, Error>;

/// How a table is searched.
struct Table<R, T> {
    name: &'static str,
    columns: &'static str,
    counter: &'static str,
    read: fn(&Row<'_>) -> Result<R, Error>,
    id: fn(&R) -> String,
    complete: Complete<R, T>,
}

impl<R, T> Clone for Table<R, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, T> Copy for Table<R, T> {}

async fn run<R, T>(
    store: &Store,
    tenant: &TenantId,
    search: Search<T>,
    pushed: Option<Pushed>,
    table: Table<R, T>,
) -> Result<Page<T>, Error>
where
    R: Clone + Send + 'static,
    T: Send + 'static,
{
    match pushed {
        None => {
            let (tenant, offset, limit) = (tenant.clone(), search.offset, search.limit);
            store
                .read(move |tx| {
                    let total = total(tx, &tenant, table.counter)?;
                    let items = page(tx, &tenant, &table, None, offset, limit)?;
                    Ok(Page { total, items })
                })
                .await
        }
        Some(pushed) if pushed.exact => {
            let (tenant, offset, limit) = (tenant.clone(), search.offset, search.limit);
            store
                .read(move |tx| {
                    let items = page(tx, &tenant, &table, Some(&pushed), offset, limit)?;
                    let shown = items.len() as u64;
                    // A page that is neither empty nor full ends the list: then nothing is counted.
                    let ends = shown < limit && (shown > 0 || offset == 0);
                    let total =
                        if ends { offset + shown } else { count_where(tx, &tenant, &table, &pushed)? };
                    Ok(Page { total, items })
                })
                .await
        }
        Some(pushed) => scan(store, tenant, search, pushed, table).await,
    }
}

/// Goes through the rows that the columns leave over, in short transactions.
async fn scan<R, T>(
    store: &Store,
    tenant: &TenantId,
    search: Search<T>,
    pushed: Pushed,
    table: Table<R, T>,
) -> Result<Page<T>, Error>
where
    R: Clone + Send + 'static,
    T: Send + 'static,
{
    let (mut total, mut items, mut after) = (0_u64, Vec::new(), String::new());
    loop {
        let (tenant, pushed, from) = (tenant.clone(), pushed.clone(), after.clone());
        let (last, found) = store
            .read_long(move |tx| {
                let rows = chunk(tx, &tenant, &table, &pushed, &from)?;
                let full = rows.len() as u64 == CHUNK;
                let last = rows.last().filter(|_| full).map(table.id);
                Ok::<_, Error>((last, (table.complete)(tx, &tenant, rows)?))
            })
            .await?;
        for item in found.into_iter().filter(|item| (search.keep)(item)) {
            if total >= search.offset && (items.len() as u64) < search.limit {
                items.push(item);
            }
            total += 1;
        }
        match last {
            Some(last) => after = last,
            None => return Ok(Page { total, items }),
        }
    }
}

fn values<'a>(tenant: &'a TenantId, pushed: Option<&'a Pushed>) -> Vec<Val<'a>> {
    let of = pushed.map(|pushed| pushed.values.iter().map(super::pushdown::Owned::as_val));
    std::iter::once(Val::from(tenant)).chain(of.into_iter().flatten()).collect()
}

fn page<R, T>(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    table: &Table<R, T>,
    pushed: Option<&Pushed>,
    offset: u64,
    limit: u64,
) -> Result<Vec<T>, Error> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let mut values = values(tenant, pushed);
    let condition = pushed.map_or("", |pushed| pushed.sql.as_str());
    let (name, columns) = (table.name, table.columns);
    // The skipped rows are counted on the index alone; only the shown ones are read.
    let start = if offset == 0 {
        String::new()
    } else {
        values.push(Val::Int(i64::try_from(offset).unwrap_or(i64::MAX)));
        let skip = values.len();
        format!(
            " AND id >= (SELECT id FROM {name} WHERE tenant = $1 AND deleted_at IS NULL{condition} ORDER BY id LIMIT 1 OFFSET ${skip})"
        )
    };
    values.push(Val::Int(i64::try_from(limit).unwrap_or(i64::MAX)));
    let sql = format!(
        "SELECT {columns} FROM {name} WHERE tenant = $1 AND deleted_at IS NULL{condition}{start} ORDER BY id LIMIT ${}",
        values.len()
    );
    let rows = tx.all(&sql, &values, table.read)?;
    (table.complete)(tx, tenant, rows)
}

fn chunk<R, T>(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    table: &Table<R, T>,
    pushed: &Pushed,
    after: &str,
) -> Result<Vec<R>, Error> {
    let mut values = values(tenant, Some(pushed));
    values.push(Val::Text(after));
    let sql = format!(
        "SELECT {} FROM {} WHERE tenant = $1 AND deleted_at IS NULL{} AND id > ${} ORDER BY id LIMIT {CHUNK}",
        table.columns,
        table.name,
        pushed.sql,
        values.len()
    );
    tx.all(&sql, &values, table.read)
}

fn count_where<R, T>(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    table: &Table<R, T>,
    pushed: &Pushed,
) -> Result<u64, Error> {
    let sql =
        format!("SELECT COUNT(*) FROM {} WHERE tenant = $1 AND deleted_at IS NULL{}", table.name, pushed.sql);
    let count = tx.one(&sql, &values(tenant, Some(pushed)), |row| row.int(0))?;
    Ok(u64::try_from(count.unwrap_or_default()).unwrap_or_default())
}

fn with_groups(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    rows: Vec<people::Person>,
) -> Result<Vec<FoundPerson>, Error> {
    let mut groups: BTreeMap<String, Vec<GroupRef>> = BTreeMap::new();
    for part in rows.chunks(100) {
        let mut values = vec![Val::from(tenant)];
        values.extend(part.iter().map(|person| Val::from(&person.id)));
        let ids = (2..=values.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT m.member_id, g.id, g.display_name FROM members m
             JOIN groups g ON g.tenant = m.tenant AND g.id = m.group_id
             WHERE m.tenant = $1 AND m.member_id IN ({ids}) ORDER BY m.member_id, g.id"
        );
        tx.each(&sql, &values, |row| {
            let group = GroupRef { id: row.text(1)?.into(), display_name: row.text(2)? };
            groups.entry(row.text(0)?).or_default().push(group);
            Ok(())
        })?;
    }
    let complete = rows.into_iter().map(|person| {
        let groups = groups.remove(person.id.as_str()).unwrap_or_default();
        FoundPerson { person, groups }
    });
    Ok(complete.collect())
}

fn with_members(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    rows: Vec<groups::Group>,
) -> Result<Vec<FoundGroup>, Error> {
    rows.into_iter()
        .map(|group| {
            let members = Some(super::members::of_group(tx, tenant, &group.id)?);
            Ok(FoundGroup { group, members })
        })
        .collect()
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where `with_members` may stand")]
fn without_members(_: &mut Tx<'_>, _: &TenantId, rows: Vec<groups::Group>) -> Result<Vec<FoundGroup>, Error> {
    Ok(rows.into_iter().map(|group| FoundGroup { group, members: None }).collect())
}

/// The ids of the members of a group that a question picks out.
///
/// # Errors
/// What the database said.
pub fn members_matching(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    group: &GroupId,
    picks: &dyn Fn(&MemberRef) -> bool,
) -> Result<Vec<String>, Error> {
    let members = super::members::of_group(tx, tenant, group)?;
    Ok(members.into_iter().filter(|member| picks(member)).map(|member| member.id).collect())
}

/// Moves a counter of live rows, in the transaction of the change.
pub(super) fn count(tx: &mut Tx<'_>, tenant: &TenantId, name: &str, by: i64) -> Result<(), Error> {
    tx.exec(
        "INSERT INTO counters (tenant, name, value) VALUES ($1, $2, $3)
         ON CONFLICT (tenant, name) DO UPDATE SET value = counters.value + excluded.value",
        &[tenant.into(), name.into(), by.into()],
    )
    .map(drop)
}

fn total(tx: &mut Tx<'_>, tenant: &TenantId, name: &str) -> Result<u64, Error> {
    let value = tx.one(
        "SELECT value FROM counters WHERE tenant = $1 AND name = $2",
        &[tenant.into(), name.into()],
        |row| row.int(0),
    )?;
    Ok(u64::try_from(value.unwrap_or_default()).unwrap_or_default())
}
