//! How many objects there are.

use std::sync::Arc;

use super::{Registry, Resource};
use crate::store::Range;

impl Registry {
    /// How many objects there are of each resource that is stored. A resource whose number can't be read is left out.
    pub(crate) async fn counts(&self) -> Vec<(Arc<Resource>, usize)> {
        let resources = self.resources();
        let mut counts = Vec::new();
        for resource in resources.stored() {
            let range = Range {
                limit: 1,
                ..Range::all(&resource.storage.prefix)
            };
            match self.store.range(range).await {
                Ok(page) => {
                    let count = page.entries.len() + page.remaining;
                    counts.push((Arc::clone(resource), count));
                }
                Err(error) => tracing::warn!(
                    %error,
                    resource = resource.qualified(),
                    "objects can't be counted"
                ),
            }
        }
        counts
    }

    /// The newest version.
    pub(crate) fn revision(&self) -> u64 {
        self.store.revision()
    }
}
