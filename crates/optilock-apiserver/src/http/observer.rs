//! What is noted of a watch while it runs, and at its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::shared::Listed;
use crate::audit;
use crate::metrics::{Series, Took, WatchMeter};

/// Goes along with the events of a watch.
#[derive(Debug)]
pub(super) struct Observer {
    /// `None` for what is not counted.
    pub(super) counted: Option<(WatchMeter, Arc<Series>)>,
    pub(super) audited: Option<audit::Entry>,
    /// Its place in the list of those that are open.
    pub(super) _listed: Option<Listed>,
    pub(super) code: u16,
    pub(super) began: Instant,
    /// How long it had to wait for its turn.
    pub(super) waiting: Duration,
    pub(super) bytes: usize,
}

impl Observer {
    /// Notes an event of so many bytes.
    pub(super) fn event(&mut self, size: usize) {
        self.bytes += size;
        if let Some((meter, _)) = &self.counted {
            meter.event(size);
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        if let Some((_, series)) = &self.counted {
            let took = Took {
                all: self.began.elapsed(),
                waiting: self.waiting,
            };
            series.observe(took, self.bytes);
        }
        if let Some(entry) = self.audited.take() {
            entry.complete(self.code, None);
        }
    }
}
