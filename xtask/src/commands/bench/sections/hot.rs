//! Many writers of one object.

use anyhow::Result;

use super::durable::{etcd_swaps, store_swaps, writers};
use crate::commands::bench::Bench;
use crate::commands::bench::figures::Figures;
use crate::commands::bench::load::Load;
use crate::commands::bench::subject::{Running, Subject};

const UPDATES: &str = "Updates of one object a second, through the API";
const LOST: &str = "Conflicts for each of them";
const SWAPS: &str = "Compare-and-swaps of one key a second, at the store";

pub(super) fn run(bench: &Bench<'_>, figures: &mut Figures) -> Result<()> {
    let servers = bench.start(&[Subject::Memory, Subject::Redb, Subject::ControlPlane])?;
    let seconds = bench.effort.seconds(0.7);
    for _ in 0..bench.effort.rounds {
        for server in &servers {
            let args = format!("load --connections 1,8,32 --verb hot --seconds {seconds}");
            for load in bench.drive::<Load>(server, &args)? {
                let writers = writers(load.connections);
                figures.add(UPDATES, &writers, server.subject.name(), load.per_second);
                let done = load.per_second * bench.effort.of_second(0.7);
                figures.add(LOST, &writers, server.subject.name(), load.conflicts / done);
            }
            etcd_swaps(bench, figures, server, SWAPS, "key")?;
        }
        store_swaps(bench, figures, SWAPS, "key")?;
    }
    servers.into_iter().try_for_each(Running::stop)
}
