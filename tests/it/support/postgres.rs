//! A schema of its own on the PostgreSQL that `scripts/check` starts.

use tokio_postgres::NoTls;

/// The URL of an empty schema; nothing when there is no PostgreSQL and none is required.
pub(crate) async fn postgres_database() -> Option<String> {
    let Ok(url) = std::env::var("RINGCX_SCIM_TEST_POSTGRES") else {
        let required = std::env::var("RINGCX_SCIM_TEST_REQUIRE_POSTGRES").is_ok_and(|it| it == "1");
        assert!(!required, "RINGCX_SCIM_TEST_POSTGRES must name a PostgreSQL; scripts/check starts one");
        println!("skipped: RINGCX_SCIM_TEST_POSTGRES is not set");
        return None;
    };
    let schema = format!("it_{}", ringcx_scim::clock::Ids::system().next().simple());
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(&format!("CREATE SCHEMA {schema}")).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
    let joint = if url.contains('?') { '&' } else { '?' };
    Some(format!("{url}{joint}options=-csearch_path%3D{schema}"))
}
