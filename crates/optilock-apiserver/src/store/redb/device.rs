//! The disk below redb, which can be taken back to its last sync.
//!
//! redb never writes over what its last synced commit needs, but for the head of the file, which says where that commit
//! is. So the file is as it was at the last sync once its head is. That is done before a file is opened again whose disk
//! has failed: after a failed sync the system may forget what it could not write and go on showing it to whoever reads, so
//! that redb would find a commit there that is not on the disk, and build on it.

use std::collections::HashSet;
use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use redb::{BackendError, StorageBackend};

/// What redb calls a page: its head has one to itself.
const HEAD: usize = 4096;

type Span = (Bound<u64>, Bound<u64>);

/// A file, or what there is in its place. Clones are the same one, so that a database that is closed takes neither the file nor its
/// locks away.
#[derive(Debug, Clone)]
pub(super) struct Device(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    backend: Box<dyn StorageBackend>,
    head: Mutex<Head>,
    /// A call has failed, and none is let through.
    failed: AtomicBool,
    /// What redb has locked, once for all the times that it opens the file.
    locked: Mutex<HashSet<Span>>,
}

/// The beginning of the file.
#[derive(Debug)]
struct Head {
    /// As of the last sync.
    synced: Vec<u8>,
    /// As it was written since then.
    written: Vec<u8>,
}

impl Head {
    fn write(&mut self, offset: usize, data: &[u8]) {
        let end = offset + data.len();
        if self.written.len() < end {
            self.written.resize(end, 0);
        }
        self.written[offset..end].copy_from_slice(data);
    }
}

impl Device {
    pub(super) fn new(backend: impl StorageBackend) -> io::Result<Self> {
        let length = backend.len()?;
        let length = usize::try_from(length).map_or(HEAD, |length| length.min(HEAD));
        let mut synced = vec![0; length];
        backend.read(0, &mut synced)?;
        Ok(Self(Arc::new(Inner {
            backend: Box::new(backend),
            head: Mutex::new(Head {
                written: synced.clone(),
                synced,
            }),
            failed: AtomicBool::new(false),
            locked: Mutex::default(),
        })))
    }

    /// Lets nothing through any more.
    pub(super) fn fail(&self) {
        self.0.failed.store(true, Ordering::Release);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.0.failed.load(Ordering::Acquire)
    }

    /// Makes the file what it was at the last sync.
    pub(super) fn restore(&self) -> io::Result<()> {
        let mut head = self.0.head.lock();
        if head.written != head.synced {
            self.0.backend.write(0, &head.synced)?;
            head.written = head.synced.clone();
        }
        self.0.failed.store(false, Ordering::Release);
        Ok(())
    }

    /// The same for a database of its own that is only read. What is locked stays so when that is closed.
    pub(super) fn reader(&self) -> Reader {
        Reader(self.clone())
    }

    fn call<T>(
        &self,
        call: impl FnOnce(&dyn StorageBackend) -> Result<T, io::Error>,
    ) -> io::Result<T> {
        if self.has_failed() {
            return Err(io::Error::other("the disk has failed before"));
        }
        call(&*self.0.backend).inspect_err(|_| self.fail())
    }
}

impl StorageBackend for Device {
    fn len(&self) -> io::Result<u64> {
        self.call(|backend| backend.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.call(|backend| backend.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.call(|backend| backend.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.call(|backend| backend.sync_data())?;
        let mut head = self.0.head.lock();
        let Head { synced, written } = &mut *head;
        synced.clone_from(written);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match usize::try_from(offset) {
            Ok(offset) if offset < HEAD => {
                let mut head = self.0.head.lock();
                // Part of it may be written although it fails.
                head.write(offset, data);
                self.call(|backend| backend.write(offset as u64, data))
            }
            _ => self.call(|backend| backend.write(offset, data)),
        }
    }

    // `close` is left to the end of the last clone: until then nobody else may have the file.

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        let mut locked = self.0.locked.lock();
        if locked.contains(&(start, end)) {
            return Ok(true);
        }
        let taken = self.0.backend.try_lock_range(start, end)?;
        if taken {
            locked.insert((start, end));
        }
        Ok(taken)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.backend.unlock_range(start, end)?;
        self.0.locked.lock().remove(&(start, end));
        Ok(())
    }
}

/// A device that is read, and locks nothing: whoever has made it has the locks.
#[derive(Debug)]
pub(super) struct Reader(Device);

impl StorageBackend for Reader {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn write(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(error) = self.backend.close() {
            tracing::debug!(%error, "the file of the store was not unlocked, and is when the process ends");
        }
    }
}
