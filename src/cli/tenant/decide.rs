//! `tenant release` and `tenant reject`: what becomes of people whom the mass-change guard has blocked.

use std::collections::BTreeSet;
use std::io::IsTerminal;

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::json;

use super::super::operator::operator;
use super::super::runtime::beside;
use super::super::{Failure, Of, columns, say};
use super::fates::Fates;
use super::plan::{self, Asked, agrees};
use crate::config::Config;
use crate::domain::words::{self, people};
use crate::domain::{GroupId, TenantId};
use crate::reconcile::{self, Decided, Preview, Released, Verdict};

/// About whom it is decided.
#[derive(Args)]
pub(in crate::cli) struct Whom {
    #[command(flatten)]
    of: Of,
    /// Only this person, by SCIM id
    #[arg(long, value_name = "ID")]
    person: Option<String>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Options {
    #[command(flatten)]
    whom: Whom,
    /// Do not ask before a whole plan is carried out
    #[arg(long)]
    yes: bool,
    /// Hand the privileged grants of its name and mappings over to this group, by SCIM id
    #[arg(long, value_name = "ID", conflicts_with = "person")]
    group: Option<String>,
}

#[derive(Args)]
pub(in crate::cli) struct RejectOptions {
    #[command(flatten)]
    whom: Whom,
    /// Leave this person as they are, by SCIM id; may be given several times
    #[arg(long, value_name = "ID", conflicts_with = "person")]
    except: Vec<String>,
    /// Do not ask, on a terminal, before anything is done
    #[arg(long)]
    yes: bool,
    /// Only show whose change would be dropped and who would get access back
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn release(options: Options) -> Result<(), Failure> {
    let (config, tenant) = options.whom.of.load()?;
    match &options.group {
        Some(group) => hand_over(&config, &tenant, &GroupId::from(group.as_str()), options.whom.json).await,
        None => decide(&config, &tenant, options.whom, options.yes).await,
    }
}

pub(super) async fn reject(options: RejectOptions) -> Result<(), Failure> {
    let (config, tenant) = options.whom.of.load()?;
    let parts = beside(&config).await?;
    let person = parts.person(&tenant, options.whom.person).await?;
    let mut except = BTreeSet::new();
    for id in options.except {
        except.extend(parts.person(&tenant, Some(id)).await?);
    }
    let rejection = parts.reconciler.rejection(&tenant, person.as_ref()).await;
    let rejection = rejection.context("what is held was not read")?;
    let as_json = options.whom.json;
    let fates = Fates::of(&rejection, person.is_some(), &except);
    if !as_json {
        fates.tell();
    }
    if options.dry_run {
        parts.store.close().await;
        say(&if as_json { fates.report().to_string() } else { "nothing was done: a dry run".to_owned() });
        return Ok(());
    }
    let ask = !options.yes && !as_json && std::io::stdin().is_terminal() && fates.any();
    if ask && !agrees()? {
        parts.store.close().await;
        return Err(Failure::Ran(anyhow!("nothing was rejected")));
    }
    let decided =
        parts.reconciler.decide(&tenant, &operator(), Verdict::Reject, person.as_ref(), &except).await;
    let decided = decided.context("not everything was decided; run the command again")?;
    parts.store.close().await;
    if as_json {
        say(&report(&decided, Verdict::Reject).to_string());
    } else {
        tell(&decided, Verdict::Reject);
    }
    what_is_left(&decided)
}

async fn decide(config: &Config, tenant: &TenantId, whom: Whom, yes: bool) -> Result<(), Failure> {
    let parts = beside(config).await?;
    let person = parts.person(tenant, whom.person).await?;
    let asked = Asked { yes, json: whom.json };
    let (plan, released) = match &person {
        None => plan::release(&parts.reconciler, tenant, asked).await?,
        Some(_) => (Preview::default(), Released::Subjects(0)),
    };
    let (by, verdict) = (operator(), Verdict::Release);
    let decided = parts.reconciler.decide(tenant, &by, verdict, person.as_ref(), &BTreeSet::new()).await;
    let decided = decided.context("not everything was decided; run the command again")?;
    parts.store.close().await;
    if released == Released::StillDry && decided.is_nothing() {
        return Err(Failure::Input(anyhow!(
            "tenant {tenant} is in a dry run; set policy.mode = \"live\" where the server reads it, restart it, then release"
        )));
    }
    let planned = if let Released::Subjects(count) = released { count } else { 0 };
    if whom.json {
        let mut said = report(&decided, verdict);
        if let Some(said) = said.as_object_mut() {
            said.extend([("planned".to_owned(), json!(planned)), ("plan".to_owned(), json!(plan))]);
        }
        say(&said.to_string());
    } else if planned > 0 {
        say(&format!("released from the plan: {}; the server carries it out", plan::subjects(planned)));
    }
    if !whom.json && (planned == 0 || !decided.is_nothing()) {
        tell(&decided, verdict);
    }
    what_is_left(&decided)
}

fn what_is_left(decided: &Decided) -> Result<(), Failure> {
    if decided.left.is_empty() {
        return Ok(());
    }
    Err(Failure::Ran(anyhow!("{} could not be decided", people(decided.left.len()))))
}

/// Hands privileged grants over to a group that has come after another one.
async fn hand_over(
    config: &Config,
    tenant: &TenantId,
    group: &GroupId,
    as_json: bool,
) -> Result<(), Failure> {
    let parts = beside(config).await?;
    let done = parts.reconciler.hand_over_grants(tenant, &operator(), group).await;
    parts.store.close().await;
    let done = match done {
        Err(reconcile::Error::Scim(_)) => {
            return Err(Failure::Input(anyhow!(
                "tenant {tenant} has no group with that id; see GET /Groups"
            )));
        }
        done => done.context("the grants were not handed over")?,
    };
    if as_json {
        say(&json!({"group": group, "grants": done.grants, "people": done.people}).to_string());
        return Ok(());
    }
    let count = people(done.people);
    match done.grants {
        0 => say(&format!("group \"{}\" had its grants already; {count} computed again", done.group)),
        grants => say(&format!(
            "group \"{}\" has {grants} privileged {} now; {count} computed again",
            done.group,
            if grants == 1 { "grant" } else { "grants" }
        )),
    }
    Ok(())
}

fn report(decided: &Decided, verdict: Verdict) -> serde_json::Value {
    let Decided { decided, restored, stays_deleted, switched_on, unparked, left } = decided;
    let left: Vec<_> = left.iter().map(|(id, why)| json!({"person": id, "why": why})).collect();
    let same = json!({"restored": restored, "switched_on": switched_on, "unparked": unparked, "left": left});
    let mut said = same.as_object().cloned().unwrap_or_default();
    match verdict {
        Verdict::Release => drop(said.insert("released".to_owned(), json!(decided))),
        Verdict::Reject => {
            said.insert("rejected".to_owned(), json!(decided));
            said.insert("stays_deleted".to_owned(), json!(stays_deleted));
        }
    }
    json!(said)
}

fn tell(decided: &Decided, verdict: Verdict) {
    if decided.is_nothing() {
        say("nothing is held");
        return;
    }
    let count = people(decided.decided.len());
    let what = match verdict {
        Verdict::Release => format!("released: the changes of {count} go on"),
        Verdict::Reject => format!(
            "rejected: the changes of {count} are dropped, {} who had lost access already get it back",
            people(decided.restored.len())
        ),
    };
    say(&what);
    if !decided.stays_deleted.is_empty() {
        say(&format!(
            "{} whose deletion was confirmed before stay deleted",
            people(decided.stays_deleted.len())
        ));
    }
    if !decided.switched_on.is_empty() {
        say(&format!(
            "{} who was switched off in RingCX is switched on again",
            people(decided.switched_on.len())
        ));
    }
    if decided.unparked > 0 {
        say(&format!(
            "{} waited for a person and is tried again",
            words::count(decided.unparked, "job", "jobs")
        ));
    }
    if !decided.left.is_empty() {
        let mut table = columns(["person", "why it could not be done"]);
        for (id, why) in &decided.left {
            table.add_row([id.as_str(), why]);
        }
        say(&table.to_string());
    }
}
