//! `ringcx-token`: the permanent API tokens of the bridge's own RingCX account, for `ringcx.api_token`.
//!
//! A token is shown once, by the command that made it, and otherwise named by how it ends. Each change has a row in the journal
//! before it and a record for the auditor after it; neither holds a token.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::operator::operator;
use super::runtime::{beside, budget_name, with_token};
use super::{Failure, Plain, columns, say};
use crate::clock::{Clock, Ids};
use crate::config::Config;
use crate::domain::{Actor, PersonId, TenantId};
use crate::hex::hex;
use crate::store::{self, Store, audit, journal};
use crate::upstream::{self, Calls, Lane, RingCxSettings};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a token and print it, once
    Create(Plain),
    /// Put a new token in the place of the configured one
    Rotate(Rotate),
    /// The tokens that there are, by how they end
    List(Plain),
    /// End a token
    Remove(Remove),
}

#[derive(Args)]
pub(super) struct Rotate {
    #[command(flatten)]
    plain: Plain,
    /// End the old token as well; needs `api_token_file`, which a running server reads again
    #[arg(long)]
    remove_old: bool,
}

#[derive(Args)]
pub(super) struct Remove {
    #[command(flatten)]
    plain: Plain,
    /// How it ends: four characters or more
    #[arg(long, value_name = "TEXT")]
    ending: String,
}

/// Under whose name the journal has these calls: they are about no person.
const ABOUT: &str = "ringcx-token";

/// The parts of one run.
struct Keys {
    store: Store,
    tenant: TenantId,
    settings: RingCxSettings,
    /// The name of the tenant's budget.
    budget: String,
    calls: Calls,
    by: Actor,
}

pub(super) async fn run(command: Command) -> Result<(), Failure> {
    let of = match &command {
        Command::Create(plain) | Command::List(plain) => &plain.of,
        Command::Rotate(rotate) => &rotate.plain.of,
        Command::Remove(remove) => &remove.plain.of,
    };
    let (config, tenant) = of.load()?;
    let keys = Keys::open(&config, tenant).await?;
    let ran = match command {
        Command::Create(plain) => keys.create(&plain).await,
        Command::Rotate(rotate) => keys.rotate(&rotate).await,
        Command::List(plain) => keys.list(&plain).await,
        Command::Remove(remove) => keys.remove(&remove).await,
    };
    keys.store.close().await;
    ran
}

impl Keys {
    async fn open(config: &Config, tenant: TenantId) -> Result<Self, Failure> {
        let parts = beside(config).await?;
        let way = parts.ringcx.into_iter().find(|(id, _)| *id == tenant).map(|(_, ringcx)| ringcx);
        let settings = config.tenant.get(&tenant);
        let (Some(way), Some(settings)) = (way, settings) else {
            return Err(Failure::Ran(anyhow!("tenant {tenant} has no way to RingCX")));
        };
        let calls = way.calls(Lane::Update, None);
        let budget = budget_name(config, settings);
        let settings = settings.ringcx.clone();
        Ok(Self { store: parts.store, tenant, settings, budget, calls, by: operator() })
    }

    async fn create(&self, plain: &Plain) -> Result<(), Failure> {
        let made = self.make().await?;
        if plain.json {
            say(&json!({"token": made.expose_secret(), "ending": ending(&made)}).to_string());
        } else {
            say(made.expose_secret());
        }
        Ok(())
    }

    async fn list(&self, plain: &Plain) -> Result<(), Failure> {
        let found = self.all(&self.calls).await?;
        let rows: Vec<(String, bool)> = found.iter().map(|it| (ending(it), self.is_in_use(it))).collect();
        if plain.json {
            let rows: Vec<Value> =
                rows.iter().map(|(ending, used)| json!({"ending": ending, "in_use": used})).collect();
            say(&Value::Array(rows).to_string());
            return Ok(());
        }
        let mut table = columns(["ends in", "configured"]);
        for (ending, used) in rows {
            table.add_row([ending.as_str(), if used { "yes" } else { "no" }]);
        }
        say(&table.to_string());
        Ok(())
    }

    /// Makes the new one, tries it, puts it where the configuration has the old one, and only then ends that.
    async fn rotate(&self, options: &Rotate) -> Result<(), Failure> {
        let Some(old) = self.settings.api_token.clone() else {
            return Err(Failure::Input(anyhow!(
                "tenant {} signs in with a RingCentral JWT, so there is no token to rotate; `ringcx-token create` makes one",
                self.tenant
            )));
        };
        let file = self.settings.api_token_file.as_deref();
        if options.remove_old && file.is_none() {
            return Err(Failure::Input(anyhow!(
                "--remove-old needs ringcx.api_token_file, or the server would go on with a token that has ended; rotate without \
                 it, configure the new token, then use `ringcx-token remove`"
            )));
        }
        let new = self.make().await?;
        let with_new = self.calls_with(&new)?;
        let tried = match with_new.identity().await {
            Ok(_) | Err(upstream::Error::Forbidden(_) | upstream::Error::NotFound) => Ok(()),
            Err(error) => Err(anyhow!("RingCX does not accept the new token: {error}")),
        };
        let placed = tried.and_then(|()| file.map_or(Ok(()), |file| write_secret(file, &new)));
        if let Err(why) = placed {
            self.end(&self.calls, &new).await.context("the new token could not be ended again")?;
            return Err(Failure::Ran(why.context("nothing was rotated")));
        }
        if options.remove_old {
            self.end(&with_new, &old).await?;
        }
        let ends = ending(&old);
        let old = if options.remove_old {
            format!("the old token, …{ends}, has ended")
        } else {
            format!("the old token goes on; `ringcx-scim ringcx-token remove --ending {ends}` ends it")
        };
        let shown = if file.is_some() { Value::Null } else { json!(new.expose_secret()) };
        if options.plain.json {
            let file = file.map(|file| file.display().to_string());
            let answer = json!({
                "token": shown, "ending": ending(&new), "file": file, "old": ends, "old_removed": options.remove_old,
            });
            say(&answer.to_string());
        } else if let Some(file) = file {
            say(&format!("a new token, …{}, is in {}; {old}", ending(&new), file.display()));
        } else {
            say(new.expose_secret());
            tell(&format!("configure it as ringcx.api_token and restart the server; {old}"));
        }
        Ok(())
    }

    async fn remove(&self, options: &Remove) -> Result<(), Failure> {
        let wanted = options.ending.trim();
        if wanted.chars().count() < 4 {
            return Err(Failure::Input(anyhow!("--ending needs four characters or more")));
        }
        let found = self.all(&self.calls).await?;
        let mut fits = found.iter().filter(|it| it.expose_secret().ends_with(wanted));
        let token = match (fits.next(), fits.next()) {
            (Some(token), None) => token,
            (None, _) => {
                return Err(Failure::Input(anyhow!("no token ends in {wanted}; see `ringcx-token list`")));
            }
            (Some(_), Some(_)) => {
                return Err(Failure::Input(anyhow!("more than one token ends in {wanted}; give more of it")));
            }
        };
        if self.is_in_use(token) {
            return Err(Failure::Input(anyhow!(
                "…{wanted} is the token that the bridge signs in with; `ringcx-token rotate` replaces it"
            )));
        }
        self.end(&self.calls, token).await?;
        if options.plain.json {
            say(&json!({"ending": ending(token), "removed": true}).to_string());
        } else {
            say(&format!("the token …{} has ended", ending(token)));
        }
        Ok(())
    }

    fn is_in_use(&self, token: &SecretString) -> bool {
        self.settings.api_token.as_ref().is_some_and(|used| used.expose_secret() == token.expose_secret())
    }

    async fn all(&self, calls: &Calls) -> anyhow::Result<Vec<SecretString>> {
        calls.api_tokens().await.context("the tokens were not read")
    }

    /// The way to RingCX with another token of the same user, and so on the same budget.
    fn calls_with(&self, token: &SecretString) -> anyhow::Result<Calls> {
        with_token(&self.store, &self.settings, &self.budget, token)
    }

    /// Makes a token. When the answer is lost, the token that was not there before is it.
    async fn make(&self) -> anyhow::Result<SecretString> {
        let there = self.all(&self.calls).await?;
        self.look_back(&there).await?;
        let before: BTreeSet<String> = there.iter().map(print_of).collect();
        let entry = self.begin("createApiToken", &json!({"before": before})).await?;
        let made = match self.calls.create_api_token().await {
            Err(error) if error.may_have_been_applied() => {
                let after = self.all(&self.calls).await.context("whether a token was made is not known")?;
                let mut new = after.into_iter().filter(|it| !before.contains(&print_of(it)));
                match (new.next(), new.next()) {
                    (Some(token), None) => Ok(token),
                    _ => Err(error),
                }
            }
            other => other,
        };
        let ended = made.as_ref().map(ending).map_err(ToString::to_string);
        self.note(entry, "createApiToken", &ended).await?;
        made.context("no token was made")
    }

    /// Names the tokens that a command may have made which was cut short before it could print them.
    async fn look_back(&self, there: &[SecretString]) -> anyhow::Result<()> {
        let (of, about) = (self.tenant.clone(), PersonId::from(ABOUT));
        let open = self.store.read(move |tx| journal::unfinished(tx, &of, &about)).await;
        for row in open.context("the journal was not read")? {
            let intent: Value = serde_json::from_str(&row.intent).unwrap_or_default();
            let before: Vec<&str> = intent
                .get("before")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let new = there.iter().filter(|it| !before.contains(&print_of(it).as_str())).map(ending);
            let new = new.collect::<Vec<_>>().join(", ");
            if row.operation == "createApiToken" && !new.is_empty() {
                tell(&format!(
                    "an earlier command was cut short and may have made a token that nobody saw; since then: {new}"
                ));
            }
            let (of, now) = (self.tenant.clone(), Clock::system().now());
            let closed = self.store.write(move |tx| journal::close(tx, &of, &row.id, "looked_up", now)).await;
            closed.context("the journal was not written")?;
        }
        Ok(())
    }

    /// Ends a token and looks whether it is gone.
    async fn end(&self, calls: &Calls, token: &SecretString) -> anyhow::Result<()> {
        let entry = self.begin("deleteApiToken", &json!({"ending": ending(token)})).await?;
        let answer = calls.delete_api_token(token).await;
        let gone = self.all(calls).await.map(|left| !left.iter().any(|it| print_of(it) == print_of(token)));
        let ended = match (gone, answer) {
            (Ok(true), _) => Ok(ending(token)),
            (_, Err(error)) => Err(error.to_string()),
            (Ok(false), Ok(())) => Err("RingCX lists it all the same".to_owned()),
            (Err(error), Ok(())) => Err(error.to_string()),
        };
        self.note(entry, "deleteApiToken", &ended).await?;
        ended.map(drop).map_err(|why| anyhow!("the token …{} was not ended: {why}", ending(token)))
    }

    async fn begin(&self, operation: &str, intent: &Value) -> anyhow::Result<String> {
        let row = journal::Entry {
            id: Ids::system().next().to_string(),
            person: PersonId::from(ABOUT),
            operation: operation.to_owned(),
            intent: intent.to_string(),
            started: Clock::system().now(),
        };
        let (id, tenant) = (row.id.clone(), self.tenant.clone());
        let opened = self.store.write(move |tx| journal::open(tx, &tenant, &row)).await;
        opened.context("the call was not written down, so it was not made")?;
        Ok(id)
    }

    /// Closes the journal's row and writes the auditor's record: what was done, to the token that ends so.
    async fn note(
        &self,
        entry: String,
        operation: &str,
        ended: &Result<String, String>,
    ) -> anyhow::Result<()> {
        let (outcome, detail) = match ended {
            Ok(ending) => ("done", json!({"outcome": "done", "ending": ending})),
            Err(why) => ("refused", json!({"outcome": "refused", "why": why})),
        };
        let now = Clock::system().now();
        let record = audit::Record::new(&Ids::system().next(), now, &self.by, operation, &detail);
        let tenant = self.tenant.clone();
        let noted = self.store.write(move |tx| {
            journal::close(tx, &tenant, &entry, outcome, now)?;
            audit::append(tx, &tenant, &record)?;
            Ok::<_, store::Error>(())
        });
        noted.await.context("what was done was not written down")
    }
}

/// By what a token is named: its last six characters.
fn ending(token: &SecretString) -> String {
    let letters: Vec<char> = token.expose_secret().chars().collect();
    letters.iter().skip(letters.len().saturating_sub(6)).collect()
}

/// A fingerprint, from which nobody gets the token.
fn print_of(token: &SecretString) -> String {
    let digest = Sha256::digest(token.expose_secret().as_bytes());
    digest.first_chunk::<8>().map(|bytes| hex(bytes)).unwrap_or_default()
}

/// Writes a secret beside its place and moves it there, so that nobody ever reads half of it; for the owner alone.
fn write_secret(file: &Path, secret: &SecretString) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut beside = PathBuf::from(file).into_os_string();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&beside).and_then(|mut open| {
        open.write_all(secret.expose_secret().as_bytes())?;
        open.sync_all()?;
        std::fs::rename(&beside, file)
    });
    written.with_context(|| format!("{} cannot be written", file.display()))
}

#[expect(clippy::print_stderr, reason = "a command tells its operator on standard error")]
fn tell(line: &str) {
    eprintln!("{line}");
}
