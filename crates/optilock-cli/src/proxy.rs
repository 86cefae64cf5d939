//! `optilock proxy`: faults between any client and a cluster.

use std::{convert::Infallible, net::SocketAddr, path::PathBuf, process::ExitCode};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use optilock_apiserver::Port;
use optilock_lab::{Answer, Fault, Leg, Network, Target};
use tower::BoxError;

use crate::{
    failure::{Code, Failure},
    kubeconfig::OwnedFile,
    options, port, serve,
    stop::Stop,
    term,
};

/// The largest body of a request; kube-apiserver takes no more than 3 MiB.
const MAX_BODY: usize = 4 << 20;

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

    let service = tower::service_fn(move |request| pass(network.clone(), request));
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

/// Passes a request on as the user of the cluster's kubeconfig.
async fn pass(network: Network, request: Request<Incoming>) -> Result<Answer, BoxError> {
    if request.headers().contains_key(header::UPGRADE) {
        let what = "the proxy passes on no upgrades, as exec, attach and port-forward are";
        return Ok(refusal(StatusCode::NOT_IMPLEMENTED, what));
    }
    let (mut parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        let what = "the body is too large, or ended early";
        return Ok(refusal(StatusCode::PAYLOAD_TOO_LARGE, what));
    };
    // The token is the proxy's, the host too.
    parts.headers.remove(header::AUTHORIZATION);
    parts.headers.remove(header::HOST);
    hop_by_hop(&mut parts.headers);
    let mut onward = Request::new(body.to_bytes());
    *onward.method_mut() = parts.method;
    *onward.uri_mut() = parts.uri;
    *onward.headers_mut() = parts.headers;
    let mut answer = network.pass(onward).await?;
    hop_by_hop(answer.headers_mut());
    Ok(answer)
}

/// Takes away what belongs to one connection (RFC 9110, 7.6.1).
fn hop_by_hop(headers: &mut HeaderMap) {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    for name in [
        header::CONNECTION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        KEEP_ALIVE,
    ] {
        headers.remove(name);
    }
}

fn refusal(code: StatusCode, what: &'static str) -> Answer {
    let never = |never: Infallible| -> BoxError { match never {} };
    let body = Full::new(Bytes::from_static(what.as_bytes())).map_err(never);
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = code;
    answer
}
