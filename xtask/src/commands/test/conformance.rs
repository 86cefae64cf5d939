//! The recorded answers, asked for once more.

use anyhow::Result;

use super::Context;
use crate::commands::record;

pub(super) fn run(context: &mut Context) -> Result<()> {
    let result = record::check(&context.signals);
    context
        .checks
        .record("the control plane answers as it was recorded", result);
    Ok(())
}
