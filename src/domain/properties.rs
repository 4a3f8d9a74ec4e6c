//! What must hold for any history: the order of group writes cannot matter, and a plan that was carried out is empty.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::GroupId;
use super::desired::{Desired, Directory, Standing, Terms, desired};
use super::found::Found;
use super::grant::{Membership, Pins, by_groups};
use super::link::{AdminLink, AgentGroupAgent, AgentLink, Link};
use super::plan::{Circumstances, Observed, ObservedAdmin, ObservedAgent, Scope, Step, plan};
use super::policy::{AgentDefaults, ExternalIdSource, GroupMapping, Policy};
use crate::scim::Resource;
use crate::upstream::model::{Admin, Agent, AgentGroup, AgentGroupId, AgentId, UserId};

const NAMES: [&str; 6] = ["UK", "US", "Night", "Reporters", "Supervisors", "Nobody"];

fn mappings() -> Vec<GroupMapping> {
    serde_json::from_value(json!([
        {"match": "UK", "agent_group": "UK Agents", "priority": 10},
        {"match": "US", "agent_group": "US Agents", "priority": 10},
        {"match": "Night", "agent_group": "Night Shift", "priority": 5},
        {"match": "Reporters", "roles": ["REPORT_ADMINISTRATIVE_USER"], "rights_docs": [1]},
        {"match": "Supervisors", "agent_type": "SUPERVISOR", "rights_docs": [2]},
    ]))
    .unwrap()
}

fn directory() -> Directory {
    let names = ["Default", "UK Agents", "US Agents", "Night Shift"];
    let agent_groups = (1..).zip(names);
    Directory {
        agent_groups: agent_groups
            .map(|(id, name)| AgentGroup { id: AgentGroupId(id), name: name.to_owned(), is_default: id == 1 })
            .collect(),
        ..Directory::default()
    }
}

fn membership(at: usize, linked: bool) -> Membership {
    Membership {
        id: GroupId::from(format!("g{at}")),
        display_name: NAMES[at % NAMES.len()].to_owned(),
        external_id: None,
        linked: linked.then_some(AgentGroupId(2)),
    }
}

prop_compose! {
    fn memberships()(chosen in prop::collection::btree_map(0..12_usize, any::<bool>(), 0..8)) -> Vec<Membership> {
        chosen.into_iter().map(|(at, linked)| membership(at, linked)).collect()
    }
}

fn user(active: bool, name: Option<&str>, rank: Option<i64>) -> Resource {
    let mut body = json!({"userName": "jo@example.com", "active": active});
    if let Some(name) = name {
        body["name"] = json!({"givenName": name});
    }
    if let Some(rank) = rank {
        body[crate::scim::urn::RINGCX_USER] = json!({"agentRank": rank});
    }
    let Value::Object(body) = body else { panic!("an object") };
    Resource::from_object(body)
}

/// What RingCX would hold after the steps.
#[expect(clippy::too_many_lines, reason = "a table, or one story, reads best in one piece")]
fn carry_out(steps: &[Step], wanted: &Desired, seen: &mut Observed, link: &mut Link) {
    for step in steps {
        match step {
            Step::CreateAgent(new) => {
                let mut raw: serde_json::Map<String, Value> = new.fields.clone().into_iter().collect();
                raw.insert("agentId".to_owned(), json!(7));
                raw.insert("isActive".to_owned(), json!(true));
                link.agent = Some(AgentLink {
                    id: AgentGroupAgent { agent: AgentId(7), group: new.group },
                    username: new.login.clone(),
                    ours: true,
                    home: None,
                    enabled: true,
                    owned: new.fields.keys().cloned().collect(),
                    former: std::collections::BTreeMap::new(),
                    wrote_external_id: false,
                    rc_user_id: None,
                    unseen: false,
                    found: Found::default(),
                });
                seen.agent =
                    Some(ObservedAgent { id: AgentId(7), group: new.group, agent: Agent::from_raw(raw) });
            }
            Step::UpdateAgent(update) => {
                let agent = seen.agent.as_mut().unwrap();
                let mut raw = agent.agent.raw().clone();
                raw.extend(update.changes.clone());
                if update.enable {
                    raw.insert("isActive".to_owned(), json!(true));
                }
                agent.agent = Agent::from_raw(raw);
                agent.group = update.move_to.unwrap_or(agent.group);
                let link = link.agent.as_mut().unwrap();
                link.enabled |= update.enable;
                link.owned.extend(update.changes.keys().cloned());
            }
            Step::DisableAgent(_) => {
                let agent = seen.agent.as_mut().unwrap();
                let mut raw = agent.agent.raw().clone();
                raw.insert("isActive".to_owned(), json!(false));
                agent.agent = Agent::from_raw(raw);
                link.agent.as_mut().unwrap().enabled = false;
            }
            Step::CreateAdmin(new) => {
                let mut raw: serde_json::Map<String, Value> = new.fields.clone().into_iter().collect();
                raw.extend([("userId".to_owned(), json!(9)), ("enabled".to_owned(), json!(true))]);
                seen.admin = Some(ObservedAdmin {
                    id: UserId(9),
                    admin: Admin::from_raw(raw),
                    roles: BTreeSet::new(),
                    rights_docs: BTreeSet::new(),
                });
                let owned = new.fields.keys().cloned().collect();
                let made = AdminLink::new(UserId(9), new.user_name.clone());
                link.admin = Some(AdminLink { ours: true, owes_reset_mail: true, owned, ..made });
            }
            Step::ClearDirectLine(_) => {}
            Step::DisableAdmin(_) | Step::EnableAdmin(_) => {
                let on = matches!(step, Step::EnableAdmin(_));
                let admin = seen.admin.as_mut().unwrap();
                let mut raw = admin.admin.raw().clone();
                raw.insert("enabled".to_owned(), json!(on));
                admin.admin = Admin::from_raw(raw);
                link.admin.as_mut().unwrap().enabled = on;
            }
            Step::SendResetMail(_) => link.admin.as_mut().unwrap().owes_reset_mail = false,
            Step::UpdateAdmin(_, changes) => {
                let admin = seen.admin.as_mut().unwrap();
                let mut raw = admin.admin.raw().clone();
                raw.extend(changes.clone());
                admin.admin = Admin::from_raw(raw);
            }
            Step::GrantRole(_, role) => {
                seen.admin.as_mut().unwrap().roles.insert(role.clone());
                link.admin.as_mut().unwrap().granted_roles.insert(role.clone());
            }
            Step::RevokeRole(_, role) => {
                seen.admin.as_mut().unwrap().roles.remove(role);
                link.admin.as_mut().unwrap().granted_roles.remove(role);
            }
            Step::GrantRightsDoc(_, doc) => {
                seen.admin.as_mut().unwrap().rights_docs.insert(*doc);
                link.admin.as_mut().unwrap().granted_docs.insert(*doc);
            }
            Step::RevokeRightsDoc(_, doc) => {
                seen.admin.as_mut().unwrap().rights_docs.remove(doc);
                link.admin.as_mut().unwrap().granted_docs.remove(doc);
            }
            Step::DeleteAdmin(_) | Step::DeleteAgent(_) => panic!("nobody asked to delete: {wanted:?}"),
        }
    }
}

proptest! {
    #[test]
    fn effective_group_is_order_independent(held in memberships(), order in any::<prop::sample::Index>()) {
        let (policy, mappings) = (Policy::default(), mappings());
        let docs = crate::domain::rights_docs::RightsDocs::default();
        let expected = by_groups(&held, &policy, &mappings, &docs, &Pins::new());
        let mut turned = held.clone();
        if !turned.is_empty() {
            let by = order.index(turned.len());
            turned.rotate_left(by);
        }
        turned.reverse();
        prop_assert_eq!(by_groups(&turned, &policy, &mappings, &docs, &Pins::new()), expected);
    }

    #[test]
    fn a_plan_that_was_carried_out_is_empty(
        history in prop::collection::vec(
            (memberships(), any::<bool>(), prop::option::of(prop::sample::select(vec!["Jo", "Joan"])), prop::option::of(0..24_i64)),
            1..5,
        )
    ) {
        let policy = Policy { default_agent_group: Some("Default".to_owned()), ..Policy::default() };
        let (mappings, defaults, known) = (mappings(), AgentDefaults::new(), directory());
        let terms = Terms {
            policy: &policy,
            mappings: &mappings,
            agent_defaults: &defaults,
            account_id: "1",
            external_id_source: ExternalIdSource::None,
            directory: &known,
        };
        let (mut seen, mut link) = (Observed::default(), Link::default());
        for (held, active, name, rank) in history {
            let user = user(active, name, rank);
            let standing =
                Standing { user: &user, memberships: &held, pins: &Pins::new(), has_agent: link.agent.is_some(), home: None, deleted: false };
            let wanted = desired(&standing, &terms);
            let scope = Scope { agent: true, admin: true };
            let mut rounds = 0;
            loop {
                let before = link.clone();
                let around =
                    Circumstances { policy: &policy, agent_defaults: &defaults, link: &before, switch_on: true, scope };
                let steps = plan(&wanted, &seen, &around).steps;
                if steps.is_empty() {
                    break;
                }
                // A new administrator gets roles in a second round, because they need its id.
                rounds += 1;
                prop_assert!(rounds <= 2, "{steps:?}");
                carry_out(&steps, &wanted, &mut seen, &mut link);
            }
            let works = seen.agent.as_ref().is_some_and(|agent| agent.agent.is_active());
            prop_assert_eq!(works, active);
            if let (true, Some(agent), Some(wish)) = (active, &seen.agent, &wanted.agent) {
                prop_assert_eq!(Some(agent.group), wish.group);
            }
            if !active {
                let roles = seen.admin.as_ref().map(|admin| admin.roles.len()).unwrap_or_default();
                prop_assert_eq!(roles, 0, "nobody keeps power while switched off");
            }
        }
    }
}
