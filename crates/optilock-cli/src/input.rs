//! Files that the lab has written.

use std::{
    fs::File,
    io::{self, BufReader},
    path::Path,
};

use optilock_lab::history::{History, HistoryError};

use crate::failure::{Code, Failure};

/// Reads a history from a file, or from standard input where the path is `-`.
pub(crate) fn history(path: &Path) -> Result<History, Failure> {
    if path == Path::new("-") {
        return History::read(io::stdin().lock())
            .map_err(|error| no_history("the standard input", &error));
    }
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    History::read(BufReader::with_capacity(1 << 20, file))
        .map_err(|error| no_history(&path.display().to_string(), &error))
}

pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let message = format!("can't read the history {}: {error}", path.display());
    Failure::new(Code::Usage, message).hint("HISTORY is a file that a run has recorded")
}

fn no_history(name: &str, error: &HistoryError) -> Failure {
    let failure = Failure::new(Code::Usage, format!("{name} is no history: {error}"));
    match error {
        HistoryError::Line { line, .. } => failure.hint(format!(
            "the {} lines before can be checked alone: head -n {} FILE | optilock check -",
            line - 1,
            line - 1
        )),
        _ => failure.hint("docs/history.md describes the format"),
    }
}
