//! What a tenant has to give, as `/Roles`, `/Entitlements` and `/AgentGroups` list it.

use super::desired::Directory;
use super::grant;
use super::policy::{GroupMapping, Policy};
use crate::scim::schema::{AGENT_GROUP, ENTITLEMENT, ROLE, ResourceType};
use crate::upstream::model::RightsDocId;

/// Something that a person can be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What a client writes as `value`.
    pub id: String,
    /// The name for people.
    pub name: String,
    /// What it gives.
    pub description: String,
}

/// Longest description in characters (Okta).
const MAX_DESCRIPTION: usize = 1000;

impl Offer {
    fn new(id: String, name: String, description: &str) -> Self {
        Self { id, name, description: description.chars().take(MAX_DESCRIPTION).collect() }
    }
}

/// What there is of one resource type, in the order of the ids: what the allow-lists name and the account has.
pub fn offers(
    ty: &ResourceType,
    policy: &Policy,
    mappings: &[GroupMapping],
    directory: &Directory,
) -> Vec<Offer> {
    let mut offers = if ty.name == ROLE.name {
        roles(policy, mappings)
    } else if ty.name == ENTITLEMENT.name {
        rights_docs(policy, mappings, directory)
    } else if ty.name == AGENT_GROUP.name {
        agent_groups(directory)
    } else {
        Vec::new()
    };
    offers.sort_by(|left, right| left.id.cmp(&right.id));
    offers
}

fn roles(policy: &Policy, mappings: &[GroupMapping]) -> Vec<Offer> {
    let roles = grant::givable_roles(policy, mappings).into_iter();
    roles
        .map(|role| {
            let aliases = policy.role_aliases.iter().filter(|(_, of)| of.eq_ignore_ascii_case(role.as_str()));
            let aliases: Vec<String> = aliases.map(|(alias, _)| format!("\"{alias}\"")).collect();
            let also = if aliases.is_empty() {
                String::new()
            } else {
                format!("; {} mean the same", aliases.join(", "))
            };
            let description = format!("The administrative role {role} of RingCX{also}.");
            Offer::new(role.to_string(), readable(role.as_str()), &description)
        })
        .collect()
}

fn rights_docs(policy: &Policy, mappings: &[GroupMapping], directory: &Directory) -> Vec<Offer> {
    let titles = &directory.rights_doc_titles;
    // Where the account's documents could not be read, those of the settings are taken at their word.
    let is_there = |doc: &RightsDocId| titles.is_empty() || titles.contains_key(doc);
    let docs = grant::allowed_rights_docs(policy, mappings).into_iter().filter(is_there);
    docs.map(|doc| {
        let name = titles.get(&doc).cloned().unwrap_or_else(|| format!("Rights document {doc}"));
        let description = format!("The rights document {doc} of RingCX: {name}.");
        Offer::new(doc.to_string(), name, &description)
    })
    .collect()
}

fn agent_groups(directory: &Directory) -> Vec<Offer> {
    let groups = directory.agent_groups.iter();
    groups
        .map(|group| {
            let description = format!("The agent group {} of RingCX; an agent belongs to one.", group.name);
            Offer::new(group.id.to_string(), group.name.clone(), &description)
        })
        .collect()
}

/// `REPORT_ADMINISTRATIVE_USER` as a person writes it.
fn readable(role: &str) -> String {
    let words = role.replace('_', " ").to_lowercase();
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_given_and_is_there_is_offered() {
        let policy = Policy {
            allowed_roles: ["report_administrative_user", "SUPER_USER", "NO_ACCESS"]
                .map(str::to_owned)
                .into(),
            allowed_rights_docs: [4711, 4712].into(),
            ..Policy::default()
        };
        let titles = [(RightsDocId(4711), "Reports".to_owned()), (RightsDocId(9), "Other".to_owned())];
        let directory = Directory { rights_doc_titles: titles.into(), ..Directory::default() };
        let named = |ty| {
            let offers = offers(ty, &policy, &[], &directory);
            offers.into_iter().map(|offer| (offer.id, offer.name)).collect::<Vec<_>>()
        };
        let pair = |id: &str, name: &str| (id.to_owned(), name.to_owned());
        assert_eq!(named(&ROLE), [pair("REPORT_ADMINISTRATIVE_USER", "Report administrative user")]);
        assert_eq!(named(&ENTITLEMENT), [pair("4711", "Reports")]);
    }

    #[test]
    fn okta_role_description_limit() {
        let offer = Offer::new("1".to_owned(), "x".to_owned(), &"ä".repeat(1001));
        assert_eq!(offer.description.chars().count(), 1000);
    }
}
