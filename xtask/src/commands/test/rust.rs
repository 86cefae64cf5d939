//! What cargo checks.

use anyhow::{Result, ensure};

use super::Context;
use super::checks::Checks;
use crate::cargo::{cargo, run};

/// What selects everything there is.
const EVERYTHING: [&str; 2] = ["--workspace", "--all-features"];

/// `cargo fmt --check`.
pub(super) fn fmt(context: &mut Context) -> Result<()> {
    check(context, cargo(&["fmt", "--all", "--check"]))
}

/// The package that has features which others leave out.
const BARE: [&str; 3] = ["--package", "optilock-apiserver", "--no-default-features"];

/// `cargo clippy`, with every warning an error; of what can be built without most of it, too.
pub(super) fn clippy(context: &mut Context) -> Result<()> {
    for what in [&["--all-targets", EVERYTHING[0], EVERYTHING[1]], &BARE] {
        let mut command = cargo(&["clippy", "--quiet"]);
        command.args(what).args(["--", "-D", "warnings"]);
        check(context, command)?;
    }
    Ok(())
}

/// `cargo doc`, with every warning an error.
pub(super) fn doc(context: &mut Context) -> Result<()> {
    let mut command = cargo(&["doc", "--no-deps", "--document-private-items", "--quiet"]);
    command.args(EVERYTHING).env("RUSTDOCFLAGS", "-D warnings");
    check(context, command)
}

/// `cargo test`, the examples in the documentation included.
pub(super) fn test(context: &mut Context) -> Result<()> {
    let mut command = cargo(&["test", "--no-fail-fast", "--quiet"]);
    command.args(EVERYTHING);
    let checks = &mut context.checks;
    let success = run(command, &context.signals, |line| {
        println!("{line}");
        checks.add(counts(line));
    })?;
    // A test that doesn't compile is in no count.
    ensure!(success || checks.failed > 0, "cargo test failed");
    Ok(())
}

/// Runs a command that is one check.
fn check(context: &mut Context, command: std::process::Command) -> Result<()> {
    let args: Vec<_> = command
        .get_args()
        .map(|arg| arg.to_string_lossy())
        .collect();
    let name = format!("cargo {}", args.join(" "));
    let success = run(command, &context.signals, |line| println!("{line}"))?;
    let result = if success {
        Ok(())
    } else {
        Err(anyhow::anyhow!("see above"))
    };
    context.checks.record(&name, result);
    Ok(())
}

/// The counts in a line like `test result: ok. 12 passed; 0 failed; 1 ignored; ...`.
pub(super) fn counts(line: &str) -> Checks {
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
}
