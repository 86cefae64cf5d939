//! The options of requests, already decoded. How they travel (query or body) is the business of HTTP.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::managed::Operation;
use crate::selector::{FieldSelector, LabelSelector};

/// Manager of what this server writes by itself.
const OWN_MANAGER: &str = "optilock";

/// What to do about unknown and duplicate fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum FieldValidation {
    /// Drop them in silence.
    Ignore,
    /// Drop them and say so in a `Warning` header. The server's default.
    #[default]
    Warn,
    /// Refuse the request.
    Strict,
}

/// Options of create, update and patch.
#[derive(Debug, Clone, Default)]
pub(crate) struct WriteOptions {
    /// Check everything, store nothing.
    pub(crate) dry_run: bool,
    /// Unknown and duplicate fields.
    pub(crate) field_validation: FieldValidation,
    /// Who writes, for `managedFields`.
    pub(crate) manager: String,
    /// How.
    pub(crate) operation: Operation,
    /// Through which path; empty for the object's own.
    pub(crate) subresource: String,
    /// What the writer is told about the object besides, in `Warning` headers.
    pub(crate) told: Told,
}

/// What is found on the way of a write that does not refuse it; clones are the same list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    /// Replaces what was said of an earlier attempt.
    pub(super) fn set(&self, texts: Vec<String>) {
        *self.0.lock() = texts;
    }

    /// What has been said, once.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }
}

impl WriteOptions {
    /// Options of this server's own writes.
    pub(crate) fn own() -> Self {
        Self {
            manager: OWN_MANAGER.to_owned(),
            ..Self::default()
        }
    }

    /// Options of writes that kube-apiserver does by itself too.
    pub(super) fn kube_apiserver() -> Self {
        Self {
            manager: "kube-apiserver".to_owned(),
            ..Self::default()
        }
    }
}

/// What becomes of the dependents of a deleted object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    /// The garbage collector deletes them afterwards.
    Background,
    /// They go first.
    Foreground,
    /// They stay.
    Orphan,
}

/// Options of delete.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) dry_run: bool,
    /// Delete only the object with this uid.
    pub(crate) uid: Option<String>,
    /// Delete only this version.
    pub(crate) resource_version: Option<String>,
    /// Seconds until a Pod's containers are killed.
    pub(crate) grace_seconds: Option<i64>,
    pub(crate) propagation: Option<Propagation>,
}

/// Options of list and watch.
#[derive(Debug, Clone, Default)]
pub(crate) struct ListOptions {
    pub(crate) labels: LabelSelector,
    pub(crate) fields: FieldSelector,
    /// As it was sent; empty when it was not.
    pub(crate) resource_version: String,
    /// `resourceVersionMatch` as it was sent.
    pub(crate) version_match: String,
    /// Most items of a page; 0 is no limit.
    pub(crate) limit: usize,
    /// Token of the page before; empty for the first.
    pub(crate) continue_token: String,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) bookmarks: bool,
    pub(crate) send_initial_events: Option<bool>,
}
