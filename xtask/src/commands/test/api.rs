//! The library's public items.

use anyhow::Result;

use super::Context;
use crate::commands::api::{CHECKS, Json};

pub(super) fn run(context: &mut Context) -> Result<()> {
    let json = Json::of_library(&context.signals)?;
    if !json.is_known() {
        context.leave_out("the library's public items", &json.unknown());
        return Ok(());
    }
    for (name, check) in CHECKS {
        context.checks.record(name, check(&json));
    }
    Ok(())
}
