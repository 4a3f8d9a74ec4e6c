//! `simulator`: the simulated RingCX alone.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;
use ringcx_simulator::{Knobs, Profile, Seed, Simulator};

use super::{Failure, say, until_stopped};

#[derive(Args)]
pub(super) struct Options {
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// How the open questions about RingCX are answered: friendly, hostile or spec
    #[arg(long, value_name = "P", default_value = "friendly")]
    profile: String,
    /// One answer of its own, as in `--set put_mode=replace`
    #[arg(long, value_name = "KNOB=VALUE")]
    set: Vec<String>,
    /// A file that keeps the state between two starts
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

pub(super) async fn run(options: Options) -> Result<(), Failure> {
    let knobs = knobs(&options.profile, &options.set)?;
    let seed = Seed::demo();
    let started = Simulator::start(ringcx_simulator::Options {
        listen: options.listen,
        knobs,
        seed: seed.clone(),
        state_file: options.state,
    })
    .await;
    let listen = options.listen;
    let simulator = started.with_context(|| format!("cannot listen on {listen}; choose another --listen"));
    let simulator = simulator.map_err(Failure::Input)?;
    say(&format!("listening on {}", simulator.url()));
    say(&format!("  account_id     {}", seed.account_id));
    say(&format!("  client_id      {}", seed.client.0));
    say(&format!("  client_secret  {}", seed.client.1));
    say(&format!("  jwt            {}", seed.jwt));
    say(&format!("  api_token      {}", seed.api_token));
    until_stopped().cancelled().await;
    simulator.stop().await;
    Ok(())
}

/// The knobs of a profile with some of them set.
pub(super) fn knobs(profile: &str, set: &[String]) -> Result<Knobs, Failure> {
    let input = |why: String| Failure::Input(anyhow!(why));
    let mut knobs = Knobs::profile(profile.parse::<Profile>().map_err(input)?);
    for one in set {
        let (name, value) =
            one.split_once('=').ok_or_else(|| input(format!("--set {one} needs the form KNOB=VALUE")))?;
        knobs.set(name.trim(), value.trim()).map_err(input)?;
    }
    Ok(knobs)
}
