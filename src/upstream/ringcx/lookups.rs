//! Look-ups: the states in which an agent can be, dial groups, queues, and the extensions to which it can be tied.

use reqwest::Method;
use serde_json::{Map, Value};

use super::{Calls, objects};
use crate::upstream::error::Error;
use crate::upstream::model::{AuxState, DialGroup, Extension, Queue, RcAccess, id_of};
use crate::upstream::platform::extensions;
use crate::upstream::settings::ExtensionSource;

impl Calls {
    /// The states of the account. Two spellings of the filter are published; both are sent, and nothing relies on either.
    pub async fn aux_states(&self) -> Result<Vec<AuxState>, Error> {
        let query = [("active", "1".to_owned()), ("activeOnly", "true".to_owned())];
        let answer = self.account_call("listAuxStates", Method::GET, &["auxStates"], &query, None).await?;
        let states = objects(answer)?.into_iter().filter_map(|state| {
            let text = |name: &str| state.get(name).and_then(Value::as_str).map(str::to_owned);
            Some(AuxState {
                id: id_of(state.get("stateId")?)?,
                name: text("agentAuxState")?,
                base: state
                    .get("baseAgentState")
                    .and_then(|base| base.get("colKey")?.as_str())
                    .map(str::to_owned),
                active: state.get("isActive") != Some(&Value::Bool(false)),
                selectable: state.get("isAgentSelectable") != Some(&Value::Bool(false)),
            })
        });
        Ok(states.collect())
    }

    /// The dial groups of the account.
    pub async fn dial_groups(&self) -> Result<Vec<DialGroup>, Error> {
        let answer = self.account_call("listDialGroups", Method::GET, &["dialGroups"], &[], None).await?;
        let groups = objects(answer)?.into_iter().filter_map(|group| {
            Some(DialGroup {
                id: id_of(group.get("dialGroupId")?)?,
                name: text(&group, "dialGroupName")?,
                mode: text(&group, "dialMode"),
                active: group.get("isActive") != Some(&Value::Bool(false)),
            })
        });
        Ok(groups.collect())
    }

    /// The queues of the account, group by group.
    pub async fn queues(&self) -> Result<Vec<Queue>, Error> {
        let path = ["gateGroups", "withChildren"];
        let answer = self.account_call("listGateGroups", Method::GET, &path, &[], None).await?;
        let mut queues = Vec::new();
        for group in objects(answer)? {
            let name =
                text(&group, "groupName").or_else(|| text(&group, "gateGroupName")).unwrap_or_default();
            let gates = group.get("gates").and_then(Value::as_array).into_iter().flatten();
            queues.extend(gates.filter_map(Value::as_object).filter_map(|gate| {
                Some(Queue {
                    id: id_of(gate.get("gateId")?)?,
                    name: text(gate, "gateName")?,
                    group: name.clone(),
                })
            }));
        }
        Ok(queues)
    }

    /// Whether this account's agents may or must be tied to RingCentral extensions; nothing where RingCX does not say. The answer
    /// has secrets in it, so only this word is looked at.
    pub async fn rc_access(&self) -> Result<Option<RcAccess>, Error> {
        let answer = self.admin_call("listAccounts", Method::GET, &["accounts"], &[], None).await?;
        let own = id_of(&Value::String(self.ringcx.account_id.to_string()));
        let account = objects(answer)?.into_iter().find(|it| it.get("accountId").and_then(id_of) == own);
        let word = account.as_ref().and_then(|account| account.get("rcAccountAccess")?.as_str());
        Ok(word.and_then(RcAccess::parse))
    }

    /// The extensions, from wherever this tenant has them.
    pub async fn extensions(&self) -> Result<Vec<Extension>, Error> {
        match self.ringcx.extension_source {
            ExtensionSource::Off => Ok(Vec::new()),
            ExtensionSource::Platform => {
                let (wire, token, base) = self.ringcx.transport.platform().await?;
                extensions::list(wire, &base, &token).await
            }
            ExtensionSource::Ringcx => {
                let path = ["ringcentral", "extensions"];
                let answer = self.account_call("listRcExtensions", Method::GET, &path, &[], None).await;
                let answer = match answer {
                    Err(Error::NotFound) => return Err(no_list()),
                    other => other?,
                };
                // A list, or an object with the list in `records`.
                let list = answer.get("records").cloned().unwrap_or(answer);
                Ok(objects(list)?
                    .into_iter()
                    .filter_map(|item| extensions::read(&Value::Object(item)))
                    .collect())
            }
        }
    }
}

fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    object.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// A 404 on the list as a whole: it says nothing about any extension.
fn no_list() -> Error {
    Error::Forbidden(
        "this RingCX does not offer its list of extensions; give the tenant a section ringcentral, with which the list of the \
         RingCentral platform is read"
            .to_owned(),
    )
}
