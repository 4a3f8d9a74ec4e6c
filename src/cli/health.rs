//! `health`: asks a running server whether it is alive, for containers without a shell.

use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Failure;

#[derive(Args)]
pub(super) struct Options {
    /// Host and port of the server, without TLS
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    address: String,
}

pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let asked = tokio::time::timeout(Duration::from_secs(3), ask(&options.address)).await;
    let answer = asked.context("no answer within 3 s")?.context("no answer")?;
    if answer.starts_with("HTTP/1.1 200") {
        return Ok(());
    }
    Err(Failure::Ran(anyhow!("the server does not answer as it should")))
}

async fn ask(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
