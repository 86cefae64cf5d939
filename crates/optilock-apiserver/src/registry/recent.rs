//! The objects that were written last, as they would be read.
//!
//! What is written now is mostly written again soon, and reading its JSON costs a good part of the next write. A value is
//! found by its key and revision, so it is never stale.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

/// At most so many objects are kept,
const OBJECTS: usize = 64;
/// with so many bytes of JSON in all. As a tree a document takes ten times and more of its JSON.
const BYTES: usize = 256 * 1024;

/// The objects that were written last, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    key: String,
    revision: u64,
    size: usize,
    object: Arc<Value>,
}

impl Recent {
    /// The object at a key as of a revision, where it is still known.
    pub(super) fn get(&self, key: &str, revision: u64) -> Option<Arc<Value>> {
        let kept = self.0.lock();
        // The newest are asked for most.
        let mut newest = kept.iter().rev();
        let found = newest.find(|kept| kept.revision == revision && kept.key == key)?;
        Some(Arc::clone(&found.object))
    }

    /// Keeps an object whose JSON has `size` bytes, in the place of what was at its key before.
    pub(super) fn put(&self, key: String, revision: u64, size: usize, object: Value) {
        let object = Arc::new(object);
        let mut gone = Vec::new();
        let mut kept = self.0.lock();
        if let Some(at) = kept.iter().position(|kept| kept.key == key) {
            gone.extend(kept.remove(at));
        }
        kept.push_back(Kept {
            key,
            revision,
            size,
            object,
        });
        let mut total: usize = kept.iter().map(|kept| kept.size).sum();
        while kept.len() > OBJECTS || total > BYTES {
            let Some(oldest) = kept.pop_front() else {
                break;
            };
            total -= oldest.size;
            gone.push(oldest);
        }
        // Trees are taken apart when nobody waits for the lock.
        drop(kept);
        drop(gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_found_at_its_revision_only() {
        let recent = Recent::default();
        recent.put("/a".into(), 1, 10, json!(1));
        recent.put("/b".into(), 2, 10, json!(2));
        assert_eq!(recent.get("/a", 1).as_deref(), Some(&json!(1)));
        assert_eq!(recent.get("/a", 2), None);
        recent.put("/a".into(), 3, 10, json!(3));
        assert_eq!(recent.get("/a", 1), None);
        assert_eq!(recent.get("/a", 3).as_deref(), Some(&json!(3)));
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_too_large_ones() {
        let recent = Recent::default();
        for n in 0..=OBJECTS as u64 {
            recent.put(format!("/{n}"), n, 1, json!(n));
        }
        assert_eq!(recent.get("/0", 0), None);
        assert!(recent.get("/1", 1).is_some());
        recent.put("/large".into(), 1000, BYTES, json!(0));
        assert_eq!(recent.get("/1", 1), None);
        assert!(recent.get("/large", 1000).is_some());
        recent.put("/larger".into(), 1001, BYTES + 1, json!(0));
        assert_eq!(recent.get("/larger", 1001), None);
    }
}
