//! The generated data of the built-in types, generated once more.

use anyhow::Result;

use super::Context;
use super::target::Target;
use crate::commands::schema;

pub(super) fn run(context: &mut Context) -> Result<()> {
    let target = Target::ControlPlane { controllers: false };
    target.with(context, |context, kubeconfig| {
        let fresh = schema::check(kubeconfig, &context.signals);
        context
            .checks
            .record("the built-in types are up to date", fresh);
        Ok(())
    });
    Ok(())
}
