//! Filters as clients send them, on what a GET would show.

use serde_json::{Value, json};

use super::*;
use crate::scim::schema::{GROUP, USER};
use crate::scim::{Compatibility, ScimType, urn};

fn user() -> Object {
    let value = json!({
        "schemas": [urn::USER, urn::ENTERPRISE_USER, urn::RINGCX_USER], "id": "2819c223-ABCD", "externalId": "Ext-1",
        "meta": {"resourceType": "User", "created": "2026-01-01T00:00:00Z", "lastModified": "2026-01-01T12:00:00.500Z"},
        "userName": "Jo@Contoso.com", "displayName": "Jörg Ä", "name": {"givenName": "Jörg", "familyName": "Ä"},
        "active": true, "title": "Guide",
        "emails": [{"value": "Jo@Contoso.com", "type": "work", "primary": true}, {"value": "jo@home.org", "type": "home"}],
        "roles": [{"value": "USER", "primary": false}, {"value": "MANAGE_USERS", "primary": true}],
        "groups": [{"value": "g1", "display": "Agents UK"}],
        urn::ENTERPRISE_USER: {"employeeNumber": "77", "manager": {"value": "m1"}},
        urn::RINGCX_USER: {"agentRank": 12, "provisioningState": "active"}
    });
    value.as_object().unwrap().clone()
}

fn check(text: &str, expected: bool) {
    let filter = parse(&USER, text, &Rules::default()).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(matches(&USER, &filter, &user()), expected, "{text}");
}

fn refused(text: &str) -> Error {
    let error = parse(&USER, text, &Rules::default()).unwrap_err();
    assert_eq!(error.scim_type, Some(ScimType::InvalidFilter), "{text}");
    assert!(error.detail.len() < 300, "{error}");
    error
}

#[test]
fn filter_username_case_insensitive() {
    check(r#"userName eq "jo@contoso.COM""#, true);
    check(r#"USERNAME eq "jo@contoso.com""#, true);
    check(r#"urn:ietf:params:scim:schemas:core:2.0:User:userName eq "jo@contoso.com""#, true);
    check(r#"userName eq "jo@contoso.co""#, false);
}

#[test]
fn filter_displayname_case_insensitive() {
    check(r#"displayName eq "JÖRG ä""#, true);
    check(r#"name.familyName sw "ä""#, true);
    check(r#"displayName co "ÖRG""#, true);
    check(r#"displayName ew "g""#, false);
    let group = json!({"displayName": "Agents UK", "members": [{"value": "1", "type": "User"}]});
    for (text, expected) in [
        (r#"displayName eq "agents uk""#, true),
        (r#"members.value eq "1""#, true),
        (r#"members eq "1""#, true),
        (r#"members[value eq "1" and type eq "user"]"#, true),
        (r#"members.value eq "2""#, false),
        ("members pr", true),
    ] {
        let filter = parse(&GROUP, text, &Rules::default()).unwrap();
        assert_eq!(matches(&GROUP, &filter, group.as_object().unwrap()), expected, "{text}");
    }
}

#[test]
fn ids_compare_exactly() {
    check(r#"id eq "2819c223-ABCD""#, true);
    check(r#"id eq "2819c223-abcd""#, false);
    check(r#"externalId eq "Ext-1""#, true);
    check(r#"externalId eq "ext-1""#, false);
    check(r#"externalId sw "Ext""#, true);
    check(r#"externalId co "EXT""#, false);
    check(r#"schemas eq "urn:ietf:params:scim:schemas:core:2.0:User""#, true);
}

#[test]
fn ping_filter_operator_capital_eq() {
    check(r#"userName Eq "jo@contoso.com""#, true);
    check(r#"userName EQ "x" OR title PR"#, true);
}

#[test]
fn authentik_unquoted_filter_value() {
    check("userName eq jo@contoso.com", true);
    check("active eq True", true);
    check("externalId eq 77", false);
    check(&format!("{}:employeeNumber eq 77", urn::ENTERPRISE_USER), true);
    assert!(parse(&USER, "userName eq jo", &Rules::of(Compatibility::Strict)).is_err());
}

#[test]
fn entra_filter_emails_value_path() {
    check(r#"emails[type eq "work"].value eq "jo@contoso.com""#, true);
    check(r#"emails[type eq "home"].value eq "jo@contoso.com""#, false);
    check(r#"emails[type eq "home" and value eq "jo@contoso.com"]"#, false);
    check(r#"emails.type eq "home" and emails.value eq "jo@contoso.com""#, true);
    check(r#"emails[not (type eq "work")]"#, true);
    check(r#"emails[type eq "fax" or primary eq true]"#, true);
    check(r#"name[givenName eq "jörg"]"#, true);
}

#[test]
fn roles_primary_quoted_boolean() {
    check(r#"roles[primary eq "True"].value eq "manage_users""#, true);
    check(r#"roles[primary eq "True"].value eq "USER""#, false);
    check(r#"active eq "TRUE""#, true);
    check(r#"active eq "False""#, false);
    check("not (active eq false)", true);
}

#[test]
fn entra_reference_check_manager_filter() {
    check(r#"id eq "2819c223-ABCD" and manager eq "m1""#, true);
    check(r#"id eq "2819c223-ABCD" and manager eq "m2""#, false);
    check(r#"manager.value eq "m1""#, true);
    check(&format!(r#"{}:manager.value eq "m1""#, urn::ENTERPRISE_USER), true);
}

#[test]
fn complex_attributes_compare_by_value() {
    check(r#"emails eq "JO@contoso.com""#, true);
    check(r#"emails co "home""#, true);
    check(r#"groups eq "g1""#, true);
    check(r#"groups.value eq "G1""#, false);
    check(r#"groups.display eq "agents uk""#, true);
    assert!(refused(r#"name eq "x""#).detail.contains("name"));
    refused(r#"meta eq "x""#);
}

#[test]
fn presence_means_a_value() {
    for (text, expected) in [
        ("title pr", true),
        ("nickName pr", false),
        ("emails pr", true),
        ("emails.display pr", false),
        ("emails.primary pr", true),
        ("phoneNumbers pr", false),
        ("name pr", true),
        ("name.middleName pr", false),
        ("manager pr", true),
        ("title eq null", false),
        ("nickName eq null", true),
        ("title ne null", true),
        ("nickName ne null", false),
    ] {
        check(text, expected);
    }
    let empty = json!({"emails": [], "title": "", "name": {}});
    for text in ["emails pr", "title pr", "name pr"] {
        assert!(!matches(&USER, &Filter::parse(text).unwrap(), empty.as_object().unwrap()), "{text}");
    }
}

#[test]
fn ne_is_true_of_what_is_absent_and_of_any_other_value() {
    check(r#"title ne "guide""#, false);
    check(r#"title ne "x""#, true);
    check(r#"nickName ne "x""#, true);
    check(r#"emails.value ne "jo@contoso.com""#, true);
    check(r#"not (emails.value eq "jo@contoso.com")"#, false);
    check("active ne false", true);
}

#[test]
fn order_follows_the_type() {
    for (text, expected) in [
        (r#"meta.lastModified gt "2026-01-01T12:00:00Z""#, true),
        // One o'clock in Paris is noon in London.
        (r#"meta.lastModified gt "2026-01-01T13:00:00+01:00""#, true),
        (r#"meta.lastModified lt "2026-01-01T13:00:01+01:00""#, true),
        (r#"meta.lastModified ge "2026-01-01T12:00:00.5Z""#, true),
        (r#"meta.lastModified eq "2026-01-01T12:00:00.500+00:00""#, true),
        (r#"meta.lastModified gt "2026-01-01""#, true),
        (r#"meta.lastModified gt "2026-01-01T11:00:00""#, true),
        (r#"meta.created sw "2026-01""#, true),
        (r#"title gt "GUIDD""#, true),
        (r#"title le "guide""#, true),
        (r#"title lt "a""#, false),
        ("urn:ietf:params:scim:schemas:extension:ringcx:2.0:User:agentRank ge 12", true),
        ("urn:ietf:params:scim:schemas:extension:ringcx:2.0:User:agentRank gt 12", false),
        (r#"urn:ietf:params:scim:schemas:extension:ringcx:2.0:User:agentRank lt "13""#, true),
        ("urn:ietf:params:scim:schemas:extension:ringcx:2.0:User:agentRank eq 12.0", true),
    ] {
        check(text, expected);
    }
}

#[test]
fn senseless_comparisons_are_400() {
    for text in [
        "active gt false",
        r#"active co "t""#,
        r#"active eq "perhaps""#,
        r#"emails[primary gt "True"]"#,
        "urn:ietf:params:scim:schemas:extension:ringcx:2.0:User:agentRank co 1",
        r#"urn:ietf:params:scim:schemas:extension:ringcx:2.0:User:agentRank eq "high""#,
        r#"meta.lastModified gt "yesterday""#,
        "title gt null",
    ] {
        refused(text);
    }
}

#[test]
fn unknown_attributes_are_named() {
    for (text, name) in [
        (r#"shoeSize eq "9""#, "shoeSize"),
        (r#"name.shoe eq "9""#, "name.shoe"),
        (r#"title.x eq "9""#, "title.x"),
        (r#"emails[shoe eq "9"]"#, "shoe"),
        (r"urn:x:y:User:shoe pr", "urn:x:y:User:shoe"),
        ("agentRank eq 5", "agentRank"),
    ] {
        let error = refused(text);
        assert!(error.detail.contains(name), "{error}");
    }
    assert!(refused("userName").detail.contains("operator"));
    refused(r#"title[value eq "x"]"#);
    refused(&format!("{} pr", urn::RINGCX_USER));
}

#[test]
fn secrets_cannot_be_probed() {
    refused(r#"password sw "a""#);
    refused("password pr");
    refused(&format!(r#"{}:phoneLoginPin eq "1234""#, urn::RINGCX_USER));
    assert!(!refused(r#"password eq "hunter2""#).detail.contains("hunter2"));
}

#[test]
fn a_filter_for_another_type_matches_nothing() {
    let filter = Filter::parse(r#"members.value eq "1""#).unwrap();
    assert!(!matches(&USER, &filter, &user()));
    assert_eq!(user()["id"], Value::from("2819c223-ABCD"));
}
