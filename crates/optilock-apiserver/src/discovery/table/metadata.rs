//! Metadata: of lists and tables, and of objects that are nothing else.

use serde_json::Value;

use crate::schema::{Schema, encode_untyped};

/// Appends the metadata of an object as `PartialObjectMetadata` of that version of meta.k8s.io.
pub(crate) fn partial_metadata(object: &Value, api_version: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"");
    out.extend_from_slice(api_version.as_bytes());
    out.extend_from_slice(b"\",\"metadata\":");
    let metadata = &object["metadata"];
    match Schema::builtin().type_named("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta") {
        Some(ty) if metadata.is_object() => Schema::builtin().encode(&ty, metadata, out),
        Some(_) => out.extend_from_slice(b"{}"),
        None => encode_untyped(metadata, out),
    }
    out.push(b'}');
}

/// Appends a `metav1.ListMeta`, members in Go's order.
pub(crate) fn list_metadata(metadata: &Value, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut separator: &[u8] = b"";
    for member in ["resourceVersion", "continue", "remainingItemCount"] {
        if let Some(value) = metadata.get(member).filter(|value| !value.is_null()) {
            out.extend_from_slice(separator);
            out.extend_from_slice(format!("\"{member}\":").as_bytes());
            encode_untyped(value, out);
            separator = b",";
        }
    }
    out.push(b'}');
}
