//! Every file of the fuzz corpora goes through the function that the fuzz targets run.

use std::fs;
use std::path::Path;

use crate::round_trip;

fn run(folder: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(folder);
    let mut files = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let data = fs::read(&path).unwrap();
        assert!(std::panic::catch_unwind(|| check(&data)).is_ok(), "{} breaks the parser", path.display());
        files += 1;
    }
    assert!(files >= 24, "only {files} files in {}", folder.display());
}

#[test]
fn every_filter_of_the_corpus_round_trips_or_fails_cleanly() {
    run("filter", round_trip::filter);
}

#[test]
fn every_patch_path_of_the_corpus_round_trips_or_fails_cleanly() {
    run("patch_path", round_trip::patch_path);
}
