//! The suite of the store, run on both databases.
//!
//! PostgreSQL is the one that `RINGCX_SCIM_TEST_POSTGRES` names (`scripts/check` starts one); each test has a schema of its own
//! there. Start reading at [`Scratch`]; the engine is in `engine`, the tables are in `tables`, lists and filters in `search`.

mod audit;
mod engine;
mod imports;
mod order;
mod owners;
mod reports;
mod search;
mod tables;

use jiff::Timestamp;
use tempfile::TempDir;

use super::{Error, Settings, Store};
use crate::domain::person::user_keys;
use crate::domain::{PersonId, TenantId};
use crate::scim::Resource;

/// Declares tests once and runs each on both databases.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        $(mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn sqlite() {
                super::$name(crate::store::tests::Scratch::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn postgres() {
                if let Some(scratch) = crate::store::tests::Scratch::postgres().await {
                    super::$name(scratch).await;
                }
            }
        })*
    };
}
use on_both;

/// An empty store of either database.
struct Scratch {
    store: Store,
    settings: Settings,
    _folder: Option<TempDir>,
}

impl Scratch {
    async fn sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        let settings = Settings::at(&format!("sqlite://{}", folder.path().join("test.db").display()));
        Self { store: Store::open(&settings).await.unwrap(), settings, _folder: Some(folder) }
    }

    async fn postgres() -> Option<Self> {
        let Ok(url) = std::env::var("RINGCX_SCIM_TEST_POSTGRES") else {
            let required = std::env::var("RINGCX_SCIM_TEST_REQUIRE_POSTGRES").is_ok_and(|it| it == "1");
            assert!(!required, "RINGCX_SCIM_TEST_POSTGRES must name a PostgreSQL; scripts/check starts one");
            println!("skipped: RINGCX_SCIM_TEST_POSTGRES is not set");
            return None;
        };
        let schema = format!("test_{}", crate::clock::Ids::system().next().simple());
        let settings = Settings { migrate: false, ..Settings::at(&url) };
        let server = Store::connect(&settings).unwrap();
        let create = format!("CREATE SCHEMA {schema}");
        server.write(move |tx| tx.exec(&create, &[]).map(drop)).await.unwrap();
        server.close().await;
        let joint = if url.contains('?') { '&' } else { '?' };
        let settings = Settings {
            connections: 16,
            ..Settings::at(&format!("{url}{joint}options=-csearch_path%3D{schema}&application_name={schema}"))
        };
        Some(Self { store: Store::open(&settings).await.unwrap(), settings, _folder: None })
    }

    /// Ends the store and opens what is left of it.
    async fn reopened(mut self) -> Self {
        self.store.close().await;
        self.store = Store::open(&self.settings).await.unwrap();
        self
    }

    /// The first column of the first row, 0 when there is none.
    async fn number(&self, sql: &'static str) -> i64 {
        self.store.read(move |tx| tx.one(sql, &[], |row| row.int(0))).await.unwrap().unwrap_or(0)
    }

    /// Runs one statement for its effect.
    async fn change(&self, sql: &'static str) -> Result<u64, Error> {
        self.store.write(move |tx| tx.exec(sql, &[])).await
    }
}

fn tenant() -> TenantId {
    "default".parse().unwrap()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap()
}

/// Ids that sort by their number.
fn person_id(number: usize) -> PersonId {
    format!("p-{number:05}").into()
}

/// Stores a person whose body is `body`.
fn insert_person(
    tx: &mut super::Tx<'_>,
    id: &PersonId,
    body: &serde_json::Value,
    now: Timestamp,
) -> Result<(), Error> {
    let text = body.to_string();
    let keys = user_keys(&Resource::from_json(&text).unwrap());
    let shown = super::people::Shown {
        body: &text,
        answer: &text,
        keys: &keys,
        state: crate::domain::answer::Provisioning::Active,
        last_error: None,
        suspended: false,
    };
    super::people::insert(tx, &tenant(), id, &shown, now)
}
