//! One connection to PostgreSQL: how it is made, how statements run on it, and what its errors mean.
//!
//! `BEGIN` travels with the first statement. Statements are prepared once per connection, in a cache that has a bound.

use std::collections::HashMap;
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use tokio::runtime::Runtime;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Config, NoTls, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Error;
use super::tx::{Failure, Val};

/// Prepared statements that a connection keeps; the SQL of filters is made at run time, so there must be a bound.
const STATEMENTS: usize = 256;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the network may be silent before a connection counts as lost.
const NETWORK_TIMEOUT: Duration = Duration::from_secs(15);

/// How transactions begin.
#[derive(Clone, Copy)]
pub(super) enum Mode {
    /// One snapshot throughout, and nothing may be written.
    Read,
    /// Each statement sees what is committed; the typed functions lock rows first.
    Write,
}

/// How to reach the server.
pub(super) struct Connect {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl Connect {
    /// Reads a `postgres://` URL; nothing is sent yet.
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        // The error of the parser names the parameter and no value.
        let mut config: Config =
            url.parse().map_err(|e| Error::Unavailable(format!("store.url cannot be read: {e}")))?;
        config.connect_timeout(CONNECT_TIMEOUT).tcp_user_timeout(NETWORK_TIMEOUT);
        config.keepalives_idle(NETWORK_TIMEOUT);
        if config.get_application_name().is_none() {
            config.application_name("ringcx-scim");
        }
        let plain = matches!(config.get_ssl_mode(), SslMode::Disable);
        let tls = if plain { None } else { Some(tls()?) };
        Ok(Self { config, tls })
    }

    pub(super) fn session(&self, runtime: &Arc<Runtime>, mode: Mode) -> Result<Session, Failure> {
        let connected = runtime.block_on(async {
            if let Some(tls) = &self.tls {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                tokio::spawn(ended(connection));
                Ok(client)
            } else {
                let (client, connection) = self.config.connect(NoTls).await?;
                tokio::spawn(ended(connection));
                Ok(client)
            }
        });
        let client = connected.map_err(|error: tokio_postgres::Error| {
            Failure::from(Error::Unavailable(format!("no connection to PostgreSQL: {}", chain(&error))))
        })?;
        Ok(Session {
            runtime: Arc::clone(runtime),
            client,
            mode,
            begun: false,
            statements: HashMap::new(),
            uses: 0,
        })
    }
}

/// Drives a connection; its end shows in the client, where it is handled.
async fn ended<C>(connection: C)
where
    C: Future<Output = Result<(), tokio_postgres::Error>>,
{
    if let Err(error) = connection.await {
        tracing::warn!(error = chain(&error), "a connection to PostgreSQL ended");
    }
}

fn tls() -> Result<MakeRustlsConnect, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = rustls::RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        tracing::warn!("no root certificates found; PostgreSQL over TLS will not be trusted");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::Unavailable(format!("no TLS for PostgreSQL: {e}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// A connection, perhaps with a transaction in progress.
pub(super) struct Session {
    runtime: Arc<Runtime>,
    client: Client,
    mode: Mode,
    begun: bool,
    statements: HashMap<String, (Statement, u64)>,
    uses: u64,
}

impl Session {
    /// Whether the next closure may have it: connected, and with no transaction left open.
    pub(super) fn is_usable(&self) -> bool {
        !self.client.is_closed() && !self.begun
    }

    pub(super) fn exec(&mut self, sql: &str, values: &[Val<'_>]) -> Result<u64, Failure> {
        let statement = self.statement(sql)?;
        let params = params(values);
        let run = self.client.execute(&statement, &params);
        let (begin, ran) = self.runtime.block_on(join(self.begin(), run));
        self.after(begin, ran)
    }

    pub(super) fn query(&mut self, sql: &str, values: &[Val<'_>]) -> Result<Vec<Row>, Failure> {
        let statement = self.statement(sql)?;
        let params = params(values);
        let run = self.client.query(&statement, &params);
        let (begin, ran) = self.runtime.block_on(join(self.begin(), run));
        self.after(begin, ran)
    }

    /// Runs the statements of a migration.
    pub(super) fn script(&mut self, sql: &str) -> Result<(), Failure> {
        let run = self.client.batch_execute(sql);
        let (begin, ran) = self.runtime.block_on(join(self.begin(), run));
        self.after(begin, ran)
    }

    /// Ends the transaction if one began. A connection that is lost during `COMMIT` leaves the outcome unknown.
    pub(super) fn commit(&mut self) -> Result<(), Failure> {
        if !self.begun {
            return Ok(());
        }
        let ended = self.runtime.block_on(self.client.batch_execute("COMMIT"));
        let closed = self.client.is_closed();
        match ended {
            Ok(()) => {
                self.begun = false;
                Ok(())
            }
            Err(error) if closed || error.as_db_error().is_none() => {
                let what = format!(
                    "the connection was lost during COMMIT; the outcome is unknown: {}",
                    chain(&error)
                );
                Err(Failure { error: Error::Unavailable(what), again: false })
            }
            Err(error) => {
                // The server said no, and with that the transaction is over.
                self.begun = false;
                Err(failure(&error, closed))
            }
        }
    }

    /// Undoes the transaction if one began; when even that fails, the connection is not usable, and its end undoes it.
    pub(super) fn rollback(&mut self) {
        if self.begun && self.runtime.block_on(self.client.batch_execute("ROLLBACK")).is_ok() {
            self.begun = false;
        }
    }

    /// Sent in front of the first statement of a transaction, in the same packet.
    fn begin(&self) -> impl Future<Output = Result<(), tokio_postgres::Error>> + use<'_> {
        let begin = (!self.begun).then_some(match self.mode {
            Mode::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Mode::Write => "BEGIN ISOLATION LEVEL READ COMMITTED",
        });
        async move {
            match begin {
                Some(sql) => self.client.batch_execute(sql).await,
                None => Ok(()),
            }
        }
    }

    fn after<T>(
        &mut self,
        begin: Result<(), tokio_postgres::Error>,
        ran: Result<T, tokio_postgres::Error>,
    ) -> Result<T, Failure> {
        let closed = self.client.is_closed();
        begin.map_err(|error| failure(&error, closed))?;
        self.begun = true;
        ran.map_err(|error| failure(&error, closed))
    }

    fn statement(&mut self, sql: &str) -> Result<Statement, Failure> {
        self.uses += 1;
        if let Some((statement, used)) = self.statements.get_mut(sql) {
            *used = self.uses;
            return Ok(statement.clone());
        }
        let prepared = self.runtime.block_on(self.client.prepare(&unwrapped(sql)));
        let statement = prepared.map_err(|error| failure(&error, self.client.is_closed()))?;
        if self.statements.len() >= STATEMENTS {
            let oldest =
                self.statements.iter().min_by_key(|(_, (_, used))| *used).map(|(sql, _)| sql.clone());
            oldest.and_then(|sql| self.statements.remove(&sql));
        }
        self.statements.insert(sql.to_owned(), (statement.clone(), self.uses));
        Ok(statement)
    }
}

/// Turns `/*pg FOR UPDATE*/` into `FOR UPDATE`.
fn unwrapped(sql: &str) -> String {
    let mut parts = sql.split("/*pg ");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(&part.replacen("*/", "", 1));
    }
    text
}

fn params<'a>(values: &'a [Val<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

impl ToSql for Val<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) if *ty == Type::INT8 => number.to_sql(ty, out),
            Self::Bool(flag) if *ty == Type::BOOL => flag.to_sql(ty, out),
            Self::Text(text) if <&str as ToSql>::accepts(ty) => text.to_sql(ty, out),
            Self::Int(_) | Self::Bool(_) | Self::Text(_) => {
                Err(format!("the statement wants {ty} here").into())
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn failure(error: &tokio_postgres::Error, closed: bool) -> Failure {
    let Some(database) = error.as_db_error() else {
        let lost = closed || error.is_closed();
        let text = chain(error);
        let error = if lost { Error::Unavailable(text) } else { Error::Corrupt(text) };
        return Failure { error, again: lost };
    };
    let code = database.code();
    // `message` names constraints and columns; `detail`, which quotes values, stays out.
    let text = database.message().to_owned();
    if *code == SqlState::UNIQUE_VIOLATION {
        let what = database.constraint().unwrap_or("a unique value").to_owned();
        return Error::Conflict { what, holder: None }.into();
    }
    // Deadlock, serialization, an ended backend: the same closure may well succeed (class 40 and 57P of PostgreSQL's list).
    let again = closed || code.code().starts_with("40") || code.code().starts_with("57P");
    // Connection trouble, too little of something, a lock or a statement that took too long.
    let unavailable =
        again || ["08", "53", "55", "57", "58"].iter().any(|class| code.code().starts_with(class));
    let error = if unavailable { Error::Unavailable(text) } else { Error::Corrupt(text) };
    Failure { error, again }
}

/// An error with its causes, which `Display` of `tokio_postgres` leaves out.
fn chain(error: &tokio_postgres::Error) -> String {
    let mut text = match error.as_db_error() {
        Some(database) => database.message().to_owned(),
        None => error.to_string(),
    };
    let mut cause = error.source().filter(|_| error.as_db_error().is_none());
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}
