//! The demo.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::Context;
use super::target::Target;
use crate::process;

/// How long one run may take.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// A method in the demo's table, and what comes out.
#[derive(Debug)]
struct Method {
    name: &'static str,
    /// The label's last value.
    last: u32,
    succeeded: u32,
    /// `None` where chance decides.
    conflicts: Option<u32>,
}

const METHODS: [Method; 4] = [
    Method {
        name: "no retry",
        last: 101,
        succeeded: 1,
        conflicts: Some(4),
    },
    Method {
        name: "retry",
        last: 105,
        succeeded: 5,
        conflicts: None,
    },
    Method {
        name: "optilock",
        last: 105,
        succeeded: 5,
        conflicts: None,
    },
    Method {
        name: "combined",
        last: 105,
        succeeded: 5,
        conflicts: Some(0),
    },
];

/// On the embedded server.
pub(super) fn embedded(context: &mut Context) -> Result<()> {
    check(context, "the embedded server", None)
}

/// On the control plane.
pub(super) fn cluster(context: &mut Context) -> Result<()> {
    for controllers in [false, true] {
        let target = Target::ControlPlane { controllers };
        target.with(context, |context, kubeconfig| {
            check(context, target.name(), Some(kubeconfig))
        });
    }
    Ok(())
}

fn check(context: &mut Context, place: &str, kubeconfig: Option<&Path>) -> Result<()> {
    let mut command = Command::new(context.optilock()?);
    command.args(["demo", "--lang", "en", "--yes"]);
    if let Some(path) = kubeconfig {
        command.arg("--kubeconfig").arg(path);
    }
    let finished = process::run(&mut command, &context.signals, LIMIT)?;
    let (out, err) = (&finished.stdout, &finished.stderr);
    let code = finished.code;
    let ended = || {
        ensure!(code == Some(0), "the exit code is {code:?}:\n{out}{err}");
        Ok(())
    };
    let check = format!("demo on {place}: exit code");
    context.checks.record(&check, ended());
    for method in &METHODS {
        let check = format!("demo on {place}: {}", method.name);
        context.checks.record(&check, method.check(out));
    }
    Ok(())
}

impl Method {
    /// Looks at all rows of this method in the table that ends `output`.
    fn check(&self, output: &str) -> Result<()> {
        let rows: Vec<_> = output.lines().filter_map(|line| self.row(line)).collect();
        ensure!(
            !rows.is_empty(),
            "there is no row {:?} in:\n{output}",
            self.name
        );
        for [last, succeeded, conflicts] in rows {
            let as_expected = last == self.last
                && succeeded == self.succeeded
                && self.conflicts.is_none_or(|wanted| wanted == conflicts);
            ensure!(
                as_expected,
                "it ended at {last} with {succeeded} successes and {conflicts} conflicts instead \
                 of {self:?}"
            );
        }
        Ok(())
    }

    /// The final value, the successes and the conflicts, where `line` is a row of this method.
    fn row(&self, line: &str) -> Option<[u32; 3]> {
        let cells = line.strip_prefix(self.name)?.strip_prefix("  ")?;
        let mut cells = cells.split_whitespace().map(str::parse::<u32>);
        let mut cell = || cells.next()?.ok();
        Some([cell()?, cell()?, cell()?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
method    final value  succeeded  conflicts  requests
throttled:
no retry          101          1          4        12
retry             105          5         10        32
no throttle:
no retry          101          1          4        12
";

    #[test]
    fn every_row_of_a_method_has_to_be_right() {
        let [once, retry, optilock, _] = METHODS;
        once.check(TABLE).unwrap();
        retry.check(TABLE).unwrap();
        let error = optilock.check(TABLE).unwrap_err().to_string();
        assert!(error.starts_with("there is no row \"optilock\""), "{error}");
        let wrong = format!("{TABLE}no retry          105          5          4        12\n");
        let error = once.check(&wrong).unwrap_err().to_string();
        assert!(
            error.starts_with("it ended at 105 with 5 successes"),
            "{error}"
        );
        let wrong = TABLE.replace("          4", "          3");
        once.check(&wrong).unwrap_err();
    }
}
