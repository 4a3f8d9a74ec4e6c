//! `import`: what RingCX has already becomes known here, so that a client's first cycle finds it. RingCX is never changed.

mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::{Value, json};

use super::operator::operator;
use super::progress::Progress;
use super::runtime::beside;
use super::{Failure, Of, say};
use crate::clock::Span;
use crate::domain::import::{AccountRef, Choice, parse_decision};
use crate::domain::words::count;
use crate::reconcile::import::{ImportError, Imported, Planned, Reading, Seen, Undone};

#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own, given or not")]
#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    of: Of,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Decide one account: agent:ID or admin:ID, then link:PERSON (a SCIM id, or agent:ID for that agent's person), new, skip,
    /// or ask to take a decision back; may be repeated, and is remembered
    #[arg(long, value_name = "ACCOUNT=CHOICE")]
    decide: Vec<String>,
    /// A file with one decision a line; # begins a comment
    #[arg(long, value_name = "FILE")]
    decisions: Option<PathBuf>,
    /// Show every account, not only those that need a look
    #[arg(long)]
    full: bool,
    /// Believe the lists of RingCX and read no agent by itself: quicker, and blind to what lists leave out
    #[arg(long)]
    lists_only: bool,
    /// How old what an earlier run has read of an agent may be; 0s reads everything again
    #[arg(long, value_name = "SPAN", default_value = "6h")]
    max_age: String,
    /// Take the last import back: what only the import has made goes, RingCX stays as it is
    #[arg(long, conflicts_with_all = ["dry_run", "decide", "decisions", "full", "lists_only"])]
    undo: bool,
    /// With --undo: all imports, not the last one alone
    #[arg(long, requires = "undo")]
    all: bool,
    /// With --undo: also what the identity provider has written to since
    #[arg(long, requires = "undo")]
    force: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(options: Options) -> Result<(), Failure> {
    let new = decisions(&options)?;
    let max_age: Span = options.max_age.parse().context("--max-age").map_err(Failure::Input)?;
    let (config, tenant) = options.of.load()?;
    let parts = beside(&config).await?;
    if options.undo {
        let undone = parts.reconciler.undo_import(&tenant, options.all, options.force, &operator()).await;
        parts.store.close().await;
        return tell_undone(&undone.map_err(failure)?, options.json);
    }
    let how = Reading { max_age: max_age.as_duration(), lists_only: options.lists_only };
    let progress = Progress::new("reading agents");
    let seen = parts.reconciler.read_for_import(&tenant, &how, &|done, all| progress.at(done, all)).await;
    let seen = seen.context("RingCX was not read to the end; what was read is kept, run it again to go on");
    let seen = Arc::new(seen?);
    let planned = parts.reconciler.plan_import(&tenant, &seen, &new).await.map_err(failure)?;
    let imported = if options.dry_run {
        Imported::default()
    } else {
        parts.reconciler.import(&tenant, &seen, &planned, &operator()).await.map_err(failure)?
    };
    parts.store.close().await;
    tell(&options, &seen, &planned, &imported)
}

/// The decisions of the command line, those of the file before them.
fn decisions(options: &Options) -> Result<Vec<(AccountRef, Choice)>, Failure> {
    let mut texts = match &options.decisions {
        Some(file) => lines(file)?,
        None => Vec::new(),
    };
    texts.extend(options.decide.iter().cloned());
    let parsed = texts.iter().map(|text| parse_decision(text));
    parsed.collect::<Result<_, _>>().map_err(|why| Failure::Input(anyhow!(why)))
}

fn lines(file: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("the decisions in {} were not read", file.display()))
        .map_err(Failure::Input)?;
    let without_comments = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    Ok(without_comments.filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn failure(error: ImportError) -> Failure {
    match error {
        ImportError::Decision(why) => Failure::Input(anyhow!(why)),
        other => Failure::Ran(anyhow::Error::new(other).context("the import stopped")),
    }
}

fn tell(options: &Options, seen: &Seen, planned: &Planned, imported: &Imported) -> Result<(), Failure> {
    let plan = &planned.plan;
    let open = plan.open();
    if options.json {
        let report = json!({
            "dry_run": options.dry_run,
            "accounts": plan.rows.iter().map(table::row_json).collect::<Vec<Value>>(),
            "groups": plan.groups.iter().map(table::group_json).collect::<Vec<Value>>(),
            "summary": plan.classes(),
            "read": {
                "agents": seen.agents.len(), "admins": seen.admins.len(), "read": seen.read,
                "remembered": seen.remembered, "integration_listing": seen.integration, "notes": seen.notes,
            },
            "imported": {
                "run": imported.run, "created": imported.created, "linked": imported.linked, "groups": imported.groups,
                "left": imported.left.iter()
                    .map(|(account, why)| json!({"account": account, "why": why})).collect::<Vec<Value>>(),
            },
            "open": open,
            "groups_open": plan.unnamed_groups(),
        });
        say(&report.to_string());
    } else {
        table::show(plan, options.full);
        for note in &seen.notes {
            say(&format!("note: {note}"));
        }
        for (account, why) in &imported.left {
            say(&format!("left: {account} {why}"));
        }
        let done = if options.dry_run { "nothing was done (dry run)".to_owned() } else { done(imported) };
        say(&format!(
            "{} and {}; {open} open; {done}",
            count(seen.agents.len(), "agent", "agents"),
            count(seen.admins.len(), "administrator", "administrators")
        ));
    }
    match rest(open, imported.left.len(), plan.unnamed_groups()) {
        None => Ok(()),
        Some(rest) => Err(Failure::Ran(anyhow!(rest))),
    }
}

/// What is left to a person, and what they can do about each.
fn rest(open: usize, left: usize, groups: usize) -> Option<String> {
    let mut parts = Vec::new();
    if open > 0 {
        let (what, them) = if open == 1 { ("account waits", "it") } else { ("accounts wait", "them") };
        parts.push(format!(
            "{open} {what} for a decision; decide {them} with --decide ACCOUNT=link:PERSON, new or skip"
        ));
    }
    if left > 0 {
        let were = if left == 1 { "account was" } else { "accounts were" };
        parts.push(format!("{left} {were} left for the reason named above; run the import again"));
    }
    if groups > 0 {
        parts.push(format!(
            "{groups} agent groups share a name and become no SCIM groups; rename them in RingCX and run the import again"
        ));
    }
    (!parts.is_empty()).then(|| parts.join(". "))
}

fn done(imported: &Imported) -> String {
    format!(
        "{} made, {} linked, {} made",
        count(imported.created, "person", "people"),
        count(imported.linked, "account", "accounts"),
        count(imported.groups, "group", "groups")
    )
}

fn undone_in_words(undone: &Undone) -> String {
    if undone.runs == 0 {
        return "there is no import to take back".to_owned();
    }
    let earlier = match undone.earlier {
        0 => String::new(),
        1 => "; 1 earlier import stands, --undo once more takes it back".to_owned(),
        more => format!("; {more} earlier imports stand, --undo --all takes them back"),
    };
    format!(
        "{} taken back: {}, {}, {}; RingCX was not touched{earlier}",
        count(undone.runs, "import", "imports"),
        count(undone.people, "person", "people"),
        count(undone.groups, "group", "groups"),
        count(undone.unlinked, "link", "links")
    )
}

fn tell_undone(undone: &Undone, as_json: bool) -> Result<(), Failure> {
    if as_json {
        say(&serde_json::to_string(undone).context("the report was not written")?);
    } else {
        for kept in &undone.kept {
            say(&format!("kept: {} {}: {}", kept.kind, kept.id, kept.why));
        }
        say(&undone_in_words(undone));
    }
    match undone.kept.len() {
        0 => Ok(()),
        1 => Err(Failure::Ran(anyhow!("1 was kept; --force takes it along"))),
        kept => Err(Failure::Ran(anyhow!("{kept} were kept; --force takes them along"))),
    }
}
