//! `componentstatuses`: how the parts of the control plane are. They are looked at when somebody asks, and stored nowhere.
//!
//! The store is the only part that there is to look at: it is in this process, so whoever gets an answer knows that it works.

use bytes::Bytes;

use super::select::Selection;
use super::{List, Resource, Stored};
use crate::status::{Details, Reason, Status};
use crate::validation::gofmt::quote;

/// The store, by the name that it has in a real control plane.
const STORE: &str = "etcd-0";
const HEALTHY: &str = r#"{"kind":"ComponentStatus","apiVersion":"v1","metadata":{"name":"etcd-0"},"conditions":[{"type":"Healthy","status":"True","message":"ok"}]}"#;

/// Whether a resource shows parts of the control plane.
pub(super) fn is_component(resource: &Resource) -> bool {
    resource.api.group.is_empty() && &*resource.api.plural == "componentstatuses"
}

fn store() -> Stored {
    Stored {
        bytes: Bytes::from_static(HEALTHY.as_bytes()),
        revision: 0,
    }
}

/// # Errors
/// 500
pub(super) fn list(selection: &Selection) -> Result<List, Status> {
    let mut items = vec![store()];
    if !selection.matches(&items[0])? {
        items.clear();
    }
    Ok(List {
        items,
        revision: 0,
        continue_token: String::new(),
        remaining: None,
    })
}

/// # Errors
/// 404
pub(super) fn get(name: &str) -> Result<Stored, Status> {
    if name == STORE {
        return Ok(store());
    }
    let text = format!("componentstatus {} not found", quote(name));
    Err(
        Status::new(404, Reason::NotFound, text).with_details(Details {
            name: name.to_owned(),
            kind: "componentstatus".to_owned(),
            ..Details::default()
        }),
    )
}
