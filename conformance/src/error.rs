//! What can go wrong beside a server's own refusals, which are answers.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// Result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a sequence could not be played, recorded or compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the corpus, a recording or a kubeconfig can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{at}: {message}")]
    Malformed {
        /// The file and the place in it.
        at: String,
        /// What is wrong with it.
        message: String,
    },
    /// The recording was made from another corpus.
    #[error("the recording of {0:?} is older than its corpus: run `cargo xtask record`")]
    Stale(String),
    /// The connection failed.
    #[error("asking {address}: {source}")]
    Connection {
        /// The server.
        address: String,
        /// What the connection said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A namespace or another thing that every sequence needs could not be made.
    #[error("preparing a sequence: {0}")]
    Preparation(String),
}

impl Error {
    /// An error of the file system.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::File {
            path: path.to_owned(),
            source,
        }
    }

    /// A file that is not what it should be.
    pub(crate) fn malformed(at: impl Display, message: impl Display) -> Self {
        Self::Malformed {
            at: at.to_string(),
            message: message.to_string(),
        }
    }

    /// An error of the connection to a server.
    pub(crate) fn connection(
        address: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Connection {
            address: address.to_owned(),
            source: source.into(),
        }
    }
}
