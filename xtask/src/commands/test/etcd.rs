//! The tests of the store in an etcd. They start etcds of their own; one of them shares one with a kube-apiserver.

use std::path::Path;

use anyhow::{Result, ensure};

use super::Context;
use super::rust::counts;
use super::target::{Running, Target};
use crate::cargo::{cargo, run as run_cargo};
use crate::peers::{ETCD, Go};

/// The files in the crates' `tests` folders. What needs an etcd is ignored in everyday tests.
const TARGETS: [&str; 4] = ["store_laws", "store_etcd", "conformance", "store_shared"];

pub(super) fn run(context: &mut Context) -> Result<()> {
    let etcd = Go::find()?.build(&ETCD)?;
    let target = Target::ControlPlane { controllers: false };
    target.with_running(context, |context, running| test(context, &etcd, running));
    Ok(())
}

fn test(context: &mut Context, etcd: &Path, control_plane: &Running) -> Result<()> {
    // The features of everyday tests, so that nothing is built twice.
    let mut command = cargo(&[
        "test",
        "--no-fail-fast",
        "--quiet",
        "--workspace",
        "--all-features",
    ]);
    for target in TARGETS {
        command.args(["--test", target]);
    }
    command
        .args(["--", "--ignored"])
        .env("OPTILOCK_TEST_ETCD", etcd)
        .env("OPTILOCK_TEST_KUBECONFIG", control_plane.kubeconfig());
    if let Some(url) = control_plane.etcd() {
        command.env("OPTILOCK_TEST_ETCD_URL", url);
    }
    let checks = &mut context.checks;
    let success = run_cargo(command, &context.signals, |line| {
        println!("{line}");
        checks.add(counts(line));
    })?;
    // A test that doesn't compile is in no count.
    ensure!(success || checks.failed > 0, "cargo test failed");
    Ok(())
}
