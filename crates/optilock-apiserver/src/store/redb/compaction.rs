//! A file that is much longer than what is in it is made small when it is opened.
//!
//! What is deleted leaves free pages all over the file. They are used again, but only those at its end are given back to
//! the system. A start reads the file whole anyway, and nobody waits for a write yet.

use std::collections::HashSet;
use std::iter;
use std::mem;
use std::sync::Arc;
use std::time::Instant;

use redb::{ReadableTable, StorageBackend};

use super::super::state::State;
use super::error::{FileError, OpenError};
use super::file::{File, LOG, Loaded, META, OBJECTS, REVISION, Reopened, Unopened, logged, settle};
use super::journal::Journal;

/// A shorter file is left alone, in bytes.
const SHORTEST: u64 = 4 << 20;

/// So many times as long as what it holds is a file that is mostly free. Pages that are in use are full to a third at least, so
/// that a file that was just made small is shorter.
const FACTOR: u64 = 4;

/// Makes a file small that is mostly free. One that can't be written is taken as it is: what is in it can be read.
pub(super) fn compacted(mut file: File, mut loaded: Loaded) -> Result<(File, Loaded), OpenError> {
    match compact(&mut file, &mut loaded) {
        Ok(()) => Ok((file, loaded)),
        Err(error) => {
            let path = file.path().display().to_string();
            tracing::warn!(%error, path, "the store's file can't be made smaller, and stays as it is");
            match file.fail().reopen(&loaded.state, &[]) {
                Ok(Reopened { file, journal, .. }) => Ok((file, Loaded { journal, ..loaded })),
                Err(Unopened::Failing(error) | Unopened::Lost(error)) => Err(error),
            }
        }
    }
}

fn compact(file: &mut File, loaded: &mut Loaded) -> Result<(), FileError> {
    let before = file.device.len()?;
    if before < SHORTEST || before / FACTOR < loaded.state.bytes() {
        return Ok(());
    }
    let path = file.path().display().to_string();
    tracing::info!(
        path,
        bytes = before,
        "the store's file is mostly free, and is made smaller"
    );
    let started = Instant::now();
    let journal = Journal::new(Vec::new(), loaded.state.revision() + 1);
    let behind = mem::replace(&mut loaded.journal, journal).into_behind();
    forget(file, &loaded.state, &behind)?;
    file.database.compact()?;
    let (bytes, took) = (file.device.len()?, started.elapsed());
    tracing::info!(path, bytes, ?took, "the store's file is smaller");
    Ok(())
}

/// Brings all rows of objects up to date, and leaves of the log what readers may still ask for.
fn forget(file: &File, state: &State, behind: &[Arc<str>]) -> Result<(), FileError> {
    let mut transaction = file.database.begin_write()?;
    transaction.set_two_phase_commit(true);
    {
        settle(&mut transaction.open_table(OBJECTS)?, behind, state)?;
        let mut log = transaction.open_table(LOG)?;
        // Where each row ends, and when it was written.
        let mut rows = Vec::new();
        for row in log.iter()? {
            let (first, group) = row?;
            let (time, changes) = group.value();
            rows.push((first.value() + changes.len() as u64, time));
        }
        log.retain(|_, _| false)?;
        let history = state.history();
        let begins = history.first().map(|event| event.revision - 1);
        let mut left = history.iter().peekable();
        let mut known = HashSet::new();
        for (end, time) in rows {
            let row: Vec<_> =
                iter::from_fn(|| left.next_if(|event| event.revision < end)).collect();
            if let Some(first) = row.first() {
                let changes: Vec<_> = row
                    .iter()
                    .map(|event| logged(event, known.insert(&event.key)))
                    .collect();
                log.insert(first.revision, (time, changes))?;
            }
        }
        // An empty log says nothing of the revision.
        let mut meta = transaction.open_table(META)?;
        meta.insert(REVISION, begins.unwrap_or(state.revision()))?;
    }
    Ok(transaction.commit()?)
}
