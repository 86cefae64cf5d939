//! What is a conflict, and what only looks like one.

use std::error::Error;

use kube::core::Status;
use kube::core::response::reason;

use crate::interrupt::chain;

/// Whether an answer of the API server is a conflict: the object is no longer the one that the write
/// was computed from. client-go: `errors.IsConflict`.
///
/// That is the reason `Conflict`, or an unknown reason with code 409. `AlreadyExists` has code 409 too
/// and is none.
///
/// ```
/// use kube::core::Status;
///
/// let answer = |reason| kube::Error::Api(Status::failure("", reason).with_code(409).boxed());
/// assert!(optilock::is_conflict(&answer("Conflict")));
/// assert!(!optilock::is_conflict(&answer("AlreadyExists")));
/// ```
#[doc(alias = "IsConflict")]
#[must_use]
pub fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if is_conflict_status(status))
}

/// [`is_conflict`] for an error that may wrap the API server's answer, as Go's `errors.As` looks for it.
///
/// The first [`kube::Error::Api`] or [`Status`] in the chain of [sources](Error::source) decides.
///
/// ```
/// use kube::core::{Status, response::reason};
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("scaling up")]
/// struct ScaleUp(#[source] kube::Error);
///
/// let status = Status::failure("the object has been modified", reason::CONFLICT).with_code(409);
/// assert!(optilock::is_conflict_in(&ScaleUp(kube::Error::Api(status.boxed()))));
/// ```
#[must_use]
pub fn is_conflict_in(error: &(dyn Error + 'static)) -> bool {
    status_in(error).is_some_and(is_conflict_status)
}

/// Whether a conflict is one of server-side apply: another field manager owns the field.
///
/// Such a conflict stays until somebody gives way, so trying again doesn't help. The write path of
/// [`update`](crate::update()) doesn't.
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
/// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "settings"}}))?;
/// # api.create(&Default::default(), &object).await?;
/// use kube::api::{Patch, PatchParams};
/// use serde_json::json;
///
/// let apply = async |manager: &str, level: &str| {
///     let patch = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"level": level}});
///     api.patch("settings", &PatchParams::apply(manager), &Patch::Apply(patch)).await
/// };
/// apply("one", "debug").await?;
/// match apply("other", "info").await {
///     Err(kube::Error::Api(status)) => assert!(optilock::is_apply_conflict(&status)),
///     other => panic!("it is the first one's field: {other:?}"),
/// }
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn is_apply_conflict(status: &Status) -> bool {
    is_conflict_status(status)
        && status.details.as_ref().is_some_and(|details| {
            details
                .causes
                .iter()
                .any(|cause| cause.reason == "FieldManagerConflict")
        })
}

/// The rule for one answer.
///
/// `Status::is_conflict` of kube 5.0.0 is meant to be the same, but looks whether the reason that it
/// asks for is a known one, which it always is, so that it never gets to the code.
pub(crate) fn is_conflict_status(status: &Status) -> bool {
    status.reason == reason::CONFLICT || (!reason::is_known(&status.reason) && status.code == 409)
}

/// The first answer of an API server in a chain of errors.
fn status_in<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Status> {
    chain(error).find_map(|error| {
        if let Some(kube::Error::Api(status)) = error.downcast_ref() {
            Some(&**status)
        } else {
            // `kube::Error::Api` gives its boxed status as the source, and that is its own type.
            error
                .downcast_ref::<Box<Status>>()
                .map(|status| &**status)
                .or_else(|| error.downcast_ref())
        }
    })
}
