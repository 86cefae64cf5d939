//! How fast requests are answered.

use anyhow::Result;

use crate::commands::bench::Bench;
use crate::commands::bench::figures::Figures;
use crate::commands::bench::load::Load;
use crate::commands::bench::subject::{Running, Subject};

pub(in crate::commands::bench) const RATES: &str = "Requests a second";
/// The rows of the aims.
pub(in crate::commands::bench) const GET: &str = "GET, HTTP/1.1, 64";
pub(in crate::commands::bench) const GET_SHARED: &str = "GET, HTTP/2, 64 on one connection";
const LATENCY: &str = "Latency, median, ms";
const TAIL: &str = "Latency, 99 of 100, ms";
pub(in crate::commands::bench) const PROCESSOR: &str =
    "Processor time of the server for a request, µs";
/// What stands for a protocol where there is none.
const IN_PROCESS: &str = "in process";

/// How many connections there are.
const CONNECTIONS: &str = "1,16,64";
/// What a bare server can do.
const READ: &str = "get";
const ALL: &str = "get,update,patch,apply,create,delete";
const LISTS: &str = "list,pages";
/// What is done with many requests on one connection.
const SHARED: &str = "get,update";

pub(super) fn run(bench: &Bench<'_>, figures: &mut Figures) -> Result<()> {
    let servers = bench.start(&[Subject::Memory, Subject::ControlPlane, Subject::Bare])?;
    let (seconds, shorter) = (bench.effort.seconds(0.25), bench.effort.seconds(0.1));
    let listed = if bench.effort.quick { "500" } else { "10000" };
    // All in turn, so that what else the machine does meets them alike. Long answers: once is enough.
    for round in 0..bench.effort.rounds {
        let each =
            |verbs: &str| format!("--connections {CONNECTIONS} --verb {verbs} --seconds {seconds}");
        let lists = (round == 0).then(|| {
            format!(
                "--connections {CONNECTIONS} --verb {LISTS} --seconds {shorter} --listed {listed}"
            )
        });
        for server in &servers {
            let bare = server.subject == Subject::Bare;
            let lists = lists.as_ref().filter(|_| !bare);
            let mut ask = |protocol: &str, what: &str| -> Result<()> {
                let loads = bench.drive(server, &format!("load --protocol {protocol} {what}"))?;
                note(figures, server.subject.name(), name(protocol), loads);
                Ok(())
            };
            for protocol in ["h1", "h2"] {
                ask(protocol, &each(if bare { READ } else { ALL }))?;
                lists.map_or(Ok(()), |lists| ask(protocol, lists))?;
            }
            let verbs = if bare { READ } else { SHARED };
            ask(
                "h2",
                &format!("--streams 64 --verb {verbs} --seconds {seconds}"),
            )?;
        }
        for what in lists.into_iter().chain([each(ALL)]) {
            let loads = bench.load.run(&format!("load --in-process {what}"))?;
            note(figures, Subject::Memory.name(), IN_PROCESS, loads);
        }
        for fake in &bench.peers.fakes {
            let loads = fake.run(&format!("{seconds} 1 16 64"))?;
            note(figures, fake.column, IN_PROCESS, loads);
        }
    }
    servers.into_iter().try_for_each(Running::stop)
}

/// A protocol as people call it.
fn name(protocol: &str) -> &'static str {
    match protocol {
        "h1" => "HTTP/1.1",
        _ => "HTTP/2",
    }
}

/// The row of a load.
fn row(verb: &str, protocol: &str, connections: usize, streams: usize) -> String {
    let verb = match verb {
        "get" => "GET",
        "list" => "list of 10,000",
        "pages" => "list of 10,000 in pages of 500",
        "patch" => "merge patch",
        verb => verb,
    };
    match streams {
        1 => format!("{verb}, {protocol}, {connections}"),
        _ => format!("{verb}, {protocol}, {streams} on one connection"),
    }
}

fn note(figures: &mut Figures, column: &str, protocol: &str, loads: Vec<Load>) {
    for load in loads {
        let row = row(&load.verb, protocol, load.connections, load.streams);
        figures.add(RATES, &row, column, load.per_second);
        figures.add(LATENCY, &row, column, load.p50_us / 1e3);
        figures.add(TAIL, &row, column, load.p99_us / 1e3);
        if let Some(micros) = load.processor_us {
            figures.add(PROCESSOR, &row, column, micros);
        }
    }
}
