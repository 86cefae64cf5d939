//! Who owns which field: `managedFields` and server-side apply.
//!
//! The semantics are those of structured-merge-diff and of the API server's field manager: a write by create, update or patch
//! gives its manager the fields that it changed, an apply gives it exactly the fields that it named. All of it walks the
//! schema and knows nothing of requests or of the store.

use std::sync::LazyLock;

mod apply;
mod atom;
mod collect;
mod compare;
mod entry;
mod merge;
mod path;
mod remove;
mod set;
mod typecheck;
mod update;

pub(crate) use apply::{Application, apply};
pub(crate) use entry::{Entry, Manager, Operation, decode, encode, same_but_for_times};
pub(crate) use set::FieldSet;
pub(crate) use typecheck::check;
pub(crate) use update::{Changes, Writing, keep, update};

/// Members of every object that belong to the server, and so to no manager.
const SYSTEM: &[&[&str]] = &[
    &["apiVersion"],
    &["kind"],
    &["metadata"],
    &["metadata", "creationTimestamp"],
    &["metadata", "generation"],
    &["metadata", "managedFields"],
    &["metadata", "name"],
    &["metadata", "namespace"],
    &["metadata", "resourceVersion"],
    &["metadata", "selfLink"],
    &["metadata", "uid"],
];

/// A set without what belongs to the server.
fn without_system(set: &FieldSet) -> FieldSet {
    static SET: LazyLock<FieldSet> = LazyLock::new(|| FieldSet::of_paths(SYSTEM));
    set.difference(&SET)
}
