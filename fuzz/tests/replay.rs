//! Replays the committed inputs: the seeds that fuzzing begins with, and what it has found.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::fs;
use std::path::Path;

/// A fuzz target.
type Target = fn(&[u8]);

/// Runs a target on every file of its folders.
fn replay(name: &str, target: Target) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut inputs = 0;
    for folder in ["seeds", "found"] {
        let folder = root.join(folder).join(name);
        // Not every target has found something.
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            target(&fs::read(path).unwrap());
            inputs += 1;
        }
    }
    assert!(inputs > 0, "there are no inputs for {name}");
}

#[test]
fn protobuf() {
    replay("protobuf", optilock_fuzz::protobuf);
}

#[test]
fn patches() {
    replay("patches", optilock_fuzz::patches);
}

#[test]
fn selectors() {
    replay("selectors", optilock_fuzz::selectors);
}

#[test]
fn tokens() {
    replay("tokens", optilock_fuzz::tokens);
}

#[test]
fn router() {
    replay("router", optilock_fuzz::router);
}

/// Not only the seeds: what else they are made of, cut short and damaged.
#[test]
fn damaged_seeds() {
    let targets: [(&str, Target); 4] = [
        ("protobuf", optilock_fuzz::protobuf),
        ("patches", optilock_fuzz::patches),
        ("selectors", optilock_fuzz::selectors),
        ("tokens", optilock_fuzz::tokens),
    ];
    for (name, target) in targets {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("seeds")
            .join(name);
        for entry in fs::read_dir(folder).unwrap() {
            let seed = fs::read(entry.unwrap().path()).unwrap();
            for cut in (0..seed.len()).step_by(1 + seed.len() / 16) {
                target(&seed[..cut]);
                let mut damaged = seed.clone();
                damaged[cut] ^= 0x55;
                target(&damaged);
            }
        }
    }
}
