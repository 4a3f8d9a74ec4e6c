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
    let known = &directory.rights_docs;
    // Where the account's documents could not be read, those of the settings are taken at their word.
    let is_there = |doc: &RightsDocId| known.is_empty() || known.get(*doc).is_some();
    let docs = grant::allowed_rights_docs(policy, mappings, known).into_iter().filter(is_there);
    docs.map(|id| {
        let doc = known.get(id);
        let name = doc.map_or_else(|| format!("Rights document {id}"), |it| it.name.clone());
        // RingCX has no description, so what the document permits speaks for it.
        let permits = doc.map(|it| it.permits.as_str()).filter(|it| !it.is_empty());
        let permits = permits.map(|it| format!(" It permits {it}.")).unwrap_or_default();
        let description = format!("The rights document {id} of RingCX: {name}.{permits}");
        Offer::new(id.to_string(), name, &description)
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
    use crate::domain::rights_docs::RightsDocs;
    use crate::upstream::model::RightsDoc;

    #[test]
    fn only_what_may_be_given_and_is_there_is_offered() {
        let policy = Policy {
            allowed_roles: ["report_administrative_user", "SUPER_USER", "NO_ACCESS"]
                .map(str::to_owned)
                .into(),
            allowed_rights_docs: [4711, 4712].into(),
            ..Policy::default()
        };
        let doc = |id, name: &str, is_master| RightsDoc {
            id: RightsDocId(id),
            name: Some(name.to_owned()),
            is_master,
            permissions: ["AGENT READ", "ACCOUNT READ"].map(str::to_owned).into(),
        };
        let listed = vec![doc(4711, "Reports", false), doc(9, "Other", false), doc(4712, "Everything", true)];
        let directory = Directory { rights_docs: RightsDocs::of(listed), ..Directory::default() };
        let under = |policy: &Policy, ty| {
            let offers = offers(ty, policy, &[], &directory);
            offers.into_iter().map(|offer| (offer.id, offer.name)).collect::<Vec<_>>()
        };
        let named = |ty| under(&policy, ty);
        let pair = |id: &str, name: &str| (id.to_owned(), name.to_owned());
        assert_eq!(named(&ROLE), [pair("REPORT_ADMINISTRATIVE_USER", "Report administrative user")]);
        assert_eq!(named(&ENTITLEMENT), [pair("4711", "Reports")]);
        let description = &offers(&ENTITLEMENT, &policy, &[], &directory)[0].description;
        assert_eq!(
            description,
            "The rights document 4711 of RingCX: Reports. It permits ACCOUNT READ, AGENT READ."
        );
        let masters = Policy { master_rights_docs: true, ..policy.clone() };
        assert_eq!(under(&masters, &ENTITLEMENT), [pair("4711", "Reports"), pair("4712", "Everything")]);
        let all = Policy { all_rights_docs: true, ..policy.clone() };
        assert_eq!(under(&all, &ENTITLEMENT), [pair("4711", "Reports"), pair("9", "Other")], "masters apart");
    }

    #[test]
    fn okta_role_description_limit() {
        let offer = Offer::new("1".to_owned(), "x".to_owned(), &"ä".repeat(1001));
        assert_eq!(offer.description.chars().count(), 1000);
    }
}
