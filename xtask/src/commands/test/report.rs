//! The table at the end.

use std::fmt;
use std::time::Duration;

use super::checks::Checks;

/// How a stage ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    Passed,
    Failed,
    /// A program that it needs is missing.
    LeftOut,
}

impl Verdict {
    /// A stage that checked nothing has not passed.
    pub(super) fn of(checks: Checks) -> Self {
        if checks.failed == 0 && checks.passed > 0 {
            Self::Passed
        } else {
            Self::Failed
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::LeftOut => "left out",
        }
    }
}

/// The stages that have run.
#[derive(Debug, Default)]
pub(super) struct Report {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    stage: String,
    verdict: Verdict,
    checks: Checks,
    took: Duration,
}

impl Report {
    pub(super) fn add(&mut self, stage: String, verdict: Verdict, checks: Checks, took: Duration) {
        let row = Row {
            stage,
            verdict,
            checks,
            took,
        };
        println!("{row}");
        self.rows.push(row);
    }

    /// Whether any stage failed.
    pub(super) fn failed(&self) -> bool {
        self.rows.iter().any(|row| row.verdict == Verdict::Failed)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:13} {:9} {:>7} {:>7} {:>9.1}",
            self.stage,
            self.verdict.text(),
            self.checks.passed,
            self.checks.failed,
            self.took.as_secs_f64(),
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "stage         result     passed  failed   seconds")?;
        for row in &self.rows {
            writeln!(f, "{row}")?;
        }
        let left_out = self
            .rows
            .iter()
            .filter(|row| row.verdict == Verdict::LeftOut);
        let left_out: Vec<_> = left_out.map(|row| row.stage.as_str()).collect();
        if !left_out.is_empty() {
            writeln!(
                f,
                "left out, because Go is missing: {}",
                left_out.join(", ")
            )?;
        }
        let mut sum = Checks::default();
        for row in &self.rows {
            sum.add(row.checks);
        }
        writeln!(f, "{} passed, {} failed", sum.passed, sum.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(passed: u64, failed: u64) -> Checks {
        Checks { passed, failed }
    }

    #[test]
    fn a_stage_passes_when_something_was_checked_and_held() {
        assert_eq!(Verdict::of(checks(1, 0)), Verdict::Passed);
        assert_eq!(Verdict::of(checks(1, 1)), Verdict::Failed);
        assert_eq!(Verdict::of(checks(0, 0)), Verdict::Failed);
    }

    #[test]
    fn the_last_line_is_the_sum() {
        let mut report = Report::default();
        let second = Duration::from_secs(1);
        report.add("fmt".into(), Verdict::Passed, checks(1, 0), second);
        report.add("go".into(), Verdict::LeftOut, checks(0, 0), second);
        assert!(!report.failed());
        report.add("test".into(), Verdict::Failed, checks(40, 2), second);
        assert!(report.failed());
        let text = report.to_string();
        let end = "left out, because Go is missing: go\n41 passed, 2 failed\n";
        assert!(text.ends_with(end), "{text}");
    }
}
