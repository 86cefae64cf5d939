//! `metav1.Table`: objects as rows, for people.

mod cells;
mod custom;
mod duration;
mod include;
mod metadata;
#[cfg(test)]
mod recorded;
mod row;

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::registry::Resource;
use crate::schema::{Schema, encode_untyped};
use cells::{Printer, printer};
use row::Row;

pub(crate) use include::IncludeObject;
pub(crate) use metadata::{list_metadata, partial_metadata};

/// How the objects of a resource become a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table<'a> {
    resource: &'a Resource,
    include: IncludeObject,
    api_version: &'a str,
}

/// `metav1.TableColumnDefinition`.
#[derive(Serialize)]
struct ColumnDefinition<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    format: &'a str,
    description: &'a str,
    priority: i32,
}

impl<'a> Table<'a> {
    /// Tables of `resource` in that version of meta.k8s.io (`meta.k8s.io/v1`).
    pub(crate) fn new(
        resource: &'a Resource,
        include: IncludeObject,
        api_version: &'a str,
    ) -> Self {
        Self {
            resource,
            include,
            api_version,
        }
    }

    /// The table as JSON.
    ///
    /// `objects` are in the version of the resource; `metadata` is that of the list. Columns are left out of all but the
    /// first table of a watch. `now` is what ages are counted from.
    pub(crate) fn render(
        &self,
        objects: &[Value],
        metadata: &Value,
        with_columns: bool,
        now: Timestamp,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + 512 * objects.len());
        out.extend_from_slice(b"{\"kind\":\"Table\",\"apiVersion\":\"");
        out.extend_from_slice(self.api_version.as_bytes());
        out.extend_from_slice(b"\",\"metadata\":");
        list_metadata(metadata, &mut out);
        let printer = printer(&self.resource.api);
        out.extend_from_slice(b",\"columnDefinitions\":");
        if with_columns || printer.repeats_columns {
            self.columns(&mut out);
        } else {
            out.extend_from_slice(b"null");
        }
        out.extend_from_slice(b",\"rows\":");
        self.rows(&printer, objects, now, &mut out);
        out.push(b'}');
        out
    }

    fn columns(&self, out: &mut Vec<u8>) {
        let columns: Vec<ColumnDefinition<'_>> = self
            .resource
            .api
            .columns
            .iter()
            .map(|column| ColumnDefinition {
                name: &column.name,
                kind: &column.kind,
                format: &column.format,
                description: &column.description,
                priority: column.priority,
            })
            .collect();
        // Writing plain structs to memory does not fail.
        out.extend_from_slice(
            serde_json::to_string(&columns)
                .unwrap_or_default()
                .as_bytes(),
        );
    }

    fn rows(&self, printer: &Printer, objects: &[Value], now: Timestamp, out: &mut Vec<u8>) {
        if objects.is_empty() && printer.is_generic() && self.resource.custom.is_none() {
            // A Go slice that nothing was appended to.
            out.extend_from_slice(b"null");
            return;
        }
        let mut order: Vec<&Value> = objects.iter().collect();
        if let Some(key) = printer.sorted_by {
            order.sort_by_cached_key(|object| key(object));
        }
        out.push(b'[');
        for (at, object) in order.into_iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            self.row(printer, object, now, out);
        }
        out.push(b']');
    }

    fn row(&self, printer: &Printer, object: &Value, now: Timestamp, out: &mut Vec<u8>) {
        // Printers know one form of a kind: the one that is stored.
        let stored = self.resource.to_storage(object);
        let row = Row {
            object: &stored,
            now,
        };
        out.extend_from_slice(b"{\"cells\":");
        let cells = match &self.resource.custom {
            Some(_) => custom::cells(&self.resource.api.columns, row),
            None => (printer.cells)(row),
        };
        encode_untyped(&Value::Array(cells), out);
        if let Some(conditions) = printer.conditions.and_then(|conditions| conditions(row)) {
            out.extend_from_slice(b",\"conditions\":");
            out.extend_from_slice(conditions.as_bytes());
        }
        out.extend_from_slice(b",\"object\":");
        let initial_events_end = !row
            .annotation("k8s.io/initial-events-end")
            .unwrap_or_default()
            .is_empty();
        match (self.include, &self.resource.ty) {
            (IncludeObject::Object, Some(ty)) => Schema::builtin().encode(ty, object, out),
            (IncludeObject::None, _) if !initial_events_end => out.extend_from_slice(b"null"),
            _ => {
                let shown = without_annotation(object, printer.hidden_annotation);
                partial_metadata(&shown, self.api_version, out);
            }
        }
        out.push(b'}');
    }
}

/// The object without an annotation.
fn without_annotation<'o>(object: &'o Value, hidden: Option<&str>) -> Cow<'o, Value> {
    let annotations = &object["metadata"]["annotations"];
    let Some(hidden) = hidden.filter(|name| annotations.get(*name).is_some()) else {
        return Cow::Borrowed(object);
    };
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut()
        && let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
    {
        annotations.remove(hidden);
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    Cow::Owned(object)
}
