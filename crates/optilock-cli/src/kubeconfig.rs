//! The kubeconfig that a server writes.

use std::{
    fs,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::failure::{Code, Failure};

/// The first line of every kubeconfig that is written here.
const MARK: &str =
    "# Written by `optilock serve`, which overwrites it and removes it at its end.\n";

/// A file of our own, at a place that the user has chosen.
#[derive(Debug)]
pub(crate) struct OwnedFile {
    path: PathBuf,
}

impl OwnedFile {
    /// Makes sure that no file of anybody else's is at that place: people have kubeconfigs with
    /// other clusters' credentials.
    pub(crate) fn claim(path: PathBuf) -> Result<Self, Failure> {
        let file = Self { path };
        match fs::read(&file.path) {
            Ok(content) if content.is_empty() || is_ours(&content) => Ok(file),
            Ok(_) => Err(Failure::new(
                Code::Usage,
                format!(
                    "{} is already there and was not written by optilock",
                    file.path.display()
                ),
            )
            .hint("give --kubeconfig a file that doesn't exist yet")),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let directory = file.directory();
                if directory.is_dir() {
                    return Ok(file);
                }
                Err(Failure::new(
                    Code::Usage,
                    format!("there is no directory {}", directory.display()),
                )
                .hint("give --kubeconfig a file in a directory that exists"))
            }
            Err(error) => Err(Failure::new(
                Code::Usage,
                format!("can't use {}: {error}", file.path.display()),
            )
            .hint("give --kubeconfig a file that you may read and write")),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn directory(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        }
    }

    /// Writes the file in one step, so that nobody reads half of it. Only its owner may read it.
    pub(crate) fn write(&self, content: &str) -> Result<(), Failure> {
        let written = NamedTempFile::new_in(self.directory()).and_then(|mut file| {
            file.write_all(MARK.as_bytes())?;
            file.write_all(content.as_bytes())?;
            file.persist(&self.path).map_err(|error| error.error)
        });
        written.map(drop).map_err(|error| {
            Failure::new(
                Code::Failed,
                format!("can't write {}: {error}", self.path.display()),
            )
            .hint("give --kubeconfig a file in a directory that you may write to")
        })
    }

    /// Removes the file, unless somebody else has put another one in its place.
    pub(crate) fn remove(self) -> io::Result<()> {
        match fs::read(&self.path) {
            Ok(content) if is_ours(&content) => fs::remove_file(&self.path),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn is_ours(content: &[u8]) -> bool {
    content.starts_with(MARK.as_bytes())
}
