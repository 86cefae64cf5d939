//! Reviews: questions that are asked by creating an object which is answered and forgotten.
//!
//! Whoever reaches this server may do everything (`--authorization-mode=AlwaysAllow`), so the answers are constant. They
//! take the place where an authoriser will stand.

use serde_json::{Value, json};

use super::object::{set, set_meta};
use super::resource::Resource;
use crate::ambient::Ambient;
use crate::status::Status;
use crate::validation::{Path, field};

/// The one user of this server.
pub(crate) const USER: &str = "optilock-admin";

/// What the user belongs to.
pub(super) const GROUPS: [&str; 2] = ["system:masters", "system:authenticated"];

type Answer = fn() -> Value;

/// (group, plural name, the status of the answer)
const REVIEWS: &[(&str, &str, Answer)] = &[
    ("authentication.k8s.io", "selfsubjectreviews", identity),
    ("authorization.k8s.io", "localsubjectaccessreviews", allowed),
    ("authorization.k8s.io", "selfsubjectaccessreviews", allowed),
    ("authorization.k8s.io", "selfsubjectrulesreviews", rules),
    ("authorization.k8s.io", "subjectaccessreviews", allowed),
];

fn answer_of(resource: &Resource) -> Option<Answer> {
    let (group, plural) = (&*resource.api.group, &*resource.api.plural);
    let row = REVIEWS.iter().find(|(g, p, _)| *g == group && *p == plural);
    row.map(|(_, _, answer)| *answer)
}

/// Whether a resource is a review that is answered here.
pub(super) fn is_review(resource: &Resource) -> bool {
    answer_of(resource).is_some()
}

/// The answer to a review; `None` for a resource that is none.
///
/// # Errors
/// 422 for a question that asks for nothing, or for two things.
pub(crate) fn review(
    resource: &Resource,
    ambient: &Ambient,
    mut object: Value,
) -> Option<Result<Value, Status>> {
    let answer = answer_of(resource)?;
    if resource.api.plural.ends_with("accessreviews") {
        let asks = |member: &str| {
            object["spec"]
                .get(member)
                .is_some_and(|value| !value.is_null())
        };
        if asks("resourceAttributes") == asks("nonResourceAttributes") {
            let path = Path::new("spec");
            let path = path.child("resourceAttributes");
            let why =
                "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            let problem = field::Error::invalid(&path, &object["spec"]["resourceAttributes"], why);
            return Some(Err(field::invalid("", &resource.api.group, "", &[problem])));
        }
    }
    let status = answer();
    if status.get("userInfo").is_some() {
        set_meta(
            &mut object,
            "creationTimestamp",
            Some(ambient.now_text().into()),
        );
    }
    if let Some(members) = object.as_object_mut() {
        set(members, "status", Some(status));
        members.insert("kind".into(), (*resource.api.kind).into());
        members.insert("apiVersion".into(), resource.api_version().into());
    }
    Some(resource.normalize(&object))
}

fn allowed() -> Value {
    json!({"allowed": true})
}

fn identity() -> Value {
    json!({"userInfo": {"username": USER, "groups": GROUPS}})
}

fn rules() -> Value {
    json!({
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        "incomplete": false,
    })
}
