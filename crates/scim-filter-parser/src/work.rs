//! Proof of linear time: the words of the grammar count the bytes they look at, and these tests compare the count
//! with the length of the text. Nothing is timed.

use std::cell::Cell;

use crate::{Filter, Options, PatchPath};

thread_local! {
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

/// Counts bytes that a word of the grammar looked at.
pub(crate) fn add(bytes: usize) {
    BYTES.set(BYTES.get() + bytes);
}

/// The bytes looked at while reading a text, good or bad.
fn work(text: &str) -> usize {
    let options = Options {
        max_nodes: usize::MAX,
        max_length: usize::MAX,
        max_depth: usize::MAX,
        unquoted_values: true,
    };
    BYTES.set(0);
    drop(Filter::parse_with(text, &options));
    drop(PatchPath::parse_with(text, &options));
    BYTES.get()
}

#[test]
fn no_byte_is_read_more_than_a_few_times() {
    let shapes: [fn(usize) -> String; 12] = [
        |n| vec!["a eq 1"; n].join(" and "),
        |n| vec!["a eq 1"; n].join(" or "),
        |n| vec!["(a pr or b pr)"; n].join(" and "),
        |n| vec![r#"e[t eq "w" and not (v pr)].x eq y"#; n].join(" or "),
        |n| vec!["not (((((a pr)))))"; n].join(" and "),
        |n| format!("{}a pr{}", "(".repeat(n.min(64)), ")".repeat(n.min(64))),
        |n| "(".repeat(n),
        |n| "not(".repeat(n),
        |n| format!("a{}eq{}1{}", " ".repeat(n), " ".repeat(n), " ".repeat(n)),
        |n| format!("not{}eq 1", " ".repeat(n)),
        |n| format!(r#"a eq "{}"#, r"\u00e4\n".repeat(n)),
        |n| format!("urn:{}", "x:.".repeat(n)),
    ];
    for shape in shapes {
        for n in [1, 10, 100, 1_000, 10_000] {
            let text = shape(n);
            let (work, allowed) = (work(&text), 6 * text.len() + 16);
            assert!(work <= allowed, "{work} bytes read of {}: {:.40}", text.len(), text);
        }
    }
}
