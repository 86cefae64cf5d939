//! Who may ask.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};

use crate::status::{Reason, Status};

/// How requests prove who sends them.
#[derive(Clone)]
pub(crate) enum Authentication {
    /// The caller is this process.
    InProcess,
    /// By the bearer token with this SHA-256 digest. The token itself is not kept.
    Token([u8; 32]),
}

impl std::fmt::Debug for Authentication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::InProcess => "InProcess",
            Self::Token(_) => "Token(…)",
        })
    }
}

impl Authentication {
    /// By this bearer token.
    #[cfg(feature = "tls")]
    pub(crate) fn token(token: &str) -> Self {
        Self::Token(digest(token))
    }

    /// Refuses a request without the credential.
    ///
    /// # Errors
    /// 401
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Status> {
        let Self::Token(expected) = self else {
            return Ok(());
        };
        let sent = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| digest(token.trim()));
        // Digests are compared, so that the time of the comparison says nothing about the token.
        if sent.is_some_and(|sent| sent == *expected) {
            return Ok(());
        }
        Err(Status::new(401, Reason::Unauthorized, "Unauthorized"))
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
