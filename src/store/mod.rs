//! The store: SQLite for one process, PostgreSQL for several. A transaction is a closure.
//!
//! [`Store::read`] and [`Store::write`] take synchronous closures over a [`Tx`], which both databases implement; everything typed
//! (a file per table) is written once on top of it. A closure may run again, so it must not have side effects. This module
//! knows tables and keys, no rules: those are in `domain` and `reconcile`.

pub mod alerts;
pub mod audit;
pub mod budgets;
pub mod facts;
pub mod groups;
pub mod holds;
pub mod imports;
pub mod inventory;
pub mod jobs;
pub mod journal;
pub mod leases;
pub mod links;
pub mod losses;
pub mod lost;
pub mod members;
mod migrate;
pub mod names;
pub mod owners;
pub mod people;
pub mod pins;
pub mod planned;
mod postgres;
mod postgres_session;
mod pushdown;
pub mod reports;
pub mod revisions;
pub mod search;
mod sqlite;
pub mod survey;
mod task;
#[cfg(test)]
mod tests;
pub mod tokens;
mod tx;

mod error;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use error::Error;
pub use tx::{Row, Tx, Val};

/// Where the store is: `[store]`.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `sqlite:///path/to/file.db`, `sqlite::memory:`, or `postgres://user:password@host/database`.
    pub url: String,
    /// Whether `serve` brings the tables up to date when it starts. Default true.
    #[serde(default = "yes")]
    pub migrate: bool,
    /// Connections to PostgreSQL: 1 to 64, default 8, half of them for writes. SQLite has one writer whatever this says.
    #[serde(default = "eight")]
    pub connections: usize,
}

const fn yes() -> bool {
    true
}

const fn eight() -> usize {
    8
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        f.debug_struct("Settings").field("migrate", &self.migrate).finish_non_exhaustive()
    }
}

impl Settings {
    /// A store at `url` with the defaults.
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned(), migrate: true, connections: eight() }
    }

    /// Complaints about values that cannot work: the key and one sentence each.
    pub fn check(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if self.kind().is_none() {
            found.push((
                "url",
                "must begin with sqlite: or postgres://, as in sqlite:///var/lib/ringcx-scim/bridge.db"
                    .to_owned(),
            ));
        }
        if !(1..=64).contains(&self.connections) {
            found.push(("connections", "must be between 1 and 64".to_owned()));
        }
        found
    }

    /// The SQLite file, where it is to be made first.
    pub fn missing_file(&self) -> Option<&str> {
        match self.kind() {
            Some(Kind::File(path)) if !Path::new(path).exists() => Some(path),
            _ => None,
        }
    }

    fn kind(&self) -> Option<Kind<'_>> {
        if self.url.starts_with("postgres://") || self.url.starts_with("postgresql://") {
            return Some(Kind::Postgres(&self.url));
        }
        let path = self.url.strip_prefix("sqlite:")?;
        if path == ":memory:" {
            return Some(Kind::Memory);
        }
        let path = path.strip_prefix("//").unwrap_or(path);
        (!path.is_empty()).then_some(Kind::File(path))
    }
}

enum Kind<'a> {
    Postgres(&'a str),
    File(&'a str),
    Memory,
}

/// A handle to the database. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Backend>);

enum Backend {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Store {
    /// Opens the database, and brings its tables up to date unless the settings say not to.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it cannot be reached, [`Error::Corrupt`] when its tables are not those of this program.
    pub async fn open(settings: &Settings) -> Result<Self, Error> {
        let store = Self::connect(settings)?;
        if settings.migrate {
            migrate::up(&store).await?;
        } else {
            migrate::check(&store).await?;
        }
        Ok(store)
    }

    /// Brings the tables up to date and says what was done.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn migrate(settings: &Settings) -> Result<Vec<String>, Error> {
        let store = Self::connect(settings)?;
        let done = migrate::up(&store).await;
        store.close().await;
        done
    }

    fn connect(settings: &Settings) -> Result<Self, Error> {
        let backend = match settings.kind() {
            Some(Kind::Postgres(url)) => {
                Backend::Postgres(postgres::Postgres::open(url, settings.connections)?)
            }
            Some(Kind::File(path)) => Backend::Sqlite(sqlite::Sqlite::open(Some(Path::new(path)))?),
            Some(Kind::Memory) => Backend::Sqlite(sqlite::Sqlite::open(None)?),
            None => return Err(Error::Corrupt("the URL names neither SQLite nor PostgreSQL".to_owned())),
        };
        Ok(Self(Arc::new(backend)))
    }

    /// Runs a short read: a few rows by index, all of one moment. On SQLite it runs on this very thread.
    ///
    /// # Errors
    /// What the closure or the database said.
    pub async fn read<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match &*self.0 {
            Backend::Sqlite(sqlite) => sqlite.read(&closure),
            Backend::Postgres(postgres) => postgres.read(closure).await,
        }
    }

    /// Runs a read that may go through many rows, away from the threads that answer requests.
    ///
    /// # Errors
    /// What the closure or the database said.
    pub async fn read_long<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        match &*self.0 {
            Backend::Sqlite(sqlite) => sqlite.read_long(closure).await,
            Backend::Postgres(postgres) => postgres.read(closure).await,
        }
    }

    /// Runs a write; when this returns `Ok`, it is durable.
    ///
    /// # Errors
    /// What the closure or the database said; nothing was written then, except after "outcome unknown".
    pub async fn write<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        crate::fuse::point();
        let written = match &*self.0 {
            Backend::Sqlite(sqlite) => sqlite.write(closure).await,
            Backend::Postgres(postgres) => postgres.write(closure).await,
        };
        crate::fuse::point();
        written
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        self.read(|tx| tx.one("SELECT 1", &[], |_| Ok(())).map(drop)).await
    }

    /// Takes no more work and waits for what was accepted.
    pub async fn close(&self) {
        match &*self.0 {
            Backend::Sqlite(sqlite) => sqlite.close().await,
            Backend::Postgres(postgres) => postgres.close().await,
        }
    }

    /// Bytes in SQLite's write-ahead log, for the gauge that shows a reader which never ends.
    pub fn log_size(&self) -> u64 {
        match &*self.0 {
            Backend::Sqlite(sqlite) => sqlite.log_size(),
            Backend::Postgres(_) => 0,
        }
    }
}
