//! Which account that RingCX already has belongs to a new person.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::found::Found;
use crate::domain::import::AccountRef;
use crate::domain::link::{AdminLink, AgentGroupAgent, AgentLink, Link};
use crate::domain::mapping::ringcx_text;
use crate::domain::person::{self, UserKeys, is_rewritten_login};
use crate::domain::{PersonId, TenantId, fold};
use crate::scim::{self, Resource};
use crate::store::inventory::{self, Item, Kind};
use crate::store::{self, Tx, imports, jobs, journal, links, owners, people};
use crate::upstream::model::{AgentGroupId, AgentId, RcUserId, UserId};

use super::Error;
use super::fence::{refuse_foreign, refuse_foreign_name};
use super::tenant::{Known, Tenant};

/// The accounts that a new person takes over.
///
/// By RingCentral extension, external id or user name, and only active ones. An equal e-mail address, a disabled account or an
/// administrator is a question for a person.
///
/// # Errors
/// 409 naming the candidates; 503 while what a deleted person has left is being put away.
pub(super) fn adopt(
    tx: &mut Tx<'_>,
    (tenant, known): (&Tenant, &Known),
    (id, user, keys): (&PersonId, &Resource, &UserKeys),
    now: jiff::Timestamp,
) -> Result<Link, Error> {
    let mut link = relink(tx, &tenant.id, (id, user, keys), now)?;
    if link.agent.is_none() {
        let login = person::login_name(&tenant.policy.username_template, &keys.user_name, &tenant.account_id);
        // What another tenant has made since this one looked at RingCX is in its inventory.
        refuse_foreign_name(tx, &tenant.id, &[&keys.user_name_key, &fold(&login)])?;
    }
    if !tenant.policy.link_existing {
        return Ok(link);
    }
    if link.agent.is_none() {
        link.agent = adopt_agent(tx, tenant, user, keys)?;
    }
    if link.admin.is_none() && tenant.policy.adopt_admins {
        link.admin = adopt_admin(tx, &tenant.id, known.own_user, keys)?;
    }
    Ok(link)
}

/// The accounts of a deleted person of the same user name, where `externalId` or `employeeNumber` also agrees. What was still to be
/// done about them is the new person's from now on, the looking for calls without an answer included.
fn relink(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    (id, user, keys): (&PersonId, &Resource, &UserKeys),
    now: jiff::Timestamp,
) -> Result<Link, Error> {
    const EMPLOYEE_NUMBER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber";
    for grave in people::tombstones_by_user_name(tx, tenant, &keys.user_name_key)? {
        let Ok(former) = Resource::from_json(&grave.body) else { continue };
        let agrees = |path: &str| user.text(path).is_some() && user.text(path) == former.text(path);
        if !agrees("externalId") && !agrees(EMPLOYEE_NUMBER) {
            continue;
        }
        let Some(mut link) =
            links::get(tx, tenant, &grave.id)?.filter(|it| it.agent.is_some() || it.admin.is_some())
        else {
            continue;
        };
        if !jobs::drop_idle(tx, tenant, &grave.id, now)? {
            return Err(Error::Scim(scim::Error::new(
                503,
                "What RingCX has of this person from before is being put away; send the request again.",
            )));
        }
        journal::hand_over(tx, tenant, &grave.id, id)?;
        links::remove(tx, tenant, &grave.id)?;
        // Whoever was deleted is off by our doing, although the work on that may have been cut short before it was noted.
        if let Some(agent) = &mut link.agent {
            agent.enabled = false;
        }
        if let Some(admin) = &mut link.admin {
            admin.enabled = false;
        }
        return Ok(Link { agent_applied: None, admin_applied: None, ..link });
    }
    Ok(Link::default())
}

fn adopt_agent(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    user: &Resource,
    keys: &UserKeys,
) -> Result<Option<AgentLink>, Error> {
    let id = &tenant.id;
    let mut found = Vec::new();
    if let Some(extension) = ringcx_text(user, "rcExtensionId").and_then(|text| text.parse().ok()) {
        let tied = inventory::by_rc_user(tx, id, Kind::Agent, extension)?;
        refuse_foreign(tx, id, &tied)?;
        found = unlinked(tx, id, tied)?;
    }
    if let (true, Some(external)) = (found.is_empty(), keys.external_id.as_deref()) {
        let keyed = inventory::by_external(tx, id, Kind::Agent, external)?;
        refuse_foreign(tx, id, &keyed)?;
        refuse_key_of_another(tx, id, &keyed)?;
        found = unlinked(tx, id, keyed)?;
    }
    if found.is_empty() {
        let named = of_login(tx, tenant, &keys.user_name)?;
        refuse_foreign(tx, id, &named)?;
        found = unlinked(tx, id, named)?;
    }
    match the_one(tx, id, found)? {
        Some(item) => Ok(Some(link_to(&item))),
        None => refuse_equal_email(tx, tenant, keys).map(|()| None),
    }
}

/// The agent, of those that were found for a person, that is taken over.
///
/// # Errors
/// 409 where only a person can decide: one that a decision has left out, one that is switched off, or several.
pub(super) fn the_one(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    mut found: Vec<Item>,
) -> Result<Option<Item>, Error> {
    refuse_left_out(tx, tenant, &found)?;
    match found.as_slice() {
        [] => Ok(None),
        [item] if item.active => Ok(found.pop()),
        [item] => Err(undecided(&format!("RingCX agent {} has this user name and is switched off", item.id))),
        several => Err(undecided(&format!("RingCX agents {} could all be this person", ids(several)))),
    }
}

/// The link to an active agent that is taken over, as the lists have shown it.
pub(super) fn link_to(item: &Item) -> AgentLink {
    AgentLink {
        id: AgentGroupAgent { agent: AgentId(item.id), group: AgentGroupId(item.group.unwrap_or_default()) },
        username: item.name.clone(),
        ours: false,
        home: item.group.map(AgentGroupId),
        enabled: true,
        owned: BTreeSet::new(),
        former: BTreeMap::new(),
        wrote_external_id: false,
        rc_user_id: item.rc_user_id.map(RcUserId),
        unseen: true,
        found: Found::default(),
    }
}

/// The agents whose login name is this user name, what the template makes of it, or what RingCX makes of that.
pub(super) fn of_login(tx: &mut Tx<'_>, tenant: &Tenant, user_name: &str) -> Result<Vec<Item>, store::Error> {
    let (id, account) = (&tenant.id, &tenant.account_id);
    let login = person::login_name(&tenant.policy.username_template, user_name, account);
    let mut named = inventory::by_name(tx, id, Kind::Agent, &fold(user_name))?;
    named.extend(of_login_name(tx, id, account, &login)?);
    named.sort_by_key(|item| item.id);
    named.dedup_by_key(|item| item.id);
    Ok(named)
}

/// The agents whose login name is this one, or what RingCX makes of it.
pub(super) fn of_login_name(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    account: &str,
    login: &str,
) -> Result<Vec<Item>, store::Error> {
    let mut named = inventory::by_name(tx, tenant, Kind::Agent, &fold(login))?;
    let rewritten = inventory::by_name_between(tx, tenant, Kind::Agent, &rewritten_range(login, account))?;
    named.extend(rewritten.into_iter().filter(|it| is_rewritten_login(login, &it.name, account)));
    named.sort_by_key(|item| item.id);
    named.dedup_by_key(|item| item.id);
    Ok(named)
}

fn refuse_equal_email(tx: &mut Tx<'_>, tenant: &Tenant, keys: &UserKeys) -> Result<(), Error> {
    if !tenant.policy.trust_email {
        return Ok(());
    }
    let id = &tenant.id;
    for email in &keys.emails {
        let found = inventory::by_email(tx, id, Kind::Agent, email)?;
        for item in unlinked(tx, id, found.clone())? {
            // An address proves nothing, so who was left out is somebody else.
            if !is_left_out(tx, id, &item)? {
                return Err(undecided(&format!(
                    "RingCX agent {} has this person's e-mail address and another user name",
                    item.id
                )));
            }
        }
        for item in found {
            refuse_unclaimed(tx, id, &item)?;
        }
    }
    Ok(())
}

/// Nobody has spoken yet of a user whom only the import has made: who shares an address with them may be the same person under
/// another name, and would get a second agent.
fn refuse_unclaimed(tx: &mut Tx<'_>, tenant: &TenantId, item: &Item) -> Result<(), Error> {
    let Some(owner) = links::by_agent(tx, tenant, item.id)? else { return Ok(()) };
    if people::get(tx, tenant, &owner)?.is_none_or(|person| !person.imported) {
        return Ok(());
    }
    Err(Error::Scim(scim::Error::uniqueness(format!(
        "RingCX agent {} has this person's e-mail address, and the import has made user {owner} of it, to whom no client has written \
         yet. If they are one person, have the identity provider match users by that user's userName or e-mail address; if not, \
         change the address in RingCX and import again.",
        item.id
    ))))
}

/// An agent that somebody else has, with a key that the bridge did not write: two agents of one key would mix two people up.
fn refuse_key_of_another(tx: &mut Tx<'_>, tenant: &TenantId, items: &[Item]) -> Result<(), Error> {
    for item in items {
        let Some(owner) = links::by_agent(tx, tenant, item.id)? else { continue };
        let link = links::get(tx, tenant, &owner)?.and_then(|link| link.agent);
        let theirs = link.is_some_and(|agent| !agent.wrote_external_id);
        if theirs && people::get(tx, tenant, &owner)?.is_some() {
            return Err(Error::Scim(scim::Error::uniqueness(format!(
                "RingCX agent {} has this externalId as its externalAgentId and belongs to user {owner}; correct the one or the \
                 other, or match that user.",
                item.id
            ))));
        }
    }
    Ok(())
}

fn is_left_out(tx: &mut Tx<'_>, tenant: &TenantId, item: &Item) -> Result<bool, store::Error> {
    imports::is_left_out(tx, tenant, &account_of(item).to_string())
}

/// What a person has decided to leave alone is taken over by nobody.
fn refuse_left_out(tx: &mut Tx<'_>, tenant: &TenantId, items: &[Item]) -> Result<(), Error> {
    for item in items {
        if is_left_out(tx, tenant, item)? {
            let account = account_of(item);
            return Err(Error::Scim(scim::Error::uniqueness(format!(
                "The RingCX account {account} fits this person and was left out by a decision; \
                 `ringcx-scim import --decide {account}=ask` takes that back."
            ))));
        }
    }
    Ok(())
}

fn account_of(item: &Item) -> AccountRef {
    match item.kind {
        Kind::Agent => AccountRef::Agent(AgentId(item.id)),
        Kind::Admin => AccountRef::Admin(UserId(item.id)),
    }
}

/// Who of this tenant has the agent with a login name that RingCX says is taken, in words; nothing where nobody has.
pub(super) fn whose_login(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    login: &str,
) -> Result<Option<String>, store::Error> {
    for item in inventory::by_name(tx, tenant, Kind::Agent, &fold(login))? {
        let Some(owner) = links::by_agent(tx, tenant, item.id)? else { continue };
        let Some(person) = people::get_any(tx, tenant, &owner)? else { continue };
        return Ok(Some(match person.deleted {
            None => format!("It is the login name of RingCX agent {} of user {owner}.", item.id),
            Some(_) => format!(
                "It is the login name of RingCX agent {}, which was that of user {owner}, who was deleted: send the same externalId \
                 or employeeNumber to have it again, or hand it back with `ringcx-scim tenant disown --person {owner}`.",
                item.id
            ),
        }));
    }
    Ok(None)
}

fn adopt_admin(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    own: Option<UserId>,
    keys: &UserKeys,
) -> Result<Option<AdminLink>, Error> {
    let mut found = inventory::by_name(tx, tenant, Kind::Admin, &keys.user_name_key)?;
    // The bridge's own account is nobody's, whatever else is made under its name.
    found.retain(|item| Some(UserId(item.id)) != own);
    refuse_foreign(tx, tenant, &found)?;
    refuse_left_out(tx, tenant, &found)?;
    let Some(item) = found.into_iter().next() else { return Ok(None) };
    if links::by_admin(tx, tenant, item.id)?.is_some() {
        return Ok(None);
    }
    if !item.active {
        return Err(undecided(&format!(
            "RingCX administrator {} has this user name and is switched off",
            item.id
        )));
    }
    // Whether it holds privileged roles is looked at before anything is done with it.
    Ok(Some(AdminLink { unproven: true, ..AdminLink::new(UserId(item.id), item.name) }))
}

/// Those that are nobody's yet.
pub(super) fn unlinked(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    items: Vec<Item>,
) -> Result<Vec<Item>, store::Error> {
    let mut free = Vec::new();
    for item in items {
        let free_here = links::by_agent(tx, tenant, item.id)?.is_none();
        if free_here && !owners::is_foreign(tx, tenant, item.kind, item.id)? {
            free.push(item);
        }
    }
    Ok(free)
}

/// The names between which every rewritten form of `login` lies.
fn rewritten_range(login: &str, account_id: &str) -> (String, String) {
    let login = fold(login);
    let local = login.split('@').next().unwrap_or_default();
    (format!("{local}+{account_id}_"), format!("{local}+{account_id}`"))
}

/// Their ids, in one line.
fn ids(items: &[Item]) -> String {
    items.iter().map(|item| item.id.to_string()).collect::<Vec<_>>().join(", ")
}

fn undecided(what: &str) -> Error {
    Error::Scim(question(what))
}

/// What is answered where a person must decide.
pub(super) fn question(what: &str) -> scim::Error {
    scim::Error::uniqueness(format!(
        "{what}; decide with `ringcx-scim import` whether they belong together, or change the account in RingCX."
    ))
}
