//! Server-side apply of a scale.
//!
//! A scale is a type of its own, and its fields are not those of the object that it is of. So the entries of the object
//! that own its number of replicas become entries of the scale, the scale is applied to, and what became of its entries is
//! written back to those of the object, the way kube-apiserver does it: an entry that comes from a scale has no time.

use serde_json::Value;

use super::object::{metadata, set_meta};
use super::scale::{self, ScaleForm};
use super::{Target, View, WriteOptions, ownership};
use crate::managed::{self, Application, Entry, FieldSet, Manager, Writing};
use crate::schema::Schema;
use crate::status::Status;

/// Where a scale has its number of replicas.
const IN_SCALE: &[&str] = &["spec", "replicas"];

/// What an apply of a scale is asked to do.
pub(super) struct ScaleApplication<'a> {
    pub(super) form: &'a ScaleForm,
    pub(super) view: &'a View,
    pub(super) target: &'a Target,
    pub(super) options: &'a WriteOptions,
    pub(super) force: bool,
}

impl ScaleApplication<'_> {
    /// What an apply of `configuration` makes of the live object, with its `managedFields`.
    ///
    /// # Errors
    /// Those of an apply, and those of the change of a scale.
    pub(super) fn apply(&self, live: &Value, configuration: &Value) -> Result<Value, Status> {
        let View {
            ty,
            kind,
            api_version,
            ..
        } = self.view;
        ownership::check_document(api_version, kind, ty, configuration)?;
        let list = metadata(live).and_then(|metadata| metadata.get("managedFields"));
        let known = managed::decode(list).unwrap_or_default();
        let manager = Manager {
            name: self.options.manager.clone(),
            operation: self.options.operation,
            api_version: api_version.clone(),
            subresource: self.options.subresource.clone(),
        };
        let reset = FieldSet::of_paths(&[&["status"]]);
        let application = Application {
            writing: Writing {
                ty,
                manager: &manager,
                reset: &reset,
                now: "",
            },
            configuration,
            force: self.force,
        };
        let shown = scale::project(self.form, live)?;
        let mut owners = self.of_scale(&known);
        if owners.is_empty() {
            owners = ownership::before_first_apply(ty, &manager, &reset, &shown, "")?;
        }
        let applied = managed::apply(&application, &shown, owners)?;
        let scale = Schema::builtin()
            .normalize(ty, &applied.object)
            .map_err(|error| {
                Status::bad_request(format!("the applied object is no {kind}: {error}"))
            })?;
        let resource = &self.target.resource;
        let mut object = scale::merge(self.form, resource, &scale.value, live)?;
        let entries = self.of_object(known, &applied.entries);
        set_meta(&mut object, "managedFields", managed::encode(&entries));
        Ok(object)
    }

    /// The number of replicas, where the object has it.
    fn in_object(&self) -> FieldSet {
        FieldSet::of_paths(&[&self.form.replicas()])
    }

    /// The entries of the scale: of those that own the number of replicas.
    fn of_scale(&self, known: &[Entry]) -> Vec<Entry> {
        let replicas = self.in_object();
        let owners = known
            .iter()
            .filter(|entry| entry.fields.overlaps(&replicas));
        let translated = owners.map(|entry| Entry {
            manager: self.in_scale(&entry.manager),
            time: entry.time.clone(),
            fields: FieldSet::of_paths(&[IN_SCALE]),
        });
        translated.collect()
    }

    fn in_scale(&self, manager: &Manager) -> Manager {
        Manager {
            api_version: self.view.api_version.clone(),
            ..manager.clone()
        }
    }

    /// The entries of the object after those of its scale have become `scaled`.
    fn of_object(&self, known: Vec<Entry>, scaled: &[Entry]) -> Vec<Entry> {
        let replicas = self.in_object();
        let mut new: Vec<&Entry> = scaled.iter().collect();
        let mut entries = Vec::with_capacity(known.len() + 1);
        for mut entry in known {
            if entry.fields.overlaps(&replicas) {
                let manager = self.in_scale(&entry.manager);
                match new.iter().position(|scaled| scaled.manager == manager) {
                    // It owns the number still.
                    Some(at) => {
                        new.remove(at);
                    }
                    None => entry.fields = entry.fields.difference(&replicas),
                }
            }
            entries.push(entry);
        }
        let in_scale = FieldSet::of_paths(&[IN_SCALE]);
        let new = new
            .into_iter()
            .filter(|scaled| scaled.fields.overlaps(&in_scale));
        entries.extend(new.map(|scaled| Entry {
            manager: Manager {
                api_version: self.target.resource.api_version(),
                ..scaled.manager.clone()
            },
            time: String::new(),
            fields: replicas.clone(),
        }));
        entries
    }
}
