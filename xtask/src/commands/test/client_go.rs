//! The experiments on client-go, unmodified, on both servers.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Context;
use super::target::Target;
use crate::peers::{CLIENT_GO, CLIENT_GO_0_26, Go};
use crate::process;

/// How long one run may take.
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// A run, and what comes out.
#[derive(Debug)]
struct Case {
    experiment: &'static str,
    workers: u32,
    /// Attempts a worker; 0 is unlimited.
    steps: u32,
    /// The label's last value.
    last: u32,
    succeeded: u32,
    /// `None` where chance decides.
    conflicts: Option<u32>,
}

const CASES: [Case; 3] = [
    Case {
        experiment: "once",
        workers: 5,
        steps: 10,
        last: 101,
        succeeded: 1,
        conflicts: Some(4),
    },
    Case {
        experiment: "retry",
        workers: 5,
        steps: 10,
        last: 105,
        succeeded: 5,
        conflicts: None,
    },
    Case {
        experiment: "retry",
        workers: 50,
        steps: 0,
        last: 150,
        succeeded: 50,
        conflicts: None,
    },
];

pub(super) fn run(context: &mut Context) -> Result<()> {
    let go = Go::find()?;
    let mut programs = Vec::new();
    for program in [&CLIENT_GO, &CLIENT_GO_0_26] {
        programs.push((program.name, go.build(program)?));
    }
    for target in Target::PAIR {
        target.with(context, |context, kubeconfig| {
            for (name, binary) in &programs {
                for case in &CASES {
                    let Case {
                        experiment,
                        workers,
                        ..
                    } = case;
                    let server = target.name();
                    let check = format!("{name} {experiment}, {workers} workers, on {server}");
                    let result = run_case(context, binary, kubeconfig, case);
                    context.checks.record(&check, result);
                }
            }
            Ok(())
        });
    }
    Ok(())
}

fn run_case(context: &Context, binary: &Path, kubeconfig: &Path, case: &Case) -> Result<()> {
    let mut command = Command::new(binary);
    command
        .arg("-kubeconfig")
        .arg(kubeconfig)
        .args(["-experiment", case.experiment])
        .arg(format!("-workers={}", case.workers))
        .arg(format!("-steps={}", case.steps))
        // The throttle changes nothing but the time.
        .arg("-qps=0");
    let finished = process::run(&mut command, &context.signals, LIMIT)?;
    let log = finished.stderr;
    ensure!(finished.code == Some(0), "it failed:\n{log}");
    let result: Value = serde_json::from_str(&finished.stdout)
        .with_context(|| format!("reading {:?}", finished.stdout))?;
    let expected = [
        ("final", Some(case.last)),
        ("succeeded", Some(case.succeeded)),
        ("conflicts", case.conflicts),
    ];
    for (key, value) in expected {
        let same = value.is_none_or(|value| result[key] == value);
        ensure!(same, "{key} should be {value:?}: {result}\n{log}");
    }
    Ok(())
}
