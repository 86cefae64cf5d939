//! Parameters of operations.

use serde::Serialize;

/// A parameter in a query or a path.
#[derive(Debug, Serialize, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
pub(super) struct Parameter {
    name: &'static str,
    #[serde(rename = "in")]
    place: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    required: bool,
    schema: ParameterSchema,
}

#[derive(Debug, Serialize, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
#[serde(rename_all = "camelCase")]
struct ParameterSchema {
    #[serde(rename = "type")]
    kind: &'static str,
    unique_items: bool,
}

impl Parameter {
    const fn new(
        name: &'static str,
        place: &'static str,
        kind: &'static str,
        required: bool,
    ) -> Self {
        Self {
            name,
            place,
            required,
            schema: ParameterSchema {
                kind,
                unique_items: true,
            },
        }
    }

    const fn path(name: &'static str) -> Self {
        Self::new(name, "path", "string", true)
    }

    const fn text(name: &'static str) -> Self {
        Self::new(name, "query", "string", false)
    }

    const fn integer(name: &'static str) -> Self {
        Self::new(name, "query", "integer", false)
    }

    const fn flag(name: &'static str) -> Self {
        Self::new(name, "query", "boolean", false)
    }
}

pub(super) const NAME: Parameter = Parameter::path("name");
pub(super) const NAMESPACE: Parameter = Parameter::path("namespace");
pub(super) const PRETTY: Parameter = Parameter::text("pretty");

const DRY_RUN: Parameter = Parameter::text("dryRun");
const FIELD_MANAGER: Parameter = Parameter::text("fieldManager");
const FIELD_VALIDATION: Parameter = Parameter::text("fieldValidation");

/// Of create and update.
pub(super) const WRITE: &[Parameter] = &[DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION];

/// Of patch.
pub(super) const PATCH: &[Parameter] = &[
    DRY_RUN,
    FIELD_MANAGER,
    FIELD_VALIDATION,
    Parameter::flag("force"),
];

/// Of the deletion of one object.
pub(super) const DELETE: &[Parameter] = &[
    DRY_RUN,
    Parameter::integer("gracePeriodSeconds"),
    Parameter::flag("ignoreStoreReadErrorWithClusterBreakingPotential"),
    Parameter::flag("orphanDependents"),
    Parameter::text("propagationPolicy"),
];

/// Which objects are meant, and how many.
pub(super) const SELECT: &[Parameter] = &[
    Parameter::text("continue"),
    Parameter::text("fieldSelector"),
    Parameter::text("labelSelector"),
    Parameter::integer("limit"),
    Parameter::text("resourceVersion"),
    Parameter::text("resourceVersionMatch"),
    Parameter::flag("sendInitialEvents"),
    Parameter::text("shardSelector"),
    Parameter::integer("timeoutSeconds"),
];

/// Of list and watch, besides [`SELECT`].
pub(super) const WATCH: &[Parameter] = &[
    Parameter::flag("allowWatchBookmarks"),
    Parameter::flag("watch"),
];

/// Several lists as one, in the order of documents.
pub(super) fn sorted(lists: &[&[Parameter]]) -> Vec<Parameter> {
    let mut parameters: Vec<Parameter> = lists.concat();
    parameters.sort_unstable();
    parameters
}
