//! One row of the plan, carried out in one transaction: looked at again, because a client may have been quicker.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::accept::wish_of;
use super::super::tenant::{Known, Tenant};
use super::super::work::{memberships, parse};
use super::super::{digest, report};
use super::Seen;
use crate::domain::answer::stored_user;
use crate::domain::desired::{Desired, DesiredAgent};
use crate::domain::found::{Found, user_of};
use crate::domain::grant::Pins;
use crate::domain::import::{AccountRef, AdminAccount, AgentAccount, ELSEWHERE, Target};
use crate::domain::link::{AdminLink, AgentGroupAgent, AgentLink, LOGIN, Link, USER_NAME};
use crate::domain::mapping::admin_fields;
use crate::domain::person::{is_address, user_keys};
use crate::domain::{PersonId, fold, person};
use crate::scim::Resource;
use crate::scim::urn::RINGCX_USER;
use crate::store::imports::{self, Item, Kind};
use crate::store::{self, Tx, inventory, links, members, names, owners, people, pins};

/// What came of a row.
pub(super) enum Came {
    /// It is done; for whom.
    Done(PersonId),
    /// It is not, in one sentence.
    Left(String),
}

/// The parts that every row needs.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) known: &'a Known,
    pub(super) seen: &'a Seen,
    pub(super) run: &'a str,
    pub(super) now: jiff::Timestamp,
}

impl<'a> Around<'a> {
    fn agent(&self, account: AccountRef) -> Option<&'a AgentAccount> {
        self.seen.agents.iter().find(|it| AccountRef::Agent(it.id) == account)
    }

    fn admin(&self, account: AccountRef) -> Option<&'a AdminAccount> {
        self.seen.admins.iter().find(|it| AccountRef::Admin(it.id) == account)
    }

    /// Makes a person of an account.
    pub(super) fn create(
        &self,
        tx: &mut Tx<'_>,
        account: AccountRef,
        user_name: &str,
        id: &PersonId,
    ) -> Result<Came, store::Error> {
        if let Some(owner) = self.owner(tx, account)? {
            return Ok(Came::Left(format!("belongs to person {owner} by now")));
        }
        if self.is_elsewhere(tx, account)? {
            return Ok(Came::Left(ELSEWHERE.to_owned()));
        }
        let tenant = &self.tenant.id;
        let key = fold(user_name);
        if let Some(holder) = names::claim(tx, tenant, names::Kind::UserName, &key, id.as_str())? {
            return Ok(Came::Left(format!("person {holder} has the user name {user_name} by now")));
        }
        let Some((mut user, mut link)) = self.person_of(account, user_name) else {
            return Ok(Came::Left("is gone".to_owned()));
        };
        if let Some(external) = user.text("externalId").map(str::to_owned)
            && names::claim(tx, tenant, names::Kind::ExternalId, &external, id.as_str())?.is_some()
        {
            user.remove("externalId");
        }
        let active = person::is_active(&user);
        let wish = wish_of(self.tenant, self.known, &user, &link, (&[], &Pins::new()));
        if let (Some(agent), Some(wanted)) = (&mut link.agent, &wish.agent) {
            // The client has written none of this: it is no wish until it says something else.
            agent.found.fields.extend(said_of_agent(wanted));
        }
        if let Some(admin) = &mut link.admin {
            admin.found = said_of_admin(&user);
        }
        let digests = digest::of(&wish, &link, &self.tenant.policy);
        (link.agent_applied, link.admin_applied) = (digests.agent, digests.admin);
        let state = report::state_of(&wish, &link, false);
        let shown = people::Shown {
            body: &user.to_json(),
            answer: &stored_user(id, &user, &link, state, None),
            keys: &user_keys(&user),
            state,
            last_error: None,
            // Somebody has switched the account off in RingCX; only a client that says off and then on ends that.
            suspended: !active,
        };
        people::insert(tx, tenant, id, &shown, self.now)?;
        people::set_imported(tx, tenant, id, true)?;
        links::save(tx, tenant, id, &link, self.now)?;
        if let Some(agent) = &link.agent {
            members::show_home(tx, tenant, id, agent.id.group.0, self.now)?;
        }
        let item = Item { kind: Kind::Person, id: id.as_str().to_owned(), version: 1 };
        imports::made(tx, tenant, self.run, &item)?;
        Ok(Came::Done(id.clone()))
    }

    /// Ties an account to somebody who is here. RingCX is brought in line at their next change, not now.
    pub(super) fn link(
        &self,
        tx: &mut Tx<'_>,
        account: AccountRef,
        target: &Target,
    ) -> Result<Came, store::Error> {
        let tenant = &self.tenant.id;
        if let Some(owner) = self.owner(tx, account)? {
            return Ok(Came::Left(format!("belongs to person {owner} by now")));
        }
        if self.is_elsewhere(tx, account)? {
            return Ok(Came::Left(ELSEWHERE.to_owned()));
        }
        let id = match target {
            Target::Person(id) => id.clone(),
            Target::OwnerOf(agent) => match links::by_agent(tx, tenant, agent.0)? {
                Some(id) => id,
                None => return Ok(Came::Left(format!("agent {agent} has no person yet"))),
            },
        };
        let Some(found) = people::lock(tx, tenant, &id)?.filter(|it| it.deleted.is_none()) else {
            return Ok(Came::Left(format!("person {id} is gone")));
        };
        if imports::is_busy(tx, tenant, &id)? {
            return Ok(Came::Left(format!("a change of person {id} is under way; run the import again")));
        }
        let mut link = links::get(tx, tenant, &id)?.unwrap_or_default();
        let user = parse(&found.body)?;
        let Some((kind, active)) = self.take_over(account, &mut link) else {
            return Ok(Came::Left("is gone, or the person has another one by now".to_owned()));
        };
        let suspended = found.suspended || (!active && person::is_active(&user));
        let groups =
            (memberships(tx, (tenant, self.tenant.policy.nested_groups), &id)?, pins::all(tx, tenant)?);
        let wish = wish_of(self.tenant, self.known, &user, &link, (&groups.0, &groups.1));
        note_unsaid(&mut link, (&user, &wish), kind, found.imported);
        let (state, note) = report::standing(&wish, &link, suspended);
        let shown = people::Shown {
            body: &found.body,
            answer: &stored_user(&id, &user, &link, state, note.as_deref()),
            keys: &user_keys(&user),
            state,
            last_error: note.as_deref(),
            suspended,
        };
        people::confirm(tx, tenant, &id, &shown, self.now)?;
        links::save(tx, tenant, &id, &link, self.now)?;
        if let Some(agent) = link.agent.filter(|_| kind == Kind::Agent) {
            members::show_home(tx, tenant, &id, agent.id.group.0, self.now)?;
        }
        imports::follow(tx, tenant, &id, found.version, found.version + 1)?;
        let item = Item { kind, id: id.as_str().to_owned(), version: found.version + 1 };
        imports::made(tx, tenant, self.run, &item)?;
        Ok(Came::Done(id))
    }

    fn owner(&self, tx: &mut Tx<'_>, account: AccountRef) -> Result<Option<PersonId>, store::Error> {
        match account {
            AccountRef::Agent(id) => links::by_agent(tx, &self.tenant.id, id.0),
            AccountRef::Admin(id) => links::by_admin(tx, &self.tenant.id, id.0),
        }
    }

    /// Whether another tenant has taken it.
    fn is_elsewhere(&self, tx: &mut Tx<'_>, account: AccountRef) -> Result<bool, store::Error> {
        let (kind, id) = match account {
            AccountRef::Agent(id) => (inventory::Kind::Agent, id.0),
            AccountRef::Admin(id) => (inventory::Kind::Admin, id.0),
        };
        owners::is_foreign(tx, &self.tenant.id, kind, id)
    }

    /// Puts the account into a link that has none of its kind; whether it may work.
    fn take_over(&self, account: AccountRef, link: &mut Link) -> Option<(Kind, bool)> {
        if let Some(found) = self.agent(account).filter(|_| link.agent.is_none()) {
            link.agent = Some(agent_link(found));
            link.agent_applied = None;
            return Some((Kind::Agent, found.agent.is_active()));
        }
        let found = self.admin(account).filter(|_| link.admin.is_none())?;
        link.admin = Some(admin_link(found));
        link.admin_applied = None;
        Some((Kind::Admin, found.admin.enabled()))
    }

    /// The person that an account becomes.
    fn person_of(&self, account: AccountRef, user_name: &str) -> Option<(Resource, Link)> {
        if let Some(found) = self.agent(account) {
            // Only where the tenant has said so: what first contact has guessed is no word about values that were there before.
            let source = self.tenant.policy.external_agent_id_source;
            let user = user_of(&found.agent, user_name, source);
            return Some((user, Link { agent: Some(agent_link(found)), ..Link::default() }));
        }
        let found = self.admin(account)?;
        let text = |name: &str| found.admin.raw().get(name).cloned().unwrap_or_default();
        let mut user = Resource::default();
        user.set("userName", user_name.into());
        user.set("name.givenName", text("firstName"));
        user.set("name.familyName", text("lastName"));
        user.set("active", found.admin.enabled().into());
        if is_address(user_name) {
            user.set("emails", serde_json::json!([{"value": user_name, "type": "work", "primary": true}]));
        }
        // Never an agent by the tenant's default: an administrator is no contact-centre worker.
        user.set(&format!("{RINGCX_USER}:persona"), "admin".into());
        Some((user, Link { admin: Some(admin_link(found)), ..Link::default() }))
    }
}

/// What a person's resource says of their agent.
fn said_of_agent(wanted: &DesiredAgent) -> BTreeMap<String, Value> {
    let mut said = wanted.fields.clone();
    said.insert(LOGIN.to_owned(), json!(wanted.login));
    said
}

/// What it says of their administrator, whether they are to have one yet or not.
fn said_of_admin(user: &Resource) -> BTreeMap<String, Value> {
    let mut said = admin_fields(user);
    said.insert(USER_NAME.to_owned(), json!(user.text("userName")));
    said
}

/// Marks in the account that a person was given what their resource says without a client having written it: that is no wish, and
/// the account keeps its own.
fn note_unsaid(link: &mut Link, (user, wish): (&Resource, &Desired), given: Kind, imported: bool) {
    match given {
        Kind::Agent => {
            let (Some(agent), Some(wanted)) = (&mut link.agent, &wish.agent) else { return };
            agent.found.fields.retain(|field, _| !wanted.fields.contains_key(field));
            if imported {
                agent.found.fields.extend(said_of_agent(wanted));
            }
        }
        Kind::Admin => {
            let Some(admin) = &mut link.admin else { return };
            admin.found = said_of_admin(user);
            let agent = link.agent.as_ref();
            let found =
                |field: &str, value: &Value| agent.is_some_and(|agent| agent.found.holds(field, value));
            admin.found.retain(|field, value| {
                imported || found(if field == USER_NAME { LOGIN } else { field }, value)
            });
        }
        Kind::Person | Kind::Group => {}
    }
}

/// An agent as it was found: whoever it is, somebody else has decided whether it may work.
fn agent_link(found: &AgentAccount) -> AgentLink {
    AgentLink {
        id: AgentGroupAgent { agent: found.id, group: found.group },
        username: found.agent.username().unwrap_or_default().to_owned(),
        former: BTreeMap::new(),
        ours: false,
        home: Some(found.group),
        enabled: true,
        owned: std::collections::BTreeSet::new(),
        wrote_external_id: false,
        rc_user_id: found.agent.rc_user_id(),
        unseen: true,
        found: Found::of(&found.agent),
    }
}

fn admin_link(found: &AdminAccount) -> AdminLink {
    let name = found.admin.user_name().unwrap_or_default().to_owned();
    AdminLink { found_roles: found.admin.roles_shown(), ..AdminLink::new(found.id, name) }
}
