//! The identity of one logical update.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest op-id: with it and a prefix, a field manager is still short enough for the API server.
const LONGEST: usize = 64;

/// The identity of one logical update: the same for every attempt and for every repetition of it.
///
/// It travels in the write itself, so that one can tell later whether the update is in the object. A
/// caller that may have to repeat an update, after a crash say, gives it one that follows from what is
/// to be done, such as the name of a job; otherwise each update gets a random one.
///
/// ```
/// use optilock::OpId;
///
/// let id: OpId = "order-4711.paid".parse()?;
/// assert_eq!(id.as_str(), "order-4711.paid");
/// assert!("two words".parse::<OpId>().is_err());
/// # Ok::<(), optilock::InvalidOpId>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OpId(String);

impl OpId {
    /// An op-id from 1 to 64 letters, digits, dots, dashes and underscores, all of ASCII.
    ///
    /// # Errors
    /// [`InvalidOpId`] for anything else.
    pub fn new(id: impl Into<String>) -> Result<Self, InvalidOpId> {
        let id = id.into();
        let fits = (1..=LONGEST).contains(&id.len());
        if fits && id.bytes().all(is_allowed) {
            Ok(Self(id))
        } else {
            Err(InvalidOpId(id))
        }
    }

    /// An op-id that nobody else has: 16 hexadecimal digits from the thread's own generator.
    ///
    /// Always from there, whatever randomness an update is given for its sleeps: two updates with the
    /// same op-id would be taken for one.
    #[must_use]
    pub fn random() -> Self {
        Self(format!("{:016x}", rand::random::<u64>()))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The bytes that need no quoting in an annotation, a field manager, a URL or a file name.
fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Borrow<str> for OpId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for OpId {
    type Err = InvalidOpId;

    fn from_str(id: &str) -> Result<Self, InvalidOpId> {
        Self::new(id)
    }
}

impl TryFrom<String> for OpId {
    type Error = InvalidOpId;

    fn try_from(id: String) -> Result<Self, InvalidOpId> {
        Self::new(id)
    }
}

impl From<OpId> for String {
    fn from(id: OpId) -> Self {
        id.0
    }
}

/// A text that can't be an [`OpId`].
///
/// ```
/// let error = optilock::OpId::new("two words").unwrap_err();
/// assert!(error.to_string().starts_with("\"two words\" can't be an op-id"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} can't be an op-id; use 1 to {LONGEST} ASCII letters, digits, dots, dashes and underscores"
)]
pub struct InvalidOpId(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_quoting_is_refused() {
        for id in ["", "a,b", "a b", "ä", "a/b", "a\n", &"x".repeat(65)] {
            assert_eq!(OpId::new(id), Err(InvalidOpId(id.to_owned())));
        }
        assert!(OpId::new("x".repeat(64)).is_ok());
    }

    #[test]
    fn random_ones_are_valid_and_differ() {
        let (one, other) = (OpId::random(), OpId::random());
        assert_ne!(one, other);
        assert_eq!(OpId::new(one.as_str()), Ok(one));
    }
}
