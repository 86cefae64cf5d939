//! A lease has one holder at a time, and none longer than it should.

// Tests may unwrap: a panic is how they fail.
#![allow(clippy::unwrap_used)]

mod network;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use network::{Fault, Network};
use optilock::{LeaseError, LeaseLock, Lost, Reason, update};
use optilock_apiserver::Server;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

const NAME: &str = "leader";
const SECOND: Duration = Duration::from_secs(1);

fn api(client: Client) -> Api<Lease> {
    Api::default_namespaced(client)
}

fn candidate(network: &Network, identity: &str) -> LeaseLock {
    let mut random = StdRng::seed_from_u64(1);
    LeaseLock::new(api(network.client()), NAME, identity).random(move || random.random())
}

async fn spec(network: &Network) -> LeaseSpec {
    let lease = api(network.direct()).get(NAME).await.unwrap();
    lease.spec.unwrap()
}

async fn holder(network: &Network) -> Option<String> {
    spec(network).await.holder_identity
}

async fn patch(network: &Network, spec: Value) {
    let params = PatchParams::default();
    let patch = Patch::Merge(json!({"spec": spec}));
    api(network.direct())
        .patch(NAME, &params, &patch)
        .await
        .unwrap();
}

/// A lease that somebody else has taken, whose clock shows another time.
async fn held_by_other(network: &Network, time: &str) {
    let lease = serde_json::from_value(json!({
        "metadata": {"name": NAME},
        "spec": {
            "holderIdentity": "other",
            "leaseDurationSeconds": 15,
            "leaseTransitions": 3,
            "acquireTime": time,
            "renewTime": time,
        },
    }));
    let api = api(network.direct());
    api.create(&PostParams::default(), &lease.unwrap())
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_is_taken_renewed_and_given_back() {
    let network = Network::new();
    let (one, two) = (candidate(&network, "one"), candidate(&network, "two"));
    let held = one.try_acquire().await.unwrap().unwrap();
    let taken = spec(&network).await;
    assert_eq!(taken.holder_identity.as_deref(), Some("one"));
    assert_eq!(
        (taken.lease_duration_seconds, taken.lease_transitions),
        (Some(15), Some(0))
    );
    assert!(two.try_acquire().await.unwrap().is_none());

    let gets = network.requests(&Method::GET);
    sleep(60 * SECOND).await;
    let renewed = spec(&network).await;
    assert!(held.is_held());
    assert!(renewed.renew_time > taken.renew_time);
    assert_eq!(renewed.acquire_time, taken.acquire_time);
    // A renewal is one PUT and nothing else.
    assert_eq!(network.requests(&Method::GET), gets);

    let tenure = held.tenure().clone();
    held.release().await.unwrap();
    assert!(!tenure.is_held());
    assert!(matches!(tenure.lost().await, Lost::Released));
    // What client-go leaves behind, so that its candidates don't wait either.
    let free = spec(&network).await;
    assert_eq!(
        (free.holder_identity, free.lease_duration_seconds),
        (None, Some(1))
    );
    let held = two.try_acquire().await.unwrap().unwrap();
    assert!(held.token() > tenure.token());
    assert_eq!(spec(&network).await.lease_transitions, Some(1));
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_is_given_back() {
    let network = Network::new();
    let lock = candidate(&network, "one");
    drop(lock.acquire().await.unwrap());
    // A clone comes after that, although it has the same identity.
    let held = lock.clone().acquire().await.unwrap();
    assert!(lock.try_acquire().await.unwrap().is_none());
    assert!(held.is_held());
    sleep(30 * SECOND).await;
    assert!(held.is_held());
    assert_eq!(holder(&network).await.as_deref(), Some("one"));
}

#[tokio::test(start_paused = true)]
async fn clocks_may_be_hours_apart() {
    for time in ["2001-01-01T00:00:00.000000Z", "2101-01-01T00:00:00.000000Z"] {
        let network = Network::new();
        held_by_other(&network, time).await;
        let started = Instant::now();
        let held = candidate(&network, "one").acquire().await.unwrap();
        assert!(started.elapsed() >= 15 * SECOND);
        assert_eq!(spec(&network).await.lease_transitions, Some(4));
        held.release().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn who_renews_keeps_it() {
    let network = Network::new();
    held_by_other(&network, "2026-01-01T00:00:00.000000Z").await;
    let other = {
        let network = network.clone();
        tokio::spawn(async move {
            for second in 10..60 {
                let time = format!("2026-01-01T00:00:{second}.000000Z");
                patch(&network, json!({"renewTime": time})).await;
                sleep(10 * SECOND).await;
            }
        })
    };
    let lock = candidate(&network, "one");
    assert!(timeout(400 * SECOND, lock.acquire()).await.is_err());
    other.abort();
    assert_eq!(holder(&network).await.as_deref(), Some("other"));
}

/// An answer that is lost, or a request that comes late, keeps nobody from giving the lease back.
#[tokio::test(start_paused = true)]
async fn a_renewal_under_way_does_not_hold_the_lease() {
    for fault in Fault::ALL {
        let network = Network::new();
        network.latency(|| Duration::from_millis(2));
        let held = candidate(&network, "one").acquire().await.unwrap();
        network.next([fault]);
        // In the middle of the next renewal.
        sleep(2 * SECOND + Duration::from_millis(3)).await;
        held.release().await.unwrap();
        sleep(60 * SECOND).await;
        assert_eq!(holder(&network).await, None, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn lost_answers_do_not_lose_the_lease() {
    for fault in Fault::ALL {
        let network = Network::new();
        network.next([fault]);
        let held = candidate(&network, "one").acquire().await.unwrap();
        network.next([fault]);
        sleep(30 * SECOND).await;
        assert!(held.is_held(), "{fault:?}");
        network.next([fault]);
        held.release().await.unwrap();
        sleep(60 * SECOND).await;
        assert_eq!(holder(&network).await, None, "{fault:?}");
    }
}

/// Whoever stops waiting for the lease doesn't get it.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_dropped_leaves_no_lease() {
    for fault in Fault::ALL.map(Some).into_iter().chain([None]) {
        for millis in 0..30 {
            let network = Network::new();
            network.latency(|| Duration::from_millis(5));
            network.next(fault);
            let lock = candidate(&network, "one");
            if let Ok(held) = timeout(Duration::from_millis(millis), lock.acquire()).await {
                held.unwrap().release().await.unwrap();
            }
            sleep(120 * SECOND).await;
            let lease = api(network.direct()).get_opt(NAME).await.unwrap();
            let holder = lease.and_then(|lease| lease.spec?.holder_identity);
            assert_eq!(holder, None, "{fault:?} after {millis} ms");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_loss_is_told() {
    let network = Network::new();
    let lock = candidate(&network, "one");
    let held = lock.acquire().await.unwrap();
    patch(
        &network,
        json!({"holderIdentity": "other", "leaseTransitions": 1}),
    )
    .await;
    let lost = held.lost().await;
    assert!(
        matches!(&lost, Lost::Taken(Some(holder)) if holder == "other"),
        "{lost}"
    );
    assert!(!held.is_held());
    // It isn't ours to give back any more.
    held.release().await.unwrap();
    assert_eq!(holder(&network).await.as_deref(), Some("other"));

    let network = Network::new();
    let held = candidate(&network, "one").acquire().await.unwrap();
    let params = DeleteParams::default();
    api(network.direct()).delete(NAME, &params).await.unwrap();
    let lost = held.lost().await;
    assert!(matches!(lost, Lost::Deleted), "{lost}");

    let network = Network::new();
    let held = candidate(&network, "one").acquire().await.unwrap();
    network.plan(|| Some(Fault::RequestDropped));
    let started = Instant::now();
    let lost = held.lost().await;
    assert!(matches!(lost, Lost::NotRenewed(_)), "{lost}");
    // Before anybody else may take it.
    assert!(started.elapsed() < 11 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn work_ends_with_the_lease() {
    let network = Network::new();
    let lock = candidate(&network, "one");
    let done = lock.lead(|tenure| async move { tenure.is_held() }).await;
    assert!(done.unwrap());
    assert_eq!(holder(&network).await, None);

    let breaks = network.clone();
    let lost = lock
        .lead(|_| async move {
            breaks.plan(|| Some(Fault::RequestDropped));
            std::future::pending::<()>().await;
        })
        .await;
    let error = lost.unwrap_err();
    assert!(
        matches!(error, LeaseError::Lost(Lost::NotRenewed(_))),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_earlier_holder_is_kept_from_writing() {
    let network = Network::new();
    let ledger: Api<ConfigMap> = Api::default_namespaced(network.client());
    let mut object = ConfigMap::default();
    object.metadata.name = Some("ledger".to_owned());
    ledger
        .create(&PostParams::default(), &object)
        .await
        .unwrap();
    let write = async |token: optilock::FencingToken, owner: &str| {
        let written = update(&ledger, "ledger").apply(|ledger| {
            token.stamp(ledger)?;
            let data = ledger.data.get_or_insert_default();
            data.insert("owner".to_owned(), owner.to_owned());
            Ok(())
        });
        written.await
    };
    let one = candidate(&network, "one").acquire().await.unwrap();
    write(one.token(), "one").await.unwrap();
    // Nobody has told it.
    patch(&network, json!({"holderIdentity": null})).await;
    let two = candidate(&network, "two").acquire().await.unwrap();
    write(two.token(), "two").await.unwrap();
    let error = write(one.token(), "one").await.unwrap_err();
    let Reason::Change(source) = error.reason() else {
        panic!("{error}")
    };
    assert!(source.is::<optilock::Fenced>());
    let owner = ledger.get("ledger").await.unwrap().data.unwrap()["owner"].clone();
    assert_eq!(owner, "two");
}

#[tokio::test(start_paused = true)]
async fn settings_that_make_no_sense_send_nothing() {
    let network = Network::new();
    let lock = candidate(&network, "one");
    let expect = async |lock: LeaseLock, is_expected: fn(&LeaseError) -> bool| {
        for error in [
            lock.acquire().await.unwrap_err(),
            lock.try_acquire().await.unwrap_err(),
        ] {
            assert!(is_expected(&error), "{error}");
        }
    };
    expect(candidate(&network, ""), |error| {
        matches!(error, LeaseError::NoIdentity)
    })
    .await;
    for duration in [Duration::ZERO, Duration::from_millis(15_500)] {
        expect(lock.clone().lease_duration(duration), |error| {
            matches!(error, LeaseError::LeaseDuration(_))
        })
        .await;
    }
    expect(lock.clone().renew_deadline(15 * SECOND), |error| {
        matches!(error, LeaseError::RenewDeadline { .. })
    })
    .await;
    for period in [Duration::ZERO, 9 * SECOND] {
        expect(lock.clone().retry_period(period), |error| {
            matches!(error, LeaseError::RetryPeriod { .. })
        })
        .await;
    }
    assert_eq!(
        network.requests(&Method::GET) + network.requests(&Method::POST),
        0
    );
}

// Five candidates on networks of their own, in which everything goes wrong.

/// Who leads, as long as this is there.
struct Leading(Arc<AtomicUsize>);

impl Leading {
    fn begin(leaders: &Arc<AtomicUsize>) -> Self {
        assert_eq!(leaders.fetch_add(1, Ordering::SeqCst), 0, "two leaders");
        Self(Arc::clone(leaders))
    }
}

impl Drop for Leading {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |number| number.parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn never_two_leaders() {
    let tenures = number("OPTILOCK_SOAK_UPDATES", 100);
    let seed = number("OPTILOCK_SOAK_SEED", 1);
    let server = Server::builder().controllers([]).build();
    let leaders = Arc::new(AtomicUsize::new(0));
    let faults = Arc::new(AtomicUsize::new(0));
    let candidates = (0..5_u64).map(|number| {
        let mut random = StdRng::seed_from_u64(seed ^ (number << 32));
        let network = Network::to(server.client());
        let mut luck = StdRng::seed_from_u64(seed ^ (number << 40));
        let struck = Arc::clone(&faults);
        network.plan(move || {
            let fault = Fault::ALL[luck.random_range(0..Fault::ALL.len())];
            luck.random_bool(0.2).then(|| {
                struck.fetch_add(1, Ordering::SeqCst);
                fault
            })
        });
        let mut luck = StdRng::seed_from_u64(seed ^ (number << 48));
        // Now and then longer than any lease.
        network.latency(move || match luck.random_range(0..100) {
            0 => Duration::from_secs(20),
            _ => Duration::from_millis(luck.random_range(1..50)),
        });
        let mut jitter = StdRng::seed_from_u64(seed ^ (number << 56));
        let lock = LeaseLock::new(api(network.client()), NAME, format!("candidate-{number}"))
            .random(move || jitter.random());
        let leaders = Arc::clone(&leaders);
        tokio::spawn(async move {
            let mut lost = 0;
            for _ in 0..tenures / 5 {
                let work = Duration::from_millis(random.random_range(0..30_000));
                let led = lock.lead(|tenure| {
                    let leading = Leading::begin(&leaders);
                    async move {
                        sleep(work).await;
                        assert!(tenure.is_held());
                        drop(leading);
                    }
                });
                match led.await {
                    Ok(()) => {}
                    Err(LeaseError::Lost(_)) => lost += 1,
                    Err(error) => panic!("{error}"),
                }
            }
            lost
        })
    });
    let mut lost = 0;
    for candidate in candidates.collect::<Vec<_>>() {
        lost += candidate.await.unwrap();
    }
    let faults = faults.load(Ordering::SeqCst);
    println!(
        "{tenures} tenures of 5 candidates, {faults} faults, never two at a time; {lost} lost their lease"
    );
    assert!(faults > 0, "nothing went wrong");
}
