//! Whole-system tests: one binary, a module per topic. Start reading in `support`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it saw"
)]

mod access;
mod admins;
mod adopted_power;
mod agent_groups;
mod alerts;
mod allowed;
mod api_token;
mod audit;
mod behind;
mod beside;
mod bulk;
mod canary;
mod caps;
mod commands;
mod concurrency;
mod contract;
mod controller;
mod corpora;
mod crash;
mod decisions;
mod details;
mod dialect;
mod doctor;
mod drift;
mod dry_run;
mod faults;
mod features;
mod first_sync;
mod grants;
mod guard;
mod holders;
mod hostile;
mod http;
mod import;
mod late;
mod leavers;
mod leniency;
mod life;
mod lists;
mod mapped;
mod mapping;
mod membership;
mod mistakes;
mod nested;
mod no_path;
mod oauth;
mod off_and_on;
mod office;
mod pause;
mod people;
mod power;
mod profile;
mod protected;
mod queries;
mod queue;
mod reading;
mod readings;
mod refused;
mod replicas;
mod reports;
mod role_clients;
mod rounds;
mod rules;
mod settings_changed;
mod shutdown;
mod standing;
mod supervisors;
mod support;
mod surface;
mod tenants;
mod tidy;
mod tokens;
mod transcripts;
mod transport;
mod trouble;
mod truth;
mod way_back;
