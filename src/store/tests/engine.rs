//! What a transaction promises.

use super::super::{Error, Store, migrate};
use super::{Scratch, on_both};

on_both!(
    a_failed_closure_undoes_only_its_own_work,
    a_swallowed_error_commits_nothing,
    a_panic_undoes_its_own_work_and_the_store_goes_on,
    concurrent_writes_are_all_durable,
    a_commit_that_fails_answers_all,
    a_read_cannot_write,
    a_read_sees_one_moment,
    what_was_answered_is_there_after_a_restart,
    a_closed_store_refuses_writes,
    a_newer_database_is_refused,
    a_missing_migration_is_named,
    texts_are_ordered_by_code_point,
);

async fn table(scratch: &Scratch) {
    scratch.change("CREATE TABLE t (n BIGINT NOT NULL PRIMARY KEY, s TEXT)").await.unwrap();
}

async fn insert(store: &Store, n: i64) -> Result<(), Error> {
    store.write(move |tx| tx.exec("INSERT INTO t (n) VALUES ($1)", &[n.into()]).map(drop)).await
}

#[derive(Debug, PartialEq)]
enum Own {
    No,
    Store(Error),
}

impl From<Error> for Own {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

async fn a_failed_closure_undoes_only_its_own_work(scratch: Scratch) {
    table(&scratch).await;
    let writes = (0..50_i64).map(|n| {
        let store = scratch.store.clone();
        tokio::spawn(async move {
            let wrote = store.write(move |tx| {
                tx.exec("INSERT INTO t (n) VALUES ($1)", &[n.into()])?;
                if n % 2 == 0 { Ok(()) } else { Err(Own::No) }
            });
            wrote.await
        })
    });
    for (n, write) in writes.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(write.await.unwrap(), if n % 2 == 0 { Ok(()) } else { Err(Own::No) });
    }
    assert_eq!(scratch.number("SELECT count(*) FROM t").await, 25);
    assert_eq!(scratch.number("SELECT count(*) FROM t WHERE n % 2 = 1").await, 0);
}

async fn a_swallowed_error_commits_nothing(scratch: Scratch) {
    table(&scratch).await;
    insert(&scratch.store, 1).await.unwrap();
    let wrote = scratch.store.write(|tx| {
        tx.exec("INSERT INTO t (n) VALUES ($1)", &[2.into()])?;
        drop(tx.exec("INSERT INTO t (n) VALUES ($1)", &[1.into()]));
        drop(tx.exec("INSERT INTO t (n) VALUES ($1)", &[3.into()]));
        Ok(())
    });
    assert!(matches!(wrote.await, Err(Error::Conflict { .. })));
    assert_eq!(scratch.number("SELECT count(*) FROM t").await, 1);
}

async fn a_panic_undoes_its_own_work_and_the_store_goes_on(scratch: Scratch) {
    table(&scratch).await;
    let wrote: Result<(), Error> = scratch
        .store
        .write(|tx| {
            tx.exec("INSERT INTO t (n) VALUES (1)", &[])?;
            panic!("a bug")
        })
        .await;
    assert!(matches!(wrote, Err(Error::Corrupt(_))), "{wrote:?}");
    let read: Result<(), Error> = scratch.store.read(|_| panic!("a bug")).await;
    assert!(matches!(read, Err(Error::Corrupt(_))), "{read:?}");
    insert(&scratch.store, 2).await.unwrap();
    assert_eq!(scratch.number("SELECT count(*) FROM t").await, 1);
}

async fn concurrent_writes_are_all_durable(scratch: Scratch) {
    table(&scratch).await;
    scratch.change("INSERT INTO t (n) VALUES (0)").await.unwrap();
    let writes: Vec<_> = (1..=200)
        .map(|n| {
            let store = scratch.store.clone();
            tokio::spawn(async move { insert(&store, n).await })
        })
        .collect();
    for write in writes {
        write.await.unwrap().unwrap();
    }
    let scratch = scratch.reopened().await;
    assert_eq!(scratch.number("SELECT count(*) FROM t").await, 201);
}

async fn a_commit_that_fails_answers_all(scratch: Scratch) {
    scratch.change("CREATE TABLE parent (n BIGINT NOT NULL PRIMARY KEY)").await.unwrap();
    let child = "CREATE TABLE child (n BIGINT REFERENCES parent (n) DEFERRABLE INITIALLY DEFERRED)";
    scratch.change(child).await.unwrap();
    // The key is only missed at COMMIT, when the closure has long returned `Ok`.
    let wrote = scratch.change("INSERT INTO child (n) VALUES (7)").await;
    assert!(wrote.is_err(), "{wrote:?}");
    assert_eq!(scratch.number("SELECT count(*) FROM child").await, 0);
    scratch.change("INSERT INTO parent (n) VALUES (7)").await.unwrap();
    scratch.change("INSERT INTO child (n) VALUES (7)").await.unwrap();
}

async fn a_read_cannot_write(scratch: Scratch) {
    table(&scratch).await;
    let wrote = scratch.store.read(|tx| tx.exec("INSERT INTO t (n) VALUES (1)", &[])).await;
    assert!(wrote.is_err(), "{wrote:?}");
    assert_eq!(scratch.number("SELECT count(*) FROM t").await, 0);
}

async fn a_read_sees_one_moment(scratch: Scratch) {
    table(&scratch).await;
    insert(&scratch.store, 1).await.unwrap();
    let (begun, wait) = std::sync::mpsc::channel();
    let (go, written) = std::sync::mpsc::channel();
    let written = std::sync::Mutex::new(written);
    let store = scratch.store.clone();
    let read = tokio::spawn(async move {
        let read = store.read_long(move |tx| {
            let count = "SELECT count(*) FROM t";
            let first = tx.one(count, &[], |row| row.int(0))?;
            begun.send(()).unwrap();
            written.lock().unwrap().recv().unwrap();
            Ok::<_, Error>((first, tx.one(count, &[], |row| row.int(0))?))
        });
        read.await
    });
    tokio::task::spawn_blocking(move || wait.recv().unwrap()).await.unwrap();
    insert(&scratch.store, 2).await.unwrap();
    go.send(()).unwrap();
    assert_eq!(read.await.unwrap().unwrap(), (Some(1), Some(1)));
}

async fn what_was_answered_is_there_after_a_restart(scratch: Scratch) {
    table(&scratch).await;
    insert(&scratch.store, 41).await.unwrap();
    let scratch = scratch.reopened().await;
    assert_eq!(scratch.number("SELECT n FROM t").await, 41);
}

async fn a_closed_store_refuses_writes(scratch: Scratch) {
    table(&scratch).await;
    scratch.store.close().await;
    assert!(matches!(insert(&scratch.store, 1).await, Err(Error::Unavailable(_))));
}

async fn a_newer_database_is_refused(scratch: Scratch) {
    scratch.change("INSERT INTO migrations (number, name) VALUES (9999, 'later')").await.unwrap();
    let opened = Store::open(&scratch.settings).await;
    let Err(error) = opened else { panic!("a newer database was opened") };
    assert!(error.to_string().contains("9999"), "{error}");
}

async fn a_missing_migration_is_named(scratch: Scratch) {
    assert!(Store::migrate(&scratch.settings).await.unwrap().is_empty(), "open has migrated already");
    scratch.change("DELETE FROM migrations").await.unwrap();
    let checked = migrate::check(&scratch.store).await;
    assert!(checked.unwrap_err().to_string().contains("ringcx-scim migrate"));
    scratch.change("DROP TABLE migrations").await.unwrap();
    let checked = migrate::check(&scratch.store).await;
    assert!(checked.unwrap_err().to_string().contains("ringcx-scim migrate"));
}

async fn texts_are_ordered_by_code_point(scratch: Scratch) {
    for key in ["b", "B", "é", "a-b", "ab", "Z", "_", "😀", "\u{ffff}"] {
        let insert = "INSERT INTO names (tenant, kind, key, owner) VALUES ('t', 'k', $1, 'o')";
        scratch.store.write(move |tx| tx.exec(insert, &[key.into()])).await.unwrap();
    }
    let keys = "SELECT key FROM names ORDER BY key";
    let keys: Vec<String> = scratch.store.read(move |tx| tx.all(keys, &[], |row| row.text(0))).await.unwrap();
    assert_eq!(keys, ["B", "Z", "_", "a-b", "ab", "b", "é", "\u{ffff}", "😀"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_server_ends_is_made_again() {
    let Some(scratch) = Scratch::postgres().await else { return };
    table(&scratch).await;
    for n in 0..20 {
        // Ends every other backend of this test, those of the writers among them; the answer must not show it.
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE pid <> pg_backend_pid() AND application_name = current_setting('application_name')";
        scratch.store.read(move |tx| tx.exec(end, &[]).map(drop)).await.unwrap();
        insert(&scratch.store, n).await.unwrap();
    }
    assert_eq!(scratch.number("SELECT count(*) FROM t").await, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_in_the_middle_runs_the_closure_again() {
    let Some(scratch) = Scratch::postgres().await else { return };
    table(&scratch).await;
    let runs = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let seen = std::sync::Arc::clone(&runs);
    let wrote = scratch.store.write(move |tx| {
        tx.exec("INSERT INTO t (n) VALUES (1)", &[])?;
        if seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
            tx.exec("SELECT pg_terminate_backend(pg_backend_pid())", &[])?;
        }
        tx.exec("INSERT INTO t (n) VALUES (2)", &[]).map(drop)
    });
    wrote.await.unwrap();
    assert_eq!(runs.load(std::sync::atomic::Ordering::SeqCst), 2);
    assert_eq!(scratch.number("SELECT count(*) FROM t").await, 2);
}

#[tokio::test]
async fn an_unreachable_database_is_named() {
    for (url, word) in [
        ("postgres://nobody@127.0.0.1:1/none", "PostgreSQL"),
        ("sqlite:///no/such/folder/bridge.db", "/no/such/folder/bridge.db"),
        ("mysql://somewhere", "neither"),
    ] {
        let opened = Store::open(&super::Settings::at(url)).await;
        let Err(error) = opened else { panic!("{url} was opened") };
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn the_url_is_not_printed() {
    let settings = super::Settings::at("postgres://me:secret@db/bridge");
    assert!(!format!("{settings:?}").contains("secret"));
}
