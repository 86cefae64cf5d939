//! What a path of an object shows and changes: the object itself, its status, its scale.

use std::borrow::Cow;

use serde_json::Value;

use super::action::{self, Action};
use super::resource::{Part, Resource, api_version};
use super::scale::{self, ScaleForm};
use super::scale_write::{self, ScaleWrite};
use super::{Target, WriteOptions};
use crate::schema::{Schema, TypeRef};
use crate::status::Status;

/// A view on the objects of a resource.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// Type of what goes over the wire.
    pub(crate) ty: TypeRef,
    /// Kind of what goes over the wire, e.g. `Scale`.
    pub(crate) kind: String,
    /// Group and version of what goes over the wire, e.g. `autoscaling/v1`.
    pub(crate) api_version: String,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    Object(Part),
    Scale(ScaleForm),
    Action(Action),
}

impl View {
    /// The view of a path; an empty `subresource` is the object itself. `None` when the resource has it but this server
    /// does not serve it.
    pub(crate) fn of(resource: &Resource, subresource: &str) -> Option<Self> {
        if let Some((action, ty, group, kind)) = action::of(resource, subresource) {
            return Some(Self {
                ty,
                kind: kind.to_owned(),
                api_version: api_version(group, "v1"),
                form: Form::Action(action),
            });
        }
        if let Some(part) = Part::of(subresource) {
            return Some(Self {
                ty: resource.ty.clone()?,
                kind: resource.api.kind.to_string(),
                api_version: resource.api_version(),
                form: Form::Object(part),
            });
        }
        if subresource != scale::SUBRESOURCE {
            return None;
        }
        Some(Self {
            ty: Schema::builtin().kind("autoscaling", "v1", "Scale")?,
            kind: "Scale".to_owned(),
            api_version: "autoscaling/v1".to_owned(),
            form: Form::Scale(scale::form(resource)?),
        })
    }

    /// Which part of the stored object a write through this view changes.
    pub(crate) fn part(&self) -> Part {
        match self.form {
            Form::Object(part) => part,
            Form::Scale(_) | Form::Action(_) => Part::Main,
        }
    }

    /// What is to be done with the object, where the path is for that.
    pub(crate) fn action(&self) -> Option<Action> {
        match self.form {
            Form::Action(action) => Some(action),
            _ => None,
        }
    }

    /// Whether the view shows the stored object as it is.
    pub(crate) fn is_object(&self) -> bool {
        matches!(self.form, Form::Object(_))
    }

    /// The object after `configuration` was applied to what the view shows of it, with its `managedFields`; `None` where the
    /// view is the object itself.
    ///
    /// # Errors
    /// Those of server-side apply.
    pub(crate) fn apply(
        &self,
        target: &Target,
        live: &Value,
        configuration: &Value,
        options: &WriteOptions,
        force: bool,
    ) -> Option<Result<Value, Status>> {
        let Form::Scale(form) = &self.form else {
            return None;
        };
        let write = self.scale_write(form, target, options);
        Some(write.apply(live, configuration, force))
    }

    fn scale_write<'a>(
        &'a self,
        form: &'a ScaleForm,
        target: &'a Target,
        options: &'a WriteOptions,
    ) -> ScaleWrite<'a> {
        ScaleWrite {
            form,
            view: self,
            target,
            options,
        }
    }

    /// What the view shows of an object.
    ///
    /// # Errors
    /// 500 when the object can't be shown so.
    pub(crate) fn project<'v>(&self, object: &'v Value) -> Result<Cow<'v, Value>, Status> {
        match &self.form {
            Form::Object(_) | Form::Action(_) => Ok(Cow::Borrowed(object)),
            Form::Scale(form) => scale::project(form, object).map(Cow::Owned),
        }
    }

    /// What a patch through the view sees of an object: with its managers, also where reading does not show them.
    ///
    /// # Errors
    /// 500 when the object can't be shown so.
    pub(crate) fn patchable<'v>(&self, object: &'v Value) -> Result<Cow<'v, Value>, Status> {
        match &self.form {
            Form::Scale(form) => {
                scale_write::shown(form, &self.api_version, object).map(Cow::Owned)
            }
            _ => self.project(object),
        }
    }

    /// The object after the view was changed to `view`.
    ///
    /// # Errors
    /// 409 and 422 where the view has rules of its own.
    pub(crate) fn merge(
        &self,
        target: &Target,
        view: Value,
        object: Option<&Value>,
        options: &WriteOptions,
    ) -> Result<Value, Status> {
        match (&self.form, object) {
            (Form::Scale(form), Some(object)) => self
                .scale_write(form, target, options)
                .update(object, &view),
            _ => Ok(view),
        }
    }
}
