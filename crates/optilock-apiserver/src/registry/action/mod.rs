//! Subresources that are not a part of an object but something to do with it: created, carried out and forgotten.

mod bind;
mod evict;

use serde_json::Value;

use super::object::meta_str;
use super::{Registry, Resource, Stored, Target, WriteOptions, codec, errors};
use crate::schema::{Schema, TypeRef};
use crate::status::Status;
use crate::store::{CommitError, Expected};

/// Something to do with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Assigns a Pod to a node.
    Bind,
    /// Deletes a Pod if its disruption budget allows.
    Evict,
    /// Issues a token of a service account.
    RequestToken,
}

/// (group, plural name, subresource, action, group of what is sent, its kind); versions are v1
const ACTIONS: &[(&str, &str, &str, Action, &str, &str)] = &[
    ("", "bindings", "", Action::Bind, "", "Binding"),
    ("", "pods", "binding", Action::Bind, "", "Binding"),
    ("", "pods", "eviction", Action::Evict, "policy", "Eviction"),
    (
        "",
        "serviceaccounts",
        "token",
        Action::RequestToken,
        "authentication.k8s.io",
        "TokenRequest",
    ),
];

/// What a path does, with the type, group and kind of what is sent to it; `None` where it does nothing of the sort.
pub(super) fn of(
    resource: &Resource,
    subresource: &str,
) -> Option<(Action, TypeRef, &'static str, &'static str)> {
    let (group, plural) = (&*resource.api.group, &*resource.api.plural);
    let row = ACTIONS
        .iter()
        .find(|row| (row.0, row.1, row.2) == (group, plural, subresource))?;
    let (.., action, group, kind) = *row;
    Some((
        action,
        Schema::builtin().kind(group, "v1", kind)?,
        group,
        kind,
    ))
}

impl Registry {
    /// Carries out what a client has sent to the path of `target`; an object that is the answer, if there is one.
    ///
    /// # Errors
    /// 400 when it is about another object than the path, and those of the action.
    pub(crate) async fn act(
        &self,
        action: Action,
        target: &Target,
        sent: &Value,
        options: &WriteOptions,
    ) -> Result<Option<Value>, Status> {
        let name = meta_str(sent, "name");
        // Only the path of a Pod names one.
        let kind = match action {
            Action::Bind => "Binding",
            Action::Evict => "Eviction",
            Action::RequestToken => return self.issue_token(target, sent, options).await.map(Some),
        };
        if !target.name.is_empty() && name != target.name {
            return Err(Status::bad_request(format!(
                "name in URL does not match name in {kind} object"
            )));
        }
        let Some(pods) = self.resource("", "v1", "pods") else {
            return Err(errors::missing_resource());
        };
        let pod = Target {
            resource: pods,
            namespace: target.namespace.clone(),
            name: name.to_owned(),
        };
        if action == Action::Bind {
            self.bind(&pod, sent, options).await?;
        } else {
            self.evict(&pod, sent, options).await?;
        }
        Ok(None)
    }

    /// Changes an object as the server itself sees fit: no owners of fields, no rules but those of `change`.
    ///
    /// # Errors
    /// 404, 409 for another uid than the given one (empty is none), and those of `change`.
    async fn rewrite(
        &self,
        target: &Target,
        uid: &str,
        dry_run: bool,
        change: &(dyn Fn(&mut Value) -> Result<(), Status> + Send + Sync),
    ) -> Result<Value, Status> {
        let resource = &*target.resource;
        loop {
            let current = self
                .entry(target)
                .await?
                .ok_or_else(|| errors::not_found(resource, &target.name))?;
            let mut object = codec::decode_stored(&current)?;
            let live = meta_str(&object, "uid");
            if !uid.is_empty() && uid != live {
                let key = target.key();
                return Err(errors::wrong_uid(resource, &target.name, &key, uid, live));
            }
            change(&mut object)?;
            let object = codec::canonical(resource, object)?;
            let bytes = codec::encode(resource, &mut object.clone())?;
            if dry_run || bytes == current.bytes {
                return Ok(object);
            }
            let expected = Expected::Revision(current.revision);
            match self
                .store
                .commit(&target.key(), expected, Some(bytes.clone()))
                .await
            {
                Ok(revision) => return codec::decode_stored(&Stored { bytes, revision }),
                Err(CommitError::Mismatch(_)) => {}
                Err(error) => return Err(errors::unwritten(&error)),
            }
        }
    }
}

/// Sets a condition of a Pod; its time is that of the last change of its status.
fn set_condition(object: &mut Value, mut condition: Value, now: &str) {
    if !object["status"]["conditions"].is_array() {
        object["status"]["conditions"] = Value::Array(Vec::new());
    }
    let Some(conditions) = object["status"]["conditions"].as_array_mut() else {
        return;
    };
    condition["lastTransitionTime"] = now.into();
    match conditions
        .iter_mut()
        .find(|live| live["type"] == condition["type"])
    {
        None => conditions.push(condition),
        Some(live) => {
            if live["status"] == condition["status"] {
                condition["lastTransitionTime"] = live["lastTransitionTime"].clone();
            }
            *live = condition;
        }
    }
}
