//! Writers, through the API and at the store: the frame of two sections.

use anyhow::{Context, Result};

use crate::commands::bench::Bench;
use crate::commands::bench::figures::Figures;
use crate::commands::bench::kine;
use crate::commands::bench::load::{Client, Load};
use crate::commands::bench::subject::{Running, Subject, folder};
use crate::peers::{ETCD_LOAD, Go};

/// How long everything is done, in seconds.
const SECONDS: f64 = 0.7;

/// What is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writers {
    /// By how many through the API, as the load client is told.
    pub(super) numbers: &'static str,
    /// What they do there.
    pub(super) verb: &'static str,
    /// The table of what they get done.
    pub(super) updates: &'static str,
    /// The table of the conflicts, where there are any.
    pub(super) conflicts: Option<&'static str>,
    /// What is written at the store: `keys` or `key`.
    pub(super) load: &'static str,
    /// The table of that.
    pub(super) swaps: &'static str,
}

impl Writers {
    /// Measures all in turn.
    pub(super) fn run(self, bench: &Bench<'_>, figures: &mut Figures) -> Result<()> {
        let servers = bench.start(&[
            Subject::Memory,
            Subject::Redb,
            Subject::Etcd,
            Subject::ControlPlane,
        ])?;
        for _ in 0..bench.effort.rounds {
            for server in &servers {
                self.updates(bench, figures, server)?;
                if let Some(url) = server.etcd() {
                    self.etcd_swaps(bench, figures, ("etcd", url))?;
                }
            }
            if let Some(kine) = &bench.peers.kine {
                let folder = folder()?;
                let kine = kine::start(bench, kine, folder.path())?;
                let url = format!("unix://{}", kine.kubeconfig().display());
                self.etcd_swaps(bench, figures, ("kine, SQLite", &url))?;
                kine.stop()?;
            }
            self.store_swaps(bench, figures)?;
        }
        servers.into_iter().try_for_each(Running::stop)
    }

    fn updates(self, bench: &Bench<'_>, figures: &mut Figures, server: &Running) -> Result<()> {
        let Self { numbers, verb, .. } = self;
        let seconds = bench.effort.seconds(SECONDS);
        let args = format!("load --connections {numbers} --verb {verb} --seconds {seconds}");
        for load in bench.drive::<Load>(server, &args)? {
            let (row, column) = (writers(load.connections), server.subject.name());
            figures.add(self.updates, &row, column, load.per_second);
            if let Some(table) = self.conflicts {
                let done = load.per_second * bench.effort.of_second(SECONDS);
                figures.add(table, &row, column, load.conflicts / done);
            }
        }
        Ok(())
    }

    /// What etcd's own client gets out of an etcd, or of what stands for one, that waits for the same disk.
    fn etcd_swaps(
        self,
        bench: &Bench<'_>,
        figures: &mut Figures,
        (column, url): (&str, &str),
    ) -> Result<()> {
        let client = Client::new(Go::find()?.build(&ETCD_LOAD)?, bench.signals);
        let said = client.text(&[url, &bench.effort.seconds(SECONDS), self.load])?;
        note(figures, self.swaps, Some(column), &said)
    }

    /// The same load on our stores, without an API.
    fn store_swaps(self, bench: &Bench<'_>, figures: &mut Figures) -> Result<()> {
        let folder = folder()?;
        let path = folder.path().display().to_string();
        let seconds = bench.effort.seconds(SECONDS);
        let what = ["swaps", "--redb", &path, "--load", self.load];
        let said = bench
            .load
            .text(&[&what[..], &["--seconds", &seconds]].concat())?;
        note(figures, self.swaps, None, &said)
    }
}

/// The row of so many writers.
fn writers(writers: usize) -> String {
    match writers {
        1 => "1 writer".to_owned(),
        _ => format!("{writers} writers"),
    }
}

/// Lines of a store, a load, how many writers, and a rate. `column` says better which store it is.
fn note(figures: &mut Figures, table: &str, column: Option<&str>, said: &str) -> Result<()> {
    for line in said.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let [store, _, count, rate] = words[..] else {
            continue;
        };
        let rate = rate.parse().with_context(|| format!("reading {line:?}"))?;
        let row = writers(count.parse().with_context(|| format!("reading {line:?}"))?);
        figures.add(table, &row, column.unwrap_or(store), rate);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_loads_speak_alike() {
        const SWAPS: &str = "swaps";
        let mut figures = Figures::default();
        let said = "etcd keys 32 9298\nredb keys 1 3000\n";
        note(&mut figures, SWAPS, None, said).unwrap();
        note(&mut figures, SWAPS, Some("kine"), "etcd keys 32 700\n").unwrap();
        let rate = |row, column| figures.spread(SWAPS, row, column).unwrap().median();
        assert_eq!(rate("32 writers", "etcd"), 9298.0);
        assert_eq!(rate("1 writer", "redb"), 3000.0);
        assert_eq!(rate("32 writers", "kine"), 700.0);
        assert!(note(&mut figures, SWAPS, None, "etcd keys 32 fast").is_err());
    }
}
