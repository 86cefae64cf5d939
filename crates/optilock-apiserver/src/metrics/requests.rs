//! Requests, by what they ask for and how they end.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashTable;
use parking_lot::RwLock;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};

use super::register;

/// Upper ends of the buckets, in seconds and in bytes: kube-apiserver's.
const DURATION: [f64; 23] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0,
    10.0, 15.0, 20.0, 30.0, 45.0, 60.0,
];
const SIZES: [f64; 7] = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Labels<'a> {
    /// As `GET`, `LIST`, `APPLY`.
    pub(crate) verb: &'a str,
    /// What the request says of it: nothing or `All`.
    pub(crate) dry_run: &'a str,
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) subresource: &'a str,
    /// `cluster`, `namespace` or `resource`.
    pub(crate) scope: &'a str,
    /// `apiserver`; nothing for what is not about resources.
    pub(crate) component: &'a str,
}

/// How long a request took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Took {
    pub(crate) all: Duration,
    /// Of this, how long it waited for its turn.
    pub(crate) waiting: Duration,
}

/// The metrics of requests.
pub(crate) struct Requests {
    total: IntCounterVec,
    duration: HistogramVec,
    /// Without what is not the server's doing.
    sli: HistogramVec,
    sizes: HistogramVec,
    hasher: RandomState,
    /// The children of the families above that were asked for, so that a request looks once.
    known: RwLock<HashTable<Arc<Series>>>,
}

/// Where requests that are alike are counted.
pub(crate) struct Series {
    /// Of the labels, and the code.
    values: [Box<str>; 8],
    code: u16,
    total: IntCounter,
    duration: Histogram,
    sli: Option<Histogram>,
    sizes: Option<Histogram>,
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").finish_non_exhaustive()
    }
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Series").field(&self.values).finish()
    }
}

/// The names of the labels, in the order of [`Labels::values`].
const NAMES: [&str; 8] = [
    "verb",
    "dry_run",
    "group",
    "version",
    "resource",
    "subresource",
    "scope",
    "component",
];

/// The names of the labels, in the order of [`Labels::values_but_dry_run`].
pub(super) const NAMES_BUT_DRY_RUN: [&str; 7] = but_dry_run(NAMES);

/// What many metrics tell apart: all but the dry run, which is the second.
const fn but_dry_run<T: Copy>([verb, _, a, b, c, d, e, f]: [T; 8]) -> [T; 7] {
    [verb, a, b, c, d, e, f]
}

impl<'a> Labels<'a> {
    pub(super) fn values_but_dry_run(&self) -> [&'a str; 7] {
        but_dry_run(self.values())
    }

    fn values(&self) -> [&'a str; 8] {
        [
            self.verb,
            self.dry_run,
            self.group,
            self.version,
            self.resource,
            self.subresource,
            self.scope,
            self.component,
        ]
    }
}

impl Series {
    fn is_for(&self, values: &[&str; 8], code: u16) -> bool {
        self.code == code
            && self
                .values
                .iter()
                .zip(values)
                .all(|(own, value)| **own == **value)
    }
}

impl Requests {
    pub(super) fn new(registry: &Registry) -> Self {
        let histograms = |name: &str, help: &str, labels: &[&str], buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            register(registry, HistogramVec::new(options, labels))
        };
        let counted: Vec<&str> = NAMES.into_iter().chain(["code"]).collect();
        let total = IntCounterVec::new(
            Opts::new(
                "apiserver_request_total",
                "Counter of apiserver requests, by what they ask for and HTTP response code.",
            ),
            &counted,
        );
        Self {
            total: register(registry, total),
            duration: histograms(
                "apiserver_request_duration_seconds",
                "Response latency in seconds, by what was asked for.",
                &NAMES,
                &DURATION,
            ),
            sli: histograms(
                "apiserver_request_sli_duration_seconds",
                "Response latency in seconds without the time in queues, by what was asked for.",
                &NAMES_BUT_DRY_RUN,
                &DURATION[2..],
            ),
            sizes: histograms(
                "apiserver_response_sizes",
                "Response size in bytes, by what was asked for.",
                &NAMES_BUT_DRY_RUN,
                &SIZES,
            ),
            hasher: RandomState::new(),
            known: RwLock::default(),
        }
    }

    /// Where a request that ends so is counted. `counts` is asked at the first of its kind, so that only what the server
    /// knows makes new metrics.
    pub(crate) fn of(
        &self,
        labels: &Labels<'_>,
        code: u16,
        counts: impl FnOnce() -> bool,
    ) -> Option<Arc<Series>> {
        let values = labels.values();
        let hash = self.hasher.hash_one((&values, code));
        let known = self.known.read();
        if let Some(series) = known.find(hash, |series| series.is_for(&values, code)) {
            return Some(Arc::clone(series));
        }
        drop(known);
        if !counts() {
            return None;
        }
        let series = Arc::new(self.series(labels, code));
        let rehash = |series: &Arc<Series>| {
            let values = series.values.each_ref().map(|value| &**value);
            self.hasher.hash_one((&values, series.code))
        };
        let mut known = self.known.write();
        // Two may come here at a time; their children are the same.
        if known
            .find(hash, |other| other.is_for(&values, code))
            .is_none()
        {
            known.insert_unique(hash, Arc::clone(&series), rehash);
        }
        Some(series)
    }

    fn series(&self, labels: &Labels<'_>, code: u16) -> Series {
        let values = labels.values();
        let plain = labels.values_but_dry_run();
        let text = code.to_string();
        let mut counted = values.to_vec();
        counted.push(&text);
        let is_read = matches!(labels.verb, "GET" | "LIST" | "WATCH");
        Series {
            values: values.map(Into::into),
            code,
            total: self.total.with_label_values(&counted),
            duration: self.duration.with_label_values(&values),
            sli: labels
                .dry_run
                .is_empty()
                .then(|| self.sli.with_label_values(&plain)),
            sizes: is_read.then(|| self.sizes.with_label_values(&plain)),
        }
    }
}

impl Series {
    /// Counts one, whose answer had so many bytes.
    pub(crate) fn observe(&self, took: Took, size: usize) {
        self.total.inc();
        self.duration.observe(took.all.as_secs_f64());
        if let Some(sli) = &self.sli {
            sli.observe(took.all.saturating_sub(took.waiting).as_secs_f64());
        }
        if let Some(sizes) = &self.sizes {
            #[allow(clippy::cast_precision_loss)] // no answer has so many bytes
            sizes.observe(size as f64);
        }
    }
}
