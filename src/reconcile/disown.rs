//! Handing accounts back to whoever manages RingCX by hand: the bridge forgets that they are its own, and changes nothing there.

use serde_json::{Value, json};

use super::{Error, Reconciler, report};
use crate::domain::{Actor, PersonId, TenantId};
use crate::store::revisions::{self, Outcome};
use crate::store::{self, Tx, audit, jobs, links, people};

/// What came of handing accounts back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disowned {
    /// Whose accounts are their own again.
    pub people: Vec<PersonId>,
    /// Who is being worked on this moment; worth another try.
    pub busy: Vec<PersonId>,
}

enum One {
    Done,
    Busy,
    Nothing,
}

impl Reconciler {
    /// Forgets one person, or everybody, without touching RingCX. A later create by the same identity provider takes the accounts over
    /// again by the ordinary rules.
    ///
    /// # Errors
    /// When there is no such tenant, or the store cannot answer.
    pub async fn disown(
        &self,
        tenant: &TenantId,
        by: &Actor,
        person: Option<&PersonId>,
    ) -> Result<Disowned, Error> {
        let tenant = self.tenant(tenant)?.id.clone();
        let of = tenant.clone();
        let everybody = match person {
            Some(id) => vec![id.clone()],
            None => self.store.read_long(move |tx| people::ids_and_linked(tx, &of)).await?,
        };
        let mut disowned = Disowned::default();
        for id in everybody {
            let (of, who, now) = (tenant.clone(), id.clone(), self.clock.now());
            let record = self.record(&id, Some(by.clone()), "disown", &Value::Null);
            match self.store.write(move |tx| let_go(tx, &of, &who, &record, now)).await? {
                One::Done => disowned.people.push(id),
                One::Busy => disowned.busy.push(id),
                One::Nothing => {}
            }
        }
        Ok(disowned)
    }
}

fn let_go(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &PersonId,
    record: &audit::Record,
    now: jiff::Timestamp,
) -> Result<One, store::Error> {
    let Some(person) = people::lock(tx, tenant, id)? else { return Ok(One::Nothing) };
    let link = links::get(tx, tenant, id)?.unwrap_or_default();
    if person.deleted.is_some() && link.agent.is_none() && link.admin.is_none() {
        return Ok(One::Nothing);
    }
    if !jobs::drop_idle(tx, tenant, id, now)? {
        return Ok(One::Busy);
    }
    let agent = link.agent.as_ref().map(|it| it.id.agent);
    let detail = json!({"agentId": agent, "userId": link.admin.as_ref().map(|it| it.id)}).to_string();
    audit::append(tx, tenant, &audit::Record { detail, ..record.clone() })?;
    if let Some(last) = revisions::waiting(tx, tenant, id)?.last() {
        let why =
            json!({"status": 404, "detail": "The person was handed back to local management."}).to_string();
        revisions::finish_through(tx, tenant, id, last.seq, Outcome::Refused, Some(&why), now)?;
    }
    links::remove(tx, tenant, id)?;
    if person.deleted.is_none() {
        report::bury(tx, tenant, id, now)?;
    }
    Ok(One::Done)
}
