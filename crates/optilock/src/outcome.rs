//! What a failed write says about the object.

use std::error::Error;

use hyper_util::client::legacy;
use kube::core::Status;

use crate::interrupt::chain;

/// What is known about a write once its request has ended.
///
/// The three are not "success" and "failure": a request whose answer is lost may well have been
/// carried out. Trying again is safe after [`Refused`](Self::Refused) only.
///
/// ```
/// use kube::core::Status;
/// use optilock::Outcome;
///
/// let answer = |code, reason| kube::Error::Api(Status::failure("", reason).with_code(code).boxed());
/// assert_eq!(Outcome::of_error(&answer(409, "Conflict")), Outcome::Refused);
/// assert_eq!(Outcome::of_error(&answer(504, "Timeout")), Outcome::Unknown);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The write is in the object's history.
    Applied,
    /// The write isn't in the object's history and will never be.
    Refused,
    /// Either. Nobody can tell from the answer, or from the lack of one.
    Unknown,
}

impl Outcome {
    /// What the result of one write request says.
    ///
    /// The request must have been sent once. A layer of the client that sends it again by itself, as
    /// kube's default does on 429, 503 and 504, makes this wrong: the conflict that comes back may be
    /// with the first sending. [`client`](crate::client()) builds a client without that layer, and
    /// [`update`](crate::update()) notices when it is there.
    #[must_use]
    pub fn of<T>(result: &Result<T, kube::Error>) -> Self {
        match result {
            Ok(_) => Self::Applied,
            Err(error) => Self::of_error(error),
        }
    }

    /// What an error says about the write that ended in it; never [`Applied`](Self::Applied).
    ///
    /// In doubt it is [`Unknown`](Self::Unknown). That includes an answer of success that can't be
    /// decoded, for it may be from something between us and the server.
    #[must_use]
    pub fn of_error(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_status(status),
            // No request could be made at all.
            kube::Error::BuildRequest(_)
            | kube::Error::HttpError(_)
            | kube::Error::Auth(_)
            | kube::Error::InferConfig(_)
            | kube::Error::InferKubeconfig(_)
            | kube::Error::ProxyProtocolUnsupported { .. }
            | kube::Error::ProxyProtocolDisabled { .. }
            | kube::Error::TlsRequired => Self::Refused,
            error if never_connected(error) => Self::Refused,
            _ => Self::Unknown,
        }
    }

    /// What an answer other than success says about the write.
    ///
    /// The codes of 4xx by which kube-apiserver turns a request down before it touches the object, or
    /// because of the object's state, are refusals. Every 5xx is unknown: after a 504 the work may
    /// still be going on, a 500 may be etcd's answer that came too late, and proxies say 502 and 503
    /// after they have passed the request on.
    #[must_use]
    pub fn of_status(status: &Status) -> Self {
        match status.code {
            400 | 401 | 403 | 404 | 405 | 406 | 409 | 410 | 411 | 412 | 413 | 414 | 415 | 422
            | 429 | 431 => Self::Refused,
            _ => Self::Unknown,
        }
    }
}

/// Whether the connection was never made: DNS, TCP or TLS failed before the first byte of the request.
fn never_connected(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|error| {
        error
            .downcast_ref::<legacy::Error>()
            .is_some_and(legacy::Error::is_connect)
    })
}
