//! Copies of a store.

use std::path::Path;

use super::super::{Page, Range, Retention, Store};
use super::error::{BackupError, OpenError};
use super::file::File;

/// Copies what a store holds to a new file, while it is in use: all objects as they are at one revision, which is
/// returned. Any store can be copied, one in memory too; writers wait as long as a list of everything takes.
///
/// A [`RedbStore`](super::RedbStore) that is opened from the copy begins at a much higher revision, without history: what
/// clients have seen of the original after the copy was made is not taken for something else.
///
/// # Errors
/// When the store can't be read, or the file exists or can't be written.
///
/// ```
/// use optilock_apiserver::store::{Expected, MemoryStore, RedbStore, Retention, Store, back_up};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("copy.redb");
/// let store = MemoryStore::new(Retention::default());
/// store.commit("/a", Expected::Absent, Some("1".into())).await?;
/// back_up(&store, &path).await?;
///
/// let restored = RedbStore::open(&path, Retention::default())?;
/// assert_eq!(restored.get("/a").await?.unwrap().value, "1");
/// # Ok(())
/// # }
/// ```
pub async fn back_up(store: &dyn Store, to: impl AsRef<Path>) -> Result<u64, BackupError> {
    let page = store.range(EVERYTHING).await?;
    let to = to.as_ref().to_owned();
    let written = tokio::task::spawn_blocking(move || write(&page, &to));
    // It is not cancelled, so that this is a panic.
    written
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// Copies a store that no server has open to a new file, as [`back_up`] does; blocks as long as that takes.
///
/// # Errors
/// When the original can't be opened, or the copy can't be written.
pub fn back_up_file(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<u64, BackupError> {
    let loaded = File::open(from.as_ref())?.load(Retention::default())?;
    write(&loaded.state.range(&EVERYTHING)?, to.as_ref())
}

const EVERYTHING: Range<'_> = Range::all("");

fn write(page: &Page, to: &Path) -> Result<u64, BackupError> {
    let written = File::create(to, |copy| File::fill_copy(copy, page));
    match written {
        Ok(()) => Ok(page.revision),
        Err(OpenError::Io { path, source }) => Err(BackupError::Write { path, source }),
        Err(error) => Err(error.into()),
    }
}
