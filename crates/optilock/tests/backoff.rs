//! The backoff alone: apimachinery's own cases for `Backoff.Step` and `DelayWithReset`, the corners that
//! Go leaves open, and what holds for all parameters.

// Tests may unwrap: a panic is how they fail.
#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::time::{Duration, Instant};

use optilock::{Backoff, DEFAULT_BACKOFF, DEFAULT_RETRY};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const SECOND: Duration = Duration::from_secs(1);

fn secs<const N: usize>(seconds: [u64; N]) -> [Duration; N] {
    seconds.map(Duration::from_secs)
}

fn steps<const N: usize>(mut backoff: Backoff) -> [Duration; N] {
    std::array::from_fn(|_| backoff.step())
}

fn seeded(seed: u64) -> impl FnMut() -> f64 {
    let mut random = StdRng::seed_from_u64(seed);
    move || random.random()
}

/// Upstream's check of a jittered sequence, for each of its five seeds: never the plain value, and no
/// more than the jitter below it.
fn assert_jittered(backoff: Backoff, plain: &[Duration]) {
    for seed in 0..5 {
        let (mut backoff, mut random) = (backoff, seeded(seed));
        for want in plain {
            let got = backoff.step_with(&mut random);
            assert_ne!(got, *want, "no jitter with seed {seed}");
            let below = (want.as_secs_f64() - got.as_secs_f64()) / want.as_secs_f64();
            assert!(below <= backoff.jitter(), "{got:?} for {want:?}");
        }
    }
}

// Group Step.

/// Go's nil `*Backoff` is the empty one here.
#[test]
fn step_of_no_backoff_is_zero() {
    assert_eq!(steps(Backoff::default()), [Duration::ZERO; 4]);
}

#[test]
fn step_with_negative_steps_keeps_the_duration() {
    let mut backoff = Backoff::new(-1, SECOND);
    assert_eq!(steps(backoff), [SECOND; 3]);
    backoff.step();
    assert_eq!(backoff.steps(), 0);
}

#[test]
fn step_with_zero_steps_keeps_the_duration() {
    assert_eq!(steps(Backoff::new(0, SECOND)), [SECOND; 3]);
}

#[test]
fn step_with_one_step_and_no_factor_keeps_the_duration() {
    assert_eq!(steps(Backoff::new(1, SECOND)), [SECOND; 3]);
}

#[test]
fn step_with_one_step_and_factor_one_keeps_the_duration() {
    assert_eq!(steps(Backoff::new(1, SECOND).with_factor(1.0)), [SECOND; 3]);
}

#[test]
fn step_with_factor_two_doubles() {
    let backoff = Backoff::new(3, SECOND).with_factor(2.0);
    assert_eq!(steps(backoff), secs([1, 2, 4]));
}

#[test]
fn step_grows_up_to_the_cap() {
    let backoff = Backoff::new(3, SECOND)
        .with_factor(2.0)
        .with_cap(3 * SECOND);
    assert_eq!(steps(backoff), secs([1, 2, 3]));
}

#[test]
fn step_with_cap_and_jitter() {
    let backoff = Backoff::new(2, SECOND)
        .with_factor(2.0)
        .with_cap(3 * SECOND)
        .with_jitter(0.5);
    assert_jittered(backoff, &secs([2, 3, 3]));
}

#[test]
fn step_with_a_jitter_of_four() {
    let backoff = Backoff::new(6, SECOND).with_factor(2.0).with_jitter(4.0);
    assert_jittered(backoff, &secs([1, 2, 4, 8, 16, 32]));
}

#[test]
fn step_with_one_step_still_multiplies_once() {
    let backoff = Backoff::new(1, SECOND).with_factor(2.0);
    assert_eq!(steps(backoff), secs([1, 2, 2, 2]));
}

// Group DelayWithReset.

/// A clock that is moved by hand, and delays of a few nanoseconds, as upstream has them.
fn after_seven_then_later(backoff: Backoff, interval_ns: u64) -> (Vec<u128>, u128) {
    let start = Instant::now();
    let now = Cell::new(start);
    let mut delays = backoff.delay_with_reset(|| now.get(), Duration::from_nanos(interval_ns));
    let seven = (&mut delays)
        .take(7)
        .map(|delay| delay.as_nanos())
        .collect();
    now.set(start + Duration::from_nanos(11));
    (seven, delays.next().unwrap().as_nanos())
}

#[test]
fn delay_with_reset_starts_anew_after_the_interval() {
    let backoff = Backoff::from_nanos(10, 1, 2.0, 0.0, 10);
    let (seven, later) = after_seven_then_later(backoff, 10);
    assert_eq!(seven, [1, 2, 4, 8, 10, 10, 10]);
    assert_eq!(later, 1);
}

#[test]
fn delay_with_reset_and_an_interval_of_zero_stays_constant() {
    let backoff = Backoff::from_nanos(10, 1, 2.0, 0.0, 10);
    let (seven, later) = after_seven_then_later(backoff, 0);
    assert_eq!(seven, [1; 7]);
    assert_eq!(later, 1);
}

#[test]
fn delay_with_reset_keeps_positive_jitter() {
    let backoff = Backoff::from_nanos(0, 1, 0.0, 1.0, 0);
    for seed in 0..5 {
        let mut delays = backoff.delay_with_reset_and(Instant::now, Duration::ZERO, seeded(seed));
        let delay = delays.next().unwrap().as_nanos();
        assert!((1..=2).contains(&delay), "{delay}");
    }
}

#[test]
fn delay_with_reset_ignores_negative_jitter() {
    let backoff = Backoff::from_nanos(0, 1, 0.0, -1.0, 0);
    let mut delays = backoff.delay_with_reset(Instant::now, Duration::ZERO);
    assert_eq!(delays.next(), Some(Duration::from_nanos(1)));
}

/// Upstream runs these two on the real clock; what they check is the sequence.
#[test]
fn delay_with_reset_of_milliseconds() {
    let backoff = Backoff::new(10, Duration::from_millis(1));
    let constant = backoff.delay_with_reset(Instant::now, Duration::ZERO);
    assert!(constant.take(5).all(|delay| delay.as_millis() == 1));

    let growing = backoff
        .with_factor(2.0)
        .with_cap(Duration::from_millis(10))
        .delay_with_reset(Instant::now, Duration::from_secs(3600));
    let millis: Vec<_> = growing.take(7).map(|delay| delay.as_millis()).collect();
    assert_eq!(millis, [1, 2, 4, 8, 10, 10, 10]);
}

#[test]
fn delay_with_reset_needs_more_than_the_interval() {
    let start = Instant::now();
    let now = Cell::new(start);
    let backoff = Backoff::new(10, SECOND).with_factor(2.0);
    let mut delays = backoff.delay_with_reset(|| now.get(), 10 * SECOND);
    assert_eq!(delays.next(), Some(SECOND));
    now.set(start + 10 * SECOND);
    assert_eq!(delays.next(), Some(2 * SECOND));
    now.set(start + 11 * SECOND);
    assert_eq!(delays.next(), Some(SECOND));
    // The interval counts from the last reset.
    now.set(start + 21 * SECOND);
    assert_eq!(delays.next(), Some(2 * SECOND));
}

#[test]
fn delay_with_reset_never_resets_without_a_factor() {
    let start = Instant::now();
    let now = Cell::new(start);
    let backoff = Backoff::new(10, SECOND).with_factor(-2.0);
    let mut delays = backoff.delay_with_reset(|| now.get(), SECOND);
    assert_eq!(delays.next(), Some(SECOND));
    now.set(start + 60 * SECOND);
    // Minus two seconds, which is no sleep, and not one second anew.
    assert_eq!(delays.next(), Some(Duration::ZERO));
    assert_eq!(delays.next(), Some(4 * SECOND));
}

// Constants.

#[test]
fn default_retry_is_client_gos() {
    let expected = Backoff::from_nanos(5, 10_000_000, 1.0, 0.1, 0);
    assert_eq!(DEFAULT_RETRY, expected);
    assert_eq!(DEFAULT_RETRY.cap(), None);
}

#[test]
fn default_backoff_is_client_gos() {
    let expected = Backoff::from_nanos(4, 10_000_000, 5.0, 0.1, 0);
    assert_eq!(DEFAULT_BACKOFF, expected);
    let least: Vec<_> = DEFAULT_BACKOFF.delays_with(|| 0.0).collect();
    let most: Vec<_> = DEFAULT_BACKOFF.delays_with(|| 1.0).collect();
    assert_eq!(least, [10, 50, 250].map(Duration::from_millis));
    assert_eq!(most, [11, 55, 275].map(Duration::from_millis));
}

// Delays.

#[test]
fn delays_end_before_the_last_try() {
    assert_eq!(Backoff::new(-1, SECOND).delays().count(), 0);
    assert_eq!(Backoff::new(0, SECOND).delays().count(), 0);
    assert_eq!(Backoff::new(1, SECOND).delays().count(), 0);
    assert_eq!(Backoff::new(5, SECOND).delays().count(), 4);
}

/// The sleep before the cap is slept, the cap itself never.
#[test]
fn delays_end_at_the_cap() {
    let backoff = Backoff::new(10, SECOND)
        .with_factor(2.0)
        .with_cap(3 * SECOND);
    assert_eq!(backoff.delays().collect::<Vec<_>>(), secs([1, 2]));
}

// Where Go leaves it open.

#[test]
fn durations_saturate() {
    let mut backoff = Backoff::from_nanos(3, i64::MAX, 2.0, 0.0, 0);
    let nanos: [i64; 3] = std::array::from_fn(|_| backoff.step_nanos(|| 0.0));
    assert_eq!(nanos, [i64::MAX; 3]);

    let mut backoff = Backoff::from_nanos(3, i64::MAX, -2.0, 0.0, 0);
    let nanos: [i64; 3] = std::array::from_fn(|_| backoff.step_nanos(|| 0.0));
    assert_eq!(nanos, [i64::MAX, i64::MIN, i64::MAX]);

    let mut jittered = Backoff::from_nanos(3, i64::MAX, 0.0, 1.0, 0);
    assert_eq!(jittered.step_nanos(|| 0.5), i64::MAX);

    assert_eq!(Backoff::new(1, Duration::MAX).duration_nanos(), i64::MAX);
}

#[test]
fn a_factor_that_is_no_number_gives_zero() {
    let mut backoff = Backoff::new(3, SECOND).with_factor(f64::NAN);
    assert_eq!(backoff.step(), SECOND);
    assert_eq!(backoff.step(), Duration::ZERO);
}

#[test]
fn a_negative_factor_sleeps_every_other_time() {
    let mut backoff = Backoff::new(4, SECOND)
        .with_factor(-2.0)
        .with_cap(3 * SECOND);
    let nanos: [i64; 4] = std::array::from_fn(|_| backoff.step_nanos(|| 0.0));
    // The cap is for what is too long, so that the fourth is cut and the second and third are not.
    assert_eq!(nanos, [1, -2, 3, 3].map(|seconds| seconds * 1_000_000_000));
}

#[test]
fn randomness_is_asked_for_once_per_jittered_step_only() {
    let asked = Cell::new(0);
    let mut random = || {
        asked.set(asked.get() + 1);
        0.5
    };
    let mut backoff = Backoff::new(3, SECOND);
    backoff.step_with(&mut random);
    assert_eq!(asked.get(), 0);
    let mut backoff = backoff.with_jitter(0.1);
    assert_eq!(backoff.step_with(&mut random), Duration::from_millis(1050));
    assert_eq!(asked.get(), 1);
}

fn any_backoff() -> impl Strategy<Value = Backoff> {
    (
        -3..40_i64,
        prop_oneof![any::<i64>(), 0..10_000_000_000_i64],
        prop_oneof![any::<f64>(), -4.0..8.0_f64],
        prop_oneof![Just(0.0), any::<f64>(), -1.0..4.0_f64],
        prop_oneof![Just(0), any::<i64>(), 0..60_000_000_000_i64],
    )
        .prop_map(|(steps, duration, factor, jitter, cap)| {
            Backoff::from_nanos(steps, duration, factor, jitter, cap)
        })
}

/// Seeded, so that every run checks the same cases; no files of failures beside the sources.
fn replayable() -> ProptestConfig {
    ProptestConfig {
        cases: 2_000,
        rng_seed: prop::test_runner::RngSeed::Fixed(20_251_122),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(replayable())]

    #[test]
    fn there_is_at_most_one_sleep_less_than_tries(backoff in any_backoff()) {
        let most = usize::try_from(backoff.steps() - 1).unwrap_or(0);
        prop_assert!(backoff.delays_with(|| 0.5).count() <= most);
        if backoff.cap().is_none() {
            prop_assert_eq!(backoff.delays_with(|| 0.5).count(), most);
        }
    }

    #[test]
    fn delays_are_the_steps(backoff in any_backoff(), seed in any::<u64>()) {
        let (mut stepped, mut random) = (backoff, seeded(seed));
        for delay in backoff.delays_with(seeded(seed)) {
            prop_assert_eq!(delay, stepped.step_with(&mut random));
        }
        prop_assert!(stepped.steps() <= 1);
    }

    #[test]
    fn jitter_adds_within_its_share_and_not_up(
        backoff in any_backoff(), jitter in 0.001..4.0_f64, seed in any::<u64>(),
    ) {
        let (mut plain, mut jittered) = (backoff.with_jitter(0.0), backoff.with_jitter(jitter));
        let mut random = seeded(seed);
        for _ in 0..20 {
            let base = plain.step_nanos(|| 0.0);
            let extra = i128::from(jittered.step_nanos(&mut random)) - i128::from(base);
            prop_assert_eq!(plain.duration_nanos(), jittered.duration_nanos());
            // One nanosecond for the rounding of the bound itself.
            let bound = (base as f64 * jitter).abs() + 1.0;
            prop_assert!(extra as f64 * base.signum() as f64 >= 0.0 && (extra as f64).abs() <= bound);
        }
    }

    #[test]
    fn nothing_but_the_first_duration_passes_the_cap(backoff in any_backoff()) {
        let mut backoff = backoff.with_jitter(0.0);
        if let Some(cap) = backoff.cap() {
            backoff.step();
            let left = backoff.steps();
            for _ in 0..left {
                prop_assert!(backoff.step() <= cap || backoff.factor() == 0.0);
            }
        }
    }

    #[test]
    fn steps_run_out_and_the_duration_stays(backoff in any_backoff()) {
        let mut backoff = backoff.with_jitter(0.0);
        for _ in 0..backoff.steps() {
            backoff.step();
        }
        prop_assert_eq!(backoff.steps().max(0), 0);
        let last = backoff.step_nanos(|| 0.0);
        prop_assert_eq!(backoff.step_nanos(|| 0.0), last);
    }
}
