//! Where etcd is, and how it knows us.

use std::fmt;

use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::client::KEEP_ALIVE;
use super::error::EtcdError;

/// Where etcd is, and how it knows us.
///
/// ```
/// use optilock_apiserver::store::EtcdOptions;
///
/// # fn main() -> Result<(), optilock_apiserver::store::EtcdError> {
/// let options = EtcdOptions::new("http://10.0.0.1:2379,http://10.0.0.2:2379")?.user("root", "secret");
/// # let _ = options;
/// assert!(EtcdOptions::new("10.0.0.1:2379").is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct EtcdOptions {
    urls: Vec<String>,
    ca: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    user: Option<User>,
}

/// By whose name requests are made.
#[derive(Clone)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) password: String,
}

impl EtcdOptions {
    /// The members of one etcd: their client URLs, `http` or `https`, with commas between them.
    ///
    /// # Errors
    /// When one of them is no such URL.
    pub fn new(urls: &str) -> Result<Self, EtcdError> {
        let urls: Vec<String> = urls.split(',').map(str::to_owned).collect();
        for url in &urls {
            check(url).map_err(|why| EtcdError::Url {
                url: url.clone(),
                why: why.to_owned(),
            })?;
        }
        Ok(Self {
            urls,
            ca: None,
            identity: None,
            user: None,
        })
    }

    /// The certificate authorities (PEM) that etcd's certificate may come from, instead of those that the system trusts.
    #[must_use]
    pub fn certificate_authority(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca = Some(pem.into());
        self
    }

    /// The certificate and the key (PEM) that are shown to etcd.
    #[must_use]
    pub fn client_certificate(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.identity = Some((certificate.into(), key.into()));
        self
    }

    /// The user of etcd by whose name requests are made, where its authentication is on.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.user = Some(User {
            name: name.into(),
            password: password.into(),
        });
        self
    }

    pub(super) fn who(&self) -> Option<User> {
        self.user.clone()
    }

    /// The members as the transport takes them.
    pub(super) fn endpoints(&self) -> Result<Vec<Endpoint>, EtcdError> {
        self.urls.iter().map(|url| self.endpoint(url)).collect()
    }

    fn endpoint(&self, url: &str) -> Result<Endpoint, EtcdError> {
        let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|error| EtcdError::Url {
            url: url.to_owned(),
            why: error.to_string(),
        })?;
        let endpoint = endpoint
            .connect_timeout(KEEP_ALIVE)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        if !url.starts_with("https://") {
            return Ok(endpoint);
        }
        let mut tls = ClientTlsConfig::new();
        tls = match &self.ca {
            Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
            None => tls.with_native_roots(),
        };
        if let Some((certificate, key)) = &self.identity {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        let endpoint = endpoint.tls_config(tls);
        endpoint.map_err(|error| EtcdError::Tls(super::client::chain(&error)))
    }
}

impl fmt::Debug for EtcdOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdOptions")
            .field("urls", &self.urls)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Passwords are nothing to print.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("User").field(&self.name).finish()
    }
}

fn check(url: &str) -> Result<(), &'static str> {
    const FORM: &str = "take http://HOST:PORT or https://HOST:PORT";
    let uri: http::Uri = url.parse().map_err(|_| FORM)?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(FORM);
    }
    let authority = uri.authority().map_or("", http::uri::Authority::as_str);
    if authority.contains('@') {
        return Err(
            "a password in a URL is seen by all users of the machine: give the user by itself",
        );
    }
    if authority.is_empty() || !matches!(uri.path(), "" | "/") {
        return Err(FORM);
    }
    Ok(())
}
