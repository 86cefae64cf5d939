use std::io::{self, Write};

use serde::Serialize;

use super::{Header, History, Record};

/// Writes a history line by line. Whoever needs buffering wraps the output in a [`io::BufWriter`].
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// Those of the output.
    pub fn new(output: W, header: &Header) -> io::Result<Self> {
        let mut writer = Self { output };
        writer.line(header)?;
        Ok(writer)
    }

    /// Writes a record.
    ///
    /// # Errors
    /// Those of the output.
    pub fn write(&mut self, record: &Record) -> io::Result<()> {
        self.line(record)
    }

    /// Writes a whole history and flushes the output, which it returns.
    ///
    /// # Errors
    /// Those of the output.
    pub fn write_all(output: W, history: &History) -> io::Result<W> {
        let mut writer = Self::new(output, &history.header)?;
        for numbered in &history.records {
            writer.write(&numbered.record)?;
        }
        writer.output.flush()?;
        Ok(writer.output)
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.output, value)?;
        self.output.write_all(b"\n")
    }
}
