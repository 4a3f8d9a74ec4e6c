//! Lists and searches, in the order of the ids or of an attribute and then the ids: stable whatever the paging.
//!
//! What the columns can answer is asked of the database; the rest is looked at row by row in short transactions, each beginning
//! where the last one ended, so that no reader holds up the writer's log.

mod rows;
mod sorted;

use std::collections::BTreeMap;
use std::sync::Arc;

use scim_filter_parser::{AttrPath, Filter};

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
    /// Whether others come after them.
    pub more: bool,
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

/// The place of a row in an order: texts that sort by code point. Where a column has the order, the place is one mark and its text.
pub type Key<T> = Arc<dyn Fn(&T) -> String + Send + Sync>;

/// An order other than that of the ids.
#[derive(Clone)]
pub struct Order<T> {
    /// The attribute, in case a column has it.
    pub path: AttrPath,
    /// Whether the greatest comes first.
    pub descending: bool,
    /// The same as a question about one row.
    pub key: Key<T>,
}

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Window {
    /// After so many.
    Offset(u64),
    /// After this place; none is the beginning.
    After(Option<Place>),
}

/// A place in a list that does not move when rows come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The key of the last row shown; empty where the ids are the order.
    pub key: String,
    /// Its id.
    pub id: String,
    /// How many there were in all when the list was begun.
    pub total: u64,
}

/// What is searched for.
#[derive(Clone)]
pub struct Search<T> {
    /// The filter, checked.
    pub filter: Option<Filter>,
    /// The same filter as a question about one row.
    pub keep: Keep<T>,
    /// The order, if it is not that of the ids.
    pub order: Option<Order<T>>,
    /// Where the page begins.
    pub window: Window,
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
    run(store, tenant, people_question(search)).await
}

/// The groups of a tenant that a filter lets through; `members` says whether they come with their members.
///
/// # Errors
/// What the database said.
pub async fn groups(
    store: &Store,
    tenant: &TenantId,
    search: Search<FoundGroup>,
    members: Members,
) -> Result<Page<FoundGroup>, Error> {
    run(store, tenant, groups_question(search, members)).await
}

/// Every matching person's place in the order, ascending, and their id.
///
/// # Errors
/// What the database said.
pub async fn people_places(
    store: &Store,
    tenant: &TenantId,
    search: Search<FoundPerson>,
) -> Result<Vec<(String, String)>, Error> {
    sorted::places(store, tenant, &people_question(search)).await
}

/// Every matching group's place in the order, ascending, and its id.
///
/// # Errors
/// What the database said.
pub async fn groups_places(
    store: &Store,
    tenant: &TenantId,
    search: Search<FoundGroup>,
    members: Members,
) -> Result<Vec<(String, String)>, Error> {
    sorted::places(store, tenant, &groups_question(search, members)).await
}

/// The people of these ids, in no order; those who are gone are left out.
///
/// # Errors
/// What the database said.
pub async fn people_of(
    store: &Store,
    tenant: &TenantId,
    ids: Vec<String>,
) -> Result<Vec<FoundPerson>, Error> {
    let (tenant, table) = (tenant.clone(), people_table());
    store.read(move |tx| rows::of_ids(tx, &tenant, &table, &ids)).await
}

/// The groups of these ids, in no order; those that are gone are left out.
///
/// # Errors
/// What the database said.
pub async fn groups_of(
    store: &Store,
    tenant: &TenantId,
    ids: Vec<String>,
    members: bool,
) -> Result<Vec<FoundGroup>, Error> {
    let (tenant, table) = (tenant.clone(), groups_table(members));
    store.read(move |tx| rows::of_ids(tx, &tenant, &table, &ids)).await
}

/// What the members of groups are needed for. Reading those of a large group is dear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Members {
    /// They stand in the answer.
    pub shown: bool,
    /// The filter, or the order, looks at them.
    pub asked: bool,
}

/// A search and the tables it goes through.
struct Question<R, T> {
    search: Search<T>,
    pushed: Option<Pushed>,
    /// The column that has the order.
    column: Option<&'static str>,
    /// How rows are read that are shown.
    shown: Table<R, T>,
    /// How rows are read that are only looked at.
    asked: Table<R, T>,
}

fn people_question(search: Search<FoundPerson>) -> Question<people::Person, FoundPerson> {
    let pushed = search.filter.as_ref().map(|filter| pushdown::people(filter, 2));
    let column = search.order.as_ref().and_then(|order| pushdown::people_order(&order.path));
    let table = people_table();
    Question { search, pushed, column, shown: table, asked: table }
}

fn groups_question(search: Search<FoundGroup>, members: Members) -> Question<groups::Group, FoundGroup> {
    let pushed = search.filter.as_ref().map(|filter| pushdown::groups(filter, 2));
    let column = search.order.as_ref().and_then(|order| pushdown::groups_order(&order.path));
    let asked = groups_table(members.asked || members.shown);
    Question { search, pushed, column, shown: groups_table(members.shown), asked }
}

fn people_table() -> Table<people::Person, FoundPerson> {
    Table {
        name: "people",
        columns: people::COLUMNS,
        counter: PEOPLE,
        read: people::read,
        id: |person| person.id.as_str(),
        id_of: |found| found.person.id.as_str(),
        complete: with_groups,
    }
}

fn groups_table(members: bool) -> Table<groups::Group, FoundGroup> {
    Table {
        name: "groups",
        columns: groups::COLUMNS,
        counter: GROUPS,
        read: groups::read,
        id: |group| group.id.as_str(),
        id_of: |found| found.group.id.as_str(),
        complete: if members { with_members } else { without_members },
    }
}

/// Adds to rows what an answer needs beside them.
type Complete<R, T> = fn(&mut Tx<'_>, &TenantId, Vec<R>) -> Result<Vec<T>, Error>;

/// How a table is searched.
struct Table<R, T> {
    name: &'static str,
    columns: &'static str,
    counter: &'static str,
    read: fn(&Row<'_>) -> Result<R, Error>,
    id: fn(&R) -> &str,
    id_of: fn(&T) -> &str,
    complete: Complete<R, T>,
}

impl<R, T> Clone for Table<R, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, T> Copy for Table<R, T> {}

async fn run<R, T>(store: &Store, tenant: &TenantId, question: Question<R, T>) -> Result<Page<T>, Error>
where
    R: Clone + Send + 'static,
    T: Send + 'static,
{
    let exact = question.pushed.as_ref().is_none_or(|pushed| pushed.exact);
    match (&question.search.order, question.column) {
        (None, _) | (Some(_), Some(_)) if exact => rows::page(store, tenant, question).await,
        (None, _) => scan(store, tenant, question).await,
        (Some(_), _) => sorted::page(store, tenant, question).await,
    }
}

/// Goes through the rows that the columns leave over, in short transactions.
async fn scan<R, T>(store: &Store, tenant: &TenantId, question: Question<R, T>) -> Result<Page<T>, Error>
where
    R: Clone + Send + 'static,
    T: Send + 'static,
{
    let Question { search, pushed, asked, .. } = question;
    let limit = usize::try_from(search.limit).unwrap_or(usize::MAX);
    let (skip, mut after, counted) = match &search.window {
        Window::Offset(offset) => (*offset, String::new(), None),
        Window::After(None) => (0, String::new(), None),
        Window::After(Some(place)) => (0, place.id.clone(), Some(place.total)),
    };
    let (mut total, mut items, mut more) = (0_u64, Vec::new(), false);
    loop {
        let (last, found) = rows::chunk(store, tenant, asked, pushed.clone(), after).await?;
        for item in found.into_iter().filter(|item| (search.keep)(item)) {
            if total >= skip && items.len() < limit {
                items.push(item);
            } else if total >= skip {
                more = true;
            }
            total += 1;
        }
        match last {
            Some(last) if counted.is_none() || !more => after = last,
            _ => return Ok(Page { total: counted.unwrap_or(total), items, more }),
        }
    }
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
