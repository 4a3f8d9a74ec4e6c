//! Properties of any tree and any text: print then parse is the same tree, and nothing panics.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use scim_filter_parser::{AttrPath, CompareOp, CompareValue, Filter, Number, PatchPath};

use crate::round_trip;

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "\\$?[A-Za-z][A-Za-z0-9_-]{0,8}",
        1 => select(vec!["not", "and", "OR", "pr", "eq", "true", "null"]).prop_map(str::to_owned),
    ]
}

fn urn() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("urn:ietf:params:scim:schemas:core:2.0:User".to_owned()),
        "[a-z][a-z0-9+.-]{0,5}:[A-Za-z0-9._~:/?#@!$&'*+,;=%-]{1,20}",
    ]
}

fn path() -> impl Strategy<Value = AttrPath> {
    (option::of(urn()), name(), option::of(name())).prop_map(|(urn, name, sub)| AttrPath { urn, name, sub })
}

fn value() -> impl Strategy<Value = CompareValue> {
    prop_oneof![
        Just(CompareValue::Null),
        any::<bool>().prop_map(CompareValue::Bool),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?"
            .prop_map(|text| CompareValue::Number(Number::parse(&text).unwrap())),
        any::<String>().prop_map(CompareValue::String),
        "[ \"\\\\()\\[\\]\\x00-\\x20a-z]{0,12}".prop_map(CompareValue::String),
    ]
}

/// A comparison or a presence test of one of these paths.
fn test(path: BoxedStrategy<AttrPath>) -> impl Strategy<Value = Filter> {
    (path, option::of((select(CompareOp::ALL.to_vec()), value()))).prop_map(|(path, compare)| match compare {
        Some((op, value)) => Filter::Compare(path, op, value),
        None => Filter::Present(path),
    })
}

/// Any logic over these leaves, in the shape that the parser builds.
fn logic(leaf: BoxedStrategy<Filter>) -> BoxedStrategy<Filter> {
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|filter| Filter::Not(Box::new(filter))),
            (inner.clone(), vec(inner.clone(), 1..4))
                .prop_map(|(first, more)| more.into_iter().fold(first, Filter::and)),
            (inner.clone(), vec(inner, 1..4))
                .prop_map(|(first, more)| more.into_iter().fold(first, Filter::or)),
        ]
    })
    .boxed()
}

fn value_filter() -> BoxedStrategy<Filter> {
    logic(test(name().prop_map(AttrPath::new).boxed()).boxed())
}

fn filter() -> BoxedStrategy<Filter> {
    let value_path =
        (path(), value_filter()).prop_map(|(path, inner)| Filter::ValuePath(path, Box::new(inner)));
    logic(prop_oneof![3 => test(path().boxed()), 1 => value_path].boxed())
}

fn patch_path() -> impl Strategy<Value = PatchPath> {
    (path(), option::of(value_filter()), option::of(name())).prop_map(|(attr, filter, sub)| PatchPath {
        attr: AttrPath { sub: None, ..attr },
        filter,
        sub,
    })
}

/// What a mutation may put in: everything the grammar gives a meaning to, and some that it does not.
fn splinter() -> impl Strategy<Value = String> {
    let known = [
        "(", ")", "[", "]", "\"", "'", "\\", "\\u", "\\ud83d", " ", ".", ":", "$", "not", " and ", " or ",
        " pr", " eq ", "-", "1e", "ä", "😀", "\0", "\n",
    ];
    prop_oneof![select(known.to_vec()).prop_map(str::to_owned), any::<char>().prop_map(String::from)]
}

/// The text with some characters, counted from the start, replaced.
fn mutated(text: &str, changes: &[(prop::sample::Index, usize, String)]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for (at, removed, added) in changes {
        let at = at.index(characters.len() + 1);
        let end = characters.len().min(at + removed);
        characters.splice(at..end, added.chars());
    }
    characters.into_iter().collect()
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_printed_filter_parses_to_the_same_tree(filter in filter()) {
        prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
    }

    #[test]
    fn a_printed_path_parses_to_the_same_tree(path in patch_path()) {
        prop_assert_eq!(PatchPath::parse(&path.to_string()), Ok(path));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        round_trip::filter(&bytes);
        round_trip::patch_path(&bytes);
    }

    #[test]
    fn any_splinters_are_read_or_refused(splinters in vec(splinter(), 0..40)) {
        let text = splinters.concat();
        round_trip::filter(text.as_bytes());
        round_trip::patch_path(text.as_bytes());
    }

    #[test]
    fn mutated_filters_are_read_or_refused(
        filter in filter(),
        changes in vec((any::<prop::sample::Index>(), 0_usize..4, splinter()), 1..4),
    ) {
        round_trip::filter(mutated(&filter.to_string(), &changes).as_bytes());
    }

    #[test]
    fn mutated_paths_are_read_or_refused(
        path in patch_path(),
        changes in vec((any::<prop::sample::Index>(), 0_usize..4, splinter()), 1..4),
    ) {
        round_trip::patch_path(mutated(&path.to_string(), &changes).as_bytes());
    }
}
