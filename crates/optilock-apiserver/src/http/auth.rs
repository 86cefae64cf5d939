//! Who may ask.

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};

use crate::registry::{Registry, User};
use crate::status::{Reason, Status};
use crate::tokens::{ISSUER, Refused};

/// How requests prove who sends them.
#[derive(Clone)]
pub(crate) enum Authentication {
    /// The caller is this process.
    InProcess,
    /// By the bearer token with this SHA-256 digest. The token itself is not kept.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "there are no ports"))]
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

    /// Whether a request bears the token of the port itself.
    #[cfg(feature = "tls")]
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        bearer(headers).is_some_and(|token| self.is_own(token))
    }

    fn is_own(&self, token: &str) -> bool {
        // Digests are compared, so that the time of the comparison says nothing about the token.
        matches!(self, Self::Token(expected) if digest(token) == *expected)
    }

    /// Who sends a request: whoever has the token, or a service account by a token of its own. In process no token is
    /// needed, but one that is sent counts.
    ///
    /// # Errors
    /// 401
    pub(crate) async fn user(
        &self,
        headers: &HeaderMap,
        registry: &Registry,
    ) -> Result<Arc<User>, Status> {
        let known = match (self, bearer(headers)) {
            (Self::InProcess, None) => return Ok(User::admin()),
            (Self::Token(_), None) => None,
            (_, Some(token)) if self.is_own(token) => return Ok(User::admin()),
            (_, Some(token)) => Box::pin(registry.token_user(token, &[])).await.ok(),
        };
        let unauthorized = || Status::new(401, Reason::Unauthorized, "Unauthorized");
        let (user, _) = known.ok_or_else(unauthorized)?;
        Ok(Arc::new(user))
    }

    /// Whose token it is, and for which of these audiences. None means this server.
    ///
    /// # Errors
    /// For a token of nobody.
    pub(crate) async fn user_of(
        &self,
        token: &str,
        audiences: &[String],
        registry: &Registry,
    ) -> Result<(Arc<User>, Vec<String>), Refused> {
        if !self.is_own(token) {
            let (user, audiences) = registry.token_user(token, audiences).await?;
            return Ok((Arc::new(user), audiences));
        }
        let own = ISSUER.to_owned();
        if !audiences.is_empty() && !audiences.contains(&own) {
            return Err(Refused::Unknown);
        }
        Ok((User::admin(), vec![own]))
    }
}

/// The bearer token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
