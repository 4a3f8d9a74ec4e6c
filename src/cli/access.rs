//! `access`: what a person can do in RingCX as an administrator, and why.

use anyhow::{Context, anyhow};
use clap::Args;

use super::runtime::beside;
use super::{Failure, Of, columns, say};
use crate::domain::reasons::Reason;
use crate::reconcile::Access;

#[derive(Args)]
pub(super) struct Options {
    /// The person, by SCIM id or user name
    #[arg(value_name = "PERSON")]
    person: String,
    #[command(flatten)]
    of: Of,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(options: Options) -> Result<(), Failure> {
    let (config, tenant) = options.of.load()?;
    let parts = beside(&config).await?;
    let found = parts.reconciler.access(&tenant, &options.person).await;
    parts.store.close().await;
    let Some(access) = found.context("the access was not read")? else {
        return Err(Failure::Input(anyhow!(
            "tenant {tenant} has no person with that id or user name; see GET /Users"
        )));
    };
    if options.json {
        say(&serde_json::to_string(&access).context("the access was not written")?);
    } else {
        tell(&access);
    }
    match access.differences.len() {
        0 => Ok(()),
        count => Err(Failure::Ran(anyhow!(
            "{count} {} from what ought to be",
            if count == 1 { "thing differs" } else { "things differ" }
        ))),
    }
}

fn tell(access: &Access) {
    let state = if access.active { "active" } else { "not active" };
    match &access.administrator {
        None => say(&format!("person {} ({state}) has no administrator in RingCX", access.person)),
        Some(admin) => {
            let enabled = if admin.enabled { "can log in" } else { "cannot log in" };
            say(&format!(
                "person {} ({state}) is administrator {} ({}), who {enabled}",
                access.person, admin.id, admin.user_name
            ));
            let mut table = columns(["what", "permits", "why"]);
            for role in &admin.roles {
                let gains = if role.privileged { "can gain more" } else { "" };
                table.add_row([format!("role {}", role.name), gains.to_owned(), words(&role.why)]);
            }
            for doc in &admin.rights_documents {
                let name = doc.name.as_deref().unwrap_or_default();
                let permits = lines(&doc.permissions);
                table.add_row([format!("rights document {} {name}", doc.id), permits, words(&doc.why)]);
            }
            for (account, permissions) in admin.effective.iter().flatten() {
                table.add_row([
                    format!("in effect, {account}"),
                    lines(permissions),
                    "all documents merged".to_owned(),
                ]);
            }
            say(&table.to_string());
        }
    }
    for line in access.notes.iter().chain(&access.differences) {
        say(line);
    }
}

fn lines(permissions: &std::collections::BTreeSet<String>) -> String {
    permissions.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
}

fn words(why: &std::collections::BTreeSet<Reason>) -> String {
    let word = |reason: &Reason| match reason {
        Reason::Attribute => "attribute of the person".to_owned(),
        Reason::Group { group } => format!("group \"{group}\""),
        Reason::BaseAccess => "base access".to_owned(),
        Reason::GivenBefore => "given before, to be taken".to_owned(),
        Reason::Foreign => "foreign: not given by the bridge".to_owned(),
    };
    why.iter().map(word).collect::<Vec<_>>().join("\n")
}
