//! Where a server keeps its objects.

use std::{path::PathBuf, sync::Arc};

use optilock_apiserver::store::{BackupError, MemoryStore, OpenError, RedbStore, Retention, Store};

use crate::failure::{Code, Failure};

/// Where objects are kept, as the option says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Memory,
    Redb(PathBuf),
}

impl Place {
    /// Opens the store there; blocks while it is read.
    pub(crate) fn open(&self, retention: Retention) -> Result<Arc<dyn Store>, Failure> {
        Ok(match self {
            Self::Memory => Arc::new(MemoryStore::new(retention)),
            Self::Redb(path) => Arc::new(RedbStore::open(path, retention)?),
        })
    }
}

/// `memory` or `redb:PATH`.
pub(crate) fn place(text: &str) -> Result<Place, String> {
    match text.split_once(':') {
        None if text == "memory" => Ok(Place::Memory),
        Some(("redb", path)) => file(path).map(Place::Redb),
        Some(("etcd", _)) => {
            Err("this version has no etcd store yet; take `memory` or redb:PATH".to_owned())
        }
        _ => Err("take `memory`, or redb:PATH for a file".to_owned()),
    }
}

/// `redb:PATH`.
pub(crate) fn redb(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix("redb:") {
        Some(path) => file(path),
        None => Err("take redb:PATH, the store that a server was given".to_owned()),
    }
}

fn file(path: &str) -> Result<PathBuf, String> {
    match path {
        "" => Err("say which file, as redb:objects.redb".to_owned()),
        path => Ok(path.into()),
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::new(Code::Failed, error.to_string())
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let failure = Self::new(Code::Failed, error.to_string());
        match error {
            BackupError::Write { .. } => {
                failure.hint("give --to a file that does not exist, in a folder that you may write")
            }
            _ => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_memory_or_a_file() {
        assert_eq!(place("memory"), Ok(Place::Memory));
        assert_eq!(place("redb:a:b"), Ok(Place::Redb("a:b".into())));
        assert_eq!(redb("redb:a"), Ok("a".into()));
        for text in [
            "",
            "memory:",
            "redb",
            "redb:",
            "etcd:http://127.0.0.1:2379",
            "sqlite:a",
        ] {
            assert!(place(text).is_err(), "{text}");
        }
        assert!(redb("memory").is_err());
    }
}
