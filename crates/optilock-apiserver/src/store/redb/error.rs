//! Why a file can't be opened, or copied.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use redb::{
    CommitError, CompactionError, DatabaseError, StorageError, TableError, TransactionError,
};

use super::super::{Fault, ReadError};

/// Why a [`RedbStore`](super::RedbStore) can't be opened. The file is left as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file can't be read, written or made.
    #[error("can't open the store {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has the file open.
    #[error("the store {} is in use by another process: stop that server, or take another file", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is none that a store was ever kept in.
    #[error("{} is no store of optilock ({why}): take another file, this one is left as it is", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What shows it.
        why: String,
    },
    /// The file was a store and can't be read whole.
    #[error("the store {} is damaged ({why}): restore a backup, this file is left as it is", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another version of this program wrote the file.
    #[error("the store {} has format {found}, and this version knows {known}: take the version that wrote it", path.display())]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The format that is known here.
        known: u64,
    },
}

/// Why a store can't be copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The original can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The original can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The copy can't be written.
    #[error("can't write the backup {}: {source}", path.display())]
    Write {
        /// The copy.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Any failure of a database that is open.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Compaction(#[from] CompactionError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl FileError {
    /// What the system said, where it was the system.
    fn io(&self) -> Option<&io::Error> {
        match self {
            Self::Storage(StorageError::Io(error))
            | Self::Table(TableError::Storage(StorageError::Io(error)))
            | Self::Transaction(TransactionError::Storage(StorageError::Io(error)))
            | Self::Commit(CommitError::Storage(StorageError::Io(error)))
            | Self::Compaction(CompactionError::Storage(StorageError::Io(error)))
            | Self::Database(DatabaseError::Storage(StorageError::Io(error)))
            | Self::Io(error) => Some(error),
            _ => None,
        }
    }

    /// What it means for those who write.
    pub(super) fn fault(&self) -> Fault {
        match self.io() {
            Some(error)
                if matches!(
                    error.kind(),
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
                ) =>
            {
                Fault::NoSpace
            }
            _ => Fault::Disk(self.to_string()),
        }
    }

    /// What it means for those who open the file.
    pub(super) fn opening(self, path: PathBuf) -> OpenError {
        let why = self.to_string();
        match self {
            Self::Database(DatabaseError::DatabaseAlreadyOpen) => OpenError::InUse { path },
            Self::Database(DatabaseError::UpgradeRequired(_)) | Self::Table(_) => {
                OpenError::Foreign { path, why }
            }
            _ => match self.io().map(io::Error::kind) {
                // redb says so of a file without its mark.
                Some(ErrorKind::InvalidData) => OpenError::Foreign { path, why },
                Some(ErrorKind::UnexpectedEof) | None => OpenError::Damaged { path, why },
                Some(kind) => OpenError::Io {
                    path,
                    source: io::Error::new(kind, why),
                },
            },
        }
    }
}
