//! A patch body before it is applied: members in their order, duplicates kept.

use super::PatchError;
use crate::schema::{Document, Node};

/// The most complaints that are collected about one document.
const MAX_COMPLAINTS: usize = 100;

/// Reads a body.
pub(super) fn parse(body: &[u8]) -> Result<Node<'_>, PatchError> {
    match Document::json(body) {
        Ok(document) => Ok(document.into_root()),
        Err(error) => Err(PatchError::Decode(error.to_string())),
    }
}

/// Path of a member.
pub(super) fn child(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// Adds a complaint that is not there yet, up to the limit.
pub(super) fn complain(complaints: &mut Vec<String>, complaint: String) {
    if complaints.len() < MAX_COMPLAINTS && !complaints.contains(&complaint) {
        complaints.push(complaint);
    }
}
