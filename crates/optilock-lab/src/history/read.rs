use std::{collections::HashSet, io::BufRead, io::Read as _, sync::Arc};

use memchr::memmem;
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};

use super::{Header, HistoryError, Numbered, Operation, Problem, Record, WatchEvent};

/// The longest line that is read, in bytes: no record is so long, and whoever has none ends soon.
const MAX_LINE: u64 = 1 << 20;

/// Reads a history line by line.
///
/// Empty lines are skipped, fields that it doesn't know are ignored. It ends with the first error.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    header: Header,
    line: u64,
    buffer: Vec<u8>,
    names: HashSet<Arc<str>>,
    failed: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`HistoryError`] where there is none, or one of another version.
    pub fn new(input: R) -> Result<Self, HistoryError> {
        let mut reader = Self {
            input,
            header: Header::new("", 0, super::Clock::Monotonic),
            line: 0,
            buffer: Vec::new(),
            names: HashSet::new(),
            failed: false,
        };
        if !reader.next_line()? {
            return Err(HistoryError::Empty);
        }
        let line = reader.buffer.as_slice();
        let no_header = |source| HistoryError::NoHeader { source };
        // A later version may have another header.
        let Version { version } = serde_json::from_slice(line).map_err(no_header)?;
        if version != u64::from(Header::VERSION) {
            return Err(HistoryError::UnknownVersion { found: version });
        }
        reader.header = serde_json::from_slice(line).map_err(no_header)?;
        Ok(reader)
    }

    /// The first line.
    pub fn header(&self) -> &Header {
        &self.header
    }

    pub(super) fn into_header(self) -> Header {
        self.header
    }

    /// Reads the next line that isn't empty; false at the end.
    fn next_line(&mut self) -> Result<bool, HistoryError> {
        loop {
            self.line += 1;
            self.buffer.clear();
            let mut limited = (&mut self.input).take(MAX_LINE + 1);
            let read = limited.read_until(b'\n', &mut self.buffer);
            let line = self.line;
            let read = read.map_err(|source| HistoryError::Unreadable { line, source })?;
            if read == 0 {
                return Ok(false);
            }
            if read as u64 > MAX_LINE {
                let problem = Problem::TooLong { limit: MAX_LINE };
                return Err(HistoryError::Line { line, problem });
            }
            if !self.buffer.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    fn next_record(&mut self) -> Result<Option<Numbered>, HistoryError> {
        if !self.next_line()? {
            return Ok(None);
        }
        let line = self.line;
        match self.parse() {
            Ok(record) => Ok(Some(Numbered { line, record })),
            Err(problem) => Err(HistoryError::Line { line, problem }),
        }
    }

    fn parse(&mut self) -> Result<Record, Problem> {
        let line = self.buffer.as_slice();
        // serde would take the fields from an array too.
        if line.trim_ascii_start().first() != Some(&b'{') {
            return Err(Problem::NoObject);
        }
        let (record, problem) = match shape(line)? {
            (true, false) => {
                let mut operation: Operation = json("operation", line)?;
                for name in operation.uid.iter_mut() {
                    intern(&mut self.names, name);
                }
                intern(&mut self.names, &mut operation.kind);
                intern(&mut self.names, &mut operation.name);
                for span in &mut operation.spans {
                    intern(&mut self.names, &mut span.what);
                }
                let problem = operation.problem();
                (Record::Operation(operation), problem)
            }
            (false, true) => {
                let mut event: WatchEvent = json("watch event", line)?;
                for name in event.uid.iter_mut() {
                    intern(&mut self.names, name);
                }
                let problem = event.problem();
                (Record::WatchEvent(event), problem)
            }
            (false, false) => return Err(Problem::Neither),
            (true, true) => return Err(Problem::Both),
        };
        match problem {
            None => Ok(record),
            Some(problem) => Err(problem),
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Numbered, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.next_record();
        self.failed = next.is_err();
        next.transpose()
    }
}

#[derive(Deserialize)]
struct Version {
    version: u64,
}

/// What tells the records apart.
#[derive(Deserialize)]
struct Shape {
    #[serde(default)]
    op_id: Option<IgnoredAny>,
    #[serde(default, rename = "type")]
    kind: Option<IgnoredAny>,
}

/// Whether a line has what an operation has, and what a watch event has.
fn shape(line: &[u8]) -> Result<(bool, bool), Problem> {
    let has = |key: &str| memmem::find(line, key.as_bytes()).is_some();
    match (has("\"op_id\""), has("\"type\"")) {
        // Most lines: reading them will tell whether this is really a field.
        (true, false) => Ok((true, false)),
        (false, true) => Ok((false, true)),
        _ => {
            let Shape { op_id, kind } = json("record of a history", line)?;
            Ok((op_id.is_some(), kind.is_some()))
        }
    }
}

fn json<T: DeserializeOwned>(what: &'static str, line: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(line).map_err(|source| Problem::Malformed { what, source })
}

/// The names of a few objects stand in a million lines.
fn intern(names: &mut HashSet<Arc<str>>, name: &mut Arc<str>) {
    if let Some(known) = names.get(&**name) {
        *name = known.clone();
    } else {
        names.insert(name.clone());
    }
}
