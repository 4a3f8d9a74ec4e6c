//! What an operator decides about blocked people: let it go on, or have it as it was.
//!
//! One transaction per person, so that a command that is interrupted can be run again, and a running server works off what is
//! decided while the rest is still being decided.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::breaker::{self, Former};
use super::tenant::Tenant;
use super::work::{Loaded, parse};
use super::{Error, Reconciler, accept, nesting, report};
use crate::domain::person::user_keys;
use crate::domain::{Actor, GroupId, PersonId, TenantId};
use crate::scim::{Resource, urn};
use crate::store::losses::{self, Block, Loss};
use crate::store::revisions::{self, Kind, NewRevision, Outcome};
use crate::store::{self, Tx, audit, groups, jobs, links, members, names, people};
use crate::upstream::Lane;

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was meant: everything that is blocked goes on.
    Release,
    /// It was a mistake: what is blocked is dropped, and what went through before is given back.
    Reject,
}

/// What a decision came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// Whose change was blocked and is not any more.
    pub decided: Vec<PersonId>,
    /// Who had lost access already and gets it back.
    pub restored: Vec<PersonId>,
    /// Whose deletion was confirmed before anything was blocked: they stay deleted unless they are named.
    pub stays_deleted: Vec<PersonId>,
    /// Who was switched off in RingCX by hand and is switched on again.
    pub switched_on: Vec<PersonId>,
    /// Jobs that waited for a person and are tried again.
    pub unparked: u64,
    /// For whom it could not be done, and why.
    pub left: Vec<(PersonId, String)>,
}

impl Decided {
    /// Whether there was nothing to decide.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What a rejection is about, before it is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejection {
    /// Whose change is blocked.
    pub blocked: Vec<PersonId>,
    /// Who had lost access already.
    pub passed: Vec<Passed>,
}

/// Somebody who lost access before a rule blocked others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Who.
    pub person: PersonId,
    /// When the identity provider said so.
    pub at: jiff::Timestamp,
    /// Whether it was told that the person is deleted. It does not know them any more, and creates them anew when they come back.
    pub deleted: bool,
}

/// What came of one person.
enum One {
    Nothing,
    Done,
    Left(String),
}

/// People of one look at the list.
const AT_ONCE: i64 = 200;

/// The attributes that give access.
const ATTRIBUTES: [&str; 3] = ["active", "roles", "entitlements"];

impl Reconciler {
    /// What a rejection would drop and give back, of everybody or of one person.
    ///
    /// # Errors
    /// When there is no such tenant, or the store cannot answer.
    pub async fn rejection(&self, tenant: &TenantId, person: Option<&PersonId>) -> Result<Rejection, Error> {
        let (of, only) = (self.tenant(tenant)?.id.clone(), person.cloned());
        let found = self.store.read_long(move |tx| {
            let mut blocked = losses::blocked(tx, &of, "", i64::MAX)?;
            blocked.retain(|id| only.as_ref().is_none_or(|only| only == id));
            Ok::<_, store::Error>(Rejection { blocked, passed: passed(tx, &of, only.as_ref())? })
        });
        Ok(found.await?)
    }

    /// Decides about everybody whose change is blocked, or about one person; `except` are left as they are.
    ///
    /// Releasing one person also ends a local disable of theirs. A rejection gives nobody back who is deleted, unless it names them.
    ///
    /// # Errors
    /// When there is no such tenant, or the store cannot answer.
    pub async fn decide(
        &self,
        tenant: &TenantId,
        by: &Actor,
        verdict: Verdict,
        person: Option<&PersonId>,
        except: &BTreeSet<PersonId>,
    ) -> Result<Decided, Error> {
        let tenant = Arc::clone(self.tenant(tenant)?);
        let mut decided = Decided::default();
        if verdict == Verdict::Reject {
            self.restore_all(&tenant, by, person, except, &mut decided).await?;
        }
        let mut after = String::new();
        loop {
            let people = if let Some(id) = person {
                vec![id.clone()]
            } else {
                let (of, from) = (tenant.id.clone(), after.clone());
                self.store.read(move |tx| losses::blocked(tx, &of, &from, AT_ONCE)).await?
            };
            let Some(last) = people.last() else { break };
            after = last.to_string();
            for id in people.into_iter().filter(|id| !except.contains(id)) {
                match self.decide_one(&tenant, by, verdict, &id).await? {
                    One::Nothing => {}
                    One::Done => decided.decided.push(id),
                    One::Left(why) => decided.left.push((id, why)),
                }
            }
            self.bell.notify_waiters();
            if person.is_some() {
                break;
            }
        }
        if verdict == Verdict::Release {
            self.let_go(&tenant, by, person, &mut decided).await?;
        }
        self.bell.notify_waiters();
        Ok(decided)
    }

    /// Gives back what went through in the windows of the rules that block something now.
    async fn restore_all(
        &self,
        tenant: &Arc<Tenant>,
        by: &Actor,
        person: Option<&PersonId>,
        except: &BTreeSet<PersonId>,
        decided: &mut Decided,
    ) -> Result<(), Error> {
        let passed = self.rejection(&tenant.id, person).await?.passed;
        for Passed { person: id, deleted, .. } in passed.into_iter().filter(|it| !except.contains(&it.person))
        {
            if deleted && person.is_none() {
                decided.stays_deleted.push(id);
                continue;
            }
            let record = self.record(&id, Some(by.clone()), "mass_change_restored", &Value::Null);
            let (of, by, who, now) = (Arc::clone(tenant), by.clone(), id.clone(), self.clock.now());
            let one = self
                .store
                .write(move |tx| {
                    people::lock(tx, &of.id, &who)?;
                    losses::lock(tx, &of.id)?;
                    let Some(loss) = losses::get(tx, &of.id, &who)?.filter(|it| it.block.is_none()) else {
                        return Ok(One::Nothing);
                    };
                    let one = restore(tx, &of, &loss, &by, now)?;
                    if matches!(one, One::Done) {
                        audit::append(tx, &of.id, &record)?;
                    }
                    Ok::<_, Error>(one)
                })
                .await?;
            match one {
                One::Nothing => {}
                One::Done => decided.restored.push(id),
                One::Left(why) => decided.left.push((id, why)),
            }
        }
        Ok(())
    }

    async fn decide_one(
        &self,
        tenant: &Arc<Tenant>,
        by: &Actor,
        verdict: Verdict,
        id: &PersonId,
    ) -> Result<One, Error> {
        let action = match verdict {
            Verdict::Release => "mass_change_released",
            Verdict::Reject => "mass_change_rejected",
        };
        let record = self.record(id, Some(by.clone()), action, &Value::Null);
        let (of, by, id, now) = (Arc::clone(tenant), by.clone(), id.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                // The person before the guard, as writes do.
                let person = people::lock(tx, &of.id, &id)?;
                losses::lock(tx, &of.id)?;
                let loss = losses::get(tx, &of.id, &id)?;
                let Some(loss) = loss.filter(|it| it.block.is_some()) else { return Ok(One::Nothing) };
                let Some(person) = person else { return Ok(One::Nothing) };
                let loaded = breaker::loaded(tx, (&of.id, of.policy.nested_groups), person)?;
                let one = match verdict {
                    Verdict::Release => release(tx, &of, &loaded, &by, now)?,
                    Verdict::Reject => {
                        let one = restore(tx, &of, &loss, &by, now)?;
                        if matches!(one, One::Done) {
                            let why = json!({"detail": "An operator rejected the change."}).to_string();
                            revisions::end_blocked(tx, &of.id, &id, &why, now)?;
                        }
                        one
                    }
                };
                if matches!(one, One::Done) {
                    let detail = json!({"rule": loss.block.as_ref().map(|it| &it.rule)}).to_string();
                    audit::append(tx, &of.id, &audit::Record { detail, ..record.clone() })?;
                }
                Ok(one)
            })
            .await
    }

    /// What a release does besides: counting begins anew, parked work is tried again, a local disable ends.
    async fn let_go(
        &self,
        tenant: &Arc<Tenant>,
        by: &Actor,
        person: Option<&PersonId>,
        decided: &mut Decided,
    ) -> Result<(), Error> {
        let (of, now) = (tenant.id.clone(), self.clock.now());
        let Some(id) = person else {
            let any = !decided.decided.is_empty();
            decided.unparked = self
                .store
                .write(move |tx| {
                    if any {
                        losses::lock(tx, &of)?;
                        losses::forget_passed(tx, &of)?;
                    }
                    jobs::unpark(tx, &of, now)
                })
                .await?;
            return Ok(());
        };
        let record = self.record(id, Some(by.clone()), "local_disable_ended", &Value::Null);
        let (who, by) = (id.clone(), by.clone());
        let (unparked, switched_on) = self
            .store
            .write(move |tx| {
                let suspended = end_local_disable(tx, &of, &who, &by, now)?;
                if suspended {
                    audit::append(tx, &of, &record)?;
                }
                Ok::<_, store::Error>((jobs::unpark_one(tx, &of, &who, now)?, suspended))
            })
            .await?;
        decided.unparked = u64::from(unparked);
        decided.switched_on.extend(switched_on.then(|| id.clone()));
        Ok(())
    }
}

/// Who lost access in the windows of the rules that block something now; of one person who is named also the deletion that no
/// rule has counted with what is blocked: a rejection of all has left it, and somebody may want it back afterwards.
fn passed(tx: &mut Tx<'_>, tenant: &TenantId, only: Option<&PersonId>) -> Result<Vec<Passed>, store::Error> {
    let blocks = losses::blocks(tx, tenant)?;
    let found = match (only, blocks.iter().map(|it| it.since).min()) {
        (Some(id), _) => losses::get(tx, tenant, id)?.filter(|it| it.counts).into_iter().collect(),
        (None, Some(first)) => losses::since(tx, tenant, first)?,
        (None, None) => Vec::new(),
    };
    let mut passed = Vec::new();
    for loss in found.into_iter().filter(|it| it.block.is_none()) {
        let former = Former::of(&loss)?;
        let person = people::get_any(tx, tenant, &loss.person)?;
        let deleted = person.is_some_and(|it| it.deleted.is_some());
        if (deleted && only.is_some()) || blocks.iter().any(|block| belongs(&loss, &former, block)) {
            passed.push(Passed { person: loss.person, at: loss.at, deleted });
        }
    }
    Ok(passed)
}

/// Whether a loss that went through is part of what a rule has counted. An emptied group is blocked as a whole.
fn belongs(loss: &Loss, former: &Former, block: &Block) -> bool {
    let counted = block.rule != breaker::BY_EMPTY && loss.at > block.since;
    counted && block.group.as_ref().is_none_or(|group| former.groups.contains(group))
}

/// Lets the blocked writes of a person wait for RingCX like any other, and their departures count.
fn release(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    loaded: &Loaded,
    by: &Actor,
    now: jiff::Timestamp,
) -> Result<One, Error> {
    let id = &loaded.person.id;
    let rules = tenant.rules.uncounted();
    let mut base = accept::base_of(loaded)?;
    let mut anew = Vec::new();
    for revision in &loaded.blocked {
        let body = if revision.kind == Kind::Delete {
            base.clone()
        } else {
            match report::again(&base, revision, &rules) {
                Ok(body) => body,
                Err(why) => return Ok(One::Left(why.detail)),
            }
        };
        if let Some(why) = claim(tx, &tenant.id, id, &body)? {
            return Ok(One::Left(why));
        }
        anew.push((revision, body.to_json()));
        base = body;
    }
    revisions::end_blocked(tx, &tenant.id, id, &json!({"detail": "released"}).to_string(), now)?;
    losses::forget(tx, &tenant.id, id)?;
    let lane = if anew.is_empty() { Lane::Revoke } else { Lane::Deactivate };
    for (revision, body) in anew {
        let change = super::work::change_of(revision);
        let new = NewRevision { kind: revision.kind, change: &change, body: &body, by: &revision.by, now };
        revisions::append(tx, &tenant.id, id, &new)?;
    }
    jobs::enqueue_for(tx, &tenant.id, id, lane, (now, now), by)?;
    Ok(One::Done)
}

/// Gives a person back what a loss has taken, or was to take. What a group gives is the identity provider's to put right.
fn restore(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    loss: &Loss,
    by: &Actor,
    now: jiff::Timestamp,
) -> Result<One, Error> {
    let (of, id) = (&tenant.id, &loss.person);
    let former = Former::of(loss)?;
    let Some(person) = people::lock(tx, of, id)? else { return Ok(One::Nothing) };
    let deleted = person.deleted.is_some();
    if deleted {
        let body = parse(&person.body)?;
        if let Some(why) = claim(tx, of, id, &body)? {
            return Ok(One::Left(why));
        }
        people::revive(tx, of, id, &user_keys(&body).emails, now)?;
        rejoin(tx, tenant, &former.groups, id, now)?;
    }
    for group in &former.kept {
        if nesting::has(tx, tenant, &group.id, id)? {
            let why = format!(
                "group {} gives less than it did; give it its name and externalId back, or release",
                group.id
            );
            return Ok(One::Left(why));
        }
    }
    let left = former.left.iter().chain(&former.kept).map(|group| group.id.clone()).collect();
    rejoin(tx, tenant, &left, id, now)?;
    losses::forget(tx, of, id)?;
    for waiting in revisions::waiting(tx, of, id)?.iter().filter(|it| it.kind == Kind::Delete) {
        let why = json!({"status": 409, "detail": "An operator rejected the deletion."}).to_string();
        revisions::finish_one(tx, of, id, waiting.seq, Outcome::Refused, Some(&why), now)?;
    }
    if let Some(before) = &former.body {
        let Some(person) = people::lock(tx, of, id)? else { return Ok(One::Nothing) };
        let base = accept::base_of(&breaker::loaded(tx, (of, tenant.policy.nested_groups), person)?)?;
        let (body, operations) = access_of(&parse(before)?, &base);
        if !operations.is_empty() {
            let change = json!({"schemas": [urn::PATCH_OP], "Operations": operations});
            let new = NewRevision { kind: Kind::Patch, change: &change, body: &body.to_json(), by, now };
            revisions::append(tx, of, id, &new)?;
        }
    }
    jobs::enqueue_for(tx, of, id, Lane::Create, (now, now), by)?;
    Ok(One::Done)
}

/// `base` with the access of `former`, and the operations that lead there.
fn access_of(former: &Resource, base: &Resource) -> (Resource, Vec<Value>) {
    let ringcx = ["persona", "agentGroupName"].map(|name| format!("{}:{name}", urn::RINGCX_USER));
    let (mut body, mut operations) = (base.clone(), Vec::new());
    for path in ATTRIBUTES.map(str::to_owned).into_iter().chain(ringcx) {
        match former.get(&path) {
            now if now == base.get(&path) => {}
            Some(value) => {
                body.set(&path, value.clone());
                operations.push(json!({"op": "replace", "path": path, "value": value}));
            }
            None => {
                body.remove(&path);
                operations.push(json!({"op": "remove", "path": path}));
            }
        }
    }
    (body, operations)
}

/// Puts a person into groups again, as far as they are still there.
fn rejoin(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    wanted: &BTreeSet<GroupId>,
    person: &PersonId,
    now: jiff::Timestamp,
) -> Result<(), store::Error> {
    let member = [members::NewMember { id: person.to_string(), display: None, is_group: false }];
    for group in nesting::innermost(tx, tenant, wanted)? {
        let is_there = groups::get(tx, &tenant.id, &group)?.is_some();
        if is_there && !members::add(tx, &tenant.id, &group, &member, now)?.is_empty() {
            groups::touch(tx, &tenant.id, &group, now)?;
        }
    }
    Ok(())
}

/// Claims the names of a person; a sentence when somebody else has one of them.
fn claim(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &PersonId,
    body: &Resource,
) -> Result<Option<String>, store::Error> {
    let keys = user_keys(body);
    let user_name = (names::Kind::UserName, Some(keys.user_name_key));
    for (kind, key) in [user_name, (names::Kind::ExternalId, keys.external_id)] {
        let Some(key) = key else { continue };
        if let Some(holder) = names::claim(tx, tenant, kind, &key, id.as_str())? {
            return Ok(Some(format!("its name is now that of user {holder}")));
        }
    }
    Ok(None)
}

/// Ends a local disable: the next work switches the person on as if the bridge itself had switched them off.
fn end_local_disable(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &PersonId,
    by: &Actor,
    now: jiff::Timestamp,
) -> Result<bool, store::Error> {
    let Some(person) = people::lock(tx, tenant, id)?.filter(|it| it.suspended && it.deleted.is_none()) else {
        return Ok(false);
    };
    let Some(mut link) = links::get(tx, tenant, &person.id)? else { return Ok(false) };
    if let Some(agent) = &mut link.agent {
        agent.enabled = false;
    }
    if let Some(admin) = &mut link.admin {
        admin.enabled = false;
    }
    link.agent_applied = None;
    link.admin_applied = None;
    links::save(tx, tenant, id, &link, now)?;
    jobs::enqueue_for(tx, tenant, id, Lane::Update, (now, now), by)?;
    Ok(true)
}
