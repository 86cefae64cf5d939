//! What guards a port: a certificate of the server's authority, and a token. They live as long as the listener.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::TryRngCore;
use rand::rngs::OsRng;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType};
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

use super::{Authority, ListenError};

/// Names under which clients may reach the server.
const DNS_NAMES: [&str; 3] = ["localhost", "kubernetes", "kubernetes.default.svc"];

/// Bytes of randomness in a token.
const TOKEN_BYTES: usize = 32;

pub(super) struct Credentials {
    pub(super) tls: Arc<ServerConfig>,
    pub(super) token: String,
    ca_pem: String,
}

impl Credentials {
    /// Credentials for a server at `address`.
    pub(super) fn generate(
        address: SocketAddr,
        authority: &Authority,
    ) -> Result<Self, ListenError> {
        let authority = authority.get().map_err(ListenError::certificate)?;
        let key = KeyPair::generate().map_err(ListenError::certificate)?;
        let names = DNS_NAMES.map(str::to_owned);
        let mut leaf = CertificateParams::new(names).map_err(ListenError::certificate)?;
        leaf.distinguished_name
            .push(DnType::CommonName, "optilock-apiserver");
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let mut addresses = vec![
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ];
        if !address.ip().is_unspecified() && !addresses.contains(&address.ip()) {
            addresses.push(address.ip());
        }
        leaf.subject_alt_names
            .extend(addresses.into_iter().map(SanType::IpAddress));
        let certificate = leaf
            .signed_by(&key, &authority.issuer)
            .map_err(ListenError::certificate)?;

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![certificate.der().clone()], private)
            })
            .map_err(ListenError::tls)?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];

        let mut random = [0; TOKEN_BYTES];
        OsRng
            .try_fill_bytes(&mut random)
            .map_err(ListenError::randomness)?;
        Ok(Self {
            tls: Arc::new(tls),
            token: random.iter().map(|byte| format!("{byte:02x}")).collect(),
            ca_pem: authority.pem.clone(),
        })
    }

    /// The kubeconfig of a client of the server at `address`.
    pub(super) fn kubeconfig(&self, address: SocketAddr) -> String {
        let ca = STANDARD.encode(&self.ca_pem);
        let token = &self.token;
        // A server that listens everywhere is reached through loopback.
        let host = match address.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
        let server = SocketAddr::new(host, address.port());
        format!(
            "apiVersion: v1\n\
             kind: Config\n\
             clusters:\n\
             - name: optilock\n  cluster:\n    server: https://{server}\n    certificate-authority-data: {ca}\n\
             users:\n\
             - name: optilock\n  user:\n    token: {token}\n\
             contexts:\n\
             - name: optilock\n  context:\n    cluster: optilock\n    user: optilock\n    namespace: default\n\
             current-context: optilock\n"
        )
    }
}
