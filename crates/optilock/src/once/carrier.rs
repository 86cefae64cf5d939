//! How a write carries its op-id.

use std::borrow::Cow;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::core::ObjectMeta;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ring::Ring;
use super::{OpId, Pending, range};

/// The annotation that holds the op-ids when nobody says otherwise.
const ANNOTATION: &str = "optilock.dev/ops";
/// What a field manager starts with when nobody says otherwise.
const MANAGER: &str = "optilock";
/// The longest field manager that the API server takes.
const LONGEST_MANAGER: usize = 128;
/// The bytes of all keys and values of an object's annotations that the API server takes.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

/// How a write carries the [`OpId`] of its update.
///
/// | | annotation | field manager |
/// |---|---|---|
/// | what it adds to the object | one annotation with the last 32 op-ids, 544 bytes when they are random | the writer's entry in managedFields has another name each time |
/// | who can tell that an update was applied | whoever reads the object before 32 more updates, else its history | whoever reads the object before others have written the same fields, else its history |
/// | a change that only removes fields | carried | leaves no entry: can't be told from others' writes |
/// | `/status` and other subresources | dropped by the server on most kinds | carried |
/// | where many contend for the object | the last op-id is followed by `~` and the milliseconds over which its writer spreads its attempts | the same, before the op-id |
/// | side effects | on a Deployment: a new generation, and a copy on its ReplicaSets | old managers of untouched fields stay, at most ten; the server merges more |
///
/// ```
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), optilock::BoxError> {
/// # let client = optilock_apiserver::Server::new().client();
/// # let api: kube::Api<ConfigMap> = kube::Api::default_namespaced(client);
/// # let object = serde_json::from_value(serde_json::json!({"metadata": {"name": "settings"}}))?;
/// # api.create(&Default::default(), &object).await?;
/// use kube::ResourceExt;
/// use optilock::Carrier;
///
/// let updated = optilock::update(&api, "settings")
///     .carrier(Carrier::annotation("example.com/updates"))
///     .apply(|config| {
///         config.data.get_or_insert_default().insert("level".into(), "debug".into());
///         Ok(())
///     })
///     .await?;
/// assert_eq!(updated.object.annotations()["example.com/updates"], updated.op_id.as_str());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Carrier {
    /// An annotation with this key, which holds the op-ids of the last writes.
    Annotation(Cow<'static, str>),
    /// A field manager of its own for each update: the one that was asked for, a dash, and the op-id.
    FieldManager,
}

impl Carrier {
    /// An annotation of another name than `optilock.dev/ops`.
    #[must_use]
    pub fn annotation(key: impl Into<String>) -> Self {
        Self::Annotation(Cow::Owned(key.into()))
    }

    /// What is best for a resource (`deployments.apps`) and subresource, where nobody says otherwise.
    pub(crate) fn best_for(resource: &str, subresource: Option<&str>) -> Self {
        match (resource, subresource) {
            ("deployments.apps", _) | (_, Some(_)) => Self::FieldManager,
            _ => Self::default(),
        }
    }

    /// The field manager to write with, which tells the writer's range if there is one.
    pub(crate) fn manager(
        &self,
        asked: Option<&str>,
        id: &OpId,
        told: Option<Duration>,
    ) -> Option<String> {
        match self {
            Self::Annotation(_) => asked.map(str::to_owned),
            Self::FieldManager => {
                let room = LONGEST_MANAGER - range::LONGEST - 1 - id.as_str().len();
                let mut prefix = asked.unwrap_or(MANAGER);
                while prefix.len() > room {
                    let end = prefix.char_indices().next_back().map_or(0, |(end, _)| end);
                    prefix = &prefix[..end];
                }
                let told = told.map(range::to_text).unwrap_or_default();
                Some(format!("{prefix}{told}-{id}"))
            }
        }
    }

    /// Puts the ids into an object that is about to be written and was computed from `base`.
    ///
    /// They follow those of the base, whatever the closure has made of the annotation. With them goes the
    /// writer's range if there is one.
    pub(crate) fn stamp(
        &self,
        base: &ObjectMeta,
        object: &mut Value,
        ids: &[OpId],
        told: Option<Duration>,
    ) {
        let Self::Annotation(key) = self else { return };
        let mut ring = Ring::parse(annotation(base, key));
        ring.push(ids);
        let annotations = &mut object["metadata"]["annotations"];
        if !annotations.is_object() {
            *annotations = Value::Object(serde_json::Map::new());
        }
        annotations[&**key] = ring.to_text(told).into();
    }

    /// Whether an object says that this update is in it. Where it doesn't, the update may be in it all
    /// the same.
    pub(crate) fn found_in(&self, object: &ObjectMeta, id: &OpId) -> bool {
        match self {
            Self::Annotation(key) => Ring::parse(annotation(object, key)).contains(id),
            Self::FieldManager => managers(object).iter().any(|entry| is_named_for(entry, id)),
        }
    }

    /// The range that the newest write in an object tells, if it tells one.
    pub(crate) fn told(&self, object: &ObjectMeta) -> Option<Duration> {
        match self {
            Self::Annotation(key) => Ring::told(annotation(object, key)),
            Self::FieldManager => {
                let told = managers(object).iter().filter_map(|entry| {
                    let range = range::within(entry.manager.as_deref()?)?;
                    Some((entry.time.as_ref().map(|time| time.0), range))
                });
                told.max_by_key(|(time, _)| *time).map(|(_, told)| told)
            }
        }
    }

    /// Whose write made this version of an object out of the base of `pending`, if it was a single write.
    pub(crate) fn claim(&self, pending: &Pending, version: &ObjectMeta) -> Claim {
        if self.found_in(version, &pending.op_id) {
            return Claim::Ours;
        }
        match self {
            // Most kinds' subresources take over no annotations, ours as little as others'.
            Self::Annotation(_) if pending.subresource.is_some() => Claim::Untold,
            Self::Annotation(_) => Claim::Foreign,
            // A write that only removes fields leaves no entry of its own, so that none of ours
            // proves nothing. One of somebody else that is new, or has another time, does: a write
            // has one manager. An entry that has merely lost fields keeps its time.
            Self::FieldManager => {
                let known = managers(&pending.read);
                let gained = |entry: &&ManagedFieldsEntry| {
                    !known.iter().any(|old| {
                        let key = |entry: &ManagedFieldsEntry| {
                            (
                                entry.manager.clone(),
                                entry.operation.clone(),
                                entry.subresource.clone(),
                                entry.api_version.clone(),
                                entry.time.clone(),
                            )
                        };
                        key(old) == key(entry)
                    })
                };
                match managers(version).iter().find(gained) {
                    Some(_) => Claim::Foreign,
                    None => Claim::Untold,
                }
            }
        }
    }
}

impl Default for Carrier {
    /// The annotation `optilock.dev/ops`.
    fn default() -> Self {
        Self::Annotation(Cow::Borrowed(ANNOTATION))
    }
}

/// Whose write a version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    Ours,
    Foreign,
    /// Nothing in the version tells.
    Untold,
}

fn annotation<'a>(object: &'a ObjectMeta, key: &str) -> &'a str {
    let annotations = object.annotations.as_ref();
    annotations
        .and_then(|annotations| annotations.get(key))
        .map_or("", String::as_str)
}

fn managers(object: &ObjectMeta) -> &[ManagedFieldsEntry] {
    object.managed_fields.as_deref().unwrap_or_default()
}

fn is_named_for(entry: &ManagedFieldsEntry, id: &OpId) -> bool {
    let name = entry.manager.as_deref().unwrap_or_default();
    name.strip_suffix(id.as_str())
        .is_some_and(|prefix| prefix.ends_with('-'))
}

/// How many bytes the annotations of an object about to be written have, if the API server would refuse
/// as many.
pub(crate) fn check_annotations(object: &Value) -> Result<(), usize> {
    let annotations = object["metadata"]["annotations"].as_object();
    let bytes: usize = annotations
        .into_iter()
        .flatten()
        .map(|(key, value)| key.len() + value.as_str().map_or(0, str::len))
        .sum();
    if bytes > ANNOTATIONS_LIMIT {
        return Err(bytes);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_newest_write_tells_its_range() {
        let id: OpId = "order-4711.paid".parse().unwrap();
        for carrier in [Carrier::default(), Carrier::FieldManager] {
            let mut object = json!({"metadata": {"managedFields": [
                {"manager": "kubectl", "operation": "Update", "time": "2026-11-22T12:00:09Z"},
                {"manager": "optilock~9-0123", "operation": "Update", "time": "2026-11-22T12:00:01Z"},
                {
                    "manager": carrier.manager(None, &id, Some(230 * MS)),
                    "operation": "Update", "time": "2026-11-22T12:00:02Z",
                },
            ]}});
            carrier.stamp(
                &ObjectMeta::default(),
                &mut object,
                std::slice::from_ref(&id),
                Some(230 * MS),
            );
            let metadata: ObjectMeta = serde_json::from_value(object["metadata"].clone()).unwrap();
            assert!(carrier.found_in(&metadata, &id));
            assert_eq!(carrier.told(&metadata), Some(230 * MS), "{carrier:?}");
        }
    }

    #[test]
    fn a_manager_is_no_longer_than_the_server_takes() {
        let id = OpId::new("x".repeat(64)).unwrap();
        for told in [None, Some(Duration::MAX)] {
            let name = Carrier::FieldManager
                .manager(Some(&"ä".repeat(100)), &id, told)
                .unwrap();
            assert!(
                name.len() <= LONGEST_MANAGER && name.ends_with(id.as_str()),
                "{name}"
            );
        }
    }
}
