//! Runs in virtual time: every strategy and workload, with and without faults.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use kube::Client;
use optilock::Backoff;
use optilock_apiserver::Server;
use optilock_lab::{
    Change, Leg, NAMES, Plan, PlanError, RunSummary, SimulateError, Summary, Target, TargetSummary,
    Trial, Until, Workload,
    check::{Rule, check},
    history::Clock,
    named, simulate,
};

const MS: Duration = Duration::from_millis(1);

/// Retries without end, 10 ms apart.
fn patient() -> Backoff {
    Backoff::new(i64::from(i32::MAX), 10 * MS).with_jitter(1.0)
}

fn plan(strategy: &str, workload: Workload, workers: usize, updates: u64) -> Plan {
    Plan {
        namespace: "default".into(),
        prefix: "lab".into(),
        strategy: named(strategy, patient()).unwrap(),
        peer: None,
        workload,
        workers,
        until: Until::Operations(updates),
        rate: None,
        warm_up: 0,
        throttle: None,
        leg: Leg {
            mean: 2 * MS,
            deviation: MS / 2,
        },
        faults: Vec::new(),
        capacity: None,
        seed: 7,
        time_limit: Duration::from_secs(3600),
    }
}

fn run(plan: Plan) -> RunSummary {
    simulate(plan).unwrap().0
}

fn times(summary: &RunSummary, rule: Rule) -> u64 {
    let violated = summary.verdict.violated.iter();
    violated
        .filter(|one| one.rule == rule)
        .map(|one| one.times)
        .sum()
}

#[test]
fn every_strategy_gets_every_update_in_but_those_that_do_not_mean_to() {
    for (name, _) in NAMES {
        let summary = run(plan(name, Workload::of(Change::Counter), 5, 4));
        let counts = summary.updates;
        assert_eq!(counts.begun, 20, "{name}");
        assert_eq!(counts.unknown, 0, "{name}: {summary:#?}");
        if name == "blind" {
            assert_eq!(counts.applied, 20);
            assert!(
                summary.counter.lost > 0 && !summary.verdict.ok,
                "{summary:#?}"
            );
            // Whoever writes what is there already makes no version of its own.
            let lost = times(&summary, Rule::LostUpdate) + times(&summary, Rule::SharedVersion);
            assert!(lost > 0, "{summary:#?}");
            continue;
        }
        assert!(summary.verdict.ok, "{name}: {summary:#?}");
        let moved = summary.counter.last.unwrap() - summary.counter.initial;
        assert_eq!(u64::try_from(moved).unwrap(), counts.applied, "{name}");
        let gives_up = ["once", "default-retry", "default-backoff"].contains(&name);
        assert_eq!(counts.applied + counts.abandoned, 20, "{name}");
        assert!(gives_up || counts.abandoned == 0, "{name}: {summary:#?}");
        let in_turn = summary.least.took_ns;
        assert!(
            in_turn.is_none_or(|least| least <= summary.took_ns),
            "{name}: {summary:#?}"
        );
        let per_update = summary.requests_per_update.unwrap();
        let least = summary.least.requests_per_update;
        assert!(per_update >= least, "{name}: {per_update} < {least}");
    }
}

#[test]
fn every_workload_is_judged() {
    let mut quota = Workload::of(Change::Quota { limit: 12 });
    quota.objects = 1;
    let summary = run(plan("retry-on-conflict", quota, 5, 4));
    assert_eq!((summary.updates.applied, summary.updates.declined), (12, 8));
    assert!(summary.verdict.ok, "{summary:#?}");
    // Whoever doesn't look before it writes goes beyond.
    let summary = run(plan("blind", quota, 5, 4));
    assert!(summary.updates.applied > 12, "{summary:#?}");

    for strategy in [
        "retry-on-conflict",
        "merge-patch",
        "json-patch",
        "optilock",
        "combined",
    ] {
        for change in [Change::Append, Change::Disjoint] {
            let summary = run(plan(strategy, Workload::of(change), 5, 4));
            assert_eq!(
                summary.updates.applied, 20,
                "{strategy} {change:?}: {summary:#?}"
            );
            assert!(summary.verdict.ok, "{strategy} {change:?}: {summary:#?}");
        }
    }

    let many = Workload {
        objects: 4,
        skew: 1.2,
        reads: 0.5,
        foreign_every: Some(5 * MS),
        ..Workload::of(Change::Counter)
    };
    let summary = run(plan("optilock", many, 8, 20));
    assert!(summary.verdict.ok, "{summary:#?}");
    assert_eq!(summary.updates.applied + summary.updates.reads, 160);
    assert!(summary.updates.reads > 40 && summary.read_latency.is_some());
}

#[test]
fn a_plan_gives_the_same_result_again_and_another_seed_another() {
    let of_seed = |seed| {
        let mut plan = plan("optilock", Workload::of(Change::Counter), 20, 3);
        plan.seed = seed;
        plan.faults = vec!["504-after-commit:p=0.1".parse().unwrap()];
        simulate(plan).unwrap()
    };
    let ((one, history), (other, again)) = (of_seed(1), of_seed(1));
    assert_eq!(one, other);
    assert_eq!(history, again);
    assert_ne!(one.took_ns, of_seed(2).0.took_ns);
}

#[test]
fn a_lost_answer_doubles_updates_of_those_who_guess_and_none_of_optilocks() {
    let with_faults = |strategy: &str| {
        let mut plan = plan(strategy, Workload::of(Change::Counter), 10, 20);
        let faults = [
            "504-after-commit:p=0.05",
            "drop-answer:p=0.05",
            "late:p=0.05",
            "duplicate:p=0.05",
        ];
        plan.faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
        run(plan)
    };
    let optilock = with_faults("optilock");
    assert!(optilock.verdict.ok, "{optilock:#?}");
    assert_eq!(optilock.updates.applied, 200, "{optilock:#?}");
    let combined = with_faults("combined");
    assert!(combined.verdict.ok, "{combined:#?}");
    assert_eq!(combined.updates.applied, 200, "{combined:#?}");
    // client-go's loop leaves it to its caller.
    let retry = with_faults("retry-on-conflict");
    assert!(retry.verdict.ok && retry.updates.unknown > 0, "{retry:#?}");
}

/// kube's client sends an update again that was answered 504, and gives its caller the conflict with the first sending. Whoever
/// gives up then hasn't doubled anything, and who tries again has: the run says so, and the checker the same.
#[test]
fn an_update_given_up_after_a_504_is_unknown_and_not_doubled() {
    let kube = |steps: i64| {
        let mut plan = plan("kube-default", Workload::of(Change::Counter), 1, 1);
        plan.strategy = named("kube-default", Backoff::new(steps, MS)).unwrap();
        plan.faults = vec!["504-after-commit:verb=update:nth=1".parse().unwrap()];
        let (summary, history) = simulate(plan).unwrap();
        let counted = check(&history).violated(Rule::Count);
        assert_eq!(summary.counter.excess, counted, "{summary:#?}");
        assert_eq!(summary.verdict.ok, counted == 0, "{summary:#?}");
        summary
    };
    let gave_up = kube(1);
    assert_eq!(gave_up.requests.conflicts, 1, "{gave_up:#?}");
    assert_eq!((gave_up.updates.unknown, gave_up.updates.abandoned), (1, 0));
    assert_eq!(
        (gave_up.counter.last, gave_up.counter.excess),
        (Some(101), 0)
    );
    let doubled = kube(2);
    assert_eq!((doubled.updates.applied, doubled.updates.unknown), (1, 0));
    assert_eq!(
        (doubled.counter.last, doubled.counter.excess),
        (Some(102), 1)
    );
}

/// The simulator that goes with AWS's article "Exponential Backoff And Jitter" (aws-samples/aws-arch-backoff-simulator, run with
/// seed 1): ten clients, a way of 10 ms ± 2, sleeps from 5 ms to 2 s. It came to these times and numbers of writes.
#[test]
fn virtual_time_agrees_with_awss_simulator() {
    const SEEDS: u64 = 40;
    for (strategy, millis, writes) in [("full-jitter", 473.0, 38.9), ("decorrelated", 451.0, 37.7)]
    {
        let (mut took, mut wrote) = (0.0, 0.0);
        for seed in 0..SEEDS {
            let backoff = Backoff::new(1, 5 * MS).with_cap(2000 * MS);
            let summary = run(Plan {
                strategy: named(strategy, backoff).unwrap(),
                leg: Leg {
                    mean: 10 * MS,
                    deviation: 2 * MS,
                },
                seed,
                ..plan(strategy, Workload::of(Change::Counter), 10, 1)
            });
            took += summary.took_ns as f64 / 1e6 / SEEDS as f64;
            wrote += summary.requests.update as f64 / SEEDS as f64;
        }
        assert!(
            (wrote / writes - 1.0).abs() < 0.03,
            "{strategy}: {wrote} writes"
        );
        // Whoever is last has slept for long: single runs differ much.
        assert!((took / millis - 1.0).abs() < 0.08, "{strategy}: {took} ms");
    }
}

#[test]
fn an_open_loop_counts_from_the_intended_start() {
    let mut plan = plan("once", Workload::of(Change::Counter), 1, 10);
    plan.leg = Leg::constant(10 * MS);
    // Each takes 40 ms, and they are meant to be 10 ms apart.
    plan.rate = Some(100.0);
    let summary = run(plan);
    let latency = summary.latency.unwrap();
    assert_eq!(Duration::from_nanos(summary.took_ns), 400 * MS);
    assert_eq!(Duration::from_nanos(latency.max_ns), 310 * MS);
    assert_eq!(Duration::from_nanos(latency.p50_ns), 160 * MS);
}

#[test]
fn time_is_accounted_for() {
    let mut plan = plan("retry-on-conflict", Workload::of(Change::Counter), 5, 2);
    plan.throttle = Some(optilock_lab::Rate::CLIENT_GO);
    let (summary, history) = simulate(plan).unwrap();
    let time = summary.time;
    assert!(time.throttle_ns > 0 && time.backoff_ns > 0, "{time:?}");
    let sum = time.throttle_ns
        + time.backoff_ns
        + time.get_ns
        + time.write_ns
        + time.wait_ns
        + time.other_ns;
    let latency = summary.latency.unwrap();
    let busy = latency.mean_ns * summary.updates.applied;
    assert!(sum.abs_diff(busy) < 1000, "{sum} {busy}");
    let lines = history
        .records
        .iter()
        .filter_map(|line| match &line.record {
            optilock_lab::history::Record::Operation(operation) => Some(operation),
            _ => None,
        });
    let spans = |what: &str| -> u64 {
        let spans = lines.clone().flat_map(|operation| &operation.spans);
        let spans = spans.filter(|span| &*span.what == what);
        spans.map(|span| span.end_ns - span.start_ns).sum()
    };
    assert_eq!(spans("throttle"), time.throttle_ns);
    assert_eq!(spans("backoff"), time.backoff_ns);
    assert_eq!(spans("server"), time.get_ns + time.write_ns);
}

#[test]
fn warm_up_and_time_limit_hold() {
    let mut warm = plan("optilock", Workload::of(Change::Counter), 3, 2);
    warm.warm_up = 5;
    let summary = run(warm);
    assert_eq!(summary.updates.begun, 6);
    assert_eq!(summary.counter.initial, 115);
    assert!(summary.verdict.ok);

    let mut endless = plan("once", Workload::of(Change::Counter), 3, u64::MAX);
    endless.time_limit = Duration::from_millis(500);
    let summary = run(endless);
    // A thread looks for timers that are due every millisecond.
    let within = 500_000_000..=501_000_000;
    assert!(within.contains(&summary.took_ns), "{}", summary.took_ns);
    assert!(summary.stopped.is_some() && summary.verdict.ok);
    // What was under way may still come to the object.
    assert_eq!(summary.updates.unknown, 3);

    let mut timed = plan("once", Workload::of(Change::Counter), 3, 1);
    timed.until = Until::Elapsed(Duration::from_secs(1));
    let summary = run(timed);
    assert!(summary.stopped.is_none() && summary.updates.begun > 100);
}

#[test]
fn runs_that_are_stopped_are_judged_rightly() {
    for seed in 0..8 {
        for strategy in ["retry-on-conflict", "optilock", "combined", "merge-patch"] {
            let mut stopped = plan(strategy, Workload::of(Change::Counter), 8, u64::MAX);
            stopped.seed = seed;
            stopped.time_limit = Duration::from_millis(200 + seed);
            let summary = run(stopped);
            assert!(summary.stopped.is_some(), "{strategy}, seed {seed}");
            assert!(summary.verdict.ok, "{strategy}, seed {seed}: {summary:?}");
            assert_eq!(summary.counter.excess, 0, "{strategy}, seed {seed}");
        }
    }
}

#[test]
fn what_can_not_be_is_refused() {
    let refused = |change: &dyn Fn(&mut Plan)| {
        let mut plan = plan("apply", Workload::of(Change::Counter), 1, 1);
        change(&mut plan);
        match simulate(plan) {
            Err(SimulateError::Plan(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        refused(&|plan| plan.workers = 0),
        PlanError::Nothing("the number of workers")
    );
    assert!(matches!(
        refused(&|plan| plan.workload.change = Change::Append),
        PlanError::Unsuitable {
            strategy: "apply",
            ..
        }
    ));
    assert!(matches!(
        refused(&|plan| plan.rate = Some(f64::NAN)),
        PlanError::OutOfRange {
            what: "the rate",
            ..
        }
    ));
    assert!(matches!(
        refused(&|plan| plan.workload.foreign_every = Some(Duration::ZERO)),
        PlanError::OutOfRange {
            what: "the time between foreign writes",
            ..
        }
    ));
}

#[tokio::test]
async fn a_summary_is_as_its_schema_says() {
    let target = Target::embedded();
    let trial = Trial::new(
        target.clone(),
        plan("optilock", Workload::of(Change::Counter), 3, 2),
    )
    .unwrap();
    let mut summary = Summary::new(
        "optilock run",
        TargetSummary {
            address: target.address().to_owned(),
            server_version: target.version().await.unwrap(),
            clock: Clock::Monotonic,
        },
    );
    summary.runs.push(trial.run().await.unwrap());
    let mut other = plan("blind", Workload::of(Change::Quota { limit: 3 }), 5, 2);
    other.rate = Some(10.0);
    other.throttle = Some(optilock_lab::Rate::CLIENT_GO);
    other.faults = vec!["delay".parse().unwrap()];
    summary
        .runs
        .push(tokio::task::spawn_blocking(|| run(other)).await.unwrap());

    let json = serde_json::to_value(&summary).unwrap();
    let schema = include_str!("../../../docs/run.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let errors: Vec<_> = schema
        .iter_errors(&json)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(serde_json::from_value::<Summary>(json).unwrap(), summary);
    // Nothing is left behind.
    assert!(check(&trial.history()).is_ok());
    let left: kube::Api<k8s_openapi::api::apps::v1::Deployment> =
        kube::Api::all(target.client().clone());
    assert_eq!(left.list(&Default::default()).await.unwrap().items, []);
}

/// A server that falls silent, as one does that can't get at its storage, ends a run of workers that would never give up.
#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_ends_the_run() {
    for (strategy, answers) in [("retry-on-conflict", 0), ("optilock", 1), ("combined", 40)] {
        let server = Server::builder().controllers([]).build();
        let left = Arc::new(AtomicUsize::new(answers));
        let client = server.client();
        let silent = tower::service_fn(move |request| {
            let (left, client) = (left.clone(), client.clone());
            async move {
                let one_less = |left: usize| left.checked_sub(1);
                if left.fetch_update(Relaxed, Relaxed, one_less).is_err() {
                    std::future::pending::<()>().await;
                }
                client.send(request).await
            }
        });
        let target = Target::from_client(Client::new(silent, "default"), "(silent)", Some(false))
            .answering_within(Duration::from_secs(3));
        let mut plan = plan(strategy, Workload::of(Change::Counter), 4, u64::MAX);
        plan.time_limit = Duration::from_secs(3600);
        // The ways take real time.
        plan.leg = Leg::default();
        let trial = Trial::new(target, plan).unwrap();
        let error = trial.run().await.unwrap_err().to_string();
        let told = "no answer from the API server at (silent): a read was not answered for 3s";
        assert!(error.starts_with(told), "{strategy}: {error}");
        assert!(
            error.contains("could not be deleted"),
            "{strategy}: {error}"
        );
        let verdict = check(&trial.history());
        assert!(verdict.is_ok(), "{strategy}: {verdict:?}");
        assert!(verdict.totals.operations >= answers as u64, "{strategy}");
    }
}
