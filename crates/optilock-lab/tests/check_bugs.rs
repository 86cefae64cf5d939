//! The checker finds every bug that is planted into a server, and accuses no server without one.
//!
//! `OPTILOCK_CHECK_SEEDS=10000 cargo test -p optilock-lab --test check_bugs` runs that many seeds of each.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod check_sim;

use std::collections::BTreeMap;

use check_sim::{Bug, Excuse, Plan};
use optilock_lab::check::{Rule, Verdict, check};

/// How many seeds a test runs.
fn seeds() -> u64 {
    let asked = std::env::var("OPTILOCK_CHECK_SEEDS").ok();
    asked.map_or(50, |seeds| seeds.parse().unwrap())
}

/// In at least 99 of 100 runs in which the bug struck, one of these rules says so.
fn caught(bug: Bug, by: &[Rule]) {
    let (mut struck, mut missed) = (0, Vec::new());
    for seed in 0..seeds() {
        let (history, strikes) = Plan::new(seed, Some(bug)).run();
        if strikes == 0 {
            continue;
        }
        struck += 1;
        let verdict = check(&history);
        if !by.iter().any(|&rule| verdict.violated(rule) > 0) {
            missed.push(seed);
        }
    }
    println!(
        "{bug:?}: struck in {struck} runs, missed in {}",
        missed.len()
    );
    assert!(struck * 2 > seeds(), "{bug:?} struck in {struck} runs only");
    let missed_share = missed.len() as u64 * 100;
    assert!(
        missed_share <= struck,
        "{bug:?} was missed with the seeds {missed:?}"
    );
}

#[test]
fn ignored_resource_version() {
    caught(Bug::IgnoredResourceVersion, &[Rule::LostUpdate]);
}

#[test]
fn acknowledged_before_durable() {
    let by = [
        Rule::LostUpdate,
        Rule::SharedVersion,
        Rule::StaleRead,
        Rule::StaleWrite,
        Rule::AcknowledgedLost,
        Rule::WatchReliable,
    ];
    caught(Bug::AcknowledgedBeforeDurable, &by);
}

#[test]
fn event_dropped() {
    let by = [
        Rule::WatchReliable,
        Rule::WatchResumable,
        Rule::WatchBookmarkable,
    ];
    caught(Bug::EventDropped, &by);
}

#[test]
fn events_reordered() {
    caught(Bug::EventsReordered, &[Rule::WatchOrdered]);
}

#[test]
fn event_doubled() {
    caught(Bug::EventDoubled, &[Rule::WatchUnique]);
}

#[test]
fn applied_twice() {
    caught(Bug::AppliedTwice, &[Rule::AppliedTwice]);
}

/// Without a watch, the counter tells.
#[test]
fn applied_twice_and_nobody_watches() {
    let bug = Some(Bug::AppliedTwice);
    for seed in 0..seeds() {
        let plan = Plan {
            watchers: false,
            faults: 0,
            ..Plan::new(seed, bug)
        };
        let (history, strikes) = plan.run();
        let verdict = check(&history);
        assert_eq!(
            verdict.violated(Rule::Count) > 0,
            strikes > 0,
            "seed {seed}"
        );
    }
}

#[test]
fn stale_get_after_write() {
    caught(Bug::StaleGet, &[Rule::StaleRead]);
}

#[test]
fn version_going_back() {
    caught(Bug::VersionBack, &[Rule::VersionBack]);
}

/// What is missed has a reason: the next write had begun before the refusal was there, or nobody has recorded it or its answer.
#[test]
fn spurious_conflict() {
    caught(Bug::SpuriousConflict, &[Rule::SpuriousConflict]);
    let mut excused: BTreeMap<Excuse, u64> = BTreeMap::new();
    let (mut struck, mut missed) = (0, 0);
    for seed in 0..seeds() {
        let (history, refusals) = Plan::new(seed, Some(Bug::SpuriousConflict)).refusals();
        struck += u64::from(!refusals.is_empty());
        if refusals.is_empty() || check(&history).violated(Rule::SpuriousConflict) > 0 {
            continue;
        }
        missed += 1;
        for refusal in refusals {
            let excuse = refusal.unwrap_or_else(|| panic!("missed without a reason: seed {seed}"));
            *excused.entry(excuse).or_default() += 1;
        }
    }
    println!("missed in {missed} of {struck} runs, all of whose refusals are excused: {excused:?}");
}

#[test]
fn a_correct_server_is_never_accused() {
    let mut own_conflicts = 0;
    let soak = |variable: &str| {
        std::env::var(variable)
            .ok()
            .map(|text| text.parse().unwrap())
    };
    let first: u64 = soak("OPTILOCK_SOAK_SEED").unwrap_or(0);
    let all: u64 = soak("OPTILOCK_SOAK_UPDATES").unwrap_or(seeds().saturating_mul(5));
    for seed in first..first + all {
        let (history, _) = Plan::new(seed, None).run();
        let verdict = check(&history);
        assert!(verdict.is_ok(), "seed {seed}: {}", told(&verdict));
        own_conflicts += verdict.totals.own_conflicts;
    }
    println!(
        "{all} correct servers, none accused; {own_conflicts} conflicts of an update with itself"
    );
    assert!(own_conflicts > 0);
}

fn told(verdict: &Verdict) -> String {
    serde_json::to_string_pretty(&verdict.violations).unwrap()
}
