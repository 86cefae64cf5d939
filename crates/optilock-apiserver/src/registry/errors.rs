//! The API server's refusals, in its words.

use serde_json::Value;

use super::object::{is_deleting, meta_str};
use super::prepare::is_namespace;
use super::resource::Resource;
use super::{Deleted, Stored};
use crate::status::{Cause, Details, Reason, Status};
use crate::store::{CommitError, Fault, ReadError};
use crate::validation::field;
use crate::validation::gofmt::quote;

fn details(resource: &Resource, name: &str) -> Details {
    Details {
        name: name.to_owned(),
        group: resource.api.group.to_string(),
        kind: resource.api.plural.to_string(),
        ..Details::default()
    }
}

/// 404 for a path that names no resource.
pub(crate) fn missing_resource() -> Status {
    Status::new(
        404,
        Reason::NotFound,
        "the server could not find the requested resource",
    )
    .with_details(Details::default())
}

/// 405 for a verb that the resource does not have.
pub(crate) fn method_not_allowed() -> Status {
    Status::new(
        405,
        Reason::MethodNotAllowed,
        "the server does not allow this method on the requested resource",
    )
    .with_details(Details::default())
}

/// 405 of a creation while the definition of the resource is going away.
pub(super) fn definition_terminating(resource: &Resource) -> Status {
    let text = "create not allowed while custom resource definition is terminating";
    Status::new(405, Reason::MethodNotAllowed, text).with_details(details(resource, ""))
}

/// 404 for an object.
pub(crate) fn not_found(resource: &Resource, name: &str) -> Status {
    let text = format!("{} {} not found", resource.qualified(), quote(name));
    Status::new(404, Reason::NotFound, text).with_details(details(resource, name))
}

/// 409 of a creation whose name is taken by `live`.
pub(super) fn already_exists(resource: &Resource, name: &str, live: Option<&Value>) -> Status {
    let deleting = match live {
        Some(live) if is_deleting(live) => "object is being deleted: ",
        _ => "",
    };
    let text = format!(
        "{deleting}{} {} already exists",
        resource.qualified(),
        quote(name)
    );
    Status::new(409, Reason::AlreadyExists, text).with_details(details(resource, name))
}

/// 409 when every generated name was taken.
pub(super) fn name_not_generated(resource: &Resource, name: &str) -> Status {
    let text = format!(
        "{} {} already exists, the server was not able to generate a unique name for the object",
        resource.qualified(),
        quote(name)
    );
    Status::new(409, Reason::AlreadyExists, text).with_details(Details {
        retry_after_seconds: 1,
        ..details(resource, name)
    })
}

fn conflict(resource: &Resource, name: &str, why: &str) -> Status {
    let text = format!(
        "Operation cannot be fulfilled on {} {}: {why}",
        resource.qualified(),
        quote(name)
    );
    Status::new(409, Reason::Conflict, text).with_details(details(resource, name))
}

/// 409 of an update from a stale copy.
pub(super) fn modified(resource: &Resource, name: &str) -> Status {
    conflict(
        resource,
        name,
        "the object has been modified; please apply your changes to the latest version and try again",
    )
}

/// 409 of an update of an object that was deleted and made anew. The text shows kube-apiserver's storage.
pub(super) fn wrong_uid(
    resource: &Resource,
    name: &str,
    key: &str,
    sent: &str,
    live: &str,
) -> Status {
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: \
         Precondition failed: UID in precondition: {sent}, UID in object meta: {live}"
    );
    conflict(resource, name, &why)
}

/// 409 of a deletion whose precondition does not hold. These name the Kind, not the resource; namespaces are deleted by
/// code of their own, which has other words.
pub(super) fn precondition(
    resource: &Resource,
    name: &str,
    what: &str,
    sent: &str,
    live: &str,
    perhaps: &str,
) -> Status {
    if is_namespace(resource) {
        let why = format!(
            "Precondition failed: {what} in precondition: {sent}, {what} in object meta: {live}"
        );
        return conflict(resource, name, &why);
    }
    let group = resource.storage_group();
    let kind = super::resource::qualified(&resource.api.kind, group);
    let text = format!(
        "Operation cannot be fulfilled on {kind} {}: the {what} in the precondition ({sent}) does not match \
         the {what} in record ({live}). The object might have been {perhaps}",
        quote(name)
    );
    Status::new(409, Reason::Conflict, text).with_details(Details {
        kind: resource.api.kind.to_string(),
        group: group.to_owned(),
        ..details(resource, name)
    })
}

/// 422 of an update without a resourceVersion where the kind needs one. This one names the resource, not the Kind.
pub(super) fn version_required(resource: &Resource, name: &str) -> Status {
    let body = "Invalid value: 0: must be specified for an update";
    let text = format!(
        "{} {} is invalid: metadata.resourceVersion: {body}",
        resource.qualified(),
        quote(name)
    );
    Status::new(422, Reason::Invalid, text).with_details(Details {
        causes: vec![Cause {
            reason: "FieldValueInvalid".to_owned(),
            message: body.to_owned(),
            field: "metadata.resourceVersion".to_owned(),
        }],
        ..details(resource, name)
    })
}

/// 422 for an object that breaks rules.
pub(super) fn invalid(resource: &Resource, name: &str, errors: &[field::Error]) -> Status {
    field::invalid(&resource.api.kind, resource.storage_group(), name, errors)
}

/// 403 of an admission rule.
pub(super) fn forbidden(resource: &Resource, name: &str, why: &str) -> Status {
    let text = format!(
        "{} {} is forbidden: {why}",
        resource.qualified(),
        quote(name)
    );
    Status::new(403, Reason::Forbidden, text).with_details(details(resource, name))
}

/// 403 of a creation in a namespace that is going away.
pub(super) fn terminating(resource: &Resource, name: &str, namespace: &str) -> Status {
    let text = format!(
        "{} {} is forbidden: unable to create new content in namespace {namespace} because it is being terminated",
        resource.qualified(),
        quote(name)
    );
    Status::new(403, Reason::Forbidden, text).with_details(Details {
        causes: vec![Cause {
            reason: "NamespaceTerminating".to_owned(),
            message: format!("namespace {namespace} is being terminated"),
            field: "metadata.namespace".to_owned(),
        }],
        ..details(resource, name)
    })
}

/// 504 of a read at a version that does not exist yet.
pub(super) fn too_large(asked: u64, current: u64) -> Status {
    let text = format!("Timeout: Too large resource version: {asked}, current: {current}");
    Status::new(504, Reason::Timeout, text).with_details(Details {
        causes: vec![Cause {
            reason: "ResourceVersionTooLarge".to_owned(),
            message: "Too large resource version".to_owned(),
            field: String::new(),
        }],
        retry_after_seconds: 1,
        ..Details::default()
    })
}

/// What a store's refusal to read means for a list.
pub(super) fn read(error: &ReadError) -> Status {
    match error {
        ReadError::Compacted { .. } => Status::new(
            410,
            Reason::Expired,
            "The resourceVersion for the provided list is too old.",
        ),
        ReadError::Future { asked, current } => too_large(*asked, *current),
        ReadError::Unavailable(_) => {
            Status::new(503, Reason::ServiceUnavailable, error.to_string())
        }
    }
}

/// What it means for a write that its store did not take it.
///
/// What is not known to be written has no Retry-After and is no 503 or 504: clients would send it again.
pub(super) fn unwritten(error: &CommitError) -> Status {
    match error {
        CommitError::Refused(Fault::NoSpace | Fault::Rejected(_)) | CommitError::Unknown(_) => {
            Status::untyped(error.to_string())
        }
        CommitError::Refused(_) | CommitError::Mismatch(_) => {
            Status::new(503, Reason::ServiceUnavailable, error.to_string())
        }
    }
}

/// What is left of an object that was deleted.
pub(super) fn gone(resource: &Resource, object: &Value, stored: Stored) -> Deleted {
    if resource.strategy.returns_deleted {
        return Deleted::Object(stored);
    }
    Deleted::Gone(Details {
        uid: meta_str(object, "uid").to_owned(),
        ..details(resource, meta_str(object, "name"))
    })
}
