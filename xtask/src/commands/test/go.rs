//! The Go programs' own tests.

use anyhow::{Result, ensure};

use super::Context;
use super::checks::Checks;
use crate::peers::Go;
use crate::process;

/// How long one command may take: the first one compiles what it needs.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(20 * 60);

/// What is run in which module below `peers/`. Packages are named one by one: `./...` in a module
/// that has the control plane as its dependency would compile all of it.
const COMMANDS: [(&str, &[&str]); 8] = [
    ("client-go", &["vet", "./..."]),
    ("client-go", &["test", "-v", "./backoff"]),
    ("client-go/experiment", &["test", "-v", "."]),
    ("client-go/experiment", &["vet", "./..."]),
    ("controller-runtime", &["vet", "./..."]),
    ("controller-runtime", &["test", "-v", "./fakes"]),
    ("control-plane", &["test", "-v", "./cmd/setup"]),
    ("schema", &["vet", "."]),
];

pub(super) fn run(context: &mut Context) -> Result<()> {
    let go = Go::find()?;
    for (module, args) in COMMANDS {
        let name = format!("go {} in peers/{module}", args.join(" "));
        let finished = process::run(&mut go.command(module, args), &context.signals, LIMIT)?;
        context.checks.add(counts(&finished.stdout));
        let check = || {
            let (out, err) = (&finished.stdout, &finished.stderr);
            ensure!(finished.code == Some(0), "{out}{err}");
            Ok(())
        };
        context.checks.record(&name, check());
    }
    Ok(())
}

/// The tests in the output of `go test -v`; those within others are part of them.
fn counts(output: &str) -> Checks {
    let count = |prefix| {
        output
            .lines()
            .filter(|line| line.starts_with(prefix))
            .count() as u64
    };
    Checks {
        passed: count("--- PASS:"),
        failed: count("--- FAIL:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_but_not_those_within_them() {
        let checks = counts(
            "=== RUN   TestA\n    --- PASS: TestA/x (0.00s)\n--- PASS: TestA (0.00s)\n\
             --- FAIL: TestB (0.00s)\nFAIL\n",
        );
        assert_eq!((checks.passed, checks.failed), (1, 1));
    }
}
