//! Small histories are judged as a linearizability tester judges them that tries every order.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod check_sim;

use std::collections::HashSet;

use check_sim::{Bug, Plan};
use optilock_lab::{
    check::{Rule, Verdict, check},
    history::{Clock, Header, History, Operation, Outcome, Record, Verb},
};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

/// How many seeds a test runs.
fn seeds() -> u64 {
    let asked = std::env::var("OPTILOCK_CHECK_SEEDS").ok();
    asked.map_or(100, |seeds| seeds.parse().unwrap())
}

/// One object that counts, as an API server should keep it.
#[derive(Debug, Clone)]
struct Counter {
    rv: u64,
    value: i64,
}

#[derive(Debug, Clone)]
enum Op {
    Get,
    Put { base: u64, value: i64 },
}

#[derive(Debug, Clone, PartialEq)]
enum Ret {
    Object(u64, i64),
    Conflict,
}

impl SequentialSpec for Counter {
    type Op = Op;
    type Ret = Ret;

    fn invoke(&mut self, op: &Op) -> Ret {
        match *op {
            Op::Put { base, .. } if base != self.rv => return Ret::Conflict,
            Op::Put { value, .. } => {
                self.rv += 1;
                self.value = value;
            }
            Op::Get => {}
        }
        Ret::Object(self.rv, self.value)
    }
}

/// What the tester says; a thread of its own for every operation, so that only time orders them.
fn is_linearizable(operations: &[&Operation]) -> bool {
    let mut ends = Vec::new();
    for (thread, operation) in operations.iter().enumerate() {
        ends.push((operation.invoke_ns, false, thread));
        if operation.outcome != Outcome::Unknown {
            ends.push((operation.return_ns.unwrap(), true, thread));
        }
    }
    ends.sort_unstable();
    let start = Counter {
        rv: 101,
        value: 100,
    };
    let mut tester = LinearizabilityTester::new(start);
    for (_, returns, thread) in ends {
        let operation = operations[thread];
        if !returns {
            let op = match operation.verb {
                Verb::Get => Op::Get,
                _ => Op::Put {
                    base: operation.base.unwrap().0,
                    value: operation.value.unwrap(),
                },
            };
            tester.on_invoke(thread, op).unwrap();
        } else {
            let ret = match operation.outcome {
                Outcome::Applied => Ret::Object(operation.rv.unwrap().0, operation.value.unwrap()),
                _ => Ret::Conflict,
            };
            tester.on_return(thread, ret).unwrap();
        }
    }
    tester.is_consistent()
}

/// One object, few workers, nobody else, and no watch.
fn small(seed: u64, bug: Option<Bug>) -> Plan {
    Plan {
        objects: 1,
        workers: 2 + u32::try_from(seed % 2).unwrap(),
        updates: 1,
        faults: if seed.is_multiple_of(5) { 30 } else { 0 },
        foreign: false,
        watchers: false,
        ..Plan::new(seed, bug)
    }
}

fn operations(history: &History) -> Vec<&Operation> {
    let records = history.records.iter();
    records
        .filter_map(|numbered| match &numbered.record {
            Record::Operation(operation) => Some(operation),
            _ => None,
        })
        .collect()
}

/// Both judge, and where the history tells who made every version, they agree.
fn agree(history: &History) -> (bool, bool) {
    let operations = operations(history);
    let linearizable = is_linearizable(&operations);
    let verdict = check(history);
    if linearizable {
        assert!(verdict.is_ok(), "accused without cause: {}", told(&verdict));
        return (true, true);
    }
    // The tester knows that nobody else writes. The checker doesn't, so that it allows versions of others, and it
    // can't tell for certain of what became of an unknown write.
    let made: HashSet<_> = operations.iter().filter_map(|op| op.made()).collect();
    let named = operations.iter().flat_map(|op| [op.rv, op.base]).flatten();
    let explained = named
        .into_iter()
        .all(|rv| rv.0 == 101 || made.contains(&rv))
        && operations.iter().all(|op| op.outcome != Outcome::Unknown);
    assert!(
        !explained || !verdict.is_ok(),
        "not accused: {}",
        serde_json::to_string_pretty(
            &history
                .records
                .iter()
                .map(|n| &n.record)
                .collect::<Vec<_>>()
        )
        .unwrap()
    );
    (false, explained)
}

fn told(verdict: &Verdict) -> String {
    serde_json::to_string_pretty(&verdict.violations).unwrap()
}

#[test]
fn agrees_with_a_search_over_all_orders() {
    let bugs = [
        None,
        Some(Bug::IgnoredResourceVersion),
        Some(Bug::AcknowledgedBeforeDurable),
        Some(Bug::AppliedTwice),
        Some(Bug::StaleGet),
        Some(Bug::VersionBack),
        Some(Bug::SpuriousConflict),
    ];
    let (mut right, mut wrong) = (0, 0);
    for seed in 0..seeds() {
        for bug in bugs {
            let (history, _) = small(seed, bug).run();
            if operations(&history).len() > 12 {
                continue;
            }
            match agree(&history) {
                (true, _) => right += 1,
                (false, true) => wrong += 1,
                (false, false) => {}
            }
        }
    }
    println!("{right} linearizable, {wrong} not");
    assert!(right > 0 && wrong > 0);
}

/// The times of a correct run are moved about, so that some orders become impossible.
#[test]
fn agrees_where_time_is_wrong() {
    let (mut right, mut wrong) = (0, 0);
    for seed in 0..seeds() {
        let (history, _) = Plan {
            faults: 0,
            ..small(seed, None)
        }
        .run();
        let moved = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut operations: Vec<_> = operations(&history).into_iter().cloned().collect();
        if operations.len() > 12 {
            continue;
        }
        let which = usize::try_from(moved % operations.len() as u64).unwrap();
        let by = moved >> 32 & 0xfff;
        let operation = &mut operations[which];
        operation.invoke_ns = operation.invoke_ns.saturating_add(by).saturating_sub(2048);
        let took = moved >> 48 & 0x1ff;
        operation.return_ns = Some(operation.invoke_ns + took);
        let header = Header::new("(altered)", seed, Clock::Virtual);
        let history = History::new(header, operations.into_iter().map(Record::Operation));
        match agree(&history) {
            (true, _) => right += 1,
            (false, explained) => wrong += u32::from(explained),
        }
    }
    println!("{right} linearizable, {wrong} not");
    assert!(right > 0 && wrong > 0);
}

#[test]
fn a_conflict_with_oneself_is_no_violation_and_is_counted() {
    let mut own_conflicts = 0;
    for seed in 0..20 {
        let plan = Plan {
            objects: 1,
            faults: 60,
            ..Plan::new(seed, None)
        };
        let verdict = check(&plan.run().0);
        assert_eq!(verdict.violated(Rule::SpuriousConflict), 0);
        own_conflicts += verdict.totals.own_conflicts;
    }
    assert!(own_conflicts > 0);
}
