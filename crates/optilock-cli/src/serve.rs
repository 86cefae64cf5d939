//! `optilock serve`: the embedded API server on a port.

use std::{
    io::ErrorKind,
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use optilock_apiserver::{
    Controller, Limits, ListenError, Server, UnknownController, store::Retention,
};

use crate::{
    audit, duration,
    failure::{Code, Failure},
    kubeconfig::OwnedFile,
    port,
    stop::Stop,
    store::{self, EtcdArgs, Place},
};

/// Serve the Kubernetes API on a port, for kubectl and every other client
///
/// The server says on stderr where it listens. What a client needs (address, certificate authority,
/// token) is the kubeconfig, which goes to the file of --kubeconfig or else to stdout as soon as
/// requests are answered. Ctrl-c and SIGTERM stop the server; the file is then removed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to listen: an address of this machine and a port, 0 for a free one. Any address but a
    /// loopback one lets other machines in
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0", value_parser = address)]
    listen: SocketAddr,
    /// Where to write the kubeconfig, which is a secret: whole, once requests are answered, readable
    /// by its owner only. A file of another origin is not overwritten
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Where objects are kept: in `memory`, as long as the server runs, or durably, so that what
    /// was acknowledged is there after a crash: in a file, which is made when there is none, or in
    /// an etcd, which other servers may use at the same time, kube-apiserver too. Its URLs have
    /// commas between them
    #[arg(long, value_name = "memory|redb:PATH|etcd:URL", default_value = "memory", value_parser = store::place)]
    store: Place,
    /// Which controllers run: `all` that there are, `none`, so that objects stay as clients write
    /// them, or a list, as namespace-controller,garbage-collector-controller
    #[arg(long, value_name = "all|none|LIST", default_value = "all", value_parser = controllers)]
    controllers: Controllers,
    /// How long changes are kept, for watches and lists that start from an older version
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = retention, allow_hyphen_values = true)]
    compact_after: Duration,
    #[command(flatten)]
    etcd: EtcdArgs,
    /// Reads that are served at a time; more wait for their turn or are answered 429. 0 is no limit
    #[arg(long, value_name = "N", default_value_t = Limits::default().reads)]
    max_requests_inflight: usize,
    /// The same for writes
    #[arg(long, value_name = "N", default_value_t = Limits::default().writes)]
    max_mutating_requests_inflight: usize,
    /// Connections at a time; for one more the one goes that has been idle for longest
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections, value_parser = connections)]
    max_connections: usize,
    /// How long /readyz says that the server is about to stop before it does
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::parse, allow_hyphen_values = true)]
    shutdown_delay_duration: Duration,
    /// Write down who asks for what: to a file, at whose end lines of JSON are added, readable by
    /// its owner only, or to stdout with `-`
    #[arg(long, value_name = "FILE|-")]
    audit_log: Option<audit::Place>,
    /// How much of a request is written: `metadata`, or with `request` also what was sent, but never
    /// Secrets and tokens
    #[arg(
        long,
        value_name = "LEVEL",
        value_enum,
        default_value_t,
        requires = "audit_log"
    )]
    audit_level: audit::Level,
    /// How warnings and what `RUST_LOG` asks for are written on stderr
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) log_format: LogFormat,
    /// Answer /debug/limits, /debug/watchers and /debug/store, to those who have the token
    #[arg(long)]
    debug: bool,
}

/// How the program's own log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A line of JSON for each event.
    Json,
}

/// Which controllers run.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Controllers(Vec<Controller>);

pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let mut stop = Stop::listen()?;
    if args.kubeconfig.is_none() && args.audit_log == Some(audit::Place::Stdout) {
        let said = "--audit-log - and the kubeconfig both want stdout";
        let hint = "give --kubeconfig a file, or --audit-log one";
        return Err(Failure::new(Code::Usage, said.to_owned()).hint(hint));
    }
    let audit = args.audit_log.map(|place| place.open(args.audit_level));
    let audit = audit.transpose()?;
    let limits = Limits {
        reads: args.max_requests_inflight,
        writes: args.max_mutating_requests_inflight,
        connections: args.max_connections,
        shutdown_delay: args.shutdown_delay_duration,
        ..Limits::default()
    };
    let file = args.kubeconfig.map(OwnedFile::claim).transpose()?;
    let retention = Retention {
        age: args.compact_after,
        ..Retention::default()
    };
    let store = tokio::select! {
        store = args.store.open(&args.etcd, retention) => store?,
        signal = stop.requested() => return Ok(signal.into()),
    };
    let mut server = Server::builder()
        .controllers(args.controllers.0)
        .store(Arc::clone(&store))
        .debug(args.debug);
    if let Some(audit) = &audit {
        server = server.audit(audit.clone());
    }
    let listener = server.build().listen(args.listen).await?.limits(limits);
    let (address, kubeconfig) = (listener.local_addr(), listener.kubeconfig());
    let ended = port::serve(
        stop,
        file,
        &kubeconfig,
        |end| listener.serve_until(end),
        |place| {
            eprintln!("listening on https://{address}, {place}");
            if !address.ip().is_loopback() {
                eprintln!(
                    "other machines can reach this address; whoever has the token may do everything"
                );
            }
        },
    )
    .await;
    store.close().await;
    if let Some(audit) = audit {
        audit.flush();
    }
    ended
}

impl From<ListenError> for Failure {
    fn from(error: ListenError) -> Self {
        let failure = Self::new(Code::Failed, error.to_string());
        let ListenError::Bind { source, .. } = &error else {
            return failure;
        };
        match source.kind() {
            ErrorKind::AddrInUse => failure.hint(
                "another program has this port; give --listen another one, or 0 for a free one",
            ),
            ErrorKind::AddrNotAvailable => {
                failure.hint("give --listen an address of this machine, such as 127.0.0.1")
            }
            ErrorKind::PermissionDenied => {
                failure.hint("give --listen a port from 1024, or 0 for a free one")
            }
            _ => failure,
        }
    }
}

pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    const ADVICE: &str = "give an address and a port, as 127.0.0.1:6443, [::1]:0 or localhost:0";
    if let Some(port) = text.strip_prefix(':') {
        return Err(format!(
            "say which address: 127.0.0.1:{port} for this machine only, 0.0.0.0:{port} for others too"
        ));
    }
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let resolved = text.to_socket_addrs().map_err(|error| match error.kind() {
        ErrorKind::InvalidInput => ADVICE.to_owned(),
        _ => format!("{error}; {ADVICE}"),
    })?;
    // IPv4 first, because that is what clients try to the end.
    resolved
        .min_by_key(SocketAddr::is_ipv6)
        .ok_or_else(|| format!("the name has no address; {ADVICE}"))
}

fn controllers(text: &str) -> Result<Controllers, String> {
    let list = match text {
        "all" => Ok(Controller::ALL.to_vec()),
        "none" => Ok(Vec::new()),
        names => names.split(',').map(str::parse).collect(),
    };
    list.map(Controllers)
        .map_err(|error: UnknownController| format!("{error}; or take `all` or `none`"))
}

fn connections(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("without a connection nobody is served; take 4096, say".to_owned()),
        Ok(count) => Ok(count),
        Err(error) => Err(error.to_string()),
    }
}

fn retention(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(Duration::ZERO) => {
            Err("with 0 every watch would come too late; take 5m, say".to_owned())
        }
        Ok(duration) => Ok(duration),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_said_in_so_many_words() {
        assert_eq!(address("127.0.0.1:0").unwrap().to_string(), "127.0.0.1:0");
        assert_eq!(address("[::1]:6443").unwrap().to_string(), "[::1]:6443");
        assert_eq!(address("0.0.0.0:6443").unwrap().to_string(), "0.0.0.0:6443");
        assert!(address("localhost:0").unwrap().ip().is_loopback());
        for text in [":6443", "6443", "127.0.0.1", "", "127.0.0.1:65536", "::1:x"] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn controllers_are_all_none_or_a_list() {
        assert_eq!(controllers("all").unwrap().0, Controller::ALL);
        assert_eq!(controllers("none").unwrap().0, []);
        let list = controllers("namespace-controller,serviceaccount-controller").unwrap();
        assert_eq!(list.0, [Controller::Namespace, Controller::ServiceAccount]);
        for text in ["", "namespace-controller,", "deployment-controller"] {
            assert!(controllers(text).is_err(), "{text}");
        }
    }
}
