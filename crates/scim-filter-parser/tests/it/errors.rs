//! What a client is told: kind and offset for every way to be wrong, the sentence, and the budgets.

use scim_filter_parser::ErrorKind::{self, *};
use scim_filter_parser::{Filter, Options, ParseError, PatchPath};

#[test]
fn every_bad_filter_says_what_is_wrong_and_where() {
    let table: &[(&str, ErrorKind, usize)] = &[
        ("", ExpectedAttribute, 0),
        ("   ", ExpectedAttribute, 3),
        ("()", ExpectedAttribute, 1),
        ("a pr and", ExpectedAttribute, 8),
        ("a pr or )", ExpectedAttribute, 8),
        (r#""a" pr"#, ExpectedAttribute, 0),
        ("1a pr", BadAttribute, 0),
        ("a.b.c pr", BadAttribute, 3),
        ("a. pr", BadAttribute, 2),
        ("$ pr", BadAttribute, 1),
        ("näme pr", BadAttribute, 1),
        ("urn:x:2.0 pr", BadAttribute, 6),
        ("user:name pr", BadAttribute, 4),
        ("urn:x|y:name pr", BadAttribute, 5),
        ("userName", ExpectedOperator, 8),
        ("userName regex \"x\"", ExpectedOperator, 9),
        ("userName eqq \"x\"", ExpectedOperator, 9),
        ("not title pr", ExpectedOperator, 4),
        ("userName eq", ExpectedValue, 11),
        ("userName eq ", ExpectedValue, 12),
        ("(userName eq )", ExpectedValue, 13),
        ("userName eq bjensen", ExpectedValue, 12),
        ("userName eq 'bjensen'", ExpectedValue, 12),
        ("a eq [1]", ExpectedValue, 5),
        ("a eq 01", BadNumber, 5),
        ("a eq -", BadNumber, 5),
        ("(a pr", UnbalancedParenthesis, 5),
        ("a pr)", UnbalancedParenthesis, 4),
        ("(e[a pr)]", UnbalancedBracket, 7),
        ("e[(a pr])", UnbalancedParenthesis, 7),
        ("e[a pr", UnbalancedBracket, 6),
        ("a pr]", UnbalancedBracket, 4),
        ("e[a[b pr]]", NestedValuePath, 3),
        ("e[a.b pr]", ExpectedSubAttribute, 2),
        ("e[urn:x:y:a pr]", ExpectedSubAttribute, 2),
        ("e[a pr].", ExpectedAttribute, 8),
        ("e[a pr].b", ExpectedOperator, 9),
        ("e[a pr].b.c pr", BadAttribute, 9),
        ("e[a pr] .b pr", TrailingText, 8),
        (r#"a eq "x"#, UnexpectedEnd, 7),
        (r#"a eq "\"#, UnexpectedEnd, 7),
        (r#"a eq "ä\q""#, BadEscape, 8),
        (r#"a eq "\u12""#, BadEscape, 6),
        (r#"a eq "\ud83d""#, BadEscape, 6),
        (r#"a eq "\ud83dx""#, BadEscape, 6),
        (r#"a eq "\ud83d\u0041""#, BadEscape, 6),
        (r#"a eq "\ude00""#, BadEscape, 6),
        ("a eq \"x\ny\"", ControlCharacter, 7),
        ("a pr b pr", TrailingText, 5),
        ("(a pr b pr)", TrailingText, 6),
        ("a pr andb pr", TrailingText, 5),
        ("a eq 1\u{a0}", BadNumber, 5),
    ];
    for (text, kind, offset) in table {
        let found = Filter::parse(text).map_err(|error| (error.kind, error.offset));
        assert_eq!(found, Err((*kind, *offset)), "{text}");
    }
}

#[test]
fn every_bad_patch_path_says_what_is_wrong_and_where() {
    let table: &[(&str, ErrorKind, usize)] = &[
        ("", ExpectedAttribute, 0),
        ("/members", BadAttribute, 0),
        ("members[]", ExpectedAttribute, 8),
        ("members[value eq 1", UnbalancedBracket, 18),
        ("members[value eq 1]]", UnbalancedBracket, 19),
        ("members[value eq 1].", ExpectedAttribute, 20),
        ("members[value eq 1].a.b", BadAttribute, 21),
        ("members[value eq 1]value", TrailingText, 19),
        ("members[value eq 1][a pr]", TrailingText, 19),
        ("name.given[a pr]", TrailingText, 10),
        ("a eq 1", TrailingText, 2),
        ("a.b.c", BadAttribute, 3),
    ];
    for (text, kind, offset) in table {
        let found = PatchPath::parse(text).map_err(|error| (error.kind, error.offset));
        assert_eq!(found, Err((*kind, *offset)), "{text}");
    }
}

#[test]
fn tolerant_reading_still_needs_a_value() {
    for text in ["a eq", "a eq ", "(a eq )", "e[a eq ]", "a eq and b pr", "a eq \"x", "a eq 'x"] {
        assert!(Filter::parse_with(text, &Options::tolerant()).is_err(), "{text}");
    }
}

#[test]
fn the_sentence_counts_characters_and_says_when_the_text_ends() {
    let sentence = |text: &str| Filter::parse(text).map_err(|error| error.to_string());
    assert_eq!(
        sentence(r#"a eq "ä" b"#),
        Err("expected `and`, `or`, a closing bracket or the end of the text at character 10".to_owned())
    );
    assert_eq!(
        sentence("a eq"),
        Err("expected a value (a string in double quotes, a number, true, false or null) at character 5, \
             but the text ends there"
            .to_owned())
    );
}

#[test]
fn neither_sentence_nor_debug_repeats_values() {
    let error = Filter::parse(r#"userName eq "jo@contoso.com" x"#).unwrap_err();
    assert!(!error.to_string().contains("contoso"));
    assert!(!format!("{error:?}").contains("contoso"));
    assert_eq!(format!("{error:?}"), "ParseError { kind: TrailingText, offset: 29, length: 30, .. }");
}

#[test]
fn ten_thousand_brackets_are_too_deep_at_once() {
    let limits = [
        (Options::default(), 32),
        (Options { max_depth: usize::MAX, ..Options::default() }, Options::DEPTH_CEILING),
    ];
    for (options, limit) in limits {
        for open in ["(", "not (", "e["] {
            let error = Filter::parse_with(&open.repeat(10_000), &options).unwrap_err();
            let expected = if open == "e[" {
                (NestedValuePath, 3)
            } else {
                (TooDeep, limit * open.len() + open.len() - 1)
            };
            assert_eq!((error.kind, error.offset), expected, "{open}");
        }
    }
}

#[test]
fn the_deepest_tree_lives_on_a_small_stack() {
    let text = format!("{}a pr{}", "not (b pr or not (c pr) and ".repeat(63), ")".repeat(63));
    let options = Options { max_depth: usize::MAX, ..Options::default() };
    let thread = std::thread::Builder::new().stack_size(1024 * 1024).spawn(move || {
        let filter = Filter::parse_with(&text, &options)?;
        let printed = filter.clone().to_string();
        Ok::<_, ParseError>(Filter::parse_with(&printed, &options)? == filter)
    });
    assert_eq!(thread.unwrap().join().unwrap(), Ok(true));
}

#[test]
fn depth_nodes_and_length_are_counted_exactly() {
    let check = |text: &str, options: Options, expected: Option<(ErrorKind, usize)>| {
        let found = Filter::parse_with(text, &options).err().map(|error| (error.kind, error.offset));
        assert_eq!(found, expected, "{text} {options:?}");
    };
    let deep = |max_depth| Options { max_depth, ..Options::default() };
    check("((a pr))", deep(2), None);
    check("((a pr))", deep(1), Some((TooDeep, 1)));
    check("(e[a pr])", deep(1), Some((TooDeep, 2)));
    check("(a pr) and (b pr)", deep(1), None);
    let nodes = |max_nodes| Options { max_nodes, ..Options::default() };
    check("a pr and not (b pr)", nodes(3), None);
    check("a pr and not (b pr)", nodes(2), Some((TooManyTerms, 14)));
    check("e[a pr].b pr", nodes(3), None);
    check("e[a pr].b pr", nodes(2), Some((TooManyTerms, 9)));
    let long = |max_length| Options { max_length, ..Options::default() };
    check("a eq \"ä\"", long(9), None);
    check("a eq \"ä\"", long(8), Some((TooLong, 8)));
    check("a eq \"ä\"", long(7), Some((TooLong, 6)));
    let error = Filter::parse_with(&"x".repeat(100), &long(10)).unwrap_err();
    assert_eq!((error.input.len(), error.offset), (10, 10));
}

#[test]
fn the_default_budgets_leave_room_for_honest_clients() {
    let many = (0..1000).map(|n| format!("id eq \"{n:036}\"")).collect::<Vec<_>>().join(" or ");
    assert!(matches!(Filter::parse(&many), Ok(Filter::Or(members)) if members.len() == 1000));
    assert_eq!(
        Filter::parse(&vec!["a pr"; 1025].join(" or ")).map_err(|error| error.kind),
        Err(TooManyTerms)
    );
    assert_eq!(Filter::parse(&" ".repeat(65_537)).map_err(|error| error.kind), Err(TooLong));
}
