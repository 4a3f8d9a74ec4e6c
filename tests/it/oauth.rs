//! Who may call besides the bearer of a token: clients at `/oauth/token`, and tokens of other issuers.

#![expect(clippy::needless_pass_by_value, reason = "`json!` values read best by value")]

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256};
use axum::Router;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use ringcx_scim::clock::Clock;
use ringcx_scim::server::issuer::Issuer;
use ringcx_scim::store::tokens;
use serde_json::{Value, json};

use crate::support::{Answer, Setup, TestBridge};

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const AUDIENCE: &str = "8adf8e6e-67b2-4cf2-a259-e3dc5476c621";
const SYNC: &str = "00000014-0000-0000-c000-000000000000";

/// Somebody who issues tokens, on loopback.
struct Directory {
    pkcs8: Vec<u8>,
    rsa: rsa::KeyPair,
    url: String,
    reads: Arc<AtomicUsize>,
}

impl Directory {
    fn start() -> Self {
        let pair =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pkcs8 = pair.as_ref().to_vec();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let rsa = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
        let (modulus, exponent) = (rsa.public_key().modulus(), rsa.public_key().exponent());
        let jwks = json!({"keys": [
            {"kty": "EC", "crv": "P-256", "kid": "known", "x": text(x), "y": text(y)},
            {"kty": "RSA", "kid": "rsa", "use": "sig", "n": text(modulus.big_endian_without_leading_zero()),
                "e": text(exponent.big_endian_without_leading_zero())}]});
        let reads = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&reads);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let serve = get(move || async move {
            counter.fetch_add(1, Ordering::SeqCst);
            jwks.to_string()
        });
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/keys", serve)).await });
        Self { pkcs8, rsa, url, reads }
    }

    fn issuer(&self, more: Value) -> Issuer {
        let mut settings = json!({"name": "entra", "issuer": format!("https://sts.windows.net/{TENANT}/"),
            "jwks_url": self.url, "audience": [AUDIENCE]});
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(settings).unwrap()
    }

    /// A token with these claims over those of Entra's sync service.
    fn token(&self, kid: &str, more: Value) -> String {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) };
        encode(&header, &Self::claims(more), &EncodingKey::from_ec_der(&self.pkcs8)).unwrap()
    }

    /// The same, signed as Entra does.
    fn rsa_token(&self, more: Value) -> String {
        let header = json!({"typ": "JWT", "alg": "RS256", "kid": "rsa", "x5t": "rsa"});
        let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", text(&header), text(&Self::claims(more)));
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        let random = SystemRandom::new();
        self.rsa.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn claims(more: Value) -> Value {
        let now = Clock::system().now().as_second();
        let mut claims = json!({"iss": format!("https://sts.windows.net/{TENANT}/"), "aud": AUDIENCE, "tid": TENANT,
            "appid": SYNC, "iat": now, "nbf": now, "exp": now + 3600, "sub": "principal"});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }
}

async fn bridge(issuers: Vec<Issuer>) -> TestBridge {
    TestBridge::start(Setup { issuers, ..Setup::default() }).await
}

async fn with(bridge: &TestBridge, token: &str) -> u16 {
    let given = format!("Bearer {token}");
    bridge.raw("GET", "/scim/v2/Users?count=1", &[("authorization", &given)], None).await.status
}

async fn exchange(bridge: &TestBridge, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Answer {
    let body = serde_urlencoded::to_string(form).unwrap();
    let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
    all.extend(headers);
    bridge.raw("POST", "/oauth/token", &all, Some(body.into_bytes())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entra_blank_token_jwt_tenant_pinned() {
    let directory = Directory::start();
    let bridge = bridge(vec![directory.issuer(json!({}))]).await;
    let token = directory.token("known", json!({}));
    assert_eq!(with(&bridge, &token).await, 200);
    let headers = [("authorization", token.as_str()), ("content-type", "application/scim+json")];
    let body = json!({"userName": "jo@example.com"}).to_string().into_bytes();
    assert_eq!(
        bridge.raw("POST", "/scim/v2/Users", &headers, Some(body)).await.status,
        201,
        "without a scheme too"
    );
    assert_eq!(bridge.ringcx.count("createAgent"), 1);
    assert_eq!(with(&bridge, &directory.rsa_token(json!({}))).await, 200);
    assert_eq!(with(&bridge, &directory.rsa_token(json!({"tid": "another"}))).await, 401);
    assert_eq!(directory.reads.load(Ordering::SeqCst), 1, "the keys are read once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entra_blank_token_jwt_other_tenant_rejected() {
    let directory = Directory::start();
    let bridge = bridge(vec![directory.issuer(json!({"subject": "principal"}))]).await;
    let other = "99999999-2222-3333-4444-555555555555";
    let past = Clock::system().now().as_second() - 7200;
    for wrong in [
        json!({"tid": other}),
        json!({"tid": null}),
        json!({"iss": format!("https://sts.windows.net/{other}/")}),
        json!({"appid": other}),
        json!({"appid": null}),
        json!({"aud": "somebody-elses"}),
        json!({"aud": null}),
        json!({"sub": "another"}),
        json!({"exp": past}),
        json!({"exp": null}),
        json!({"nbf": past + 10_000}),
    ] {
        assert_eq!(with(&bridge, &directory.token("known", wrong.clone())).await, 401, "{wrong}");
    }
    // Another key, no signature, and the public key taken for a secret.
    let stranger = Directory::start();
    assert_eq!(with(&bridge, &stranger.token("known", json!({}))).await, 401);
    let good = directory.token("known", json!({}));
    let (header, rest) = good.split_once('.').unwrap();
    let (claims, _) = rest.split_once('.').unwrap();
    for header in [json!({"alg": "none", "kid": "known"}), json!({"alg": "HS256", "kid": "known"})] {
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        assert_eq!(with(&bridge, &format!("{header}.{claims}.")).await, 401);
        assert_eq!(with(&bridge, &format!("{header}.{claims}.AAAA")).await, 401);
    }
    assert_eq!(with(&bridge, &format!("{header}.{claims}.")).await, 401);
    assert_eq!(with(&bridge, &good).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entra_jwt_unknown_kid_refreshes_keys_once() {
    let directory = Directory::start();
    let bridge = bridge(vec![directory.issuer(json!({}))]).await;
    assert_eq!(with(&bridge, &directory.token("known", json!({}))).await, 200);
    for kid in ["rolled", "rolled", "another"] {
        assert_eq!(with(&bridge, &directory.token(kid, json!({}))).await, 401);
    }
    assert_eq!(directory.reads.load(Ordering::SeqCst), 2, "once at first, once for the unknown key");
    assert_eq!(with(&bridge, &directory.token("known", json!({}))).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oauth_token_endpoint_basic_and_post() {
    let bridge = bridge(Vec::new()).await;
    let grant = ("grant_type", "client_credentials");
    let basic = format!("Basic {}", STANDARD.encode(format!("test:{}", bridge.token)));
    let by_header = exchange(&bridge, &[("authorization", &basic)], &[grant]).await;
    let secret = [grant, ("client_id", "test"), ("client_secret", &bridge.token), ("scope", "scim")];
    let by_form = exchange(&bridge, &[], &secret).await;
    for answer in [&by_header, &by_form] {
        assert_eq!((answer.status, &answer.body["token_type"]), (200, &json!("Bearer")), "{}", answer.text);
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(with(&bridge, answer.body["access_token"].as_str().unwrap()).await, 200);
    }
    let both = exchange(&bridge, &[("authorization", &basic)], &secret).await;
    assert_eq!((both.status, &both.body["error"]), (400, &json!("invalid_request")));
    for (id, secret) in [("test", "wrong"), ("other", bridge.token.as_str()), ("", "")] {
        let refused = exchange(&bridge, &[], &[grant, ("client_id", id), ("client_secret", secret)]).await;
        assert!(refused.status == 401 || refused.status == 400, "{id}: {}", refused.text);
        assert!(!refused.text.contains(&bridge.token));
    }
    let password = exchange(&bridge, &[("authorization", &basic)], &[("grant_type", "password")]).await;
    assert_eq!((password.status, &password.body["error"]), (400, &json!("unsupported_grant_type")));
    let keys = bridge.raw("GET", "/.well-known/jwks.json", &[], None).await;
    assert_eq!((keys.status, &keys.body["keys"][0]["kty"]), (200, &json!("EC")));
    assert!(keys.body["keys"][0].get("d").is_none(), "the public part only");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oauth_client_secret_rotation_two_active() {
    let bridge = bridge(Vec::new()).await;
    let old = bridge.token.clone();
    let (secret, hash) = ringcx_scim::server::token::mint().unwrap();
    let now = Clock::system().now();
    let rotate = move |tx: &mut ringcx_scim::store::Tx<'_>| {
        let tenant = "default".parse().unwrap();
        let before = tokens::by_name(tx, &tenant, "test")?.unwrap();
        let new = tokens::Token { id: "new".to_owned(), hash: hash.clone(), created: now, ..before };
        tokens::replace(tx, &new, now + std::time::Duration::from_hours(1))
    };
    assert!(bridge.store.write(rotate).await.unwrap());
    let new = secrecy::ExposeSecret::expose_secret(&secret).to_owned();
    let mut issued = Vec::new();
    for secret in [&old, &new] {
        let form =
            [("grant_type", "client_credentials"), ("client_id", "test"), ("client_secret", secret.as_str())];
        let answer = exchange(&bridge, &[], &form).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        issued.push(answer.body["access_token"].as_str().unwrap().to_owned());
        assert_eq!(with(&bridge, secret).await, 200, "both also go as they are");
    }
    // A revocation ends both, and what was issued for them.
    let revoke = move |tx: &mut ringcx_scim::store::Tx<'_>| {
        tokens::revoke(tx, &"default".parse().unwrap(), "test", now)
    };
    assert!(bridge.store.write(revoke).await.unwrap());
    for token in issued {
        assert_eq!(with(&bridge, &token).await, 401);
    }
    let form = [("grant_type", "client_credentials"), ("client_id", "test"), ("client_secret", new.as_str())];
    let answer = exchange(&bridge, &[], &form).await;
    assert_eq!((answer.status, &answer.body["error"]), (401, &json!("invalid_client")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oauth_token_lifetime_within_entra_bounds() {
    let bridge = bridge(Vec::new()).await;
    let form =
        [("grant_type", "client_credentials"), ("client_id", "test"), ("client_secret", &bridge.token)];
    let answer = exchange(&bridge, &[], &form).await;
    let seconds = answer.body["expires_in"].as_u64().expect("an integer");
    assert!((3600..=21_600).contains(&seconds), "{seconds}");
    let token = answer.body["access_token"].as_str().unwrap();
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), seconds);
    assert_eq!(claims["aud"], json!(bridge.base));
    assert!(token.len() < 1024, "government clouds take no more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entra_wif_client_assertion_exchange() {
    let directory = Directory::start();
    let v2 = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    let issuer = directory
        .issuer(json!({"issuer": v2, "use": "assertion", "audience": ["app-7"], "subject": "principal"}));
    let bridge = bridge(vec![issuer]).await;
    let form = |assertion: &str| {
        vec![
            ("grant_type".to_owned(), "client_credentials".to_owned()),
            ("client_id".to_owned(), "whatever".to_owned()),
            (
                "client_assertion_type".to_owned(),
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
            ),
            ("client_assertion".to_owned(), assertion.to_owned()),
        ]
    };
    let send = async |assertion: String| {
        let form = form(&assertion);
        let form: Vec<(&str, &str)> =
            form.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        exchange(&bridge, &[], &form).await
    };
    for audience in ["app-7", "api://app-7", "api://app-7/.default"] {
        let assertion = directory.token("known", json!({"iss": v2, "aud": audience, "appid": null}));
        let answer = send(assertion.clone()).await;
        assert_eq!(answer.status, 200, "{audience}: {}", answer.text);
        assert_eq!(with(&bridge, answer.body["access_token"].as_str().unwrap()).await, 200);
        assert_eq!(with(&bridge, &assertion).await, 401, "an assertion is no bearer token");
    }
    for wrong in [json!({"iss": v2, "aud": "app-8"}), json!({"iss": v2, "aud": "app-7", "sub": "x"})] {
        let answer = send(directory.token("known", wrong)).await;
        assert_eq!(
            (answer.status, &answer.body["error"]),
            (401, &json!("invalid_client")),
            "{}",
            answer.text
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_no_form_is_an_oauth_error_too() {
    let bridge = TestBridge::start(Setup::default()).await;
    let headers = [("content-type", "application/json")];
    let answer = bridge.raw("POST", "/oauth/token", &headers, Some(b"{}".to_vec())).await;
    assert_eq!((answer.status, &answer.body["error"]), (400, &json!("invalid_request")), "{}", answer.text);
    assert!(answer.body["error_description"].as_str().unwrap().contains("x-www-form-urlencoded"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oauth_secret_and_assertion_rejected() {
    let bridge = bridge(Vec::new()).await;
    let kind = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    let secret = [("client_id", "test"), ("client_secret", bridge.token.as_str())];
    let grant = ("grant_type", "client_credentials");
    let both = exchange(&bridge, &[], &[grant, secret[0], secret[1], kind, ("client_assertion", "x")]).await;
    let neither = exchange(&bridge, &[], &[grant, ("client_id", "test")]).await;
    for answer in [both, neither] {
        assert_eq!(
            (answer.status, &answer.body["error"]),
            (400, &json!("invalid_request")),
            "{}",
            answer.text
        );
    }
}
