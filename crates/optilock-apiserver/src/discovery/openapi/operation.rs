//! An operation: what a method on a path takes and gives.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::component::Components;
use super::parameter::Parameter;
use super::schema::Reference;
use crate::schema::Gvk;

/// What is at a path.
#[derive(Default, Serialize)]
pub(super) struct PathItem {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) get: Option<Operation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) put: Option<Operation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) post: Option<Operation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delete: Option<Operation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) patch: Option<Operation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parameters: Vec<Parameter>,
}

impl PathItem {
    /// A path that can only be read.
    pub(super) fn get(operation: Operation) -> Self {
        Self {
            get: Some(operation),
            ..Self::default()
        }
    }

    /// The path with its own parameters, and with those that all of its operations share.
    pub(super) fn with_parameters(mut self, own: &[Parameter]) -> Self {
        let mut operations: Vec<&mut Operation> = [
            &mut self.get,
            &mut self.put,
            &mut self.post,
            &mut self.delete,
            &mut self.patch,
        ]
        .into_iter()
        .flatten()
        .collect();
        let shared: Vec<Parameter> = match operations.as_slice() {
            [first, rest @ ..] => first
                .parameters
                .iter()
                .filter(|parameter| {
                    rest.iter()
                        .all(|other| other.parameters.contains(parameter))
                })
                .copied()
                .collect(),
            [] => Vec::new(),
        };
        for operation in &mut operations {
            operation
                .parameters
                .retain(|parameter| !shared.contains(parameter));
        }
        self.parameters = [own, &shared].concat();
        self.parameters.sort_unstable();
        self
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Operation {
    pub(super) tags: [String; 1],
    pub(super) operation_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parameters: Vec<Parameter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_body: Option<RequestBody>,
    pub(super) responses: BTreeMap<&'static str, Response>,
    #[serde(rename = "x-kubernetes-action", skip_serializing_if = "str::is_empty")]
    pub(super) action: &'static str,
    #[serde(
        rename = "x-kubernetes-group-version-kind",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) gvk: Option<OperationKind>,
}

impl Operation {
    /// The operation that tells what there is; `kind` is of meta/v1.
    pub(super) fn about(components: &mut Components<'_>, tag: &str, id: &str, kind: &str) -> Self {
        let kind = components.meta(kind);
        Self {
            tags: [tag.to_owned()],
            operation_id: id.to_owned(),
            parameters: Vec::new(),
            request_body: None,
            responses: responses(&["200"], DOCUMENTS, &kind),
            action: "",
            gvk: None,
        }
    }
}

#[derive(Serialize)]
pub(super) struct RequestBody {
    pub(super) content: Content,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) required: bool,
}

#[derive(Serialize)]
pub(super) struct Response {
    description: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content>,
}

/// Kind that an operation is about.
#[derive(Serialize)]
pub(super) struct OperationKind {
    group: String,
    version: String,
    kind: String,
}

impl From<&Gvk> for OperationKind {
    fn from(gvk: &Gvk) -> Self {
        Self {
            group: gvk.group.to_string(),
            version: gvk.version.to_string(),
            kind: gvk.kind.to_string(),
        }
    }
}

/// Media types of answers.
pub(super) const DOCUMENTS: &[&str] = &[
    "application/json",
    "application/vnd.kubernetes.protobuf",
    "application/yaml",
];

/// Media types of bodies: whatever can be read.
pub(super) const ANY: &[&str] = &["*/*"];

/// The media types of a resource's operations.
pub(super) struct MediaTypes {
    /// Of answers.
    pub(super) documents: &'static [&'static str],
    /// Of lists, which may be watched too.
    pub(super) streams: &'static [&'static str],
    /// Of bodies.
    pub(super) bodies: &'static [&'static str],
    /// Of patches.
    pub(super) patches: &'static [&'static str],
}

/// Of built-in resources.
pub(super) const BUILTIN: MediaTypes = MediaTypes {
    documents: DOCUMENTS,
    streams: &[
        "application/json",
        "application/json;stream=watch",
        "application/vnd.kubernetes.protobuf",
        "application/vnd.kubernetes.protobuf;stream=watch",
        "application/yaml",
    ],
    bodies: ANY,
    patches: &[
        "application/apply-patch+yaml",
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
    ],
};

/// Of custom resources, which have no messages and no strategies to merge by.
pub(super) const CUSTOM: MediaTypes = MediaTypes {
    documents: &["application/json", "application/yaml"],
    streams: &["application/json", "application/yaml"],
    bodies: &["application/json", "application/yaml"],
    patches: &[
        "application/apply-patch+yaml",
        "application/json-patch+json",
        "application/merge-patch+json",
    ],
};

/// One type in several media types.
pub(super) struct Content {
    media_types: &'static [&'static str],
    schema: Reference,
}

impl Content {
    pub(super) fn new(media_types: &'static [&'static str], schema: &Reference) -> Self {
        Self {
            media_types,
            schema: schema.clone(),
        }
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct MediaType<'a> {
            schema: &'a Reference,
        }
        let mut map = serializer.serialize_map(Some(self.media_types.len()))?;
        for media_type in self.media_types {
            map.serialize_entry(
                media_type,
                &MediaType {
                    schema: &self.schema,
                },
            )?;
        }
        map.end()
    }
}

/// Answers of these status codes with a body of that type, and that for a client without a token.
pub(super) fn responses(
    codes: &[&'static str],
    media_types: &'static [&'static str],
    schema: &Reference,
) -> BTreeMap<&'static str, Response> {
    let good = codes.iter().map(|code| {
        let description = match *code {
            "201" => "Created",
            "202" => "Accepted",
            _ => "OK",
        };
        let content = Some(Content::new(media_types, schema));
        (
            *code,
            Response {
                description,
                content,
            },
        )
    });
    let refused = Response {
        description: "Unauthorized",
        content: None,
    };
    good.chain([("401", refused)]).collect()
}

/// A group in the name of an operation: `FlowcontrolApiserver`.
pub(super) fn group_name(group: &str) -> String {
    let group = if group.is_empty() { "core" } else { group };
    let group = group.strip_suffix(".k8s.io").unwrap_or(group);
    group.split('.').map(capitalised).collect()
}

/// A group as a tag: `flowcontrolApiserver`.
pub(super) fn tag(group_name: &str) -> String {
    let (first, rest) = group_name.split_at(group_name.chars().next().map_or(0, char::len_utf8));
    first.to_lowercase() + rest
}

/// The word with a capital.
pub(super) fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
    first.to_uppercase() + rest
}
