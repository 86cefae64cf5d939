//! Reviews: questions that are asked by creating an object which is answered and forgotten.
//!
//! Whoever reaches this server may do everything (`--authorization-mode=AlwaysAllow`), so the answers are constant. They
//! take the place where an authoriser will stand.

use serde_json::{Value, json};

use super::object::{set, set_meta};
use super::resource::{Part, Resource};
use super::{Target, User, WriteOptions, ownership};
use crate::ambient::Ambient;
use crate::status::Status;
use crate::validation::{Path, field};

/// Who asks.
pub(crate) struct Asker<'a> {
    pub(crate) user: &'a User,
    /// The status of the answer to a question about a token; null for all other questions.
    pub(crate) token: Value,
    pub(crate) options: &'a WriteOptions,
}

type Answer = fn(&Asker<'_>) -> Value;

/// (group, plural name, the status of the answer)
const REVIEWS: &[(&str, &str, Answer)] = &[
    ("authentication.k8s.io", "selfsubjectreviews", identity),
    ("authentication.k8s.io", "tokenreviews", token),
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

/// Whether a review is about a token.
pub(crate) fn reviews_tokens(resource: &Resource) -> bool {
    resource.qualified() == "tokenreviews.authentication.k8s.io"
}

/// The answer to a review; `None` for a resource that is none.
///
/// # Errors
/// 422 for a question that asks for nothing or for two things, about nobody, or about another namespace.
pub(crate) fn review(
    target: &Target,
    ambient: &Ambient,
    asker: &Asker<'_>,
    sent: &Value,
) -> Option<Result<Value, Status>> {
    let resource = &*target.resource;
    let answer = answer_of(resource)?;
    let mut object = sent.clone();
    let problems = problems(target, &object);
    if !problems.is_empty() {
        return Some(Err(field::invalid("", &resource.api.group, "", &problems)));
    }
    if resource.api.namespaced {
        set_meta(
            &mut object,
            "namespace",
            Some(target.namespace.as_str().into()),
        );
    }
    let now = ambient.now_text();
    let managed =
        ownership::after_write(resource, Part::Main, None, &mut object, asker.options, &now);
    if let Err(status) = managed {
        return Some(Err(status));
    }
    let status = answer(asker);
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

/// What is wrong with a question about access.
fn problems(target: &Target, object: &Value) -> field::ErrorList {
    let mut problems = Vec::new();
    let plural = &*target.resource.api.plural;
    if !plural.ends_with("accessreviews") {
        return problems;
    }
    let spec = &object["spec"];
    let path = Path::new("spec");
    let resource_path = path.child("resourceAttributes");
    if spec["resourceAttributes"].is_null() == spec["nonResourceAttributes"].is_null() {
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        let asked = &spec["resourceAttributes"];
        problems.push(field::Error::invalid(&resource_path, asked, why));
    }
    let names_nobody = spec["user"].as_str().unwrap_or_default().is_empty()
        && spec["groups"].as_array().is_none_or(Vec::is_empty);
    if !plural.starts_with("self") && names_nobody {
        let why = "at least one of user or group must be specified";
        problems.push(field::Error::invalid(&path.child("user"), "", why));
    }
    let namespace = spec["resourceAttributes"]["namespace"]
        .as_str()
        .unwrap_or_default();
    if target.resource.api.namespaced && namespace != target.namespace {
        let path = resource_path.child("namespace");
        problems.push(field::Error::invalid(
            &path,
            namespace,
            "must match metadata.namespace",
        ));
    }
    problems
}

fn allowed(_: &Asker<'_>) -> Value {
    json!({"allowed": true})
}

fn identity(asker: &Asker<'_>) -> Value {
    json!({"userInfo": asker.user.info()})
}

fn token(asker: &Asker<'_>) -> Value {
    asker.token.clone()
}

fn rules(_: &Asker<'_>) -> Value {
    json!({
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        "incomplete": false,
    })
}
