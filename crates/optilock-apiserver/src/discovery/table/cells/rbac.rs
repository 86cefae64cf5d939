//! Who may do what.

use serde_json::Value;

use super::cells;
use crate::discovery::table::row::{Row, text};

pub(super) fn binding(row: Row<'_>) -> Vec<Value> {
    let subjects = |kind: &str| {
        let of_kind = row
            .list("/subjects")
            .iter()
            .filter(|subject| subject["kind"] == kind);
        let names = of_kind.map(|subject| match kind {
            "ServiceAccount" => {
                format!("{}/{}", text(&subject["namespace"]), text(&subject["name"]))
            }
            _ => text(&subject["name"]).to_owned(),
        });
        names.collect::<Vec<_>>().join(", ")
    };
    cells![
        row.name(),
        format!(
            "{}/{}",
            row.text("/roleRef/kind"),
            row.text("/roleRef/name")
        ),
        row.age(),
        subjects("User"),
        subjects("Group"),
        subjects("ServiceAccount"),
    ]
}
