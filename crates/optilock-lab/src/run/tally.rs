//! What became of the operations of a run.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Percentiles, Progress, UpdateCounts};
use crate::history::{Fate, op_id_of};

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Applied,
    Abandoned,
    Declined,
    Unknown,
    /// It was a read.
    Read,
}

/// Counts operations as they end.
#[derive(Debug)]
pub(super) struct Tally {
    entries: Mutex<Vec<Entry>>,
    progress: Progress,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    worker: usize,
    /// From its intended start.
    took_ns: u64,
    /// From its real start.
    busy_ns: u64,
    ended: Ended,
    /// Which of the worker's updates it was, if the history has to tell whether it is in the object all the same.
    in_doubt: Option<u64>,
}

/// An operation that is under way.
#[derive(Debug)]
pub(super) struct Open<'a> {
    tally: &'a Tally,
    worker: usize,
    due: Instant,
    begun: Instant,
    /// Until something better is known: what becomes of it when its worker is stopped now. A write may be on its way.
    pub(super) ended: Ended,
    /// The number of an update that its strategy has given up by the last answer alone, without knowing what became of the
    /// writes before.
    pub(super) in_doubt: Option<u64>,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let (took, busy) = (self.due.elapsed(), self.begun.elapsed());
        self.tally
            .push(self.worker, took, busy, self.ended, self.in_doubt);
    }
}

impl Tally {
    pub(super) fn new(progress: &Progress) -> Self {
        Self {
            entries: Mutex::default(),
            progress: progress.clone(),
        }
    }

    /// Begins an operation, which should have begun when it was due. It is counted when this is dropped.
    pub(super) fn open(&self, worker: usize, due: Instant, is_read: bool) -> Open<'_> {
        Open {
            tally: self,
            worker,
            due,
            begun: Instant::now(),
            ended: if is_read {
                Ended::Abandoned
            } else {
                Ended::Unknown
            },
            in_doubt: None,
        }
    }

    pub(super) fn push(
        &self,
        worker: usize,
        took: Duration,
        busy: Duration,
        ended: Ended,
        in_doubt: Option<u64>,
    ) {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.entries.lock().push(Entry {
            worker,
            took_ns: nanos(took),
            busy_ns: nanos(busy),
            ended,
            in_doubt,
        });
        self.progress
            .done((ended == Ended::Applied).then_some(took));
    }

    /// Settles what was in doubt: an update that was given up is of unknown outcome where one of its writes may have been
    /// applied.
    pub(super) fn settle(&self, fates: &HashMap<&str, Fate>) {
        for entry in &mut *self.entries.lock() {
            let Some(update) = entry.in_doubt.take() else {
                continue;
            };
            let fate = fates.get(op_id_of(entry.worker, update).as_str());
            if fate.is_some_and(|fate| fate.may_be_applied()) {
                entry.ended = Ended::Unknown;
            }
        }
    }

    pub(super) fn counts(&self) -> UpdateCounts {
        let entries = self.entries.lock();
        let count = |ended| entries.iter().filter(|entry| entry.ended == ended).count() as u64;
        let reads = count(Ended::Read);
        UpdateCounts {
            begun: entries.len() as u64 - reads,
            applied: count(Ended::Applied),
            abandoned: count(Ended::Abandoned),
            declined: count(Ended::Declined),
            unknown: count(Ended::Unknown),
            reads,
        }
    }

    pub(super) fn percentiles(&self, ended: Ended) -> Option<Percentiles> {
        let entries = self.entries.lock();
        let times = entries.iter().filter(|entry| entry.ended == ended);
        Percentiles::of(times.map(|entry| entry.took_ns).collect())
    }

    pub(super) fn longest(&self) -> u64 {
        let entries = self.entries.lock();
        let updates = entries.iter().filter(|entry| entry.ended != Ended::Read);
        updates.map(|entry| entry.took_ns).max().unwrap_or(0)
    }

    /// Jain's index of the workers' rates: acknowledged updates for the time that they spent on updates.
    pub(super) fn jain(&self, workers: usize) -> Option<f64> {
        let mut applied = vec![0_u64; workers];
        let mut busy = vec![0_u64; workers];
        for entry in self
            .entries
            .lock()
            .iter()
            .filter(|entry| entry.ended != Ended::Read)
        {
            applied[entry.worker] += u64::from(entry.ended == Ended::Applied);
            busy[entry.worker] = busy[entry.worker].saturating_add(entry.busy_ns);
        }
        let rates = applied
            .iter()
            .zip(&busy)
            .map(|(&applied, &busy)| applied as f64 / busy.max(1) as f64);
        jain(&rates.collect::<Vec<_>>())
    }
}

/// `(Σx)² / (n Σx²)`; none for fewer than two, or where nobody got anything.
fn jain(rates: &[f64]) -> Option<f64> {
    let sum: f64 = rates.iter().sum();
    let squares: f64 = rates.iter().map(|rate| rate * rate).sum();
    (rates.len() > 1 && squares > 0.0)
        .then(|| (sum * sum / (rates.len() as f64 * squares)).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::jain;

    #[test]
    fn jain_tells_one_from_all() {
        assert_eq!(jain(&[2.0, 2.0, 2.0, 2.0]), Some(1.0));
        assert_eq!(jain(&[8.0, 0.0, 0.0, 0.0]), Some(0.25));
        assert_eq!(jain(&[1.0]), None);
        assert_eq!(jain(&[0.0, 0.0]), None);
    }
}
