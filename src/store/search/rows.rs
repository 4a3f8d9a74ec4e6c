//! Pages that the database can give by itself, and rows by id.

use super::{CHUNK, Error, Page, Question, Store, Table, TenantId, Tx, Val, Window, total};
use crate::store::pushdown::{Owned, Pushed};

/// A page whose filter and order the columns have.
pub(super) async fn page<R, T>(
    store: &Store,
    tenant: &TenantId,
    question: Question<R, T>,
) -> Result<Page<T>, Error>
where
    R: Clone + Send + 'static,
    T: Send + 'static,
{
    let tenant = tenant.clone();
    store
        .read(move |tx| {
            let (items, more) = shown(tx, &tenant, &question)?;
            let total = match &question.search.window {
                Window::After(Some(place)) => place.total,
                Window::After(None) if !more => items.len() as u64,
                Window::Offset(offset)
                    // A page that is neither empty nor full ends the list: then nothing is counted.
                    if question.pushed.is_some()
                        && (items.len() as u64) < question.search.limit
                        && (!items.is_empty() || *offset == 0) =>
                {
                    offset + items.len() as u64
                }
                _ => all(tx, &tenant, &question)?,
            };
            Ok(Page { total, items, more })
        })
        .await
}

/// How many rows there are in all.
fn all<R, T>(tx: &mut Tx<'_>, tenant: &TenantId, question: &Question<R, T>) -> Result<u64, Error> {
    let table = &question.shown;
    let Some(pushed) = &question.pushed else { return total(tx, tenant, table.counter) };
    let sql =
        format!("SELECT COUNT(*) FROM {} WHERE tenant = $1 AND deleted_at IS NULL{}", table.name, pushed.sql);
    let count = tx.one(&sql, &values(tenant, Some(pushed)), |row| row.int(0))?;
    Ok(u64::try_from(count.unwrap_or_default()).unwrap_or_default())
}

/// The rows of the page, and whether others come after them.
fn shown<R, T>(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    question: &Question<R, T>,
) -> Result<(Vec<T>, bool), Error> {
    let limit = question.search.limit;
    if limit == 0 {
        return Ok((Vec::new(), false));
    }
    let table = &question.shown;
    let (name, columns) = (table.name, table.columns);
    let condition = question.pushed.as_ref().map_or("", |pushed| pushed.sql.as_str());
    let live = format!("tenant = $1 AND deleted_at IS NULL{condition}");
    let mut values = values(tenant, question.pushed.as_ref());
    let number = |number: u64| Val::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let descending = question.search.order.as_ref().is_some_and(|order| order.descending);
    let (sign, direction) = if descending { ("<", " DESC") } else { (">", "") };
    let order = match question.column {
        Some(column) => format!("{column}{direction}, id{direction}"),
        None => "id".to_owned(),
    };
    let mut skip = String::new();
    let start = match (&question.search.window, question.column) {
        (Window::Offset(0) | Window::After(None), _) => String::new(),
        (Window::Offset(offset), None) => {
            // The skipped rows are counted on the index alone; only the shown ones are read.
            values.push(number(*offset));
            let skip = values.len();
            format!(" AND id >= (SELECT id FROM {name} WHERE {live} ORDER BY id LIMIT 1 OFFSET ${skip})")
        }
        (Window::Offset(offset), Some(_)) => {
            values.push(number(*offset));
            skip = format!(" OFFSET ${}", values.len());
            String::new()
        }
        (Window::After(Some(place)), None) => {
            values.push(Val::Text(&place.id));
            format!(" AND id > ${}", values.len())
        }
        (Window::After(Some(place)), Some(column)) => {
            values.push(Val::Text(place.key.get(1..).unwrap_or_default()));
            values.push(Val::Text(&place.id));
            format!(" AND ({column}, id) {sign} (${}, ${})", values.len() - 1, values.len())
        }
    };
    values.push(number(limit.saturating_add(1)));
    let most = values.len();
    let sql =
        format!("SELECT {columns} FROM {name} WHERE {live}{start} ORDER BY {order} LIMIT ${most}{skip}");
    let mut rows = tx.all(&sql, &values, table.read)?;
    let more = rows.len() as u64 > limit;
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(((table.complete)(tx, tenant, rows)?, more))
}

/// Some rows behind an id that the columns leave over, and the id behind which the next ones begin.
pub(super) async fn chunk<R, T>(
    store: &Store,
    tenant: &TenantId,
    table: Table<R, T>,
    pushed: Option<Pushed>,
    after: String,
) -> Result<(Option<String>, Vec<T>), Error>
where
    R: Clone + Send + 'static,
    T: Send + 'static,
{
    let tenant = tenant.clone();
    store
        .read_long(move |tx| {
            let mut values = values(&tenant, pushed.as_ref());
            values.push(Val::Text(&after));
            let sql = format!(
                "SELECT {} FROM {} WHERE tenant = $1 AND deleted_at IS NULL{} AND id > ${} ORDER BY id LIMIT {CHUNK}",
                table.columns,
                table.name,
                pushed.as_ref().map_or("", |pushed| pushed.sql.as_str()),
                values.len()
            );
            let rows = tx.all(&sql, &values, table.read)?;
            let full = rows.len() as u64 == CHUNK;
            let last = rows.last().filter(|_| full).map(|row| (table.id)(row).to_owned());
            Ok((last, (table.complete)(tx, &tenant, rows)?))
        })
        .await
}

/// The rows of these ids that are there, in no order.
pub(super) fn of_ids<R, T>(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    table: &Table<R, T>,
    ids: &[String],
) -> Result<Vec<T>, Error> {
    let mut found = Vec::with_capacity(ids.len());
    for part in ids.chunks(100) {
        let mut values = vec![Val::from(tenant)];
        values.extend(part.iter().map(|id| Val::Text(id)));
        let places = (2..=values.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT {} FROM {} WHERE tenant = $1 AND deleted_at IS NULL AND id IN ({places})",
            table.columns, table.name
        );
        let rows = tx.all(&sql, &values, table.read)?;
        found.extend((table.complete)(tx, tenant, rows)?);
    }
    Ok(found)
}

fn values<'a>(tenant: &'a TenantId, pushed: Option<&'a Pushed>) -> Vec<Val<'a>> {
    let of = pushed.map(|pushed| pushed.values.iter().map(Owned::as_val));
    std::iter::once(Val::from(tenant)).chain(of.into_iter().flatten()).collect()
}
