//! The resources that kube-apiserver 1.36 serves, as discovery lists them, and the columns of
//! their tables.

use super::model::Gvk;

/// A resource of the API.
#[derive(Debug)]
pub(crate) struct Resource {
    /// API group; empty for core.
    pub(crate) group: Box<str>,
    /// Version, e.g. `v1`.
    pub(crate) version: Box<str>,
    /// Plural name in paths, e.g. `deployments`.
    pub(crate) plural: Box<str>,
    /// Singular name.
    pub(crate) singular: Box<str>,
    /// Kind of the objects. Its group and version are the resource's own.
    pub(crate) kind: Box<str>,
    /// Whether objects live in a namespace.
    pub(crate) namespaced: bool,
    /// Verbs in the order of discovery, e.g. `create`, `delete`, `deletecollection`, …
    pub(crate) verbs: Vec<Box<str>>,
    /// Short names, e.g. `deploy`.
    pub(crate) short_names: Vec<Box<str>>,
    /// Categories, e.g. `all`.
    pub(crate) categories: Vec<Box<str>>,
    /// `status`, `scale`, …, sorted by name.
    pub(crate) subresources: Vec<Subresource>,
    /// Columns of its table; empty for a resource that can't be listed.
    pub(crate) columns: Vec<Column>,
}

/// A subresource, e.g. `deployments/scale`.
#[derive(Debug)]
pub(crate) struct Subresource {
    /// Name behind the slash.
    pub(crate) name: Box<str>,
    /// Kind of the objects that it exchanges, which may be of another group (`autoscaling/v1
    /// Scale`).
    pub(crate) gvk: Gvk,
    /// Verbs, e.g. `get`, `patch`, `update`.
    pub(crate) verbs: Vec<Box<str>>,
}

/// A column of a table: `metav1.TableColumnDefinition` without its description.
#[derive(Debug)]
pub(crate) struct Column {
    /// Header.
    pub(crate) name: Box<str>,
    /// OpenAPI type: `string`, `integer`, `date`, …
    pub(crate) kind: Box<str>,
    /// OpenAPI format: `name` for the column of names, mostly empty.
    pub(crate) format: Box<str>,
    /// 0 is always shown, more only in wide output.
    pub(crate) priority: i32,
}

/// All resources, in the order in which discovery lists groups, versions and resources.
pub(crate) fn builtin_resources() -> &'static [Resource] {
    todo!()
}
