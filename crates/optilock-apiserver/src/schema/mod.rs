//! The types of the Kubernetes API as data: decoding, canonical form, protobuf, defaults.
//!
//! An object travels as [`serde_json::Value`] in *canonical form*: what a round trip through the
//! Go struct of its type leaves. Unknown fields and nulls are gone, zeros that Go does not write
//! are gone, values that Go always writes are there (`status: {}`), quantities and times have one
//! spelling. [`Document::decode`] (JSON and YAML), [`Schema::decode_protobuf`] and
//! [`Schema::normalize`] produce it, [`Schema::encode`] writes it byte for byte as Go does:
//! fields in struct order, maps sorted.

mod by_type;
mod bytes;
mod canonical;
mod document;
mod encode;
mod json;
mod marshal;
mod model;
mod name_index;
mod nil;
mod node;
mod protobuf;
mod quantity;
mod resources;
mod structural;
mod table;
#[cfg(test)]
mod tests;
mod time;
mod walk;
mod wire;
mod yaml;

pub(crate) use by_type::ByType;
pub(crate) use document::{Document, TypeMeta};
pub(crate) use encode::untyped as encode_untyped;
pub(crate) use model::{Field, Gvk, ListType, Omit, PatchStrategy, Shape, StructType, TypeRef};
pub(crate) use node::Node;
pub(crate) use protobuf::Envelope;
pub(crate) use quantity::Quantity;
pub(crate) use resources::{Column, Resource, Subresource, builtin_resources};
pub(crate) use structural::{Structural, fill_defaults};
pub(crate) use wire::{put_bytes, put_delimited, put_fixed64, put_varint};

use serde_json::Value;

/// An object in canonical form, and what was wrong with the document that it came from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decoded {
    /// The object in canonical form.
    pub(crate) value: Value,
    /// What `fieldValidation` is about, in the API server's words and order:
    /// `unknown field "spec.foo"`, `duplicate field "spec.replicas"`. At most 100.
    pub(crate) complaints: Vec<String>,
}

impl Decoded {
    /// The complaints as `Warning` headers have them: one for each line of a YAML complaint.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let lines = self.complaints.iter().flat_map(|complaint| {
            let lines = complaint.strip_prefix("yaml: unmarshal errors:\n");
            lines.unwrap_or(complaint).split('\n').map(str::trim)
        });
        lines.map(str::to_owned).collect()
    }
}

/// A document that is no object of the asked type. The text is the API server's, without the
/// frame around it (`Deployment in version "v1" cannot be handled as a Deployment: …`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DecodeError {
    /// The document is no JSON.
    #[error("{0}")]
    Syntax(String),
    /// The document is no YAML.
    #[error("{0}")]
    Yaml(String),
    /// A value does not fit the type of its field.
    #[error("{0}")]
    Type(String),
    /// The bytes are no protobuf message of the type.
    #[error("{0}")]
    Protobuf(String),
}

/// The types of the API. There is one: the built-in types are data of the program.
#[derive(Debug)]
pub(crate) struct Schema(());

impl Schema {
    /// The built-in types of Kubernetes 1.36. Nothing is read before it is asked for.
    pub(crate) fn builtin() -> &'static Self {
        static SCHEMA: Schema = Schema(());
        &SCHEMA
    }

    /// The type of a kind.
    pub(crate) fn kind(&self, group: &str, version: &str, kind: &str) -> Option<TypeRef> {
        table::kind(group, version, kind)
    }

    /// The type of that OpenAPI name, e.g. `io.k8s.api.core.v1.PodSpec`.
    pub(crate) fn type_named(&self, name: &str) -> Option<TypeRef> {
        table::type_named(name)
    }

    /// Decodes a protobuf message, the [`Envelope::raw`] of a body. The value has neither
    /// `apiVersion` nor `kind`: they are not part of the message.
    pub(crate) fn decode_protobuf(&self, ty: &TypeRef, raw: &[u8]) -> Result<Value, DecodeError> {
        protobuf::decode(ty, raw)
    }

    /// A canonical document that says its `apiVersion` and `kind` as a body of `application/vnd.kubernetes.protobuf`.
    /// `None` for one of a type that has no message.
    pub(crate) fn encode_protobuf(&self, document: &Value) -> Option<Vec<u8>> {
        let text = |member: &str| document[member].as_str().unwrap_or_default();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let ty = self.kind(group, version, kind).or_else(|| {
            // What discovery and refusals are made of is in no version; metadata alone is in more than one.
            let name = format!("io.k8s.apimachinery.pkg.apis.meta.v1.{kind}");
            self.type_named(&name)
                .filter(|_| matches!(group, "" | "meta.k8s.io"))
        })?;
        let mut raw = Vec::with_capacity(512);
        marshal::message(&ty, document.as_object()?, &mut raw);
        Some(marshal::envelope(api_version, kind, &raw))
    }

    /// An event of a watch as a frame of a stream of protobuf. `object` is a whole body.
    pub(crate) fn protobuf_event(&self, kind: &str, object: &[u8]) -> Vec<u8> {
        let mut event = Vec::with_capacity(object.len() + 32);
        wire::put_bytes(1, kind.as_bytes(), &mut event);
        wire::put_delimited(2, &mut event, |event| wire::put_bytes(1, object, event));
        // No body is as large as 4 GiB.
        let mut frame = (event.len() as u32).to_be_bytes().to_vec();
        frame.append(&mut event);
        frame
    }

    /// Brings a document that is already parsed (a patched one) into canonical form.
    pub(crate) fn normalize(&self, ty: &TypeRef, value: &Value) -> Result<Decoded, DecodeError> {
        let node = Node::from_value(value, 0)
            .ok_or_else(|| DecodeError::Syntax("exceeded max depth".into()))?;
        match &ty.custom {
            Some(custom) => structural::normalize(&custom.schema, value.clone()),
            None => walk::decode(ty, &node),
        }
    }

    /// The same for an object that was put together from canonical parts: only what is missing or too much in it can be
    /// wrong.
    pub(crate) fn settle(&self, ty: &TypeRef, mut value: Value) -> Result<Value, DecodeError> {
        if let Some(custom) = &ty.custom {
            let settled = structural::normalize_merged(&custom.schema, value);
            return settled.map(|decoded| decoded.value);
        }
        #[cfg(debug_assertions)]
        let expected = self.normalize(ty, &value)?.value;
        match &mut value {
            Value::Object(object) => canonical::settle(ty, object),
            _ => return self.normalize(ty, &value).map(|decoded| decoded.value),
        }
        #[cfg(debug_assertions)]
        debug_assert_eq!(value, expected, "a part was not canonical");
        Ok(value)
    }

    /// The same of what an apply has merged, in which a null is for validation to refuse.
    pub(crate) fn normalize_merged(
        &self,
        ty: &TypeRef,
        value: &Value,
    ) -> Result<Decoded, DecodeError> {
        match &ty.custom {
            Some(custom) => structural::normalize_merged(&custom.schema, value.clone()),
            None => self.normalize(ty, value),
        }
    }

    /// Appends the canonical JSON of a canonical value of that shape.
    pub(crate) fn encode_shape(&self, shape: &Shape, value: &Value, out: &mut Vec<u8>) {
        encode::encode(shape, value, out);
    }

    /// Turns empty lists and maps into none, as storing an object does in kube-apiserver.
    pub(crate) fn forget_empty(&self, ty: &TypeRef, value: &mut Value) {
        if let Value::Object(object) = value
            && ty.custom.is_none()
        {
            nil::forget_empty(ty, object);
        }
    }

    /// Appends the canonical JSON of a canonical value: fields in Go struct order, maps sorted,
    /// HTML escaped, without a newline at the end.
    pub(crate) fn encode(&self, ty: &TypeRef, value: &Value, out: &mut Vec<u8>) {
        match value {
            value if ty.custom.is_some() => encode::unstructured(value, out),
            Value::Object(object) => encode::encode_struct(ty, object, out),
            other => encode::untyped(other, out),
        }
    }
}
