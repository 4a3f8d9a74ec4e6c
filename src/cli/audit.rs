//! `audit`: what was decided and done, proven and told.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{Failure, columns, load, runtime, say};
use crate::config::Config;
use crate::store::audit::chain::{self, Verdict};
use crate::store::audit::story::{self, Stored, Wanted};
use crate::store::{self, Store, jobs, revisions};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Every record, as JSON Lines
    Export(Export),
    /// Prove that no record was edited, removed or put elsewhere
    Verify(Verify),
    /// The whole story of one request: what came, what was decided, each call to RingCX, the answer
    Trace(Trace),
}

#[derive(Args)]
pub(super) struct Export {
    /// The configuration file; left out: the environment says it all
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only this tenant
    #[arg(long, value_name = "T")]
    tenant: Option<String>,
    /// Only from this time on, as in 2026-11-25 or 2026-11-25T08:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only about this person, by SCIM id
    #[arg(long, value_name = "ID")]
    person: Option<String>,
    /// JSON Lines are what it always prints
    #[arg(long, hide = true)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Verify {
    /// The configuration file; left out: the environment says it all
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A head that was printed earlier: it must still be in the chain
    #[arg(long, value_name = "HEAD")]
    expect: Option<String>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Trace {
    /// The request id that the client was told (X-Request-Id), or the one that it gave itself
    request_id: String,
    /// The configuration file; left out: the environment says it all
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Export(options) => export(options).await,
        Command::Verify(options) => verify(options).await,
        Command::Trace(options) => trace(options).await,
    }
}

async fn open(config: Option<PathBuf>) -> Result<Store, Failure> {
    runtime::store(&load(config.as_deref())?).await
}

/// A time, or the beginning of a day in UTC.
fn time(option: &str, text: Option<&str>) -> Result<Option<Timestamp>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|it| it.timestamp());
    let found = text.parse::<Timestamp>().ok().or_else(day);
    let found = found
        .ok_or_else(|| anyhow!("{option} \"{text}\" is no time; write 2026-11-25 or 2026-11-25T08:00:00Z"));
    found.map(Some).map_err(Failure::Input)
}

async fn export(options: Export) -> Result<(), Failure> {
    let since = time("--since", options.since.as_deref())?;
    let until = time("--until", options.until.as_deref())?;
    let config = load(options.config.as_deref())?;
    let store = runtime::store(&config).await?;
    let wanted = Wanted { tenant: options.tenant, person: options.person, since, until };
    let mut count = 0_u64;
    let told = story::some(&store, &wanted, |record| {
        count += 1;
        say(&serde_json::to_string(&record).unwrap_or_default());
    });
    told.await.context("the records were not read")?;
    let known = if count > 0 { Ok(()) } else { is_known(&config, &store, &wanted).await };
    store.close().await;
    known
}

/// Whether whom somebody asks for exists: nothing to tell of a name that was mistyped is no answer. Records of a tenant outlive its
/// section in the configuration.
async fn is_known(config: &Config, store: &Store, wanted: &Wanted) -> Result<(), Failure> {
    let asked = wanted.clone();
    let recorded = store.read_long(move |tx| story::knows(tx, &asked)).await;
    let (tenant_recorded, person_recorded) = recorded.context("the records were not read")?;
    if let Some(tenant) = wanted.tenant.as_ref().filter(|_| !tenant_recorded)
        && !config.tenant.keys().any(|it| it.as_str() == tenant.as_str())
    {
        return Err(Failure::Input(anyhow!(
            "there is no tenant {tenant} in the configuration or in the records"
        )));
    }
    match wanted.person.as_ref().filter(|_| !person_recorded) {
        Some(person) => Err(Failure::Input(anyhow!(
            "no record is about a person {person}; --person takes a SCIM id, as in GET /Users"
        ))),
        None => Ok(()),
    }
}

async fn verify(options: Verify) -> Result<(), Failure> {
    if let Some(head) = &options.expect
        && (head.len() != 64 || !head.bytes().all(|byte| byte.is_ascii_hexdigit()))
    {
        let why = "is no head of a chain; give the 64 hexadecimal digits that an earlier `audit verify` has printed";
        return Err(Failure::Input(anyhow!("--expect {head} {why}")));
    }
    let store = open(options.config).await?;
    let verdict =
        chain::verify(&store, options.expect.as_deref()).await.context("the records were not read")?;
    store.close().await;
    if options.json {
        say(&serde_json::to_string(&verdict).unwrap_or_default());
    } else {
        tell(&verdict);
    }
    if verdict.faults.is_empty() {
        return Ok(());
    }
    let named: Vec<&str> = verdict.faults.iter().map(|fault| fault.detail.as_str()).collect();
    Err(Failure::Ran(anyhow!("the chain is broken: {}", named.join("; "))))
}

fn tell(verdict: &Verdict) {
    say(&format!("records: {}", verdict.records));
    say(&format!("head: {}", verdict.head.as_deref().unwrap_or("none")));
    match verdict.unsealed_since {
        Some(since) => say(&format!(
            "not sealed yet: {} since {since}; the server seals within a second",
            verdict.unsealed
        )),
        None => say("not sealed yet: 0"),
    }
    for fault in &verdict.faults {
        say(&format!("broken: {}", fault.detail));
    }
}

async fn trace(options: Trace) -> Result<(), Failure> {
    if options.request_id.trim().is_empty() {
        return Err(Failure::Input(anyhow!(
            "the request id is empty; it is in the header X-Request-Id of the answer"
        )));
    }
    let store = open(options.config).await?;
    let records =
        story::of_request(&store, options.request_id.trim()).await.context("the records were not read")?;
    let waiting = under_way(&store, options.request_id.trim(), &records).await?;
    store.close().await;
    if records.is_empty() {
        return Err(Failure::Input(anyhow!(
            "no record belongs to request {}; reads and writes that change nothing leave none",
            options.request_id
        )));
    }
    if options.json {
        let at_once = answered_at_once(&records).is_some();
        let told = json!({
            "request_id": options.request_id, "records": records, "answered_at_once": at_once, "under_way": waiting,
        });
        say(&told.to_string());
    } else {
        show(&records, &waiting);
        if let Some(line) = answered_at_once(&records) {
            say(line);
        }
    }
    Ok(())
}

/// The people of a story for whom something is still to be done for this request, and why it was put off.
async fn under_way(store: &Store, request: &str, records: &[Stored]) -> Result<Vec<Value>, Failure> {
    let mut asked = std::collections::BTreeSet::new();
    let mut found = Vec::new();
    for stored in records {
        let (Some(person), Ok(tenant)) = (stored.record.person.clone(), stored.tenant.parse()) else {
            continue;
        };
        if !asked.insert(person.clone()) {
            continue;
        }
        let (of, ids) = (person.clone(), [request.to_owned(), stored.record.request_id.clone()]);
        let job: Result<_, store::Error> = store
            .read(move |tx| {
                let Some(job) = jobs::get(tx, &tenant, &of)? else { return Ok(None) };
                let waiting = revisions::waiting(tx, &tenant, &of)?;
                let mut actors = job.causes.iter().chain(waiting.iter().map(|it| &it.by));
                Ok(actors.any(|by| ids.contains(&by.request_id)).then_some(job))
            })
            .await;
        if let Some(job) = job.context("the jobs were not read")? {
            found.push(json!({
                "person": person, "due": job.due, "why": job.last_error, "parked": job.parked.is_some(),
            }));
        }
    }
    Ok(found)
}

fn show(records: &[Stored], waiting: &[Value]) {
    let Some(first) = records.first() else { return };
    let actor = first.record.actor.as_deref().unwrap_or("unknown");
    say(&format!("request {} of {actor} in tenant {}", first.record.request_id, first.tenant));
    if let Some(id) = &first.record.client_request_id {
        say(&format!("the client calls it {id}"));
    }
    let mut table = columns(["time", "after ms", "what", "about", "detail"]);
    for stored in records {
        let record = &stored.record;
        let after = record.at.duration_since(first.record.at).as_millis();
        let about = match (&record.person, &record.group) {
            (Some(person), _) => format!("person {person}"),
            (None, Some(group)) => format!("group {group}"),
            (None, None) => String::new(),
        };
        table.add_row([
            record.at.to_string(),
            after.to_string(),
            record.action.clone(),
            about,
            lines(&stored.detail()),
        ]);
    }
    say(&table.to_string());
    for job in waiting {
        say(&format!("still under way: {job}"));
    }
}

/// What a client was told of a write that was stored and answered in the same moment: of that alone there is no record, or each
/// write would cost two.
fn answered_at_once(records: &[Stored]) -> Option<&'static str> {
    let asked = records.first()?.record.actor.as_deref().unwrap_or_default();
    let by_client = asked.starts_with("token:") || asked.starts_with("issuer:");
    let told = records.iter().any(|it| it.record.action == "answered");
    (by_client && !told).then_some(
        "answered at once, with success: a write that has to wait, or is refused, has a line of its own for its answer",
    )
}

/// A detail as lines: what changed field by field, the rest as it is.
fn lines(detail: &Value) -> String {
    let Value::Object(fields) = detail else { return detail.to_string() };
    let mut lines = Vec::new();
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("changed", Value::Object(changes)) => lines.extend(changes.iter().map(|(field, change)| {
                let part = |name: &str| change.get(name).map(Value::to_string).unwrap_or_default();
                format!("{field}: {} -> {}", part("before"), part("after"))
            })),
            (_, Value::String(text)) => lines.push(format!("{name}: {text}")),
            _ => lines.push(format!("{name}: {value}")),
        }
    }
    lines.join("\n")
}
