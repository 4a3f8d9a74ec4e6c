//! The same texts given to crate `scim_v2`, an independent reader: where both agree, and where we differ on purpose.

use scim_filter_parser::{Filter, PatchPath};

fn filters(text: &str) -> (bool, bool) {
    (Filter::parse(text).is_ok(), text.parse::<scim_v2::filter::Filter>().is_ok())
}

fn paths(text: &str) -> (bool, bool) {
    (PatchPath::parse(text).is_ok(), text.parse::<scim_v2::filter::PatchPath>().is_ok())
}

#[test]
fn both_accept_these_filters() {
    for text in [
        r#"userName eq "bjensen""#,
        r#"userName Eq "bjensen""#,
        r#"name.familyName co "O'Malley""#,
        r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J""#,
        "title pr",
        "title PR",
        "a eq true and b eq false or c eq null",
        "a gt 1 and b le -2.5e3",
        r#"a eq "\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00""#,
        r#"a eq "张""#,
        "not (title pr)",
        "not  (title pr) and not (not (b pr))",
        "((a pr))",
        "a pr or b pr and c pr",
        r#"emails[type eq "work" and value co "@example.com"]"#,
        r#"emails[not (type eq "work") or (value pr and primary eq true)]"#,
        "andy pr and notes pr",
        "  title pr  ",
        "(a pr )",
        "emails[ type pr]",
    ] {
        assert_eq!(filters(text), (true, true), "{text}");
    }
}

#[test]
fn both_refuse_these_filters() {
    for text in [
        "",
        "title",
        "title pr and",
        "and title pr",
        "title pr title pr",
        "userName eq",
        "userName eq bjensen",
        "userName eq 'bjensen'",
        "userName regex \"x\"",
        "(title pr",
        "title pr)",
        "e[a pr",
        "e[]",
        "e[a[b pr]]",
        "a.b.c pr",
        "a. pr",
        "1a pr",
        "a eq 01",
        r#"a eq "\ud83d""#,
        r#"a eq "\q""#,
        "a eq \"x\ny\"",
        r#"a eq "x"#,
        "not title pr",
        "näme pr",
    ] {
        assert_eq!(filters(text), (false, false), "{text}");
    }
}

#[test]
fn both_agree_on_these_paths() {
    for (text, good) in [
        ("members", true),
        ("name.familyName", true),
        (r#"addresses[type eq "work"]"#, true),
        (r#"addresses[type eq "work"].streetAddress"#, true),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName", true),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", true),
        ("emails[ type pr ].value", true),
        ("", false),
        ("/members", false),
        ("members[]", false),
        ("members[value eq 1].", false),
        ("members[value eq 1].a.b", false),
        ("a.b.c", false),
        ("a eq 1", false),
    ] {
        assert_eq!(paths(text), (good, good), "{text}");
    }
}

/// Text, whether we read it as a filter, and why the other reader does the opposite.
const FILTER_DIFFERENCES: [(&str, bool, &str); 11] = [
    (
        "not(title pr)",
        true,
        "the grammar of RFC 7644 section 3.4.2.2 has no blank between `not` and its parenthesis",
    ),
    ("$ref pr", true, "RFC 7643 section 2.4 names a sub-attribute `$ref`"),
    (r#"members[$ref eq "x"]"#, true, "RFC 7643 section 2.4 names a sub-attribute `$ref`"),
    ("a eq True", true, "clients send literals with a capital"),
    ("a eq NULL", true, "clients send literals with a capital"),
    (r#"emails[type eq "work"].value eq "x""#, true, "Entra asks so when it matches by e-mail"),
    (r#"a eq"x""#, true, "RFC 7644 section 3.5.2.2 prints a value without a blank before it"),
    ("(a pr)and(b pr)", true, "brackets end a word as well as a blank does"),
    ("not eq 1", true, "a keyword names an attribute where an attribute stands"),
    (
        "emails[emails.type pr]",
        false,
        "paths inside the brackets are sub-attributes of the attribute in front",
    ),
    (
        "emails[urn:a:b:type pr]",
        false,
        "paths inside the brackets are sub-attributes of the attribute in front",
    ),
];

/// The same for PATCH paths.
const PATH_DIFFERENCES: [(&str, bool, &str); 3] = [
    ("manager.$ref", true, "RFC 7643 section 2.4 names a sub-attribute `$ref`"),
    ("members[not(a pr)]", true, "the grammar has no blank between `not` and its parenthesis"),
    ("name.given[a pr]", false, "a sub-attribute holds no elements to choose from (RFC 7643 section 2.3.8)"),
];

#[test]
fn differences_are_deliberate() {
    for (text, ours, reason) in FILTER_DIFFERENCES {
        assert_eq!(filters(text), (ours, !ours), "{text}: {reason}");
    }
    for (text, ours, reason) in PATH_DIFFERENCES {
        assert_eq!(paths(text), (ours, !ours), "{text}: {reason}");
    }
}

#[test]
fn both_print_the_same_canonical_text() {
    for text in [
        "A pr OR b eq 1 AND NOT (c pr)",
        "(a pr or b pr) and c pr",
        "(a pr and b pr) and c pr",
        r#"e[(a pr or b eq "\u0041\n") and c pr]"#,
    ] {
        let theirs = text.parse::<scim_v2::filter::Filter>().map(|filter| filter.to_string());
        assert_eq!(Filter::parse(text).ok().map(|filter| filter.to_string()), theirs.ok(), "{text}");
    }
}
