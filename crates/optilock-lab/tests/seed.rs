//! The seed's experiments on the embedded server.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, future::BoxFuture};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams, WatchEvent, WatchParams},
};
use optilock::Backoff;
use optilock_apiserver::Server;
use optilock_lab::{
    AttemptError, Error, Event, EventKind, Events, Experiment, Once, OptilockCombined,
    OptilockUpdate, Outcome, Rate, RetryOnConflict, Runner, Setup, Strategy, Target, Update,
    Winners, Worker,
};
use tokio::sync::mpsc::UnboundedReceiver;

const NAME: &str = "nginx-deployment";

struct Lab {
    client: Client,
    runner: Runner,
    events: UnboundedReceiver<Event>,
}

/// A lab on a server of its own.
fn lab(workers: usize, seed: u64) -> Lab {
    lab_on(Server::new().client(), Some(false), workers, seed)
}

fn lab_on(client: Client, has_controllers: Option<bool>, workers: usize, seed: u64) -> Lab {
    let target = Target::from_client(client.clone(), "(test)", has_controllers);
    let setup = Setup {
        namespace: "default".into(),
        name: NAME.into(),
        workers,
        seed,
    };
    let (sender, events) = Events::channel();
    Lab {
        client,
        runner: Runner::new(target, setup, sender),
        events,
    }
}

impl Lab {
    fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), "default")
    }

    async fn left(&self) -> Option<Deployment> {
        self.deployments().get_opt(NAME).await.unwrap()
    }

    fn log(&mut self) -> Vec<EventKind> {
        std::iter::from_fn(|| self.events.try_recv().ok())
            .map(|event| event.kind)
            .collect()
    }
}

fn once() -> Experiment {
    experiment(Once, Winners::One)
}

fn retry(steps: i64) -> Experiment {
    let backoff = Backoff::new(steps, Duration::from_millis(10))
        .with_factor(1.0)
        .with_jitter(0.1);
    experiment(RetryOnConflict::new(backoff), Winners::All)
}

fn experiment(strategy: impl Strategy + 'static, winners: Winners) -> Experiment {
    Experiment {
        strategy: Arc::new(strategy),
        throttle: None,
        winners,
    }
}

fn throttled(experiment: Experiment) -> Experiment {
    Experiment {
        throttle: Some(Rate::CLIENT_GO),
        ..experiment
    }
}

#[tokio::test]
async fn without_retries_one_worker_wins() {
    let mut lab = lab(5, 1);
    let outcome = lab.runner.run(&once()).await.unwrap();
    assert!(outcome.is_expected(), "{outcome:?}");
    assert_eq!(outcome.final_value, 101);
    assert_eq!(outcome.conflicts, 4);
    assert_eq!(outcome.requests, 12);
    assert!(lab.left().await.is_none());

    let expected = "Operation cannot be fulfilled on deployments.apps \"nginx-deployment\": the object has \
                    been modified; please apply your changes to the latest version and try again";
    let log = lab.log();
    let errors = log.iter().filter_map(|event| match event {
        EventKind::Failed { error, .. } => Some(error.as_str()),
        _ => None,
    });
    assert_eq!(errors.collect::<Vec<_>>(), [expected; 4]);
    let reads = log.iter().filter_map(|event| match event {
        EventKind::Read { value, .. } => Some(*value),
        _ => None,
    });
    assert_eq!(reads.collect::<Vec<_>>(), [101; 5]);
}

#[tokio::test]
async fn with_retries_all_workers_win() {
    for experiment in [
        retry(10),
        retry(20),
        retry(5),
        experiment(OptilockUpdate, Winners::All),
    ] {
        let mut lab = lab(5, 2);
        let outcome = lab.runner.run(&experiment).await.unwrap();
        assert!(outcome.is_expected(), "{outcome:?}");
        assert_eq!((outcome.final_value, outcome.succeeded), (105, 5));
        // One creation, one final read, and a read and a write for every attempt.
        assert_eq!(outcome.requests, 2 + 2 * (5 + outcome.conflicts));
        // The barrier makes all but one fail in the first round.
        assert!(outcome.conflicts >= 4);
        assert!(lab.left().await.is_none());
    }
}

/// Workers that share a handle are one writer: a read and a write for all of them, without a conflict.
#[tokio::test]
async fn who_shares_a_handle_shares_the_write() {
    for workers in [5, 50] {
        let mut lab = lab(workers, 4);
        let combined = experiment(OptilockCombined, Winners::All);
        let outcome = lab.runner.run(&combined).await.unwrap();
        assert!(outcome.is_expected(), "{outcome:?}");
        assert_eq!((outcome.succeeded, outcome.conflicts), (workers, 0));
        // Creation, read, final read, and a write for each batch: who comes while one is written is in the next.
        assert!((4..=6).contains(&outcome.requests), "{outcome:?}");
        assert!(lab.left().await.is_none());
    }
}

/// In virtual time, where what takes time is the throttle alone.
#[tokio::test(start_paused = true)]
async fn the_throttle_costs_what_client_go_pays() {
    let mut lab = lab(5, 3);
    let Outcome { took, shares, .. } = lab.runner.run(&throttled(once())).await.unwrap();
    // 12 requests: 10 at once, 2 at 5/s. Timers have a resolution of 1 ms.
    assert!((399..=402).contains(&took.as_millis()), "{took:?}");
    assert_eq!(
        shares.throttled + shares.backoff + shares.server + shares.other,
        took
    );
    assert!(shares.throttled.as_millis() >= 399, "{shares:?}");
}

/// Experiment 1 has one winner whoever starts first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_winner_in_any_order() {
    for seed in 0..100 {
        let outcome = lab(5, seed).runner.run(&once()).await.unwrap();
        assert!(outcome.is_expected(), "seed {seed}: {outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_update_is_lost_among_two_hundred() {
    let outcome = lab(200, 4)
        .runner
        .run(&retry(i64::from(i32::MAX)))
        .await
        .unwrap();
    assert!(outcome.is_expected(), "{outcome:?}");
    assert_eq!(outcome.final_value, 300);
}

#[tokio::test]
async fn too_few_steps_are_not_taken_for_success() {
    let mut lab = lab(5, 5);
    let outcome = lab.runner.run(&retry(1)).await.unwrap();
    assert_eq!((outcome.succeeded, outcome.final_value), (1, 101));
    assert!(!outcome.is_expected());
    assert!(outcome.counts_right());
}

#[tokio::test]
async fn leaves_others_objects_alone() {
    let mut lab = lab(5, 6);
    let theirs = serde_json::from_value(serde_json::json!({
        "metadata": {"name": NAME},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "i"}]}
            }
        }
    }));
    let theirs = lab
        .deployments()
        .create(&PostParams::default(), &theirs.unwrap())
        .await
        .unwrap();
    let error = lab.runner.run(&once()).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    assert_eq!(lab.left().await.unwrap(), theirs);
}

#[tokio::test]
async fn names_a_namespace_that_is_missing() {
    let target = Target::from_client(Server::new().client(), "(test)", Some(false));
    let setup = Setup {
        namespace: "nowhere".into(),
        name: NAME.into(),
        workers: 2,
        seed: 0,
    };
    let mut runner = Runner::new(target, setup, Events::channel().0);
    let error = runner.run(&once()).await.unwrap_err();
    assert!(matches!(error, Error::NoNamespace { .. }), "{error}");
}

/// Wherever a run is cut off, cleaning up leaves nothing behind.
#[tokio::test]
async fn a_run_that_is_cut_off_can_be_cleaned_up() {
    let mut cut_off = 0;
    for polls in 0..200 {
        let mut lab = lab(3, polls);
        let experiment = throttled(retry(10));
        let finished = {
            let run = lab.runner.run(&experiment);
            tokio::pin!(run);
            let mut finished = false;
            for _ in 0..polls {
                finished = futures::poll!(&mut run).is_ready();
                if finished {
                    break;
                }
                tokio::task::yield_now().await;
            }
            finished
        };
        cut_off += usize::from(!finished && lab.left().await.is_some());
        lab.runner.clean_up().await.unwrap();
        assert!(lab.left().await.is_none(), "after {polls} polls");
    }
    assert!(cut_off > 0, "no run was cut off in the middle");
}

/// Writes the object in somebody else's name between a worker's read and its write, a number of times.
struct Meddled {
    theirs: Api<Deployment>,
    times: AtomicUsize,
}

impl std::fmt::Debug for Meddled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meddled").finish_non_exhaustive()
    }
}

impl Strategy for Meddled {
    fn id(&self) -> &'static str {
        "meddled"
    }

    fn update<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, Result<Update, AttemptError>> {
        Box::pin(async move {
            let (api, name) = (worker.api(), worker.name());
            let mut object = api.get(name).await.map_err(AttemptError::Api)?;
            let old = object.resource_version().unwrap();
            let value = worker.change(&mut object)?;
            let left = self.times.load(Ordering::Relaxed);
            if left > 0 {
                self.times.store(left - 1, Ordering::Relaxed);
                let annotations = serde_json::json!({"left": left.to_string()});
                let patch =
                    Patch::Merge(serde_json::json!({"metadata": {"annotations": annotations}}));
                let params = PatchParams::apply("kubectl-annotate");
                self.theirs.patch(name, &params, &patch).await.unwrap();
            }
            let written = api.replace(name, &PostParams::default(), &object).await;
            let new = written
                .map_err(AttemptError::Api)?
                .resource_version()
                .unwrap();
            Ok(Update { value, old, new })
        })
    }
}

/// A run with one worker whose update is meddled with, and what was told of it.
async fn meddled(times: usize) -> (Outcome, Vec<EventKind>) {
    let mut lab = lab(1, 7);
    let strategy = Meddled {
        theirs: lab.deployments(),
        times: AtomicUsize::new(times),
    };
    let outcome = lab.runner.run(&experiment(strategy, Winners::All)).await;
    (outcome.unwrap(), lab.log())
}

#[tokio::test]
async fn a_run_that_a_foreign_write_spoilt_is_repeated() {
    let (outcome, log) = meddled(1).await;
    assert!(outcome.is_expected(), "{outcome:?}");
    assert_eq!(outcome.foreign_versions, 0);
    assert!(
        log.iter()
            .any(|event| matches!(event, EventKind::ForeignWrite { .. }))
    );
    assert!(log.contains(&EventKind::Repeating { attempt: 2, of: 3 }));
}

#[tokio::test]
async fn it_is_repeated_twice_and_no_more() {
    let (outcome, log) = meddled(usize::MAX).await;
    assert!(!outcome.is_expected(), "{outcome:?}");
    assert_eq!(outcome.foreign_versions, 1);
    let repeated = log
        .iter()
        .filter(|event| matches!(event, EventKind::Repeating { .. }));
    assert_eq!(repeated.count(), 2);
}

/// Plays the Deployment controller: `writes` status updates a while apart, each after it saw the last one.
async fn control(deployments: Api<Deployment>, writes: usize, pause: Duration) {
    let events = deployments
        .watch(&WatchParams::default(), "0")
        .await
        .unwrap();
    tokio::pin!(events);
    let mut made = 0;
    while let Some(event) = events.next().await {
        let (Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)), true) =
            (event, made < writes)
        else {
            continue;
        };
        tokio::time::sleep(pause).await;
        made += 1;
        let status = serde_json::json!({"status": {
            "observedGeneration": object.metadata.generation,
            "conditions": [{"type": "Progressing", "status": "True", "reason": format!("Step{made}")}],
        }});
        let params = PatchParams::apply("kube-controller-manager");
        deployments
            .patch_status(NAME, &params, &Patch::Merge(status))
            .await
            .unwrap();
    }
}

/// How a new object settles, in virtual time: the events, and when they were told.
async fn settling(writes: usize, pause: Duration) -> Vec<(Duration, EventKind)> {
    let client = Server::new().client();
    let controller = tokio::spawn(control(
        Api::namespaced(client.clone(), "default"),
        writes,
        pause,
    ));
    let mut lab = lab_on(client, None, 1, 8);
    let start = tokio::time::Instant::now();
    lab.runner.run(&once()).await.unwrap();
    controller.abort();
    std::iter::from_fn(|| lab.events.try_recv().ok())
        .filter(|event| {
            matches!(
                event.kind,
                EventKind::Settled { .. } | EventKind::StillBusy { .. }
            )
        })
        .map(|event| (event.at - start, event.kind))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn waits_for_a_second_of_rest_after_the_controllers_last_write() {
    let settled = settling(3, Duration::from_millis(400)).await;
    let [(after, EventKind::Settled { .. })] = settled.as_slice() else {
        panic!("{settled:?}");
    };
    assert_eq!(after.as_millis() / 100, 22, "{settled:?}");
}

#[tokio::test(start_paused = true)]
async fn gives_up_on_rest_after_half_a_minute() {
    let settled = settling(usize::MAX, Duration::from_millis(400)).await;
    let [(after, EventKind::StillBusy { .. })] = settled.as_slice() else {
        panic!("{settled:?}");
    };
    assert_eq!(after.as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn takes_a_controller_that_never_shows_for_none() {
    let mut lab = lab_on(Server::new().client(), None, 1, 9);
    let mut waits = Vec::new();
    for _ in 0..2 {
        let start = tokio::time::Instant::now();
        lab.runner.run(&once()).await.unwrap();
        waits.push(start.elapsed().as_secs());
    }
    // Once it is known, a second of rest is enough.
    assert_eq!(waits, [3, 1]);
}

/// An object with a finalizer is waited for, so that the next run finds its name free.
#[tokio::test]
async fn waits_for_finalizers_of_others() {
    let client = Server::new().client();
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "default");
    let events = deployments
        .watch(&WatchParams::default(), "0")
        .await
        .unwrap();
    // Adds a finalizer to a new object, and takes it off when it is to be deleted.
    let finalizing = tokio::spawn(async move {
        tokio::pin!(events);
        while let Some(event) = events.next().await {
            let (patch, last) = match event {
                Ok(WatchEvent::Added(_)) => (serde_json::json!(["example.com/wait"]), false),
                Ok(WatchEvent::Modified(object))
                    if object.metadata.deletion_timestamp.is_some() =>
                {
                    (serde_json::json!(null), true)
                }
                _ => continue,
            };
            let patch = Patch::Merge(serde_json::json!({"metadata": {"finalizers": patch}}));
            deployments
                .patch(NAME, &PatchParams::default(), &patch)
                .await
                .unwrap();
            if last {
                return;
            }
        }
    });
    // One worker that retries gets through although the finalizer is added under its hands.
    let mut lab = lab_on(client, Some(false), 1, 10);
    let outcome = lab.runner.run(&retry(10)).await.unwrap();
    assert!(outcome.is_expected(), "{outcome:?}");
    assert!(lab.left().await.is_none());
    finalizing.await.unwrap();
}
