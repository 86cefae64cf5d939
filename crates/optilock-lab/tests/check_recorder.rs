//! The seed's experiments, recorded and checked.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use optilock::Backoff;
use optilock_lab::{
    BlindPut, Events, Experiment, Once, OptilockUpdate, RetryOnConflict, Runner, Setup, Strategy,
    Target, Winners,
    check::{Rule, Verdict, check},
    history::{Clock, Header, History, Recorder, Writer},
};

/// Runs experiments one after the other, as the demo does; their history.
async fn recorded(strategies: Vec<Arc<dyn Strategy>>, workers: usize) -> History {
    let recorder = Recorder::new();
    let target = Target::embedded().recorded(&recorder);
    let header = Header::new(target.address(), 1, Clock::Monotonic);
    let setup = Setup {
        namespace: "default".into(),
        name: "nginx-deployment".into(),
        workers,
        seed: 1,
    };
    let mut runner = Runner::new(target, setup, Events::channel().0);
    for strategy in strategies {
        let experiment = Experiment {
            strategy,
            throttle: None,
            winners: Winners::All,
        };
        runner.run(&experiment).await.unwrap();
    }
    let history = recorder.history(header);
    // A file says the same.
    let file = Writer::write_all(Vec::new(), &history).unwrap();
    assert_eq!(History::read(file.as_slice()).unwrap(), history);
    history
}

fn told(verdict: &Verdict) -> String {
    serde_json::to_string_pretty(verdict).unwrap()
}

#[tokio::test]
async fn the_demos_experiments_lose_nothing() {
    let retry = RetryOnConflict::new(Backoff::new(10, std::time::Duration::from_millis(10)));
    let strategies: Vec<Arc<dyn Strategy>> =
        vec![Arc::new(Once), Arc::new(retry), Arc::new(OptilockUpdate)];
    let verdict = check(&recorded(strategies, 5).await);
    assert!(verdict.is_ok(), "{}", told(&verdict));
    let totals = verdict.totals;
    assert_eq!(
        (totals.objects, totals.unknown, totals.not_judged),
        (3, 0, 0)
    );
    // A creation and a deletion of each, one update of the first and five of the others.
    assert_eq!(totals.writes, 2 * 3 + 1 + 5 + 5);
    assert!(totals.conflicts >= 4 * 3);
}

#[tokio::test]
async fn a_put_without_a_resource_version_loses_updates_and_is_named() {
    let verdict = check(&recorded(vec![Arc::new(BlindPut)], 5).await);
    // All five read the same version. The first of them writes something new, the others write it again: the server
    // answers with the version that is there.
    assert!(!verdict.is_ok());
    let lost = verdict.violated(Rule::LostUpdate) + verdict.violated(Rule::SharedVersion);
    assert!(lost > 0, "{}", told(&verdict));
    assert!(verdict.violated(Rule::Count) > 0, "{}", told(&verdict));
}
