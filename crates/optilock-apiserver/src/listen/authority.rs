//! The certificate authority of one server.

use std::sync::Arc;

use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// Makes an authority when it is first asked for, and keeps it: all ports of a server and the ConfigMap
/// `kube-root-ca.crt` show the same one. Its key never leaves the process.
#[derive(Default)]
pub(crate) struct Authority(Mutex<Option<Arc<Made>>>);

/// An authority.
pub(crate) struct Made {
    /// Its certificate.
    pub(crate) pem: String,
    pub(super) issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

impl Authority {
    /// The authority.
    ///
    /// # Errors
    /// When no key or certificate can be made.
    pub(crate) fn get(&self) -> Result<Arc<Made>, rcgen::Error> {
        let mut made = self.0.lock();
        if let Some(made) = &*made {
            return Ok(Arc::clone(made));
        }
        let key = KeyPair::generate()?;
        let mut ca = CertificateParams::default();
        ca.distinguished_name
            .push(DnType::CommonName, "optilock-ca");
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = ca.self_signed(&key)?.pem();
        let issuer = Issuer::new(ca, key);
        Ok(Arc::clone(made.insert(Arc::new(Made { pem, issuer }))))
    }
}
