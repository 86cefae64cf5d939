//! Kinds without columns of their own: the name and when it was created.

use serde_json::Value;

use super::cells;
use crate::discovery::table::row::{Row, optional};

/// Go's zero time.
const NEVER: &str = "0001-01-01T00:00:00Z";

pub(super) fn cells(row: Row<'_>) -> Vec<Value> {
    cells![
        row.name(),
        optional(row.at("/metadata/creationTimestamp"), NEVER)
    ]
}
