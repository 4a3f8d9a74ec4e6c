//! Any bytes, read by the check that the crate's own tests run over the corpus.
#![no_main]

#[path = "../../crates/scim-filter-parser/tests/it/round_trip.rs"]
#[expect(dead_code, reason = "the other target runs the other check")]
mod round_trip;

libfuzzer_sys::fuzz_target!(|data: &[u8]| round_trip::filter(data));
