//! The redb store on a disk that fails: power that is lost at any moment, calls that fail, a full disk. What was
//! acknowledged or seen stays, what was refused never comes, and no revision is used twice.
//!
//! Each case is a seed: `OPTILOCK_SOAK_SEED` is the first and `OPTILOCK_SOAK_UPDATES` says how many. What the disk does
//! follows from the seed; which commits share a group is up to the threads.
// A panic is how a test fails; the disk is shared by the tests of this file.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod disk;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use disk::{Disk, Fault, Plan};
use futures::FutureExt;
use futures::future::join_all;
use optilock_apiserver::store::{
    CommitError, Expected, OpenError, Range, RedbStore, Retention, Store,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::runtime::Builder;

const KEYS: usize = 12;
/// Writes that are refused one after the other while the disk may be well: they don't wait for it.
const TRIES: usize = 10_000_000;
/// Lives of a store, each of which ends in a fault.
const LIVES: u64 = 3;

/// A process may be stopped for as long as one likes in the middle of a case.
const FOREVER: Retention = Retention {
    age: Duration::MAX,
    events: usize::MAX,
};

/// What is soon forgotten.
const LITTLE: Retention = Retention {
    age: Duration::MAX,
    events: 100,
};

/// What writers and watchers know of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    key: String,
    value: Option<Bytes>,
}

/// What the outside has been told.
#[derive(Debug, Default)]
struct Outside {
    /// Acknowledged, or seen by the watcher, by revision.
    certain: BTreeMap<u64, Known>,
    /// Values that were refused.
    refused: BTreeSet<Bytes>,
    values: u64,
}

impl Outside {
    fn know(&mut self, revision: u64, known: Known) -> Result<(), String> {
        match self.certain.entry(revision) {
            Entry::Occupied(before) if *before.get() != known => Err(format!(
                "revision {revision} is {:?} and {known:?}",
                before.get()
            )),
            Entry::Occupied(_) => Ok(()),
            Entry::Vacant(place) => {
                place.insert(known);
                Ok(())
            }
        }
    }

    fn value(&mut self) -> Bytes {
        self.values += 1;
        // Some are larger than a page.
        let length = if self.values.is_multiple_of(7) {
            6000
        } else {
            40
        };
        Bytes::from(format!("{:0length$}", self.values))
    }
}

fn key(at: usize) -> String {
    format!("/p/{at}")
}

/// Groups of commits, and what the outside learns of them, until the disk fails for good.
async fn live(
    store: &RedbStore,
    outside: &mut Outside,
    random: &mut StdRng,
    fault: Fault,
) -> Result<(), String> {
    let mut watch = store.watch("/", store.revision()).map_err(text)?;
    for _ in 0..40 {
        let mut writes = Vec::new();
        for at in 0..KEYS {
            if random.random_bool(0.5) {
                let held = store.get(&key(at)).await.map_err(text)?;
                let deletes = held.is_some() && random.random_bool(0.2);
                let value = (!deletes).then(|| outside.value());
                let expected = held.map_or(Expected::Absent, |e| Expected::Revision(e.revision));
                writes.push((key(at), expected, value));
            }
        }
        let commits = writes
            .iter()
            .map(|(key, expected, value)| store.commit(key, *expected, value.clone()));
        let mut failed = false;
        let results = join_all(commits).await;
        for ((key, _, value), result) in writes.into_iter().zip(results) {
            match result {
                Ok(revision) => outside.know(revision, Known { key, value })?,
                Err(CommitError::Refused(_)) => {
                    outside.refused.extend(value);
                    failed = true;
                }
                Err(CommitError::Unknown(_)) => failed = true,
                Err(error) => return Err(format!("{key}: {error}")),
            }
        }
        while let Some(events) = watch.next().now_or_never() {
            for event in events.map_err(text)? {
                let key = event.key.to_string();
                let value = event.value.clone();
                outside.know(event.revision, Known { key, value })?;
            }
        }
        if failed {
            // Reads go on.
            store.get(&key(0)).await.map_err(text)?;
            if fault == Fault::PowerLoss {
                return late(store, outside).await.map(|_| ());
            }
            let mut tries = 0;
            while !late(store, outside).await? {
                tries += 1;
                if tries == TRIES {
                    return Err("the disk is well and nothing is written".to_owned());
                }
            }
        }
    }
    Ok(())
}

/// A write after a failure: it is written, or says for certain that it is not, or is the next to fail.
async fn late(store: &RedbStore, outside: &mut Outside) -> Result<bool, String> {
    let key = "/late";
    let held = store.get(key).await.map_err(text)?;
    let expected = held.map_or(Expected::Absent, |e| Expected::Revision(e.revision));
    let value = outside.value();
    match store.commit(key, expected, Some(value.clone())).await {
        Ok(revision) => {
            let (key, value) = (key.to_owned(), Some(value));
            outside.know(revision, Known { key, value })?;
            return Ok(true);
        }
        Err(CommitError::Refused(_)) => {
            outside.refused.insert(value);
        }
        Err(CommitError::Unknown(_)) => {}
        Err(error) => return Err(format!("after a failure a commit got {error}")),
    }
    Ok(false)
}

/// Compares what a store has with what the outside knows.
async fn compare(store: &RedbStore, outside: &Outside) -> Result<(), String> {
    let newest = store.revision();
    if let Some((last, known)) = outside.certain.last_key_value()
        && *last > newest
    {
        return Err(format!(
            "{known:?} at {last} is lost: the newest is {newest}"
        ));
    }
    // All of history is kept here: it has to be the one that the outside has seen.
    let mut watch = store.watch("/", 1).map_err(text)?;
    let mut present: BTreeMap<String, (u64, Bytes)> = BTreeMap::new();
    let mut seen = 1;
    while seen < newest {
        for event in watch.next().await.map_err(text)? {
            if event.revision != seen + 1 {
                return Err(format!("{} comes after {seen}", event.revision));
            }
            seen = event.revision;
            let found = Known {
                key: event.key.to_string(),
                value: event.value.clone(),
            };
            if let Some(known) = outside.certain.get(&seen)
                && *known != found
            {
                return Err(format!("{seen} was {known:?} and is {found:?}"));
            }
            if let Some(value) = &event.value
                && outside.refused.contains(value)
            {
                return Err(format!("{found:?} was refused and is there"));
            }
            match found.value {
                Some(value) => present.insert(found.key, (seen, value)),
                None => present.remove(&found.key),
            };
        }
    }
    let range = Range::all("/");
    let page = store.range(range).await.map_err(text)?;
    let objects: BTreeMap<String, (u64, Bytes)> = page
        .entries
        .into_iter()
        .map(|entry| (entry.key.to_string(), (entry.revision, entry.value)))
        .collect();
    if objects != present {
        return Err("the objects are not what history makes of them".to_owned());
    }
    Ok(())
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// One store, some lives. `plan` draws what goes wrong in each.
async fn case(seed: u64, plan: &dyn Fn(&mut StdRng) -> Plan) -> Result<(), String> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut outside = Outside::default();
    let mut content = Vec::new();
    for life in 0..LIVES {
        let plan = plan(&mut random);
        let existed = !content.is_empty();
        let disk = Disk::new(content, plan, random.random());
        let mut made = true;
        match RedbStore::with_backend(disk.clone(), FOREVER) {
            Ok(store) => {
                compare(&store, &outside)
                    .await
                    .map_err(|error| format!("life {life}: {error}"))?;
                live(&store, &mut outside, &mut random, plan.fault)
                    .await
                    .map_err(|error| format!("life {life}: {error}"))?;
            }
            // The fault struck while the file was opened.
            Err(OpenError::Io { .. }) => made = existed,
            Err(error) => return Err(format!("life {life}: {error}")),
        }
        content = match plan.fault {
            Fault::Error(_) if random.random_bool(0.5) => disk.after_restart(),
            _ => disk.after_power_loss(),
        };
        // What failed while it was made is no store yet; `RedbStore::open` makes it under another name.
        if !made {
            content.clear();
        }
    }
    let store = RedbStore::with_backend(Disk::healthy(content), FOREVER).map_err(text)?;
    compare(&store, &outside).await?;
    let newest = outside.certain.last_key_value().map_or(0, |last| *last.0);
    let next = store.commit("/new", Expected::Absent, Some(outside.value()));
    let next = next.await.map_err(text)?;
    if next <= newest {
        return Err(format!("{next} was used before"));
    }
    Ok(())
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
    )
}

/// Runs the cases, and returns those that don't hold.
fn failures(cases: u64, plan: &(dyn Fn(&mut StdRng) -> Plan + Sync)) -> Vec<(u64, String)> {
    let first = number("OPTILOCK_SOAK_SEED").unwrap_or(1);
    let runtime = Arc::new(Builder::new_current_thread().enable_time().build().unwrap());
    (first..first + cases)
        .filter_map(|seed| {
            let done = runtime.block_on(case(seed, plan));
            done.err().map(|error| (seed, error))
        })
        .collect()
}

/// Calls of a life that is not cut short; a fault comes before, mostly.
const CALLS: u64 = 400;

#[test]
fn what_was_acknowledged_survives() {
    let cases = number("OPTILOCK_SOAK_UPDATES").unwrap_or(100);
    let failed = failures(cases, &|random| Plan {
        fault: match random.random_range(0..5) {
            0 => Fault::Error(ErrorKind::StorageFull),
            1 => Fault::Error(ErrorKind::Other),
            _ => Fault::PowerLoss,
        },
        at: random.random_range(1..CALLS),
        lasts: match random.random_bool(0.5) {
            true => 1,
            false => random.random_range(1..10),
        },
        honest: true,
    });
    println!("{cases} cases, {} don't hold", failed.len());
    assert!(failed.is_empty(), "{failed:#?}");
}

/// A file that is mostly free, with little history: what is in it, and its bytes.
async fn mostly_free() -> (BTreeMap<String, (u64, Bytes)>, Vec<u8>) {
    let disk = Disk::healthy(Vec::new());
    let store = RedbStore::with_backend(disk.clone(), LITTLE).unwrap();
    let value = Bytes::from("x".repeat(3000));
    let keys: Vec<_> = (0..2000).map(|at| format!("/m/{at:04}")).collect();
    let made = keys
        .iter()
        .map(|key| store.commit(key, Expected::Absent, Some(value.clone())));
    let made = join_all(made).await.into_iter().map(Result::unwrap);
    let (kept, deleted): (Vec<_>, Vec<_>) = keys.iter().zip(made).partition(|(_, at)| at % 16 == 0);
    let deletions = deleted
        .iter()
        .map(|(key, at)| store.commit(key, Expected::Revision(*at), None));
    for deleted in join_all(deletions).await {
        deleted.unwrap();
    }
    store.close().await;
    let kept = kept
        .into_iter()
        .map(|(key, at)| (key.clone(), (at, value.clone())));
    (kept.collect(), disk.after_restart())
}

/// A start that makes a file small and is cut short by a fault, at any call: nothing is lost by it.
#[tokio::test]
async fn a_file_that_is_made_small_on_a_bad_disk_is_whole() {
    const LATE: &str = "/late";
    let cases = number("OPTILOCK_SOAK_UPDATES").unwrap_or(60).div_ceil(2);
    let first = number("OPTILOCK_SOAK_SEED").unwrap_or(1);
    let (kept, content) = mostly_free().await;
    let disk = Disk::healthy(content.clone());
    let revision = RedbStore::with_backend(disk.clone(), LITTLE)
        .unwrap()
        .revision();
    let (calls, small) = (disk.calls(), disk.after_restart().len());
    assert!(small * 2 < content.len(), "{small} of {}", content.len());
    let (mut cut, mut went_on) = (0, 0);
    for seed in first..first + cases {
        let mut random = StdRng::seed_from_u64(seed);
        let fault = match random.random_range(0..3) {
            0 => Fault::Error(ErrorKind::StorageFull),
            1 => Fault::Error(ErrorKind::Other),
            _ => Fault::PowerLoss,
        };
        let plan = Plan {
            fault,
            at: random.random_range(1..calls),
            lasts: random.random_range(1..4),
            honest: true,
        };
        let disk = Disk::new(content.clone(), plan, random.random());
        let mut acknowledged = None;
        match RedbStore::with_backend(disk.clone(), LITTLE) {
            Ok(store) => {
                let written = store.commit(LATE, Expected::Absent, Some("late".into()));
                acknowledged = written.await.ok();
                went_on += u32::from(fault != Fault::PowerLoss);
            }
            Err(OpenError::Io { .. }) => cut += 1,
            Err(error) => panic!("seed {seed}: {error}"),
        }
        let content = match fault {
            Fault::Error(_) if random.random_bool(0.5) => disk.after_restart(),
            _ => disk.after_power_loss(),
        };
        let store = RedbStore::with_backend(Disk::healthy(content), LITTLE).unwrap();
        let range = Range::all("/");
        let page = store.range(range).await.unwrap();
        let held = page.entries.into_iter();
        let mut held: BTreeMap<_, _> = held
            .map(|entry| (entry.key.to_string(), (entry.revision, entry.value)))
            .collect();
        let late = held.remove(LATE).map(|(at, _)| at);
        assert!(
            acknowledged.is_none() || late == acknowledged,
            "seed {seed}: {late:?} instead of {acknowledged:?}"
        );
        assert!(held == kept, "seed {seed}: {} objects", held.len());
        assert!(page.revision >= revision, "seed {seed}: {}", page.revision);
        store.watch("/", revision - 10).unwrap();
    }
    println!("{cases} starts on a bad disk: {cut} were cut short, {went_on} went on");
    assert!(cut > 0 && went_on > 0);
}

/// Without syncs the same cases fail: these tests can tell.
#[test]
fn without_syncs_it_would_not() {
    let failed = failures(40, &|random| Plan {
        fault: Fault::PowerLoss,
        at: random.random_range(CALLS / 4..CALLS),
        lasts: 1,
        honest: false,
    });
    println!("of 40 cases without syncs, {} don't hold", failed.len());
    assert!(failed.len() > 10, "{failed:#?}");
}
