//! Faults against strategies: which of them lose updates, double them, or tell their caller wrong.
//!
//! Some thousand updates each; for more of them, all replayable by the seed:
//!
//! ```sh
//! OPTILOCK_SOAK_UPDATES=100000 OPTILOCK_SOAK_SEED=7 cargo test -p optilock --test matrix -- --nocapture
//! ```

// Tests may unwrap: a panic is how they fail.
#![allow(clippy::unwrap_used)]

mod network;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use network::{Fault, Network};
use optilock::{Backoff, BoxError, Combiners, OpId, Outcome, Retry, update};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// How many write the same object.
const WRITERS: usize = 5;
/// How many objects there are.
const OBJECTS: usize = 4;
/// The share of PUTs that go wrong.
const FAULTY: f64 = 0.1;

/// One writer's way to one object.
#[derive(Clone)]
struct Writer {
    api: Api<ConfigMap>,
    combiners: Combiners<ConfigMap>,
    name: String,
    /// How long to wait for an answer.
    patience: Duration,
    random: std::sync::Arc<std::sync::Mutex<StdRng>>,
}

impl Writer {
    fn random(&self) -> impl FnMut() -> f64 + Send + 'static {
        let random = std::sync::Arc::clone(&self.random);
        move || random.lock().unwrap().random()
    }

    /// The change: adds one, and says on whose behalf.
    fn change(object: &mut ConfigMap, op: &str) -> Result<(), BoxError> {
        let data = object.data.get_or_insert_default();
        let n: u64 = data.get("n").map_or(Ok(0), |n| n.parse())?;
        data.insert("n".to_owned(), (n + 1).to_string());
        // Who shares a write finds the same version.
        let at = object.metadata.resource_version.clone().unwrap_or_default();
        let ops = match data.get("op") {
            Some(ops) if data.get("at") == Some(&at) => format!("{ops},{op}"),
            _ => op.to_owned(),
        };
        data.insert("at".to_owned(), at);
        data.insert("op".to_owned(), ops);
        Ok(())
    }

    /// What everybody writes: read, change, write.
    async fn replace(&self, op: &str) -> kube::Result<ConfigMap> {
        let mut object = self.api.get(&self.name).await?;
        Self::change(&mut object, op).map_err(kube::Error::Service)?;
        let params = PostParams::default();
        let write = self.api.replace(&self.name, &params, &object);
        // Without that a lost answer is waited for until the end of time.
        match tokio::time::timeout(self.patience, write).await {
            Ok(written) => written,
            Err(elapsed) => Err(kube::Error::Service(elapsed.into())),
        }
    }

    async fn retry(&self, op: &str, retriable: fn(&kube::Error) -> bool) -> Outcome {
        let backoff = Backoff::new(i64::MAX, Duration::from_millis(10)).with_jitter(3.0);
        let result = Retry::new(backoff)
            .random(self.random())
            .on_error(retriable, || self.replace(op))
            .await;
        // An error is what the caller takes for "it didn't happen".
        result.map_or(Outcome::Refused, |_| Outcome::Applied)
    }
}

/// How an update is made; what it returns is what the caller is told.
struct Strategy {
    name: &'static str,
    /// Whether kube's own retry layer is below.
    layer: bool,
    update: for<'a> fn(&'a Writer, &'a str) -> BoxFuture<'a, Outcome>,
}

const STRATEGIES: [Strategy; 7] = [
    Strategy {
        name: "get and replace, again after any error",
        layer: false,
        update: |writer, op| Box::pin(writer.retry(op, |_| true)),
    },
    Strategy {
        name: "RetryOnConflict",
        layer: false,
        update: |writer, op| Box::pin(writer.retry(op, optilock::is_conflict)),
    },
    Strategy {
        name: "RetryOnConflict, kube's default client",
        layer: true,
        update: |writer, op| Box::pin(writer.retry(op, optilock::is_conflict)),
    },
    Strategy {
        name: "optilock",
        layer: false,
        update: |writer, op| Box::pin(exactly_once(writer, op)),
    },
    Strategy {
        name: "optilock, kube's default client",
        layer: true,
        update: |writer, op| Box::pin(exactly_once(writer, op)),
    },
    Strategy {
        name: "optilock's combiner",
        layer: false,
        update: |writer, op| Box::pin(combined(writer, op)),
    },
    Strategy {
        name: "optilock's combiner, kube's default client",
        layer: true,
        update: |writer, op| Box::pin(combined(writer, op)),
    },
];

async fn combined(writer: &Writer, op: &str) -> Outcome {
    let combiner = writer.combiners.object(&writer.name);
    let id = OpId::new(op).unwrap();
    let op = op.to_owned();
    let result = combiner.apply_once(id, move |object| Writer::change(object, &op));
    result
        .await
        .map_or_else(|error| error.outcome(), |_| Outcome::Applied)
}

async fn exactly_once(writer: &Writer, op: &str) -> Outcome {
    let result = update(&writer.api, &writer.name)
        .op_id(OpId::new(op).unwrap())
        .random(writer.random())
        .timeout(Duration::MAX)
        .attempt_timeout(writer.patience)
        .apply(|object| Writer::change(object, op))
        .await;
    match result {
        Ok(_) => Outcome::Applied,
        Err(error) => error.outcome(),
    }
}

/// What the run of one strategy under one fault has come to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    updates: usize,
    /// Acknowledged and not carried out.
    lost: usize,
    /// Carried out more than once.
    doubled: usize,
    /// Carried out, and the caller was told that it failed.
    denied: usize,
    /// The caller was told that nobody knows.
    unknown: usize,
}

impl Verdict {
    fn of(told: &BTreeMap<String, Outcome>, commits: &BTreeMap<String, usize>) -> Self {
        let mut verdict = Self {
            updates: told.len(),
            ..Self::default()
        };
        for (op, outcome) in told {
            let times = commits.get(op).copied().unwrap_or(0);
            verdict.lost += usize::from(*outcome == Outcome::Applied && times == 0);
            verdict.doubled += usize::from(times > 1);
            verdict.denied += usize::from(*outcome == Outcome::Refused && times > 0);
            verdict.unknown += usize::from(*outcome == Outcome::Unknown);
        }
        verdict
    }

    fn is_exactly_once(&self) -> bool {
        (self.lost, self.doubled, self.denied, self.unknown) == (0, 0, 0, 0)
    }
}

/// How long to wait for an answer in virtual time.
const PATIENCE: Duration = Duration::from_secs(35);

async fn run(strategy: &Strategy, fault: Option<Fault>, updates: usize, seed: u64) -> Verdict {
    let network = Network::new();
    run_on(&network, strategy, fault, updates, seed, PATIENCE).await
}

async fn run_on(
    network: &Network,
    strategy: &Strategy,
    fault: Option<Fault>,
    updates: usize,
    seed: u64,
    patience: Duration,
) -> Verdict {
    let mut random = StdRng::seed_from_u64(seed);
    network.latency(move || Duration::from_micros(random.random_range(500..3_000)));
    let mut random = StdRng::seed_from_u64(seed + 1);
    network.plan(move || {
        let which = random.random_range(0..Fault::ALL.len());
        let fault = fault.unwrap_or(Fault::ALL[which]);
        random.random_bool(FAULTY).then_some(fault)
    });
    let direct: Api<ConfigMap> = Api::default_namespaced(network.direct());
    let prefix = format!("optilock-test-{:016x}", rand::random::<u64>());
    for object in 0..OBJECTS {
        let mut map = ConfigMap::default();
        map.metadata.name = Some(format!("{prefix}-{object}"));
        direct.create(&PostParams::default(), &map).await.unwrap();
    }
    let client = if strategy.layer {
        network.client_that_retries()
    } else {
        network.client()
    };
    let combiners = Combiners::new(Api::default_namespaced(client.clone()))
        .timeout(Duration::MAX)
        .attempt_timeout(patience);
    let tasks: Vec<_> = (0..OBJECTS * WRITERS)
        .map(|number| {
            let random = StdRng::seed_from_u64(seed ^ ((number as u64 + 1) << 32));
            let writer = Writer {
                api: Api::default_namespaced(client.clone()),
                combiners: combiners.clone(),
                name: format!("{prefix}-{}", number % OBJECTS),
                patience,
                random: std::sync::Arc::new(random.into()),
            };
            let update = strategy.update;
            let each = updates.div_ceil(OBJECTS * WRITERS);
            tokio::spawn(async move {
                let mut told = Vec::new();
                for round in 0..each {
                    let op = format!("{number}.{round}");
                    let outcome = update(&writer, &op).await;
                    told.push((op, outcome));
                }
                told
            })
        })
        .collect();
    let mut told = BTreeMap::new();
    for task in tasks {
        told.extend(task.await.unwrap());
    }
    // Whatever is late has had its time.
    tokio::time::sleep(patience).await;

    // What the oracle has seen is what is in the objects.
    let commits = network.commits();
    let mut counted = 0;
    for object in 0..OBJECTS {
        let name = format!("{prefix}-{object}");
        let data = direct.get(&name).await.unwrap().data.unwrap_or_default();
        counted += data.get("n").map_or(0, |n| n.parse::<usize>().unwrap());
        let params = DeleteParams::default();
        direct.delete(&name, &params).await.unwrap();
    }
    assert_eq!(counted, commits.values().sum::<usize>());
    Verdict::of(&told, &commits)
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |number| number.parse().unwrap())
}

/// The table of docs/guarantees.md.
#[tokio::test(start_paused = true)]
async fn faults_against_strategies() {
    let updates = number("OPTILOCK_SOAK_UPDATES", 2_000) as usize / Fault::ALL.len() / 2;
    let seed = number("OPTILOCK_SOAK_SEED", 1);
    println!("| strategy | fault | updates | lost | doubled | applied and told failed | unknown |");
    println!("|---|---|---|---|---|---|---|");
    for strategy in &STRATEGIES {
        let mut all = Vec::new();
        for fault in Fault::ALL {
            let verdict = run(strategy, Some(fault), updates, seed).await;
            let Verdict {
                updates,
                lost,
                doubled,
                denied,
                unknown,
            } = verdict;
            println!(
                "| {} | {fault:?} | {updates} | {lost} | {doubled} | {denied} | {unknown} |",
                strategy.name
            );
            all.push((fault, verdict));
        }
        if strategy.name.starts_with("optilock") {
            assert!(
                all.iter().all(|(_, verdict)| verdict.is_exactly_once()),
                "{all:?}"
            );
        } else {
            // The test sees what it is there to see.
            assert!(
                all.iter()
                    .any(|(_, verdict)| verdict.doubled + verdict.denied > 0)
            );
        }
    }
}

/// All faults together, as many updates as one likes.
#[tokio::test(start_paused = true)]
async fn soak() {
    let updates = number("OPTILOCK_SOAK_UPDATES", 4_000) as usize;
    let seed = number("OPTILOCK_SOAK_SEED", 1);
    let ours = STRATEGIES
        .iter()
        .filter(|strategy| strategy.name.starts_with("optilock"));
    for strategy in ours {
        let verdict = run(strategy, None, updates / 4, seed).await;
        println!("{}: {verdict:?}", strategy.name);
        assert!(verdict.is_exactly_once(), "{verdict:?} with seed {seed}");
    }
}

/// The same in real time, against any server: the embedded one, or that of `OPTILOCK_TEST_KUBECONFIG`.
#[tokio::test(flavor = "multi_thread")]
async fn live() {
    let updates = number("OPTILOCK_LIVE_UPDATES", 400) as usize;
    let seed = number("OPTILOCK_SOAK_SEED", 1);
    let ours = STRATEGIES
        .iter()
        .filter(|strategy| strategy.name.starts_with("optilock"));
    for strategy in ours {
        let network = match std::env::var_os("OPTILOCK_TEST_KUBECONFIG") {
            None => Network::new(),
            Some(file) => {
                let kubeconfig = Kubeconfig::read_from(file).unwrap();
                let options = KubeConfigOptions::default();
                let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
                let client: Client = optilock::client(config.unwrap()).unwrap();
                Network::to(client)
            }
        };
        let patience = Duration::from_secs(1);
        let verdict = run_on(&network, strategy, None, updates / 4, seed, patience).await;
        println!("{}: {verdict:?}", strategy.name);
        assert!(verdict.is_exactly_once(), "{verdict:?} with seed {seed}");
    }
}
