//! What clients ask first: versions, groups, resources, OpenAPI, tables.
//!
//! Everything here is a pure function of the list of resources and knows nothing of HTTP; nothing is made before it is
//! asked for.

mod aggregated;
mod document;
mod groups;
mod health;
mod openapi;
mod paths;
mod table;
mod version;

pub(crate) use aggregated::ListVersion;
pub(crate) use document::{Discovery, Document, Subject};
pub(crate) use health::Probe;
pub(crate) use openapi::Part;
pub(crate) use table::{IncludeObject, Table, list_metadata, partial_metadata};
