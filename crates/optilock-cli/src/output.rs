//! Results in files, or on standard output.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use serde::Serialize;

use crate::failure::{Code, Failure};

/// Whether a path is `-`, which stands for standard output.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// Writes a file whole, or not at all, or to standard output where the path is `-`. The flag is the one that names it.
pub(crate) fn write(flag: &str, path: &Path, content: &[u8]) -> Result<(), Failure> {
    if is_stdout(path) {
        return Ok(io::stdout().lock().write_all(content)?);
    }
    put(path, content).map_err(|error| {
        let message = format!("can't write {}: {error}", path.display());
        Failure::new(Code::Failed, message).hint(format!("give {flag} a file that you may write"))
    })
}

/// [Writes](write) a value as JSON.
pub(crate) fn json(flag: &str, path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    let mut json = serde_json::to_vec_pretty(value).map_err(io::Error::from)?;
    json.push(b'\n');
    write(flag, path, &json)
}

fn put(path: &Path, content: &[u8]) -> io::Result<()> {
    // A device or a pipe can't be replaced by a file.
    if fs::metadata(path).is_ok_and(|known| !known.is_file()) {
        return fs::write(path, content);
    }
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(directory)?;
    file.write_all(content)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
