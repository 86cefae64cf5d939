//! The bench, as far as it can be wrong: figures are for `cargo xtask bench`.

use anyhow::Result;

use super::{Context, PROFILE};
use crate::commands::bench::glance;

pub(super) fn run(context: &mut Context) -> Result<()> {
    for (section, looked) in glance(&context.signals, PROFILE)? {
        context.checks.record(&format!("bench {section}"), looked);
    }
    Ok(())
}
