//! Running a target on files.

use std::{env, fs, io};

/// Runs `target` on each file that the command line names.
///
/// # Errors
/// A file can't be read.
pub fn replay(target: fn(&[u8])) -> io::Result<()> {
    for path in env::args_os().skip(1) {
        target(&fs::read(&path)?);
        println!("ok    {}", path.display());
    }
    Ok(())
}
