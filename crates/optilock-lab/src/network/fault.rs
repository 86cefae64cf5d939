//! What can go wrong with a request, and with which one.

use std::{fmt, str::FromStr, time::Duration};

use crate::route::{Asks, Route};

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// The server never gets it, and the connection breaks.
    DropRequest,
    /// It is carried out, and the connection breaks before the answer.
    DropAnswer,
    /// It is carried out, and there never is an answer.
    Hang,
    /// The connection breaks at once, and the server gets the request a while later.
    Late,
    /// It is carried out and answered, and the server gets it again a while later.
    Duplicate,
    /// It is carried out, and the answer is 504.
    TimeoutAfterCommit,
    /// It is not carried out, and the answer is 500.
    ErrorBeforeCommit,
    /// It is carried out, and the answer ends in the middle.
    CutAnswer,
    /// It takes longer.
    Delay,
    /// A GET is answered with an older version of the object.
    StaleRead,
    /// A watch breaks after its first event.
    BreakWatch,
}

impl FaultKind {
    /// All of them, with their names.
    pub const ALL: [(Self, &'static str); 11] = [
        (Self::DropRequest, "drop-request"),
        (Self::DropAnswer, "drop-answer"),
        (Self::Hang, "hang"),
        (Self::Late, "late"),
        (Self::Duplicate, "duplicate"),
        (Self::TimeoutAfterCommit, "504-after-commit"),
        (Self::ErrorBeforeCommit, "500-before-commit"),
        (Self::CutAnswer, "cut-answer"),
        (Self::Delay, "delay"),
        (Self::StaleRead, "stale-read"),
        (Self::BreakWatch, "break-watch"),
    ];

    /// Whether it can happen to such a request, where the rule names no verb.
    fn fits(self, asks: Asks) -> bool {
        match self {
            Self::StaleRead => asks == Asks::Get,
            Self::BreakWatch => asks == Asks::Watch,
            Self::Delay => true,
            _ => asks.is_write(),
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Self::ALL.iter().find(|(kind, _)| kind == self);
        f.write_str(named.map_or("", |(_, name)| name))
    }
}

/// A fault, and which requests it happens to.
///
/// Written `KIND[:p=0.1][:verb=update][:resource=deployments][:nth=3][:for=50ms]`. Without `verb` it happens to writes,
/// a stale read to GETs, a broken watch to watches, a delay to all.
///
/// ```
/// use optilock_lab::{Fault, FaultKind};
///
/// let fault: Fault = "504-after-commit:p=0.1:verb=put".parse()?;
/// assert_eq!((fault.kind, fault.probability), (FaultKind::TimeoutAfterCommit, 0.1));
/// assert_eq!(fault.to_string(), "504-after-commit:p=0.1:verb=update");
/// # Ok::<(), optilock_lab::FaultError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// To what share of the requests, from 0 to 1.
    pub probability: f64,
    /// Only to requests of this verb.
    asks: Option<Asks>,
    /// Only to this resource, as `deployments`.
    pub resource: Option<String>,
    /// Only to the nth such request, from 1.
    pub nth: Option<u64>,
    /// How long a request is delayed, or how much later it arrives once more.
    pub time: Duration,
}

/// How long a request is delayed, or how much later it arrives, where a rule says nothing.
const TIME: Duration = Duration::from_millis(50);

/// Why a text is no [`Fault`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultError {
    /// There is no such fault.
    #[error("there is no fault {0:?}; there are {kinds}", kinds = kinds())]
    UnknownKind(String),
    /// There is no such option.
    #[error("a fault has no option {0:?}; the options are p=, verb=, resource=, nth= and for=")]
    UnknownOption(String),
    /// There is no such verb.
    #[error("there is no verb {0:?}; there are {verbs}", verbs = verbs())]
    UnknownVerb(String),
    /// An option has a value that it can't have.
    #[error("{option}={value} can't be: take {wanted}")]
    BadValue {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// What it could be.
        wanted: &'static str,
    },
}

fn kinds() -> String {
    FaultKind::ALL.map(|(_, name)| name).join(", ")
}

fn verbs() -> String {
    Asks::ALL.map(|(_, name)| name).join(", ")
}

impl Fault {
    /// A fault of every request that it can happen to.
    pub fn new(kind: FaultKind) -> Self {
        Self {
            kind,
            probability: 1.0,
            asks: None,
            resource: None,
            nth: None,
            time: TIME,
        }
    }

    /// Whether it can happen to this request.
    pub(super) fn fits(&self, route: &Route) -> bool {
        let of_resource = |resource: &String| *resource == route.resource;
        let verb_fits = match self.asks {
            Some(asks) => asks == route.asks,
            None => self.kind.fits(route.asks),
        };
        verb_fits && self.resource.as_ref().is_none_or(of_resource)
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let kind = FaultKind::ALL.iter().find(|(_, known)| *known == name);
        let (kind, _) = kind.ok_or_else(|| FaultError::UnknownKind(name.to_owned()))?;
        let mut fault = Self::new(*kind);
        for part in parts {
            let (option, value) = part.split_once('=').unwrap_or((part, ""));
            let bad = |option, wanted| FaultError::BadValue {
                option,
                value: value.to_owned(),
                wanted,
            };
            match option {
                "p" => {
                    let p = value.parse().ok().filter(|p| (0.0..=1.0).contains(p));
                    fault.probability = p.ok_or_else(|| bad("p", "a number from 0 to 1"))?;
                }
                "verb" => {
                    let name = match value.to_ascii_lowercase().as_str() {
                        "put" => "update".to_owned(),
                        "post" => "create".to_owned(),
                        other => other.to_owned(),
                    };
                    let known = Asks::ALL.iter().find(|(_, known)| *known == name);
                    let (asks, _) =
                        known.ok_or_else(|| FaultError::UnknownVerb(value.to_owned()))?;
                    fault.asks = Some(*asks);
                }
                "resource" if !value.is_empty() => fault.resource = Some(value.to_owned()),
                "resource" => return Err(bad("resource", "a plural, as deployments")),
                "nth" => {
                    let nth = value.parse().ok().filter(|nth| *nth > 0);
                    fault.nth = Some(nth.ok_or_else(|| bad("nth", "a number from 1"))?);
                }
                "for" => {
                    let wanted = "milliseconds, as 50ms";
                    let millis = value.strip_suffix("ms").and_then(|ms| ms.parse().ok());
                    let millis = millis.ok_or_else(|| bad("for", wanted))?;
                    fault.time = Duration::from_millis(millis);
                }
                other => return Err(FaultError::UnknownOption(other.to_owned())),
            }
        }
        Ok(fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if self.probability < 1.0 {
            write!(f, ":p={}", self.probability)?;
        }
        let verb = Asks::ALL.iter().find(|(asks, _)| Some(*asks) == self.asks);
        if let Some((_, verb)) = verb {
            write!(f, ":verb={verb}")?;
        }
        if let Some(resource) = &self.resource {
            write!(f, ":resource={resource}")?;
        }
        if let Some(nth) = self.nth {
            write!(f, ":nth={nth}")?;
        }
        if self.time != TIME {
            write!(f, ":for={}ms", self.time.as_millis())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "drop-request",
            "drop-answer:p=0.25:verb=patch",
            "504-after-commit:resource=deployments:nth=3",
            "delay:verb=get:for=7ms",
            "break-watch:p=0",
        ] {
            let fault: Fault = text.parse().unwrap();
            assert_eq!(fault.to_string(), text);
        }
        assert_eq!(
            "hang:verb=PUT".parse::<Fault>().unwrap().to_string(),
            "hang:verb=update"
        );
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, said) in [
            ("", "there is no fault \"\""),
            (
                "drop",
                "there is no fault \"drop\"; there are drop-request,",
            ),
            ("hang:p=2", "p=2 can't be: take a number from 0 to 1"),
            ("hang:p=", "p= can't be"),
            ("hang:verb=put,get", "there is no verb \"put,get\""),
            ("hang:nth=0", "nth=0 can't be: take a number from 1"),
            ("hang:for=1s", "for=1s can't be"),
            ("hang:resource=", "resource= can't be"),
            ("hang:loud", "a fault has no option \"loud\""),
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }
}
