//! A patch body before it is applied: members in their order, duplicates kept.

use std::collections::HashSet;

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

/// Adds `<prefix>duplicate field "…"` for each member that occurs again.
pub(super) fn duplicates(node: &Node<'_>, prefix: &str, path: &str, complaints: &mut Vec<String>) {
    match node {
        Node::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                duplicates(item, prefix, &format!("{path}[{at}]"), complaints);
            }
        }
        Node::Object(members) => {
            let mut seen = HashSet::new();
            for (name, member) in members {
                let path = child(path, name);
                if !seen.insert(name) {
                    complain(complaints, format!("{prefix}duplicate field \"{path}\""));
                }
                duplicates(member, prefix, &path, complaints);
            }
        }
        _ => {}
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
