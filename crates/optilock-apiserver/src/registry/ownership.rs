//! Keeping `metadata.managedFields` up to date with every write.

use serde_json::{Value, json};

use super::last_applied;
use super::object::{meta_str, metadata, metadata_mut, set_meta};
use super::resource::{Part, Resource};
use super::strategy::StatusUpdate;
use super::{Target, WriteOptions};
use crate::managed::{self, Application, Changes, Entry, FieldSet, Manager, Operation, Writing};
use crate::schema::{Schema, StructType, TypeRef};
use crate::status::{Details, Reason, Status};

/// Brings `managedFields` of `new` up to date, which a write by create, update or patch has made of `old`.
///
/// Both are in the resource's own version; without an old one the object is new.
pub(super) fn after_write(
    resource: &Resource,
    part: Part,
    old: Option<&Value>,
    new: &mut Value,
    options: &WriteOptions,
    now: &str,
) -> Result<(), Status> {
    let Some(ty) = &resource.ty else {
        set_meta(new, "managedFields", None);
        return Ok(());
    };
    let empty;
    let before = match old {
        Some(old) => old,
        None => {
            empty = nothing(ty, &resource.api.kind)?;
            &empty
        }
    };
    let manager = manager(resource, options);
    let writing = Writing {
        ty,
        manager: &manager,
        reset: &reset(resource, ty, part),
        now,
        versions: versions(resource),
    };
    let mut changes = Changes::between(&writing, before, new);
    // Who owns what can't be said through a subresource.
    let told = !options.subresource.is_empty();
    let sent = metadata(new).and_then(|metadata| metadata.get("managedFields"));
    let stored = old.and_then(metadata).and_then(|m| m.get("managedFields"));
    let as_stored = sent == stored;
    if let Some(stored) = stored
        && (told || sent.is_none() || as_stored)
    {
        // What was stored was written here, and mostly a write does not change who owns what.
        if !as_stored {
            let stored = stored.clone();
            set_meta(new, "managedFields", Some(stored));
        }
        let list = metadata_mut(new).get_mut("managedFields");
        if list.is_some_and(|list| managed::keep(list, &writing, &changes)) {
            return Ok(());
        }
    }
    let mut known = if told {
        old.and_then(own_entries).unwrap_or_default()
    } else {
        entries(new, old)
    };
    // What nobody was known to own when it was created stays so until the first apply. And kube-apiserver forgets all
    // owners when what is written can't be said in a version in which one of them owns something.
    let is_unknown = old.is_some() && known.is_empty()
        || changes
            .add_versions(&writing, &mut known, before, new)
            .is_err();
    let managed = if is_unknown {
        None
    } else {
        managed::encode(&managed::update(&writing, &changes, known))
    };
    set_meta(new, "managedFields", managed);
    Ok(())
}

/// What an apply of `configuration` makes of the object, with its `managedFields`; not canonical yet.
///
/// # Errors
/// 400 and 500 for a document that can't be applied, 409 for conflicts.
pub(crate) fn apply(
    target: &Target,
    part: Part,
    live: Option<&Value>,
    configuration: &Value,
    options: &WriteOptions,
    force: bool,
    now: &str,
) -> Result<Value, Status> {
    let resource = &*target.resource;
    let Some(ty) = &resource.ty else {
        return Err(Status::not_implemented(format!(
            "{} can't be applied",
            resource.qualified()
        )));
    };
    check(resource, ty, live, configuration)?;
    let empty;
    let before = match live {
        Some(live) => live,
        None => {
            empty = nothing(ty, &resource.api.kind)?;
            &empty
        }
    };
    let known = entries(before, None);
    let manager = manager(resource, options);
    let reset = reset(resource, ty, part);
    let known = if known.is_empty() && live.is_some() {
        before_first_apply(ty, &manager, &reset, before, now)?
    } else {
        known
    };
    let bare = without_owners(before);
    let application = Application {
        writing: Writing {
            ty,
            manager: &manager,
            reset: &reset,
            now,
            versions: versions(resource),
        },
        configuration,
        force,
    };
    let applied = managed::apply(&application, &bare, known)?;
    let mut object = applied.object;
    if options.manager == last_applied::MANAGER {
        last_applied::bring_up_to_date(&mut object, configuration);
    }
    set_meta(
        &mut object,
        "managedFields",
        managed::encode(&applied.entries),
    );
    Ok(object)
}

fn check(
    resource: &Resource,
    ty: &StructType,
    live: Option<&Value>,
    configuration: &Value,
) -> Result<(), Status> {
    check_document(
        &resource.api_version(),
        &resource.api.kind,
        ty,
        configuration,
    )?;
    let uid = meta_str(configuration, "uid");
    if live.is_none() && !uid.is_empty() {
        let name = meta_str(configuration, "name");
        let text = format!(
            "Operation cannot be fulfilled on {} {}: uid mismatch: the provided object specified uid {uid}, and no \
             existing object was found",
            resource.qualified(),
            crate::validation::gofmt::quote(name)
        );
        return Err(
            Status::new(409, Reason::Conflict, text).with_details(Details {
                name: name.to_owned(),
                group: resource.api.group.to_string(),
                kind: resource.api.plural.to_string(),
                ..Details::default()
            }),
        );
    }
    Ok(())
}

/// Refuses a configuration that is none of the type, or says who owns what.
///
/// # Errors
/// 400 and 500.
pub(super) fn check_document(
    wanted_version: &str,
    wanted_kind: &str,
    ty: &StructType,
    configuration: &Value,
) -> Result<(), Status> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (
        text(&configuration["apiVersion"]),
        text(&configuration["kind"]),
    );
    let shown = if api_version.contains('/') {
        api_version.clone()
    } else {
        format!("/{api_version}")
    };
    if (api_version.as_str(), kind.as_str()) != (wanted_version, wanted_kind) {
        return Err(Status::bad_request(format!(
            "invalid object type: {shown}, Kind={kind}"
        )));
    }
    if !configuration["metadata"]["managedFields"].is_null() {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    if let Some(problem) = managed::check(ty, configuration) {
        let (namespace, name) = (
            meta_str(configuration, "namespace"),
            meta_str(configuration, "name"),
        );
        return Err(Status::untyped(format!(
            "failed to create typed patch object ({namespace}/{name}; {shown}, Kind={kind}): {problem}"
        )));
    }
    Ok(())
}

/// The object without `managedFields`, which are not copied at all.
fn without_owners(object: &Value) -> Value {
    let pick = |(name, value): (&String, &Value)| (name.clone(), value.clone());
    let members = object.as_object().into_iter().flatten();
    let members = members.map(|(name, value)| match value {
        Value::Object(metadata) if name == "metadata" => {
            let kept = metadata.iter().filter(|(name, _)| *name != "managedFields");
            (name.clone(), kept.map(pick).collect())
        }
        value => pick((name, value)),
    });
    members.collect()
}

/// An object of the type with nothing in it: what a creation starts from.
fn nothing(ty: &TypeRef, kind: &str) -> Result<Value, Status> {
    let decoded = Schema::builtin().normalize(ty, &json!({}));
    decoded
        .map(|decoded| decoded.value)
        .map_err(|error| Status::untyped(format!("there is no empty {kind}: {error}")))
}

/// All that an object without managers has, as far as the path of `manager` changes it, belongs to whoever wrote it before.
pub(super) fn before_first_apply(
    ty: &TypeRef,
    manager: &Manager,
    reset: &FieldSet,
    live: &Value,
    now: &str,
) -> Result<Vec<Entry>, Status> {
    let manager = Manager {
        name: "before-first-apply".to_owned(),
        operation: Operation::Update,
        ..manager.clone()
    };
    let writing = Writing {
        ty,
        manager: &manager,
        reset,
        now,
        versions: None,
    };
    let empty = nothing(ty, ty.short_name())?;
    let changes = Changes::between(&writing, &empty, live);
    Ok(managed::update(&writing, &changes, Vec::new()))
}

/// The types in whose terms the fields of an object may be owned.
fn versions(resource: &Resource) -> Option<&[(String, TypeRef)]> {
    let custom = resource.custom.as_ref()?;
    Some(&custom.versions)
}

fn manager(resource: &Resource, options: &WriteOptions) -> Manager {
    Manager {
        name: options.manager.clone(),
        operation: options.operation,
        api_version: resource.api_version(),
        subresource: options.subresource.clone(),
    }
}

/// The entries that the writer sent along, else those of the live object. `[]` and `[{}]` take them all away.
fn entries(new: &Value, live: Option<&Value>) -> Vec<Entry> {
    let sent = metadata(new).and_then(|metadata| metadata.get("managedFields"));
    let is_reset = sent
        .and_then(Value::as_array)
        .is_some_and(|list| match list.as_slice() {
            [] => true,
            [only] => only.as_object().is_some_and(serde_json::Map::is_empty),
            _ => false,
        });
    if is_reset {
        return Vec::new();
    }
    own_entries(new)
        .filter(|entries| !entries.is_empty())
        .or_else(|| own_entries(live?))
        .unwrap_or_default()
}

fn own_entries(object: &Value) -> Option<Vec<Entry>> {
    managed::decode(metadata(object)?.get("managedFields"))
}

/// Fields that a path does not change, whatever the body says.
fn reset(resource: &Resource, ty: &StructType, part: Part) -> FieldSet {
    let mut paths: Vec<Vec<&str>> = Vec::new();
    if resource.strategy.spec_is_fixed {
        paths.push(vec!["spec"]);
    }
    match part {
        Part::Main if resource.has_status() => paths.push(vec!["status"]),
        Part::Main | Part::Finalizers => {}
        Part::Approval => paths.push(vec!["spec"]),
        Part::EphemeralContainers | Part::Resize => paths.push(vec!["status"]),
        Part::Status => {
            let others = ty.fields.iter().map(|field| &*field.json);
            paths.extend(
                others
                    .filter(|name| !matches!(*name, "status" | "metadata"))
                    .map(|name| vec![name]),
            );
            match resource.strategy.status {
                StatusUpdate::Metadata => {}
                StatusUpdate::MetadataWithoutLabels => paths.push(vec!["metadata", "labels"]),
                StatusUpdate::StatusOnly => paths.push(vec!["metadata"]),
            }
        }
    }
    let paths: Vec<&[&str]> = paths.iter().map(Vec::as_slice).collect();
    FieldSet::of_paths(&paths)
}
