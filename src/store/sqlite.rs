//! SQLite: readers on the threads that ask, one writer thread that commits in groups.
//!
//! Readers and the writer do not wait for each other (WAL). The writer runs the closures that wait, each in its own
//! savepoint, and commits them together: one wait for the disk serves them all. Nobody is answered before that commit.
//! Start reading at [`Sqlite::open`], then [`Writer`].

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::ffi::ErrorCode;
use rusqlite::{CachedStatement, Connection, OpenFlags, ToSql, types::ToSqlOutput};
use tempfile::TempDir;

use super::Error;
use super::task::{Ran, Task, guarded, task};
use super::tx::{Database, Row, Tx, Val};

/// How long a statement waits for another process that writes to the same file (a command beside a server).
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Closures that share one commit, at most.
const GROUP: usize = 256;
/// Prepared statements that a connection keeps; the SQL of filters is made at run time, so there must be a bound.
const STATEMENTS: usize = 128;
/// Connections kept for long reads.
const LONG_READERS: usize = 4;

/// A database file and the threads that use it.
pub(super) struct Sqlite {
    shared: Arc<Shared>,
    writer: Mutex<Option<Writer>>,
    long_readers: Arc<Mutex<Vec<Connection>>>,
    long_permits: Arc<tokio::sync::Semaphore>,
}

/// What readers need; a thread's reader outlives it by no use.
struct Shared {
    path: PathBuf,
    /// Of `sqlite::memory:`, gone with the last user.
    _scratch: Option<TempDir>,
}

struct Writer {
    tasks: Sender<Box<dyn Task>>,
    thread: JoinHandle<()>,
}

struct Reader {
    store: Weak<Shared>,
    /// Away while a read uses it, so that a read within a read is found and refused.
    connection: Option<Connection>,
}

thread_local! {
    static READERS: RefCell<Vec<Reader>> = const { RefCell::new(Vec::new()) };
}

impl Sqlite {
    /// Opens the file, or a scratch file when there is no path.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Error> {
        let (path, scratch) = if let Some(path) = path {
            (path.to_owned(), None)
        } else {
            let folder = TempDir::with_prefix("ringcx-scim-").map_err(|e| {
                Error::Unavailable(format!("no folder for a store that lives in memory: {e}"))
            })?;
            (folder.path().join("memory.db"), Some(folder))
        };
        create_private(&path)?;
        let connection = connect(&path, scratch.is_some())?;
        let shared = Arc::new(Shared { path, _scratch: scratch });
        let (tasks, waiting) = mpsc::channel();
        let keep = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                write_until_closed(&connection, &waiting);
                // Readers may stay open for a while, so the log is emptied here and not by the last one to close.
                if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
                    tracing::debug!(%error, "the write-ahead log was left as it is");
                }
                drop(connection);
                drop(keep);
            })
            .map_err(|e| Error::Unavailable(format!("no thread for the writer: {e}")))?;
        Ok(Self {
            shared,
            writer: Mutex::new(Some(Writer { tasks, thread })),
            long_readers: Arc::new(Mutex::new(Vec::new())),
            long_permits: Arc::new(tokio::sync::Semaphore::new(LONG_READERS)),
        })
    }

    /// Runs a short read on this very thread, with the thread's own connection.
    pub(super) fn read<T, E: From<Error>>(
        &self,
        closure: &impl Fn(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let connection = self.take_reader()?;
        let result = read_with(&connection, closure);
        READERS.with_borrow_mut(|readers| {
            if let Some(reader) = readers.iter_mut().find(|r| r.store.as_ptr() == Arc::as_ptr(&self.shared)) {
                reader.connection = Some(connection);
            }
        });
        result
    }

    fn take_reader(&self) -> Result<Connection, Error> {
        READERS.with_borrow_mut(|readers| {
            if let Some(reader) = readers.iter_mut().find(|r| r.store.as_ptr() == Arc::as_ptr(&self.shared)) {
                return reader
                    .connection
                    .take()
                    .ok_or_else(|| Error::Corrupt("a read was begun within a read".to_owned()));
            }
            readers.retain(|reader| reader.store.strong_count() > 0);
            let connection = connect_reader(&self.shared.path)?;
            readers.push(Reader { store: Arc::downgrade(&self.shared), connection: None });
            Ok(connection)
        })
    }

    /// Runs a read that may take long on a thread that may block.
    pub(super) async fn read_long<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let permit = Arc::clone(&self.long_permits).acquire_owned().await;
        let (shared, idle) = (Arc::clone(&self.shared), Arc::clone(&self.long_readers));
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = match kept {
                Some(connection) => connection,
                None => connect_reader(&shared.path)?,
            };
            let result = read_with(&connection, &closure);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            result
        });
        done.await.unwrap_or_else(|e| Err(Error::Unavailable(format!("a long read did not end: {e}")).into()))
    }

    /// Queues a closure for the writer and waits until it is durable.
    pub(super) async fn write<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let closed = || E::from(Error::Unavailable("the store is closed".to_owned()));
        let (task, answer) = task(closure);
        {
            let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let writer = writer.as_ref().ok_or_else(closed)?;
            writer.tasks.send(task).map_err(|_| closed())?;
        }
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Takes no more writes and waits for those that were accepted.
    pub(super) async fn close(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Writer { tasks, thread }) = writer {
            drop(tasks);
            if tokio::task::spawn_blocking(move || thread.join()).await.is_err() {
                tracing::error!("the writer of the store ended badly");
            }
        }
    }

    /// Bytes in the write-ahead log, which a reader that never ends would let grow.
    pub(super) fn log_size(&self) -> u64 {
        let mut name = self.shared.path.clone().into_os_string();
        name.push("-wal");
        std::fs::metadata(name).map_or(0, |file| file.len())
    }
}

/// Creates the file so that only its owner can read it: it holds personal data. SQLite gives its log the same rights.
fn create_private(path: &Path) -> Result<(), Error> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let opened = options.open(path);
    opened.map(drop).map_err(|error| {
        let folder = path.parent().unwrap_or(Path::new("/")).display();
        let why = match error.kind() {
            std::io::ErrorKind::NotFound => format!("the folder {folder} does not exist; create it"),
            std::io::ErrorKind::PermissionDenied => format!("{error}; let this user write to {folder}"),
            _ => error.to_string(),
        };
        Error::Unavailable(format!(
            "cannot open {}: {why}, or name another place in store.url",
            path.display()
        ))
    })
}

fn connect(path: &Path, scratch: bool) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failure)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failure)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // FULL: a commit that was answered survives the loss of power. A scratch file does not survive its process.
    let synchronous = if scratch { "OFF" } else { "FULL" };
    let pragmas = format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON;
         PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -4096;"
    );
    connection.execute_batch(&pragmas).map_err(failure)?;
    Ok(connection)
}

fn connect_reader(path: &Path) -> Result<Connection, Error> {
    let connection = connect(path, false)?;
    connection.execute_batch("PRAGMA cache_size = -1024; PRAGMA query_only = ON;").map_err(failure)?;
    Ok(connection)
}

fn read_with<T, E: From<Error>>(
    connection: &Connection,
    closure: &impl Fn(&mut Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    simple(connection, "BEGIN")?;
    let (result, _) = guarded(closure, &mut Tx::new(Database::Sqlite(connection)));
    if !connection.is_autocommit() {
        simple(connection, "ROLLBACK")?;
    }
    result
}

fn write_until_closed(connection: &Connection, waiting: &Receiver<Box<dyn Task>>) {
    while let Ok(first) = waiting.recv() {
        let mut group = Vec::new();
        let ended = run_group(connection, first, waiting, &mut group);
        if ended.is_err()
            && !connection.is_autocommit()
            && let Err(error) = simple(connection, "ROLLBACK")
        {
            tracing::error!(%error, "a failed transaction could not be rolled back");
        }
        for task in group {
            task.answer(ended.clone());
        }
    }
}

/// Runs the first closure and those that wait behind it, then commits; all of them belong to `group`, come what may.
fn run_group(
    connection: &Connection,
    first: Box<dyn Task>,
    waiting: &Receiver<Box<dyn Task>>,
    group: &mut Vec<Box<dyn Task>>,
) -> Result<(), Error> {
    let mut next = Some(first);
    let begun = simple(connection, "BEGIN IMMEDIATE");
    while let Some(mut task) = next {
        let ran = begun.clone().and_then(|()| run_in_savepoint(connection, task.as_mut()));
        group.push(task);
        ran?;
        next = if group.len() < GROUP { waiting.try_recv().ok() } else { None };
    }
    simple(connection, "COMMIT")
}

/// Runs one closure so that its failure undoes its own work only; an error here is the end of the whole group.
fn run_in_savepoint(connection: &Connection, task: &mut dyn Task) -> Result<(), Error> {
    simple(connection, "SAVEPOINT closure")?;
    let ran = task.run(&mut Tx::new(Database::Sqlite(connection)));
    if connection.is_autocommit() {
        // SQLite gave up the whole transaction (disk full, out of memory), and with it the work of the neighbours.
        return Err(match ran {
            Ran::Broken(failure) => failure.error,
            Ran::Done | Ran::Refused => Error::Corrupt("the transaction ended early".to_owned()),
        });
    }
    if !matches!(ran, Ran::Done) {
        simple(connection, "ROLLBACK TO closure")?;
    }
    simple(connection, "RELEASE closure")
}

fn simple(connection: &Connection, sql: &str) -> Result<(), Error> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.raw_execute())
        .map(drop)
        .map_err(failure)
}

pub(super) fn script(connection: &Connection, sql: &str) -> Result<(), Error> {
    connection.execute_batch(sql).map_err(failure)
}

pub(super) fn exec(connection: &Connection, sql: &str, values: &[Val<'_>]) -> Result<u64, Error> {
    let mut statement = bound(connection, sql, values)?;
    let changed = statement.raw_execute().map_err(failure)?;
    Ok(changed as u64)
}

pub(super) fn one<T>(
    connection: &Connection,
    sql: &str,
    values: &[Val<'_>],
    read: &impl Fn(&Row<'_>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    let mut statement = bound(connection, sql, values)?;
    let mut rows = statement.raw_query();
    let first = match rows.next().map_err(failure)? {
        Some(row) => Some(read(&Row::sqlite(row))?),
        None => None,
    };
    // A statement that changes rows (RETURNING) is only done when it was stepped to its end.
    while rows.next().map_err(failure)?.is_some() {}
    Ok(first)
}

pub(super) fn each(
    connection: &Connection,
    sql: &str,
    values: &[Val<'_>],
    read: &mut impl FnMut(&Row<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut statement = bound(connection, sql, values)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(failure)? {
        read(&Row::sqlite(row))?;
    }
    Ok(())
}

/// SQLite numbers `$n` by first appearance, so the values go to the names.
fn bound<'c>(
    connection: &'c Connection,
    sql: &str,
    values: &[Val<'_>],
) -> Result<CachedStatement<'c>, Error> {
    let mut statement = connection.prepare_cached(sql).map_err(failure)?;
    let mut name = String::with_capacity(4);
    for (n, value) in values.iter().enumerate() {
        name.clear();
        name.push('$');
        name.push_str(&(n + 1).to_string());
        let index = statement.parameter_index(&name).map_err(failure)?;
        let index = index.ok_or_else(|| Error::Corrupt(format!("the statement has no {name}")))?;
        statement.raw_bind_parameter(index, value).map_err(failure)?;
    }
    Ok(statement)
}

impl ToSql for Val<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Val::Null => Ok(ToSqlOutput::Owned(rusqlite::types::Value::Null)),
            Val::Int(number) => number.to_sql(),
            Val::Bool(flag) => flag.to_sql(),
            Val::Text(text) => text.to_sql(),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn failure(error: rusqlite::Error) -> Error {
    let rusqlite::Error::SqliteFailure(code, message) = &error else {
        return Error::Corrupt(error.to_string());
    };
    match code.code {
        ErrorCode::ConstraintViolation
            if matches!(
                code.extended_code,
                rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            ) =>
        {
            let what = message.as_deref().and_then(|m| m.rsplit(": ").next()).unwrap_or("a unique value");
            Error::Conflict { what: what.to_owned(), holder: None }
        }
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::OutOfMemory
        | ErrorCode::OperationInterrupted
        | ErrorCode::SystemIoFailure
        | ErrorCode::DiskFull
        | ErrorCode::CannotOpen
        | ErrorCode::FileLockingProtocolFailed => Error::Unavailable(error.to_string()),
        _ => Error::Corrupt(error.to_string()),
    }
}
