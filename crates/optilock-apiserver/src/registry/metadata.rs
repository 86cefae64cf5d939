//! The members of `metadata` that belong to the server.

use serde_json::Value;

use super::object::{meta_str, metadata, metadata_mut, set, set_meta};
use super::resource::Resource;
use super::strategy::Generation;
use crate::ambient::Ambient;

/// Takes out what a POST can't say. A PUT and an apply that create can: kube-apiserver stores such an object as one that
/// is going away.
pub(crate) fn before_post(object: &mut Value) {
    let metadata = metadata_mut(object);
    for name in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
        metadata.remove(name);
    }
}

/// Fills what the server owns in an object that is about to be created. A generation that its kind does not count
/// stays what the creator says.
pub(super) fn on_create(resource: &Resource, object: &mut Value, ambient: &Ambient) {
    let metadata = metadata_mut(object);
    metadata.insert("uid".into(), ambient.uid().into());
    metadata.insert("creationTimestamp".into(), ambient.now_text().into());
    if resource.strategy.generation != Generation::None {
        metadata.insert("generation".into(), 1.into());
    }
}

/// Restores what an update may not change and fills what it may leave out.
pub(super) fn on_update(object: &mut Value, old: &Value) {
    let before = metadata(old);
    let restore = |name: &str| before.and_then(|metadata| metadata.get(name)).cloned();
    let metadata = metadata_mut(object);
    for name in ["creationTimestamp", "generation"] {
        set(metadata, name, restore(name));
    }
    metadata.remove("selfLink");
    for name in ["uid", "deletionGracePeriodSeconds"] {
        if !metadata.contains_key(name) {
            set(metadata, name, restore(name));
        }
    }
    if let Some(begun) = restore("deletionTimestamp") {
        metadata.insert("deletionTimestamp".into(), begun);
    }
}

/// Counts the generation up when the update changed what the kind says counts.
pub(super) fn advance_generation(resource: &Resource, object: &mut Value, old: &Value) {
    fn at<'v>(object: &'v Value, path: &[&str]) -> Option<&'v Value> {
        path.iter()
            .try_fold(object, |value, member| value.get(member))
    }
    let changed = match resource.strategy.generation {
        Generation::None => false,
        Generation::On(paths) => paths.iter().any(|path| at(object, path) != at(old, path)),
        Generation::AllButMetadata => {
            let counts = |name: &str| match name {
                "apiVersion" | "kind" | "metadata" => false,
                "status" => !resource.has_status(),
                _ => true,
            };
            let members = [object.as_object(), old.as_object()].into_iter().flatten();
            let mut names = members.flat_map(serde_json::Map::keys);
            names.any(|name| counts(name) && object.get(name) != old.get(name))
        }
    };
    if changed {
        bump_generation(object);
    }
}

/// Counts the generation up, where the object has one.
pub(super) fn bump_generation(object: &mut Value) {
    let generation = metadata(object)
        .and_then(|metadata| metadata.get("generation"))
        .and_then(Value::as_i64);
    if let Some(generation) = generation.filter(|generation| *generation > 0) {
        set_meta(object, "generation", Some((generation + 1).into()));
    }
}

/// Whether an update leaves a deleting object with nothing to wait for.
pub(super) fn is_finished(object: &Value) -> bool {
    let grace = metadata(object)
        .and_then(|metadata| metadata.get("deletionGracePeriodSeconds"))
        .and_then(Value::as_i64)
        .unwrap_or(0);
    !meta_str(object, "deletionTimestamp").is_empty()
        && grace == 0
        && super::object::finalizers(object).is_empty()
        && super::admit::content_is_gone(object)
}
