//! RingCentral's users as an administrator knows them: who is an agent, who could be one, and making agents of them.
//!
//! What is made goes the way of every write: intent, job, journal, one agent per person. Nothing here calls RingCX to change
//! it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use super::listing::{Listed, note};
use super::tenant::Tenant;
use super::work::parse;
use super::{ContactError, Drift, Reconciler};
use crate::domain::desired::group_named;
use crate::domain::office::{Choice, Extensions, is_usable};
use crate::domain::{PersonId, Policy, TenantId, fold, mapping, person};
use crate::store::{self, Tx, inventory, journal, links, people};
use crate::upstream::model::{AgentGroupId, AgentId, Extension, RcAccess, RcUserId};
use crate::upstream::{self, Lane};

/// A RingCentral user, and whether they are an agent.
#[derive(Clone, Debug, Serialize)]
pub struct OfficeUser {
    /// The id of the extension; text, so that no reader rounds it.
    #[serde(serialize_with = "as_text")]
    pub id: RcUserId,
    /// The number of the extension.
    pub extension: Option<String>,
    /// The person's name.
    pub name: Option<String>,
    /// The person's e-mail address.
    pub email: Option<String>,
    /// `User`, `VirtualUser` and so on.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// `Enabled`, `NotActivated` and so on.
    pub status: Option<String>,
    /// Their agent in this account.
    pub agent: Option<OfficeAgent>,
    /// Their SCIM id.
    pub person: Option<PersonId>,
}

/// The agent of a RingCentral user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OfficeAgent {
    /// Its id, as text like every id in the resources.
    #[serde(serialize_with = "as_text")]
    pub id: AgentId,
    /// Whether it is known to be tied to the extension; otherwise it has their login name or address.
    pub linked: bool,
}

fn as_text<S: serde::Serializer>(id: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// RingCentral's users, read together with the agents of the account.
pub struct Office {
    /// The users, by extension number.
    pub users: Vec<OfficeUser>,
    extensions: Arc<Extensions>,
    listed: Listed,
}

/// Why RingCentral's users cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum OfficeError {
    /// The account has nothing to do with RingCentral.
    #[error(
        "this RingCX account is not linked to RingCentral (rcAccountAccess is DISABLED), so its agents have no extensions; have \
         RingCentral link it"
    )]
    NotLinked,
    /// The list of extensions is not served.
    #[error("the RingCentral users cannot be read: {0}")]
    Unread(upstream::Error),
    /// The account cannot be read.
    #[error(transparent)]
    Contact(#[from] ContactError),
}

impl From<store::Error> for OfficeError {
    fn from(error: store::Error) -> Self {
        Self::Contact(error.into())
    }
}

/// What an import does about one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A new person of the tenant gets a new agent.
    Create,
    /// A person of the tenant who has no agent gets one.
    Use(PersonId),
    /// They are an agent already, tied to this extension.
    Nothing,
    /// Not for a program to decide, and why.
    Left(String),
}

impl Office {
    /// The users that an operator names by number, id or e-mail address.
    ///
    /// # Errors
    /// A sentence for the first name that means nobody, or more than one.
    pub fn named(&self, names: &[String]) -> Result<Vec<OfficeUser>, String> {
        let mut chosen: Vec<OfficeUser> = Vec::new();
        for name in names {
            let found = self.extensions.named(name);
            let [one] = found.as_slice() else {
                let ids: Vec<String> = found.iter().map(|it| it.id.to_string()).collect();
                return Err(if ids.is_empty() {
                    format!(
                        "RingCentral has no user with extension, id or e-mail address \"{name}\"; see `ringcx-scim office list`"
                    )
                } else {
                    format!("\"{name}\" means the RingCentral users {}; name one by its id", ids.join(", "))
                });
            };
            if !chosen.iter().any(|it| it.id == one.id) {
                chosen.extend(self.users.iter().find(|it| it.id == one.id).cloned());
            }
        }
        Ok(chosen)
    }

    /// The users whose number, name or e-mail address contains `text`, in any case.
    pub fn matching(&self, text: &str) -> Vec<OfficeUser> {
        let wanted = fold(text.trim());
        let speaks = |field: &Option<String>| field.as_deref().is_some_and(|it| fold(it).contains(&wanted));
        let fits = |it: &&OfficeUser| speaks(&it.extension) || speaks(&it.name) || speaks(&it.email);
        self.users.iter().filter(fits).cloned().collect()
    }

    /// The extension of an e-mail address, by the tenant's rules.
    pub fn of_email(&self, email: &str, policy: &Policy) -> Choice<'_> {
        self.extensions.of_email(email, &policy.link_rc_statuses)
    }

    /// The extension of a user, as RingCentral has it.
    pub fn extension(&self, id: RcUserId) -> Option<&Extension> {
        self.extensions.by_id(id)
    }
}

impl Reconciler {
    /// RingCentral's users with their agents, read now; changes nothing.
    ///
    /// # Errors
    /// When the account is not linked to RingCentral, or one of the two cannot be read.
    pub async fn office(&self, tenant: &TenantId) -> Result<Office, OfficeError> {
        let tenant =
            self.tenants.get(tenant).cloned().ok_or_else(|| {
                store::Error::Corrupt(format!("there is no tenant {tenant} in this process"))
            })?;
        self.first_contact(&tenant).await?;
        let known = tenant.known().unwrap_or_default();
        let calls = tenant.ringcx.calls(Lane::Update, None);
        if self.refresh_access(&tenant).await? == Some(RcAccess::Disabled) {
            return Err(OfficeError::NotLinked);
        }
        let extensions = tenant.extensions(&calls, std::time::Duration::ZERO).await;
        let extensions = extensions.map_err(OfficeError::Unread)?;
        let listed = self.list(&tenant, &known, &calls, &mut Drift::default()).await?;
        let (of, all) = (Arc::clone(&tenant), Arc::clone(&extensions));
        let users = self.store.read_long(move |tx| users(tx, &of, &all)).await?;
        Ok(Office { users, extensions, listed })
    }

    /// The agent group of a name, read again when it is not known.
    ///
    /// # Errors
    /// A sentence that names the group.
    pub async fn agent_group(&self, tenant: &TenantId, name: &str) -> Result<AgentGroupId, String> {
        let tenant = self.tenant(tenant).map_err(|error| error.to_string())?;
        let known = tenant.known().unwrap_or_default();
        if let Ok(id) = group_named(name, &known.directory.agent_groups) {
            return Ok(id);
        }
        let known = self.refresh_names(tenant).await.map_err(|error| error.to_string())?;
        let known = known.ok_or("the agent groups of RingCX cannot be read now; try again later")?;
        group_named(name, &known.directory.agent_groups)
    }

    /// What an import would do about each of these users.
    ///
    /// # Errors
    /// What RingCX or the store said where a look was needed.
    pub async fn plan_office_import(
        &self,
        tenant: &TenantId,
        office: &Office,
        chosen: Vec<OfficeUser>,
    ) -> Result<Vec<(OfficeUser, Decision)>, OfficeError> {
        let Some(tenant) = self.tenants.get(tenant).cloned() else { return Ok(Vec::new()) };
        let mut emails: BTreeSet<String> = BTreeSet::new();
        let mut planned = Vec::new();
        for mut user in chosen {
            let email = user.email.as_deref().map(fold);
            let decision = match &email {
                None => Decision::Left("has no e-mail address, which would be the user name".to_owned()),
                Some(email) if !emails.insert(email.clone()) => {
                    Decision::Left("has the e-mail address of another chosen user".to_owned())
                }
                Some(_) => {
                    let begun = self.has_begun(&tenant, &user).await?;
                    if user.agent.is_none() && !begun {
                        user.agent = self.hidden_agent(&tenant, office, &user).await?;
                    }
                    let (of, of_user) = (Arc::clone(&tenant), user.clone());
                    let extension = office.extension(user.id).cloned();
                    self.store.read(move |tx| decide(tx, &of, &of_user, extension.as_ref())).await?
                }
            };
            planned.push((user, decision));
        }
        Ok(planned)
    }

    /// Whether an agent of this person may have been made by a call that was not answered; the person's job finds it.
    async fn has_begun(&self, tenant: &Tenant, user: &OfficeUser) -> Result<bool, store::Error> {
        let Some(person) = user.person.clone() else { return Ok(false) };
        let of = tenant.id.clone();
        let open = self.store.read(move |tx| journal::unfinished(tx, &of, &person)).await?;
        Ok(open.iter().any(|entry| entry.operation == "createAgent"))
    }

    /// Lists may show neither extension nor address: agents of the same name are looked at one by one.
    async fn hidden_agent(
        &self,
        tenant: &Tenant,
        office: &Office,
        user: &OfficeUser,
    ) -> Result<Option<OfficeAgent>, OfficeError> {
        let Some(extension) = office.extension(user.id) else { return Ok(None) };
        let calls = tenant.ringcx.calls(Lane::Update, None);
        let same = |seen: Option<&str>, wanted: &Option<String>| {
            seen.map(fold) == wanted.as_deref().map(fold) && seen.is_some()
        };
        for (id, (group, agent)) in &office.listed {
            let silent = !agent.raw().contains_key("rcUserId");
            let named = same(agent.first_name(), &extension.first_name)
                && same(agent.last_name(), &extension.last_name);
            if !silent || !named {
                continue;
            }
            let agent = match calls.agent(*group, AgentId(*id)).await {
                Ok(agent) => agent,
                Err(upstream::Error::NotFound | upstream::Error::Forbidden(_)) => continue,
                Err(error) => return Err(ContactError::from(error).into()),
            };
            let linked = agent.rc_user_id() == Some(user.id);
            let item = inventory::Item::agent(&agent, *group, self.clock.now());
            let (of, account) = (tenant.id.clone(), tenant.account_id.clone());
            self.store.write(move |tx| note(tx, (&of, &account), item.as_slice(), inventory::put)).await?;
            if linked || same(agent.email(), &user.email) {
                return Ok(Some(OfficeAgent { id: AgentId(*id), linked }));
            }
        }
        Ok(None)
    }
}

/// The users with their agents: by extension, else by login name or address.
fn users(tx: &mut Tx<'_>, tenant: &Tenant, all: &Extensions) -> Result<Vec<OfficeUser>, store::Error> {
    let mut found = Vec::new();
    for extension in all.people() {
        let agent = agent_of(tx, tenant, extension)?;
        let by_agent = match agent {
            Some(agent) => links::by_agent(tx, &tenant.id, agent.id.0)?,
            None => None,
        };
        let person = match (by_agent, &extension.email) {
            (None, Some(email)) => people::by_address(tx, &tenant.id, &fold(email))?,
            (by_agent, _) => by_agent,
        };
        found.push(OfficeUser {
            id: extension.id,
            extension: extension.number.clone(),
            name: extension.name.clone(),
            email: extension.email.clone(),
            kind: extension.kind.clone(),
            status: extension.status.clone(),
            agent,
            person,
        });
    }
    let number = |user: &OfficeUser| user.extension.as_deref().and_then(|it| it.parse::<u64>().ok());
    found.sort_by_key(|user| (number(user).unwrap_or(u64::MAX), user.id));
    Ok(found)
}

fn agent_of(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    extension: &Extension,
) -> Result<Option<OfficeAgent>, store::Error> {
    let kind = inventory::Kind::Agent;
    let tied = inventory::by_rc_user(tx, &tenant.id, kind, extension.id.0)?;
    if let Some(item) = tied.first() {
        return Ok(Some(OfficeAgent { id: AgentId(item.id), linked: true }));
    }
    let Some(email) = extension.email.as_deref() else { return Ok(None) };
    let mut alike = inventory::by_email(tx, &tenant.id, kind, &fold(email))?;
    alike.extend(super::matching::of_login(tx, tenant, email)?);
    // One that is known to be tied to another extension is somebody else's.
    let free = alike.into_iter().find(|item| item.rc_user_id.is_none());
    Ok(free.map(|item| OfficeAgent { id: AgentId(item.id), linked: false }))
}

fn decide(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    user: &OfficeUser,
    extension: Option<&Extension>,
) -> Result<Decision, store::Error> {
    let statuses = &tenant.policy.link_rc_statuses;
    let left = |why: String| Ok(Decision::Left(why));
    if let Some(agent) = user.agent {
        let person = links::by_agent(tx, &tenant.id, agent.id.0)?;
        return match (agent.linked, person) {
            (true, Some(_)) => Ok(Decision::Nothing),
            (true, None) => left(format!(
                "is agent {} already, which no person of this tenant has; take it over with `ringcx-scim import`",
                agent.id
            )),
            (false, Some(person)) => {
                left(format!("is agent {} already; tie it with `ringcx-scim office link {person}`", agent.id))
            }
            (false, None) => left(format!(
                "agent {} has this login name or e-mail address; decide with `ringcx-scim import` whether it is theirs",
                agent.id
            )),
        };
    }
    if extension.is_none_or(|it| !is_usable(it, statuses)) {
        let status = user.status.as_deref().unwrap_or("unknown");
        return left(format!("its state is {status}, in which no agent is tied (setting link_rc_statuses)"));
    }
    let Some(id) = &user.person else { return Ok(Decision::Create) };
    let Some(person) = people::get(tx, &tenant.id, id)? else { return Ok(Decision::Create) };
    let resource = parse(&person.body)?;
    if !person::is_active(&resource) {
        return left(format!("user {id} is switched off by the identity provider"));
    }
    if links::get(tx, &tenant.id, id)?.is_some_and(|link| link.agent.is_some()) {
        return left(format!("user {id} has another agent; tie it with `ringcx-scim office link {id}`"));
    }
    match mapping::ringcx_text(&resource, "rcExtensionId") {
        Some(other) if other != user.id.to_string() => {
            left(format!("user {id} names another extension in rcExtensionId"))
        }
        _ => Ok(Decision::Use(id.clone())),
    }
}
