//! Writing a scale.
//!
//! A scale is a type of its own, and its fields are not those of the object that it is of. So the entries of the object
//! that own its number of replicas become entries of the scale, the scale is written as an object would be, and what
//! became of its entries is written back to those of the object, the way kube-apiserver does it: an entry that comes from
//! a scale has no time. As the version is part of who an updater is, and that of a scale is another one, what an updater
//! owns in an entry of its object it owns in an entry of its own after any write of the scale.
//!
//! Of custom resources kube-apiserver takes the scale for one of them while it looks at its owners. So an apply that would
//! change the scale fails, and an update that does not say its version leaves the number of replicas to nobody.

use serde_json::Value;

use super::object::{meta_str, metadata, set_meta};
use super::scale::{self, ScaleForm};
use super::{Target, View, WriteOptions, ownership};
use crate::managed::{self, Application, Changes, Entry, FieldSet, Manager, Writing};
use crate::schema::Schema;
use crate::status::Status;

/// Where a scale has its number of replicas.
const IN_SCALE: &[&str] = &["spec", "replicas"];

/// A write through the path of a scale.
pub(super) struct ScaleWrite<'a> {
    pub(super) form: &'a ScaleForm,
    pub(super) view: &'a View,
    pub(super) target: &'a Target,
    pub(super) options: &'a WriteOptions,
}

/// The scale of an object with its managers: what patches see.
///
/// # Errors
/// 500 when the object can't be shown so.
pub(super) fn shown(form: &ScaleForm, api_version: &str, object: &Value) -> Result<Value, Status> {
    let mut scale = scale::project(form, object)?;
    let owners = of_scale(form, api_version, &entries(object));
    set_meta(&mut scale, "managedFields", managed::encode(&owners));
    Ok(scale)
}

impl ScaleWrite<'_> {
    /// The live object after its scale has become `scale`, with its `managedFields`.
    ///
    /// # Errors
    /// Those of the change of a scale.
    pub(super) fn update(&self, live: &Value, scale: &Value) -> Result<Value, Status> {
        let known = entries(live);
        let owners = of_scale(self.form, &self.view.api_version, &known);
        let before = scale::project(self.form, live)?;
        let unversioned = scale["apiVersion"].as_str().unwrap_or_default().is_empty();
        let owners = if self.is_custom() && unversioned {
            Vec::new()
        } else if owners.is_empty() {
            // Of what nobody is known to own the first owner is an applier.
            owners
        } else {
            self.writing(|writing| {
                let changes = Changes::between(&writing, &before, scale);
                managed::update(&writing, &changes, owners)
            })
        };
        self.merged(live, scale, known, owners)
    }

    /// What an apply of `configuration` makes of the live object, with its `managedFields`.
    ///
    /// # Errors
    /// Those of an apply, and those of the change of a scale.
    pub(super) fn apply(
        &self,
        live: &Value,
        configuration: &Value,
        force: bool,
    ) -> Result<Value, Status> {
        let View {
            ty,
            kind,
            api_version,
            ..
        } = self.view;
        ownership::check_document(api_version, kind, ty, configuration)?;
        let known = entries(live);
        let shown = scale::project(self.form, live)?;
        let mut owners = of_scale(self.form, api_version, &known);
        let applied = self.writing(|writing| {
            if owners.is_empty() && self.is_custom() {
                let problem = self.unconvertible("live", &Value::Null);
                let text = format!("failed to create manager for existing fields: {problem}");
                return Err(Status::untyped(text));
            }
            if owners.is_empty() {
                let Writing { manager, reset, .. } = writing;
                owners = ownership::before_first_apply(ty, manager, reset, &shown, "")?;
            }
            let application = Application {
                writing,
                configuration,
                force,
            };
            managed::apply(&application, &shown, owners)
        })?;
        let scale = Schema::builtin()
            .normalize(ty, &applied.object)
            .map_err(|error| {
                Status::bad_request(format!("the applied object is no {kind}: {error}"))
            })?;
        if self.is_custom() && scale.value != shown {
            return Err(Status::untyped(self.unconvertible("new", configuration)));
        }
        self.merged(live, &scale.value, known, applied.entries)
    }

    fn is_custom(&self) -> bool {
        matches!(self.form, ScaleForm::Custom(_))
    }

    fn unconvertible(&self, which: &str, sent: &Value) -> String {
        let (namespace, name) = (meta_str(sent, "namespace"), meta_str(sent, "name"));
        let View {
            api_version, kind, ..
        } = self.view;
        format!(
            "failed to convert {which} object ({namespace}/{name}; {api_version}, Kind={kind}) to proper version: request to \
             convert CR to an invalid group/version: {api_version}"
        )
    }

    /// Calls a function that writes the scale.
    fn writing<T>(&self, write: impl FnOnce(Writing<'_>) -> T) -> T {
        let manager = Manager {
            name: self.options.manager.clone(),
            operation: self.options.operation,
            api_version: self.view.api_version.clone(),
            subresource: self.options.subresource.clone(),
        };
        write(Writing {
            ty: &self.view.ty,
            manager: &manager,
            reset: &FieldSet::default(),
            now: "",
            versions: None,
        })
    }

    /// The object with the number of replicas and the owners that its scale has now.
    fn merged(
        &self,
        live: &Value,
        scale: &Value,
        known: Vec<Entry>,
        owners: Vec<Entry>,
    ) -> Result<Value, Status> {
        let mut object = scale::merge(self.form, &self.target.resource, scale, live)?;
        let entries = self.of_object(known, owners);
        set_meta(&mut object, "managedFields", managed::encode(&entries));
        Ok(object)
    }

    /// The entries of the object after those of its scale have become `scaled`.
    fn of_object(&self, known: Vec<Entry>, mut scaled: Vec<Entry>) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(known.len() + 1);
        for mut entry in known {
            // Of versions that the kind does not have the entries go.
            let Some(replicas) = replicas(self.form, &entry.manager.api_version) else {
                continue;
            };
            if entry.fields.overlaps(&replicas) {
                let owns_it = |scaled: &Entry| scaled.manager.is_same(&entry.manager);
                match scaled.iter().position(owns_it) {
                    Some(at) => {
                        scaled.remove(at);
                    }
                    None => entry.fields = entry.fields.difference(&replicas),
                }
            }
            entries.push(entry);
        }
        let in_scale = FieldSet::of_paths(&[IN_SCALE]);
        let api_version = self.target.resource.api_version();
        let replicas = replicas(self.form, &api_version).unwrap_or_default();
        scaled.retain(|scaled| scaled.fields.overlaps(&in_scale));
        entries.extend(scaled.into_iter().map(|scaled| Entry {
            manager: Manager {
                api_version: api_version.clone(),
                ..scaled.manager
            },
            time: String::new(),
            fields: replicas.clone(),
        }));
        entries
    }
}

fn entries(object: &Value) -> Vec<Entry> {
    let list = metadata(object).and_then(|metadata| metadata.get("managedFields"));
    managed::decode(list).unwrap_or_default()
}

/// The number of replicas where objects of a version have it; nothing where that version has no scale, `None` where the
/// kind has no such version.
fn replicas(form: &ScaleForm, api_version: &str) -> Option<FieldSet> {
    let path = form.replicas(api_version)?;
    Some(FieldSet::of_paths(&[&path]))
}

/// The entries of the scale: of those that own the number of replicas.
fn of_scale(form: &ScaleForm, api_version: &str, known: &[Entry]) -> Vec<Entry> {
    let owners = known.iter().filter(|entry| {
        let replicas = replicas(form, &entry.manager.api_version);
        replicas.is_some_and(|replicas| entry.fields.overlaps(&replicas))
    });
    let translated = owners.map(|entry| Entry {
        manager: Manager {
            api_version: api_version.to_owned(),
            ..entry.manager.clone()
        },
        time: entry.time.clone(),
        fields: FieldSet::of_paths(&[IN_SCALE]),
    });
    translated.collect()
}
