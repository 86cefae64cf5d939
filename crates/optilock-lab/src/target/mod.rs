//! The API server that a run works on.

mod connect;

use std::{net::IpAddr, path::Path, time::Duration};

use futures::future::try_join_all;
use http::Uri;
use jiff::Timestamp;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::{
    Api, Client, Config,
    api::PostParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::time::Instant;

use optilock_apiserver::Server;

use crate::{Capacity, Error, ServerError, TargetError, exact::Exact, history::Recorder};

/// How long the first question to a server may take.
const GREETING_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a read may go unanswered while a run is under way, if nobody says otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// An API server and a client for it.
///
/// The client never repeats a request by itself: the runs count what they send.
#[derive(Clone)]
pub struct Target {
    client: Client,
    address: String,
    has_controllers: Option<bool>,
    /// The clock of a simulated one.
    exact: Option<Exact>,
    patience: Duration,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target")
            .field("address", &self.address)
            .field("has_controllers", &self.has_controllers)
            .finish_non_exhaustive()
    }
}

impl Target {
    /// The cluster of a kubeconfig's current context. Nothing is sent yet.
    ///
    /// # Errors
    /// [`TargetError`] where the file, or a file that it names, can't be read or understood.
    pub async fn from_kubeconfig(path: &Path) -> Result<Self, TargetError> {
        let in_file = |error| TargetError::from_kubeconfig(path.to_owned(), error);
        let malformed = |source: kube::Error| TargetError::Malformed {
            path: path.to_owned(),
            source: source.into(),
        };
        let kubeconfig = Kubeconfig::read_from(path).map_err(in_file)?;
        let proxies = proxies(&kubeconfig);
        let options = KubeConfigOptions::default();
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(in_file)?;
        // kube takes one from the environment too, without its exceptions, so that a cluster on this
        // machine would be asked for through the proxy of the company.
        config.proxy_url = config.proxy_url.filter(|proxy| proxies.contains(proxy));
        let address = config.cluster_url.to_string();
        Ok(Self {
            client: connect::connect(&config).map_err(malformed)?,
            address: address.trim_end_matches('/').to_owned(),
            has_controllers: None,
            exact: None,
            patience: PATIENCE,
        })
    }

    /// A server of its own in this process, without a socket and without controllers. It ends with
    /// the last clone of this.
    ///
    /// # Panics
    /// Outside of a Tokio runtime, because [`Client::new`] does.
    pub fn embedded() -> Self {
        Self::from_client(Server::new().client(), "(in process)", Some(false))
    }

    /// A client that is set up already, whose server has the given address in messages.
    ///
    /// `has_controllers` tells whether anybody else writes the objects that a run creates, as a Deployment's controller
    /// does; `None` where that is to be found out.
    pub fn from_client(
        client: Client,
        address: impl Into<String>,
        has_controllers: Option<bool>,
    ) -> Self {
        Self {
            client,
            address: address.into(),
            has_controllers,
            exact: None,
            patience: PATIENCE,
        }
    }

    /// A server of its own for a run in virtual time, without controllers; its randomness comes from the seed and its clock
    /// is tokio's.
    pub(crate) fn simulated(seed: u64, capacity: Option<Capacity>, exact: &Exact) -> Self {
        let start = Instant::now();
        let server = Server::builder()
            .controllers([])
            .seed(seed)
            .clock(move || {
                Timestamp::UNIX_EPOCH
                    .saturating_add(start.elapsed())
                    .unwrap_or(Timestamp::MAX)
            })
            .build();
        let client = match capacity {
            Some(capacity) => capacity.limit(&server.client(), exact),
            None => server.client(),
        };
        Self {
            exact: Some(exact.clone()),
            ..Self::from_client(client, "(simulated)", Some(false))
        }
    }

    /// Whether its time is tokio's and not the world's.
    pub fn is_simulated(&self) -> bool {
        self.exact.is_some()
    }

    pub(crate) fn exact(&self) -> Option<&Exact> {
        self.exact.as_ref()
    }

    /// The same server, with a client whose requests are recorded.
    pub fn recorded(self, recorder: &Recorder) -> Self {
        Self {
            client: recorder.record(&self.client),
            ..self
        }
    }

    /// The same server, given up while a [`Trial`](crate::Trial) is under way when it leaves a read unanswered for so long;
    /// 10 s if nobody says otherwise.
    pub fn answering_within(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The server's address, for people.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether the server is in this process or on this machine.
    pub fn is_local(&self) -> bool {
        let Ok(uri) = self.address.parse::<Uri>() else {
            // Not an address at all: in process.
            return true;
        };
        let host = uri.host().unwrap_or_default();
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    pub(crate) fn has_controllers(&self) -> Option<bool> {
        self.has_controllers
    }

    /// The server's version, as `v1.36.3`; tells whether anybody answers.
    ///
    /// # Errors
    /// [`ServerError`] where nobody does, within 20 s, or not as an API server would.
    pub async fn version(&self) -> Result<String, ServerError> {
        let asked = tokio::time::timeout(GREETING_TIMEOUT, self.client.apiserver_version());
        match asked.await {
            Ok(Ok(version)) => Ok(version.git_version),
            Ok(Err(error)) => Err(self.failed(error)),
            Err(_) => Err(ServerError::Unreachable {
                server: self.address.clone(),
                reason: format!("nothing for {} s", GREETING_TIMEOUT.as_secs()),
            }),
        }
    }

    /// Asks whether the user has these verbs on Deployments of a namespace, before anything is written. A server that
    /// doesn't answer such questions is taken for one that allows.
    pub(crate) async fn require(
        &self,
        namespace: &str,
        verbs: &'static [&'static str],
    ) -> Result<(), Error> {
        let reviews: Api<SelfSubjectAccessReview> = Api::all(self.client.clone());
        let params = PostParams::default();
        let ask = |verb: &'static str| {
            let (reviews, params) = (&reviews, &params);
            async move {
                let review = review(namespace, verb);
                match reviews.create(params, &review).await {
                    Ok(review) => Ok((verb, review.status.is_none_or(|status| status.allowed))),
                    Err(kube::Error::Api(status)) if matches!(status.code, 403..=405 | 501) => {
                        Ok((verb, true))
                    }
                    Err(error) => Err(self.failed(error)),
                }
            }
        };
        let answers = try_join_all(verbs.iter().copied().map(ask)).await?;
        let missing: Vec<_> = answers
            .into_iter()
            .filter_map(|(verb, allowed)| (!allowed).then_some(verb))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::Forbidden {
            namespace: namespace.to_owned(),
            verbs: missing,
        })
    }

    pub(crate) fn failed(&self, error: kube::Error) -> ServerError {
        ServerError::new(&self.address, error)
    }
}

/// The proxies that a kubeconfig itself names.
fn proxies(kubeconfig: &Kubeconfig) -> Vec<Uri> {
    let clusters = kubeconfig.clusters.iter();
    let proxies = clusters.filter_map(|named| named.cluster.as_ref()?.proxy_url.as_deref());
    proxies.filter_map(|proxy| proxy.parse().ok()).collect()
}

fn review(namespace: &str, verb: &str) -> SelfSubjectAccessReview {
    SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some("apps".to_owned()),
                resource: Some("deployments".to_owned()),
                namespace: Some(namespace.to_owned()),
                verb: Some(verb.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    }
}
