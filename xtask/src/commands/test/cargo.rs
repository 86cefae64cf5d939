//! What cargo checks.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Context;
use super::checks::Checks;
use crate::signals::Signals;
use crate::workspace;

/// What selects everything there is.
const EVERYTHING: [&str; 2] = ["--workspace", "--all-features"];

/// `cargo fmt --check`.
pub(super) fn fmt(context: &mut Context) -> Result<()> {
    check(context, "cargo fmt", cargo(&["fmt", "--all", "--check"]))
}

/// `cargo clippy`, with every warning an error.
pub(super) fn clippy(context: &mut Context) -> Result<()> {
    let mut command = cargo(&["clippy", "--all-targets", "--quiet"]);
    command.args(EVERYTHING).args(["--", "-D", "warnings"]);
    check(context, "cargo clippy", command)
}

/// `cargo doc`, with every warning an error.
pub(super) fn doc(context: &mut Context) -> Result<()> {
    let mut command = cargo(&["doc", "--no-deps", "--document-private-items", "--quiet"]);
    command.args(EVERYTHING).env("RUSTDOCFLAGS", "-D warnings");
    check(context, "cargo doc", command)
}

/// `cargo test`, the examples in the documentation included.
pub(super) fn test(context: &mut Context) -> Result<()> {
    let mut command = cargo(&["test", "--no-fail-fast", "--quiet"]);
    command.args(EVERYTHING);
    let (success, counted) = run(command, &context.signals, |line| {
        println!("{line}");
        counts(line)
    })?;
    context.checks.add(counted);
    // A test that doesn't compile is in no count.
    ensure!(success || counted.failed > 0, "cargo test failed");
    Ok(())
}

/// Builds the `optilock` binary as its users do, without what tests alone ask of its dependencies,
/// but without optimization, and returns its path.
pub(super) fn build_optilock(signals: &Signals) -> Result<PathBuf> {
    let mut command = cargo(&["build", "--quiet", "--package=optilock-cli"]);
    command.arg("--message-format=json-render-diagnostics");
    let mut path = None;
    let (success, _) = run(command, signals, |line| {
        path = executable(line).or(path.take());
        Checks::default()
    })?;
    ensure!(success, "building optilock failed");
    path.context("cargo built no binary optilock")
}

fn cargo(args: &[&str]) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.args(args).current_dir(workspace::root());
    command
}

/// Runs a command that is one check.
fn check(context: &mut Context, name: &str, command: Command) -> Result<()> {
    let (success, _) = run(command, &context.signals, |line| {
        println!("{line}");
        Checks::default()
    })?;
    let result = if success {
        Ok(())
    } else {
        Err(anyhow::anyhow!("see above"))
    };
    context.checks.record(name, result);
    Ok(())
}

/// Runs a command, gives each line of its output to `look` as it comes, and returns whether it
/// succeeded and the sum of what was counted.
fn run(
    mut command: Command,
    signals: &Signals,
    mut look: impl FnMut(&str) -> Checks + Send,
) -> Result<(bool, Checks)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("running cargo")?;
    let output = child.stdout.take().context("cargo has no output")?;
    thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut sum = Checks::default();
            for line in BufReader::new(output).lines() {
                sum.add(look(&line?));
            }
            std::io::Result::Ok(sum)
        });
        let status = signals.wait_for(child)?;
        let sum = reader
            .join()
            .map_err(|_| anyhow::anyhow!("reading cargo's output panicked"))?;
        Ok((status.success(), sum.context("reading cargo's output")?))
    })
}

/// The counts in a line like `test result: ok. 12 passed; 0 failed; 1 ignored; ...`.
fn counts(line: &str) -> Checks {
    let mut checks = Checks::default();
    let Some(result) = line.strip_prefix("test result: ") else {
        return checks;
    };
    // After the verdict and its full stop.
    for part in result.split(['.', ';']) {
        let mut words = part.split_whitespace();
        if let (Some(number), Some(what)) = (words.next(), words.next()) {
            let number = number.parse().unwrap_or(0);
            match what {
                "passed" => checks.passed += number,
                "failed" => checks.failed += number,
                _ => {}
            }
        }
    }
    checks
}

/// The path in cargo's message about the binary `optilock`.
fn executable(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let target = &message["target"];
    let is_it = target["name"] == "optilock" && target["kind"][0] == "bin";
    let path = message["executable"].as_str().filter(|_| is_it)?;
    // The same target is built as a test too.
    (message["profile"]["test"] == false).then(|| path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtest_s_counts_are_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; \
                    0 filtered out; finished in 0.05s";
        let checks = counts(line);
        assert_eq!((checks.passed, checks.failed), (12, 3));
        let checks = counts("test a::b ... ok");
        assert_eq!((checks.passed, checks.failed), (0, 0));
    }

    #[test]
    fn the_binary_is_found_among_cargo_s_messages() {
        let message = |name: &str, kind: &str, test: bool| {
            serde_json::json!({
                "reason": "compiler-artifact",
                "target": {"name": name, "kind": [kind]},
                "profile": {"test": test},
                "executable": "/target/debug/optilock",
            })
            .to_string()
        };
        let found = executable(&message("optilock", "bin", false));
        assert_eq!(found, Some("/target/debug/optilock".into()));
        assert_eq!(executable(&message("optilock", "bin", true)), None);
        assert_eq!(executable(&message("optilock", "lib", false)), None);
        assert_eq!(executable(&message("xtask", "bin", false)), None);
        assert_eq!(executable("{}"), None);
        assert_eq!(executable("warning"), None);
    }
}
