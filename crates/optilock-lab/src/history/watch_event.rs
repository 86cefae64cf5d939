use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Problem, ResourceVersion};

/// Something that came over a watch, or that happened to it.
///
/// The events of one watch stand in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchEvent {
    /// Which watch, from 0. One that was resumed keeps its number.
    #[serde(default)]
    pub watch: u32,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: WatchType,
    /// The version of the object, of the bookmark, or the one after which the watch was opened.
    pub rv: ResourceVersion,
    /// The object. A watch that was opened with one watches nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<Arc<str>>,
    /// The counter in the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<i64>,
    /// The updates that made this version, where the object tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op_ids: Option<Vec<Arc<str>>>,
}

/// What a [`WatchEvent`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum WatchType {
    /// The watch was opened, or resumed, after this version: no event of the server's, but the
    /// request. Without it nothing is expected before the first event.
    Opened,
    /// The object is new.
    Added,
    /// The object has changed.
    Modified,
    /// The object is gone.
    Deleted,
    /// The watch has told everything up to this version.
    Bookmark,
}

impl WatchEvent {
    /// Whether it tells of an object.
    pub fn is_object(&self) -> bool {
        matches!(
            self.kind,
            WatchType::Added | WatchType::Modified | WatchType::Deleted
        )
    }

    /// What contradicts itself in this event, if anything does.
    pub(super) fn problem(&self) -> Option<Problem> {
        (self.is_object() && self.uid.is_none()).then_some(Problem::Missing {
            field: "uid",
            needed_by: "an event of an object",
        })
    }
}
