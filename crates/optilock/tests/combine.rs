//! Many updates of one object through one handle.

// Tests may unwrap: a panic is how they fail.
#![allow(clippy::unwrap_used)]

mod network;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use network::{Fault, Network};
use optilock::{BoxError, Combined, Combiner, Combiners, OpId, Outcome, Reason, UpdateError};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const NAME: &str = "counter";

fn api(client: Client) -> Api<ConfigMap> {
    Api::default_namespaced(client)
}

async fn create(network: &Network, name: &str) {
    let mut object = ConfigMap::default();
    object.metadata.name = Some(name.to_owned());
    object.data = Some([("n".to_owned(), "0".to_owned())].into());
    let api = api(network.direct());
    api.create(&PostParams::default(), &object).await.unwrap();
}

/// A counter behind a network in which every way takes a millisecond.
async fn counter() -> Network {
    let network = Network::new();
    create(&network, NAME).await;
    network.latency(|| Duration::from_millis(1));
    network
}

/// Counts, and tells how far.
fn count(object: &mut ConfigMap) -> Result<u64, BoxError> {
    let n = object.data.get_or_insert_default().entry("n".to_owned());
    let n = n.or_default();
    let count = n.parse::<u64>()? + 1;
    *n = count.to_string();
    Ok(count)
}

async fn n(network: &Network) -> u64 {
    let object = api(network.direct()).get(NAME).await.unwrap();
    object.data.unwrap()["n"].parse().unwrap()
}

type Result<T, E = BoxError> = std::result::Result<T, E>;
type Counted = Result<Combined<ConfigMap, u64>, UpdateError>;

async fn count_many(combiner: &Combiner<ConfigMap>, tasks: usize) -> Vec<Counted> {
    let tasks: Vec<_> = (0..tasks)
        .map(|_| {
            let combiner = combiner.clone();
            tokio::spawn(async move { combiner.apply(count).await })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

#[tokio::test(start_paused = true)]
async fn many_share_one_write_in_order_of_arrival() {
    let network = counter().await;
    let combiner = Combiner::new(api(network.client()), NAME);
    let results = count_many(&combiner, 500).await;
    let values: Vec<_> = results
        .into_iter()
        .map(|result| result.unwrap().value)
        .collect();
    assert_eq!(values, (1..=500).collect::<Vec<_>>());
    assert_eq!(n(&network).await, 500);
    assert_eq!(network.requests(&Method::GET), 1);
    let writes = network.requests(&Method::PUT);
    assert_eq!(writes, 1);
}

#[tokio::test(start_paused = true)]
async fn the_answer_is_what_the_next_write_starts_from() {
    let network = counter().await;
    let combiner = Combiner::new(api(network.client()), NAME);
    for expected in 1..=20 {
        let counted = combiner.apply(count).await.unwrap();
        assert_eq!((counted.value, counted.members), (expected, 1));
    }
    assert_eq!(network.requests(&Method::GET), 1);
    assert_eq!(network.requests(&Method::PUT), 20);

    // After a while the object is forgotten, and the next update reads it.
    tokio::time::sleep(Duration::from_secs(60)).await;
    combiner.apply(count).await.unwrap();
    assert_eq!(network.requests(&Method::GET), 2);
}

#[tokio::test(start_paused = true)]
async fn who_fails_leaves_no_trace() {
    let network = counter().await;
    let combiner = Combiner::new(api(network.client()), NAME);
    let before = combiner.apply(count);
    let fails = combiner.apply(|object| -> Result<()> {
        object.data = None;
        Err("changed my mind".into())
    });
    let renames = combiner.apply(|object| {
        object.metadata.name = Some("other".to_owned());
        Ok(())
    });
    let panics = {
        let combiner = combiner.clone();
        tokio::spawn(async move {
            let change = |object: &mut ConfigMap| -> Result<()> {
                object.data = None;
                panic!("a bug")
            };
            combiner.apply(change).await
        })
    };
    let after = combiner.apply(count);
    let (before, fails, renames, panics, after) =
        tokio::join!(before, fails, renames, panics, after);
    assert_eq!((before.unwrap().value, after.unwrap().value), (1, 2));
    let fails = fails.unwrap_err();
    assert!(matches!(fails.reason(), Reason::Change(_)), "{fails}");
    let renames = renames.unwrap_err();
    assert!(
        matches!(renames.reason(), Reason::IdentityChanged { .. }),
        "{renames}"
    );
    let panic = panics.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref(), Some(&"a bug"));
    assert_eq!(n(&network).await, 2);
    assert_eq!(network.requests(&Method::PUT), 1);
}

#[tokio::test(start_paused = true)]
async fn where_nobody_changes_anything_nothing_is_written() {
    let network = counter().await;
    let combiner = Combiner::new(api(network.client()), NAME);
    let looked = combiner
        .apply(|object| Ok(object.data.clone()))
        .await
        .unwrap();
    assert_eq!(looked.value.unwrap()["n"], "0");
    assert_eq!(network.requests(&Method::PUT), 0);
}

/// What the server refuses is found by halves.
#[tokio::test(start_paused = true)]
async fn who_is_refused_does_not_hurt_the_others() {
    let network = counter().await;
    let combiner = Combiner::new(api(network.client()), NAME);
    let tasks: Vec<_> = (0..32)
        .map(|number| {
            let combiner = combiner.clone();
            tokio::spawn(async move {
                combiner
                    .apply(move |object| {
                        if number == 13 {
                            let labels = object.metadata.labels.get_or_insert_default();
                            labels.insert("not a label!".to_owned(), String::new());
                        }
                        count(object)
                    })
                    .await
            })
        })
        .collect();
    for (number, task) in tasks.into_iter().enumerate() {
        let result = task.await.unwrap();
        if number == 13 {
            let error = result.unwrap_err();
            assert!(matches!(error.reason(), Reason::Combined(_)), "{error}");
            assert_eq!(error.outcome(), Outcome::Refused);
        } else {
            result.unwrap();
        }
    }
    assert_eq!(n(&network).await, 31);
}

#[tokio::test(start_paused = true)]
async fn others_write_too() {
    let network = counter().await;
    let combiner = Combiner::new(api(network.client()), NAME);
    let direct = api(network.direct());
    let others = async {
        for round in 0..50 {
            let patch = serde_json::json!({"data": {"note": round.to_string()}});
            let params = PatchParams::default();
            direct
                .patch(NAME, &params, &Patch::Merge(patch))
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
    };
    let all = async {
        for _ in 0..20 {
            for counted in count_many(&combiner, 10).await {
                counted.unwrap();
            }
        }
    };
    tokio::join!(others, all);
    let object = api(network.direct()).get(NAME).await.unwrap();
    let data = object.data.unwrap();
    assert_eq!((&*data["n"], &*data["note"]), ("200", "49"));
}

// Limits.

#[tokio::test(start_paused = true)]
async fn a_full_queue_makes_wait_or_fails() {
    let network = counter().await;
    let combiner = Combiners::new(api(network.client()))
        .capacity(10)
        .object(NAME);
    let many = {
        let combiner = combiner.clone();
        tokio::spawn(async move { count_many(&combiner, 100).await })
    };
    tokio::time::sleep(Duration::from_millis(1)).await;
    let error = combiner.try_apply(count).await.unwrap_err();
    assert!(matches!(error.reason(), Reason::QueueFull(10)), "{error}");
    let counted = many.await.unwrap();
    assert!(
        counted
            .iter()
            .all(|counted| counted.as_ref().unwrap().members <= 10)
    );
    assert_eq!(n(&network).await, 100);
    combiner.try_apply(count).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn any_capacity_will_do() {
    for capacity in [0, usize::MAX] {
        let network = counter().await;
        let combiners = Combiners::new(api(network.client())).capacity(capacity);
        let counted = combiners.object(NAME).apply(count).await;
        assert_eq!(counted.unwrap().value, 1);
    }
}

/// Who is turned away has sent nothing.
#[tokio::test(start_paused = true)]
async fn a_full_queue_sends_nothing() {
    let network = counter().await;
    let combiners = Combiners::new(api(network.client())).capacity(1);
    let combiner = combiners.object(NAME);
    let (one, other) = tokio::join!(combiner.apply(count), combiner.try_apply(count));
    one.unwrap();
    let error = other.unwrap_err();
    assert!(matches!(error.reason(), Reason::QueueFull(1)), "{error}");
    assert_eq!(network.requests(&Method::PUT), 1);
    assert_eq!(n(&network).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_bounded() {
    let network = counter().await;
    let combiner = Combiners::new(api(network.client())).batch(7).object(NAME);
    let counted = count_many(&combiner, 50).await;
    assert!(
        counted
            .iter()
            .all(|counted| counted.as_ref().unwrap().members <= 7)
    );
    assert_eq!(n(&network).await, 50);
}

#[tokio::test(start_paused = true)]
async fn objects_are_known_while_they_are_used() {
    let network = Network::new();
    let combiners = Combiners::new(api(network.client()));
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let (network, combiners) = (network.clone(), combiners.clone());
            tokio::spawn(async move {
                let name = format!("counter-{}", number % 10);
                if number < 10 {
                    create(&network, &name).await;
                } else {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                combiners.object(&name).apply(count).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(combiners.len(), 10);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(combiners.is_empty());
    for object in api(network.direct())
        .list(&Default::default())
        .await
        .unwrap()
    {
        if object.metadata.name.unwrap().starts_with("counter-") {
            assert_eq!(object.data.unwrap()["n"], "10");
        }
    }
}

// Exactly once.

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_found_out_for_all() {
    for fault in Fault::ALL {
        let network = counter().await;
        network.next([fault]);
        let combiner = Combiner::new(api(network.client()), NAME);
        for counted in count_many(&combiner, 20).await {
            counted.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(n(&network).await, 20, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_op_id_is_applied_once() {
    let network = counter().await;
    let combiner = Combiner::new(api(network.client()), NAME);
    let id = OpId::new("order-4711").unwrap();
    // Also within one batch.
    let (one, other, another) = tokio::join!(
        combiner.apply_once(id.clone(), count),
        combiner.apply(count),
        combiner.apply_once(id.clone(), count),
    );
    let mut values = [one.unwrap().value, another.unwrap().value];
    values.sort_unstable();
    assert_eq!(values, [None, Some(1)]);
    assert_eq!(other.unwrap().value, 2);
    let again = combiner.apply_once(id, count).await.unwrap();
    assert_eq!(again.value, None);
    assert_eq!(n(&network).await, 2);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_any_more_is_not_written() {
    let network = counter().await;
    let combiner = Combiner::new(api(network.client()), NAME);
    let first = combiner.apply(count);
    let given_up = tokio::time::timeout(Duration::from_millis(1), combiner.apply(count));
    let (first, given_up) = tokio::join!(first, async {
        // The first write is under way by then.
        tokio::time::sleep(Duration::from_millis(3)).await;
        given_up.await
    });
    assert_eq!(first.unwrap().value, 1);
    assert!(given_up.is_err());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(n(&network).await, 1);
}

/// A caller that goes away at any time hurts nobody else, and may repeat itself.
#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_may_repeat_itself() {
    for fault in Fault::ALL.map(Some).into_iter().chain([None]) {
        for millis in 0..12 {
            let network = counter().await;
            network.next(fault);
            let combiner = Combiner::new(api(network.client()), NAME);
            let id = OpId::new("order-4711").unwrap();
            let mine = combiner.apply_once(id.clone(), count);
            let mine = tokio::time::timeout(Duration::from_millis(millis), mine);
            let (_, other) = tokio::join!(mine, combiner.apply(count));
            other.unwrap();
            combiner.apply_once(id, count).await.unwrap();
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert_eq!(n(&network).await, 2, "{fault:?} {millis}");
        }
    }
}

#[test]
fn a_runtime_that_ends_leaves_nobody_waiting() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    };
    let first = runtime();
    let (network, combiner) = first.block_on(async {
        let network = counter().await;
        network.next([Fault::AnswerLate]);
        let combiner = Combiner::new(api(network.client()), NAME);
        (network, combiner)
    });
    let waiting = combiner.apply(count);
    let mut waiting = Box::pin(waiting);
    first.block_on(async {
        let early = tokio::time::timeout(Duration::from_secs(1), &mut waiting).await;
        assert!(early.is_err());
    });
    drop(first);
    let error = runtime().block_on(waiting).unwrap_err();
    assert!(matches!(error.reason(), Reason::Stopped), "{error}");
    assert_eq!(error.outcome(), Outcome::Unknown);
    drop(network);
}

/// What callers do, one after the other.
#[derive(Clone, Copy, Debug)]
enum Step {
    Count,
    CountAs(u8),
    Fail,
    Panic,
    GiveUp,
    Pause(u8),
    Foreign,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Count),
        4 => (0..6_u8).prop_map(Step::CountAs),
        1 => Just(Step::Fail),
        1 => Just(Step::Panic),
        1 => Just(Step::GiveUp),
        3 => (0..8_u8).prop_map(Step::Pause),
        1 => Just(Step::Foreign),
    ]
}

/// Whatever the callers and the network do: each value is given to one caller, none is skipped, and a
/// repeated op-id counts once.
async fn run(steps: Vec<Step>, seed: u64) {
    let network = counter().await;
    let mut random = StdRng::seed_from_u64(seed);
    network.plan(move || {
        let which = random.random_range(0..Fault::ALL.len());
        random.random_bool(0.2).then_some(Fault::ALL[which])
    });
    let combiner = Combiners::new(api(network.client()))
        .capacity(5)
        .batch(3)
        .object(NAME);
    let values = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    let once = Arc::new(Mutex::new(BTreeSet::new()));
    let mut maybe = 0;
    for step in steps {
        let (combiner, values) = (combiner.clone(), Arc::clone(&values));
        match step {
            Step::Count => tasks.push(tokio::spawn(async move {
                let counted = combiner.apply(count).await.unwrap();
                values.lock().unwrap().push(counted.value);
            })),
            Step::CountAs(id) => {
                let once = Arc::clone(&once);
                tasks.push(tokio::spawn(async move {
                    let op_id = OpId::new(format!("op-{id}")).unwrap();
                    let counted = combiner.apply_once(op_id, count).await.unwrap();
                    if let Some(value) = counted.value {
                        assert!(once.lock().unwrap().insert(id), "op-{id} counted twice");
                        values.lock().unwrap().push(value);
                    }
                }));
            }
            Step::Fail => tasks.push(tokio::spawn(async move {
                let fails = |object: &mut ConfigMap| {
                    count(object)?;
                    Err::<(), _>("no".into())
                };
                let error = combiner.apply(fails).await.unwrap_err();
                assert!(matches!(error.reason(), Reason::Change(_)), "{error}");
            })),
            Step::Panic => tasks.push(tokio::spawn(async move {
                let panics = tokio::spawn(async move {
                    let panics = |_: &mut ConfigMap| -> Result<()> {
                        std::panic::resume_unwind(Box::new(()))
                    };
                    combiner.apply(panics).await
                });
                assert!(panics.await.unwrap_err().is_panic());
            })),
            Step::GiveUp => {
                maybe += 1;
                tasks.push(tokio::spawn(async move {
                    let counting = combiner.apply(count);
                    let counted = tokio::time::timeout(Duration::from_millis(2), counting).await;
                    if let Ok(counted) = counted {
                        values.lock().unwrap().push(counted.unwrap().value);
                    }
                }));
            }
            Step::Pause(millis) => tokio::time::sleep(Duration::from_millis(millis.into())).await,
            Step::Foreign => {
                let patch = serde_json::json!({"data": {"note": "a"}});
                let params = PatchParams::default();
                let direct = api(network.direct());
                direct
                    .patch(NAME, &params, &Patch::Merge(patch))
                    .await
                    .unwrap();
            }
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let mut values = std::mem::take(&mut *values.lock().unwrap());
    values.sort_unstable();
    let told = values.len();
    values.dedup();
    assert_eq!(values.len(), told, "a value was given twice");
    let total = n(&network).await;
    assert!(values.iter().all(|value| (1..=total).contains(value)));
    // Only who gave up may have counted without having been told.
    assert!((told as u64..=(told + maybe) as u64).contains(&total));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    // No more steps than the object remembers op-ids of: two for each.
    #[test]
    fn whatever_happens(steps in prop::collection::vec(step(), 1..16), seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(run(steps, seed));
    }
}
