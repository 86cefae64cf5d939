//! The server: objects with a counter, one revision for all, and a log of events.

use std::sync::Arc;

use rand::{Rng, rngs::StdRng};

use super::Bug;

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Request {
    Get {
        object: usize,
    },
    Put {
        object: usize,
        base: u64,
        value: i64,
        op_id: Arc<str>,
    },
}

/// What it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reply {
    Object { rv: u64, value: i64 },
    Conflict,
}

/// A version of an object.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) object: usize,
    pub(super) rv: u64,
    pub(super) value: i64,
    pub(super) op_id: Option<Arc<str>>,
    /// When it was made.
    pub(super) made_ns: u64,
}

/// A write that was refused without reason.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) object: usize,
    pub(super) base: u64,
    pub(super) op_id: Arc<str>,
    pub(super) at_ns: u64,
}

#[derive(Debug)]
pub(super) struct Server {
    pub(super) bug: Option<Bug>,
    /// How often the bug has struck so that somebody can notice.
    pub(super) struck: u64,
    pub(super) revision: u64,
    pub(super) now: u64,
    pub(super) refusals: Vec<Refusal>,
    /// Of each object, the newest last.
    versions: Vec<Vec<Version>>,
    /// What watches tell.
    pub(super) log: Vec<Version>,
}

impl Server {
    pub(super) fn new(objects: usize, bug: Option<Bug>) -> Self {
        let mut server = Self {
            bug,
            struck: 0,
            revision: 100,
            now: 0,
            refusals: Vec::new(),
            versions: vec![Vec::new(); objects],
            log: Vec::new(),
        };
        for object in 0..objects {
            server.commit(object, 100, None);
        }
        server
    }

    /// Carries a request out. Whether the answer arrives decides whether some bugs can be noticed.
    pub(super) fn serve(&mut self, request: &Request, arrives: bool, rng: &mut StdRng) -> Reply {
        match request {
            Request::Get { object } => self.get(*object, rng),
            Request::Put {
                object,
                base,
                value,
                op_id,
            } => self.put(*object, *base, *value, op_id, arrives, rng),
        }
    }

    fn get(&mut self, object: usize, rng: &mut StdRng) -> Reply {
        let versions = &self.versions[object];
        let mut version = versions.last().unwrap();
        if self.bug == Some(Bug::StaleGet) && versions.len() > 4 && rng.random_bool(0.3) {
            // So old that its end was known to somebody.
            version = &versions[versions.len() - 4];
            self.struck += 1;
        }
        Reply::Object {
            rv: version.rv,
            value: version.value,
        }
    }

    fn put(
        &mut self,
        object: usize,
        base: u64,
        value: i64,
        op_id: &Arc<str>,
        arrives: bool,
        rng: &mut StdRng,
    ) -> Reply {
        let strikes = |rng: &mut StdRng| arrives && rng.random_bool(0.3);
        let current = self.versions[object].last().unwrap().rv;
        if current != base {
            if self.bug != Some(Bug::IgnoredResourceVersion) || !strikes(rng) {
                return Reply::Conflict;
            }
            self.struck += 1;
        }
        match self.bug {
            Some(Bug::SpuriousConflict) if strikes(rng) => {
                self.struck += 1;
                self.refusals.push(Refusal {
                    object,
                    base,
                    op_id: op_id.clone(),
                    at_ns: self.now,
                });
                return Reply::Conflict;
            }
            Some(Bug::VersionBack) if strikes(rng) => {
                self.struck += 1;
                let revision = std::mem::replace(&mut self.revision, base - 2);
                let rv = self.commit(object, value, Some(op_id.clone()));
                self.revision = revision;
                return Reply::Object { rv, value };
            }
            Some(Bug::AcknowledgedBeforeDurable) if strikes(rng) => {
                // It crashes behind the answer. The revision is read from what was durable, or guessed.
                self.struck += 1;
                let rv = self.revision + 1;
                self.revision += u64::from(rng.random_bool(0.5));
                return Reply::Object { rv, value };
            }
            _ => {}
        }
        let rv = self.commit(object, value, Some(op_id.clone()));
        if self.bug == Some(Bug::AppliedTwice) && strikes(rng) {
            self.struck += 1;
            self.commit(object, value + 1, Some(op_id.clone()));
        }
        Reply::Object { rv, value }
    }

    fn commit(&mut self, object: usize, value: i64, op_id: Option<Arc<str>>) -> u64 {
        self.revision += 1;
        let version = Version {
            object,
            rv: self.revision,
            value,
            op_id,
            made_ns: self.now,
        };
        self.versions[object].push(version.clone());
        self.log.push(version);
        self.revision
    }

    /// A write of somebody who is not recorded.
    pub(super) fn foreign_write(&mut self, object: usize) {
        let value = self.versions[object].last().unwrap().value;
        self.commit(object, value, None);
    }

    /// The version that came after this one.
    pub(super) fn after(&self, object: usize, rv: u64) -> Option<&Version> {
        self.versions[object].iter().find(|version| version.rv > rv)
    }

    pub(super) fn was_made_by(&self, object: usize, op_id: &Arc<str>) -> bool {
        let mut versions = self.versions[object].iter();
        versions.any(|version| version.op_id.as_ref() == Some(op_id))
    }
}
