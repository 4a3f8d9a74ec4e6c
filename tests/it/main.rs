//! Whole-system tests: one binary, a module per topic. Start reading in `support`.

mod crash;
mod life;
mod support;
mod tidy;
mod transcripts;
