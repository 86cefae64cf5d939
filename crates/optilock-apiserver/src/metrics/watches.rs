//! Watches and their events.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use super::register;
use super::requests::{Labels, NAMES_BUT_DRY_RUN};

/// Upper ends of the buckets, in bytes: kube-apiserver's.
const SIZES: [f64; 8] = [
    1024.0, 2048.0, 4096.0, 8192.0, 16384.0, 32768.0, 65536.0, 131_072.0,
];

/// The metrics of watches.
#[derive(Debug)]
pub(crate) struct Watches {
    open: IntGaugeVec,
    events: IntCounterVec,
    sizes: HistogramVec,
}

/// Counts the events of one watch, which is open as long as this exists.
#[derive(Debug)]
pub(crate) struct WatchMeter {
    open: IntGauge,
    events: IntCounter,
    sizes: Histogram,
}

impl Watches {
    pub(super) fn new(registry: &Registry) -> Self {
        let of_events = ["group", "version", "resource"];
        let open = Opts::new(
            "apiserver_longrunning_requests",
            "Gauge of all active long-running apiserver requests, by what they ask for.",
        );
        let events = Opts::new(
            "apiserver_watch_events_total",
            "Number of events sent in watch clients",
        );
        let sizes = HistogramOpts::new(
            "apiserver_watch_events_sizes",
            "Watch event size distribution in bytes",
        );
        let sizes = sizes.buckets(SIZES.to_vec());
        Self {
            open: register(registry, IntGaugeVec::new(open, &NAMES_BUT_DRY_RUN)),
            events: register(registry, IntCounterVec::new(events, &of_events)),
            sizes: register(registry, HistogramVec::new(sizes, &of_events)),
        }
    }

    /// A watch that begins.
    pub(crate) fn begin(&self, labels: &Labels<'_>) -> WatchMeter {
        let open = self.open.with_label_values(&labels.values_but_dry_run());
        open.inc();
        let of_events = [labels.group, labels.version, labels.resource];
        WatchMeter {
            open,
            events: self.events.with_label_values(&of_events),
            sizes: self.sizes.with_label_values(&of_events),
        }
    }
}

impl WatchMeter {
    /// Notes an event of so many bytes.
    pub(crate) fn event(&self, size: usize) {
        self.events.inc();
        #[allow(clippy::cast_precision_loss)] // no event has so many bytes
        self.sizes.observe(size as f64);
    }
}

impl Drop for WatchMeter {
    fn drop(&mut self) {
        self.open.dec();
    }
}
