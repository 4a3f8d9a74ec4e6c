//! The account in RingCX: what the bridge sees of it, what the configuration names in it, and whose names collide.

use std::time::Duration;

use super::{Patient, Report, TenantConfig, clause};
use crate::clock::Clock;
use crate::domain::desired::{Assignables, Directory, group_named};
use crate::domain::grant::ungivable_roles;
use crate::domain::mapping::new_agent_defaults;
use crate::domain::policy::LinkExtension;
use crate::store::survey;
use crate::upstream::Error;
use crate::upstream::model::{AgentGroup, AuxState, Identity};

/// How much of the audit log is asked for.
const WINDOW: Duration = Duration::from_mins(1);

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
    if settings.policy.default_agent_group.is_none() {
        let waits = "there is no policy.default_agent_group: new people are held until a group of theirs leads to an agent group";
        report.ok("mapping", waits);
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
    let assignables = assignables(patient, report).await;
    match calls.aux_states().await {
        Ok(states) => {
            report.ok("agent states", format!("{} states", states.len()));
            agent_defaults(patient, states, assignables, report);
        }
        Err(Error::NotFound | Error::Forbidden(_)) => {
            report.ok("agent states", "not readable here; initialState takes none");
            agent_defaults(patient, Vec::new(), assignables, report);
        }
        Err(error) => report.fail("agent states", format!("cannot be read: {}; try again", clause(&error))),
    }
    extensions(patient, report).await;
    audit_log(patient, report).await;
}

/// Dial groups and queues, where the tenant writes them.
async fn assignables(patient: &Patient<'_>, report: &mut Report) -> Option<Assignables> {
    patient.settings.policy.assignment_shape?;
    let mut found = Assignables::default();
    let mut tell = |what: &str, count: Result<usize, Error>| match count {
        Ok(count) => report.ok(what, format!("{count} are visible")),
        Err(error) => {
            let fix = format!(
                "give the service user the permission to read {what}, or take policy.assignment_shape out"
            );
            report.fail(what, unreadable(&error, &fix));
        }
    };
    let dial_groups = patient.calls.dial_groups().await.map(|it| found.dial_groups = it);
    tell("dial groups", dial_groups.map(|()| found.dial_groups.len()));
    let queues = patient.calls.queues().await.map(|it| found.queues = it);
    tell("queues", queues.map(|()| found.queues.len()));
    Some(found)
}

/// RingCX's audit log, where the tenant follows it.
async fn audit_log(patient: &Patient<'_>, report: &mut Report) {
    if !patient.settings.policy.audit_feed {
        return;
    }
    let now = Clock::system().now();
    match patient.calls.changed_agents(now - WINDOW, now, None).await {
        Ok(_) => report.ok("audit log", "readable: changes in RingCX are noticed within minutes"),
        Err(error) => {
            let fix = "give the service user the role ACCESS_AUDIT_LOG, or set policy.audit_feed = false";
            report.fail("audit log", unreadable(&error, fix));
        }
    }
}

/// Why something cannot be read, with the fix where it is a permission.
fn unreadable(error: &Error, fix: &str) -> String {
    let fix = match error {
        Error::Forbidden(_) | Error::NotFound => fix,
        _ => "try again when RingCX answers",
    };
    format!("cannot be read: {}; {fix}", clause(error))
}

/// Whether the names in `agent_defaults` mean something in this account: where they do not, no agent is made.
fn agent_defaults(
    patient: &Patient<'_>,
    aux_states: Vec<AuxState>,
    assignables: Option<Assignables>,
    report: &mut Report,
) {
    let (given, policy) = (&patient.settings.agent_defaults, &patient.settings.policy);
    if given.is_empty() {
        return;
    }
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
