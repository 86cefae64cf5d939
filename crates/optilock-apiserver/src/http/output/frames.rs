//! Frames of events that several watchers get.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Form, Format, Representation};
use crate::registry::{Resource, WatchEvent, WatchEventType};

/// So many frames are kept: all watchers of an event write it within moments.
const KEPT: usize = 128;

/// The newest frames, so that an event is written once in each form and shared by all its watchers: what they cost grows
/// with the events, and not with events times watchers.
#[derive(Debug, Default)]
pub(in crate::http) struct Frames(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    revision: u64,
    kind: WatchEventType,
    protobuf: bool,
    resource: Arc<Resource>,
    frame: Bytes,
}

impl Frames {
    /// The frame of an event, which `make` writes where it is not there.
    pub(in crate::http) fn get(
        &self,
        representation: &Representation,
        resource: &Arc<Resource>,
        event: &WatchEvent,
        make: impl FnOnce() -> Bytes,
    ) -> Bytes {
        // Rows tell ages, and the first of them its columns.
        let (WatchEvent::Change(kind, stored), Form::Object) = (event, &representation.form) else {
            return make();
        };
        let revision = stored.revision;
        let protobuf = representation.format == Format::Protobuf;
        {
            let kept = self.0.lock();
            let mut newest = kept
                .iter()
                .rev()
                .take_while(|kept| kept.revision >= revision);
            let same = newest.find(|kept| {
                kept.revision == revision
                    && kept.kind == *kind
                    && kept.protobuf == protobuf
                    && Arc::ptr_eq(&kept.resource, resource)
            });
            if let Some(same) = same {
                return same.frame.clone();
            }
        }
        // Two watchers may write it at a time; one frame is kept as well as the other.
        let frame = make();
        let mut kept = self.0.lock();
        // The state at the beginning of a watch is older, and its reader's alone.
        if kept.back().is_none_or(|newest| newest.revision <= revision) {
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back(Kept {
                revision,
                kind: *kind,
                protobuf,
                resource: Arc::clone(resource),
                frame: frame.clone(),
            });
        }
        frame
    }
}
