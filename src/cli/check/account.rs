//! The account in RingCX: what the bridge sees of it, what the configuration names in it, and whose names collide.

use super::{Patient, Report, TenantConfig, clause};
use crate::domain::desired::{Directory, group_named};
use crate::domain::grant::ungivable_roles;
use crate::domain::mapping::new_agent_defaults;
use crate::domain::policy::LinkExtension;
use crate::reconcile::assignables;
use crate::store::survey;
use crate::upstream::Error;
use crate::upstream::model::{AgentGroup, AuxState, Identity};

/// The agent groups; nothing when the account cannot be read.
pub(super) async fn groups(
    patient: &Patient<'_>,
    identity: &Identity,
    report: &mut Report,
) -> Option<Vec<AgentGroup>> {
    let (tenant, account) = (patient.id, &patient.settings.ringcx.account_id);
    match patient.calls.agent_groups().await {
        Ok(groups) => {
            report.ok("agent groups", format!("{} are visible", groups.len()));
            Some(groups)
        }
        Err(error) => {
            let fix = match &error {
                Error::Forbidden(_) | Error::NotFound if !identity.accounts.contains(account) => {
                    let sees = identity.accounts.join(", ");
                    let sees = if sees.is_empty() { "no account that it names".to_owned() } else { sees };
                    format!("correct tenant.{tenant}.ringcx.account_id, the credential sees {sees}")
                }
                Error::Forbidden(_) | Error::NotFound => {
                    "give the service user the permission to read agent groups".to_owned()
                }
                Error::Garbled { .. } => {
                    format!("correct tenant.{tenant}.ringcx.base_url: that is not RingCX's API")
                }
                _ => "try again when RingCX answers".to_owned(),
            };
            report
                .fail("agent groups", format!("account {account} cannot be read: {}; {fix}", clause(&error)));
            None
        }
    }
}

/// Whether what the configuration names exists, and may be given.
pub(super) fn targets(settings: &TenantConfig, groups: &[AgentGroup], report: &mut Report) {
    let named = settings
        .policy
        .default_agent_group
        .iter()
        .map(|name| ("policy.default_agent_group".to_owned(), name));
    let mapped = settings
        .group
        .iter()
        .filter_map(|it| Some((format!("the group mapping \"{}\"", it.matches), it.agent_group.as_ref()?)));
    for (key, name) in named.chain(mapped) {
        match group_named(name, groups) {
            Ok(_) => report.ok("mapping", format!("{key}: agent group \"{name}\" exists")),
            Err(why) => report.fail("mapping", format!("{key}: {}", clause(&why))),
        }
    }
    for why in ungivable_roles(&settings.policy, &settings.group) {
        report.fail("roles", why);
    }
}

/// Each reading that a feature needs.
pub(super) async fn permissions(patient: &Patient<'_>, groups: &[AgentGroup], report: &mut Report) {
    let calls = &patient.calls;
    if let Some(group) = groups.first() {
        match calls.agents(group.id).await {
            Ok(agents) => report.ok(
                "agents",
                format!("{} in {}; whether the bridge may create and change them shows --probe-group", agents.len(), group.name),
            ),
            Err(error) => report.fail(
                "agents",
                format!("cannot be read: {}; give the service user the permission to read, create and update agents", clause(&error)),
            ),
        }
        match calls.integration_agents(group.id).await {
            Ok(_) => report.ok("integration listing", "readable: drift is found with fewer calls"),
            Err(error) => report.warn(
                "integration listing",
                format!(
                    "not readable: {}; give the service user the role WFO_ACCESS to save calls, or leave it",
                    clause(&error)
                ),
            ),
        }
    }
    match calls.aux_states().await {
        Ok(states) => {
            report.ok("agent states", format!("{} states", states.len()));
            agent_defaults(patient, states, report).await;
        }
        Err(Error::NotFound | Error::Forbidden(_)) => {
            report.ok("agent states", "not readable here; initialState takes none");
            agent_defaults(patient, Vec::new(), report).await;
        }
        Err(error) => report.fail("agent states", format!("cannot be read: {}; try again", clause(&error))),
    }
    extensions(patient, report).await;
}

/// Whether the names in `agent_defaults` mean something in this account: where they do not, no agent is made.
async fn agent_defaults(patient: &Patient<'_>, aux_states: Vec<AuxState>, report: &mut Report) {
    let (given, policy) = (&patient.settings.agent_defaults, &patient.settings.policy);
    if given.is_empty() {
        return;
    }
    let named = ["phoneLoginDialGroup", "manualOutboundDefaultGate"].iter().any(|it| given.contains_key(*it));
    let assignables = if named && policy.assignment_shape.is_some() {
        match assignables(&patient.calls).await {
            Ok(found) => Some(found),
            Err(error) => {
                let why = clause(&error);
                return report.fail(
                    "agent defaults",
                    format!("dial groups and queues cannot be read: {why}; try again"),
                );
            }
        }
    } else {
        None
    };
    let directory = Directory { aux_states, assignables, ..Directory::default() };
    match new_agent_defaults(given, policy, &directory).1 {
        None => report.ok("agent defaults", "what they name exists"),
        Some(why) => {
            let key = format!("tenant.{}.agent_defaults", patient.id);
            report.fail(
                "agent defaults",
                format!("{}; correct {key}, until then no agent is made", clause(&why)),
            );
        }
    }
}

/// The link to RingCentral extensions.
async fn extensions(patient: &Patient<'_>, report: &mut Report) {
    let wanted = patient.settings.policy.link_rc_extension;
    if wanted == LinkExtension::Off {
        return;
    }
    let error = match patient.calls.extensions().await {
        Ok(found) => return report.ok("extensions", format!("{} are visible", found.len())),
        Err(error) => error,
    };
    let detail = format!(
        "the RingCentral extensions cannot be read: {}; give the app ReadAccounts and link RingCX to RingCentral, or set \
         policy.link_rc_extension = \"off\"",
        clause(&error)
    );
    if wanted == LinkExtension::Required {
        report.fail("extensions", detail);
    } else {
        report.warn("extensions", detail);
    }
}

/// Names that stand for two: what an import or a create would stumble over.
pub(super) async fn names(patient: &Patient<'_>, report: &mut Report) {
    let of = patient.id.clone();
    let found = patient.store.read_long(move |tx| {
        Ok::<_, crate::store::Error>((
            survey::agents_of_one_email(tx, &of)?,
            survey::user_names_of_other_agents(tx, &of)?,
        ))
    });
    let (emails, logins) = match found.await {
        Ok(found) => found,
        Err(error) => return report.fail("names", format!("cannot be read: {}; try again", clause(&error))),
    };
    for (first, second) in &emails {
        report.warn(
            "names",
            format!("agents {first} and {second} have one e-mail address, so it links nobody; correct one of them in RingCX"),
        );
    }
    for (person, agent) in &logins {
        report.warn(
            "names",
            format!(
                "the userName of person {person} is the login name of agent {agent}, who is not theirs; link the two with \
                 `ringcx-scim import`, or rename one"
            ),
        );
    }
    if emails.is_empty() && logins.is_empty() {
        report.ok("names", "no two people or agents that the bridge knows share one");
    }
}
