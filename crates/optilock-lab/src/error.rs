//! What can go wrong in the lab, told apart by what the user can do about it.

use std::{error::Error as StdError, path::PathBuf};

use kube::{config::KubeconfigError, core::Status};
use tower::timeout::error::Elapsed;

use optilock_apiserver::ListenError;

use crate::{
    CounterError, PlanError,
    history::{History, HistoryError},
};

/// A kubeconfig that can't be used. Nothing was sent to any server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The file can't be read.
    #[error("can't read the kubeconfig {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file, or one that it names, doesn't say what a client needs to know.
    #[error("the kubeconfig {} can't be used: {}", .path.display(), describe(.source.as_ref()))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl TargetError {
    pub(crate) fn from_kubeconfig(path: PathBuf, error: KubeconfigError) -> Self {
        match error {
            KubeconfigError::ReadConfig(source, path) => Self::Unreadable { path, source },
            error => Self::Malformed {
                path,
                source: error.into(),
            },
        }
    }
}

/// A server that doesn't do what was asked of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Nobody answers at that address.
    #[error("no answer from the API server at {server}: {reason}")]
    Unreachable {
        /// The server's address.
        server: String,
        /// What happened instead, from the network stack.
        reason: String,
    },
    /// The server shows a certificate that the kubeconfig's certificate authority didn't sign.
    #[error("the API server at {server} can't be trusted: {reason}")]
    Untrusted {
        /// The server's address.
        server: String,
        /// What is wrong with the certificate.
        reason: String,
    },
    /// The server doesn't know the user (401).
    #[error("the API server at {server} doesn't accept the user of the kubeconfig: {}", .status.message)]
    Unauthorized {
        /// The server's address.
        server: String,
        /// The server's answer.
        status: Box<Status>,
    },
    /// The user may not do this (403).
    #[error("not allowed: {}", .status.message)]
    Forbidden {
        /// The server's answer.
        status: Box<Status>,
    },
    /// Any other answer that is an error.
    #[error("the API server at {server} answered: {} ({})", .status.message, .status.code)]
    Refused {
        /// The server's address.
        server: String,
        /// The server's answer.
        status: Box<Status>,
    },
    /// An answer that is no answer of an API server, or a client that can't ask.
    #[error("talking to the API server at {server} failed: {}", describe(.source))]
    Failed {
        /// The server's address.
        server: String,
        /// What happened.
        source: kube::Error,
    },
}

impl ServerError {
    /// Puts an error of the client into one of the classes.
    pub(crate) fn new(server: &str, error: kube::Error) -> Self {
        let server = server.to_owned();
        match error {
            kube::Error::Api(status) => match status.code {
                401 => Self::Unauthorized { server, status },
                403 => Self::Forbidden { status },
                _ => Self::Refused { server, status },
            },
            error => match network_cause(&error) {
                Some(NetworkCause::Certificate(reason)) => Self::Untrusted { server, reason },
                Some(NetworkCause::Connection(reason)) => Self::Unreachable { server, reason },
                None => Self::Failed {
                    server,
                    source: error,
                },
            },
        }
    }
}

enum NetworkCause {
    Certificate(String),
    Connection(String),
}

/// What lies at the bottom of an error of the client, if it is the network.
fn network_cause(error: &kube::Error) -> Option<NetworkCause> {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    let mut found = None;
    while let Some(error) = cause {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(NetworkCause::Certificate(tls.to_string()));
        }
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            // An io::Error made of another error shows that one's source, not itself.
            if let Some(inner) = io.get_ref() {
                cause = Some(inner);
                continue;
            }
            found = Some(NetworkCause::Connection(io.to_string()));
        } else if error.is::<hyper::Error>() || error.is::<Elapsed>() || is_connect(error) {
            found = Some(NetworkCause::Connection(error.to_string()));
        }
        cause = error.source();
    }
    found
}

fn is_connect(error: &(dyn StdError + 'static)) -> bool {
    error
        .downcast_ref::<hyper_util::client::legacy::Error>()
        .is_some_and(hyper_util::client::legacy::Error::is_connect)
}

/// Why one update of a worker failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttemptError {
    /// The server refused a request, or didn't answer it.
    #[error("{}", describe(.0))]
    Api(#[source] kube::Error),
    /// The object has no counter any more.
    #[error(transparent)]
    Counter(#[from] CounterError),
    /// The strategy's time or attempts were used up before it had an answer.
    #[error(transparent)]
    Interrupted(#[from] optilock::Interrupt),
    /// A `test` of a JSON patch has failed: somebody else was faster.
    #[error("{}", describe(.0))]
    TestFailed(#[source] kube::Error),
    /// The object can't be written as JSON.
    #[error("the object can't be written as JSON: {0}")]
    Encode(#[source] serde_json::Error),
    /// optilock's update failed.
    #[error(transparent)]
    Update(#[from] optilock::UpdateError),
}

/// Why a run has no outcome.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is an object of that name, which the lab didn't create and so doesn't touch.
    #[error("there is already a {kind} {name:?} in namespace {namespace:?}; it was left as it is")]
    AlreadyExists {
        /// The object's kind.
        kind: String,
        /// The object's namespace.
        namespace: String,
        /// The object's name.
        name: String,
    },
    /// The namespace isn't there.
    #[error("there is no namespace {namespace:?} on the API server at {server}")]
    NoNamespace {
        /// The server's address.
        server: String,
        /// The namespace.
        namespace: String,
    },
    /// The user of the kubeconfig lacks rights that the run needs; found before anything was written.
    #[error(
        "the user of the kubeconfig may not {} Deployments in namespace {namespace:?}",
        .verbs.join(", ")
    )]
    Forbidden {
        /// The namespace.
        namespace: String,
        /// The verbs that are missing.
        verbs: Vec<&'static str>,
    },
    /// The server didn't do what it was asked outside of the workers' updates.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The counter is no counter any more.
    #[error(transparent)]
    Counter(#[from] CounterError),
    /// A worker panicked: a defect in this program.
    #[error("a worker panicked: {0}")]
    Worker(#[source] tokio::task::JoinError),
    /// A peer didn't do what it was asked.
    #[error("the peer {peer} {problem}")]
    Peer {
        /// Which one.
        peer: String,
        /// What went wrong.
        #[source]
        problem: PeerProblem,
    },
    /// What the run created could not be deleted.
    #[error(transparent)]
    Cleanup(#[from] CleanupError),
    /// The run failed, and what it created could not be deleted either.
    #[error("{error}; and {cleanup}")]
    Both {
        /// Why the run failed.
        error: Box<Error>,
        /// Why the object is still there.
        #[source]
        cleanup: CleanupError,
    },
}

/// What can go wrong with a peer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeerProblem {
    /// There is no port for it to ask at.
    #[error("has no port to ask at: {0}")]
    Port(#[source] ListenError),
    /// Its command doesn't run.
    #[error("could not be started: {0}")]
    Start(#[source] std::io::Error),
    /// Its files or pipes failed.
    #[error("could not be followed: {0}")]
    Io(#[source] std::io::Error),
    /// It ended otherwise than well; what it has to say is on standard error.
    #[error("ended with {0}")]
    Ended(std::process::ExitStatus),
    /// What it wrote is no history.
    #[error("wrote no history: {0}")]
    History(#[source] HistoryError),
}

impl Error {
    /// What came of something that had to be cleaned up after.
    pub(crate) fn and_cleaned<T>(
        outcome: Result<T, Self>,
        cleaned: Result<(), CleanupError>,
    ) -> Result<T, Self> {
        match (outcome, cleaned) {
            (outcome, Ok(())) => outcome,
            (Ok(_), Err(cleanup)) => Err(cleanup.into()),
            (Err(error), Err(cleanup)) => Err(Self::Both {
                error: Box::new(error),
                cleanup,
            }),
        }
    }
}

/// Why a run in virtual time has no outcome.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulateError {
    /// The plan can't be run.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The runtime could not be made.
    #[error("no runtime could be made: {0}")]
    Runtime(#[source] std::io::Error),
    /// There was nothing to try.
    #[error("nothing was tried")]
    Nothing,
    /// It was asked to stop.
    #[error("stopped before its end")]
    Stopped {
        /// What was recorded up to then.
        history: Box<History>,
    },
    /// The run failed.
    #[error("{error}")]
    Run {
        /// Why.
        #[source]
        error: Box<Error>,
        /// What was recorded up to then.
        history: Box<History>,
    },
}

/// An object of a run that may still be on the server.
#[derive(Debug, thiserror::Error)]
#[error("{kind} {name:?} in namespace {namespace:?} could not be deleted: {reason}")]
#[non_exhaustive]
pub struct CleanupError {
    /// The object's kind.
    pub kind: String,
    /// The object's namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// Why it could not be deleted.
    pub reason: Box<CleanupFailure>,
}

/// Why an object of a run could not be deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CleanupFailure {
    /// The server didn't do it.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The object wasn't gone in time.
    #[error("it was not gone after {} s (finalizers keep it, or the server is silent)", .0.as_secs())]
    Timeout(std::time::Duration),
}

/// An error in one line: the server's own words where it was the server, the innermost cause elsewhere.
pub(crate) fn describe(error: &(dyn StdError + 'static)) -> String {
    if let Some(kube::Error::Api(status)) = error.downcast_ref::<kube::Error>() {
        return status.message.clone();
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let inner = error.to_string();
        if !text.contains(&inner) {
            text = format!("{text}: {inner}");
        }
        cause = error.source();
    }
    text
}
