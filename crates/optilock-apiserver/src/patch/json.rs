//! JSON patch, RFC 6902, as kube-apiserver applies it.
//!
//! The Go library behind it is laxer than the RFC: `replace` and `copy` of a member that is not
//! there are no errors (they set it, or copy null), a missing `value` is null, negative indices
//! count from the end, and what stands before the first slash of a path is ignored.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value};

use super::document::{child, complain, parse};
use super::{Check, PatchError, Patched};
use crate::schema::Node;

/// The most operations of one patch.
const MAX_OPERATIONS: usize = 10_000;

/// The most bytes that the `copy` operations of one patch may add, 3 MiB.
const MAX_COPIED: usize = 3 << 20;

/// The deepest that a patch may make a document. What is deeper than half of that does not
/// decode afterwards.
const MAX_DEPTH: usize = 512;

/// Applies the JSON patch in `body` to `document`.
///
/// # Errors
/// 400 when the body is no list of operations, 413 for too many, 422 when an operation does not
/// apply; the document is left as it was.
pub(crate) fn json_patch(
    document: &Value,
    body: &[u8],
    check: Check,
) -> Result<Patched, PatchError> {
    let mut complaints = Vec::new();
    let operations = operations(parse(body), check, &mut complaints)?;
    if operations.len() > MAX_OPERATIONS {
        return Err(PatchError::TooManyOperations {
            count: operations.len(),
            limit: MAX_OPERATIONS,
        });
    }
    let mut patching = Patching::new(document.clone());
    for operation in &operations {
        patching.apply(operation).ok_or(PatchError::NotApplicable)?;
    }
    Ok(Patched {
        document: patching.document,
        complaints,
        shown: None,
    })
}

/// The operations of a body, and complaints about their members.
fn operations(
    body: Result<Node<'_>, PatchError>,
    check: Check,
    complaints: &mut Vec<String>,
) -> Result<Vec<Map<String, Value>>, PatchError> {
    let (prefix, list, item) = match check {
        Check::Ignore => ("", "jsonpatch.Patch", "jsonpatch.Operation"),
        Check::Complain => (
            "error decoding patch: ",
            "[]handlers.jsonPatchOp",
            "handlers.jsonPatchOp",
        ),
    };
    let mismatch = |found: &Node<'_>, wanted: &str| {
        let found = found.kind();
        PatchError::Decode(format!(
            "{prefix}json: cannot unmarshal {found} into Go {wanted}"
        ))
    };
    let items = match body {
        Ok(Node::Array(items)) => items,
        Ok(Node::Null) => Vec::new(),
        Ok(other) => return Err(mismatch(&other, &format!("value of type {list}"))),
        Err(PatchError::Decode(text)) => return Err(PatchError::Decode(format!("{prefix}{text}"))),
        Err(other) => return Err(other),
    };
    let mut operations = Vec::with_capacity(items.len());
    for (at, operation) in items.into_iter().enumerate() {
        let members = match operation {
            Node::Object(members) => members,
            Node::Null => Vec::new(),
            other => return Err(mismatch(&other, &format!("value of type {item}"))),
        };
        if check == Check::Complain {
            if let Some((name, value)) = members.iter().find(|(name, value)| {
                matches!(&**name, "op" | "path" | "from")
                    && !matches!(value, Node::Null | Node::String(_))
            }) {
                let field = format!("struct field jsonPatchOp.{name} of type string");
                return Err(mismatch(value, &field));
            }
            complain_about(&members, &format!("[{at}]"), complaints);
        }
        let members = members.into_iter();
        operations.push(
            members
                .map(|(name, value)| (name.into_owned(), value.to_value()))
                .collect(),
        );
    }
    Ok(operations)
}

/// Unknown and duplicate members of one operation, in their order.
fn complain_about(members: &[(Cow<'_, str>, Node<'_>)], path: &str, complaints: &mut Vec<String>) {
    let mut seen = HashSet::new();
    for (name, value) in members {
        let path = child(path, name);
        if !matches!(&**name, "op" | "path" | "from" | "value") {
            complain(complaints, format!("json patch unknown field \"{path}\""));
            continue;
        }
        if !seen.insert(name) {
            complain(complaints, format!("json patch duplicate field \"{path}\""));
        }
        value.duplicates("json patch ", &path, complaints);
    }
}

/// A document while it is patched.
struct Patching {
    document: Value,
    /// Bytes that were copied so far.
    copied: usize,
    /// At least as deep as the document.
    depth: usize,
}

impl Patching {
    fn new(document: Value) -> Self {
        Self {
            depth: depth(&document),
            document,
            copied: 0,
        }
    }

    /// Applies one operation; `None` when it does not apply.
    fn apply(&mut self, operation: &Map<String, Value>) -> Option<()> {
        let text = |member: &str| operation.get(member)?.as_str();
        let value = operation.get("value");
        match text("op")? {
            "add" => {
                let value = value.cloned().unwrap_or_default();
                self.add(text("path")?, depth(&value), value)
            }
            "remove" => self.remove(text("path")?).map(drop),
            "replace" => {
                let value = value.cloned().unwrap_or_default();
                self.replace(text("path")?, value)
            }
            "move" => {
                let value = self.remove(text("from")?)?;
                self.add(text("path")?, self.depth, value)
            }
            "copy" => {
                let (container, key) = resolve(&mut self.document, text("from")?)?;
                let value = get(container, &key)?;
                self.copied += value.to_string().len();
                if self.copied > MAX_COPIED {
                    return None;
                }
                self.add(text("path")?, self.depth, value)
            }
            "test" => {
                let path = text("path")?;
                let found = if path.is_empty() {
                    self.document.clone()
                } else {
                    let (container, key) = resolve(&mut self.document, path)?;
                    get(container, &key)?
                };
                (found == value.cloned().unwrap_or_default()).then_some(())
            }
            _ => None,
        }
    }

    /// Adds a value that is at most `bound` deep.
    fn add(&mut self, path: &str, bound: usize, value: Value) -> Option<()> {
        self.deepen(path, bound, &value)?;
        let (container, key) = resolve(&mut self.document, path)?;
        match container {
            Value::Object(members) => {
                members.insert(key, value);
            }
            Value::Array(items) if key == "-" => items.push(value),
            Value::Array(items) => items.insert(position(&key, items.len() + 1)?, value),
            _ => return None,
        }
        Some(())
    }

    fn remove(&mut self, path: &str) -> Option<Value> {
        let (container, key) = resolve(&mut self.document, path)?;
        match container {
            Value::Object(members) => members.remove(&key),
            Value::Array(items) => Some(items.remove(position(&key, items.len())?)),
            _ => None,
        }
    }

    fn replace(&mut self, path: &str, value: Value) -> Option<()> {
        if path.is_empty() {
            self.depth = depth(&value);
            self.document = Some(value).filter(|value| value.is_object() || value.is_array())?;
            return Some(());
        }
        self.deepen(path, depth(&value), &value)?;
        let (container, key) = resolve(&mut self.document, path)?;
        match container {
            Value::Object(members) => {
                members.insert(key, value);
            }
            other => *get_mut(other, &key)? = value,
        }
        Some(())
    }

    /// Keeps the document from growing deeper than later stages can bear, before a value comes
    /// to a path. Bounds are coarse, so that the document is measured only now and then.
    fn deepen(&mut self, path: &str, bound: usize, value: &Value) -> Option<()> {
        let parts = path.matches('/').count();
        self.depth = self.depth.max(parts + bound);
        if self.depth > MAX_DEPTH {
            self.depth = depth(&self.document).max(parts + depth(value));
        }
        (self.depth <= MAX_DEPTH).then_some(())
    }
}

/// How deep a value is nested; a scalar is not.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The object or array that holds what a path points to, and the last part of the path.
fn resolve<'v>(document: &'v mut Value, path: &str) -> Option<(&'v mut Value, String)> {
    let (_, path) = path.split_once('/')?;
    let mut parts: Vec<String> = path
        .split('/')
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect();
    let key = parts.pop()?;
    let mut container = document;
    for part in &parts {
        container = get_mut(container, part)?;
    }
    matches!(container, Value::Object(_) | Value::Array(_)).then_some((container, key))
}

/// Position in a list with room for `len` positions; negative ones count from the end.
fn position(key: &str, len: usize) -> Option<usize> {
    let at: i64 = key.parse().ok()?;
    let len = i64::try_from(len).ok()?;
    let at = if at < 0 { at + len } else { at };
    usize::try_from(at).ok().filter(|_| at < len)
}

fn get_mut<'v>(container: &'v mut Value, key: &str) -> Option<&'v mut Value> {
    match container {
        Value::Object(members) => members.get_mut(key),
        Value::Array(items) => {
            let at = position(key, items.len())?;
            items.get_mut(at)
        }
        _ => None,
    }
}

/// What is at `key`. A member that is not there is null, an item that is not there an error.
fn get(container: &mut Value, key: &str) -> Option<Value> {
    let member = container.is_object();
    match get_mut(container, key) {
        Some(value) => Some(value.clone()),
        None => member.then_some(Value::Null),
    }
}
