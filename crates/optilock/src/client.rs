//! A client that leaves retries to this crate.

use kube::{Client, Config};

/// A [`kube::Client`] for this configuration, without kube's own retry layer.
///
/// kube's default client sends any request again, writes included, when the answer is 429, 503 or
/// 504. A 504 doesn't mean that the write was not carried out; where it was, the second sending comes
/// back as a conflict with the first. Code that takes the conflict for somebody else's, and applies
/// its change again, has then applied it twice. [`update`](crate::update()) notices such sendings and reports
/// an unknown outcome instead; with a client from here there is nothing to notice, so fewer
/// updates end that way.
///
/// Needs a Tokio runtime. For `https` one of kube's features `rustls-tls` (with `ring` or
/// `aws-lc-rs`) or `openssl-tls` has to be enabled, on your own dependency on kube: this crate
/// chooses none.
///
/// # Errors
/// Those of [`Client::try_from`]: a configuration that can't be used, or TLS that is asked for and not
/// built in.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// // `kube::Config::infer().await?` where there is a kubeconfig, or a pod's service account.
/// let config = kube::Config::new("http://127.0.0.1:8001".parse()?);
/// let client = optilock::client(config)?;
/// # let _: kube::Client = client;
/// # Ok(())
/// # }
/// ```
pub fn client(mut config: Config) -> kube::Result<Client> {
    config.default_retry = false;
    Client::try_from(config)
}
