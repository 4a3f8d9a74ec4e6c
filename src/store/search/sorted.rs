//! Pages in an order that no column has: the places of all matching rows are gathered and sorted, then the rows of one page are read.
//!
//! Costs one pass over the matching rows and a hundred bytes for each.

use std::collections::HashMap;

use super::{Error, Page, Question, Store, TenantId, Window, rows};

/// The place in the order and the id of every matching row, ascending.
pub(super) async fn places<R, T>(
    store: &Store,
    tenant: &TenantId,
    question: &Question<R, T>,
) -> Result<Vec<(String, String)>, Error>
where
    R: Clone + Send + 'static,
    T: Send + 'static,
{
    let search = &question.search;
    let (mut places, mut after) = (Vec::new(), String::new());
    loop {
        let (last, found) =
            rows::chunk(store, tenant, question.asked, question.pushed.clone(), after).await?;
        for item in found.into_iter().filter(|item| (search.keep)(item)) {
            let key = search.order.as_ref().map(|order| (order.key)(&item)).unwrap_or_default();
            places.push((key, (question.asked.id_of)(&item).to_owned()));
        }
        match last {
            Some(last) => after = last,
            None => break,
        }
    }
    places.sort_unstable();
    Ok(places)
}

/// One page of them.
pub(super) async fn page<R, T>(
    store: &Store,
    tenant: &TenantId,
    question: Question<R, T>,
) -> Result<Page<T>, Error>
where
    R: Clone + Send + 'static,
    T: Send + 'static,
{
    let mut places = places(store, tenant, &question).await?;
    let descending = question.search.order.as_ref().is_some_and(|order| order.descending);
    if descending {
        places.reverse();
    }
    let total = places.len() as u64;
    let first = match &question.search.window {
        Window::Offset(offset) => usize::try_from(*offset).unwrap_or(usize::MAX).min(places.len()),
        Window::After(None) => 0,
        Window::After(Some(place)) => {
            let (key, id) = (place.key.as_str(), place.id.as_str());
            places.partition_point(|(own_key, own_id)| {
                let order = (own_key.as_str(), own_id.as_str()).cmp(&(key, id));
                if descending { order.is_ge() } else { order.is_le() }
            })
        }
    };
    let limit = usize::try_from(question.search.limit).unwrap_or(usize::MAX);
    let ids: Vec<String> = places.into_iter().skip(first).take(limit).map(|(_, id)| id).collect();
    let more = (first + ids.len()) < usize::try_from(total).unwrap_or(usize::MAX);
    let (tenant, table, wanted) = (tenant.clone(), question.shown, ids.clone());
    let found = store.read(move |tx| rows::of_ids(tx, &tenant, &table, &wanted)).await?;
    let mut by_id: HashMap<String, T> =
        found.into_iter().map(|item| ((table.id_of)(&item).to_owned(), item)).collect();
    let items = ids.iter().filter_map(|id| by_id.remove(id)).collect();
    Ok(Page { total, items, more })
}
