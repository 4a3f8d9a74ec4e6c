//! `token`: bearer tokens of a tenant. A token is shown once; the store has its hash.

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand, ValueEnum};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::operator::operator;
use super::{Failure, Of, Plain, columns, runtime, say};
use crate::clock::{Clock, Ids, Span};
use crate::domain::{PersonId, TenantId};
use crate::server::network::Network;
use crate::server::token;
use crate::store::people;
use crate::store::tokens::{self, Token};
use crate::store::{self, Store, audit};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a token and print it, once
    Create(Create),
    /// The tokens of a tenant
    List(Plain),
    /// End a token
    Revoke(Revoke),
    /// Make a token that takes the name of another one, which goes on for a while
    Rotate(Rotate),
}

#[derive(Args)]
pub(super) struct Create {
    #[command(flatten)]
    of: Of,
    /// What it is for, as in `okta`
    #[arg(long, value_name = "N")]
    name: String,
    /// What it may do; write includes read
    #[arg(long, value_enum, default_value = "write")]
    scope: Scope,
    /// When it ends
    #[arg(long, value_name = "SPAN", default_value = "365d")]
    expires: String,
    /// The SCIM id of the person for whom /Me stands; the token may do what its scope says all the same
    #[arg(long, value_name = "ID")]
    person: Option<String>,
    /// A network from which it may be used, as in 10.0.0.0/8; may be given several times; left out: from everywhere
    #[arg(long, value_name = "NETWORK")]
    cidr: Vec<String>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Rotate {
    #[command(flatten)]
    of: Of,
    /// Which
    #[arg(long, value_name = "N")]
    name: String,
    /// How long the old one goes on
    #[arg(long, value_name = "SPAN", default_value = "24h")]
    overlap: String,
    /// When the new one ends
    #[arg(long, value_name = "SPAN", default_value = "365d")]
    expires: String,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    of: Of,
    /// Which
    #[arg(long, value_name = "N")]
    name: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scope {
    Read,
    Write,
}

pub(super) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Create(create) => make(create).await,
        Command::List(list) => show(list).await,
        Command::Revoke(revoke) => end(revoke).await,
        Command::Rotate(rotate) => replace(rotate).await,
    }
}

/// A token that was just made.
pub(super) struct Minted {
    pub(super) secret: SecretString,
    pub(super) stored: Token,
}

/// What a token is to be.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) scope: &'a str,
    pub(super) expires: Span,
    pub(super) person: Option<PersonId>,
    /// The networks from which it may be used.
    pub(super) networks: Option<String>,
}

/// Makes a token; an error when a live one has that name.
pub(super) async fn mint(store: &Store, tenant: &TenantId, wanted: Wanted<'_>) -> Result<Minted, Failure> {
    let Wanted { name, scope, expires, person, networks } = wanted;
    let (secret, hash) = token::mint().context("the system gave no randomness")?;
    let now = Clock::system().now();
    let stored = Token {
        id: Ids::system().next().to_string(),
        tenant: tenant.clone(),
        name: name.to_owned(),
        hash,
        scope: scope.to_owned(),
        created: now,
        expires: Some(now + expires.as_duration()),
        last_used: None,
        revoked: None,
        person,
        replaced: None,
        networks,
    };
    let new = stored.clone();
    let record = record("create_token", &stored);
    let made = store
        .write(move |tx| {
            let made = tokens::create(tx, &new)?;
            if made {
                audit::append(tx, &new.tenant, &record)?;
            }
            Ok::<_, store::Error>(made)
        })
        .await
        .context("the token was not stored")?;
    if made {
        return Ok(Minted { secret, stored });
    }
    Err(Failure::Input(anyhow!(
        "tenant {tenant} has a token named \"{name}\" already; revoke it or choose another name"
    )))
}

/// How long a token lives: not for no time at all.
fn lifetime(text: &str) -> Result<Span, Failure> {
    let span: Span = text.parse().context("--expires").map_err(Failure::Input)?;
    if span == Span::secs(0) {
        return Err(Failure::Input(anyhow!(
            "--expires {text} ends before it begins; write 365d, for example"
        )));
    }
    Ok(span)
}

async fn make(create: Create) -> Result<(), Failure> {
    let expires = lifetime(&create.expires)?;
    if create.name.trim().is_empty() {
        return Err(Failure::Input(anyhow!("--name is empty; say what the token is for")));
    }
    let networks = create.cidr.join(" ");
    Network::list(&networks).context("--cidr").map_err(Failure::Input)?;
    let networks = Some(networks).filter(|list| !list.is_empty());
    let (store, tenant) = open(&create.of).await?;
    let scope = match create.scope {
        Scope::Read => "read",
        Scope::Write => "write",
    };
    let person = create.person.map(PersonId::from);
    if let Some(id) = person.clone() {
        let of = tenant.clone();
        let found =
            store.read(move |tx| people::get(tx, &of, &id)).await.context("the person was not read")?;
        if found.is_none() {
            return Err(Failure::Input(anyhow!(
                "tenant {tenant} has no person with that id; see GET /Users"
            )));
        }
    }
    let wanted = Wanted { name: create.name.trim(), scope, expires, person, networks };
    let minted = mint(&store, &tenant, wanted).await?;
    store.close().await;
    tell(minted, create.json);
    Ok(())
}

/// The same client gets a second secret; the first one goes on until the overlap is over.
async fn replace(rotate: Rotate) -> Result<(), Failure> {
    let expires = lifetime(&rotate.expires)?;
    let overlap: Span = rotate.overlap.parse().context("--overlap").map_err(Failure::Input)?;
    let (store, tenant) = open(&rotate.of).await?;
    let (secret, hash) = token::mint().context("the system gave no randomness")?;
    let (of, name, now) = (tenant.clone(), rotate.name.clone(), Clock::system().now());
    let id = Ids::system().next().to_string();
    let stored = store.write(move |tx| {
        let Some(old) = tokens::by_name(tx, &of, &name)? else { return Ok(None) };
        let new = Token {
            id: id.clone(),
            hash: hash.clone(),
            created: now,
            expires: Some(now + expires.as_duration()),
            last_used: None,
            ..old
        };
        if !tokens::replace(tx, &new, now + overlap.as_duration())? {
            return Ok(None);
        }
        audit::append(tx, &of, &record("rotate_token", &new))?;
        Ok::<_, store::Error>(Some(new))
    });
    let stored = stored.await.context("the token was not stored")?;
    store.close().await;
    let stored = stored.ok_or_else(|| {
        Failure::Input(anyhow!(
            "tenant {tenant} has no live token named \"{}\"; see `token list`",
            rotate.name
        ))
    })?;
    tell(Minted { secret, stored }, rotate.json);
    Ok(())
}

/// For the auditor: which token, never the token.
fn record(action: &str, token: &Token) -> audit::Record {
    let expires = token.expires.map(|at| at.to_string());
    let detail = json!({"id": token.id, "name": token.name, "scope": token.scope, "expires": expires});
    audit::Record::new(&Ids::system().next(), Clock::system().now(), &operator(), action, &detail)
}

/// Prints a token, once.
fn tell(minted: Minted, as_json: bool) {
    let secret = minted.secret.expose_secret();
    if as_json {
        let Token { id, name, expires, .. } = minted.stored;
        let expires = expires.map(|at| at.to_string());
        say(&json!({"id": id, "name": name, "token": secret, "expires": expires}).to_string());
    } else {
        say(secret);
    }
}

async fn show(list: Plain) -> Result<(), Failure> {
    let (store, tenant) = open(&list.of).await?;
    let found = store.read(move |tx| tokens::list(tx, &tenant)).await.context("the tokens were not read")?;
    store.close().await;
    let time = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string());
    if list.json {
        let all: Value = found
            .iter()
            .map(|it| {
                json!({
                    "id": it.id, "name": it.name, "scope": it.scope, "created": it.created.to_string(),
                    "expires": time(it.expires), "last_used": time(it.last_used), "revoked": time(it.revoked),
                    "replaced": time(it.replaced), "networks": it.networks, "person": it.person.as_ref().map(PersonId::as_str),
                })
            })
            .collect();
        say(&all.to_string());
        return Ok(());
    }
    let mut table = columns(["name", "scope", "created", "expires", "last used", "revoked", "replaced"]);
    for it in found {
        let or = |at: Option<jiff::Timestamp>| time(at).unwrap_or_else(|| "-".to_owned());
        table.add_row([
            it.name,
            it.scope,
            it.created.to_string(),
            or(it.expires),
            or(it.last_used),
            or(it.revoked),
            or(it.replaced),
        ]);
    }
    say(&table.to_string());
    Ok(())
}

async fn end(revoke: Revoke) -> Result<(), Failure> {
    let (store, tenant) = open(&revoke.of).await?;
    let (of, name, now) = (tenant.clone(), revoke.name.clone(), Clock::system().now());
    let revoked = store
        .write(move |tx| {
            let Some(token) = tokens::by_name(tx, &of, &name)? else {
                return tokens::revoke(tx, &of, &name, now);
            };
            audit::append(tx, &of, &record("revoke_token", &token))?;
            tokens::revoke(tx, &of, &name, now)
        })
        .await;
    let revoked = revoked.context("the token was not revoked")?;
    store.close().await;
    if revoked {
        return Ok(());
    }
    Err(Failure::Input(anyhow!(
        "tenant {tenant} has no live token named \"{}\"; see `token list`",
        revoke.name
    )))
}

async fn open(of: &Of) -> Result<(Store, TenantId), Failure> {
    let (config, tenant) = of.load()?;
    Ok((runtime::store(&config).await?, tenant))
}
