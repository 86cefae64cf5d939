//! Whatever has become of a history's file, the checker ends with a verdict or with an error that names a line.
//!
//! `OPTILOCK_SOAK_UPDATES` says how many files are mangled, `OPTILOCK_SOAK_SEED` how: `cargo xtask soak --only
//! mangled-histories`.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod check_sim;

use std::panic;

use check_sim::Plan;
use optilock_lab::{
    check::{Verdict, check},
    history::{History, HistoryError, Writer},
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Map, Value, json};

/// How many files are mangled, and where the randomness starts.
fn size_and_seed() -> (u64, u64) {
    let asked = |name: &str, usual: u64| {
        let text = std::env::var(name).ok();
        text.map_or(usual, |text| text.parse().unwrap())
    };
    (
        asked("OPTILOCK_SOAK_UPDATES", 2000),
        asked("OPTILOCK_SOAK_SEED", 1),
    )
}

/// Histories of servers without and with bugs, with watches, faults and a foreign writer.
fn whole() -> Vec<Vec<u8>> {
    let plans = (0..12).map(|seed| Plan {
        updates: 4,
        ..Plan::new(seed, None)
    });
    plans
        .map(|plan| Writer::write_all(Vec::new(), &plan.run().0).unwrap())
        .collect()
}

/// Lines, without their ends.
fn lines(file: &[u8]) -> Vec<Vec<u8>> {
    file.split(|&byte| byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}

/// What a line may have instead of what it has.
fn strange(rng: &mut StdRng) -> Value {
    let strange = [
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(""),
        json!("0"),
        json!("18446744073709551615"),
        json!("18446744073709551616"),
        json!("\u{0}"),
        json!("\u{1F980}"),
        json!("applied"),
        json!("unknown"),
        json!("delete"),
        json!("BOOKMARK"),
        json!("OPENED"),
        json!([]),
        json!(["w0-0", 7]),
        json!({}),
        json!([{"what": "backoff", "start_ns": u64::MAX, "end_ns": 0}]),
    ];
    strange.choose(rng).unwrap().clone()
}

/// Does something to one field of a line: takes it away, gives it another value, or that of another field.
fn bend(line: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice::<Value>(line) else {
        return line.to_vec();
    };
    let names: Vec<String> = fields.keys().cloned().collect();
    let Some(name) = names.choose(rng) else {
        return line.to_vec();
    };
    match rng.random_range(0..4) {
        0 => {
            fields.remove(name);
        }
        1 => {
            fields.insert(name.clone(), strange(rng));
        }
        2 => {
            let known = [
                "type", "op_id", "uid", "rv", "base", "value", "add", "watch", "spans",
            ];
            let name = known.choose(rng).copied().unwrap_or_default();
            fields.insert(name.to_owned(), strange(rng));
        }
        _ => {
            let other = names
                .choose(rng)
                .and_then(|other| fields.get(other))
                .cloned();
            fields.insert(name.clone(), other.unwrap_or(Value::Null));
        }
    }
    without_order(fields, rng)
}

/// A line of these fields, now and then with one of them twice.
fn without_order(fields: Map<String, Value>, rng: &mut StdRng) -> Vec<u8> {
    let mut line = Value::Object(fields).to_string();
    if rng.random_bool(0.1) && line.len() > 2 {
        line.insert_str(1, "\"rv\":\"1\",");
    }
    line.into_bytes()
}

/// Does one thing to a file.
fn mangle(file: &mut Vec<u8>, others: &[Vec<u8>], rng: &mut StdRng) {
    if file.is_empty() {
        return;
    }
    let at = rng.random_range(0..file.len());
    let until = rng.random_range(at..file.len());
    match rng.random_range(0..20) {
        0 => file[at] = rng.random(),
        1 => file[at] = b'0' + rng.random_range(0..10),
        2 => file.insert(at, 0),
        3 => file.truncate(at),
        4 => {
            file.drain(at..until);
        }
        5 => file.swap(at, until),
        6 => file.rotate_left(at),
        // A number that no machine can hold.
        7 => file.splice(at..at, vec![b'9'; 400]).for_each(drop),
        // Deep nesting.
        8 => file.splice(at..at, vec![b'['; 300]).for_each(drop),
        how => {
            let mut lines = lines(file);
            let line = rng.random_range(0..lines.len());
            let other = rng.random_range(0..lines.len());
            match how {
                9 | 14 => lines.swap(line, other),
                10 => lines.insert(other, lines[line].clone()),
                11 => {
                    lines.remove(line);
                }
                12 | 15..=19 => lines[line] = bend(&lines[line], rng),
                // Of another history.
                _ => lines
                    .splice(
                        line..other.max(line),
                        self::lines(others.choose(rng).unwrap()),
                    )
                    .for_each(drop),
            }
            *file = lines.join(&b'\n');
        }
    }
}

/// What becomes of a file: a verdict, or what is told of it.
fn judge(file: &[u8]) -> Result<Verdict, String> {
    let count = file.split(|&byte| byte == b'\n').count() as u64;
    match History::read(file) {
        Ok(history) => Ok(check(&history)),
        Err(error) => {
            let told = error.to_string();
            if let HistoryError::Line { line, .. } = error {
                assert!((2..=count).contains(&line), "{told}, of {count} lines");
                assert!(told.starts_with(&format!("line {line}: ")), "{told}");
            } else {
                assert!(
                    told.contains("line 1") || told.contains("empty") || told.contains("version"),
                    "{told}"
                );
            }
            Err(told)
        }
    }
}

#[test]
fn mangled_histories_crash_nothing() {
    let (size, seed) = size_and_seed();
    let whole = whole();
    let (mut ok, mut violated, mut refused) = (0, 0, 0);
    for number in 0..size {
        let mut rng = StdRng::seed_from_u64(seed.wrapping_add(number));
        let mut file = whole.choose(&mut rng).unwrap().clone();
        for _ in 0..rng.random_range(1..=3) {
            mangle(&mut file, &whole, &mut rng);
        }
        let judged = panic::catch_unwind(|| judge(&file)).unwrap_or_else(|_| {
            panic!(
                "OPTILOCK_SOAK_UPDATES=1 OPTILOCK_SOAK_SEED={} does it again",
                seed + number
            )
        });
        match judged {
            Ok(verdict) if verdict.is_ok() => ok += 1,
            Ok(_) => violated += 1,
            Err(_) => refused += 1,
        }
    }
    println!(
        "of {size} mangled histories {ok} were fine, {violated} violated rules and {refused} were refused"
    );
    if size >= 1000 {
        assert!(
            ok.min(violated).min(refused) > size / 100,
            "they are mangled in one way only"
        );
    }
}
