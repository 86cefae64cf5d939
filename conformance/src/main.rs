//! Records the answers of a server, or compares them with the recorded ones.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use clap::Parser;
use optilock_conformance::{Ignored, Player, Recording, Tcp, Topic};

/// Plays the corpus against a kube-apiserver.
#[derive(Debug, Parser)]
#[command(name = "conformance")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// The server: its first cluster, as its first user.
    #[arg(long, value_name = "FILE", global = true, default_value = "kubeconfig")]
    kubeconfig: PathBuf,
    /// URL of the etcd behind it, which sequences compact.
    #[arg(long, value_name = "URL", global = true)]
    etcd: Option<String>,
    /// Only these topics; can be given several times.
    #[arg(long, value_name = "NAME", global = true)]
    topic: Vec<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Store what the server answers.
    Record,
    /// Compare what the server answers with what was stored.
    Replay,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let at = cli.kubeconfig.display();
    let kubeconfig =
        fs::read_to_string(&cli.kubeconfig).with_context(|| format!("reading {at}"))?;
    let mut target = Tcp::from_kubeconfig(&kubeconfig)?;
    if let Some(url) = cli.etcd {
        target = target.with_etcd(url);
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let mut player = Player::new(target, since.unwrap_or_default().as_millis().to_string());
    let mut differ = 0;
    for topic in Topic::load_all()? {
        if !cli.topic.is_empty() && !cli.topic.contains(&topic.name) {
            continue;
        }
        let played = player.play(&topic).await?;
        match cli.command {
            Command::Record => played.write()?,
            Command::Replay => {
                let recorded = Recording::read(&topic)?;
                for difference in recorded.differences(&played, Ignored::NOTHING) {
                    println!("{difference}");
                    differ += 1;
                }
            }
        }
        println!("{}: {} requests", topic.name, topic.requests());
    }
    if differ > 0 {
        println!("{differ} differences");
    }
    Ok(ExitCode::from(u8::from(differ > 0)))
}
