//! Events of a watch in the representation that the client asked for.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Form, Format, Representation, encode, metadata_only};
use crate::discovery::Table;
use crate::registry::{Resource, Stored, WatchEvent, WatchEventType, decode, splice_version};
use crate::schema::Schema;
use crate::status::Status;

impl Representation {
    /// The frame of one event of a watch. `first` is set for the first one, which alone carries a table's columns.
    pub(in crate::http) fn event(
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
                    Err(status) => ("ERROR", status.to_json().into_bytes()),
                }
            }
            WatchEvent::Bookmark {
                revision,
                initial_events_end,
            } => (
                "BOOKMARK",
                self.bookmark(resource, *revision, *initial_events_end, first, now),
            ),
            WatchEvent::Error(status) => ("ERROR", status.to_json().into_bytes()),
        };
        self.frame(kind, object)
    }

    /// An event as it goes over the wire. `object` is JSON.
    fn frame(&self, kind: &str, object: Vec<u8>) -> Bytes {
        if self.format == Format::Protobuf {
            let (kind, object) = match Format::Protobuf.write(object) {
                Ok(object) => (kind, object),
                // Not even the refusal can be told; the client sees that the event says nothing.
                Err(status) => ("ERROR", status.to_json().into()),
            };
            return Schema::builtin().protobuf_event(kind, &object).into();
        }
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
            (Form::Object, Some(ty)) if !resource.reads_as_stored() => {
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
