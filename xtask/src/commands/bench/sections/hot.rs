//! Many writers of one object.

use anyhow::Result;

use super::writers::Writers;
use crate::commands::bench::Bench;
use crate::commands::bench::figures::Figures;

const ONE: Writers = Writers {
    numbers: "1,8,32",
    verb: "hot",
    updates: "Updates of one object a second, through the API",
    conflicts: Some("Conflicts for each of them"),
    load: "key",
    swaps: "Compare-and-swaps of one key a second, at the store",
};

pub(super) fn run(bench: &Bench<'_>, figures: &mut Figures) -> Result<()> {
    ONE.run(bench, figures)
}
