//! [`Tx`]: one transaction of either database, as the typed functions see it.
//!
//! One SQL text serves both. Parameters are `$1`, `$2` and so on; SQLite numbers them by first appearance, so they are
//! bound by name there. A comment `/*pg ... */` is unwrapped on PostgreSQL and stays a comment on SQLite. A `Tx` remembers
//! its first error and refuses all further statements: a closure that swallows an error must not commit half its work.

use jiff::Timestamp;

use super::Error;
use super::postgres_session::Session;
use super::sqlite;

/// A value bound to a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Val<'a> {
    /// `NULL`, of whatever type the column has.
    Null,
    /// Any integer column; also times, in milliseconds.
    Int(i64),
    /// A `BOOLEAN` column.
    Bool(bool),
    /// A `TEXT` column.
    Text(&'a str),
}

impl<'a> From<&'a str> for Val<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Val<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Val<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Val<'_> {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<Timestamp> for Val<'_> {
    fn from(at: Timestamp) -> Self {
        Self::Int(at.as_millisecond())
    }
}

macro_rules! id_value {
    ($($name:ident),*) => {
        $(impl<'a> From<&'a crate::domain::$name> for Val<'a> {
            fn from(id: &'a crate::domain::$name) -> Self {
                Self::Text(id.as_str())
            }
        })*
    };
}

id_value!(TenantId, PersonId, GroupId);

impl<'a, T> From<Option<T>> for Val<'a>
where
    Val<'a>: From<T>,
{
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Val::from)
    }
}

/// One row of an answer; columns are counted from 0 in the order of the `SELECT`.
pub struct Row<'a>(Source<'a>);

enum Source<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a tokio_postgres::Row),
}

impl<'a> Row<'a> {
    pub(super) fn sqlite(row: &'a rusqlite::Row<'a>) -> Self {
        Self(Source::Sqlite(row))
    }

    pub(super) fn postgres(row: &'a tokio_postgres::Row) -> Self {
        Self(Source::Postgres(row))
    }

    /// A text that is never `NULL`.
    pub fn text(&self, at: usize) -> Result<String, Error> {
        self.opt_text(at)?.ok_or_else(|| null_at(at))
    }

    /// A text, if there is one.
    pub fn opt_text(&self, at: usize) -> Result<Option<String>, Error> {
        match &self.0 {
            Source::Sqlite(row) => row.get(at).map_err(|e| column(at, &e)),
            Source::Postgres(row) => row.try_get(at).map_err(|e| column(at, &e)),
        }
    }

    /// An integer that is never `NULL`.
    pub fn int(&self, at: usize) -> Result<i64, Error> {
        self.opt_int(at)?.ok_or_else(|| null_at(at))
    }

    /// An integer, if there is one.
    pub fn opt_int(&self, at: usize) -> Result<Option<i64>, Error> {
        match &self.0 {
            Source::Sqlite(row) => row.get(at).map_err(|e| column(at, &e)),
            Source::Postgres(row) => row.try_get(at).map_err(|e| column(at, &e)),
        }
    }

    /// A boolean that is never `NULL`.
    pub fn flag(&self, at: usize) -> Result<bool, Error> {
        match &self.0 {
            Source::Sqlite(row) => row.get(at).map_err(|e| column(at, &e)),
            Source::Postgres(row) => row.try_get(at).map_err(|e| column(at, &e)),
        }
    }

    /// A time that is never `NULL`.
    pub fn time(&self, at: usize) -> Result<Timestamp, Error> {
        self.opt_time(at)?.ok_or_else(|| null_at(at))
    }

    /// A time, if there is one.
    pub fn opt_time(&self, at: usize) -> Result<Option<Timestamp>, Error> {
        let Some(millis) = self.opt_int(at)? else { return Ok(None) };
        Timestamp::from_millisecond(millis).map(Some).map_err(|e| column(at, &e))
    }
}

fn null_at(at: usize) -> Error {
    Error::Corrupt(format!("column {at} is NULL"))
}

fn column(at: usize, error: &dyn std::error::Error) -> Error {
    Error::Corrupt(format!("column {at}: {error}"))
}

/// A transaction in progress. It ends with the closure it was given to: committed when that returns `Ok`, rolled back
/// otherwise.
pub struct Tx<'a> {
    database: Database<'a>,
    failed: Option<Failure>,
}

/// The database under a [`Tx`].
pub(super) enum Database<'a> {
    Sqlite(&'a rusqlite::Connection),
    Postgres(&'a mut Session),
}

/// The first error of a transaction, and whether running the closure again may help.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) again: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, again: false }
    }
}

impl<'a> Tx<'a> {
    pub(super) fn new(database: Database<'a>) -> Self {
        Self { database, failed: None }
    }

    /// Runs a statement and says how many rows it changed.
    pub fn exec(&mut self, sql: &str, values: &[Val<'_>]) -> Result<u64, Error> {
        self.attempt(|database| match database {
            Database::Sqlite(connection) => Ok(sqlite::exec(connection, sql, values)?),
            Database::Postgres(session) => session.exec(sql, values),
        })
    }

    /// Runs a query of which the first row counts, if there is one.
    pub fn one<T>(
        &mut self,
        sql: &str,
        values: &[Val<'_>],
        read: impl Fn(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        self.attempt(|database| match database {
            Database::Sqlite(connection) => Ok(sqlite::one(connection, sql, values, &read)?),
            Database::Postgres(session) => match session.query(sql, values)?.first() {
                Some(row) => Ok(Some(read(&Row::postgres(row))?)),
                None => Ok(None),
            },
        })
    }

    /// Runs a query and hands over each of its rows.
    pub fn each(
        &mut self,
        sql: &str,
        values: &[Val<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.attempt(|database| match database {
            Database::Sqlite(connection) => Ok(sqlite::each(connection, sql, values, &mut read)?),
            Database::Postgres(session) => {
                for row in &session.query(sql, values)? {
                    read(&Row::postgres(row))?;
                }
                Ok(())
            }
        })
    }

    /// Runs a query and collects its rows.
    pub fn all<T>(
        &mut self,
        sql: &str,
        values: &[Val<'_>],
        read: impl Fn(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut rows = Vec::new();
        self.each(sql, values, |row| {
            rows.push(read(row)?);
            Ok(())
        })?;
        Ok(rows)
    }

    /// Runs the statements of a migration, without parameters.
    pub(super) fn script(&mut self, sql: &str) -> Result<(), Error> {
        self.attempt(|database| match database {
            Database::Sqlite(connection) => Ok(sqlite::script(connection, sql)?),
            Database::Postgres(session) => session.script(sql),
        })
    }

    /// Whether this is PostgreSQL; only migrations may ask.
    pub(super) fn is_postgres(&self) -> bool {
        matches!(self.database, Database::Postgres(_))
    }

    pub(super) fn failure(&self) -> Option<&Failure> {
        self.failed.as_ref()
    }

    fn attempt<T>(&mut self, run: impl FnOnce(&mut Database<'a>) -> Result<T, Failure>) -> Result<T, Error> {
        if let Some(failure) = &self.failed {
            return Err(failure.error.clone());
        }
        run(&mut self.database).map_err(|failure| {
            let error = failure.error.clone();
            self.failed = Some(failure);
            error
        })
    }
}
