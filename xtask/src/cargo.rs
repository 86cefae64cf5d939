//! Running cargo.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use crate::signals::Signals;
use crate::workspace;

/// Cargo with `args`, in the workspace.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.args(args).current_dir(workspace::root());
    command
}

/// Runs a command without input, gives each line of its output to `look` as it comes, and returns
/// whether it succeeded.
pub(crate) fn run(
    mut command: Command,
    signals: &Signals,
    mut look: impl FnMut(&str) + Send,
) -> Result<bool> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("running cargo")?;
    let output = child.stdout.take().context("cargo has no output")?;
    thread::scope(|scope| {
        let reader = scope.spawn(move || -> std::io::Result<()> {
            for line in BufReader::new(output).lines() {
                look(&line?);
            }
            Ok(())
        });
        let status = signals.wait_for(child)?;
        let read = reader
            .join()
            .map_err(|_| anyhow!("reading cargo's output panicked"))?;
        read.context("reading cargo's output")?;
        Ok(status.success())
    })
}

/// Builds the `optilock` binary as its users do, without what tests alone ask of its dependencies,
/// in a profile of cargo's, and returns its path.
pub(crate) fn build_optilock(signals: &Signals, profile: &str) -> Result<PathBuf> {
    let what = ["--package=optilock-cli"];
    let [optilock] = build(signals, profile, &what, [("bin", "optilock")])?;
    Ok(optilock)
}

/// Builds the `optilock` binary and the load client of the bench at once, so that what both need is built once.
pub(crate) fn build_bench(signals: &Signals, profile: &str) -> Result<[PathBuf; 2]> {
    let what = ["--package=optilock-cli", "--package=optilock-bench"];
    let programs = [("bin", "optilock"), ("bin", "optilock-bench")];
    build(signals, profile, &what, programs)
}

/// Builds an example of a package in a profile of cargo's, and returns its path.
pub(crate) fn build_example(
    signals: &Signals,
    package: &str,
    example: &str,
    profile: &str,
) -> Result<PathBuf> {
    let what = ["--package", package, "--example", example];
    let [path] = build(signals, profile, &what, [("example", example)])?;
    Ok(path)
}

/// Builds the program of a package below `peers/`, which is apart from the workspace, for figures, and returns its path.
pub(crate) fn build_peer(signals: &Signals, folder: &str, program: &str) -> Result<PathBuf> {
    let manifest = workspace::root()
        .join("peers")
        .join(folder)
        .join("Cargo.toml");
    let target = workspace::target_dir()?.join("peers").join(folder);
    if !target.exists() {
        eprintln!("building {program} (the first time takes minutes)");
    }
    let [manifest, target] = [manifest, target].map(|path| path.display().to_string());
    let what = [
        "--locked",
        "--manifest-path",
        &manifest,
        "--target-dir",
        &target,
    ];
    let [path] = build(signals, "release", &what, [("bin", program)])?;
    Ok(path)
}

fn build<const N: usize>(
    signals: &Signals,
    profile: &str,
    what: &[&str],
    programs: [(&str, &str); N],
) -> Result<[PathBuf; N]> {
    let mut command = cargo(&["build", "--quiet"]);
    command
        .args(what)
        .args(["--profile", profile])
        .arg("--message-format=json-render-diagnostics");
    let mut paths = [const { None }; N];
    let success = run(command, signals, |line| {
        for ((kind, name), path) in programs.into_iter().zip(&mut paths) {
            *path = executable(line, kind, name).or(path.take());
        }
    })?;
    ensure!(success, "cargo build {} failed", what.join(" "));
    let missing = || format!("cargo built not all of {programs:?}");
    let paths: Option<Vec<PathBuf>> = paths.into_iter().collect();
    let paths = paths.with_context(missing)?;
    paths.try_into().ok().with_context(missing)
}

/// The path in cargo's message about a program.
fn executable(line: &str, kind: &str, name: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let target = &message["target"];
    let is_it = target["name"] == name && target["kind"][0] == kind;
    let path = message["executable"].as_str().filter(|_| is_it)?;
    // The same target is built as a test too.
    (message["profile"]["test"] == false).then(|| path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let executable = |line: &str| executable(line, "bin", "optilock");
        let found = executable(&message("optilock", "bin", false));
        assert_eq!(found, Some("/target/debug/optilock".into()));
        assert_eq!(executable(&message("optilock", "bin", true)), None);
        assert_eq!(executable(&message("optilock", "lib", false)), None);
        assert_eq!(executable(&message("xtask", "bin", false)), None);
        assert_eq!(executable("{}"), None);
        assert_eq!(executable("warning"), None);
    }
}
