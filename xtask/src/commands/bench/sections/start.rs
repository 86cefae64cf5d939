//! From the start of a process to the first answer, and what it takes of the memory when nothing has happened yet.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde::Deserialize;

use crate::commands::bench::Bench;
use crate::commands::bench::figures::Figures;
use crate::commands::bench::https::Https;
use crate::commands::bench::subject::{Running, Subject};

/// The tables.
pub(in crate::commands::bench) const FIRST: &str = "Start";
/// The rows.
pub(in crate::commands::bench) const ANSWER: &str = "first request answered, ms";
pub(in crate::commands::bench) const IDLE: &str = "memory when idle, MB";
pub(in crate::commands::bench) const IN_PROCESS: &str = "first answer to a client in process, ms";
const ASKED: &str = "memory after 200 requests, MB";

/// How long a server is left alone before its memory is looked at.
const PAUSE: Duration = Duration::from_secs(2);
/// What is asked after the first answer, in turn, each on a connection of its own.
const PATHS: [&str; 5] = [
    "/version",
    "/apis",
    "/api/v1/namespaces",
    "/apis/apps/v1",
    "/apis/apps/v1/deployments",
];
const REQUESTS: usize = 200;

/// What a program says of its first answer.
#[derive(Debug, Deserialize)]
struct First {
    first_us: f64,
}

pub(super) fn run(bench: &Bench<'_>, figures: &mut Figures) -> Result<()> {
    for _ in 0..bench.effort.starts {
        for subject in bench.subjects(&[Subject::Memory, Subject::Bare, Subject::ControlPlane]) {
            look(&Running::start(subject, bench)?, figures)?;
        }
        for First { first_us } in bench.load.run("first")? {
            figures.add(FIRST, IN_PROCESS, Subject::Memory.name(), first_us / 1e3);
        }
        if let Some(envtest) = &bench.peers.envtest {
            for First { first_us } in envtest.start()? {
                figures.add(FIRST, ANSWER, "envtest", first_us / 1e3);
            }
        }
        for fake in &bench.peers.fakes {
            for First { first_us } in fake.run("first")? {
                figures.add(FIRST, IN_PROCESS, fake.column, first_us / 1e3);
            }
        }
    }
    Ok(())
}

fn look(server: &Running, figures: &mut Figures) -> Result<()> {
    let name = server.subject.name();
    let client = Https::from_kubeconfig(server.kubeconfig())?;
    client.get("/readyz")?;
    let milliseconds = server.age_at_first_answer().as_secs_f64() * 1e3;
    figures.add(FIRST, ANSWER, name, milliseconds);
    thread::sleep(PAUSE);
    figures.add(FIRST, IDLE, name, server.megabytes()?);
    for path in PATHS.iter().cycle().take(REQUESTS) {
        client.get(path)?;
    }
    figures.add(FIRST, ASKED, name, server.megabytes()?);
    Ok(())
}
