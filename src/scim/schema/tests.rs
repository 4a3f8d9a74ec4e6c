//! The tables hold together.

use super::*;
use crate::scim::urn;

fn path(text: &str) -> Option<String> {
    USER.find(text).map(|at| at.to_string())
}

#[test]
fn paths_resolve_in_any_case() {
    let check = |text: &str, expected: Option<&str>| {
        assert_eq!(path(text).as_deref(), expected, "{text}");
        // The parsed form means the same.
        if let Ok(parsed) = AttrPath::parse(text) {
            assert_eq!(USER.resolve(&parsed).map(|at| at.to_string()).as_deref(), expected, "{text}");
        }
    };
    check("USERNAME", Some("userName"));
    check("name.GIVENNAME", Some("name.givenName"));
    check("urn:ietf:params:scim:schemas:core:2.0:user:Name.givenName", Some("name.givenName"));
    check(
        "URN:ietf:params:scim:schemas:extension:RINGCX:2.0:User:agentrank",
        Some("urn:ietf:params:scim:schemas:extension:ringcx:2.0:User:agentRank"),
    );
    check(urn::RINGCX_USER, Some(urn::RINGCX_USER));
    check(urn::ENTERPRISE_USER, Some(urn::ENTERPRISE_USER));
    check("manager", Some("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"));
    check("meta.lastModified", Some("meta.lastModified"));
    check("externalId", Some("externalId"));
    check("agentRank", None);
    check("members", None);
    check("userName.x", None);
    check("urn:ietf:params:scim:schemas:extension:ringcx:2.0:User:nothing", None);
    check("urn:ietf:params:scim:schemas:core:2.0:Group:displayName", None);
    check("", None);
}

#[test]
fn names_are_unique_and_described() {
    fn walk(place: &str, attributes: &[Attribute]) {
        for (index, attribute) in attributes.iter().enumerate() {
            let name = attribute.name;
            let again = attributes.iter().rposition(|other| other.name.eq_ignore_ascii_case(name));
            assert_eq!(again, Some(index), "{place}.{name} is there twice");
            assert!(!attribute.description.is_empty(), "{place}.{name}");
            assert_eq!(
                attribute.kind == Kind::Complex,
                !attribute.sub_attributes.is_empty(),
                "{place}.{name}"
            );
            assert!(attribute.sub_attributes.iter().all(|sub| sub.kind != Kind::Complex), "{place}.{name}");
            walk(name, attribute.sub_attributes);
        }
    }
    for schema in SCHEMAS {
        walk(schema.id, schema.attributes);
    }
    walk("common", common::ATTRIBUTES);
}

#[test]
fn an_extension_shadows_no_core_attribute() {
    for extension in USER.extensions {
        for attribute in extension.attributes {
            assert!(USER.core(attribute.name).is_none(), "{}", attribute.name);
        }
    }
}

#[test]
fn rfc_7643_core_user_is_complete() {
    let names: Vec<&str> = USER.schema.attributes.iter().map(|each| each.name).collect();
    assert_eq!(
        names,
        [
            "userName",
            "name",
            "displayName",
            "nickName",
            "profileUrl",
            "title",
            "userType",
            "preferredLanguage",
            "locale",
            "timezone",
            "active",
            "password",
            "emails",
            "phoneNumbers",
            "ims",
            "photos",
            "addresses",
            "groups",
            "entitlements",
            "roles",
            "x509Certificates"
        ]
    );
}
