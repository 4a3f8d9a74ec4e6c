//! What a dry run has planned: shown, and released after a question.

use std::io::IsTerminal;

use anyhow::{Context, anyhow};

use super::super::operator::operator;
use super::super::{Failure, columns, say};
use crate::domain::TenantId;
use crate::domain::words::count;
use crate::reconcile::{Preview, Reconciler, Released};

/// How the operator wants to be asked.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    /// They have agreed beforehand.
    pub(super) yes: bool,
    /// They read JSON, which shows the plan by itself.
    pub(super) json: bool,
}

/// Shows the plan, asks, and has it carried out; nothing happens while the dry run goes on.
pub(super) async fn release(
    reconciler: &Reconciler,
    tenant: &TenantId,
    asked: Asked,
) -> Result<(Preview, Released), Failure> {
    let preview = reconciler.preview(tenant).await.context("the plan was not read")?;
    if !preview.awaits_release {
        let dry = !preview.changes.is_empty();
        return Ok((preview, if dry { Released::StillDry } else { Released::Subjects(0) }));
    }
    if !asked.json {
        tell(&preview);
    }
    if !asked.yes && !wants(tenant, &preview)? {
        return Err(Failure::Ran(anyhow!("nothing was released")));
    }
    let released = reconciler.release_plan(tenant, &operator()).await.context("the plan was not released")?;
    Ok((preview, released))
}

/// People and groups in a number.
pub(super) fn subjects(number: usize) -> String {
    count(number, "person or group", "people and groups")
}

/// Whether the operator, who has seen the plan, wants it carried out.
fn wants(tenant: &TenantId, preview: &Preview) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Input(anyhow!(
            "tenant {tenant} waits for a release that concerns {}; say --yes to carry the plan out",
            subjects(preview.subjects)
        )));
    }
    agrees()
}

/// Asks somebody at a terminal, who has seen what is to be done.
pub(super) fn agrees() -> Result<bool, Failure> {
    say("carry this out? type yes:");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).context("the answer was not read")?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}

/// The plan of a dry run as an operator reads it.
pub(super) fn tell(preview: &Preview) {
    if preview.changes.is_empty() {
        say("nothing is planned, and nothing waits for a release");
        return;
    }
    let mut table = columns(["person", "login name", "step", "target", "detail"]);
    for change in &preview.changes {
        let step = &change.step;
        let name = change.user_name.as_deref().unwrap_or("-");
        table.add_row([change.person.as_str(), name, &step.step, &step.target, &step.detail]);
    }
    say(&table.to_string());
    let totals: Vec<String> = preview.totals.iter().map(|(step, count)| format!("{count} {step}")).collect();
    say(&format!(
        "{}: {}; about {}, {}",
        subjects(preview.subjects),
        totals.join(", "),
        count(preview.calls, "call", "calls"),
        count(preview.minutes, "minute", "minutes")
    ));
    if preview.awaits_release {
        say("nothing of it is done before `ringcx-scim tenant release`");
    }
}
