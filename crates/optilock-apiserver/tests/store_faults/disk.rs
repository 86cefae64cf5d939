//! A disk that loses power, fails and lies.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use redb::StorageBackend;

/// What a disk writes at once.
const SECTOR: usize = 512;

/// What goes wrong, and when: at the n-th call that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Power is lost: this call and all later ones fail, and what was not synced is lost, or not, in parts.
    PowerLoss,
    /// This call fails, and some after it; what they were to write is written in part. After a sync that fails, what was not
    /// synced is on the disk or not, is taken for synced all the same, and is what is read.
    Error(io::ErrorKind),
}

/// How a disk behaves.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub fault: Fault,
    pub at: u64,
    /// So many calls fail, where it is not all of them.
    pub lasts: u64,
    /// Whether a sync syncs.
    pub honest: bool,
}

#[derive(Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

#[derive(Debug)]
struct State {
    /// What survives whatever happens.
    durable: Vec<u8>,
    /// What is read: with what is only in the cache.
    cached: Vec<u8>,
    unsynced: VecDeque<Change>,
    plan: Plan,
    calls: u64,
    dead: bool,
    random: StdRng,
}

/// A disk; clones are the same one.
#[derive(Debug, Clone)]
pub struct Disk(Arc<Mutex<State>>);

impl Disk {
    pub fn new(content: Vec<u8>, plan: Plan, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            cached: content.clone(),
            durable: content,
            unsynced: VecDeque::new(),
            plan,
            calls: 0,
            dead: false,
            random: StdRng::seed_from_u64(seed),
        })))
    }

    /// A disk on which nothing goes wrong.
    pub fn healthy(content: Vec<u8>) -> Self {
        let never = Plan {
            fault: Fault::PowerLoss,
            at: u64::MAX,
            lasts: 0,
            honest: true,
        };
        Self::new(content, never, 0)
    }

    /// Calls so far that change something.
    pub fn calls(&self) -> u64 {
        self.0.lock().calls
    }

    /// What is on the disk when the machine starts again: what was synced, and of the rest some, in any order, the last
    /// of it torn.
    pub fn after_power_loss(&self) -> Vec<u8> {
        let mut state = self.0.lock();
        let state = &mut *state;
        let mut content = state.durable.clone();
        let mut rest: Vec<Change> = state.unsynced.drain(..).collect();
        // Often in order, as a disk without a queue does it.
        if state.random.random_bool(0.7) {
            rest.shuffle(&mut state.random);
        }
        let kept = match state.random.random_range(0..4) {
            0 => 0,
            1 => rest.len(),
            _ => state.random.random_range(0..=rest.len()),
        };
        for change in rest.iter().take(kept) {
            apply(&mut content, change);
        }
        if let Some(Change::Write(offset, data)) = rest.get(kept) {
            let sectors = data.len().div_ceil(SECTOR);
            for sector in 0..sectors {
                if state.random.random_bool(0.5) {
                    let (from, to) = (sector * SECTOR, data.len().min((sector + 1) * SECTOR));
                    let part = Change::Write(offset + from as u64, data[from..to].to_vec());
                    apply(&mut content, &part);
                }
            }
        }
        content
    }

    /// What is on the disk when only the program starts again: all that it has written.
    pub fn after_restart(&self) -> Vec<u8> {
        self.0.lock().cached.clone()
    }
}

impl State {
    /// Counts a call; an error when it is the one.
    fn call(&mut self) -> io::Result<()> {
        if self.dead {
            return Err(io::Error::other("the power is off"));
        }
        self.calls += 1;
        if self.calls < self.plan.at || self.calls >= self.plan.at + self.plan.lasts {
            return Ok(());
        }
        match self.plan.fault {
            Fault::PowerLoss => {
                self.dead = true;
                Err(io::Error::other("the power went off"))
            }
            Fault::Error(kind) => Err(kind.into()),
        }
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.cached, &change);
        self.unsynced.push_back(change);
    }
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(length) => content.resize(usize::try_from(*length).unwrap(), 0),
        Change::Write(offset, data) => {
            let from = usize::try_from(*offset).unwrap();
            // A write that came to the disk before the file grew.
            if content.len() < from + data.len() {
                content.resize(from + data.len(), 0);
            }
            content[from..from + data.len()].copy_from_slice(data);
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().cached.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.lock();
        let from = usize::try_from(offset).unwrap();
        let found = state.cached.get(from..from + out.len());
        let found = found.ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        state.call()?;
        state.change(Change::Length(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        let synced = state.call();
        let state = &mut *state;
        if state.plan.honest && !state.dead {
            for change in state.unsynced.drain(..) {
                if synced.is_ok() || state.random.random_bool(0.5) {
                    apply(&mut state.durable, &change);
                }
            }
        }
        synced
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock();
        let called = state.call();
        let written = match called {
            Ok(()) => data.len(),
            Err(_) => state.random.random_range(0..=data.len()),
        };
        state.change(Change::Write(offset, data[..written].to_vec()));
        called
    }
}
