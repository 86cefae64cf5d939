//! What was checked, and how often it held.

use anyhow::Result;

/// Counts checks and prints them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Checks {
    pub(super) passed: u64,
    pub(super) failed: u64,
}

impl Checks {
    /// Notes the result of the check `name`. Its error is printed, and is not passed on: the other
    /// checks go on.
    pub(super) fn record(&mut self, name: &str, result: Result<()>) {
        match result {
            Ok(()) => {
                self.passed += 1;
                println!("ok    {name}");
            }
            Err(error) => {
                self.failed += 1;
                println!("FAIL  {name}");
                for line in format!("{error:#}").lines() {
                    println!("      {line}");
                }
            }
        }
    }

    /// Adds what another program counted.
    pub(super) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}
