use serde::Serialize;

use super::{Header, HistoryError, Operation, Reader, WatchEvent};

/// A line of a history after the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Record {
    /// A line that has an `op_id`.
    Operation(Operation),
    /// A line that has a `type`.
    WatchEvent(WatchEvent),
}

/// A record and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    /// The line of the file, from 1, which is the header's.
    pub line: u64,
    /// What the line says.
    pub record: Record,
}

/// A whole history.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct History {
    /// Its first line.
    pub header: Header,
    /// Its other lines.
    pub records: Vec<Numbered>,
}

impl History {
    /// A history of records that stand in no file; the first has line 2, as it would have there.
    pub fn new(header: Header, records: impl IntoIterator<Item = Record>) -> Self {
        let records = (2..)
            .zip(records)
            .map(|(line, record)| Numbered { line, record });
        Self {
            header,
            records: records.collect(),
        }
    }

    /// The operations, in the order of their lines.
    pub(crate) fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.records.iter().filter_map(|line| match &line.record {
            Record::Operation(operation) => Some(operation),
            Record::WatchEvent(_) => None,
        })
    }

    /// Reads a whole history.
    ///
    /// # Errors
    /// [`HistoryError`] at the first line that is none of a history.
    pub fn read(input: impl std::io::BufRead) -> Result<Self, HistoryError> {
        let mut reader = Reader::new(input)?;
        let records = reader.by_ref().collect::<Result<_, _>>()?;
        Ok(Self {
            header: reader.into_header(),
            records,
        })
    }
}
