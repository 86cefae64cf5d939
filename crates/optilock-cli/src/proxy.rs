//! `optilock proxy`: faults between any client and a cluster.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use optilock_apiserver::Port;
use optilock_lab::{Fault, Leg, Network, Target, relay};

use crate::{
    failure::{Code, Failure},
    kubeconfig::OwnedFile,
    options, port, serve,
    stop::Stop,
    term,
};

/// Stand between clients and a cluster, and let requests go wrong
///
/// Clients of any language use the kubeconfig that it writes: HTTPS (HTTP/1.1 and HTTP/2) with a token of its own. What
/// they ask is passed on as the user of --to. Faults are
/// KIND[:p=0.1][:verb=update][:resource=deployments][:nth=3][:for=50ms]; KIND is drop-request, drop-answer, hang, late,
/// duplicate, 504-after-commit, 500-before-commit, cut-answer, delay, stale-read or break-watch. Without a verb, a
/// fault happens to writes. Ctrl-c and SIGTERM stop the proxy, which removes the kubeconfig.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The cluster: the current context of this file
    #[arg(long, value_name = "KUBECONFIG")]
    to: PathBuf,
    /// What goes wrong; may be given several times, and the first that strikes counts
    #[arg(long = "fault", value_name = "FAULT")]
    faults: Vec<Fault>,
    /// What is added to each way, to the cluster and back: a duration, or mean and standard deviation
    /// as 10ms:2ms
    #[arg(long, value_name = "MEAN[:DEVIATION]", default_value = "0", value_parser = options::leg)]
    latency: Leg,
    /// Where to write the kubeconfig for clients, which is a secret. A file of another origin is not
    /// overwritten
    #[arg(long, value_name = "OUT")]
    kubeconfig: Option<PathBuf>,
    /// Where to listen: an address of this machine and a port, 0 for a free one. Any address but a
    /// loopback one lets other machines in
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0", value_parser = serve::address)]
    listen: SocketAddr,
    /// What decides which requests meet a fault
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let mut stop = Stop::listen()?;
    let file = args.kubeconfig.map(OwnedFile::claim).transpose()?;
    let target = Target::from_kubeconfig(&args.to).await?;
    let version = tokio::select! {
        version = target.version() => version?,
        _ = stop.requested() => return Ok(Code::Interrupted.into()),
    };
    let network = Network::new(
        target.client(),
        args.latency,
        args.faults.iter().cloned(),
        args.seed,
    );
    let port = Port::bind(args.listen).await?;
    let (address, kubeconfig) = (port.local_addr(), port.kubeconfig());

    let service = tower::service_fn(move |request| relay(network.clone(), request));
    port::serve(
        stop,
        file,
        &kubeconfig,
        |end| port.serve_until(service, end),
        |place| {
            for fault in &args.faults {
                term::note(&format!("fault: {fault}"));
            }
            term::note(&format!(
                "listening on https://{address} for the API server {version} at {}, {place}",
                target.address()
            ));
        },
    )
    .await
}
