//! Faults against strategies: which of them lose updates, double them, or tell their caller wrong.
//!
//! Some thousand updates; `cargo xtask soak` runs as many as one likes, and every seed replays.

// Tests may unwrap: a panic is how they fail.
#![allow(clippy::unwrap_used)]

#[path = "../network/mod.rs"]
mod network;
mod strategy;
mod subject;

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use futures::future::join_all;
use kube::Config;
use kube::api::DynamicObject;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::PartialObjectMeta;
use network::{Fault, Network};
use optilock::Combiners;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use strategy::{Excuse, STRATEGIES, Strategy, Told, Writer};
use subject::{Part, SUBJECTS, Subject};

/// How many write the same object.
const WRITERS: usize = 5;
/// How many objects there are.
const OBJECTS: usize = 4;
/// After how many updates of each writer an object is gone that loses something with each.
const ROUNDS: usize = 5;
/// The share of writes that go wrong.
const FAULTY: f64 = 0.1;
/// A cancelled update is dropped where it waits for at most this many a time.
const MOST_POLLS: u32 = 12;
/// How long to wait for an answer in virtual time.
const PATIENCE: Duration = Duration::from_secs(35);

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Network(Fault),
    /// The caller drops the future while it waits.
    Cancelled,
    /// All of it, mixed.
    Everything,
}

impl Trouble {
    fn each() -> impl Iterator<Item = Self> {
        let faults = Fault::ALL.into_iter().map(Self::Network);
        faults.chain([Self::Cancelled])
    }

    fn fault(self, random: &mut StdRng) -> Option<Fault> {
        let which = random.random_range(0..Fault::ALL.len());
        let faulty = random.random_bool(FAULTY);
        match self {
            Self::Network(fault) => faulty.then_some(fault),
            Self::Cancelled => None,
            Self::Everything => faulty.then_some(Fault::ALL[which]),
        }
    }

    fn cancel(self, random: &mut StdRng) -> Option<u32> {
        let polls = random.random_range(0..MOST_POLLS);
        let cancelled = random.random_bool(FAULTY);
        (cancelled && !matches!(self, Self::Network(_))).then_some(polls)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(fault) => write!(f, "{fault:?}"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// What a run has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// The same, for no good reason.
    unjustified: usize,
}

impl Verdict {
    fn of(
        told: &BTreeMap<String, Told>,
        commits: &BTreeMap<String, usize>,
        is_good: impl Fn(Excuse) -> bool,
    ) -> Self {
        let mut verdict = Self {
            updates: told.len(),
            ..Self::default()
        };
        for (op, told) in told {
            let times = commits.get(op).copied().unwrap_or(0);
            verdict.lost += usize::from(*told == Told::Applied && times == 0);
            verdict.doubled += usize::from(times > 1);
            verdict.denied += usize::from(*told == Told::Failed && times > 0);
            if let Told::Unknown(excuse) = told {
                verdict.unknown += 1;
                verdict.unjustified += usize::from(!excuse.is_some_and(&is_good));
            }
        }
        verdict
    }

    fn is_exactly_once(&self) -> bool {
        (self.lost, self.doubled, self.denied, self.unjustified) == (0, 0, 0, 0)
    }

    fn is_wrong(&self) -> bool {
        self.lost + self.doubled + self.denied > 0
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            updates,
            lost,
            doubled,
            denied,
            unknown,
            unjustified,
        } = self;
        write!(
            f,
            "{updates} updates: {lost} lost, {doubled} doubled, {denied} denied, {unknown} unknown"
        )?;
        if *unjustified > 0 {
            write!(f, " ({unjustified} without a reason)")?;
        }
        Ok(())
    }
}

/// One run: who updates what, and what goes wrong meanwhile.
#[derive(Clone, Copy, Debug)]
struct Run {
    strategy: &'static Strategy,
    subject: &'static Subject,
    trouble: Trouble,
    updates: usize,
    seed: u64,
    patience: Duration,
}

/// What was seen in a run.
#[derive(Debug, PartialEq)]
struct Seen {
    verdict: Verdict,
    told: BTreeMap<String, Told>,
    commits: BTreeMap<String, usize>,
}

impl Run {
    async fn on(self, network: &Network) -> Seen {
        if self.subject.metadata {
            self.of::<PartialObjectMeta<DynamicObject>>(network).await
        } else {
            self.of::<DynamicObject>(network).await
        }
    }

    async fn of<K: Part>(self, network: &Network) -> Seen {
        let Self {
            subject,
            trouble,
            seed,
            patience,
            ..
        } = self;
        network.ops(subject.ops());
        let mut random = StdRng::seed_from_u64(seed);
        network.latency(move || Duration::from_micros(random.random_range(500..3_000)));
        let mut random = StdRng::seed_from_u64(seed + 1);
        network.plan(move || trouble.fault(&mut random));
        // Others may use the server too.
        let prefix = format!("optilock-test-{:016x}", rand::random::<u64>());
        let each = self.updates.div_ceil(OBJECTS * WRITERS);
        let life = if subject.finalizers { ROUNDS } else { each };
        let name = move |number: usize, round: usize| {
            format!("{prefix}-{}-{}", number % OBJECTS, round / life.max(1))
        };
        let mut names = Vec::new();
        for first in (0..each).step_by(life.max(1)) {
            for object in 0..OBJECTS {
                let updates = life.min(each - first) * WRITERS;
                names.push(name(object, first));
                let name = names.last().unwrap();
                subject.create(network.direct(), name, updates).await;
            }
        }
        let client = if self.strategy.layer {
            network.client_that_retries()
        } else {
            network.client()
        };
        let api = subject.api::<K>(client);
        let combiners = Combiners::new(api.clone())
            .timeout(Duration::MAX)
            .attempt_timeout(patience);
        let writers = (0..OBJECTS * WRITERS).map(|number| {
            let random = StdRng::seed_from_u64(seed ^ ((number as u64 + 1) << 32));
            let mut cancel = StdRng::seed_from_u64(seed ^ ((number as u64 + 1) << 40));
            let mut writer = Writer {
                subject,
                way: self.strategy.way,
                api: api.clone(),
                combiners: combiners.clone(),
                name: String::new(),
                patience,
                random: Arc::new(Mutex::new(random)),
            };
            let name = name.clone();
            tokio::spawn(async move {
                let mut told = Vec::new();
                for round in 0..each {
                    writer.name = name(number, round);
                    let op = format!("{number}.{round}");
                    let answer = writer.act(&op, trouble.cancel(&mut cancel)).await;
                    told.push((op, answer));
                }
                told
            })
        });
        let mut told = BTreeMap::new();
        for writer in writers.collect::<Vec<_>>() {
            told.extend(writer.await.unwrap());
        }
        // Whatever is late has had its time.
        tokio::time::sleep(patience).await;

        // What the oracle has seen is what is in the objects.
        let commits = network.commits();
        let (mut counted, mut gone) = (0, 0);
        for name in names {
            match subject.count(network.direct(), &name).await {
                Some(count) => {
                    counted += count;
                    subject.remove(network.direct(), &name).await;
                }
                None => gone += 1,
            }
        }
        if gone == 0 {
            assert_eq!(counted, commits.values().sum::<usize>());
        } else {
            assert!(subject.finalizers);
        }
        let is_good = |excuse| match excuse {
            Excuse::HistoryGone => network.kills() > 0,
            Excuse::Deleted => subject.finalizers,
        };
        Seen {
            verdict: Verdict::of(&told, &commits, is_good),
            told,
            commits,
        }
    }

    /// In virtual time, on a server of its own.
    fn virtually(self) -> Seen {
        paused().block_on(async { self.on(&Network::new()).await })
    }
}

/// A runtime in which time passes only when nothing else is to be done.
fn paused() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap()
}

/// Everything at once, on as many threads as there are processors; in the order of the runs.
fn all(runs: &[Run]) -> Vec<Verdict> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let next = Mutex::new(runs.iter().enumerate());
    let verdicts = Mutex::new(vec![Verdict::default(); runs.len()]);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some((place, run)) = next.lock().unwrap().next() else {
                        return;
                    };
                    let verdict = run.virtually().verdict;
                    verdicts.lock().unwrap()[place] = verdict;
                }
            });
        }
    });
    verdicts.into_inner().unwrap()
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |number| number.parse().unwrap())
}

fn seed() -> u64 {
    number("OPTILOCK_SOAK_SEED", 1)
}

fn cells() -> Vec<(&'static Strategy, &'static Subject)> {
    let cells = STRATEGIES
        .iter()
        .flat_map(|strategy| SUBJECTS.iter().map(move |subject| (strategy, subject)));
    cells
        .filter(|(strategy, subject)| strategy.can_update(subject))
        .collect()
}

/// The table of docs/guarantees.md: each fault alone.
#[test]
fn faults_against_strategies() {
    let troubles: Vec<_> = Trouble::each().collect();
    let cells = cells();
    let updates = number("OPTILOCK_SOAK_UPDATES", 4_400) as usize;
    let run = |(strategy, subject): (_, _), trouble| Run {
        strategy,
        subject,
        trouble,
        updates: updates / cells.len() / troubles.len(),
        seed: seed(),
        patience: PATIENCE,
    };
    let runs: Vec<_> = cells
        .iter()
        .flat_map(|&cell| troubles.iter().map(move |&trouble| (cell, trouble)))
        .map(|(cell, trouble)| run(cell, trouble))
        .collect();
    let verdicts = all(&runs);
    println!("| strategy | what | fault | updates | lost | doubled | denied | unknown |");
    println!("|---|---|---|---|---|---|---|---|");
    for (run, verdict) in runs.iter().zip(&verdicts) {
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            run.strategy.name,
            run.subject.name,
            run.trouble,
            verdict.updates,
            verdict.lost,
            verdict.doubled,
            verdict.denied,
            verdict.unknown,
        );
        let expected = !run.strategy.is_ours() || verdict.is_exactly_once();
        assert!(expected, "{verdict} of {run:?}");
    }
    // The test sees what it is there to see, whoever else writes and whatever is written.
    for (strategy, subject) in cells.iter().filter(|(strategy, _)| !strategy.is_ours()) {
        let is_wrong = runs.iter().zip(&verdicts).any(|(run, verdict)| {
            let same = run.strategy.name == strategy.name && run.subject.name == subject.name;
            same && verdict.is_wrong()
        });
        assert!(is_wrong, "{} of {}", strategy.name, subject.name);
    }
}

/// All faults together, for the library alone.
fn everything(updates: u64, patience: Duration) -> Vec<Run> {
    let mut cells = cells();
    cells.retain(|(strategy, _)| strategy.is_ours());
    let updates = number("OPTILOCK_SOAK_UPDATES", updates) as usize;
    let each = updates.div_ceil(cells.len());
    let run = |(strategy, subject)| Run {
        strategy,
        subject,
        trouble: Trouble::Everything,
        updates: each,
        seed: seed(),
        patience,
    };
    cells.into_iter().map(run).collect()
}

fn assert_exactly_once(run: &Run, verdict: &Verdict) {
    println!("{}, {}: {verdict}", run.strategy.name, run.subject.name);
    assert!(verdict.is_exactly_once(), "{verdict} of {run:?}");
}

/// As many updates as one likes.
#[test]
fn soak() {
    let runs = everything(4_000, PATIENCE);
    for (run, verdict) in runs.iter().zip(all(&runs)) {
        assert_exactly_once(run, &verdict);
    }
}

/// What a seed gives once, it gives again: who is told what, and what is carried out. The sleeps of
/// kube's retry layer are its own, so that with it only what the network does is repeated.
#[test]
fn seeds_replay() {
    let mut cells = cells();
    cells.retain(|(strategy, _)| !strategy.layer);
    for (strategy, subject) in cells {
        let run = Run {
            strategy,
            subject,
            trouble: Trouble::Everything,
            updates: 100,
            seed: seed(),
            patience: PATIENCE,
        };
        assert_eq!(run.virtually(), run.virtually(), "{run:?}");
    }
}

/// The same in real time, against any server: the embedded one, or that of `OPTILOCK_TEST_KUBECONFIG`.
#[tokio::test(flavor = "multi_thread")]
async fn live() {
    let runs = everything(400, Duration::from_secs(1));
    let all = runs.iter().map(async |run| run.on(&server().await).await);
    for (run, seen) in runs.iter().zip(join_all(all).await) {
        assert_exactly_once(run, &seen.verdict);
    }
}

async fn server() -> Network {
    let Some(file) = std::env::var_os("OPTILOCK_TEST_KUBECONFIG") else {
        return Network::new();
    };
    let kubeconfig = Kubeconfig::read_from(file).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    Network::to(optilock::client(config.unwrap()).unwrap())
}

/// One update, dropped at every place where it waits, one after the other, with each fault and without.
#[test]
fn cancelled_at_every_await() {
    let mut cells = cells();
    cells.retain(|(strategy, _)| strategy.is_ours() && !strategy.layer);
    for (strategy, subject) in cells {
        for fault in Fault::ALL.map(Some).into_iter().chain([None]) {
            for polls in 0..MOST_POLLS {
                let one = if subject.metadata {
                    dropped::<PartialObjectMeta<DynamicObject>>
                } else {
                    dropped::<DynamicObject>
                };
                one(strategy, subject, fault, polls);
            }
        }
    }
}

fn dropped<K: Part>(
    strategy: &'static Strategy,
    subject: &'static Subject,
    fault: Option<Fault>,
    polls: u32,
) {
    let (told, times) = paused().block_on(async {
        let network = Network::new();
        network.latency(|| Duration::from_millis(1));
        network.next(fault);
        network.ops(subject.ops());
        subject.create(network.direct(), "one", 2).await;
        let api = subject.api::<K>(network.client());
        let writer = Writer {
            subject,
            way: strategy.way,
            api: api.clone(),
            combiners: Combiners::new(api).attempt_timeout(PATIENCE),
            name: "one".to_owned(),
            patience: PATIENCE,
            random: Arc::new(Mutex::new(StdRng::seed_from_u64(1))),
        };
        let told = writer.act("op", Some(polls)).await;
        // Whatever is late has had its time.
        tokio::time::sleep(PATIENCE * 2).await;
        (told, subject.count(network.direct(), "one").await)
    });
    assert_eq!(
        (told, times),
        (Told::Applied, Some(1)),
        "{} of {} dropped at {polls} with {fault:?}",
        strategy.name,
        subject.name
    );
}
