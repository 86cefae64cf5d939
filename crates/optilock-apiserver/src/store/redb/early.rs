//! The contents of a file, read while redb still goes through it.
//!
//! redb reads a file twice when it opens it, on one thread: once for the checksums, and once for which pages are in use. After the first
//! time what is in the tables is known to be sound, and can be read beside the second.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;
use redb::{Builder, ReadableDatabase, RepairSession};

use super::contents::Contents;
use super::device::Device;

/// How far redb is when it has looked at all checksums, as it tells.
const SUMMED: f64 = 0.5;

/// redb's cache: every page is read once.
const CACHE_BYTES: usize = 1 << 20;

/// What is read early. Clones are the same one; the last of them waits for its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Early(Arc<Reading>);

#[derive(Debug, Default)]
struct Reading(Mutex<Option<JoinHandle<Option<Contents>>>>);

impl Early {
    /// Is told by redb how far it is, and begins to read when it is time. What can't be read early is read later, by those who
    /// can say why: of a file that was not closed redb doesn't know yet what is in it.
    pub(super) fn told(&self, session: &RepairSession, device: &Device) {
        let mut reading = self.0.0.lock();
        if session.progress() < SUMMED || reading.is_some() {
            return;
        }
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES);
        // Before redb goes on, which then writes the head of the file.
        let opened = builder.open_read_only_with_backend(device.reader());
        let Ok(transaction) = opened.as_ref().map(ReadableDatabase::begin_read) else {
            return;
        };
        let thread = thread::Builder::new().name("optilock-early".to_owned());
        let started = thread.spawn(move || {
            // It is open for as long as it is read.
            let _opened = opened;
            Contents::read(&transaction.ok()?, true).ok()
        });
        *reading = started.ok();
    }

    /// What was read.
    pub(super) fn take(&self) -> Option<Contents> {
        self.0.0.lock().take()?.join().ok().flatten()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(thread) = self.0.get_mut().take() {
            // The file is held open until then.
            let _contents = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::store::redb::file::{File, OBJECTS};

    /// So many objects.
    fn filled(objects: u64) -> File {
        let file = File::with_backend(InMemoryBackend::new()).unwrap();
        let transaction = file.database.begin_write().unwrap();
        {
            let mut table = transaction.open_table(OBJECTS).unwrap();
            for number in 0..objects {
                let key = format!("/objects/{number:05}");
                table.insert(&*key, (number, key.as_bytes())).unwrap();
            }
        }
        transaction.commit().unwrap();
        file
    }

    #[test]
    fn both_ends_find_what_one_reader_finds() {
        for objects in [0, 1, 2, 3, 1000, 1001] {
            let file = filled(objects);
            let transaction = file.database.begin_read().unwrap();
            let [one, two] =
                [false, true].map(|together| Contents::read(&transaction, together).unwrap());
            assert_eq!(one.entries.len() as u64, objects);
            assert_eq!(one.entries, two.entries);
        }
    }

    #[test]
    fn what_was_closed_is_read_early_and_what_was_not_is_read_later() {
        let file = filled(1000);
        let device = file.device.clone();
        file.close().unwrap();
        let path = Path::new("memory");
        let early = Early::default();
        let file = File::over(path, device.clone(), Some(early.clone())).unwrap();
        let contents = early.take().unwrap();
        assert_eq!(contents.entries.len(), 1000);

        file.fail();
        device.restore().unwrap();
        let early = Early::default();
        let file = File::over(path, device, Some(early.clone())).unwrap();
        assert!(early.take().is_none());
        let later = file.contents().unwrap();
        assert_eq!(later.entries, contents.entries);
    }
}
