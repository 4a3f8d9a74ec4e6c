//! What an operator types: one file per command.
//!
//! Standard output carries what was asked for, standard error everything else. Exit codes: 0 done; 1 ran, but found or left
//! something; 2 bad input, nothing changed.

mod access;
mod audit;
mod check;
mod health;
mod import;
mod list;
mod logs;
mod migrate;
mod office;
mod operator;
mod panics;
mod progress;
mod reconcile;
mod report;
mod ringcx_token;
pub mod runtime;
mod sandbox;
mod serve;
mod simulator;
mod tenant;
mod token;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::domain::TenantId;

#[derive(Parser)]
#[command(name = "ringcx-scim", version, about = "SCIM 2.0 provisioning for RingCX")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bridge and a simulated RingCX in one process, without configuration
    Sandbox(sandbox::Options),
    /// The server
    Serve(Configured),
    /// Bearer tokens of a tenant
    #[command(subcommand)]
    Token(token::Command),
    /// The simulated RingCX alone
    Simulator(simulator::Options),
    /// Bring the tables of the store up to date
    Migrate(Configured),
    /// Print the OpenAPI document of the server
    Openapi,
    /// Ask a running server whether it is alive (for containers)
    #[command(hide = true)]
    Health(health::Options),
    /// The doctor: configuration, store, sign-in, permissions, mapping targets, and how this RingCX speaks
    Check(check::Options),
    /// RingCentral's users: list them, make agents of them, tie agents to their extensions
    #[command(subcommand)]
    Office(office::Command),
    /// Take over what RingCX has already: a plan to read, decisions, and a way back
    Import(import::Options),
    /// What RingCX has, with the ids and names that a mapping needs
    List(list::Options),
    /// The permanent API tokens of the bridge's own RingCX account
    #[command(subcommand)]
    RingcxToken(ringcx_token::Command),
    /// What somebody should look at: accounts without an owner, people who wait, leavers, direct lines
    #[command(subcommand)]
    Report(report::Command),
    /// Compare people with RingCX, and bring them in line
    Reconcile(reconcile::Options),
    /// Pause and resume a tenant, see how it stands, release or reject what a guard holds
    #[command(subcommand)]
    Tenant(tenant::Command),
    /// What was decided and done: export, proof, and the story of one request
    #[command(subcommand)]
    Audit(audit::Command),
    /// What a person can do in RingCX as an administrator, and why
    Access(access::Options),
}

/// Which tenant of which configuration.
#[derive(Args)]
struct Of {
    /// The configuration file; left out: the environment says it all
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The tenant
    #[arg(long, value_name = "T", default_value = "default")]
    tenant: String,
}

impl Of {
    /// The configuration, and the tenant in it.
    fn load(&self) -> Result<(Config, TenantId), Failure> {
        let config = load(self.config.as_deref())?;
        let tenant: TenantId = self
            .tenant
            .parse()
            .map_err(|error: crate::domain::TenantIdError| Failure::Input(error.into()))?;
        if !config.tenant.contains_key(&tenant) {
            let named: Vec<&str> = config.tenant.keys().map(TenantId::as_str).collect();
            return Err(Failure::Input(anyhow::anyhow!(
                "there is no tenant {tenant} in the configuration; it has {}",
                if named.is_empty() { "none".to_owned() } else { named.join(", ") }
            )));
        }
        Ok((config, tenant))
    }
}

/// Where the configuration is.
#[derive(Args)]
struct Configured {
    /// The configuration file; left out: the environment says it all
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The options of a command that has no others.
#[derive(Args)]
struct Plain {
    #[command(flatten)]
    of: Of,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Why a command did not do what it was to do.
enum Failure {
    /// Bad input; nothing changed.
    Input(anyhow::Error),
    /// It ran, but something is wrong.
    Ran(anyhow::Error),
}

impl Failure {
    /// What is wrong.
    const fn reason(&self) -> &anyhow::Error {
        match self {
            Self::Input(error) | Self::Ran(error) => error,
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Ran(error)
    }
}

/// Parses the arguments, runs the command, and gives the exit code.
pub fn main() -> ExitCode {
    panics::keep_quiet_about_values();
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => {
            // `--help` and `--version` come this way too, and are no mistake.
            let code = if error.use_stderr() { 2 } else { 0 };
            if code == 0 || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
                drop(error.print());
            } else {
                complain(&one_sentence(&error.render().to_string()));
            }
            return ExitCode::from(code);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return report(&Failure::Ran(anyhow::Error::new(error).context("the runtime did not start")));
        }
    };
    let ran = runtime.block_on(run(command));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Sandbox(options) => sandbox::run(options).await,
        Command::Serve(configured) => serve::run(load(configured.config.as_deref())?).await,
        Command::Token(command) => token::run(command).await,
        Command::Simulator(options) => simulator::run(options).await,
        Command::Migrate(configured) => migrate::run(&load(configured.config.as_deref())?).await,
        Command::Openapi => {
            say(crate::server::openapi().trim_end());
            Ok(())
        }
        Command::Health(options) => health::run(&options).await,
        Command::Check(options) => check::run(options).await,
        Command::Office(command) => office::run(command).await,
        Command::Import(options) => import::run(options).await,
        Command::List(options) => list::run(options).await,
        Command::Report(command) => report::run(command).await,
        Command::RingcxToken(command) => ringcx_token::run(command).await,
        Command::Reconcile(options) => reconcile::run(options).await,
        Command::Tenant(command) => tenant::run(command).await,
        Command::Audit(command) => audit::run(command).await,
        Command::Access(options) => access::run(options).await,
    }
}

/// Reads and validates the configuration.
fn load(file: Option<&Path>) -> Result<Config, Failure> {
    Config::load(file, Config::environment()).map_err(|error| Failure::Input(error.into()))
}

fn report(failure: &Failure) -> ExitCode {
    let code = match failure {
        Failure::Input(_) => 2,
        Failure::Ran(_) => 1,
    };
    complain(&format!("error: {:#}", failure.reason()));
    ExitCode::from(code)
}

#[expect(clippy::print_stderr, reason = "a command tells its operator on standard error")]
fn complain(line: &str) {
    eprintln!("{line}");
}

/// What is wrong with the arguments, without the paragraphs around it.
fn one_sentence(complaint: &str) -> String {
    let told = complaint.lines().map(str::trim).filter(|line| !line.is_empty());
    let told =
        told.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    format!("{}; --help says what there is", told.collect::<Vec<_>>().join(" "))
}

/// A line on standard output; a reader that has gone away is no reason to fail.
fn say(line: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}

/// A table with these columns, made for the width of the terminal: a sentence is broken into lines within its column. Where it goes
/// to a file or another program each row is one line.
fn columns(header: impl Into<comfy_table::Row>) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    table.set_header(header);
    table
}

/// A value as a cell of a table shows it.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(flag) => (if *flag { "yes" } else { "no" }).to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// Ends when the operator or the system says so.
fn until_stopped() -> CancellationToken {
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        let interrupted = tokio::signal::ctrl_c();
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            match signal(SignalKind::terminate()) {
                Ok(mut terminated) => {
                    tokio::select! {
                        _ = interrupted => {}
                        _ = terminated.recv() => {}
                    }
                }
                Err(_) => drop(interrupted.await),
            }
        }
        #[cfg(not(unix))]
        drop(interrupted.await);
        stop.cancel();
    });
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_about_arguments_is_one_line() {
        for (arguments, says) in [
            (
                vec!["list", "everything"],
                "error: invalid value 'everything' for '<KIND>' [possible values: agent-groups, ",
            ),
            (
                vec!["serv"],
                "error: unrecognized subcommand 'serv' tip: a similar subcommand exists: 'serve'; --help",
            ),
            (
                vec!["token", "create"],
                "error: the following required arguments were not provided: --name <N>; --help",
            ),
        ] {
            let error = Cli::try_parse_from([vec!["ringcx-scim"], arguments].concat()).err();
            let told = one_sentence(&error.map(|it| it.render().to_string()).unwrap_or_default());
            assert!(told.starts_with(says) && told.lines().count() == 1, "{told}");
        }
    }

    #[test]
    fn a_table_fits_the_terminal_and_is_not_broken_without_one() {
        let sentence =
            "a sentence that is longer than the terminal is wide, with what to do at its end".repeat(2);
        let mut table = columns(["check", "detail"]);
        table.add_row(["sign-in", &sentence]);
        assert!(table.to_string().contains(&sentence));
        table.set_width(80);
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    }
}
