//! Every filter and every PATCH path printed in RFC 7644, by section, with the canonical text it reads as.

use scim_filter_parser::{Filter, Options, PatchPath};

/// Section, text as printed (line breaks of the figure included), canonical text.
const FILTERS: [(&str, &str, &str); 20] = [
    ("3.4.2.2", r#"userName Eq "john""#, r#"userName eq "john""#),
    ("3.4.2.2", r#"Username eq "john""#, r#"Username eq "john""#),
    ("3.4.2.2 figure 2", r#"userName eq "bjensen""#, r#"userName eq "bjensen""#),
    ("3.4.2.2 figure 2", r#"name.familyName co "O'Malley""#, r#"name.familyName co "O'Malley""#),
    ("3.4.2.2 figure 2", r#"userName sw "J""#, r#"userName sw "J""#),
    (
        "3.4.2.2 figure 2",
        r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J""#,
        r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J""#,
    ),
    ("3.4.2.2 figure 2", "title pr", "title pr"),
    (
        "3.4.2.2 figure 2",
        r#"meta.lastModified gt "2011-05-13T04:42:34Z""#,
        r#"meta.lastModified gt "2011-05-13T04:42:34Z""#,
    ),
    (
        "3.4.2.2 figure 2",
        r#"meta.lastModified ge "2011-05-13T04:42:34Z""#,
        r#"meta.lastModified ge "2011-05-13T04:42:34Z""#,
    ),
    (
        "3.4.2.2 figure 2",
        r#"meta.lastModified lt "2011-05-13T04:42:34Z""#,
        r#"meta.lastModified lt "2011-05-13T04:42:34Z""#,
    ),
    (
        "3.4.2.2 figure 2",
        r#"meta.lastModified le "2011-05-13T04:42:34Z""#,
        r#"meta.lastModified le "2011-05-13T04:42:34Z""#,
    ),
    ("3.4.2.2 figure 2", r#"title pr and userType eq "Employee""#, r#"title pr and userType eq "Employee""#),
    ("3.4.2.2 figure 2", r#"title pr or userType eq "Intern""#, r#"title pr or userType eq "Intern""#),
    (
        "3.4.2.2 figure 2",
        "\n schemas eq \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\"",
        r#"schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User""#,
    ),
    (
        "3.4.2.2 figure 2",
        "userType eq \"Employee\" and (emails co \"example.com\" or\n  emails.value co \"example.org\")",
        r#"userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")"#,
    ),
    (
        "3.4.2.2 figure 2",
        "userType ne \"Employee\" and not (emails co \"example.com\" or\n  emails.value co \"example.org\")",
        r#"userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")"#,
    ),
    (
        "3.4.2.2 figure 2",
        r#"userType eq "Employee" and (emails.type eq "work")"#,
        r#"userType eq "Employee" and emails.type eq "work""#,
    ),
    (
        "3.4.2.2 figure 2",
        "userType eq \"Employee\" and emails[type eq \"work\" and\n  value co \"@example.com\"]",
        r#"userType eq "Employee" and emails[type eq "work" and value co "@example.com"]"#,
    ),
    (
        "3.4.2.2 figure 2",
        "emails[type eq \"work\" and value co \"@example.com\"] or\n  ims[type eq \"xmpp\" and value co \"@foo.com\"]",
        r#"emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]"#,
    ),
    ("3.4.3", r#"displayName sw "smith""#, r#"displayName sw "smith""#),
];

/// Printed in the RFC against its own grammar: read only when values may stand without double quotes.
const LOOSE_FILTERS: [(&str, &str, &str); 2] = [
    (
        "3.4.2.1",
        "(meta.resourceType eq User) or (meta.resourceType eq Group)",
        r#"meta.resourceType eq "User" or meta.resourceType eq "Group""#,
    ),
    ("3.7.1", "displayName sw 'Group'", r#"displayName sw "Group""#),
];

/// Section, text, then attribute, filter and sub-attribute.
const PATHS: [(&str, &str, [Option<&str>; 3]); 15] = [
    ("3.5.2 figure 6", "members", [Some("members"), None, None]),
    ("3.5.2 figure 8", "members", [Some("members"), None, None]),
    ("3.5.2 figure 8", "name.familyName", [Some("name"), None, Some("familyName")]),
    ("3.5.2 figure 8", r#"addresses[type eq "work"]"#, [Some("addresses"), Some(r#"type eq "work""#), None]),
    (
        "3.5.2 figure 8",
        "members[value eq\n       \"2819c223-7f76-453a-919d-413861904646\"]",
        [Some("members"), Some(r#"value eq "2819c223-7f76-453a-919d-413861904646""#), None],
    ),
    (
        "3.5.2 figure 8",
        "members[value eq\n       \"2819c223-7f76-453a-919d-413861904646\"].displayName",
        [Some("members"), Some(r#"value eq "2819c223-7f76-453a-919d-413861904646""#), Some("displayName")],
    ),
    (
        "3.5.2",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber",
        [Some("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber"), None, None],
    ),
    ("3.5.2.1", "members", [Some("members"), None, None]),
    (
        "3.5.2.2",
        r#"members[value eq "2819c223-7f76-...413861904646"]"#,
        [Some("members"), Some(r#"value eq "2819c223-7f76-...413861904646""#), None],
    ),
    ("3.5.2.2", "members", [Some("members"), None, None]),
    (
        "3.5.2.2",
        r#"emails[type eq "work" and value ew "example.com"]"#,
        [Some("emails"), Some(r#"type eq "work" and value ew "example.com""#), None],
    ),
    // Printed without the blank that the grammar of section 3.4.2.2 asks for.
    (
        "3.5.2.2",
        r#"members[value eq"2819c223...919d-413861904646"]"#,
        [Some("members"), Some(r#"value eq "2819c223...919d-413861904646""#), None],
    ),
    ("3.5.2.3", "members", [Some("members"), None, None]),
    ("3.5.2.3", r#"addresses[type eq "work"]"#, [Some("addresses"), Some(r#"type eq "work""#), None]),
    (
        "3.5.2.3",
        r#"addresses[type eq "work"].streetAddress"#,
        [Some("addresses"), Some(r#"type eq "work""#), Some("streetAddress")],
    ),
];

#[test]
fn every_filter_of_the_rfc_reads_strictly() {
    for (section, text, canonical) in FILTERS {
        let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{section}: {error}: {text}"));
        assert_eq!(filter.to_string(), canonical, "{section}");
        assert_eq!(Filter::parse(canonical), Ok(filter), "{section}");
    }
}

#[test]
fn filters_the_rfc_prints_without_double_quotes_read_tolerantly() {
    for (section, text, canonical) in LOOSE_FILTERS {
        assert!(Filter::parse(text).is_err(), "{section}");
        let filter = Filter::parse_with(text, &Options::tolerant()).unwrap();
        assert_eq!(filter.to_string(), canonical, "{section}");
    }
}

#[test]
fn every_patch_path_of_the_rfc_reads_strictly() {
    for (section, text, expected) in PATHS {
        let path = PatchPath::parse(text).unwrap_or_else(|error| panic!("{section}: {error}: {text}"));
        let (attr, filter) = (path.attr.to_string(), path.filter.as_ref().map(ToString::to_string));
        assert_eq!([Some(attr.as_str()), filter.as_deref(), path.sub.as_deref()], expected, "{section}");
    }
}
