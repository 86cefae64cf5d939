//! The backoff against apimachinery's own code, over thousands of parameter sets.
//!
//! The answers of the Go code are recorded in `data/backoff.jsonl`, one parameter set a line, so that
//! this runs without Go. With the Go program at hand it runs on the answers of that:
//!
//! ```sh
//! OPTILOCK_PEER_BACKOFF=$(cargo xtask client-go build backoff) cargo test -p optilock --test apimachinery
//! ```
//!
//! and with `OPTILOCK_RECORD=1` besides, it writes the record anew.

// Tests may unwrap: a panic is how they fail.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use optilock::{Backoff, Interrupt, Retry, RetryError};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// Sets without jitter: every number has to be equal.
const PLAIN: usize = 3_000;
/// Sets with jitter: every number has to be within the bounds.
const JITTERED: usize = 500;

/// One parameter set, as the Go program reads it. Durations are nanoseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Set {
    steps: i64,
    duration_ns: i64,
    factor: f64,
    jitter: f64,
    cap_ns: i64,
    /// How many calls of Step are made, and in which call the condition holds.
    calls: u32,
}

impl Set {
    fn backoff(&self) -> Backoff {
        Backoff::from_nanos(
            self.steps,
            self.duration_ns,
            self.factor,
            self.jitter,
            self.cap_ns,
        )
    }
}

/// What the Go code did with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Answer {
    step: Vec<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unjittered: Vec<i64>,
    after: State,
    exponential: Option<Loop>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exponential_with_context: Option<Loop>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    steps: i64,
    duration_ns: i64,
}

/// What a retry loop did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Loop {
    calls: u32,
    /// After each call but the one in which the condition held; 0 after the last one.
    sleeps: Vec<i64>,
    timed_out: bool,
}

/// A line of the record.
#[derive(Debug, Serialize, Deserialize)]
struct Case {
    set: Set,
    answer: Answer,
}

/// The cases, read or asked for once.
fn cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(read_or_ask)
}

fn read_or_ask() -> Vec<Case> {
    let record = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/backoff.jsonl");
    let Some(peer) = std::env::var_os("OPTILOCK_PEER_BACKOFF") else {
        let text = std::fs::read_to_string(record).unwrap();
        return text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
    };
    let sets = generate();
    let answers = ask(Path::new(&peer), &sets);
    assert_eq!(sets.len(), answers.len());
    let cases: Vec<_> = sets
        .into_iter()
        .zip(answers)
        .map(|(set, answer)| Case { set, answer })
        .collect();
    if std::env::var_os("OPTILOCK_RECORD").is_some() {
        std::fs::write(record, lines(&cases)).unwrap();
    }
    cases
}

fn lines<T: Serialize>(values: &[T]) -> String {
    values
        .iter()
        .map(|value| serde_json::to_string(value).unwrap() + "\n")
        .collect()
}

/// Runs the Go program over the sets.
fn ask(peer: &Path, sets: &[Set]) -> Vec<Answer> {
    let mut child = Command::new(peer)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", peer.display()));
    let mut stdin = child.stdin.take().unwrap();
    let questions = lines(sets);
    let writer = std::thread::spawn(move || stdin.write_all(questions.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(
        output.status.success(),
        "{}: {}",
        peer.display(),
        output.status
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| {
            let mut answer: Answer = serde_json::from_str(line).unwrap();
            // Without jitter and without a context that ends, both loops do the same; one of them
            // is enough for the record then.
            if answer.exponential == answer.exponential_with_context {
                answer.exponential_with_context = None;
            }
            answer
        })
        .collect()
}

/// Parameter sets of all kinds, the same in every run.
fn generate() -> Vec<Set> {
    let mut random = StdRng::seed_from_u64(105);
    let mut sets = Vec::new();
    while sets.len() < PLAIN + JITTERED {
        let mut set = any_set(&mut random);
        if sets.len() >= PLAIN {
            set.jitter = hundredths(&mut random, 1, 400);
        }
        // What is too large for 64 bits is up to the processor in Go.
        let largest = set.factor.abs().max(1.0).powi(set.calls as i32)
            * set.duration_ns.unsigned_abs() as f64
            * (1.0 + set.jitter.max(0.0));
        if largest < 9e18 {
            sets.push(set);
        }
    }
    sets
}

/// A number of hundredths: what decimal numbers stand for doesn't depend on who reads them.
fn hundredths(random: &mut StdRng, from: i32, to: i32) -> f64 {
    f64::from(random.random_range(from..=to)) / 100.0
}

fn any_set(random: &mut StdRng) -> Set {
    let magnitude = 10_i64.pow(random.random_range(0..11));
    let duration_ns = match random.random_range(0..20) {
        0 => 0,
        1 => -random.random_range(0..magnitude),
        _ => random.random_range(0..10 * magnitude),
    };
    Set {
        steps: match random.random_range(0..12) {
            0 => -random.random_range(0..3),
            1 => i64::from(i32::MAX),
            _ => random.random_range(1..10),
        },
        duration_ns,
        factor: match random.random_range(0..10) {
            0 => 0.0,
            1 => 1.0,
            2 => 2.0,
            3 => -hundredths(random, 0, 300),
            4 => hundredths(random, 0, 100),
            _ => hundredths(random, 100, 700),
        },
        jitter: match random.random_range(0..10) {
            0 => -hundredths(random, 1, 200),
            _ => 0.0,
        },
        cap_ns: match random.random_range(0..10) {
            0..=3 => 0,
            4 => -random.random_range(0..magnitude),
            _ => random.random_range(0..100 * magnitude),
        },
        calls: random.random_range(1..8),
    }
}

/// Our own loop, told in the same words.
async fn our_loop(set: &Set, random: impl FnMut() -> f64 + Send) -> Loop {
    let (mut calls, mut sleeps) = (0, Vec::new());
    let result = Retry::new(set.backoff())
        .random(random)
        .on_sleep(|delay| sleeps.push(i64::try_from(delay.as_nanos()).unwrap()))
        .until(|| {
            calls += 1;
            std::future::ready(Ok::<_, std::convert::Infallible>(calls == set.calls))
        })
        .await;
    let timed_out = match result {
        Ok(()) => false,
        Err(RetryError::Interrupted(Interrupt::Timeout)) => true,
        Err(error) => panic!("{error}"),
    };
    if timed_out && sleeps.len() < calls as usize {
        sleeps.push(0);
    }
    Loop {
        calls,
        sleeps,
        timed_out,
    }
}

fn our_steps(backoff: &mut Backoff, calls: u32, mut random: impl FnMut() -> f64) -> Vec<i64> {
    (0..calls)
        .map(|_| backoff.step_nanos(&mut random))
        .collect()
}

/// The delays alone, without the loop around them.
fn our_delays(set: &Set, random: impl FnMut() -> f64) -> Vec<i64> {
    set.backoff()
        .delays_with(random)
        .take(set.calls as usize)
        .map(|delay| i64::try_from(delay.as_nanos()).unwrap())
        .collect()
}

#[test]
fn the_record_has_sets_of_both_kinds() {
    let jittered = |case: &&Case| case.set.jitter > 0.0;
    let cases = cases();
    assert_eq!(cases.iter().filter(jittered).count(), JITTERED);
    assert_eq!(cases.len(), PLAIN + JITTERED);
    let ended_by_cap = cases.iter().filter(|case| {
        case.answer.exponential.as_ref().is_some_and(|done| {
            done.timed_out && i64::from(done.calls) < case.set.steps && done.calls < case.set.calls
        })
    });
    assert!(ended_by_cap.count() > 100);
}

#[tokio::test(start_paused = true)]
async fn without_jitter_all_is_equal() {
    for Case { set, answer } in cases() {
        if set.jitter > 0.0 {
            continue;
        }
        let mut backoff = set.backoff();
        let steps = our_steps(&mut backoff, set.calls, || panic!("there is no jitter"));
        assert_eq!(steps, answer.step, "Step of {set:?}");
        let after = State {
            steps: backoff.steps(),
            duration_ns: backoff.duration_nanos(),
        };
        assert_eq!(after, answer.after, "Backoff after Step of {set:?}");

        // None where the sleeps would add up to centuries.
        let Some(theirs) = &answer.exponential else {
            continue;
        };
        assert_eq!(answer.exponential_with_context, None, "{set:?}");
        // A condition that holds in the last call leaves the sleep after it out.
        let before_each_other_call = theirs.calls.min(set.calls - 1) as usize;
        let delays = our_delays(set, || 0.0);
        let slept = delays.len().min(before_each_other_call);
        assert_eq!(delays[..slept], theirs.sleeps[..slept], "{set:?}");

        if theirs.sleeps.iter().sum::<i64>() < A_YEAR {
            assert_eq!(&our_loop(set, || 0.0).await, theirs, "loop of {set:?}");
        }
    }
}

/// The longest time that the loops are run for; the timer knows no more than two years.
const A_YEAR: i64 = Duration::from_secs(365 * 24 * 3600).as_nanos() as i64;

#[tokio::test(start_paused = true)]
async fn with_jitter_all_is_within_the_bounds() {
    for (number, Case { set, answer }) in cases().iter().enumerate() {
        if set.jitter <= 0.0 {
            continue;
        }
        // Ours without and with all of the jitter: the bounds for theirs, and for ours.
        let least = our_steps(&mut set.backoff(), set.calls, || 0.0);
        let most = our_steps(&mut set.backoff(), set.calls, || 1.0);
        assert_eq!(least, answer.unjittered, "{set:?}");
        let within = |delays: &[i64]| {
            assert!(delays.len() <= least.len());
            for ((delay, least), most) in delays.iter().zip(&least).zip(&most) {
                let (low, high) = (least.min(most), least.max(most));
                assert!((low..=high).contains(&delay), "{delay} of {set:?}");
            }
        };
        within(&answer.step);
        let mut random = StdRng::seed_from_u64(number as u64);
        let mut backoff = set.backoff();
        within(&our_steps(&mut backoff, set.calls, || random.random()));
        assert_eq!(backoff.steps(), answer.after.steps, "{set:?}");
        assert_eq!(
            backoff.duration_nanos(),
            answer.after.duration_ns,
            "{set:?}"
        );

        let loops = [&answer.exponential, &answer.exponential_with_context];
        for theirs in loops.into_iter().flatten() {
            if theirs.sleeps.iter().sum::<i64>() >= A_YEAR {
                continue;
            }
            let ours = our_loop(set, || random.random()).await;
            assert_eq!(ours.calls, theirs.calls, "{set:?}");
            assert_eq!(ours.timed_out, theirs.timed_out, "{set:?}");
            assert_eq!(ours.sleeps.len(), theirs.sleeps.len(), "{set:?}");
            for (number, (ours, theirs)) in ours.sleeps.iter().zip(&theirs.sleeps).enumerate() {
                // A negative one shows as zero, and so does the one that isn't there after the end.
                let (low, high) = (least[number].max(0), most[number].max(0));
                for sleep in [ours, theirs] {
                    assert!(
                        *sleep == 0 || (low..=high).contains(sleep),
                        "{sleep} of {set:?}"
                    );
                }
            }
        }
    }
}
