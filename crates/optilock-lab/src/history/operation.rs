use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Problem, ResourceVersion};

/// One request for one object, and its answer.
///
/// The attempts of one logical update are several operations with the same [`op_id`](Self::op_id).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The logical update that this is an attempt of; unique for an object.
    pub op_id: Arc<str>,
    /// Who asked, from 0; none for requests around the workers' updates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<u32>,
    /// The object's `metadata.uid`; none where no answer has told it. Such an operation is not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<Arc<str>>,
    /// What was asked.
    pub verb: Verb,
    /// The object's kind.
    pub kind: Arc<str>,
    /// The object's name.
    pub name: Arc<str>,
    /// The version that a write was computed from, whether or not it was sent with the write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<ResourceVersion>,
    /// When the request was sent, in nanoseconds of the history's clock.
    pub invoke_ns: u64,
    /// When the answer was there; none for an operation that never returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_ns: Option<u64>,
    /// What is known of it.
    pub outcome: Outcome,
    /// The version in the answer: the one that a write has made, or that a read has seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rv: Option<ResourceVersion>,
    /// The counter in the answer or, where there is none, in the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<i64>,
    /// What an update or a patch meant to add to the counter.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub add: i64,
    /// A read that asked for no version in particular (`resourceVersion=0`), and so may be old.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cached: bool,
    /// Where its time went.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
}

/// What was asked of the server; Kubernetes' own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Verb {
    /// POST.
    Create,
    /// GET of one object.
    Get,
    /// PUT.
    Update,
    /// PATCH, server-side apply included.
    Patch,
    /// DELETE of one object.
    Delete,
}

/// What is known of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Outcome {
    /// The server has said that it is done.
    Applied,
    /// The server has refused it because its base was not the current version.
    Conflict,
    /// The server has refused it for another reason.
    Refused,
    /// There was no answer, or one that doesn't say whether it was carried out.
    Unknown,
}

/// A part of an operation's time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// What it was spent on, as `throttle`, `backoff`, `server`.
    pub what: Arc<str>,
    /// When it began, on the history's clock.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
}

impl Operation {
    /// Whether it meant to change the object.
    pub fn is_write(&self) -> bool {
        self.verb != Verb::Get
    }

    /// The version that this made, if it made one: a write that changes nothing is answered with its base.
    pub fn made(&self) -> Option<ResourceVersion> {
        let done = self.is_write() && self.outcome == Outcome::Applied;
        self.rv.filter(|_| done && self.rv != self.base)
    }

    /// What this adds to the counter, if it is carried out. Neither creating an object nor deleting it counts.
    pub(crate) fn adds(&self) -> i64 {
        match self.verb {
            Verb::Update | Verb::Patch => self.add,
            Verb::Create | Verb::Get | Verb::Delete => 0,
        }
    }

    /// What contradicts itself in this operation, if anything does.
    pub(super) fn problem(&self) -> Option<Problem> {
        if self.return_ns.is_some_and(|end| end < self.invoke_ns) {
            return Some(Problem::ReturnsBeforeInvoked);
        }
        if self.return_ns.is_none() && self.outcome != Outcome::Unknown {
            return Some(Problem::Missing {
                field: "return_ns",
                needed_by: "an operation that has an answer",
            });
        }
        let tells_version = self.outcome == Outcome::Applied && self.verb != Verb::Delete;
        if tells_version && self.rv.is_none() {
            return Some(Problem::Missing {
                field: "rv",
                needed_by: "an operation that was applied",
            });
        }
        None
    }
}

fn one() -> i64 {
    1
}

// The signatures are serde's.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_one(add: &i64) -> bool {
    *add == 1
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(flag: &bool) -> bool {
    !flag
}
