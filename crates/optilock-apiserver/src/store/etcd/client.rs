//! Calls of etcd: who we are, what is tried again, and what a failure says about what was done.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use http::uri::PathAndQuery;
use parking_lot::RwLock;
use prost::Message;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, ConnectError, IntoStreamingRequest, Request, Status, Streaming};
use tonic_prost::ProstCodec;

use super::api::{
    AuthenticateRequest, AuthenticateResponse, RangeRequest, RangeResponse, TxnRequest,
    TxnResponse, WatchRequest, WatchResponse,
};
use super::error::EtcdError;
use super::options::{EtcdOptions, User};

/// A connection without a sign of life for so long is looked at, and given up after as long again.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// A call without an answer is given up after this.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same at the start, when somebody may have mistyped a URL.
const FIRST_PATIENCE: Duration = Duration::from_secs(2);
/// The pause before a call is made again, which doubles.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Name of the metadata that says who we are.
const TOKEN: &str = "token";
/// Name of the metadata that asks for a member with a leader: one that is cut off ends the watch.
const HAS_LEADER: &str = "hasleader";

/// Why a call has no result.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum CallError {
    /// The request was never sent.
    #[error("etcd can't be reached: {0}")]
    Unreachable(String),
    /// etcd said no: nothing was done.
    #[error("{}", .0.message())]
    Refused(Status),
    /// No answer, or one that leaves open what was done.
    #[error("etcd did not answer: {0}")]
    Unanswered(String),
}

/// Whether a request may be sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It changes nothing, or the same once more.
    Freely,
    /// Only as long as it was not sent.
    Unsent,
}

/// A client of one etcd.
#[derive(Debug)]
pub(super) struct Client {
    channel: Channel,
    urls: String,
    user: Option<User>,
    token: RwLock<Option<MetadataValue<Ascii>>>,
    patience: Duration,
}

impl Client {
    /// A client of an etcd that answers.
    pub(super) async fn connect(options: &EtcdOptions) -> Result<Self, EtcdError> {
        let mut client = Self::new(options)?;
        let answers = client.newest_revision().await;
        answers.map_err(|error| client.opening(error))?;
        client.patience = PATIENCE;
        Ok(client)
    }

    fn new(options: &EtcdOptions) -> Result<Self, EtcdError> {
        let endpoints = options.endpoints()?;
        let urls = endpoints.iter().map(|endpoint| endpoint.uri().to_string());
        let urls = urls.collect::<Vec<_>>().join(", ");
        let channel = match &endpoints[..] {
            [only] => only.connect_lazy(),
            _ => Channel::balance_list(endpoints.into_iter()),
        };
        Ok(Self {
            channel,
            urls,
            user: options.who(),
            token: RwLock::new(None),
            patience: FIRST_PATIENCE,
        })
    }

    /// What a failure means for those who open a store.
    pub(super) fn opening(&self, error: CallError) -> EtcdError {
        let urls = self.urls.clone();
        match error {
            CallError::Refused(status) => EtcdError::Refused {
                urls,
                why: status.message().to_owned(),
            },
            CallError::Unreachable(why) | CallError::Unanswered(why) => {
                EtcdError::Unreachable { urls, why }
            }
        }
    }

    pub(super) async fn range(&self, request: RangeRequest) -> Result<RangeResponse, CallError> {
        const PATH: &str = "/etcdserverpb.KV/Range";
        self.call(PATH, request, Repeat::Freely).await
    }

    pub(super) async fn transact(&self, request: TxnRequest) -> Result<TxnResponse, CallError> {
        const PATH: &str = "/etcdserverpb.KV/Txn";
        self.call(PATH, request, Repeat::Unsent).await
    }

    /// The newest revision of all that was acknowledged to anybody.
    pub(super) async fn newest_revision(&self) -> Result<u64, CallError> {
        // What is read does not matter: etcd answers once it knows that it is up to date.
        let request = RangeRequest {
            key: Bytes::from_static(super::value::PREFIX.as_bytes()),
            count_only: true,
            ..RangeRequest::default()
        };
        let answer = self.range(request).await?;
        Ok(super::api::revision(answer.header.as_ref()))
    }

    /// Makes a call, again where that is allowed and may help.
    pub(super) async fn call<Q, A>(
        &self,
        path: &'static str,
        request: Q,
        repeat: Repeat,
    ) -> Result<A, CallError>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let deadline = Instant::now() + self.patience;
        let mut pause = PAUSE;
        let mut renewed = false;
        loop {
            let error = match self.attempt(path, request.clone(), deadline).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let again = match &error {
                CallError::Refused(status) if self.is_stale(status) && !renewed => {
                    renewed = true;
                    self.token.write().take();
                    continue;
                }
                CallError::Refused(_) => false,
                CallError::Unreachable(_) => true,
                CallError::Unanswered(_) => repeat == Repeat::Freely,
            };
            if !again || Instant::now() + pause >= deadline {
                return Err(error);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Opens a watch: what is asked, and what is told.
    pub(super) async fn watch(
        &self,
        requests: impl Stream<Item = WatchRequest> + Send + 'static,
    ) -> Result<Streaming<WatchResponse>, CallError> {
        const PATH: &str = "/etcdserverpb.Watch/Watch";
        let deadline = Instant::now() + self.patience;
        let mut request = requests.into_streaming_request();
        self.identify(request.metadata_mut(), deadline).await?;
        let leader = MetadataValue::from_static("true");
        request.metadata_mut().insert(HAS_LEADER, leader);
        let mut grpc = self.grpc();
        let opened = async {
            grpc.ready().await.map_err(|error| unsent(&error))?;
            let path = PathAndQuery::from_static(PATH);
            let opened = grpc.streaming(request, path, ProstCodec::default()).await;
            opened.map_err(judge)
        };
        let opened = within(deadline, opened).await?;
        Ok(opened.into_inner())
    }

    /// Forgets who we are: the next call says it anew.
    pub(super) fn forget_token(&self) {
        self.token.write().take();
    }

    fn grpc(&self) -> Grpc<Channel> {
        Grpc::new(self.channel.clone()).max_decoding_message_size(usize::MAX)
    }

    async fn attempt<Q, A>(
        &self,
        path: &'static str,
        message: Q,
        deadline: Instant,
    ) -> Result<A, CallError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut request = Request::new(message);
        self.identify(request.metadata_mut(), deadline).await?;
        self.send(path, request, deadline).await
    }

    async fn send<Q, A>(
        &self,
        path: &'static str,
        request: Request<Q>,
        deadline: Instant,
    ) -> Result<A, CallError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = self.grpc();
        let answered = async {
            grpc.ready().await.map_err(|error| unsent(&error))?;
            let path = PathAndQuery::from_static(path);
            let answer = grpc.unary(request, path, ProstCodec::default()).await;
            Ok(answer.map_err(judge)?.into_inner())
        };
        within(deadline, answered).await
    }

    /// Says who we are, where etcd was told that somebody would.
    async fn identify(
        &self,
        metadata: &mut tonic::metadata::MetadataMap,
        deadline: Instant,
    ) -> Result<(), CallError> {
        const PATH: &str = "/etcdserverpb.Auth/Authenticate";
        let Some(user) = &self.user else {
            return Ok(());
        };
        let known = self.token.read().clone();
        let token = match known {
            Some(token) => token,
            None => {
                let request = Request::new(AuthenticateRequest {
                    name: user.name.clone(),
                    password: user.password.clone(),
                });
                let answer: AuthenticateResponse = match self.send(PATH, request, deadline).await {
                    // Nothing but this was sent.
                    Err(CallError::Unanswered(why)) => return Err(CallError::Unreachable(why)),
                    answer => answer?,
                };
                let token = MetadataValue::try_from(&answer.token);
                let token = token.map_err(|error| CallError::Unreachable(error.to_string()))?;
                self.token.write().insert(token).clone()
            }
        };
        metadata.insert(TOKEN, token);
        Ok(())
    }

    /// Whether etcd knows who we are no longer: tokens have an end, and end when rights change.
    fn is_stale(&self, status: &Status) -> bool {
        self.user.is_some()
            && (status.code() == Code::Unauthenticated
                || status.message() == "etcdserver: revision of auth store is old")
    }
}

async fn within<T>(
    deadline: Instant,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let silence = |_| CallError::Unanswered("it takes too long".to_owned());
    timeout_at(deadline, call).await.map_err(silence)?
}

fn unsent(error: &(dyn Error + 'static)) -> CallError {
    CallError::Unreachable(chain(error))
}

/// What a failure says.
fn judge(status: Status) -> CallError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&status);
    while let Some(error) = cause {
        if error.is::<ConnectError>() {
            return CallError::Unreachable(chain(error));
        }
        cause = error.source();
    }
    let refuses = match status.code() {
        Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented => true,
        Code::InvalidArgument
        | Code::NotFound
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        // The client has such codes too, for answers that it can't read.
        | Code::OutOfRange => status.message().starts_with("etcdserver: "),
        _ => false,
    };
    if refuses {
        return CallError::Refused(status);
    }
    CallError::Unanswered(chain(&status))
}

/// An error with what caused it.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = match error.downcast_ref::<Status>() {
        Some(status) => status.message().to_owned(),
        None => error.to_string(),
    };
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
