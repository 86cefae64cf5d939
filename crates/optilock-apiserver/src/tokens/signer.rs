//! Signing and verifying, with ECDSA on P-256 (`ES256`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::claims::Claims;
use crate::status::Status;

/// Who issues the tokens, and the audience that the server itself is.
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc";

const ALGORITHM: &str = "ES256";

/// What stands before the point of a public key on P-256 in its DER form (RFC 5480).
const PUBLIC_KEY_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Why a token is none of this server's. The texts are kube-apiserver's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// It is no token, or that of another issuer.
    #[error("invalid bearer token")]
    Unknown,
    /// It was not signed here, or has been changed since.
    #[error("[invalid bearer token, go-jose/go-jose: error in cryptographic primitive]")]
    Signature,
    /// It is not, or no longer, good for what it is used for.
    #[error("[invalid bearer token, {0}]")]
    Claims(String),
}

/// The key of one server. It never leaves the process, and tokens end with it.
pub(crate) struct Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    /// A new key.
    ///
    /// # Errors
    /// 500 when the system has no randomness.
    pub(crate) fn generate() -> Result<Self, Status> {
        let unable = |why: &dyn std::fmt::Display| {
            Status::untyped(format!("no key for the tokens of service accounts: {why}"))
        };
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document =
            EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|error| unable(&error))?;
        let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random)
            .map_err(|error| unable(&error))?;
        Ok(Self { key, random })
    }

    /// The name of the key: a digest of its public half.
    fn id(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(PUBLIC_KEY_HEAD);
        digest.update(self.key.public_key().as_ref());
        URL_SAFE_NO_PAD.encode(digest.finalize())
    }

    /// A token that says these claims.
    ///
    /// # Errors
    /// 500 when the system has no randomness.
    pub(crate) fn sign(&self, claims: &Claims) -> Result<String, Status> {
        let unable = |why: &dyn std::fmt::Display| {
            Status::untyped(format!("the token can't be signed: {why}"))
        };
        let header = json!({"alg": ALGORITHM, "kid": self.id()}).to_string();
        let claims = serde_json::to_vec(claims).map_err(|error| unable(&error))?;
        let text = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature = self.key.sign(&self.random, text.as_bytes());
        let signature = signature.map_err(|error| unable(&error))?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// What a token says that this key has signed.
    ///
    /// # Errors
    /// For any other text.
    pub(crate) fn verify(&self, token: &str) -> Result<Claims, Refused> {
        let mut parts = token.rsplitn(2, '.');
        let (Some(signature), Some(text)) = (parts.next(), parts.next()) else {
            return Err(Refused::Unknown);
        };
        let payload = text.split_once('.').map(|(_, payload)| payload);
        let payload = payload.and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
        let payload = payload.ok_or(Refused::Unknown)?;
        let issuer: Value = serde_json::from_slice(&payload).map_err(|_| Refused::Unknown)?;
        if issuer["iss"] != ISSUER {
            return Err(Refused::Unknown);
        }
        let signature = URL_SAFE_NO_PAD.decode(signature);
        let signature = signature.map_err(|_| Refused::Unknown)?;
        // The algorithm is that of the key, whatever the token says.
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public_key().as_ref())
            .verify(text.as_bytes(), &signature)
            .map_err(|_| Refused::Signature)?;
        serde_json::from_slice(&payload).map_err(|_| Refused::Unknown)
    }

    /// The public half of the key as a JSON Web Key Set.
    pub(crate) fn key_set(&self) -> Value {
        // 0x04, then both coordinates, 32 bytes each.
        let point = self.key.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        json!({"keys": [{
            "use": "sig",
            "kty": "EC",
            "kid": self.id(),
            "crv": "P-256",
            "alg": ALGORITHM,
            "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y),
        }]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::claims::Kubernetes;

    fn claims() -> Claims {
        Claims {
            aud: vec![ISSUER.to_owned()],
            exp: 20,
            iat: 10,
            iss: ISSUER.to_owned(),
            jti: "j".to_owned(),
            kubernetes: Kubernetes::default(),
            nbf: 10,
            sub: "system:serviceaccount:n:a".to_owned(),
        }
    }

    #[test]
    fn only_what_was_signed_is_known_again() {
        let (signer, other) = (Signer::generate().unwrap(), Signer::generate().unwrap());
        let token = signer.sign(&claims()).unwrap();
        assert_eq!(signer.verify(&token), Ok(claims()));
        assert_eq!(other.verify(&token), Err(Refused::Signature));

        let parts: Vec<&str> = token.split('.').collect();
        let [header, payload, signature] = parts[..] else {
            panic!("{token}")
        };
        let richer = URL_SAFE_NO_PAD.encode(
            serde_json::to_vec(&Claims {
                exp: 1_000_000,
                ..claims()
            })
            .unwrap(),
        );
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        for (changed, expected) in [
            (format!("{header}.{richer}.{signature}"), Refused::Signature),
            (format!("{none}.{payload}."), Refused::Signature),
            (format!("{header}.{payload}"), Refused::Unknown),
            (format!("{token}!"), Refused::Unknown),
            ("nonsense".to_owned(), Refused::Unknown),
            (String::new(), Refused::Unknown),
        ] {
            assert_eq!(signer.verify(&changed), Err(expected), "{changed}");
        }
        let foreign = Claims {
            iss: "https://other".to_owned(),
            ..claims()
        };
        let foreign = signer.sign(&foreign).unwrap();
        assert_eq!(signer.verify(&foreign), Err(Refused::Unknown));
    }
}
