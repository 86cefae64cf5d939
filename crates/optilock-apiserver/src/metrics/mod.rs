//! What a server has done, in numbers: metrics in the text format of Prometheus, by the names and labels that kube-apiserver
//! has for them.
//!
//! What is counted as it happens is looked up once for a request, or once for a watch; everything else is asked for when
//! the metrics are read.

mod requests;
mod watches;

#[cfg(target_os = "linux")]
use std::sync::Once;
use std::sync::OnceLock;

use prometheus::core::Collector;
use prometheus::{
    Encoder, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::audit::Counters;

pub(crate) use self::requests::{Labels, Requests, Series, Took};
pub(crate) use self::watches::{WatchMeter, Watches};

/// The media type of [`Metrics::write`].
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The metrics of one server.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) requests: Requests,
    pub(crate) watches: Watches,
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "there are no ports"))]
    pub(crate) handshake_errors: IntCounter,
    authentications: Authentications,
    executing: IntGaugeVec,
    waiting: IntGaugeVec,
    objects: IntGaugeVec,
    /// Whether the process is among them.
    #[cfg(target_os = "linux")]
    process: Once,
}

/// How often somebody has said who they are. What never happened is not shown.
#[derive(Debug)]
struct Authentications {
    all: IntCounterVec,
    success: OnceLock<IntCounter>,
    failure: OnceLock<IntCounter>,
}

/// Registers a collector. The names are constants, and each is there once.
fn register<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let collector = made.unwrap_or_else(|error| unreachable!("a metric by the book: {error}"));
    if let Err(error) = registry.register(Box::new(collector.clone())) {
        unreachable!("a metric that is there once: {error}");
    }
    collector
}

impl Metrics {
    /// Those of a server with this audit log.
    pub(crate) fn new(audit: &Counters) -> Self {
        let registry = Registry::new();
        register(&registry, Ok(audit.events.clone()));
        register(&registry, Ok(audit.errors.clone()));
        let counter = |name: &str, help: &str| register(&registry, IntCounter::new(name, help));
        let counters = |name: &str, help: &str, labels: &[&str]| {
            register(&registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            register(&registry, IntGaugeVec::new(Opts::new(name, help), labels))
        };
        Self {
            requests: Requests::new(&registry),
            watches: Watches::new(&registry),
            handshake_errors: counter(
                "apiserver_tls_handshake_errors_total",
                "Number of requests dropped with 'TLS handshake error from' error",
            ),
            authentications: Authentications {
                all: counters(
                    "authentication_attempts",
                    "Counter of authenticated attempts.",
                    &["result"],
                ),
                success: OnceLock::new(),
                failure: OnceLock::new(),
            },
            executing: gauges(
                "apiserver_current_inflight_requests",
                "Requests that have a place, by kind.",
                &["request_kind"],
            ),
            waiting: gauges(
                "apiserver_current_inqueue_requests",
                "Requests that wait for a place, by kind.",
                &["request_kind"],
            ),
            objects: gauges(
                "apiserver_resource_objects",
                "Number of stored objects, by resource.",
                &["group", "resource"],
            ),
            #[cfg(target_os = "linux")]
            process: Once::new(),
            registry,
        }
    }

    /// Notes whether a request has proven who sends it.
    pub(crate) fn authenticated(&self, known: bool) {
        let Authentications {
            all,
            success,
            failure,
        } = &self.authentications;
        let (result, counter) = match known {
            true => ("success", success),
            false => ("failure", failure),
        };
        counter
            .get_or_init(|| all.with_label_values(&[result]))
            .inc();
    }

    /// Notes how many requests of a kind, as kube-apiserver calls it, have a place and how many wait for one.
    pub(crate) fn load(&self, kind: &str, executing: usize, waiting: usize) {
        set(&self.executing.with_label_values(&[kind]), executing);
        set(&self.waiting.with_label_values(&[kind]), waiting);
    }

    /// Notes how many objects there are of each resource: group, plural name, number.
    pub(crate) fn objects<'a>(&self, counts: impl IntoIterator<Item = (&'a str, &'a str, usize)>) {
        // Resources go away.
        self.objects.reset();
        for (group, resource, count) in counts {
            set(&self.objects.with_label_values(&[group, resource]), count);
        }
    }

    /// Everything, as text.
    ///
    /// # Errors
    /// What the encoder says, which is never seen: a family without a metric is left out.
    pub(crate) fn write(&self) -> prometheus::Result<Vec<u8>> {
        // Making these reads a good part of `/proc`: a server starts without.
        #[cfg(target_os = "linux")]
        self.process.call_once(|| {
            let process = prometheus::process_collector::ProcessCollector::for_self();
            if let Err(error) = self.registry.register(Box::new(process)) {
                unreachable!("a metric that is there once: {error}");
            }
        });
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

fn set(gauge: &IntGauge, count: usize) {
    gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
}
