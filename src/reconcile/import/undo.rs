//! Takes runs of the import back: what only they have made goes for good, what a client has taken over stays.

use std::sync::Arc;

use serde_json::json;

use super::{ImportError, Reconciler};
use crate::domain::answer::stored_user;
use crate::domain::link::Link;
use crate::domain::person::user_keys;
use crate::domain::{Actor, GroupId, PersonId, TenantId};
use crate::store::imports::{self, Item, Kind};
use crate::store::{self, Tx, audit, groups, links, members, people, pins};

use super::super::accept::wish_of;
use super::super::report;
use super::super::tenant::{Known, Tenant};
use super::super::work::{memberships, parse};

/// Something that was not taken back.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Kept {
    /// `person` or `group`.
    pub kind: &'static str,
    /// Its SCIM id.
    pub id: String,
    /// One sentence.
    pub why: String,
}

/// What was taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Undone {
    /// Runs that were looked at.
    pub runs: usize,
    /// Earlier runs that were not.
    pub earlier: usize,
    /// People who are gone.
    pub people: usize,
    /// Groups that are gone.
    pub groups: usize,
    /// Accounts that were taken from people who stay.
    pub unlinked: usize,
    /// What a client has taken over.
    pub kept: Vec<Kept>,
}

/// What came of one item.
enum Came {
    Gone,
    Unlinked,
    Missing,
    Kept(String),
}

impl Reconciler {
    /// Takes back the last run, or all of them; `force` takes along what a client has taken over. RingCX is not asked.
    ///
    /// # Errors
    /// When a run is at it, or the store is in trouble; what was taken back until then stays so.
    pub async fn undo_import(
        &self,
        tenant: &TenantId,
        all: bool,
        force: bool,
        by: &Actor,
    ) -> Result<Undone, ImportError> {
        let tenant = self.imported_tenant(tenant)?;
        self.hold_import(&tenant.id).await?;
        let of = tenant.id.clone();
        let mut runs = self.store.read(move |tx| imports::runs(tx, &of)).await?;
        let earlier = if all { 0 } else { runs.len().saturating_sub(1) };
        runs.truncate(runs.len() - earlier);
        let mut undone = Undone { runs: runs.len(), earlier, ..Undone::default() };
        for run in runs {
            let of = (tenant.id.clone(), run.clone());
            let items = self.store.read_long(move |tx| imports::items(tx, &of.0, &of.1)).await?;
            for item in items {
                self.hold_import(&tenant.id).await?;
                let came = self.undo_one(&tenant, by, &item, force).await?;
                match (came, item.kind) {
                    (Came::Gone, Kind::Group) => undone.groups += 1,
                    (Came::Gone, _) => undone.people += 1,
                    (Came::Unlinked, _) => undone.unlinked += 1,
                    (Came::Missing, _) => {}
                    (Came::Kept(why), kind) => {
                        let kind = if kind == Kind::Group { "group" } else { "person" };
                        undone.kept.push(Kept { kind, id: item.id, why });
                    }
                }
            }
            let of = (tenant.id.clone(), run);
            self.store.write(move |tx| imports::end(tx, &of.0, &of.1)).await?;
        }
        self.release_import(&tenant.id).await?;
        Ok(undone)
    }

    async fn undo_one(
        &self,
        tenant: &Arc<Tenant>,
        by: &Actor,
        item: &Item,
        force: bool,
    ) -> Result<Came, store::Error> {
        let now = self.clock.now();
        let record = audit::Record::new(&self.ids.next(), now, by, "undo_import", &json!({"force": force}));
        let record = match item.kind {
            Kind::Group => record.about_group(&GroupId::from(item.id.as_str())),
            _ => record.about(&PersonId::from(item.id.as_str())),
        };
        let (of, item) = (Arc::clone(tenant), item.clone());
        let known = tenant.known().unwrap_or_default();
        self.store
            .write(move |tx| {
                let undo = Undo { tenant: &of, known: &known, force, now };
                let came = match item.kind {
                    Kind::Person => undo.person(tx, &item)?,
                    Kind::Group => undo.group(tx, &item)?,
                    Kind::Agent | Kind::Admin => undo.unlink(tx, &item)?,
                };
                if !matches!(came, Came::Kept(_)) {
                    imports::forget(tx, &of.id, &item)?;
                }
                if matches!(came, Came::Gone | Came::Unlinked) {
                    audit::append(tx, &of.id, &record)?;
                }
                Ok(came)
            })
            .await
    }
}

/// What is the same for every item.
#[derive(Clone, Copy)]
struct Undo<'a> {
    tenant: &'a Tenant,
    known: &'a Known,
    /// Whether what a client has taken over goes as well.
    force: bool,
    now: jiff::Timestamp,
}

/// What the bridge has given an account since it was linked: whoever forgets the link forgets that this is to be taken away again.
fn given(link: &Link, kind: Kind) -> Option<String> {
    let admin = link.admin.as_ref().filter(|_| kind == Kind::Admin)?;
    let roles = admin.granted_roles.iter().map(ToString::to_string);
    let docs = admin.granted_docs.iter().map(|doc| format!("rights document {doc}"));
    let given: Vec<String> = roles.chain(docs).collect();
    (!given.is_empty()).then(|| {
        format!(
            "the bridge has given administrator {} {} since; take that away first, or it stays in RingCX",
            admin.id,
            given.join(", ")
        )
    })
}

impl Undo<'_> {
    /// Why something stays that a client has written to since it was `imported`.
    fn kept(&self, imported: bool) -> Option<Came> {
        let why = "the identity provider has written to it since";
        (!self.force && !imported).then(|| Came::Kept(why.to_owned()))
    }

    fn person(&self, tx: &mut Tx<'_>, item: &Item) -> Result<Came, store::Error> {
        let tenant = self.tenant;
        let id = PersonId::from(item.id.as_str());
        let Some(person) = people::lock(tx, &tenant.id, &id)? else { return Ok(Came::Missing) };
        if imports::is_busy(tx, &tenant.id, &id)? {
            return Ok(Came::Kept("a change is under way; try again when it is done".to_owned()));
        }
        if let Some(kept) = self.kept(person.imported) {
            return Ok(kept);
        }
        if !self.force && members::is_named(tx, &tenant.id, &id)? {
            return Ok(Came::Kept("the identity provider has put it into a group".to_owned()));
        }
        imports::erase_person(tx, &tenant.id, &id, self.now)?;
        Ok(Came::Gone)
    }

    fn group(&self, tx: &mut Tx<'_>, item: &Item) -> Result<Came, store::Error> {
        let tenant = self.tenant;
        let id = GroupId::from(item.id.as_str());
        let Some(group) = groups::lock(tx, &tenant.id, &id)? else { return Ok(Came::Missing) };
        if let Some(kept) = self.kept(group.imported) {
            return Ok(kept);
        }
        imports::erase_group(tx, &tenant.id, &id, self.now)?;
        Ok(Came::Gone)
    }

    /// Takes an account from somebody who was here before the import.
    fn unlink(&self, tx: &mut Tx<'_>, item: &Item) -> Result<Came, store::Error> {
        let Self { tenant, known, force, now } = *self;
        let id = PersonId::from(item.id.as_str());
        let Some(found) = people::lock(tx, &tenant.id, &id)?.filter(|it| it.deleted.is_none()) else {
            return Ok(Came::Missing);
        };
        if imports::is_busy(tx, &tenant.id, &id)? {
            return Ok(Came::Kept("a change is under way; try again when it is done".to_owned()));
        }
        let Some(mut link) = links::get(tx, &tenant.id, &id)? else { return Ok(Came::Missing) };
        if let Some(given) = given(&link, item.kind).filter(|_| !force) {
            return Ok(Came::Kept(given));
        }
        if !force && found.version != item.version {
            return Ok(Came::Kept("the identity provider has written to it since it was linked".to_owned()));
        }
        if item.kind == Kind::Agent {
            link.agent = None;
            link.agent_applied = None;
        } else {
            link.admin = None;
            link.admin_applied = None;
        }
        let user = parse(&found.body)?;
        let groups =
            (memberships(tx, (&tenant.id, tenant.policy.nested_groups), &id)?, pins::all(tx, &tenant.id)?);
        let wish = wish_of(tenant, known, &user, &link, (&groups.0, &groups.1));
        let (state, note) = report::standing(&wish, &link, false);
        let shown = people::Shown {
            body: &found.body,
            answer: &stored_user(&id, &user, &link, state, note.as_deref()),
            keys: &user_keys(&user),
            state,
            last_error: note.as_deref(),
            suspended: false,
        };
        people::confirm(tx, &tenant.id, &id, &shown, now)?;
        imports::follow(tx, &tenant.id, &id, found.version, found.version + 1)?;
        links::save(tx, &tenant.id, &id, &link, now)?;
        if item.kind == Kind::Agent {
            members::leave_homes(tx, &tenant.id, &id, now)?;
        }
        Ok(Came::Unlinked)
    }
}
