//! Objects, lists and events in the representation that the client asked for.

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::accept::{Accept, Clause};
use super::query::Query;
use super::reply::{JSON, Reply, YAML};
use crate::discovery::{IncludeObject, Table, list_metadata, partial_metadata};
use crate::registry::{
    List, Resource, Stored, View, WatchEvent, WatchEventType, decode, splice_version,
};
use crate::schema::{Schema, TypeRef};
use crate::status::{Details, Reason, Status};

const META_GROUP: &str = "meta.k8s.io";

/// How an answer is written.
#[derive(Debug, Clone)]
pub(super) struct Representation {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json { pretty: bool },
    Yaml,
}

/// What is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Object,
    List,
    Watch,
}

impl Representation {
    /// The first of the client's wishes that can be served.
    ///
    /// # Errors
    /// 406 when none can; 400 for an `includeObject` that is none.
    pub(super) fn negotiate(
        accept: &Accept,
        subject: Subject,
        query: &Query,
        pretty: bool,
    ) -> Result<Self, Status> {
        let mut list_as_object = false;
        for clause in accept.clauses() {
            let Some(format) = Self::format(clause, pretty) else {
                continue;
            };
            // A stream of YAML documents has no place in this protocol.
            if subject == Subject::Watch && format == Format::Yaml {
                continue;
            }
            if clause.is_plain() {
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
                ("Table", _) => {
                    let include = IncludeObject::parse(query.get("includeObject"))?;
                    Form::Table { version, include }
                }
                ("PartialObjectMetadata", Subject::Object | Subject::Watch)
                | ("PartialObjectMetadataList", Subject::List) => Form::Metadata { version },
                ("PartialObjectMetadata", Subject::List) => {
                    list_as_object = true;
                    continue;
                }
                _ => continue,
            };
            return Ok(Self { form, format });
        }
        let text = if list_as_object {
            "you requested PartialObjectMetadata, but the requested object is a list"
        } else {
            "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/json;stream=watch"
        };
        Err(Status::new(406, Reason::NotAcceptable, text).with_details(Details::default()))
    }

    fn format(clause: &Clause, pretty: bool) -> Option<Format> {
        if clause.covers(JSON) {
            return Some(Format::Json { pretty });
        }
        clause.covers(YAML).then_some(Format::Yaml)
    }

    /// Whether stored JSON can be sent as it is.
    fn is_plain(&self, resource: &Resource) -> bool {
        matches!(self.form, Form::Object)
            && self.format == (Format::Json { pretty: false })
            && resource.is_storage_version()
    }

    /// One object through a view.
    pub(super) fn object(
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
        let shown = match &self.form {
            Form::Object => encode(&view.ty, &view.project(&object)?),
            Form::Table { version, include } => {
                let metadata = json!({"resourceVersion": stored.revision.to_string()});
                Table::new(resource, *include, version).render(&[object], &metadata, true, now)
            }
            Form::Metadata { version } => metadata_only(&object, version),
        };
        self.document(code, shown)
    }

    /// An object that is stored nowhere. It is never turned into a table.
    pub(super) fn value(
        &self,
        code: StatusCode,
        view: &View,
        object: &Value,
    ) -> Result<Reply, Status> {
        self.document(code, encode(&view.ty, object))
    }

    /// A list.
    pub(super) fn list(
        &self,
        resource: &Resource,
        list: &List,
        now: Timestamp,
    ) -> Result<Reply, Status> {
        let mut metadata = json!({"resourceVersion": list.revision.to_string()});
        if !list.continue_token.is_empty() {
            metadata["continue"] = list.continue_token.as_str().into();
        }
        if let Some(remaining) = list.remaining {
            metadata["remainingItemCount"] = remaining.into();
        }
        let (kind, api_version) = match &self.form {
            Form::Object => (format!("{}List", resource.api.kind), resource.api_version()),
            Form::Metadata { version } => ("PartialObjectMetadataList".to_owned(), version.clone()),
            Form::Table { version, include } => {
                let objects = list.items.iter().map(|item| decode(resource, item));
                let objects = objects.collect::<Result<Vec<_>, _>>()?;
                let table =
                    Table::new(resource, *include, version).render(&objects, &metadata, true, now);
                return self.document(StatusCode::OK, table);
            }
        };
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

    /// An item of a list: like the object, but without kind and apiVersion, which the list has said.
    fn item(&self, resource: &Resource, stored: &Stored, out: &mut Vec<u8>) -> Result<(), Status> {
        if let Form::Metadata { version } = &self.form {
            out.extend_from_slice(&metadata_only(&decode(resource, stored)?, version));
            return Ok(());
        }
        let start = out.len();
        match (resource.is_storage_version(), &resource.ty) {
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
    pub(super) fn document(&self, code: StatusCode, mut json: Vec<u8>) -> Result<Reply, Status> {
        match self.format {
            Format::Json { pretty: false } => {
                json.push(b'\n');
                Ok(Reply::new(code, JSON, Bytes::from(json)))
            }
            Format::Json { pretty: true } => {
                Ok(Reply::new(code, JSON, Bytes::from(indented(&json))))
            }
            Format::Yaml => Ok(Reply::new(code, YAML, Bytes::from(yaml(&json)?))),
        }
    }

    /// The frame of one event of a watch. `first` is set for the first one, which alone carries a table's columns.
    pub(super) fn event(
        &self,
        resource: &Resource,
        event: &WatchEvent,
        first: bool,
        now: Timestamp,
    ) -> Bytes {
        let (kind, object) = match event {
            WatchEvent::Change(kind, stored) => {
                let name = match kind {
                    WatchEventType::Added => "ADDED",
                    WatchEventType::Modified => "MODIFIED",
                    WatchEventType::Deleted => "DELETED",
                };
                match self.event_object(resource, stored, first, now) {
                    Ok(object) => (name, object),
                    Err(status) => ("ERROR", status.to_json().to_string().into_bytes()),
                }
            }
            WatchEvent::Bookmark {
                revision,
                initial_events_end,
            } => (
                "BOOKMARK",
                self.bookmark(resource, *revision, *initial_events_end, first, now),
            ),
            WatchEvent::Error(status) => ("ERROR", status.to_json().to_string().into_bytes()),
        };
        let mut frame = Vec::with_capacity(object.len() + 40);
        frame.extend_from_slice(b"{\"type\":\"");
        frame.extend_from_slice(kind.as_bytes());
        frame.extend_from_slice(b"\",\"object\":");
        frame.extend_from_slice(&object);
        frame.extend_from_slice(b"}\n");
        frame.into()
    }

    fn event_object(
        &self,
        resource: &Resource,
        stored: &Stored,
        first: bool,
        now: Timestamp,
    ) -> Result<Vec<u8>, Status> {
        let mut out = Vec::new();
        match (&self.form, &resource.ty) {
            (Form::Object, Some(ty)) if !resource.is_storage_version() => {
                Schema::builtin().encode(ty, &decode(resource, stored)?, &mut out);
            }
            (Form::Object, _) => splice_version(stored, &mut out),
            _ => return Ok(self.transformed(resource, &decode(resource, stored)?, first, now)),
        }
        Ok(out)
    }

    fn transformed(
        &self,
        resource: &Resource,
        object: &Value,
        first: bool,
        now: Timestamp,
    ) -> Vec<u8> {
        match &self.form {
            Form::Table { version, include } => {
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                let table = Table::new(resource, *include, version);
                table.render(std::slice::from_ref(object), &metadata, first, now)
            }
            Form::Metadata { version } => metadata_only(object, version),
            Form::Object => object.to_string().into_bytes(),
        }
    }

    fn bookmark(
        &self,
        resource: &Resource,
        revision: u64,
        end: bool,
        first: bool,
        now: Timestamp,
    ) -> Vec<u8> {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = json!({"kind": *resource.api.kind, "apiVersion": resource.api_version(), "metadata": metadata});
        match (&self.form, &resource.ty) {
            (Form::Object, Some(ty)) => match Schema::builtin().normalize(ty, &object) {
                Ok(decoded) => encode(ty, &decoded.value),
                Err(_) => object.to_string().into_bytes(),
            },
            _ => self.transformed(resource, &object, first, now),
        }
    }
}

fn encode(ty: &TypeRef, value: &Value) -> Vec<u8> {
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
pub(super) fn gone(representation: &Representation, details: &Details) -> Result<Reply, Status> {
    let details = serde_json::to_string(details)
        .map_err(|error| Status::untyped(format!("the answer can't be written: {error}")))?;
    let text = format!(
        "{{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{{}},\"status\":\"Success\",\"details\":{details}}}"
    );
    representation.plain_document(text)
}

impl Representation {
    /// A Status: never turned into a table.
    fn plain_document(&self, json: String) -> Result<Reply, Status> {
        self.document(StatusCode::OK, json.into_bytes())
    }
}

/// A JSON document as YAML.
pub(super) fn yaml(json: &[u8]) -> Result<String, Status> {
    let unwritable =
        |error: String| Status::untyped(format!("the answer can't be written as YAML: {error}"));
    let value: Value = serde_json::from_slice(json).map_err(|e| unwritable(e.to_string()))?;
    serde_saphyr::to_string(&value).map_err(|e| unwritable(e.to_string()))
}

/// JSON with line breaks and two spaces a level, as Go's `json.Indent` makes it.
pub(super) fn indented(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let mut depth = 0usize;
    let mut in_string = false;
    let mut escaped = false;
    let newline = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', depth * 2));
    };
    for (at, &byte) in json.iter().enumerate() {
        if in_string {
            out.push(byte);
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'{' | b'[' => {
                out.push(byte);
                if !matches!(json.get(at + 1), Some(b'}' | b']')) {
                    depth += 1;
                    newline(&mut out, depth);
                }
            }
            b'}' | b']' => {
                if !matches!(at.checked_sub(1).map(|at| json[at]), Some(b'{' | b'[')) {
                    depth = depth.saturating_sub(1);
                    newline(&mut out, depth);
                }
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                newline(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            b'"' => {
                in_string = true;
                out.push(byte);
            }
            b' ' | b'\n' | b'\r' | b'\t' => {}
            _ => out.push(byte),
        }
    }
    out
}

/// The header of a stream of events.
pub(super) fn stream_content_type() -> (http::HeaderName, &'static str) {
    (CONTENT_TYPE, JSON)
}

#[cfg(test)]
mod tests {
    use super::indented;

    #[test]
    fn indentation_is_that_of_go() {
        let compact = br#"{"a":{},"b":[],"c":[1,"x, {y}: \" \\"],"d":{"e":null}}"#;
        let expected = "{\n  \"a\": {},\n  \"b\": [],\n  \"c\": [\n    1,\n    \"x, {y}: \\\" \\\\\"\n  ],\n  \"d\": {\n    \"e\": null\n  }\n}";
        assert_eq!(String::from_utf8(indented(compact)).unwrap(), expected);
    }
}
