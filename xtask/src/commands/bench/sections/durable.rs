//! Writers of objects of their own, durable and not.

use anyhow::{Context, Result};

use crate::commands::bench::Bench;
use crate::commands::bench::figures::Figures;
use crate::commands::bench::load::{Client, Load};
use crate::commands::bench::subject::{Running, Subject, folder};
use crate::peers::{ETCD_LOAD, Go};

pub(in crate::commands::bench) const UPDATES: &str = "Updates a second, through the API";
pub(in crate::commands::bench) const SWAPS: &str = "Compare-and-swaps a second, at the store";

pub(super) fn run(bench: &Bench<'_>, figures: &mut Figures) -> Result<()> {
    let servers = bench.start(&[Subject::Memory, Subject::Redb, Subject::ControlPlane])?;
    let seconds = bench.effort.seconds(0.7);
    for _ in 0..bench.effort.rounds {
        for server in &servers {
            let args = format!("load --connections 1,8,32,128 --verb update --seconds {seconds}");
            for load in bench.drive::<Load>(server, &args)? {
                let writers = writers(load.connections);
                figures.add(UPDATES, &writers, server.subject.name(), load.per_second);
            }
            etcd_swaps(bench, figures, server, SWAPS, "keys")?;
        }
        store_swaps(bench, figures, SWAPS, "keys")?;
    }
    servers.into_iter().try_for_each(Running::stop)
}

/// The row of so many writers.
pub(super) fn writers(writers: usize) -> String {
    match writers {
        1 => "1 writer".to_owned(),
        _ => format!("{writers} writers"),
    }
}

/// What etcd's own client gets out of the etcd of a control plane, which waits for the same disk.
pub(super) fn etcd_swaps(
    bench: &Bench<'_>,
    figures: &mut Figures,
    server: &Running,
    table: &str,
    load: &str,
) -> Result<()> {
    let Some(url) = server.etcd() else {
        return Ok(());
    };
    let client = Client::new(Go::find()?.build(&ETCD_LOAD)?, bench.signals);
    let said = client.text(&[url, &bench.effort.seconds(0.7), load])?;
    note(figures, table, &said)
}

/// The same load on our stores, without an API.
pub(super) fn store_swaps(
    bench: &Bench<'_>,
    figures: &mut Figures,
    table: &str,
    load: &str,
) -> Result<()> {
    let folder = folder()?;
    let path = folder.path().display().to_string();
    let seconds = bench.effort.seconds(0.7);
    let args = [
        "swaps",
        "--redb",
        &path,
        "--load",
        load,
        "--seconds",
        &seconds,
    ];
    let said = bench.load.text(&args)?;
    note(figures, table, &said)
}

/// Lines of a store, a load, how many writers, and a rate.
fn note(figures: &mut Figures, table: &str, said: &str) -> Result<()> {
    for line in said.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let [store, _, count, rate] = words[..] else {
            continue;
        };
        let rate = rate.parse().with_context(|| format!("reading {line:?}"))?;
        let row = writers(count.parse().with_context(|| format!("reading {line:?}"))?);
        figures.add(table, &row, store, rate);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_loads_speak_alike() {
        let mut figures = Figures::default();
        note(&mut figures, SWAPS, "etcd keys 32 9298\nredb keys 1 3000\n").unwrap();
        let rate = |row, column| figures.spread(SWAPS, row, column).unwrap().median();
        assert_eq!(rate("32 writers", "etcd"), 9298.0);
        assert_eq!(rate("1 writer", "redb"), 3000.0);
        assert!(note(&mut figures, SWAPS, "etcd keys 32 fast").is_err());
    }
}
