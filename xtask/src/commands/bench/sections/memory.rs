//! What servers take of the memory.

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::commands::bench::Bench;
use crate::commands::bench::figures::Figures;
use crate::commands::bench::https::Https;
use crate::commands::bench::subject::{Running, Subject};

pub(in crate::commands::bench) const RESIDENT: &str = "Memory";
pub(in crate::commands::bench) const BEYOND: &str = "for each Deployment beyond its JSON, kB";

/// What the load client says of the server's memory.
#[derive(Debug, Deserialize)]
struct Watched {
    open_mb: f64,
}

pub(super) fn run(bench: &Bench<'_>, figures: &mut Figures) -> Result<()> {
    for subject in bench.subjects(&[Subject::Memory, Subject::Redb, Subject::ControlPlane]) {
        let server = Running::start(subject, bench)?;
        let mut add = |row: &str, value| figures.add(RESIDENT, row, subject.name(), value);
        let idle = server.megabytes()?;
        add("idle, MB", idle);
        let (few, many) = if bench.effort.quick {
            (100, 1000)
        } else {
            (1_000, 100_000)
        };
        fill(bench, &server, few)?;
        let with_few = server.megabytes()?;
        add(
            "the first 1,000 Deployments, MB",
            (with_few - idle) * 1e3 / f64::from(few),
        );
        fill(bench, &server, many)?;
        let with_many = server.megabytes()?;
        add("with 100,000 Deployments, MB", with_many);
        let each = (with_many - with_few) * 1e3 / f64::from(many - few);
        add("for each of them, kB", each);
        let object = Https::from_kubeconfig(server.kubeconfig())?
            .get("/apis/apps/v1/namespaces/listed/deployments/listed-1")?;
        let object: Value = serde_json::from_str(&object).context("reading a Deployment")?;
        let json = object.to_string().len() as f64 / 1e3;
        add("its JSON, kB", json);
        add(BEYOND, each - json);
        server.stop()?;
        // Another one, whose watchers are not lost among objects.
        let server = Running::start(subject, bench)?;
        let idle = server.megabytes()?;
        let args = "watch --protocol h2 --watchers 1000 --events 1";
        for Watched { open_mb } in bench.drive(&server, args)? {
            figures.add(
                RESIDENT,
                "1,000 watches on 10 connections, MB",
                subject.name(),
                open_mb - idle,
            );
        }
        server.stop()?;
    }
    Ok(())
}

/// Sees to it that there are so many Deployments.
fn fill(bench: &Bench<'_>, server: &Running, objects: u32) -> Result<()> {
    let args = format!("load --protocol h2 --listed {objects}");
    bench.drive::<Value>(server, &args).map(drop)
}
