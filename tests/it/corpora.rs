//! Every file of the fuzz corpora for bodies and queries goes through the check that its fuzz target runs.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/checks.rs"]
mod checks;

fn run(folder: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(folder);
    let mut files = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let data = fs::read(&path).unwrap();
        assert!(std::panic::catch_unwind(|| check(&data)).is_ok(), "{} breaks its check", path.display());
        files += 1;
    }
    assert!(files >= 24, "only {files} files in {}", folder.display());
}

#[test]
fn every_patch_body_of_the_corpus_is_applied_or_refused() {
    run("patch_body", checks::patch_body);
}

#[test]
fn every_bulk_body_of_the_corpus_is_ordered_or_refused() {
    run("bulk_body", checks::bulk_body);
}

#[test]
fn every_query_string_of_the_corpus_is_read_or_refused() {
    run("query_string", checks::query_string);
}
