//! Clients, unmodified, play the same scenarios on both servers. `peers/README.md` is the contract.

mod strategy;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use self::table::CLIENTS;
use super::Context;
use super::folder::{self, Folder};
use super::target::{Running, Target};
use crate::cargo::cargo;
use crate::peers::{GAP, Go, Program};
use crate::process::{self, Finished};
use crate::workspace;

/// The scenario in which a client is cut off: it needs a server that forgets, and what cuts it off.
const EXPIRED: &str = "expired";
/// How long one client may take for all of its scenarios.
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// A client, and what it plays.
#[derive(Debug)]
struct Client {
    name: &'static str,
    source: Source,
    scenarios: &'static [&'static str],
    /// With what in the place of its last argument, if anything, it makes updates for `optilock compare`.
    strategy: Option<&'static str>,
}

/// Where a client comes from.
#[derive(Debug)]
enum Source {
    /// A Go program, and the arguments that stand before the scenarios.
    Go(&'static Program, &'static [&'static str]),
    /// A folder below `peers/` with a tool chain of its own.
    Folder(Folder),
    /// Tests of this workspace, by their file; their names end with those of the scenarios.
    CargoTest(&'static str),
}

/// What leads to each scenario's outcome.
type Outcomes = BTreeMap<String, Value>;

/// What a client prints for a scenario.
#[derive(Debug, Deserialize)]
struct Line {
    scenario: String,
    outcome: Value,
}

pub(super) fn run(context: &mut Context) -> Result<()> {
    let expected = read_expected()?;
    let mut ready = Vec::new();
    for client in &CLIENTS {
        if let Some(reason) = client.source.missing() {
            context.leave_out(client.name, &reason);
            continue;
        }
        let started = Instant::now();
        match client.source.build(context) {
            Ok(command) => ready.push((client, command)),
            Err(error) => {
                let check = format!("building {}", client.name);
                context.checks.record(&check, Err(error));
            }
        }
        took(&format!("building {}", client.name), started);
    }
    for target in Target::PAIR {
        target.with(context, |context, kubeconfig| {
            for (client, command) in &ready {
                let started = Instant::now();
                let scenarios = client.undisturbed();
                let mut play = again(command);
                play.args(&scenarios).env("KUBECONFIG", kubeconfig);
                client.play(context, play, &scenarios, target.name(), &expected);
                client.update(context, command, kubeconfig, target.name());
                took(&format!("{} on {}", client.name, target.name()), started);
            }
            Ok(())
        });
    }
    let gap = Go::find()?.build(&GAP)?;
    for target in Target::FORGETFUL_PAIR {
        target.with_running(context, |context, running| {
            for (client, command) in &ready {
                if !client.scenarios.contains(&EXPIRED) {
                    continue;
                }
                let started = Instant::now();
                let mut command = through(&gap, running, command);
                command.arg(EXPIRED);
                client.play(context, command, &[EXPIRED], target.name(), &expected);
                let what = format!("{} cut off from {}", client.name, target.name());
                took(&what, started);
            }
            Ok(())
        });
    }
    Ok(())
}

/// The same command once more.
fn again(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        copy.current_dir(dir);
    }
    copy
}

/// The command with what cuts it off between it and the server.
fn through(gap: &Path, running: &Running, command: &Command) -> Command {
    let mut cut_off = Command::new(gap);
    if let Some(etcd) = running.etcd() {
        cut_off.args(["-etcd", etcd]);
    }
    cut_off
        .arg(command.get_program())
        .args(command.get_args())
        .env("KUBECONFIG", running.kubeconfig());
    if let Some(dir) = command.get_current_dir() {
        cut_off.current_dir(dir);
    }
    cut_off
}

fn took(what: &str, started: Instant) {
    println!("      {what}: {:.1} s", started.elapsed().as_secs_f64());
}

/// The outcomes that are the same for all clients and on all servers.
fn read_expected() -> Result<Outcomes> {
    let path = workspace::root().join("peers").join("scenarios.json");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))
}

impl Client {
    /// The scenarios in which nothing comes between it and its server.
    fn undisturbed(&self) -> Vec<&'static str> {
        let all = self.scenarios.iter().copied();
        all.filter(|scenario| *scenario != EXPIRED).collect()
    }

    /// Has scenarios played on a server, and makes a check of each.
    fn play(
        &self,
        context: &mut Context,
        mut command: Command,
        scenarios: &[&str],
        server: &str,
        expected: &Outcomes,
    ) {
        let played = process::run(&mut command, &context.signals, LIMIT)
            .and_then(|finished| Ok((outcomes(&finished.stdout)?, finished)));
        for scenario in scenarios {
            let result = match &played {
                Ok((outcomes, finished)) => judge(scenario, outcomes, expected, finished),
                Err(error) => Err(anyhow::anyhow!("{error:#}")),
            };
            let check = format!("{} on {server}: {scenario}", self.name);
            context.checks.record(&check, result);
        }
    }
}

/// What was printed. Lines of other kinds are a test runner's.
fn outcomes(stdout: &str) -> Result<Outcomes> {
    stdout
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| {
            let line: Line =
                serde_json::from_str(line).with_context(|| format!("reading {line:?}"))?;
            Ok((line.scenario, line.outcome))
        })
        .collect()
}

fn judge(
    scenario: &str,
    outcomes: &Outcomes,
    expected: &Outcomes,
    finished: &Finished,
) -> Result<()> {
    let wanted = expected
        .get(scenario)
        .with_context(|| format!("scenarios.json has no {scenario}"))?;
    let outcome = outcomes.get(scenario).with_context(|| {
        let Finished { code, stderr, .. } = finished;
        format!("it was not played; the exit code is {code:?}:\n{stderr}")
    })?;
    ensure!(
        outcome == wanted,
        "the outcome should be:\n{wanted:#}\nbut is:\n{outcome:#}"
    );
    Ok(())
}

impl Source {
    /// Why it can't be built here, where it can't.
    fn missing(&self) -> Option<String> {
        match self {
            // The stage needs both anyway.
            Self::Go(..) | Self::CargoTest(_) => None,
            Self::Folder(folder) => folder.missing(),
        }
    }

    /// Builds it, and returns the command that plays `scenarios`, but for its kubeconfig.
    fn build(&self, context: &Context) -> Result<Command> {
        match self {
            Self::Go(program, args) => {
                let mut command = Command::new(Go::find()?.build(program)?);
                command.args(*args);
                Ok(command)
            }
            Self::Folder(folder) => folder.build(&context.signals),
            Self::CargoTest(file) => {
                // The features of the stage `test`, or everything would be built once more.
                let test = || {
                    let mut command = cargo(&["test", "--quiet", "--workspace", "--all-features"]);
                    command.args(["--test", file]);
                    command
                };
                let mut build = test();
                build.arg("--no-run");
                let finished = process::run(&mut build, &context.signals, folder::LIMIT)?;
                ensure!(finished.code == Some(0), "{}", finished.stderr);
                let mut command = test();
                command.args(["--", "--ignored", "--nocapture"]);
                Ok(command)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_scenario_has_an_outcome_and_a_client() {
        let expected = read_expected().unwrap();
        let mut played = HashSet::new();
        for client in &CLIENTS {
            for &scenario in client.scenarios {
                let known = expected.contains_key(scenario);
                assert!(known, "{} plays {scenario}", client.name);
                played.insert(scenario);
            }
        }
        for scenario in expected.keys() {
            assert!(played.contains(scenario.as_str()), "{scenario}");
        }
    }

    #[test]
    fn clients_have_names_and_sources_of_their_own() {
        let names: HashSet<_> = CLIENTS.iter().map(|client| client.name).collect();
        assert_eq!(names.len(), CLIENTS.len());
    }

    #[test]
    fn outcomes_are_compared_as_json() {
        let expected: Outcomes = serde_json::from_str(r#"{"a": {"x": 1, "y": 2}}"#).unwrap();
        let finished = Finished {
            code: Some(0),
            stdout: String::new(),
            stderr: "no such thing".into(),
        };
        let judge = |stdout: &str| judge("a", &outcomes(stdout)?, &expected, &finished);
        judge("running 1 test\n{\"scenario\":\"a\",\"outcome\":{\"y\":2,\"x\":1}}\n").unwrap();
        let other = judge("{\"scenario\":\"a\",\"outcome\":{\"y\":3,\"x\":1}}\n").unwrap_err();
        assert!(other.to_string().starts_with("the outcome should be"));
        let none = judge("").unwrap_err().to_string();
        assert!(none.ends_with("no such thing"), "{none}");
        judge("{broken").unwrap_err();
    }
}
