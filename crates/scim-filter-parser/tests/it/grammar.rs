//! The rules of the grammar one by one: text, and the canonical text of the tree it gives.

use scim_filter_parser::{AttrPath, CompareOp, CompareValue, Filter, Number, Options, PatchPath};

fn reads(options: &Options, table: &[(&str, &str)]) {
    for (text, canonical) in table {
        let printed = Filter::parse_with(text, options).map(|filter| filter.to_string());
        assert_eq!(printed.as_deref(), Ok(*canonical), "{text}");
    }
}

fn strict(table: &[(&str, &str)]) {
    reads(&Options::default(), table);
}

#[test]
fn not_binds_before_and_and_before_or() {
    let [a, b, c] = ["a", "b", "c"].map(|name| Filter::Present(AttrPath::new(name)));
    let not_a = Filter::Not(Box::new(a.clone()));
    let expected = Filter::Or(vec![Filter::And(vec![not_a, b.clone()]), c.clone()]);
    assert_eq!(Filter::parse("not (a pr) and b pr or c pr"), Ok(expected));
    let expected = Filter::Or(vec![a.clone(), Filter::And(vec![b.clone(), c.clone()])]);
    assert_eq!(Filter::parse("a pr or b pr and c pr"), Ok(expected));
    let expected = Filter::And(vec![Filter::Or(vec![a, b]), c]);
    assert_eq!(Filter::parse("(a pr or b pr) and c pr"), Ok(expected));
}

#[test]
fn groups_of_one_kind_become_one_node() {
    strict(&[
        ("(a pr and b pr) and (c pr and d pr)", "a pr and b pr and c pr and d pr"),
        ("a pr or (b pr or (c pr or d pr))", "a pr or b pr or c pr or d pr"),
        ("((a pr))", "a pr"),
        ("not ((a pr))", "not (a pr)"),
        ("not (not (a pr))", "not (not (a pr))"),
        ("a pr and (b pr or c pr) and d pr", "a pr and (b pr or c pr) and d pr"),
    ]);
}

#[test]
fn blanks_are_needed_only_where_words_would_run_together() {
    strict(&[
        ("not(a pr)", "not (a pr)"),
        ("not  (a pr)", "not (a pr)"),
        ("  a\tpr \r\n and\n b  eq   1  ", "a pr and b eq 1"),
        ("( a pr )and( b pr )or not( c pr )", "a pr and b pr or not (c pr)"),
        ("emails[ type eq \"work\" ]and a pr", r#"emails[type eq "work"] and a pr"#),
        ("emails [type pr]", "emails[type pr]"),
        (r#"a eq"x"and b eq"y""#, r#"a eq "x" and b eq "y""#),
    ]);
}

#[test]
fn keywords_operators_and_literals_are_read_in_any_case() {
    strict(&[
        ("a PR AND b Pr Or NOT (c pR)", "a pr and b pr or not (c pr)"),
        ("a EQ True or a nE FALSE or a Co NULL", "a eq true or a ne false or a co null"),
        (
            "a sW 1 or a EW 1 or a GT 1 or a Ge 1 or a lT 1 or a LE 1",
            "a sw 1 or a ew 1 or a gt 1 or a ge 1 or a lt 1 or a le 1",
        ),
    ]);
}

#[test]
fn a_keyword_names_an_attribute_where_an_attribute_stands() {
    strict(&[
        ("not eq 1", "not eq 1"),
        ("not pr and not(not pr)", "not pr and not (not pr)"),
        ("and eq 1 and or eq 2 or pr pr", "and eq 1 and or eq 2 or pr pr"),
        ("not[eq eq 1]", "not[eq eq 1]"),
        ("nothing pr and android pr or origin pr", "nothing pr and android pr or origin pr"),
    ]);
}

#[test]
fn attribute_paths_keep_their_spelling() {
    strict(&[
        ("$ref pr", "$ref pr"),
        ("manager.$ref eq \"x\"", "manager.$ref eq \"x\""),
        ("members[$ref co \"x\"]", "members[$ref co \"x\"]"),
        ("a-b_C9.d-e pr", "a-b_C9.d-e pr"),
        ("urn:x:2.0:User:name.givenName pr", "urn:x:2.0:User:name.givenName pr"),
        ("urn:x:2.0:User:emails[type pr]", "urn:x:2.0:User:emails[type pr]"),
        ("https://example.com/a%20b/1.0:name pr", "https://example.com/a%20b/1.0:name pr"),
    ]);
    let path = AttrPath::parse(" urn:ietf:params:scim:schemas:core:2.0:User:name.givenName ").unwrap();
    assert_eq!(path.urn.as_deref(), Some("urn:ietf:params:scim:schemas:core:2.0:User"));
    assert_eq!((path.name.as_str(), path.sub.as_deref()), ("name", Some("givenName")));
    assert!(path.is("URN:IETF:params:scim:schemas:core:2.0:user:NAME.givenname"));
    assert!(!path.eq_ignore_case(&AttrPath { urn: None, ..path.clone() }));
    assert!("name.a.b".parse::<AttrPath>().is_err());
}

#[test]
fn value_paths_take_any_logic_inside() {
    strict(&[
        (
            r#"emails[(type eq "work" or type eq "home") and not (primary eq true)]"#,
            r#"emails[(type eq "work" or type eq "home") and not (primary eq true)]"#,
        ),
        ("not (emails[type pr])", "not (emails[type pr])"),
    ]);
}

#[test]
fn a_test_behind_a_value_path_joins_its_filter() {
    strict(&[
        (r#"emails[type eq "work"].value eq "x""#, r#"emails[type eq "work" and value eq "x"]"#),
        (r#"emails[type eq "work"].value PR and a pr"#, r#"emails[type eq "work" and value pr] and a pr"#),
        ("e[a pr and b pr].c pr", "e[a pr and b pr and c pr]"),
        ("e[a pr or b pr].c pr", "e[(a pr or b pr) and c pr]"),
        ("e[not (a pr)].c eq 1", "e[not (a pr) and c eq 1]"),
    ]);
    let compare = |name: &str, text: &str| {
        Filter::Compare(AttrPath::new(name), CompareOp::Eq, CompareValue::String(text.to_owned()))
    };
    let inner = Filter::And(vec![compare("type", "work"), compare("value", "x")]);
    assert_eq!(
        Filter::parse(r#"emails[type eq "work"].value eq "x""#),
        Ok(Filter::ValuePath(AttrPath::new("emails"), Box::new(inner)))
    );
}

#[test]
fn strings_are_those_of_json() {
    let string = |text: &str| match Filter::parse(&format!("a eq {text}")) {
        Ok(Filter::Compare(_, _, CompareValue::String(text))) => text,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(string(r#""\"\\\/\b\f\n\r\t""#), "\"\\/\u{8}\u{c}\n\r\t");
    assert_eq!(string(r#""\u00e4\u00E4\u0000""#), "ää\0");
    assert_eq!(string(r#""\ud83d\uDE00!""#), "😀!");
    assert_eq!(string(r#""\uffff\ue000""#), "\u{ffff}\u{e000}");
    assert_eq!(string("\"Zoë 张 😀 ) ] and (\""), "Zoë 张 😀 ) ] and (");
    assert_eq!(string("\"\""), "");
    let printed = CompareValue::String("\"\\\u{1}\n\u{7f}ä".to_owned()).to_string();
    assert_eq!(printed, "\"\\\"\\\\\\u0001\\n\u{7f}ä\"");
}

#[test]
fn numbers_keep_their_digits() {
    for good in ["0", "-0", "1", "-12", "1.50", "1e2", "1E+2", "-1.5e-3", "123456789012345678901234567890"] {
        let expected = Filter::Compare(
            AttrPath::new("a"),
            CompareOp::Gt,
            CompareValue::Number(Number::parse(good).unwrap()),
        );
        assert_eq!(Filter::parse(&format!("a gt {good}")), Ok(expected));
    }
    for bad in ["", "-", "+1", "01", "1.", ".5", "1e", "1e+", "0x1", "1 ", "NaN", "inf", "1_0"] {
        assert_eq!(Number::parse(bad), None, "{bad}");
    }
    assert_eq!(Number::from(-7).as_i64(), Some(-7));
    assert_eq!(Number::parse("9223372036854775808").unwrap().as_i64(), None);
    assert_eq!(Number::parse("-0").unwrap().as_i64(), Some(0));
}

#[test]
fn tolerant_reading_takes_values_without_quotes() {
    reads(
        &Options::tolerant(),
        &[
            ("externalId eq jyoung", r#"externalId eq "jyoung""#),
            (
                "userName eq jo@contoso.com and active eq True",
                r#"userName eq "jo@contoso.com" and active eq true"#,
            ),
            ("(userName eq jo)or id eq 12", r#"userName eq "jo" or id eq 12"#),
            ("emails[type eq work].value eq jo@x", r#"emails[type eq "work" and value eq "jo@x"]"#),
            ("id eq 2819c223-7f76", r#"id eq "2819c223-7f76""#),
            ("id eq 007", r#"id eq "007""#),
            ("a eq null or a eq nullable or a eq -1.5", r#"a eq null or a eq "nullable" or a eq -1.5"#),
            (r#"a eq O'Brien and b eq "x y""#, r#"a eq "O'Brien" and b eq "x y""#),
            (r"a eq 'x y' and b eq '\u00e4'", r#"a eq "x y" and b eq "ä""#),
        ],
    );
}

#[test]
fn patch_paths_split_into_attribute_filter_and_sub_attribute() {
    let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0";
    let path = PatchPath::parse(&format!("{urn}:User")).unwrap();
    assert_eq!((path.attr.urn.as_deref(), path.attr.name.as_str(), &path.sub), (Some(urn), "User", &None));
    let path = PatchPath::parse(&format!("{urn}:User:manager.$ref")).unwrap();
    assert_eq!(path.attr.urn, Some(format!("{urn}:User")));
    assert_eq!(
        (path.attr.name.as_str(), path.sub.as_deref(), path.attr.sub),
        ("manager", Some("$ref"), None)
    );
    for (text, canonical) in [
        (" emails [ type eq \"work\" ].value ", r#"emails[type eq "work"].value"#),
        (r#"emails[primary eq "True"]"#, r#"emails[primary eq "True"]"#),
        ("urn:x:2.0:User:skills[not(a pr)]", "urn:x:2.0:User:skills[not (a pr)]"),
        ("members[value eq 1 or (value eq 2)].display", "members[value eq 1 or value eq 2].display"),
    ] {
        assert_eq!(PatchPath::parse(text).map(|path| path.to_string()).as_deref(), Ok(canonical), "{text}");
    }
}

#[test]
fn trees_out_of_shape_still_print_what_they_mean() {
    let [a, b, c] = ["a", "b", "c"].map(|name| Filter::Present(AttrPath::new(name)));
    let nested = Filter::And(vec![a, Filter::And(vec![b, c])]);
    assert_eq!(nested.to_string(), "a pr and (b pr and c pr)");
}
