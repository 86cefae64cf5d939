//! A copy of all objects, as a file of redb.

use std::fs::File;
use std::io::{self, Read};

use bytes::Bytes;
use futures::stream;
use http::StatusCode;
use http::header::CONTENT_LENGTH;

use super::body::Body;
use super::reply::Reply;
use crate::status::Status;
use crate::store::{BackupError, Store, back_up};

/// Where a server on a port, or in process, answers a GET with a file that [`RedbStore`](crate::store::RedbStore) opens:
/// all objects as of one version, whatever store they are in.
///
/// `kubectl get --raw /optilock/backup >FILE` saves it. Whoever may read all objects may do that, which is everybody who has
/// a token.
pub const BACKUP_PATH: &str = "/optilock/backup";

/// So much is sent at a time.
const PIECE: usize = 256 << 10;

/// The copy, which is made beside the answer and sent from a file that has no name.
pub(super) async fn answer(store: &dyn Store) -> Result<Reply, Status> {
    let (file, length) = copy(store).await.map_err(|error| {
        tracing::error!(%error, "a backup failed");
        Status::untyped(format!("the backup failed: {error}"))
    })?;
    let pieces = stream::unfold(file, |file| async {
        let (piece, file) = tokio::task::spawn_blocking(|| next(file)).await.ok()?;
        match piece {
            Ok(piece) if piece.is_empty() => None,
            Ok(piece) => Some((piece, file)),
            Err(error) => {
                // The answer is then shorter than it says, and the client knows.
                tracing::error!(%error, "a backup can't be read");
                None
            }
        }
    });
    let reply = Reply::new(
        StatusCode::OK,
        "application/octet-stream",
        Body::events(pieces),
    );
    Ok(reply.header(CONTENT_LENGTH, &length.to_string()))
}

async fn copy(store: &dyn Store) -> Result<(File, u64), BackupError> {
    let folder = tempfile::tempdir().map_err(temporary)?;
    let path = folder.path().join("copy");
    back_up(store, &path).await?;
    let file = File::open(&path).map_err(temporary)?;
    let length = file.metadata().map_err(temporary)?.len();
    Ok((file, length))
}

fn temporary(source: io::Error) -> BackupError {
    BackupError::Write {
        path: std::env::temp_dir(),
        source,
    }
}

fn next(mut file: File) -> (io::Result<Bytes>, File) {
    let mut piece = Vec::with_capacity(PIECE);
    let read = (&mut file).take(PIECE as u64).read_to_end(&mut piece);
    (read.map(|_| piece.into()), file)
}
