use std::io;

/// Why a file can't be read as a history.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The file can't be read any further.
    #[error("line {line} can't be read: {source}")]
    Unreadable {
        /// The line, from 1.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// The file is empty.
    #[error("the file is empty; a history begins with a header, as {}", EXAMPLE)]
    Empty,
    /// The first line is no header.
    #[error("line 1 is no header of a history: {}; a header is one line, as {}", in_line(.source), EXAMPLE)]
    NoHeader {
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The history has a version of the format that this program doesn't know.
    #[error(
        "the history has version {found} of the format; this program reads version {}",
        super::Header::VERSION
    )]
    UnknownVersion {
        /// The version in the header.
        found: u64,
    },
    /// A line is no record.
    #[error("line {line}: {problem}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: Problem,
    },
}

const EXAMPLE: &str =
    r#"{"version":1,"target":"https://127.0.0.1:6443","seed":1,"clock":"monotonic"}"#;

/// What is wrong with a line of a history.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It isn't JSON, or not with these fields.
    #[error("no {what}: {}", in_line(.source))]
    Malformed {
        /// What it should have been.
        what: &'static str,
        /// Where and why not.
        source: serde_json::Error,
    },
    /// It isn't a JSON object.
    #[error("not a JSON object, which begins with {{")]
    NoObject,
    /// It is JSON, but says neither what was done nor what was watched.
    #[error("neither an operation, which has \"op_id\", nor a watch event, which has \"type\"")]
    Neither,
    /// It has the fields of both.
    #[error("both \"op_id\" and \"type\", which an operation and a watch event don't share")]
    Both,
    /// It lacks something that others of its kind need not have.
    #[error("{needed_by} needs {field:?}")]
    Missing {
        /// What is missing.
        field: &'static str,
        /// Why it is needed.
        needed_by: &'static str,
    },
    /// An answer before the question.
    #[error("\"return_ns\" is before \"invoke_ns\"")]
    ReturnsBeforeInvoked,
    /// It is longer than any record.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// The longest line that is read.
        limit: u64,
    },
}

/// What is wrong with the JSON of a line, whose number is told apart.
fn in_line(error: &serde_json::Error) -> String {
    error
        .to_string()
        .replace(" at line 1 column ", " at column ")
}
