//! Objects, lists and events in the representation that the client asked for.

mod event;
mod frames;

use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::accept::{Accept, Clause};
use super::format::{Format, JSON, PROTOBUF, YAML};
use super::kinds::internal_package;
use super::query::Query;
use super::reply::Reply;
use crate::discovery::{IncludeObject, Table, list_metadata, partial_metadata};
use crate::registry::{List, Resource, Stored, View, decode, scales, splice_version};
use crate::schema::{Schema, TypeRef, encode_untyped};
use crate::status::{Details, Reason, Status};

pub(in crate::http) use frames::Frames;

const META_GROUP: &str = "meta.k8s.io";
/// Media type of a watch, as it is told; it is asked for as JSON.
const JSON_STREAM: &str = "application/json;stream=watch";
const PROTOBUF_STREAM: &str = "application/vnd.kubernetes.protobuf;stream=watch";

/// How an answer is written.
#[derive(Debug, Clone)]
pub(in crate::http) struct Representation {
    form: Form,
    format: Format,
}

#[derive(Debug, Clone)]
enum Form {
    /// The objects as they are.
    Object,
    /// Rows for people.
    Table {
        version: String,
        include: IncludeObject,
    },
    /// Objects without anything but their metadata.
    Metadata { version: String },
}

/// What is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Subject {
    Object,
    List,
    Watch,
}

impl Subject {
    /// What a router thinks that the answer can be. It has one route for lists and watches.
    fn produced(self) -> &'static [&'static str] {
        match self {
            Self::Object => &[JSON, YAML, PROTOBUF],
            Self::List | Self::Watch => &[JSON, YAML, PROTOBUF, JSON_STREAM, PROTOBUF_STREAM],
        }
    }

    /// What the answer can be.
    fn accepted(self) -> &'static [&'static str] {
        match self {
            Self::Object | Self::List => &[JSON, YAML, PROTOBUF],
            Self::Watch => &[JSON_STREAM, PROTOBUF_STREAM],
        }
    }
}

impl Representation {
    /// Lets pass what a router would: it sees no more of the wishes than their media types.
    ///
    /// # Errors
    /// 406
    pub(in crate::http) fn route(
        accept: &Accept,
        subject: Subject,
        resource: &Resource,
    ) -> Result<(), Status> {
        let produced = subject.produced();
        // Custom resources have no routes.
        if resource.custom.is_some() || accept.passes(produced) {
            return Ok(());
        }
        let available = produced.join(", ");
        let text = format!("406: Not Acceptable\n\nAvailable representations: {available}");
        let status = Status::new(406, Reason::NotAcceptable, text);
        Err(status.with_details(Details::default()))
    }

    /// The first of the client's wishes that can be served, as a router sees it and then as a handler does.
    ///
    /// # Errors
    /// 406 when none can; 400 for an `includeObject` that is none.
    pub(in crate::http) fn negotiate(
        accept: &Accept,
        subject: Subject,
        query: &Query,
        resource: &Resource,
        pretty: bool,
    ) -> Result<Self, Status> {
        Self::route(accept, subject, resource)?;
        let is_custom = resource.custom.is_some();
        for clause in accept.clauses() {
            let Some(format) = Format::of(clause, pretty) else {
                continue;
            };
            // A stream of YAML documents has no place in this protocol.
            if subject == Subject::Watch && format == Format::Yaml {
                continue;
            }
            if clause.is_plain() {
                // Nor messages.
                if is_custom && format == Format::Protobuf {
                    continue;
                }
                return Ok(Self {
                    form: Form::Object,
                    format,
                });
            }
            if clause.group != META_GROUP || !matches!(clause.version.as_str(), "v1" | "v1beta1") {
                continue;
            }
            let version = format!("{META_GROUP}/{}", clause.version);
            let form = match (clause.kind.as_str(), subject) {
                ("Table", _) if format != Format::Protobuf => {
                    let include = IncludeObject::parse(query.get("includeObject"))?;
                    Form::Table { version, include }
                }
                ("PartialObjectMetadata", Subject::Object | Subject::Watch)
                | ("PartialObjectMetadataList", Subject::List) => Form::Metadata { version },
                ("PartialObjectMetadata", Subject::List) => {
                    let kind = resource.api.list_kind();
                    return Err(not_transformed(clause, "a list", &kind, resource));
                }
                ("PartialObjectMetadataList", Subject::Object) => {
                    let kind = &resource.api.kind;
                    return Err(not_transformed(clause, "not a list", kind, resource));
                }
                _ => continue,
            };
            return Ok(Self { form, format });
        }
        let text = format!(
            "only the following media types are accepted: {}",
            subject.accepted().join(", ")
        );
        Err(Status::new(406, Reason::NotAcceptable, text))
    }

    /// Media type of a watch.
    pub(in crate::http) fn stream_type(&self) -> &'static str {
        self.format.stream_type()
    }

    /// Whether stored JSON can be sent as it is.
    fn is_plain(&self, resource: &Resource) -> bool {
        matches!(self.form, Form::Object)
            && self.format == (Format::Json { pretty: false })
            && resource.reads_as_stored()
    }

    /// One object through a view.
    pub(in crate::http) fn object(
        &self,
        code: StatusCode,
        resource: &Resource,
        view: &View,
        stored: &Stored,
        now: Timestamp,
    ) -> Result<Reply, Status> {
        if view.is_object() && self.is_plain(resource) {
            let mut out = Vec::new();
            splice_version(stored, &mut out);
            out.push(b'\n');
            return Ok(Reply::new(code, JSON, Bytes::from(out)));
        }
        let object = decode(resource, stored)?;
        let object = view.project(&object)?;
        let shown = match &self.form {
            Form::Object => encode(&view.ty, &object),
            Form::Table { version, include } => {
                let metadata = json!({"resourceVersion": stored.revision.to_string()});
                let rows_of = if view.is_object() { resource } else { scales() };
                Table::new(rows_of, *include, version).render(
                    std::slice::from_ref(&*object),
                    &metadata,
                    true,
                    now,
                )
            }
            Form::Metadata { version } => metadata_only(&object, version),
        };
        self.document(code, shown)
    }

    /// An object that is stored nowhere. It is never turned into a table.
    pub(in crate::http) fn value(
        &self,
        code: StatusCode,
        view: &View,
        object: &Value,
    ) -> Result<Reply, Status> {
        self.document(code, encode(&view.ty, object))
    }

    /// A list.
    pub(in crate::http) fn list(
        &self,
        resource: &Resource,
        list: &List,
        now: Timestamp,
    ) -> Result<Reply, Status> {
        let mut metadata = json!({});
        // What is stored nowhere has no version.
        if list.revision != 0 {
            metadata["resourceVersion"] = list.revision.to_string().into();
        }
        if !list.continue_token.is_empty() {
            metadata["continue"] = list.continue_token.as_str().into();
        }
        if let Some(remaining) = list.remaining {
            metadata["remainingItemCount"] = remaining.into();
        }
        let (kind, api_version) = match &self.form {
            Form::Object => (
                resource.api.list_kind().into_owned(),
                resource.api_version(),
            ),
            Form::Metadata { version } => ("PartialObjectMetadataList".to_owned(), version.clone()),
            Form::Table { version, include } => {
                let objects = list.items.iter().map(|item| decode(resource, item));
                let objects = objects.collect::<Result<Vec<_>, _>>()?;
                let table =
                    Table::new(resource, *include, version).render(&objects, &metadata, true, now);
                return self.document(StatusCode::OK, table);
            }
        };
        if let (Form::Object, Some(_)) = (&self.form, &resource.custom) {
            return self.document(StatusCode::OK, self.unstructured(resource, list)?);
        }
        let mut out = Vec::with_capacity(
            256 + list
                .items
                .iter()
                .map(|item| item.bytes.len() + 32)
                .sum::<usize>(),
        );
        out.extend_from_slice(
            format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"{api_version}\",\"metadata\":")
                .as_bytes(),
        );
        list_metadata(&metadata, &mut out);
        if list.items.is_empty() && matches!(self.form, Form::Metadata { .. }) {
            // The one kind of list that kube-apiserver leaves without items.
            out.extend_from_slice(b",\"items\":null}");
            return self.document(StatusCode::OK, out);
        }
        out.extend_from_slice(b",\"items\":[");
        for (at, item) in list.items.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            self.item(resource, item, &mut out)?;
        }
        out.extend_from_slice(b"]}");
        self.document(StatusCode::OK, out)
    }

    /// A list of custom resources: members sorted, and every item says what it is.
    fn unstructured(&self, resource: &Resource, list: &List) -> Result<Vec<u8>, Status> {
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(
            format!(
                "{{\"apiVersion\":\"{}\",\"items\":[",
                resource.api_version()
            )
            .as_bytes(),
        );
        for (at, item) in list.items.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            match &resource.ty {
                Some(ty) if !resource.reads_as_stored() => {
                    Schema::builtin().encode(ty, &decode(resource, item)?, &mut out);
                }
                _ => splice_version(item, &mut out),
            }
        }
        let mut metadata = json!({
            "continue": list.continue_token,
            "resourceVersion": list.revision.to_string(),
        });
        if let Some(remaining) = list.remaining {
            metadata["remainingItemCount"] = remaining.into();
        }
        let kind = resource.api.list_kind();
        out.extend_from_slice(format!("],\"kind\":\"{kind}\",\"metadata\":").as_bytes());
        encode_untyped(&metadata, &mut out);
        out.push(b'}');
        Ok(out)
    }

    /// An item of a list: like the object, but without kind and apiVersion, which the list has said.
    fn item(&self, resource: &Resource, stored: &Stored, out: &mut Vec<u8>) -> Result<(), Status> {
        if let Form::Metadata { version } = &self.form {
            out.extend_from_slice(&metadata_only(&decode(resource, stored)?, version));
            return Ok(());
        }
        let start = out.len();
        match (resource.reads_as_stored(), &resource.ty) {
            (true, _) | (_, None) => splice_version(stored, out),
            (false, Some(ty)) => Schema::builtin().encode(ty, &decode(resource, stored)?, out),
        }
        let head = format!(
            "{{\"kind\":\"{}\",\"apiVersion\":\"{}\",",
            resource.api.kind,
            resource.api_version()
        );
        if out[start..].starts_with(head.as_bytes()) {
            out.drain(start + 1..start + head.len());
        }
        Ok(())
    }

    /// A whole document that is JSON so far.
    pub(in crate::http) fn document(
        &self,
        code: StatusCode,
        mut json: Vec<u8>,
    ) -> Result<Reply, Status> {
        json.push(b'\n');
        Ok(Reply::new(
            code,
            self.format.media_type(),
            self.format.write(json)?,
        ))
    }
}

/// 406 for a form that this answer can't take.
fn not_transformed(clause: &Clause, is: &str, kind: &str, resource: &Resource) -> Status {
    let package = internal_package(&resource.api.group);
    let text = format!(
        "you requested {}, but the requested object is {is} (*{package}.{kind})",
        clause.kind
    );
    Status::new(406, Reason::NotAcceptable, text)
}

/// An object as JSON.
pub(in crate::http) fn encode(ty: &TypeRef, value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    Schema::builtin().encode(ty, value, &mut out);
    out
}

fn metadata_only(object: &Value, api_version: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    partial_metadata(object, api_version, &mut out);
    out
}

/// Answer of a deletion that left nothing.
pub(in crate::http) fn gone(
    representation: &Representation,
    gone: &Details,
) -> Result<Reply, Status> {
    let details = serde_json::to_string(gone)
        .map_err(|error| Status::untyped(format!("the answer can't be written: {error}")))?;
    let text = format!(
        "{{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{{}},\"status\":\"Success\",\"details\":{details}}}"
    );
    let reply = representation.plain_document(text)?;
    Ok(reply.done(Some(gone.clone())))
}

/// Answer to an action that was carried out.
pub(in crate::http) fn done(representation: &Representation) -> Result<Reply, Status> {
    let text = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","code":201}"#;
    let reply = representation.document(StatusCode::CREATED, text.into())?;
    Ok(reply.done(None))
}

impl Representation {
    /// A Status: never turned into a table.
    fn plain_document(&self, json: String) -> Result<Reply, Status> {
        self.document(StatusCode::OK, json.into_bytes())
    }
}
