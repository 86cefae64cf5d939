//! `optilock-bench load`: so many connections that ask one thing after the other.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::future::try_join_all;
use optilock_apiserver::Server;
use optilock_apiserver::store::{RedbStore, Retention};
use serde::Serialize;
use tokio::runtime::{Builder, Runtime};

use crate::access::{Access, Protocol};
use crate::process::processor_time;
use crate::times::Times;
use crate::verb::{Verb, Worker, add_listed, make_namespace};

/// The most threads that ask: the machine is shared with the server.
const THREADS: usize = 2;
/// How many requests at a time make the objects that are listed.
const MAKERS: usize = 32;

/// Ask a server one thing after the other, on so many connections, and say how fast it went.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// What is asked, in this order.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        required_unless_present = "listed"
    )]
    verb: Vec<Verb>,
    /// How many connections there are, for each of these numbers.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    connections: Vec<usize>,
    /// Requests at a time on each connection.
    #[arg(long, default_value_t = 1)]
    streams: usize,
    /// How long each verb is asked.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Make so many Deployments in the namespace `listed` before, if they aren't there.
    #[arg(long, value_name = "N", default_value_t = 0)]
    listed: u64,
}

/// Which server is asked.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct ServerArgs {
    /// One on a port.
    #[arg(
        long,
        required_unless_present = "in_process",
        conflicts_with = "in_process"
    )]
    kubeconfig: Option<PathBuf>,
    /// One in this process.
    #[arg(long)]
    in_process: bool,
    /// What is spoken on a port.
    #[arg(long, value_enum, default_value = "h1")]
    pub(crate) protocol: Protocol,
    /// Where a server in this process has its objects; in memory otherwise.
    #[arg(long, requires = "in_process")]
    redb: Option<PathBuf>,
    /// The processes of the server, whose processor time is looked at.
    #[arg(long, value_delimiter = ',')]
    pub(crate) pids: Vec<u32>,
}

/// How fast it went.
#[derive(Debug, Serialize)]
struct Figures {
    verb: String,
    connections: usize,
    streams: usize,
    per_second: f64,
    p50_us: u32,
    p99_us: u32,
    conflicts: u64,
    /// Processor time of the server for each, where its processes are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    processor_us: Option<f64>,
}

impl ServerArgs {
    /// The way to the server.
    pub(crate) async fn access(&self) -> Result<Access> {
        match &self.kubeconfig {
            Some(path) => Access::from_kubeconfig(path).await,
            None => {
                let server = Server::builder().controllers([]);
                let server = match &self.redb {
                    Some(path) => {
                        server.store(Arc::new(RedbStore::open(path, Retention::default())?))
                    }
                    None => server,
                };
                Ok(Access::InProcess(server.build().service()))
            }
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    // Two runtimes of one thread each: no request changes threads.
    let runtimes = (0..THREADS)
        .map(|_| runtime())
        .collect::<Result<Vec<_>>>()?;
    let access = runtimes[0].block_on(args.server.access())?;
    if args.listed > 0 {
        runtimes[0].block_on(list_is_there(&access, args))?;
    }
    for &connections in &args.connections {
        let mut crew = Crew::new(&runtimes, &access, args, connections)?;
        for &verb in &args.verb {
            crew = crew.measure(verb, args)?;
        }
    }
    Ok(())
}

fn runtime() -> Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build();
    runtime.context("starting a thread")
}

/// Makes the objects that are listed.
async fn list_is_there(access: &Access, args: &Args) -> Result<()> {
    make_namespace(&mut access.connect(args.server.protocol).await?).await?;
    let each = args.listed.div_ceil(MAKERS as u64);
    let makers = (0..args.listed)
        .step_by(usize::try_from(each)?)
        .map(|start| async move {
            let mut connection = access.connect(args.server.protocol).await?;
            add_listed(&mut connection, start..args.listed.min(start + each)).await
        });
    try_join_all(makers).await.map(drop)
}

/// All workers, each on one of the threads.
struct Crew<'a> {
    runtimes: &'a [Runtime],
    workers: Vec<Worker>,
    connections: usize,
}

impl<'a> Crew<'a> {
    fn new(
        runtimes: &'a [Runtime],
        access: &Access,
        args: &Args,
        connections: usize,
    ) -> Result<Self> {
        let (protocol, streams) = (args.server.protocol, args.streams);
        let mut crews = Vec::new();
        for number in 0..connections {
            let access = access.clone();
            let hiring = async move {
                let first = access.connect(protocol).await?;
                let mut workers = Vec::new();
                for stream in 1..streams {
                    let connection = first.share();
                    let connection = connection.context(
                        "a connection of HTTP/1.1 has one request at a time: leave out --streams",
                    )?;
                    workers.push(Worker::new(connection, number * streams + stream).await?);
                }
                workers.push(Worker::new(first, number * streams).await?);
                anyhow::Ok(workers)
            };
            crews.push(runtimes[number % runtimes.len()].spawn(hiring));
        }
        let mut workers = Vec::new();
        for crew in crews {
            workers.append(&mut runtimes[0].block_on(crew)??);
        }
        Ok(Self {
            runtimes,
            workers,
            connections,
        })
    }

    /// Lets all do one thing for so long.
    fn measure(self, verb: Verb, args: &Args) -> Result<Self> {
        let time = Duration::from_secs_f64(args.seconds);
        let pids = &args.server.pids;
        let processor_before = processor_time(pids)?;
        let started = Instant::now();
        let mut running = Vec::new();
        for (number, worker) in self.workers.into_iter().enumerate() {
            // A connection stays on the thread on which it was made.
            let runtime = &self.runtimes[number / args.streams % self.runtimes.len()];
            running.push(runtime.spawn(repeat(worker, verb, started + time)));
        }
        let mut workers = Vec::new();
        let mut times = Times::default();
        for worker in running {
            let (worker, its) = self.runtimes[0].block_on(worker)??;
            times.append(its);
            workers.push(worker);
        }
        let took = started.elapsed();
        let processor = processor_time(pids)? - processor_before;
        let done = times.len();
        anyhow::ensure!(done > 0, "{} was not done once", verb.name());
        let conflicts = workers
            .iter_mut()
            .map(|worker| std::mem::take(&mut worker.conflicts))
            .sum();
        let [p50_us, p99_us] = times.percentiles([50, 99]);
        let figures = Figures {
            verb: verb.name(),
            connections: self.connections,
            streams: args.streams,
            per_second: done as f64 / took.as_secs_f64(),
            p50_us,
            p99_us,
            conflicts,
            processor_us: (!pids.is_empty()).then(|| processor.as_secs_f64() * 1e6 / done as f64),
        };
        println!("{}", serde_json::to_string(&figures)?);
        if matches!(verb, Verb::Delete | Verb::Patch | Verb::Apply) {
            let tidying = workers.iter_mut().map(Worker::tidy);
            self.runtimes[0].block_on(try_join_all(tidying))?;
        }
        Ok(Self { workers, ..self })
    }
}

async fn repeat(mut worker: Worker, verb: Verb, end: Instant) -> Result<(Worker, Times)> {
    let mut times = Times::default();
    let mut before = Instant::now();
    // Once at least, however late the thread has come to it.
    while worker.step(verb).await? {
        let now = Instant::now();
        times.add(now - before);
        before = now;
        if now >= end {
            break;
        }
    }
    Ok((worker, times))
}
