//! The server behind a proxy: whose word about addresses and URLs is taken. The real program, on a socket.

use ringcx_simulator::Options;
use serde_json::Value;

use crate::crash::serve::{Serve, command, configure};
use crate::support::Simulator;

struct World {
    serve: Serve,
    config: std::path::PathBuf,
    token: String,
    _simulator: Simulator,
    _folder: tempfile::TempDir,
}

/// A server that trusts proxies in `networks`.
async fn world(networks: &str) -> World {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite://{}", folder.path().join("bridge.db").display());
    let (config, token) = configure(folder.path(), &simulator.url(), &store, "2s");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replacen("[server]", &format!("[server]\ntrusted_proxies = [\"{networks}\"]"), 1);
    std::fs::write(&config, text).unwrap();
    World { serve: Serve::ready(&config).await, config, token, _simulator: simulator, _folder: folder }
}

async fn get(world: &World, path: &str, token: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let client = reqwest::Client::builder().build().unwrap();
    let mut request = client.get(format!("{}{path}", world.serve.base)).bearer_auth(token);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    #[expect(clippy::disallowed_methods, reason = "a test is a client of its own")]
    let response = request.send().await.unwrap();
    (response.status().as_u16(), serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
}

const SEEN: [(&str, &str); 2] = [("x-forwarded-proto", "https"), ("x-forwarded-host", "scim.example.com")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locations_use_the_url_that_a_trusted_proxy_names_and_nobody_elses() {
    for (networks, believed) in [("127.0.0.0/8", true), ("10.0.0.0/8", false)] {
        let world = world(networks).await;
        let outside = "https://scim.example.com/scim/v2/ResourceTypes/User";
        let inside = format!("{}/ResourceTypes/User", world.serve.base);
        let (status, user) = get(&world, "/ResourceTypes/User", &world.token, &SEEN).await;
        let expected = if believed { outside } else { &inside };
        assert_eq!((status, user["meta"]["location"].as_str()), (200, Some(expected)), "{user}");
        let (_, user) = get(&world, "/ResourceTypes/User", &world.token, &[]).await;
        assert_eq!(user["meta"]["location"], inside, "nobody says anything");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_made_with_cidr_is_good_only_from_those_networks() {
    let world = world("127.0.0.0/8").await;
    let make = async |name: &str, networks: &[&str]| {
        let mut arguments = vec!["token", "create", "--name", name];
        arguments.extend(networks.iter().flat_map(|it| ["--cidr", *it]));
        command(&world.config, &arguments).await
    };
    let (code, far) = make("far", &["10.0.0.0/8", "2001:db8::/32"]).await;
    assert_eq!(code, 0, "{far}");
    let (code, near) = make("near", &["127.0.0.1"]).await;
    assert_eq!(code, 0, "{near}");
    let (code, said) = make("wrong", &["10.0.0.0/99"]).await;
    assert!(code == 2 && said.contains("10.0.0.0/99") && said.lines().count() == 1, "{code} {said}");
    let (_, list) = command(&world.config, &["token", "list", "--json"]).await;
    assert!(list.contains("10.0.0.0/8") && !list.contains("wrong"), "{list}");
    for (token, from, status) in [
        (&far, "10.1.2.3", 200),
        (&far, "2001:db8::7", 200),
        (&far, "192.0.2.1", 401),
        (&far, "", 401),
        // Whatever the caller itself put before the word of the proxy is not believed.
        (&far, "10.1.2.3, 192.0.2.1", 401),
        (&near, "", 200),
        (&near, "10.1.2.3", 401),
    ] {
        let headers = [("x-forwarded-for", from)];
        let headers = if from.is_empty() { &[][..] } else { &headers[..] };
        let (answered, body) = get(&world, "/Users", token.trim(), headers).await;
        assert_eq!(answered, status, "{from}: {body}");
    }
}
