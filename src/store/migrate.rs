//! Migrations: numbered files, applied in order, once.

use super::{Error, Store, Tx};

/// Every migration, oldest first. A file that was released is never changed.
const MIGRATIONS: [(i64, &str, &str); 15] = [
    (1, "0001_init", include_str!("../../migrations/0001_init.sql")),
    (2, "0002_tokens", include_str!("../../migrations/0002_tokens.sql")),
    (3, "0003_parked", include_str!("../../migrations/0003_parked.sql")),
    (4, "0004_audit", include_str!("../../migrations/0004_audit.sql")),
    (5, "0005_alerts", include_str!("../../migrations/0005_alerts.sql")),
    (6, "0006_budget_limits", include_str!("../../migrations/0006_budget_limits.sql")),
    (7, "0007_losses", include_str!("../../migrations/0007_losses.sql")),
    (8, "0008_planned", include_str!("../../migrations/0008_planned.sql")),
    (9, "0009_privilege_pins", include_str!("../../migrations/0009_privilege_pins.sql")),
    (10, "0010_import", include_str!("../../migrations/0010_import.sql")),
    (11, "0011_token_networks", include_str!("../../migrations/0011_token_networks.sql")),
    (12, "0012_owners", include_str!("../../migrations/0012_owners.sql")),
    (13, "0013_unlinked", include_str!("../../migrations/0013_unlinked.sql")),
    (14, "0014_audit_reading", include_str!("../../migrations/0014_audit_reading.sql")),
    (15, "0015_lost", include_str!("../../migrations/0015_lost.sql")),
];

/// A number of ours for PostgreSQL's advisory lock, so that replicas that start together migrate one after another.
const LOCK: i64 = 0x7269_6e67_6378;

/// Applies what is missing and names it.
pub(super) async fn up(store: &Store) -> Result<Vec<String>, Error> {
    store
        .write(|tx| {
            if tx.is_postgres() {
                tx.one("SELECT pg_advisory_xact_lock($1)", &[LOCK.into()], |_| Ok(()))?;
            }
            tx.script("CREATE TABLE IF NOT EXISTS migrations (number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL)")?;
            let applied = applied(tx)?;
            let mut done = Vec::new();
            for (number, name, sql) in MIGRATIONS.iter().filter(|(number, ..)| *number > applied) {
                tx.script(&dialect(tx, sql))?;
                tx.exec("INSERT INTO migrations (number, name) VALUES ($1, $2)", &[(*number).into(), (*name).into()])?;
                done.push((*name).to_owned());
            }
            Ok(done)
        })
        .await
}

/// Refuses tables that are not those of this program.
pub(super) async fn check(store: &Store) -> Result<(), Error> {
    let applied = store.read(applied).await.map_err(|error| match error {
        Error::Corrupt(_) => Error::Corrupt("the tables are missing; run `ringcx-scim migrate`".to_owned()),
        other => other,
    })?;
    match MIGRATIONS.last() {
        Some((newest, ..)) if applied < *newest => Err(Error::Corrupt(format!(
            "the tables are at migration {applied} and this program needs {newest}; run `ringcx-scim migrate`"
        ))),
        _ => Ok(()),
    }
}

fn applied(tx: &mut Tx<'_>) -> Result<i64, Error> {
    let applied =
        tx.one("SELECT COALESCE(MAX(number), 0) FROM migrations", &[], |row| row.int(0))?.unwrap_or(0);
    match MIGRATIONS.last() {
        Some((newest, ..)) if applied > *newest => Err(Error::Corrupt(format!(
            "the tables are at migration {applied}, which is newer than this program; run a newer one"
        ))),
        _ => Ok(applied),
    }
}

/// The text for the database at hand: PostgreSQL compares text by the rules of a language unless told otherwise.
fn dialect(tx: &Tx<'_>, sql: &str) -> String {
    if !tx.is_postgres() {
        return sql.to_owned();
    }
    let mut text = String::with_capacity(sql.len() * 2);
    for line in sql.lines() {
        let code = line.split("--").next().unwrap_or_default();
        let words = code.split(' ').map(|word| match word {
            "TEXT" => "TEXT COLLATE \"C\"".to_owned(),
            "TEXT," => "TEXT COLLATE \"C\",".to_owned(),
            other => other.to_owned(),
        });
        text.push_str(&words.collect::<Vec<_>>().join(" "));
        text.push('\n');
    }
    text
}
