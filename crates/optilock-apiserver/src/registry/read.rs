//! get

use super::component;
use super::errors;
use super::{Registry, Stored, Target};
use crate::status::Status;

impl Registry {
    /// One object. `resource_version` (empty, "0" or a number) asks for a state that is not older.
    ///
    /// # Errors
    /// 404 when there is none; 504 for a version that does not exist yet.
    pub(crate) async fn get(
        &self,
        target: &Target,
        resource_version: &str,
    ) -> Result<Stored, Status> {
        self.reached(version(resource_version).map_err(Status::untyped)?)
            .await?;
        if component::is_component(&target.resource) {
            return component::get(&target.name);
        }
        self.entry(target)
            .await?
            .ok_or_else(|| errors::not_found(&target.resource, &target.name))
    }

    /// Refuses a version of the future.
    pub(super) async fn reached(&self, version: u64) -> Result<(), Status> {
        if version <= self.store.revision() {
            return Ok(());
        }
        // Another server may have given it out.
        let current = self.store.sync().await;
        let current = current.map_err(|error| errors::read(&error))?;
        if version > current {
            return Err(errors::too_large(version, current));
        }
        Ok(())
    }
}

/// A resourceVersion of a query; empty is 0.
///
/// # Errors
/// 400 with kube-apiserver's text.
pub(super) fn parse_version(text: &str) -> Result<u64, Status> {
    version(text).map_err(|error| Status::bad_request(format!("invalid resource version: {error}")))
}

/// The same, with the bare text of the error.
pub(super) fn version(text: &str) -> Result<u64, String> {
    parse_unsigned(text).map_err(|error| {
        let quoted = crate::validation::gofmt::quote(text);
        format!("resourceVersion: Invalid value: {quoted}: {error}")
    })
}

/// A version as Go's `strconv.ParseUint` reads it, with its text when it can't; empty is 0.
pub(super) fn parse_unsigned(text: &str) -> Result<u64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let failed = |why: &str| {
        let quoted = crate::validation::gofmt::quote(text);
        Err(format!("strconv.ParseUint: parsing {quoted}: {why}"))
    };
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return failed("invalid syntax");
    }
    text.parse().or_else(|_| failed("value out of range"))
}
