//! What clients ask first: versions, groups, resources, OpenAPI, tables.
//!
//! Everything here is a pure function of the list of resources; nothing is made before it is asked for.

mod table;

pub(crate) use table::{IncludeObject, Table, list_metadata, partial_metadata};
