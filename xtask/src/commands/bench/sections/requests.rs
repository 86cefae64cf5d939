//! How fast requests are answered.

use anyhow::Result;

use crate::commands::bench::Bench;
use crate::commands::bench::figures::Figures;
use crate::commands::bench::load::Load;
use crate::commands::bench::subject::{Running, Subject};

pub(in crate::commands::bench) const RATES: &str = "Requests a second";
/// The row of the aims.
pub(in crate::commands::bench) const GET: &str = "GET, HTTP/1.1, 64";
const LATENCY: &str = "Latency, median, ms";
const TAIL: &str = "Latency, 99 of 100, ms";
const PROCESSOR: &str = "Processor time of the server for a request, µs";
/// The column of a server without a port.
const IN_PROCESS: &str = "optilock in process";

/// How many connections there are.
const CONNECTIONS: &str = "1,16,64";
/// What a bare server can do.
const READ: &str = "get";
const ALL: &str = "get,update,patch,apply,create,delete";
const LISTS: &str = "list,pages";

pub(super) fn run(bench: &Bench<'_>, figures: &mut Figures) -> Result<()> {
    let subjects = bench.subjects(&[Subject::Memory, Subject::ControlPlane, Subject::Bare]);
    let servers = subjects
        .into_iter()
        .map(|subject| Running::start(subject, bench));
    let servers = servers.collect::<Result<Vec<_>>>()?;
    let (seconds, shorter) = (bench.effort.seconds(0.4), bench.effort.seconds(0.1));
    let listed = if bench.effort.quick { "500" } else { "10000" };
    // All in turn, so that what else the machine does meets them alike.
    for round in 0..bench.effort.rounds {
        for server in &servers {
            let verbs = if server.subject == Subject::Bare {
                READ
            } else {
                ALL
            };
            for protocol in ["h1", "h2"] {
                let args = [
                    "load",
                    "--protocol",
                    protocol,
                    "--connections",
                    CONNECTIONS,
                    "--verb",
                    verbs,
                    "--seconds",
                    &seconds,
                ];
                note(
                    figures,
                    server.subject.name(),
                    name(protocol),
                    bench.drive(server, &args)?,
                );
                // Long answers: once is enough.
                if verbs == ALL && round == 0 {
                    let args = [
                        "load",
                        "--protocol",
                        protocol,
                        "--connections",
                        CONNECTIONS,
                        "--verb",
                        LISTS,
                        "--seconds",
                        &shorter,
                        "--listed",
                        listed,
                    ];
                    note(
                        figures,
                        server.subject.name(),
                        name(protocol),
                        bench.drive(server, &args)?,
                    );
                }
            }
            let verbs = if verbs == ALL { "get,update" } else { verbs };
            let args = [
                "load",
                "--protocol",
                "h2",
                "--streams",
                "64",
                "--verb",
                verbs,
                "--seconds",
                &seconds,
            ];
            note(
                figures,
                server.subject.name(),
                name("h2"),
                bench.drive(server, &args)?,
            );
        }
        let args = [
            "load",
            "--in-process",
            "--connections",
            CONNECTIONS,
            "--verb",
            ALL,
            "--seconds",
            &seconds,
        ];
        note(figures, IN_PROCESS, "in process", bench.load.run(&args)?);
        if round == 0 {
            let args = [
                "load",
                "--in-process",
                "--connections",
                CONNECTIONS,
                "--verb",
                LISTS,
                "--seconds",
                &shorter,
                "--listed",
                listed,
            ];
            note(figures, IN_PROCESS, "in process", bench.load.run(&args)?);
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
        // One who asks in process has no protocol: the row is that of HTTP/1.1.
        let shown = if column == IN_PROCESS {
            "HTTP/1.1"
        } else {
            protocol
        };
        let row = row(&load.verb, shown, load.connections, load.streams);
        figures.add(RATES, &row, column, load.per_second);
        figures.add(LATENCY, &row, column, load.p50_us / 1e3);
        figures.add(TAIL, &row, column, load.p99_us / 1e3);
        if let Some(micros) = load.processor_us {
            figures.add(PROCESSOR, &row, column, micros);
        }
    }
}
