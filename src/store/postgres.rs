//! PostgreSQL: a few threads, each with its own connection and its own small runtime, take closures from one queue.
//!
//! READ COMMITTED, so closures lock the row that they decide on. A closure runs again after a deadlock, a serialization failure, or a
//! connection that broke before COMMIT; after a COMMIT whose answer was lost nobody knows, and the caller is told so.

use std::collections::{HashMap, VecDeque};
use std::error::Error as _;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, private::BytesMut};
use tokio_postgres::{Client, Config, Row as PgRow, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Error;
use super::task::{Task, task};
use super::tx::{Database, Failure, Tx, Val};

/// How often a closure is run again before its caller is told.
const TRIES: usize = 10;

/// Prepared statements that a connection keeps; the SQL of filters is made at run time, so there must be a bound.
const STATEMENTS: usize = 256;

/// The threads and the queue before them.
pub(super) struct Postgres {
    queue: Arc<Queue>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<Waiting>,
    ring: Condvar,
}

#[derive(Default)]
struct Waiting {
    tasks: VecDeque<Box<dyn Task>>,
    closed: bool,
}

impl Queue {
    fn push(&self, task: Box<dyn Task>) -> Result<(), Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Err(Error::Unavailable("the store is closed".to_owned()));
        }
        state.tasks.push_back(task);
        self.ring.notify_one();
        Ok(())
    }

    fn pop(&self) -> Option<Box<dyn Task>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(task) = state.tasks.pop_front() {
                return Some(task);
            }
            if state.closed {
                return None;
            }
            state = self.ring.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.ring.notify_all();
    }
}

impl Postgres {
    /// Connects once to see that it works, then starts the threads.
    pub(super) async fn open(url: &str, connections: usize) -> Result<Self, Error> {
        let config: Config = url.parse().map_err(|_| {
            Error::Corrupt("the URL of PostgreSQL cannot be read; write postgres://user:password@host/database".to_owned())
        })?;
        let tls = tls()?;
        let (probe, probe_tls) = (config.clone(), tls.clone());
        let probed = tokio::task::spawn_blocking(move || Session::connect(&probe, &probe_tls).map(drop));
        probed.await.map_err(|error| Error::Unavailable(error.to_string()))??;
        let queue = Arc::new(Queue::default());
        let mut threads = Vec::new();
        for number in 0..connections {
            let (queue, config, tls) = (Arc::clone(&queue), config.clone(), tls.clone());
            let thread = std::thread::Builder::new()
                .name(format!("store-{number}"))
                .spawn(move || work(&queue, &config, &tls))
                .map_err(|error| Error::Unavailable(format!("no thread for the store: {error}")))?;
            threads.push(thread);
        }
        Ok(Self { queue, threads: Mutex::new(threads) })
    }

    /// Queues a closure and waits until its transaction has ended.
    pub(super) async fn run<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (task, answer) = task(closure);
        self.queue.push(task)?;
        answer.await.unwrap_or_else(|_| Err(Error::Unavailable("the store is closed".to_owned()).into()))
    }

    /// Takes no more closures and waits for those that were accepted.
    pub(super) async fn close(&self) {
        self.queue.close();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().all(|thread| thread.join().is_ok()));
        if !joined.await.unwrap_or(false) {
            tracing::error!("a thread of the store ended badly");
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.queue.close();
    }
}

fn work(queue: &Queue, config: &Config, tls: &MakeRustlsConnect) {
    let mut session: Option<Session> = None;
    while let Some(mut task) = queue.pop() {
        let ended = run(&mut session, config, tls, task.as_mut());
        task.answer(ended);
    }
}

/// Runs a closure until it has ended one way or the other.
fn run(
    session: &mut Option<Session>,
    config: &Config,
    tls: &MakeRustlsConnect,
    task: &mut dyn Task,
) -> Result<(), Error> {
    let mut last = Error::Unavailable("the transaction was not tried".to_owned());
    for _ in 0..TRIES {
        // A connection that the server has ended shows only when used, so it is looked at before the closure runs.
        if session.as_ref().is_none_or(Session::is_closed) {
            *session = Some(Session::connect(config, tls)?);
        }
        let Some(open) = session.as_mut() else { continue };
        match open.transaction(task) {
            Ok(()) => return Ok(()),
            Err(Ended::Rolled) => return Ok(()),
            Err(Ended::Again(error)) => last = error,
            Err(Ended::Unknown(error)) => {
                *session = None;
                return Err(error);
            }
        }
    }
    Err(last)
}

/// How a transaction ended that was not committed.
enum Ended {
    /// The closure wanted that: its own error is its answer.
    Rolled,
    /// Nothing happened, and trying again may help.
    Again(Error),
    /// Nobody knows whether it was committed.
    Unknown(Error),
}

/// One connection.
pub(super) struct Session {
    runtime: Runtime,
    client: Client,
    statements: HashMap<String, Statement>,
    begun: bool,
}

impl Session {
    fn connect(config: &Config, tls: &MakeRustlsConnect) -> Result<Self, Error> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::Unavailable(format!("no runtime for the store: {error}")))?;
        let connected = runtime.block_on(config.connect(tls.clone()));
        let (client, connection) = connected.map_err(|error| unreachable_database(&error))?;
        runtime.spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "a connection to PostgreSQL ended");
            }
        });
        Ok(Self { runtime, client, statements: HashMap::new(), begun: false })
    }

    fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    fn transaction(&mut self, task: &mut dyn Task) -> Result<(), Ended> {
        self.begun = false;
        let ran = task.run(&mut Tx::new(Database::Postgres(self)));
        match ran {
            Ok(()) if !self.begun => Ok(()),
            Ok(()) => {
                let committed = self.runtime.block_on(self.client.batch_execute("COMMIT"));
                committed.map_err(|error| match error.code() {
                    Some(code) if again(code) => Ended::Again(Error::Unavailable(error.to_string())),
                    Some(_) => Ended::Unknown(failure(&error).error),
                    None => Ended::Unknown(Error::Unavailable(
                        "the connection was lost during COMMIT: whether the change was stored is not known".to_owned(),
                    )),
                })
            }
            Err(failure) => {
                let rolled = self.runtime.block_on(self.client.batch_execute("ROLLBACK"));
                if failure.again || (rolled.is_err() && self.begun) {
                    return Err(Ended::Again(failure.error));
                }
                Err(Ended::Rolled)
            }
        }
    }

    fn begin(&mut self) -> Result<(), Failure> {
        if !self.begun {
            self.begun = true;
            self.runtime.block_on(self.client.batch_execute("BEGIN")).map_err(|error| failure(&error))?;
        }
        Ok(())
    }

    fn statement(&mut self, sql: &str) -> Result<Statement, Failure> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let text = sql.replace("/*pg ", "").replace("*/", "");
        let prepared = self.runtime.block_on(self.client.prepare(&text)).map_err(|error| failure(&error))?;
        if self.statements.len() >= STATEMENTS {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), prepared.clone());
        Ok(prepared)
    }

    pub(super) fn exec(&mut self, sql: &str, values: &[Val<'_>]) -> Result<u64, Failure> {
        self.begin()?;
        let statement = self.statement(sql)?;
        let done = self.runtime.block_on(self.client.execute(&statement, &bound(values)));
        done.map_err(|error| failure(&error))
    }

    pub(super) fn query(&mut self, sql: &str, values: &[Val<'_>]) -> Result<Vec<PgRow>, Failure> {
        self.begin()?;
        let statement = self.statement(sql)?;
        let rows = self.runtime.block_on(self.client.query(&statement, &bound(values)));
        rows.map_err(|error| failure(&error))
    }

    pub(super) fn script(&mut self, sql: &str) -> Result<(), Failure> {
        self.begin()?;
        self.runtime.block_on(self.client.batch_execute(sql)).map_err(|error| failure(&error))
    }
}

fn bound<'a>(values: &'a [Val<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

impl ToSql for Val<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Val::Null => Ok(IsNull::Yes),
            Val::Int(number) if *kind == Type::INT4 => i32::try_from(*number)?.to_sql(kind, out),
            Val::Int(number) => number.to_sql(kind, out),
            Val::Bool(flag) => flag.to_sql(kind, out),
            Val::Text(text) => text.to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}

fn again(code: &SqlState) -> bool {
    *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED
}

fn failure(error: &tokio_postgres::Error) -> Failure {
    let Some(answer) = error.as_db_error() else {
        let lost = error.is_closed() || error.source().is_some_and(|cause| cause.is::<std::io::Error>());
        let error = if lost { Error::Unavailable(error.to_string()) } else { Error::Corrupt(error.to_string()) };
        return Failure { error, again: lost };
    };
    let code = answer.code();
    if *code == SqlState::UNIQUE_VIOLATION {
        let what = answer.constraint().unwrap_or("a unique value").to_owned();
        return Error::Conflict { what, holder: None }.into();
    }
    let class = code.code().get(..2).unwrap_or_default();
    // 08 connection, 53 resources, 57 operator intervention (shutdown, cancelled).
    let error = if matches!(class, "08" | "53" | "57") || again(code) {
        Error::Unavailable(format!("PostgreSQL: {}", answer.message()))
    } else {
        Error::Corrupt(format!("PostgreSQL: {}", answer.message()))
    };
    Failure { error, again: again(code) || class == "57" || class == "08" }
}

fn unreachable_database(error: &tokio_postgres::Error) -> Error {
    let cause = error.as_db_error().map(|answer| answer.message().to_owned());
    let cause = cause.or_else(|| error.source().map(ToString::to_string)).unwrap_or_else(|| error.to_string());
    Error::Unavailable(format!("PostgreSQL cannot be reached: {cause}"))
}

/// TLS with the roots of the machine, for servers that ask for it (`sslmode` in the URL).
fn tls() -> Result<MakeRustlsConnect, Error> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in rustls_native_certs::load_native_certs().certs {
        // A root that cannot be read is one that no server of ours uses.
        drop(roots.add(certificate));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Unavailable(format!("TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
