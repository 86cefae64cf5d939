//! Contention: what an update costs when many want the same object, and that nobody is left behind.
//!
//! The table of docs/contention.md:
//!
//! ```sh
//! cargo test -p optilock --test contention -- --ignored --nocapture
//! ```

// Tests may unwrap: a panic is how they fail.
#![allow(clippy::unwrap_used)]

mod fake;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fake::{Fake, Fault, Work};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use optilock::{Backoff, BoxError, Contention, Evidence, Feed, Interrupt, Reason, update};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::Instant;

fn api(fake: &Fake) -> Api<ConfigMap> {
    Api::default_namespaced(fake.client())
}

fn count(object: &mut ConfigMap) -> Result<(), BoxError> {
    let n = object.data.get_or_insert_default().entry("n".to_owned());
    let n = n.or_default();
    *n = (n.parse::<u64>()? + 1).to_string();
    Ok(())
}

/// What a run has cost.
#[derive(Debug)]
struct Cost {
    /// Updates a second.
    rate: f64,
    requests: f64,
    jain: f64,
    least: u64,
}

/// How the writers of a run go about it.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// client-go's backoff with jitter 2.
    Constant(Duration),
    /// Each knows what it sees itself.
    Private,
    /// All are in one process.
    Shared,
    /// Each has a watch.
    Fed,
}

/// Lets writers loose, each with an update or with as many as it can make in a time.
async fn contend(writers: u64, seed: u64, way: Way, time: Option<Duration>) -> Cost {
    let mut random = StdRng::seed_from_u64(seed);
    let times = (0..997).map(|_| Duration::from_micros(random.random_range(100..300)));
    let fake = Fake::new()
        .latency(times.collect::<Vec<_>>())
        .work(Work::of_a_small_machine());
    let shared = Contention::default();
    let feed = Feed::default();
    feed.saw(serde_json::from_value::<ConfigMap>(fake.object()).unwrap());
    let end = Arc::new(Mutex::new(Instant::now()));
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let (api, end, feed) = (api(&fake), Arc::clone(&end), feed.clone());
        let contention = match way {
            Way::Shared => shared.clone(),
            _ => Contention::default(),
        };
        let mut random = StdRng::seed_from_u64(seed ^ (writer << 32));
        tasks.spawn(async move {
            let mut updates = 0_u64;
            loop {
                let mut update = update(&api, "counter").random(|| random.random());
                update = match way {
                    Way::Constant(pause) => {
                        update.backoff(Backoff::new(i64::MAX, pause).with_jitter(2.0))
                    }
                    Way::Fed => update.sharing(&contention).fed_by(&feed),
                    Way::Private | Way::Shared => update.sharing(&contention),
                };
                update.apply(count).await.unwrap();
                updates += 1;
                *end.lock().unwrap() = Instant::now();
                if time.is_none_or(|time| begun.elapsed() >= time) {
                    return updates;
                }
            }
        });
    }
    let counts = tasks.join_all().await;
    let updates: u64 = counts.iter().sum();
    assert_eq!(fake.n(), updates.to_string(), "nothing is lost or doubled");
    let squares: u64 = counts.iter().map(|count| count.pow(2)).sum();
    let took = end.lock().unwrap().duration_since(begun).as_secs_f64();
    Cost {
        rate: updates as f64 / took,
        requests: (fake.gets() + fake.puts().len()) as f64 / updates as f64,
        jain: (updates as f64).powi(2) / (writers as f64 * squares as f64),
        least: counts.into_iter().min().unwrap(),
    }
}

/// The medians of bursts.
async fn bursts(writers: u64, seeds: u64, way: Way) -> (f64, f64) {
    let (mut rates, mut requests) = (Vec::new(), Vec::new());
    for seed in 0..seeds {
        let cost = contend(writers, seed, way, None).await;
        rates.push(cost.rate);
        requests.push(cost.requests);
    }
    rates.sort_by(f64::total_cmp);
    requests.sort_by(f64::total_cmp);
    let middle = rates.len() / 2;
    (rates[middle], requests[middle])
}

/// The constant backoff that is the fastest for so many, of a sweep; it was found by the table.
fn best_constant(writers: u64) -> Way {
    Way::Constant(match writers {
        5 => Duration::from_millis(1),
        50 => Duration::from_millis(100),
        200 => Duration::from_millis(300),
        _ => Duration::from_millis(900),
    })
}

/// Without knowing how many there are, as good as the constant backoff that is the best for so many.
async fn assert_as_good_as_the_best_constant(writers: u64, seeds: u64) {
    let (their_rate, their_requests) = bursts(writers, seeds, best_constant(writers)).await;
    let (rate, requests) = bursts(writers, seeds, Way::Private).await;
    println!("{writers}: {rate:.1}/s, {requests:.1}; {their_rate:.1}/s, {their_requests:.1}");
    assert!(rate >= 0.9 * their_rate, "{rate} against {their_rate}");
    assert!(
        requests <= 1.3 * their_requests,
        "{requests} against {their_requests}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_five() {
    assert_as_good_as_the_best_constant(5, 9).await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_fifty() {
    assert_as_good_as_the_best_constant(50, 5).await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_two_hundred() {
    assert_as_good_as_the_best_constant(200, 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_five_hundred() {
    assert_as_good_as_the_best_constant(500, 1).await;
}

#[tokio::test(start_paused = true)]
async fn fifty_that_go_on_are_fair() {
    let cost = contend(50, 1, Way::Private, Some(Duration::from_secs(60))).await;
    println!("{cost:?}");
    assert!(cost.requests <= 3.2, "{cost:?}");
    assert!(cost.jain >= 0.9 && cost.least > 0, "{cost:?}");
}

#[tokio::test(start_paused = true)]
async fn fifty_with_a_watch_each_hardly_read() {
    let cost = contend(50, 1, Way::Fed, Some(Duration::from_secs(60))).await;
    println!("{cost:?}");
    assert!(cost.requests <= 2.0, "{cost:?}");
    assert!(cost.jain >= 0.9 && cost.least > 0, "{cost:?}");
}

/// Where the server isn't what takes the time, nothing but the conflicts tells how many there are.
#[tokio::test(start_paused = true)]
async fn all_get_in_over_a_slow_network() {
    for (writers, most) in [(5, 6.0), (50, 15.0), (500, 20.0)] {
        let mut random = StdRng::seed_from_u64(writers);
        let times = (0..997).map(|_| Duration::from_micros(random.random_range(500..3_000)));
        let fake = Fake::new().latency(times.collect::<Vec<_>>());
        let mut tasks = JoinSet::new();
        for writer in 0..writers {
            let (api, mut random) = (api(&fake), StdRng::seed_from_u64(writer << 32));
            tasks.spawn(async move {
                let update = update(&api, "counter").random(move || random.random());
                update.apply(count).await.unwrap().effort
            });
        }
        let efforts = tasks.join_all().await;
        assert_eq!(fake.n(), writers.to_string());
        let requests: u32 = efforts.iter().map(|effort| effort.requests).sum();
        let conflicts: u32 = efforts.iter().map(|effort| effort.conflicts).sum();
        assert_eq!(requests as usize, fake.gets() + fake.puts().len());
        assert_eq!(conflicts as usize, fake.puts().len() - fake.writes());
        let each = f64::from(requests) / writers as f64;
        println!("{writers} writers: {each:.2} requests for an update");
        assert!(each <= most, "{writers} writers: {each}");
    }
}

/// Prints what the documentation says.
#[tokio::test(start_paused = true)]
#[ignore = "prints a table"]
async fn table() {
    const CONSTANTS: [f64; 10] = [0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 200.0, 300.0, 600.0, 900.0];
    for writers in [1, 5, 50, 200, 500] {
        let seeds = if writers > 200 { 3 } else { 5 };
        let (rate, requests) = bursts(writers, seeds, Way::Private).await;
        println!("{writers:>5} writers, optilock: {rate:.1}/s, {requests:.1} requests");
        for constant in CONSTANTS {
            // Too little for so many: not all get in within two minutes.
            if writers as f64 > constant * 2.5 + 40.0 {
                continue;
            }
            let way = Way::Constant(Duration::from_secs_f64(constant / 1e3));
            let (rate, requests) = bursts(writers, seeds, way).await;
            println!("{writers:>5} writers, {constant} ms: {rate:.1}/s, {requests:.1} requests");
        }
    }
    for writers in [1, 5, 50, 500] {
        for way in [Way::Private, Way::Fed, Way::Shared] {
            let cost = contend(writers, 1, way, Some(Duration::from_secs(60))).await;
            println!("{writers:>5} writers for 60 s, {way:?}: {cost:.2?}");
        }
    }
}

// One process.

#[tokio::test(start_paused = true)]
async fn the_updates_of_a_process_take_turns() {
    let fake = Fake::new().latency([Duration::from_millis(1)]);
    let contention = Contention::default();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    for n in 0..100 {
        let (api, contention) = (api(&fake), contention.clone());
        let order = Arc::clone(&order);
        tasks.spawn(async move {
            let updated = update(&api, "counter").sharing(&contention).apply(count);
            let effort = updated.await.unwrap().effort;
            assert_eq!((effort.attempts, effort.conflicts), (1, 0));
            order.lock().unwrap().push(n);
        });
    }
    tasks.join_all().await;
    assert_eq!(fake.n(), "100");
    assert_eq!(fake.puts().len(), 100);
    // Now and then somebody reads, to let others in.
    assert_eq!(fake.gets(), 34);
    assert!(order.lock().unwrap().is_sorted(), "in order of arrival");
    assert_eq!(contention.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_left_is_read_again_when_others_have_written() {
    let fake = Fake::new();
    let (api, contention) = (api(&fake), Contention::default());
    let next = async || {
        let updated = update(&api, "counter").sharing(&contention).apply(count);
        updated.await.unwrap().effort
    };
    next().await;
    assert_eq!(next().await.requests, 1);
    tokio::time::sleep(Duration::from_millis(500)).await;
    fake.write();
    let effort = next().await;
    assert_eq!((effort.requests, effort.conflicts), (3, 1));
    assert!(effort.waited.is_zero(), "that was no contention");
    // What is older than that isn't trusted any more.
    tokio::time::sleep(Duration::from_millis(500)).await;
    fake.write();
    assert_eq!(next().await.requests, 2);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(next().await.requests, 2);
    assert_eq!(fake.n(), "5");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_turn_keeps_its_deadline_and_may_go_away() {
    let fake = Fake::new().on_put([Fault::Silent { applied: true }]);
    let (api, contention) = (api(&fake), Contention::default());
    let stuck = {
        let (api, contention) = (api.clone(), contention.clone());
        tokio::spawn(async move {
            let update = update(&api, "counter").sharing(&contention);
            update.apply(count).await.unwrap().evidence
        })
    };
    tokio::time::sleep(Duration::from_millis(1)).await;
    let late = update(&api, "counter")
        .sharing(&contention)
        .timeout(Duration::from_secs(1))
        .apply(count)
        .await
        .unwrap_err();
    assert!(matches!(
        late.reason(),
        Reason::Interrupted {
            interrupt: Interrupt::DeadlineExceeded,
            ..
        }
    ));
    let gone = update(&api, "counter").sharing(&contention).apply(count);
    assert!(
        tokio::time::timeout(Duration::from_secs(1), gone)
            .await
            .is_err()
    );
    // A turn that doesn't end holds nobody up for long.
    let begun = Instant::now();
    let patient = update(&api, "counter").sharing(&contention).apply(count);
    assert_eq!(patient.await.unwrap().effort.conflicts, 0);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(stuck.await.unwrap(), Evidence::OpId);
    assert_eq!(fake.n(), "2");
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_gone_is_looked_for() {
    let fake = Fake::new();
    let (api, contention) = (api(&fake), Contention::default());
    let next = || update(&api, "counter").sharing(&contention).apply(count);
    next().await.unwrap();
    let gone = fake::answer(false, 404, kube::core::response::reason::NOT_FOUND);
    let fake = fake.on_put([gone]);
    let effort = next().await.unwrap().effort;
    assert_eq!((effort.requests, effort.conflicts), (3, 0));
    assert_eq!(fake.n(), "2");
}

#[tokio::test(start_paused = true)]
async fn objects_that_nobody_updates_are_forgotten() {
    let fake = Fake::new();
    let (api, contention) = (api(&fake), Contention::default());
    for n in 0..1_000 {
        let name = format!("object-{n}");
        // Nothing of that name is there: it is known all the same.
        update(&api, name)
            .sharing(&contention)
            .apply(count)
            .await
            .unwrap_err();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(contention.len() <= 128, "{contention:?}");
}

// From a watch.

#[tokio::test(start_paused = true)]
async fn what_a_watch_tells_needs_no_read() {
    let fake = Fake::new();
    let (api, feed) = (api(&fake), Feed::default());
    let next = async || {
        let updated = update(&api, "counter").fed_by(&feed).apply(count);
        updated.await.unwrap().effort
    };
    // Nothing is known yet.
    assert_eq!(next().await.requests, 2);
    // The answer has been fed back.
    assert_eq!(next().await.requests, 1);
    // The watch is late: the newer version is waited for.
    fake.write();
    let (effort, ()) = tokio::join!(next(), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        feed.saw(serde_json::from_value::<ConfigMap>(fake.object()).unwrap());
    });
    assert_eq!((effort.requests, effort.conflicts), (2, 1));
    // The watch is silent.
    fake.write();
    let effort = next().await;
    assert_eq!((effort.requests, effort.conflicts), (3, 1));
    assert_eq!(fake.n(), "4");
}

/// Writers that share nothing but the object tell each other in it.
#[tokio::test(start_paused = true)]
async fn what_a_write_tells_is_heard_by_the_others() {
    let fake = Fake::new()
        .latency([Duration::from_millis(1)])
        .work(Work::of_a_small_machine());
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for writer in 0..20_u64 {
        let api = api(&fake);
        tasks.spawn(async move {
            let contention = Contention::default();
            let mut random = StdRng::seed_from_u64(writer);
            let mut told = Duration::ZERO;
            while begun.elapsed() < Duration::from_secs(20) {
                let update = update(&api, "counter").sharing(&contention);
                let updated = update
                    .random(|| random.random())
                    .apply(count)
                    .await
                    .unwrap();
                let ops = &updated.object.metadata.annotations.unwrap()["optilock.dev/ops"];
                let (ids, range) = ops.split_once('~').unwrap_or((ops, "0"));
                assert!(ids.ends_with(updated.op_id.as_str()), "{ops}");
                told = Duration::from_millis(range.parse().unwrap());
            }
            told
        });
    }
    let told = tasks.join_all().await;
    let (least, most) = (told.iter().min().unwrap(), told.iter().max().unwrap());
    assert!(!least.is_zero() && *most < 2 * *least, "{told:?}");
}
