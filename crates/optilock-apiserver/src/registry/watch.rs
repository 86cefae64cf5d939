//! watch

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::list::refuse;
use super::read::version;
use super::select::Selection;
use super::{ListOptions, Registry, Stored, Target};
use crate::status::{Reason, Status};
use crate::store::{Cursor, Event, Range, ReadError};
use crate::validation::{Path, field};

/// How often a watcher that allows it is told how far it has come.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);
/// The last bookmark comes so long before the end.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);
/// Seconds that a watch lasts when the client does not say, drawn between the two.
const DEFAULT_SECONDS: (u64, u64) = (1800, 3600);

/// `type` of a watch event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WatchEventType {
    Added,
    Modified,
    Deleted,
}

/// One event of a watch.
#[derive(Debug)]
pub(crate) enum WatchEvent {
    /// An object came, changed or went.
    Change(WatchEventType, Stored),
    /// Everything up to this version was delivered.
    Bookmark {
        revision: u64,
        /// The state at the beginning of the watch is complete.
        initial_events_end: bool,
    },
    /// The watch can't go on.
    Error(Status),
}

/// A watch that was opened: events in order of version, until its time is up.
#[derive(Debug)]
pub(crate) struct Watch {
    selection: Selection,
    cursor: Option<Cursor>,
    ready: VecDeque<WatchEvent>,
    ends: Instant,
    /// Changes up to this version are not told: the client knows a version that is still to come.
    after: u64,
    /// When the next bookmark is due; `None` without `allowWatchBookmarks`.
    bookmark: Option<Instant>,
}

impl Registry {
    /// Opens a watch.
    ///
    /// # Errors
    /// 422 for options that make no sense, 500 for a version that is no number. A version that is too old is no error here: it is told
    /// in the stream, as the API server does.
    pub(crate) async fn watch(
        &self,
        target: &Target,
        options: &ListOptions,
    ) -> Result<Watch, Status> {
        validate(options)?;
        let version = version(&options.resource_version).map_err(Status::untyped)?;
        let selection = Selection::new(target, options);
        let prefix = selection.prefix(target);
        let now = Instant::now();
        let seconds = options
            .timeout_seconds
            .filter(|seconds| *seconds > 0)
            .unwrap_or_else(|| self.ambient.between(DEFAULT_SECONDS.0, DEFAULT_SECONDS.1));
        let ends = now + Duration::from_secs(seconds);
        let mut watch = Watch {
            selection,
            cursor: None,
            ready: VecDeque::new(),
            ends,
            after: 0,
            bookmark: options.bookmarks.then(|| next_bookmark(now, ends)),
        };

        // Without a version the state comes first, as it always has; with one only when it is asked for.
        let replay = options.send_initial_events.unwrap_or(version == 0);
        let after = if replay || version == 0 {
            if let Err(status) = self.reached(version).await {
                watch.ready.push_back(WatchEvent::Error(status));
                return Ok(watch);
            }
            let range = Range {
                limit: if replay { 0 } else { 1 },
                ..Range::all(&prefix)
            };
            let page = self
                .store
                .range(range)
                .await
                .map_err(|error| super::errors::read(&error))?;
            for entry in page.entries.into_iter().filter(|_| replay) {
                let stored = Stored {
                    bytes: entry.value,
                    revision: entry.revision,
                };
                if watch.selection.matches(&stored)? {
                    watch
                        .ready
                        .push_back(WatchEvent::Change(WatchEventType::Added, stored));
                }
            }
            if options.bookmarks && replay {
                watch.ready.push_back(WatchEvent::Bookmark {
                    revision: page.revision,
                    initial_events_end: true,
                });
            }
            page.revision
        } else {
            version
        };
        let cursor = match self.store.watch(&prefix, after) {
            Err(ReadError::Future { current, .. }) => {
                watch.after = after;
                self.store.watch(&prefix, current)
            }
            cursor => cursor,
        };
        match cursor {
            Ok(cursor) => watch.cursor = Some(cursor),
            Err(error) => watch
                .ready
                .push_back(WatchEvent::Error(watch_error(&error))),
        }
        Ok(watch)
    }
}

fn watch_error(error: &ReadError) -> Status {
    match error {
        ReadError::Compacted { .. } => Status::new(
            410,
            Reason::Expired,
            "The resourceVersion for the provided watch is too old.",
        ),
        ReadError::Future { .. } | ReadError::Unavailable(_) => super::errors::read(error),
    }
}

fn next_bookmark(now: Instant, ends: Instant) -> Instant {
    let last = ends.checked_sub(BOOKMARK_BEFORE_END).unwrap_or(ends);
    let next = now + BOOKMARK_INTERVAL;
    if now < last { next.min(last) } else { next }
}

impl Watch {
    /// The next event; `None` when the watch is over.
    pub(crate) async fn next(&mut self) -> Option<WatchEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            // No cursor: the last event was an error, and nothing comes after one.
            let cursor = self.cursor.as_mut()?;
            let bookmark = self.bookmark;
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(self.ends) => return None,
                () = sleep_until(bookmark) => {
                    let revision = cursor.position().max(self.after);
                    self.bookmark = Some(next_bookmark(Instant::now(), self.ends));
                    return Some(WatchEvent::Bookmark { revision, initial_events_end: false });
                }
                events = cursor.next() => match events {
                    Ok(events) => {
                        for event in events {
                            self.take(&event);
                        }
                    }
                    Err(error) => {
                        self.cursor = None;
                        return Some(WatchEvent::Error(watch_error(&error)));
                    }
                },
            }
        }
    }

    /// Queues what a change of the store means to this watch.
    fn take(&mut self, event: &Arc<Event>) {
        match self.meaning(event) {
            Ok(Some(event)) => self.ready.push_back(event),
            Ok(None) => {}
            Err(status) => {
                self.cursor = None;
                self.ready.push_back(WatchEvent::Error(status));
            }
        }
    }

    fn meaning(&self, event: &Event) -> Result<Option<WatchEvent>, Status> {
        if event.revision <= self.after {
            return Ok(None);
        }
        let at = |bytes: &bytes::Bytes| Stored {
            bytes: bytes.clone(),
            revision: event.revision,
        };
        let new = event.value.as_ref().map(at);
        // An object that went, or that the selector does not match any more, is shown as it last was, at the version of the change.
        let old = event.previous.as_ref().map(|previous| at(&previous.value));
        let selected = |stored: Option<Stored>| -> Result<Option<Stored>, Status> {
            match stored {
                Some(stored) => Ok(self.selection.matches(&stored)?.then_some(stored)),
                None => Ok(None),
            }
        };
        Ok(match (selected(old)?, selected(new)?) {
            (None, Some(new)) => Some(WatchEvent::Change(WatchEventType::Added, new)),
            (Some(_), Some(new)) => Some(WatchEvent::Change(WatchEventType::Modified, new)),
            (Some(old), None) => Some(WatchEvent::Change(WatchEventType::Deleted, old)),
            (None, None) => None,
        })
    }
}

async fn sleep_until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}

/// The rules of `ListOptions` for a watch.
fn validate(options: &ListOptions) -> Result<(), Status> {
    let mut problems = Vec::new();
    let path = Path::new("resourceVersionMatch");
    match (options.send_initial_events, options.version_match.as_str()) {
        (None, "") | (Some(_), "NotOlderThan") => {}
        (None, _) => problems.push(field::Error::forbidden(
            &path,
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        )),
        (Some(_), _) => problems.push(field::Error::forbidden(
            &path,
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        )),
    }
    // Without a version the state is asked for, as if the client had said so.
    let asks = options.send_initial_events.is_some()
        || matches!(options.resource_version.as_str(), "" | "0");
    if asks && !options.continue_token.is_empty() {
        problems.push(field::Error::forbidden(
            &path,
            "resourceVersionMatch is forbidden when continue is provided",
        ));
    }
    if !matches!(options.version_match.as_str(), "" | "NotOlderThan") {
        let sent = options.version_match.as_str();
        problems.push(field::Error::not_supported(&path, sent, &["NotOlderThan"]));
    }
    refuse(&problems)
}
