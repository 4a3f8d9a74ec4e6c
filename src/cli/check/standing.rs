//! How the tenant stands in the bridge: what waits for its operator, whose administrators it may touch, and what its identity provider
//! has never said.

use std::time::Duration;

use super::{Patient, Report, clause};
use crate::clock::Clock;
use crate::domain::words::people;
use crate::reconcile::Hold;
use crate::store::{self, jobs, losses, survey};

/// How long a person must have been there before silence about `active` means something.
const SILENT: Duration = Duration::from_hours(24 * 30);

/// How many people a line names.
const NAMED: usize = 5;

pub(super) async fn run(patient: &Patient<'_>, report: &mut Report) {
    if let Err(error) = look(patient, report).await {
        report.fail("work", format!("how it stands cannot be read: {}; try again", clause(&error)));
    }
}

async fn look(patient: &Patient<'_>, report: &mut Report) -> Result<(), store::Error> {
    let tenant = patient.id;
    match patient.reconciler.hold(tenant).await? {
        None => report.ok("work", "goes on"),
        Some(Hold::Paused(pause)) => {
            let rest =
                if pause.all { "nothing is done, not even for leavers" } else { "only access is taken away" };
            report.warn(
                "work",
                format!(
                    "paused since {} by {}, and {rest}; `ringcx-scim tenant resume --tenant {tenant}` ends that",
                    pause.since, pause.by
                ),
            );
        }
        Some(hold @ Hold::Unreleased) => {
            let sentence = hold.sentence(tenant);
            report.warn(
                "work",
                format!("{}; `ringcx-scim tenant status --tenant {tenant}` shows it", clause(&sentence)),
            );
        }
    }
    let of = tenant.clone();
    let blocked = patient.store.read(move |tx| losses::count_blocked(tx, &of)).await?;
    if blocked > 0 {
        let people = people(usize::try_from(blocked).unwrap_or_default());
        report.fail(
            "mass change",
            format!(
                "what would take access from {people} is blocked; `ringcx-scim tenant release --tenant {tenant}` carries it out, \
                 `ringcx-scim tenant reject --tenant {tenant}` drops it"
            ),
        );
    }
    parked(patient, report).await?;
    if let Some(why) = patient.reconciler.administered_elsewhere(tenant).await? {
        report.fail("administrators", clause(&why));
    }
    silence(patient, report).await
}

/// Work that was set aside until somebody decides: agent groups that could not be made, and people.
async fn parked(patient: &Patient<'_>, report: &mut Report) -> Result<(), store::Error> {
    let (tenant, of) = (patient.id, patient.id.clone());
    let (groups, lanes) = patient
        .store
        .read_long(move |tx| Ok::<_, store::Error>((jobs::parked_groups(tx, &of)?, jobs::by_lane(tx, &of)?)))
        .await?;
    for job in &groups {
        let (Some(group), Some(why)) = (job.group(), &job.last_error) else { continue };
        report.fail(
            "agent groups",
            format!(
                "none was made for group {group}: {}; give the group another name in the identity provider, or put it right in RingCX \
                 and run `ringcx-scim tenant release --tenant {tenant}`",
                clause(why)
            ),
        );
    }
    let all = lanes.iter().map(|(_, _, parked)| *parked).sum::<i64>();
    let others = usize::try_from(all).unwrap_or_default().saturating_sub(groups.len());
    if others > 0 {
        report.fail(
            "work",
            format!(
                "what is to be done about {} waits for somebody to decide; their lastError says what, and `ringcx-scim tenant release \
                 --tenant {tenant}` has it tried again",
                people(others)
            ),
        );
    }
    Ok(())
}

/// An attribute mapping without `active` switches nobody off, and nobody notices until somebody has left.
async fn silence(patient: &Patient<'_>, report: &mut Report) -> Result<(), store::Error> {
    let (of, before) = (patient.id.clone(), Clock::system().now() - SILENT);
    let silent = patient.store.read_long(move |tx| survey::never_said_active(tx, &of, before)).await?;
    if silent.is_empty() {
        return Ok(());
    }
    let mut named = silent.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if silent.len() > NAMED {
        named.push_str(" and others");
    }
    report.warn(
        "active",
        format!(
            "never sent for {} within 30 days ({named}), so they would not be switched off when they leave; map `active` in the \
             identity provider",
            people(silent.len())
        ),
    );
    Ok(())
}
