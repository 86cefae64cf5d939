//! The index of the documents, with a link to each that changes when the document does.

use std::collections::BTreeMap;

use serde::Serialize;

/// The index.
#[derive(Serialize)]
pub(in crate::discovery) struct Index {
    paths: BTreeMap<String, Link>,
}

#[derive(Serialize)]
struct Link {
    #[serde(rename = "serverRelativeURL")]
    url: String,
}

/// The index of documents: (path, hash).
pub(in crate::discovery) fn index(documents: impl Iterator<Item = (String, String)>) -> Index {
    let link = |(path, hash): (String, String)| {
        let url = format!("/openapi/v3/{path}?hash={hash}");
        (path, Link { url })
    };
    Index {
        paths: documents.map(link).collect(),
    }
}
