//! The rules of the tree that no compiler knows: who may use whom, how long a file may be, how it begins.
//!
//! Every finding names file, line and rule. The arrows are in [`ARROWS`]; ARCHITECTURE.md says why they are as they are.

use std::path::{Path, PathBuf};

/// What each module of `src` may use besides itself and `clock`; `a::b` allows only that part of `a`.
const ARROWS: [(&str, &[&str]); 9] = [
    ("clock", &[]),
    ("scim", &["scim_filter_parser"]),
    ("upstream", &[]),
    ("domain", &["scim", "upstream::model"]),
    ("store", &["domain", "upstream::model", "scim_filter_parser"]),
    ("reconcile", &["store", "domain", "upstream", "scim", "scim_filter_parser"]),
    ("server", &["reconcile", "store", "domain", "scim"]),
    ("config", &["server", "reconcile", "store", "domain", "scim", "upstream", "cli"]),
    ("cli", &["server", "reconcile", "store", "domain", "scim", "upstream", "config", "ringcx_simulator"]),
];

/// Crates of the workspace: who may use them is an arrow as well.
const CRATES: [&str; 2] = ["scim_filter_parser", "ringcx_simulator"];

/// A file with this many lines is two files.
const MOST_LINES: usize = 500;

/// Marks of unfinished work, written so that this file does not hold them.
const UNFINISHED: [&str; 3] = [concat!("to", "do!"), concat!("unimple", "mented!"), concat!("FIX", "ME")];

#[test]
fn the_tree_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "crates", "benches"] {
        gather(&root.join(folder), &mut files);
    }
    assert!(files.len() > 50, "only {} files were found", files.len());
    let mut found = Vec::new();
    for file in files {
        let name = file.strip_prefix(root).unwrap().display().to_string();
        found.extend(inspect(&name, &std::fs::read_to_string(&file).unwrap()));
    }
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            gather(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Everything that is wrong with a file: `name:line: rule`.
fn inspect(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//!") && !text.starts_with("#![doc = include_str!") {
        found.push(format!("{name}:1: begins without `//!` that says what it is for"));
    }
    let lines = text.lines().count();
    if lines >= MOST_LINES {
        found.push(format!("{name}:{lines}: has {lines} lines; split it before {MOST_LINES}"));
    }
    for (index, line) in text.lines().enumerate() {
        if is_unwatched(name, line) {
            found.push(format!("{name}:{}: starts RingCX unwatched; use `support::Simulator`", index + 1));
        }
        if let Some(mark) = UNFINISHED.iter().find(|mark| line.contains(**mark)) {
            found.push(format!("{name}:{}: unfinished: {mark}", index + 1));
        }
    }
    if let Some(module) = module_of(name)
        && let Some((_, allowed)) = ARROWS.iter().find(|(each, _)| *each == module)
    {
        for (line, used) in references(name, text) {
            if !is_allowed(module, allowed, &used) {
                found.push(format!(
                    "{name}:{line}: `{module}` uses `{used}`; it may use only itself, clock, {}",
                    allowed.join(", ")
                ));
            }
        }
    }
    found
}

/// Whether a test takes the simulator itself instead of the one that watches what no update may change.
fn is_unwatched(name: &str, line: &str) -> bool {
    let takes = line.contains("ringcx_simulator::Simulator")
        || (line.starts_with("use ringcx_simulator::{")
            && line.split(['{', ',', '}', ' ']).any(|it| it == "Simulator"));
    takes
        && name.starts_with("tests/it/")
        && !name.ends_with("support/simulator.rs")
        && !name.ends_with("tidy.rs")
}

/// The module of `src` that a file belongs to; `lib.rs` and `main.rs` belong to none, and files of tests may ask anybody.
fn module_of(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("src/")?;
    if rest.contains("/tests/") || rest.ends_with("/tests.rs") {
        return None;
    }
    let module = rest.split('/').next()?.trim_end_matches(".rs");
    (!matches!(module, "lib" | "main")).then_some(module)
}

fn is_allowed(module: &str, allowed: &[&str], used: &str) -> bool {
    let within =
        |part: &str| used == part || used.strip_prefix(part).is_some_and(|rest| rest.starts_with("::"));
    within(module) || within("clock") || allowed.iter().any(|part| within(part))
}

/// The references to modules of ours and to crates of the workspace, with their lines: `scim::patch`, `scim_filter_parser`.
fn references(name: &str, text: &str) -> Vec<(usize, String)> {
    let text = without_comments(text);
    // `super` in `src/a/b.rs` is `a`, in `src/a/mod.rs` the crate.
    let depth = name.split('/').count() - if name.ends_with("/mod.rs") { 2 } else { 1 };
    let climbing = "super::".repeat(depth);
    let mut found = Vec::new();
    for (needle, prefix) in
        [("crate::", ""), (climbing.as_str(), "")].into_iter().chain(CRATES.iter().map(|name| (*name, *name)))
    {
        for (at, _) in text.match_indices(needle) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|letter| {
                letter.is_alphanumeric() || letter == '_' || letter == ':' || letter == '$'
            }) {
                continue;
            }
            let line = 1 + text[..at].matches('\n').count();
            let rest = &text[at + needle.len()..];
            if !prefix.is_empty() {
                if !rest.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_') {
                    found.push((line, prefix.to_owned()));
                }
                continue;
            }
            let known =
                |path: &String| ARROWS.iter().any(|(module, _)| path.split("::").next() == Some(*module));
            found.extend(expand(rest).into_iter().filter(known).map(|path| (line, path)));
        }
    }
    found
}

/// Comments are prose: they may speak of anything.
fn without_comments(text: &str) -> String {
    let code = text.lines().map(|line| match line.find("//") {
        Some(at) if line[..at].trim().is_empty() || line[..at].ends_with(' ') => &line[..at],
        _ => line,
    });
    code.collect::<Vec<_>>().join("\n")
}

/// The paths that a use tree begins with: `a::{b, c::d}` gives `a::b` and `a::c::d`.
fn expand(tree: &str) -> Vec<String> {
    let tree = tree.trim_start();
    if let Some(group) = tree.strip_prefix('{') {
        return items(group).into_iter().flat_map(expand).collect();
    }
    let end = tree.find(|letter: char| !(letter.is_alphanumeric() || letter == '_')).unwrap_or(tree.len());
    let (word, rest) = tree.split_at(end);
    if word.is_empty() {
        return Vec::new();
    }
    match rest.strip_prefix("::") {
        Some(rest) => {
            let below = expand(rest);
            if below.is_empty() {
                return vec![word.to_owned()];
            }
            below.into_iter().map(|path| format!("{word}::{path}")).collect()
        }
        None => vec![word.to_owned()],
    }
}

/// The items of a group up to its closing brace.
fn items(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => {
                items.push(&group[start..at]);
                return items;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items
}

#[test]
fn wrong_examples_are_found() {
    let wrong = [
        (
            "src/scim/patch.rs",
            "use crate::upstream::Error;",
            "src/scim/patch.rs:2: `scim` uses `upstream::Error`",
        ),
        (
            "src/upstream/x.rs",
            "use crate::{clock::Clock, scim};",
            "src/upstream/x.rs:2: `upstream` uses `scim`",
        ),
        (
            "src/server/users.rs",
            "\nfn f() { crate::upstream::model::x() }",
            "src/server/users.rs:3: `server` uses `upstream",
        ),
        (
            "src/domain/plan.rs",
            "use crate::upstream::{model::AgentId, RingCx};",
            "`domain` uses `upstream::RingCx`",
        ),
        ("src/domain/mod.rs", "use super::store::Tx;", "src/domain/mod.rs:2: `domain` uses `store::Tx`"),
        (
            "src/domain/plan.rs",
            "use super::super::store::Tx;",
            "src/domain/plan.rs:2: `domain` uses `store::Tx`",
        ),
        ("src/store/mod.rs", "use crate::scim::Resource;", "`store` uses `scim::Resource`"),
        (
            "src/store/mod.rs",
            "use crate::{\n    domain::PersonId,\n    reconcile,\n};",
            "`store` uses `reconcile`",
        ),
        ("src/reconcile/mod.rs", "use crate::server::App;", "`reconcile` uses `server::App`"),
        ("src/server/mod.rs", "use ringcx_simulator::Simulator;", "`server` uses `ringcx_simulator`"),
        ("src/clock.rs", "use crate::domain::fold;", "src/clock.rs:2: `clock` uses `domain::fold`"),
        ("src/server/mod.rs", "use crate::config::Config;", "`server` uses `config::Config`"),
        ("crates/x/src/lib.rs", concat!("fn f() { to", "do!() }"), "crates/x/src/lib.rs:2: unfinished"),
        ("tests/it/x.rs", concat!("// FIX", "ME: later"), "tests/it/x.rs:2: unfinished"),
        (
            "tests/it/x.rs",
            "use ringcx_simulator::{Options, Simulator};",
            "tests/it/x.rs:2: starts RingCX unwatched",
        ),
    ];
    for (name, code, expected) in wrong {
        let found = inspect(name, &format!("//! What it is for.\n{code}\n"));
        assert_eq!(found.len(), 1, "{code}: {found:?}");
        assert!(found[0].contains(expected), "{} is not {expected}", found[0]);
    }
    let long = format!("//! Long.\n{}", "\n".repeat(500));
    assert!(inspect("src/scim/long.rs", &long)[0].contains("split it before 500"));
    assert!(inspect("src/scim/mute.rs", "use std::fmt;\n")[0].contains(":1: begins without `//!`"));
}

#[test]
fn right_examples_pass() {
    for (name, code) in [
        (
            "src/domain/plan.rs",
            "use crate::upstream::model::{AgentId, UserId};\nuse crate::scim::{self, Resource};",
        ),
        ("src/domain/plan.rs", "use super::super::domain::fold;\nuse super::person;"),
        (
            "src/store/mod.rs",
            "// `crate::server` is told about this.\nuse crate::domain::PersonId; // not crate::cli",
        ),
        ("src/store/pushdown.rs", "use scim_filter_parser::Filter;"),
        ("src/server/mod.rs", "pub(crate) use crate::server::error::Error;\nuse crate::clock::Clock;"),
        ("src/lib.rs", "pub use crate::cli::main;"),
        ("src/store/tests/search.rs", "use crate::scim::Resource;"),
        ("src/cli/sandbox.rs", "use ringcx_simulator::Simulator;"),
        ("tests/it/x.rs", "use ringcx_simulator::{Control, Options};"),
    ] {
        let found = inspect(name, &format!("//! What it is for.\n{code}\n"));
        assert!(found.is_empty(), "{code}: {found:?}");
    }
}

/// `docs/open-questions.md` against the simulator's knobs, the settings and the tests that there are.
#[test]
fn every_open_question_has_its_row_and_every_row_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(root.join("docs/open-questions.md")).unwrap();
    for knob in ringcx_simulator::Knobs::names() {
        assert!(
            document.contains(&format!("`{knob}`")),
            "the knob {knob} answers no question of the document"
        );
    }
    let settings = std::fs::read_to_string(root.join("docker/config.example.toml")).unwrap();
    let mut files = Vec::new();
    gather(&root.join("tests"), &mut files);
    let tests: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let rows: Vec<Vec<&str>> = document
        .lines()
        .filter(|line| line.starts_with("| A"))
        .map(|line| line.split('|').collect())
        .collect();
    let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    for (index, row) in rows.iter().enumerate() {
        let number = row[1].trim();
        assert_eq!((number, row.len()), (format!("A{}", index + 1).as_str(), 8), "{row:?}");
        for setting in words(row[4]) {
            let key = setting.rsplit('.').next().unwrap();
            assert!(settings.contains(&format!("{key} = ")), "{number}: {setting} is no setting");
        }
        let named = words(row[6]);
        assert!(!named.is_empty(), "{number} has no test");
        for name in named {
            assert!(tests.contains(&format!("fn {name}()")), "{number}: there is no test {name}");
        }
    }
    assert_eq!(rows.len(), 55);
}
