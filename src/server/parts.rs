//! The resources of one type as a query finds them: people and groups in the store, the rest in what is known of the account.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::auth::Caller;
use super::{App, Error, answers};
use crate::domain::offer::Offer;
use crate::scim::filter::{Filter, Matcher};
use crate::scim::list::ListQuery;
use crate::scim::project::Projection;
use crate::scim::schema::{GROUP, ROLE, ResourceType, USER};
use crate::scim::sort::Sort;
use crate::scim::{self, Object};
use crate::store::search::{self, FoundGroup, FoundPerson, Members, Order, Search, Window};

/// One resource of a page.
pub(super) struct Item {
    /// Which of the types that were asked.
    pub(super) part: usize,
    /// Its place in the order; empty where the ids are the order.
    pub(super) key: String,
    pub(super) id: String,
    pub(super) text: String,
}

/// A page.
#[derive(Default)]
pub(super) struct Listed {
    pub(super) total: u64,
    pub(super) items: Vec<Item>,
    /// Whether others come after them.
    pub(super) more: bool,
}

/// One type in a query.
pub(super) struct Part {
    ty: &'static ResourceType,
    filter: Option<Filter>,
    matcher: Option<Arc<Matcher>>,
    sort: Option<Arc<Sort>>,
    projection: Projection,
    members: Members,
}

impl Part {
    /// Reads a query for one of `types`.
    ///
    /// # Errors
    /// `invalidFilter` and `invalidValue`, naming the attribute.
    pub(super) fn new(
        caller: &Caller,
        ty: &'static ResourceType,
        types: &[&'static ResourceType],
        query: &ListQuery,
        filter: Option<&Filter>,
    ) -> Result<Self, scim::Error> {
        // Alone, a type has to have every attribute that is named.
        let among = if types.len() > 1 { types } else { &[] };
        let compile = |filter| Matcher::compile_among(ty, among, filter, &caller.rules);
        let matcher = filter.map(compile).transpose()?.map(Arc::new);
        let sort = Sort::parse(ty, types, query.sort_by.as_deref(), query.sort_order.as_deref())?;
        let projection =
            Projection::parse(ty, query.attributes.as_deref(), query.excluded_attributes.as_deref())?;
        let named = |text: Option<&str>| text.is_some_and(|it| it.to_ascii_lowercase().contains("members"));
        let asked = named(query.filter.as_deref()) || named(query.sort_by.as_deref());
        let members = Members { shown: projection.wants("members"), asked };
        Ok(Self { ty, filter: filter.cloned(), matcher, sort: sort.map(Arc::new), projection, members })
    }

    pub(super) fn is_sorted(&self) -> bool {
        self.sort.is_some()
    }

    pub(super) fn is_descending(&self) -> bool {
        self.sort.as_ref().is_some_and(|sort| sort.descending)
    }

    /// One page.
    pub(super) async fn page(
        &self,
        app: &App,
        caller: &Caller,
        window: Window,
        limit: u64,
    ) -> Result<Listed, Error> {
        if self.matcher.as_ref().is_some_and(|matcher| matcher.is_never()) {
            return Ok(Listed::default());
        }
        if self.ty.name == USER.name {
            let page =
                search::people(&app.store, &caller.tenant, self.of_people(caller, window, limit)).await?;
            let items = page.items.iter().map(|found| self.person(caller, found)).collect();
            return Ok(Listed { total: page.total, items, more: page.more });
        }
        if self.ty.name == GROUP.name {
            let wanted = self.of_groups(caller, window, limit);
            let page = search::groups(&app.store, &caller.tenant, wanted, self.members).await?;
            let items = page.items.iter().map(|found| self.group(caller, found)).collect();
            return Ok(Listed { total: page.total, items, more: page.more });
        }
        Ok(self.of_catalog(app, caller, &window, limit))
    }

    /// Every matching resource's place in the order, and its id.
    pub(super) async fn places(&self, app: &App, caller: &Caller) -> Result<Vec<(String, String)>, Error> {
        if self.matcher.as_ref().is_some_and(|matcher| matcher.is_never()) {
            return Ok(Vec::new());
        }
        let begin = Window::Offset(0);
        if self.ty.name == USER.name {
            let search = self.of_people(caller, begin, 0);
            return Ok(search::people_places(&app.store, &caller.tenant, search).await?);
        }
        if self.ty.name == GROUP.name {
            let search = self.of_groups(caller, begin, 0);
            return Ok(search::groups_places(&app.store, &caller.tenant, search, self.members).await?);
        }
        let listed = self.of_catalog(app, caller, &begin, u64::MAX);
        Ok(listed.items.into_iter().map(|item| (item.key, item.id)).collect())
    }

    /// The resources of these ids that are there, in no order.
    pub(super) async fn of_ids(
        &self,
        app: &App,
        caller: &Caller,
        ids: Vec<String>,
    ) -> Result<Vec<Item>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        if self.ty.name == USER.name {
            let found = search::people_of(&app.store, &caller.tenant, ids).await?;
            return Ok(found.iter().map(|found| self.person(caller, found)).collect());
        }
        if self.ty.name == GROUP.name {
            let found = search::groups_of(&app.store, &caller.tenant, ids, self.members.shown).await?;
            return Ok(found.iter().map(|found| self.group(caller, found)).collect());
        }
        let wanted: BTreeSet<String> = ids.into_iter().collect();
        let listed = self.of_catalog(app, caller, &Window::Offset(0), u64::MAX);
        Ok(listed.items.into_iter().filter(|item| wanted.contains(&item.id)).collect())
    }

    fn of_people(&self, caller: &Caller, window: Window, limit: u64) -> Search<FoundPerson> {
        let (base, matcher) = (caller.base.clone(), self.matcher.clone());
        let keep = move |found: &FoundPerson| {
            matcher.as_ref().is_none_or(|matcher| matcher.matches(&answers::user_object(&base, found)))
        };
        let order = self.sort.clone().map(|sort| {
            let (base, path, descending) = (caller.base.clone(), sort.path.clone(), sort.descending);
            let key = move |found: &FoundPerson| sort.key(&answers::user_object(&base, found));
            Order { path, descending, key: Arc::new(key) }
        });
        Search { filter: self.filter.clone(), keep: Arc::new(keep), order, window, limit }
    }

    fn of_groups(&self, caller: &Caller, window: Window, limit: u64) -> Search<FoundGroup> {
        let (base, matcher) = (caller.base.clone(), self.matcher.clone());
        let keep = move |found: &FoundGroup| {
            matcher.as_ref().is_none_or(|matcher| matcher.matches(&answers::group_object(&base, found)))
        };
        let order = self.sort.clone().map(|sort| {
            let (base, path, descending) = (caller.base.clone(), sort.path.clone(), sort.descending);
            let key = move |found: &FoundGroup| sort.key(&answers::group_object(&base, found));
            Order { path, descending, key: Arc::new(key) }
        });
        Search { filter: self.filter.clone(), keep: Arc::new(keep), order, window, limit }
    }

    fn person(&self, caller: &Caller, found: &FoundPerson) -> Item {
        let key = self.sort.as_ref().map(|sort| sort.key(&answers::user_object(&caller.base, found)));
        let shown = answers::user(&caller.base, found, &self.projection, self.ty);
        let id = found.person.id.as_str().to_owned();
        Item { part: 0, key: key.unwrap_or_default(), id, text: shown.text }
    }

    fn group(&self, caller: &Caller, found: &FoundGroup) -> Item {
        let key = self.sort.as_ref().map(|sort| sort.key(&answers::group_object(&caller.base, found)));
        let shown = answers::group(&caller.base, found, &self.projection, self.ty);
        let id = found.group.id.as_str().to_owned();
        Item { part: 0, key: key.unwrap_or_default(), id, text: shown.text }
    }

    /// A page of what the tenant has to give; it is short, and all in memory.
    fn of_catalog(&self, app: &App, caller: &Caller, window: &Window, limit: u64) -> Listed {
        let all = app.reconciler.offers(&caller.tenant, self.ty).into_iter();
        let all = all.map(|offer| offer_object(&caller.base, self.ty, &offer));
        let matching = all.filter(|it| self.matcher.as_ref().is_none_or(|matcher| matcher.matches(it)));
        let mut items: Vec<Item> = matching
            .map(|object| Item {
                part: 0,
                key: self.sort.as_ref().map(|sort| sort.key(&object)).unwrap_or_default(),
                id: object.get("id").and_then(Value::as_str).unwrap_or_default().to_owned(),
                text: answers::versioned(self.projection.apply(self.ty, object)).1,
            })
            .collect();
        items.sort_by(|left, right| (&left.key, &left.id).cmp(&(&right.key, &right.id)));
        if self.is_descending() {
            items.reverse();
        }
        let total = items.len();
        let first = match window {
            Window::Offset(offset) => usize::try_from(*offset).unwrap_or(usize::MAX).min(total),
            Window::After(None) => 0,
            Window::After(Some(place)) => items.partition_point(|item| {
                let order = (&item.key, &item.id).cmp(&(&place.key, &place.id));
                if self.is_descending() { order.is_ge() } else { order.is_le() }
            }),
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let items: Vec<Item> = items.into_iter().skip(first).take(limit).collect();
        let more = first + items.len() < total;
        Listed { total: total as u64, items, more }
    }
}

/// Something that can be given, as a resource.
pub(super) fn offer_object(base: &str, ty: &ResourceType, offer: &Offer) -> Object {
    let mut object = Object::new();
    object.insert("schemas".to_owned(), json!([ty.schema.id]));
    object.insert("id".to_owned(), json!(offer.id));
    object.insert("displayName".to_owned(), json!(offer.name));
    if ty.name != ROLE.name {
        object.insert("type".to_owned(), json!(ty.name));
    }
    object.insert("description".to_owned(), json!(offer.description));
    let location = format!("{base}{}/{}", ty.endpoint, offer.id);
    object.insert("meta".to_owned(), json!({"resourceType": ty.name, "location": location}));
    object
}
