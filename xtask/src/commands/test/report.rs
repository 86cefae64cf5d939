//! The table at the end.

use std::fmt;
use std::time::Duration;

use super::checks::Checks;

/// How a stage ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Passed,
    Failed,
    /// All of it, because a program is missing.
    LeftOut,
}

impl Verdict {
    /// A stage that checked nothing has not passed.
    fn of(checks: Checks, left_out: &[String]) -> Self {
        match checks {
            Checks { failed: 1.., .. } => Self::Failed,
            Checks { passed: 1.., .. } => Self::Passed,
            _ if left_out.is_empty() => Self::Failed,
            _ => Self::LeftOut,
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
    /// What of it could not be checked, and why.
    left_out: Vec<String>,
    took: Duration,
}

impl Report {
    pub(super) fn add(
        &mut self,
        stage: String,
        checks: Checks,
        left_out: Vec<String>,
        took: Duration,
    ) {
        let row = Row {
            verdict: Verdict::of(checks, &left_out),
            stage,
            checks,
            left_out,
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
        for row in &self.rows {
            for what in &row.left_out {
                writeln!(f, "left out of {}: {what}", row.stage)?;
            }
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
        let some = ["x".to_owned()];
        assert_eq!(Verdict::of(checks(1, 0), &[]), Verdict::Passed);
        assert_eq!(Verdict::of(checks(1, 0), &some), Verdict::Passed);
        assert_eq!(Verdict::of(checks(1, 1), &some), Verdict::Failed);
        assert_eq!(Verdict::of(checks(0, 0), &[]), Verdict::Failed);
        assert_eq!(Verdict::of(checks(0, 0), &some), Verdict::LeftOut);
    }

    #[test]
    fn the_last_line_is_the_sum() {
        let mut report = Report::default();
        let second = Duration::from_secs(1);
        report.add("fmt".into(), checks(1, 0), Vec::new(), second);
        report.add("go".into(), checks(0, 0), vec!["go (none)".into()], second);
        assert!(!report.failed());
        report.add("test".into(), checks(40, 2), Vec::new(), second);
        assert!(report.failed());
        let text = report.to_string();
        let end = "left out of go: go (none)\n41 passed, 2 failed\n";
        assert!(text.ends_with(end), "{text}");
    }
}
