//! The options that `run` and `compare` share.

use std::{path::PathBuf, sync::Arc, time::Duration};

use optilock_lab::{
    Change, Fault, Leg, Peer, Plan, Rate, RetryOnConflict, Strategy, Until, Workload, named,
};

use crate::{
    duration,
    failure::{Code, Failure},
    options::{self, BackoffArgs},
};

/// What to run, where, and what to keep of it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Common {
    /// What an update changes: `counter` in a label, `append` to a list, `disjoint` fields, `quota` (look,
    /// then add); or a counter under `read-mostly` load, on `many` objects, with a `foreign` writer
    #[arg(long, value_enum, default_value = "counter", help_heading = "Workload")]
    workload: Named,
    /// How many updates a quota allows
    #[arg(
        long,
        value_name = "N",
        default_value = "10",
        help_heading = "Workload"
    )]
    limit: i64,
    /// How many objects there are [default: 1; 20 of `many`]
    #[arg(long, value_name = "N", help_heading = "Workload")]
    objects: Option<usize>,
    /// The exponent of the Zipf distribution by which an object is picked [default: 0; 1 of `many`]
    #[arg(long, value_name = "S", help_heading = "Workload")]
    skew: Option<f64>,
    /// The share of operations that only read [default: 0; 0.9 of `read-mostly`]
    #[arg(long, value_name = "SHARE", help_heading = "Workload")]
    reads: Option<f64>,
    /// Somebody else writes the objects' status, this long apart [default: never; 20ms of `foreign`]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, help_heading = "Workload")]
    foreign: Option<Duration>,
    /// How many operations each worker makes
    #[arg(
        long,
        value_name = "N",
        default_value = "10",
        help_heading = "Workload"
    )]
    updates: u64,
    /// Let the workers go on for so long, instead of --updates
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse, conflicts_with = "updates", help_heading = "Workload")]
    elapsed: Option<Duration>,
    /// Begin so many operations a second, ready or not, and count their time from then [default: each
    /// worker begins when it is done with the one before]
    #[arg(
        long,
        value_name = "N",
        allow_hyphen_values = true,
        help_heading = "Workload"
    )]
    rate: Option<f64>,
    /// Operations of each worker before anything is counted
    #[arg(long, value_name = "N", default_value = "0", help_heading = "Workload")]
    warm_up: u64,
    /// How often to repeat everything, each time with the next seed [default: 1; 5 with --twin]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000), help_heading = "Workload")]
    pub(super) repeat: Option<u64>,
    /// What random numbers are made from [default: another each time]
    #[arg(long, value_name = "N", help_heading = "Workload")]
    seed: Option<u64>,

    #[command(flatten)]
    backoff: BackoffArgs,

    /// Requests per second that the workers allow themselves together; 0 for no throttle
    #[arg(long, default_value = "0", value_parser = options::qps, allow_hyphen_values = true, help_heading = "Network")]
    qps: f32,
    /// Requests that may go out at once before the throttle bites
    #[arg(long, default_value = "10", value_parser = options::burst, allow_hyphen_values = true, help_heading = "Network")]
    burst: u32,
    /// What is added to each way, to the server and back: a duration, or mean and standard deviation
    /// as 10ms:2ms [default: 2ms, 0 with --kubeconfig]
    #[arg(long, value_name = "MEAN[:DEVIATION]", value_parser = options::leg, help_heading = "Network")]
    latency: Option<Leg>,
    /// What goes wrong: KIND[:p=0.1][:verb=update][:resource=deployments][:nth=3][:for=50ms]; may be
    /// given several times
    #[arg(long = "fault", value_name = "FAULT", help_heading = "Network")]
    faults: Vec<Fault>,

    /// Run in virtual time: with a server of its own and a clock that jumps
    #[arg(
        long = "virtual",
        conflicts_with = "kubeconfig",
        help_heading = "Where"
    )]
    pub(super) simulated: bool,
    /// Run on the cluster of this file's current context
    #[arg(long, value_name = "FILE", help_heading = "Where")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// The namespace of the objects, which must exist
    #[arg(long, default_value = "default", value_parser = options::namespace, help_heading = "Where")]
    pub(super) namespace: String,
    /// What the names of the objects begin with
    #[arg(long, default_value = "optilock", value_parser = options::namespace, help_heading = "Where")]
    pub(super) prefix: String,
    /// Don't ask before loading a cluster that isn't on this machine (without a terminal nobody is
    /// asked)
    #[arg(long, help_heading = "Where")]
    pub(super) yes: bool,
    /// The longest that a run may take; it is stopped then, and judged as far as it came
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse, help_heading = "Where")]
    time_limit: Duration,
    /// End a run when its cluster leaves a read unanswered, or fails, for so long
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse, help_heading = "Where")]
    pub(super) patience: Duration,
    /// The most workers on a cluster of --kubeconfig
    #[arg(long, value_name = "N", default_value = "500", help_heading = "Where")]
    max_workers: usize,
    /// The most operations of a run on a cluster of --kubeconfig, those of the warm-up included, and the
    /// most objects
    #[arg(
        long,
        value_name = "N",
        default_value = "100000",
        help_heading = "Where"
    )]
    max_operations: u64,
    /// The highest --rate on a cluster of --kubeconfig
    #[arg(long, value_name = "N", default_value = "1000", help_heading = "Where")]
    max_rate: f64,

    /// Keep the history of the run in this file; of several runs, in files of this directory
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) history: Option<PathBuf>,
    /// Write the results as JSON (docs/run.schema.json) to this file, or with - to standard output
    /// instead of the table
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) json: Option<PathBuf>,
    /// Write the table as CSV to this file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) csv: Option<PathBuf>,
    /// Write the table as Markdown to this file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) markdown: Option<PathBuf>,
    /// Write a page that shows the results and the histories to this file
    #[arg(long, value_name = "FILE.html", help_heading = "Output")]
    pub(super) report: Option<PathBuf>,
}

/// A workload by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Named {
    Counter,
    Append,
    Disjoint,
    Quota,
    ReadMostly,
    Many,
    Foreign,
}

impl Common {
    /// The workload: what its name says, and what options say instead.
    pub(super) fn workload(&self) -> Workload {
        let counter = Workload::of(Change::Counter);
        let limit = self.limit;
        let named = match self.workload {
            Named::Counter => counter,
            Named::Append => Workload::of(Change::Append),
            Named::Disjoint => Workload::of(Change::Disjoint),
            Named::Quota => Workload::of(Change::Quota { limit }),
            Named::ReadMostly => Workload {
                reads: 0.9,
                ..counter
            },
            Named::Many => Workload {
                objects: 20,
                skew: 1.0,
                ..counter
            },
            Named::Foreign => Workload {
                foreign_every: Some(Duration::from_millis(20)),
                ..counter
            },
        };
        Workload {
            change: named.change,
            objects: self.objects.unwrap_or(named.objects),
            skew: self.skew.unwrap_or(named.skew),
            reads: self.reads.unwrap_or(named.reads),
            foreign_every: self.foreign.or(named.foreign_every),
        }
    }

    pub(super) fn strategy(&self, name: &str) -> Result<Arc<dyn Strategy>, Failure> {
        named(name, self.backoff.backoff())
            .map_err(|error| Failure::new(Code::Usage, error.to_string()))
    }

    /// The runs: for each number of workers every strategy and every peer, as often as they are repeated.
    pub(super) fn plans(
        &self,
        strategies: &[String],
        peers: &[Peer],
        workers: &[usize],
    ) -> Result<Vec<Plan>, Failure> {
        let seed = self
            .seed
            .unwrap_or_else(|| u64::from(rand::random::<u32>()));
        let backoff = self.backoff.backoff();
        let own = strategies
            .iter()
            .map(|name| Ok((self.strategy(name)?, None)));
        // What a peer is asked for: its client's own retries, with these parameters.
        let retry = Arc::new(RetryOnConflict::new(backoff));
        let others = peers.iter().map(|peer| {
            let strategy: Arc<dyn Strategy> = retry.clone();
            Ok((strategy, Some(peer.clone().backoff(backoff))))
        });
        let methods: Vec<_> = own.chain(others).collect::<Result<_, Failure>>()?;
        let mut plans = Vec::new();
        for &workers in workers {
            for (strategy, peer) in &methods {
                for turn in 0..self.repeat.unwrap_or(1) {
                    let plan = Plan {
                        peer: peer.clone(),
                        ..self.plan(strategy.clone(), workers, seed.wrapping_add(turn))
                    };
                    plan.check()
                        .map_err(|error| Failure::new(Code::Usage, error.to_string()))?;
                    self.bounded(&plan)?;
                    plans.push(plan);
                }
            }
        }
        Ok(plans)
    }

    fn plan(&self, strategy: Arc<dyn Strategy>, workers: usize, seed: u64) -> Plan {
        let near = Leg::constant(Duration::from_millis(2));
        let leg = match self.kubeconfig {
            Some(_) => Leg::default(),
            None => near,
        };
        Plan {
            namespace: self.namespace.clone(),
            prefix: self.prefix.clone(),
            strategy,
            peer: None,
            workload: self.workload(),
            workers,
            until: self
                .elapsed
                .map_or(Until::Operations(self.updates), Until::Elapsed),
            rate: self.rate,
            warm_up: self.warm_up,
            throttle: (self.qps > 0.0).then_some(Rate {
                qps: self.qps,
                burst: self.burst,
            }),
            leg: self.latency.unwrap_or(leg),
            faults: self.faults.clone(),
            capacity: None,
            seed,
            time_limit: self.time_limit,
        }
    }

    /// Whether somebody's cluster can be expected to bear it.
    fn bounded(&self, plan: &Plan) -> Result<(), Failure> {
        if self.kubeconfig.is_none() {
            return Ok(());
        }
        let warm_up = plan.warm_up.saturating_mul(plan.workers as u64);
        let operations = plan.operations().unwrap_or(0).saturating_add(warm_up);
        let objects = plan.workload.objects;
        let too_much = |what: String, flag: &str| {
            Err(Failure::new(
                Code::Usage,
                format!("{what} is more than a cluster is loaded with unasked"),
            )
            .hint(format!("if it can bear that, say so with {flag}")))
        };
        if plan.workers > self.max_workers {
            return too_much(format!("{} workers", plan.workers), "--max-workers");
        }
        if operations > self.max_operations {
            return too_much(format!("{operations} operations"), "--max-operations");
        }
        if objects as u64 > self.max_operations {
            return too_much(format!("{objects} objects"), "--max-operations");
        }
        match plan.rate {
            Some(rate) if rate > self.max_rate => {
                too_much(format!("a rate of {rate}/s"), "--max-rate")
            }
            _ => Ok(()),
        }
    }
}
