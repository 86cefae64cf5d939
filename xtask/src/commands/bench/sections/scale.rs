//! How a durable store grows.

use std::fs;

use anyhow::Result;
use serde_json::Value;

use crate::commands::bench::Bench;
use crate::commands::bench::figures::Figures;
use crate::commands::bench::load::Load;
use crate::commands::bench::page::thousands;
use crate::commands::bench::subject::{Running, folder};

pub(in crate::commands::bench) const GROWTH: &str =
    "A store of redb, by the number of objects in it";
pub(in crate::commands::bench) const START: &str = "start, s";
pub(in crate::commands::bench) const READ: &str = "GET, median, ms";
pub(in crate::commands::bench) const PAGE: &str = "page of 500, median, ms";
pub(in crate::commands::bench) const UPDATES: &str = "updates/s, 32 writers";

/// The columns of the aims.
pub(in crate::commands::bench) const SMALL: &str = "1,000";
pub(in crate::commands::bench) const LARGE: &str = "1,000,000";

const SIZES: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];

pub(super) fn run(bench: &Bench<'_>, figures: &mut Figures) -> Result<()> {
    let folder = folder()?;
    let file = folder.path().join("objects");
    let seconds = bench.effort.seconds(1.0);
    for size in SIZES {
        let objects = if bench.effort.quick { SIZES[0] } else { size };
        let path = file.display().to_string();
        bench.load.figures::<Value>(&[
            "fill",
            "--redb",
            &path,
            "--objects",
            &objects.to_string(),
        ])?;
        let size = thousands(size);
        for _ in 0..bench.effort.rounds {
            let server = Running::on_file(bench, &file)?;
            let mut add = |row: &str, value| figures.add(GROWTH, row, &size, value);
            add(START, server.ready_after.as_secs_f64());
            add("memory, MB", server.megabytes()?);
            add("file, MB", fs::metadata(&file)?.len() as f64 / 1e6);
            let args = format!("load --verb get,page --seconds {seconds}");
            for load in bench.drive::<Load>(&server, &args)? {
                let row = if load.verb == "get" { READ } else { PAGE };
                add(row, load.p50_us / 1e3);
            }
            let args = format!("load --verb get,update --connections 32 --seconds {seconds}");
            for load in bench.drive::<Load>(&server, &args)? {
                let row = if load.verb == "get" {
                    "GET/s, 32 connections"
                } else {
                    UPDATES
                };
                add(row, load.per_second);
            }
            server.stop()?;
        }
    }
    Ok(())
}
