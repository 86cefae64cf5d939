//! Recordings: JSON Lines, one file a topic; the first line says what was recorded.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::compare::{Difference, Ignored, differences};
use crate::corpus::Topic;
use crate::error::{Error, Result};
use crate::folder;

/// The answers to a topic.
#[derive(Debug, PartialEq)]
pub struct Recording {
    head: Head,
    played: Vec<Played>,
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
struct Head {
    topic: String,
    corpus: String,
}

/// One step and what was answered.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Played {
    /// The sequence's name.
    pub case: String,
    /// Its place in the sequence, counted from 1.
    pub step: usize,
    /// Method and path.
    pub request: String,
    /// Status, headers and body, or events.
    pub answer: Value,
}

impl Recording {
    pub(crate) fn new(topic: &Topic, played: Vec<Played>) -> Self {
        Self {
            head: Head {
                topic: topic.name.clone(),
                corpus: topic.digest.clone(),
            },
            played,
        }
    }

    /// The steps and their answers.
    #[must_use]
    pub fn played(&self) -> &[Played] {
        &self.played
    }

    /// What was recorded of a topic.
    ///
    /// # Errors
    /// When there is no recording, and when it was made from another corpus: `cargo xtask record` makes it anew.
    pub fn read(topic: &Topic) -> Result<Self> {
        let path = path(&topic.name);
        let text = fs::read_to_string(&path).map_err(Error::file(&path))?;
        let malformed = |line: usize, error: &dyn std::fmt::Display| {
            Error::malformed(format!("{}:{line}", path.display()), error)
        };
        let mut lines = text.lines();
        let head: Head = serde_json::from_str(lines.next().unwrap_or_default())
            .map_err(|error| malformed(1, &error))?;
        if head.corpus != topic.digest {
            return Err(Error::Stale(topic.name.clone()));
        }
        let parse = |(place, line)| {
            serde_json::from_str(line).map_err(|error| malformed(place + 2, &error))
        };
        let played = lines.enumerate().map(parse).collect::<Result<_>>()?;
        Ok(Self { head, played })
    }

    /// Writes it where [`read`](Self::read) finds it.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write(&self) -> Result<()> {
        let path = path(&self.head.topic);
        let malformed = |error| Error::malformed(path.display(), error);
        let mut text = serde_json::to_string(&self.head).map_err(malformed)? + "\n";
        for played in &self.played {
            text += &serde_json::to_string(played).map_err(malformed)?;
            text.push('\n');
        }
        fs::write(&path, text).map_err(Error::file(&path))
    }

    /// Where the answers of another server to the same topic differ from these.
    #[must_use]
    pub fn differences(&self, other: &Self, ignored: Ignored) -> Vec<Difference> {
        let pairs = self.played.iter().zip(&other.played);
        pairs
            .flat_map(|(here, there)| differences(&self.head.topic, here, there, ignored))
            .collect()
    }
}

fn path(topic: &str) -> PathBuf {
    folder().join("recordings").join(format!("{topic}.jsonl"))
}
