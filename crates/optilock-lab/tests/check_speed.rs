//! How long the checker takes for a million operations. A figure, no test:
//!
//! `cargo test --release -p optilock-lab --test check_speed -- --ignored --nocapture`

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod check_sim;

use std::{io::BufReader, time::Instant};

use check_sim::Plan;
use optilock_lab::{
    check::check,
    history::{History, Writer},
};

#[test]
#[ignore = "prints a figure and judges none"]
fn a_million_operations() {
    let plan = Plan {
        seed: 1,
        objects: 200,
        workers: 200,
        updates: 1900,
        faults: 2,
        foreign: true,
        watchers: true,
        bug: None,
    };
    let (history, _) = plan.run();
    let mut file = tempfile::tempfile().unwrap();
    Writer::write_all(std::io::BufWriter::new(&file), &history).unwrap();
    drop(history);
    let bytes = file.metadata().unwrap().len();
    std::io::Seek::rewind(&mut file).unwrap();

    let started = Instant::now();
    let history = History::read(BufReader::with_capacity(1 << 20, file)).unwrap();
    let read = started.elapsed();
    let verdict = check(&history);
    let checked = started.elapsed() - read;
    assert!(verdict.is_ok());
    let totals = verdict.totals;
    println!(
        "{} operations ({} writes, {} conflicts) and {} watch events, {} MB: read in {read:.2?}, \
         checked in {checked:.2?}, at most {} in memory",
        totals.operations,
        totals.writes,
        totals.conflicts,
        totals.watch_events,
        bytes / 1_000_000,
        peak_memory().as_deref().unwrap_or("(unknown)"),
    );
}

/// The peak of the whole process, where the system tells.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().to_owned())
}
