//! `office`: RingCentral's users, as the portal's "Import Office users" knows them: who they are, making agents of them, and tying
//! agents that exist.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::operator::operator;
use super::progress::Progress;
use super::runtime::{Beside, beside};
use super::{Failure, Of, columns, say};
use crate::config::Config;
use crate::domain::office::Choice;
use crate::domain::policy::{LinkExtension, Policy};
use crate::domain::words::people;
use crate::domain::{Actor, TenantId, mapping, person};
use crate::reconcile::{Decision, ImportTerms, Office, OfficeUser, Outcome, Tied};
use crate::upstream::model::RcUserId;

#[derive(Subcommand)]
pub(super) enum Command {
    /// RingCentral's users, and which of them are agents
    List(List),
    /// Make agents of RingCentral users, tied to their extensions
    Import(Import),
    /// Tie the agent of a person to their extension
    Link(Link),
}

#[derive(Args)]
pub(super) struct List {
    #[command(flatten)]
    of: Of,
    /// Only those who are no agents yet
    #[arg(long)]
    not_imported: bool,
    /// Only those whose number, name or e-mail address contains this
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(super) struct Import {
    #[command(flatten)]
    of: Of,
    /// Whom: extension numbers, ids or e-mail addresses
    #[arg(value_name = "EXTENSION", required_unless_present = "all_matching")]
    extensions: Vec<String>,
    /// Everybody whose number, name or e-mail address contains this
    #[arg(long, value_name = "TEXT", conflicts_with = "extensions")]
    all_matching: Option<String>,
    /// Their agent group, where no group of the identity provider decides
    #[arg(long, value_name = "NAME")]
    agent_group: String,
    #[command(flatten)]
    permissions: Permissions,
    /// Let RingCentral maintain names, addresses and logins from now on
    #[arg(long)]
    sync: bool,
    /// Say what would be made, and make nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// The four permissions; left out: as the tenant's settings `import_...` say.
#[derive(Args)]
struct Permissions {
    /// May log in; without it they are on record, switched off
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    login: Option<bool>,
    /// Are supervisors
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    supervisor: Option<bool>,
    /// Take inbound calls
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    inbound: Option<bool>,
    /// Make outbound calls
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    outbound: Option<bool>,
}

#[derive(Args)]
pub(super) struct Link {
    #[command(flatten)]
    of: Of,
    /// Whose agent: SCIM id or user name
    #[arg(value_name = "PERSON")]
    person: String,
    /// To which extension: number, id or e-mail address; left out: the one with the person's e-mail address
    #[arg(long, value_name = "EXTENSION")]
    extension: Option<String>,
    /// Let RingCentral maintain name, address and login from now on
    #[arg(long)]
    sync: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// How long one person may take: the budget of calls may be used up by a first sync.
const PATIENCE: Duration = Duration::from_mins(10);

pub(super) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(list) => show(list).await,
        Command::Import(options) => import(options).await,
        Command::Link(link) => tie(link).await,
    }
}

async fn show(list: List) -> Result<(), Failure> {
    let (config, tenant) = list.of.load()?;
    let parts = beside(&config).await?;
    let office = read(&parts, &tenant).await?;
    parts.store.close().await;
    let found = office.matching(list.search.as_deref().unwrap_or_default());
    let found: Vec<_> = found.into_iter().filter(|it| !list.not_imported || it.agent.is_none()).collect();
    if list.json {
        say(&serde_json::to_string(&found).unwrap_or_default());
        return Ok(());
    }
    let mut table = columns(["extension", "name", "e-mail", "type", "status", "agent", "linked", "user"]);
    for user in &found {
        let mut row: Vec<String> = described(user).to_vec();
        let linked = user.agent.map(|agent| if agent.linked { "yes" } else { "no" });
        row.extend([
            user.agent.map_or_else(dash, |agent| agent.id.to_string()),
            linked.map_or_else(dash, str::to_owned),
            user.person.as_ref().map_or_else(dash, ToString::to_string),
        ]);
        table.add_row(row);
    }
    say(&table.to_string());
    Ok(())
}

fn described(user: &OfficeUser) -> [String; 5] {
    [&user.extension, &user.name, &user.email, &user.kind, &user.status]
        .map(|text| text.clone().unwrap_or_else(dash))
}

fn dash() -> String {
    "-".to_owned()
}

async fn read(parts: &Beside, tenant: &TenantId) -> Result<Office, Failure> {
    parts.reconciler.office(tenant).await.map_err(|error| Failure::Ran(anyhow!(error)))
}

/// The tenant's settings, where they let agents be tied at all.
fn linking<'a>(config: &'a Config, tenant: &TenantId) -> Result<&'a Policy, Failure> {
    let policy = config.tenant.get(tenant).map(|it| &it.policy);
    policy.filter(|it| it.link_rc_extension != LinkExtension::Off).ok_or_else(|| {
        Failure::Input(anyhow!(
            "tenant {tenant} ties no agents to extensions (link_rc_extension is \"off\"); set it to \"if_found\""
        ))
    })
}

/// One chosen user on the way.
struct Row {
    user: OfficeUser,
    decision: Decision,
    /// What came of it; nothing in a preview.
    result: Option<Result<String, String>>,
}

async fn import(options: Import) -> Result<(), Failure> {
    let (config, tenant) = options.of.load()?;
    let policy = linking(&config, &tenant)?;
    let parts = beside(&config).await?;
    let office = read(&parts, &tenant).await?;
    let chosen = match &options.all_matching {
        Some(text) => office.matching(text),
        None => office.named(&options.extensions).map_err(|why| Failure::Input(anyhow!(why)))?,
    };
    if chosen.is_empty() {
        return Err(Failure::Input(anyhow!("no RingCentral user matches; see `ringcx-scim office list`")));
    }
    let group = parts.reconciler.agent_group(&tenant, &options.agent_group).await;
    let group = group.map_err(|why| Failure::Input(anyhow!("--agent-group: {why}")))?;
    let given = &options.permissions;
    let terms = ImportTerms {
        group,
        login: given.login.unwrap_or(policy.import_login),
        supervisor: given.supervisor.unwrap_or(policy.import_supervisor),
        inbound: given.inbound.unwrap_or(policy.import_inbound),
        outbound: given.outbound.unwrap_or(policy.import_outbound),
        sync: options.sync || policy.sync_with_office,
    };
    let planned = parts.reconciler.plan_office_import(&tenant, &office, chosen).await;
    let planned = planned.map_err(|error| Failure::Ran(anyhow!(error).context("nothing was imported")))?;
    let mut rows: Vec<Row> =
        planned.into_iter().map(|(user, decision)| Row { user, decision, result: None }).collect();
    let ask = !options.yes && !options.json && std::io::stdin().is_terminal();
    if !options.json && (options.dry_run || ask) {
        preview(&rows, &options.agent_group, terms);
    }
    if !options.dry_run && ask && !agreed(&rows) {
        parts.store.close().await;
        return Err(Failure::Input(anyhow!("nothing was imported")));
    }
    if !options.dry_run {
        let by = operator();
        let (progress, all) = (Progress::new("making agents"), rows.len());
        for (done, row) in rows.iter_mut().enumerate() {
            // The lines of people are the progress where they are printed.
            if options.json {
                progress.at(done, all);
            }
            make(&parts, &tenant, &by, &office, row, terms).await;
            if !options.json {
                say(&format!("{} {}", named(&row.user), outcome(row).1));
            }
        }
    }
    parts.store.close().await;
    finish(&rows, &options, terms)
}

/// Makes one agent.
async fn make(
    parts: &Beside,
    tenant: &TenantId,
    by: &Actor,
    office: &Office,
    row: &mut Row,
    terms: ImportTerms,
) {
    let what = (office, &row.user, &row.decision);
    let deadline = Instant::now() + PATIENCE;
    let made = parts.reconciler.import_office_user(tenant, by, what, terms, deadline).await;
    row.result = match made {
        Ok(None) => None,
        Ok(Some(Outcome::Settled(id))) => {
            let agent = parts.reconciler.agent_of_person(tenant, &id).await.ok().flatten();
            row.user.person = Some(id.clone());
            Some(match agent {
                Some(agent) => Ok(format!("is agent {agent} of user {id}")),
                None if !terms.login => Ok(format!("is user {id}, switched off and without an agent")),
                None => Err(format!("is user {id} and has no agent; see its provisioningState")),
            })
        }
        Ok(Some(Outcome::Gone)) => Some(Err("was deleted meanwhile".to_owned())),
        Ok(Some(Outcome::Rejected(why))) => Some(Err(why.detail)),
        Ok(Some(Outcome::Busy { detail, .. } | Outcome::Unavailable { detail, .. })) => Some(Err(detail)),
        Err(error) => Some(Err(error.to_string())),
    };
}

fn preview(rows: &[Row], group: &str, terms: ImportTerms) {
    let mut table = columns(["extension", "name", "e-mail", "type", "status", "what"]);
    for row in rows {
        let mut cells: Vec<String> = described(&row.user).to_vec();
        cells.push(outcome(row).1);
        table.add_row(cells);
    }
    say(&table.to_string());
    let word = |on: bool| if on { "yes" } else { "no" };
    say(&format!(
        "agent group {group}; login {}, supervisor {}, inbound {}, outbound {}, maintained by RingCentral {}",
        word(terms.login),
        word(terms.supervisor),
        word(terms.inbound),
        word(terms.outbound),
        word(terms.sync)
    ));
}

/// Asks on the terminal.
fn agreed(rows: &[Row]) -> bool {
    let count = rows.iter().filter(|row| matches!(row.decision, Decision::Create | Decision::Use(_))).count();
    let mut err = std::io::stderr().lock();
    // Without a terminal to write to there is nobody to ask.
    if write!(err, "Make agents of {}? [y/N] ", people(count)).and_then(|()| err.flush()).is_err() {
        return false;
    }
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok() && answer.trim().eq_ignore_ascii_case("y")
}

/// How a user is called in a line of their own.
fn named(user: &OfficeUser) -> String {
    user.extension.clone().unwrap_or_else(|| user.id.to_string())
}

/// The word for programs, and the words for people.
fn outcome(row: &Row) -> (&'static str, String) {
    match (&row.decision, &row.result) {
        (_, Some(Ok(what))) => ("made", what.clone()),
        (_, Some(Err(why))) => ("failed", why.clone()),
        (Decision::Create, None) => ("create", "becomes a user with an agent".to_owned()),
        (Decision::Use(id), None) => ("use", format!("is user {id} and becomes an agent")),
        (Decision::Nothing, None) => {
            let agent = row.user.agent.map(|agent| agent.id.to_string()).unwrap_or_default();
            ("nothing", format!("is agent {agent} already"))
        }
        (Decision::Left(why), _) => ("left", why.clone()),
    }
}

fn finish(rows: &[Row], options: &Import, terms: ImportTerms) -> Result<(), Failure> {
    let left = rows.iter().filter(|row| matches!(outcome(row).0, "left" | "failed")).count();
    if options.json {
        let users: Vec<Value> = rows
            .iter()
            .map(|row| {
                let (word, text) = outcome(row);
                let mut user = json!(row.user);
                if let Some(user) = user.as_object_mut() {
                    user.insert("what".to_owned(), json!(word));
                    user.insert("detail".to_owned(), json!(text));
                }
                user
            })
            .collect();
        say(&json!({
            "dry_run": options.dry_run, "agent_group": options.agent_group, "login": terms.login,
            "supervisor": terms.supervisor, "inbound": terms.inbound, "outbound": terms.outbound, "sync": terms.sync,
            "users": users, "left": left,
        })
        .to_string());
    }
    if left > 0 {
        let are = if left == 1 { "user is" } else { "users are" };
        return Err(Failure::Ran(anyhow!("{left} {are} left as they were")));
    }
    Ok(())
}

async fn tie(link: Link) -> Result<(), Failure> {
    let (config, tenant) = link.of.load()?;
    let policy = linking(&config, &tenant)?;
    let parts = beside(&config).await?;
    let found = parts.reconciler.person_named(&tenant, &link.person).await;
    let found = found.context("the person was not read")?;
    let Some((person, user)) = found else {
        return Err(Failure::Input(anyhow!(
            "tenant {tenant} has no person with that id or user name; see GET /Users"
        )));
    };
    let agent =
        parts.reconciler.agent_of_person(&tenant, &person).await.context("the person was not read")?;
    if agent.is_none() || !person::is_active(&user) {
        let what = if agent.is_none() { "has no agent" } else { "is switched off" };
        return Err(Failure::Ran(anyhow!("user {person} {what}; there is nothing to tie")));
    }
    let office = read(&parts, &tenant).await?;
    let extension = match &link.extension {
        Some(name) => office.named(std::slice::from_ref(name)).map_err(|why| Failure::Input(anyhow!(why)))?,
        None => Vec::new(),
    };
    let extension = match extension.first() {
        Some(user) => user.id,
        None => own_extension(&office, &user, policy).map_err(|why| Failure::Ran(anyhow!(why)))?,
    };
    let deadline = Instant::now() + PATIENCE;
    let tied = parts.reconciler.tie(&tenant, &operator(), &person, (extension, link.sync), deadline).await;
    let tied = tied.map_err(|error| Failure::Ran(anyhow!("the agent was not tied: {error}")))?;
    parts.store.close().await;
    match tied {
        Tied::Yes(agent) if link.json => {
            say(&json!({
                "person": person, "agent": agent.to_string(), "extension": extension.to_string(), "sync": link.sync,
            })
            .to_string());
            Ok(())
        }
        Tied::Yes(agent) => {
            say(&format!("agent {agent} of user {person} is tied to RingCentral extension {extension}"));
            Ok(())
        }
        Tied::No(why) => Err(Failure::Ran(anyhow!("the agent was not tied: {why}"))),
    }
}

/// The extension that the person names, else the one with their address.
fn own_extension(office: &Office, user: &crate::scim::Resource, policy: &Policy) -> Result<RcUserId, String> {
    if let Some(id) = mapping::ringcx_text(user, "rcExtensionId").and_then(|id| id.parse().ok()) {
        return Ok(RcUserId(id));
    }
    let Some(email) = person::lookup_email(user) else {
        return Err("the person has no e-mail address; name the extension with --extension".to_owned());
    };
    match office.of_email(email, policy) {
        Choice::One(extension) => Ok(extension.id),
        Choice::None => Err("no RingCentral extension has the person's e-mail address; create it, or name one with --extension".to_owned()),
        Choice::Ambiguous => {
            Err("several RingCentral extensions have the person's e-mail address; name one with --extension".to_owned())
        }
        Choice::Unusable(extension) => Err(format!(
            "RingCentral extension {} is {}, in which state no agent is tied (setting link_rc_statuses); enable it, or name \
             it with --extension",
            extension.id,
            extension.status.as_deref().unwrap_or("of unknown state")
        )),
    }
}
