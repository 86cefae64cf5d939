//! Copies of a store.

use std::path::Path;

use super::error::{BackupError, OpenError};
use super::file::File;

/// Copies a store that no server has open to a new file; the revision at which it is. See
/// [`RedbStore::back_up`](super::RedbStore::back_up), which copies one that is in use.
///
/// # Errors
/// When the original can't be opened, or the copy can't be written.
pub fn back_up(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<u64, BackupError> {
    copy(&File::open(from.as_ref())?, to.as_ref())
}

pub(super) fn copy(file: &File, to: &Path) -> Result<u64, BackupError> {
    let mut revision = 0;
    let mut fill = Ok(());
    let read = file.read(|transaction| {
        fill = File::create(to, |copy| {
            revision = File::fill_copy(transaction, copy)?;
            Ok(())
        });
        Ok(())
    });
    read?;
    match fill {
        Ok(()) => Ok(revision),
        Err(OpenError::Io { path, source }) => Err(BackupError::Write { path, source }),
        Err(error) => Err(error.into()),
    }
}
