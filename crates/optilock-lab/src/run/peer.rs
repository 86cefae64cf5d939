//! The part of a run in which a peer makes the updates.

use std::{
    collections::BTreeMap,
    future::pending,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{Request, StatusCode};
use hyper::body::Incoming;
use optilock_apiserver::Port;
use parking_lot::Mutex;
use tempfile::NamedTempFile;
use tokio::{io::AsyncReadExt, time::Instant};
use tower::{Layer, Service};

use super::{
    Plan,
    tally::{Ended, Tally},
};
use crate::{
    Error, Network, Peer, PeerProblem,
    history::{Fate, Operation, Outcome, Recorder, Verb},
    network::refusal,
    peer::{Said, Task},
    relay,
    route::Route,
    transport::{Account, Actor, Ledger, MeterLayer},
};

/// Any free port of this machine.
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// How much is read at once of what a peer writes.
const BUFFER: usize = 64 << 10;

/// How long a peer has after the time limit to end its updates, and to write down what became of them.
pub(super) const GRACE: Duration = Duration::from_secs(3);

/// Lets a peer's workers at an object; whether it had to be stopped. After the time limit its requests are refused for
/// good, so that it gives its updates up and tells the whole history: of a peer that was killed nobody would know what it had
/// under way.
///
/// What it asks goes through the network like the requests of the lab's own workers, and
/// is counted in the ledger whatever it tells.
pub(super) async fn race(
    (peer, plan, name): (&Peer, &Plan, &str),
    network: Network,
    recorder: &Recorder,
    ledger: &Arc<Ledger>,
    said: &Mutex<Said>,
) -> Result<bool, Error> {
    let end = Instant::now() + plan.time_limit;
    let is_stopped = Arc::new(AtomicBool::new(false));
    let failed = |problem| Error::Peer {
        peer: peer.name().to_owned(),
        problem,
    };
    let io_failed = |error: io::Error| failed(PeerProblem::Io(error));
    let port = Port::bind(LOOPBACK)
        .await
        .map_err(|error| failed(PeerProblem::Port(error)))?;
    let mut kubeconfig = NamedTempFile::new().map_err(io_failed)?;
    kubeconfig
        .write_all(port.kubeconfig().as_bytes())
        .map_err(io_failed)?;
    let meter = MeterLayer::new(ledger.probe(Actor::Shared));
    let passed = tower::service_fn(move |request| relay(network.clone(), request));
    let counted = meter.layer(passed.clone());
    let stop = Arc::clone(&is_stopped);
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let (mut counted, mut passed) = (counted.clone(), passed.clone());
        let is_late = Instant::now() >= end;
        if is_late {
            stop.store(true, Ordering::Relaxed);
        }
        async move {
            if is_late {
                // No client sends again what is forbidden.
                let why = "the time limit of the run was reached";
                return Ok(refusal(StatusCode::FORBIDDEN, why));
            }
            match Route::of(request.method(), request.uri()) {
                Some(_) => counted.call(request).await,
                // What a client asks for itself, as the server's version.
                None => passed.call(request).await,
            }
        }
    });
    let task = Task {
        kubeconfig: kubeconfig.path(),
        namespace: &plan.namespace,
        name,
        workers: plan.workers,
        updates: plan.operations().unwrap_or(0) / plan.workers as u64,
    };
    let program = async {
        *said.lock() = Said::begin(recorder.now_ns());
        let mut child = peer
            .command(&task)
            .spawn()
            .map_err(|error| failed(PeerProblem::Start(error)))?;
        let mut output = child.stdout.take();
        let mut buffer = vec![0; BUFFER];
        while let Some(output) = &mut output {
            let read = output.read(&mut buffer).await.map_err(io_failed)?;
            if read == 0 {
                break;
            }
            said.lock().push(&buffer[..read]);
        }
        let status = child.wait().await.map_err(io_failed)?;
        if !status.success() {
            return Err(failed(PeerProblem::Ended(status)));
        }
        let (_, read) = said.lock().records();
        read.map_err(|error| failed(PeerProblem::History(error)))
    };
    tokio::select! {
        ended = program => ended?,
        () = port.serve_until(service, pending()) => {}
    }
    Ok(is_stopped.load(Ordering::Relaxed))
}

/// Counts and times the updates that a peer's workers tell of: the attempts of one have one op-id.
pub(super) fn tell(
    operations: impl Iterator<Item = Operation>,
    workers: usize,
    account: &mut Account,
    tally: &Tally,
) {
    let mut updates: BTreeMap<(usize, Arc<str>), Vec<Operation>> = BTreeMap::new();
    for operation in operations {
        let worker = operation
            .worker
            .and_then(|worker| usize::try_from(worker).ok());
        // Whoever isn't one of the workers makes no update.
        if let Some(worker) = worker.filter(|&worker| worker < workers) {
            let update = (worker, Arc::clone(&operation.op_id));
            updates.entry(update).or_default().push(operation);
        }
    }
    let begun = |operation: &Operation| operation.invoke_ns;
    let ended = |operation: &Operation| operation.return_ns.unwrap_or(operation.invoke_ns);
    let all = || updates.values().flatten();
    let first = all().map(begun).min().unwrap_or(0);
    account.took = Duration::from_nanos(all().map(ended).max().unwrap_or(first) - first);
    for ((worker, op_id), attempts) in &mut updates {
        attempts.sort_by_key(begun);
        for operation in attempts.iter() {
            let time = match operation.verb {
                Verb::Get => &mut account.sums.get_ns,
                _ => &mut account.sums.write_ns,
            };
            *time += ended(operation) - begun(operation);
        }
        for pair in attempts.windows(2) {
            account.sums.backoff_ns += begun(&pair[1]).saturating_sub(ended(&pair[0]));
        }
        let start = attempts.first().map_or(0, begun);
        let end = attempts.iter().map(ended).max().unwrap_or(start);
        let fate = Fate::of_updates(attempts.iter()).remove(&**op_id);
        let ended = match fate.map(|fate| fate.outcome) {
            Some(Outcome::Applied) => Ended::Applied,
            Some(Outcome::Unknown) => Ended::Unknown,
            _ => Ended::Abandoned,
        };
        let took = Duration::from_nanos(end - start);
        tally.push(*worker, took, took, ended, None);
    }
}
