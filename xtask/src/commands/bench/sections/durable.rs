//! Writers of objects of their own, durable and not.

use anyhow::Result;

use super::writers::Writers;
use crate::commands::bench::Bench;
use crate::commands::bench::figures::Figures;

pub(in crate::commands::bench) const UPDATES: &str = "Updates a second, through the API";
pub(in crate::commands::bench) const SWAPS: &str = "Compare-and-swaps a second, at the store";

const OWN: Writers = Writers {
    numbers: "1,8,32,128",
    verb: "update",
    updates: UPDATES,
    conflicts: None,
    load: "keys",
    swaps: SWAPS,
};

pub(super) fn run(bench: &Bench<'_>, figures: &mut Figures) -> Result<()> {
    OWN.run(bench, figures)
}
