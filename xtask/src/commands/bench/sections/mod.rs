//! What is measured, a section of the page each. To add one: a file with its `run`, a page of text, and a row here.

pub(super) mod durable;
mod hot;
pub(super) mod memory;
pub(super) mod requests;
pub(super) mod scale;
pub(super) mod start;
pub(super) mod watch;
mod writers;

use anyhow::Result;

use super::Bench;
use super::figures::Figures;

/// A part of the bench.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: &'static str,
    /// What stands above its tables.
    pub(super) text: &'static str,
    pub(super) run: fn(&Bench<'_>, &mut Figures) -> Result<()>,
}

/// In the order of the page.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        name: "start",
        text: include_str!("start.md"),
        run: start::run,
    },
    Section {
        name: "memory",
        text: include_str!("memory.md"),
        run: memory::run,
    },
    Section {
        name: "requests",
        text: include_str!("requests.md"),
        run: requests::run,
    },
    Section {
        name: "hot",
        text: include_str!("hot.md"),
        run: hot::run,
    },
    Section {
        name: "durable",
        text: include_str!("durable.md"),
        run: durable::run,
    },
    Section {
        name: "watch",
        text: include_str!("watch.md"),
        run: watch::run,
    },
    Section {
        name: "scale",
        text: include_str!("scale.md"),
        run: scale::run,
    },
];

/// The section of this name.
pub(super) fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}
