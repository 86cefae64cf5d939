//! What an object gets out of a supply that all objects share: the addresses and node ports of Services.
//!
//! Something is taken by creating the key that stands for it, so two writers can't take the same. It is taken before the
//! object is validated and written, and given back when that fails ([`Lease`]).

mod addresses;
mod families;
mod ports;
mod service;

use serde_json::Value;

use super::{Registry, Target};
use crate::status::Status;
use crate::store::{CommitError, Expected};

/// What one write takes, and what it makes superfluous.
#[derive(Debug, Default)]
pub(super) struct Lease {
    /// Keys that were created for the object.
    taken: Vec<String>,
    /// Keys that the object needs no longer once it is written.
    surplus: Vec<String>,
}

impl Registry {
    /// Takes what the object needs beyond what `old` had, and writes it into the object. A dry run takes nothing.
    ///
    /// # Errors
    /// 422 for what is taken or does not exist, 500 when nothing is left. Then nothing is taken.
    pub(super) async fn allocate(
        &self,
        target: &Target,
        object: &mut Value,
        old: Option<&Value>,
        dry_run: bool,
    ) -> Result<Lease, Status> {
        let mut lease = Lease::default();
        if !is_service(target) {
            return Ok(lease);
        }
        let provided = service::Provider {
            registry: self,
            target,
            dry_run,
        }
        .provide(object, old, &mut lease)
        .await;
        if let Err(status) = provided {
            self.settle(lease, false).await;
            return Err(status);
        }
        Ok(lease)
    }

    /// Ends a lease: the object was written, or it was not.
    pub(super) async fn settle(&self, lease: Lease, written: bool) {
        let back = if written { lease.surplus } else { lease.taken };
        self.give_back(back).await;
    }

    /// Gives back what an object held that is gone.
    pub(super) async fn release(&self, target: &Target, object: &Value) {
        if is_service(target) {
            self.give_back(service::held(self, &object["spec"])).await;
        }
    }

    async fn give_back(&self, keys: Vec<String>) {
        for key in keys {
            // Somebody may write the key meanwhile: it goes all the same.
            while let Ok(Some(entry)) = self.store.get(&key).await {
                let expected = Expected::Revision(entry.revision);
                match self.store.commit(&key, expected, None).await {
                    Ok(_) => break,
                    Err(CommitError::Mismatch(_)) => {}
                    Err(error) => {
                        tracing::warn!(%error, key, "what an object held is not given back");
                        break;
                    }
                }
            }
        }
    }
}

fn is_service(target: &Target) -> bool {
    target.resource.api.group.is_empty() && &*target.resource.api.plural == "services"
}
