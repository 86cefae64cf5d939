//! The client for a cluster.

use std::time::Duration;

use hyper_util::{
    client::legacy::{Client as HttpClient, connect::HttpConnector},
    rt::TokioExecutor,
};
use kube::{
    Client, Config, Error,
    client::{Body, ConfigExt},
};
use tower::{BoxError, ServiceBuilder};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may take to begin its answer; more than kube-apiserver allows itself.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(70);

/// A client as kube makes it, but for three things.
///
/// It sends small packets at once (`TCP_NODELAY`), as client-go does: without that, one request in
/// a few waits 40 ms for the acknowledgement of the one before, which is more than the lock costs.
/// It gives up a server that is silent. And it doesn't repeat requests by itself, as
/// [`optilock::client`] doesn't.
///
/// # Errors
/// Certificates or keys that can't be used, and a proxy, which this client doesn't know.
pub(super) fn connect(config: &Config) -> Result<Client, Error> {
    if let Some(proxy_url) = &config.proxy_url {
        return Err(Error::ProxyProtocolUnsupported {
            proxy_url: Box::new(proxy_url.clone()),
        });
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let tls = config.rustls_https_connector_with_connector(tcp)?;
    let http: HttpClient<_, Body> = HttpClient::builder(TokioExecutor::new()).build(tls);
    let service = ServiceBuilder::new()
        .timeout(ANSWER_TIMEOUT)
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace.clone()))
}
