//! Server-side apply.

use std::collections::BTreeMap;

use serde_json::Value;

use super::collect::fields;
use super::entry::{Entry, Manager, Operation};
use super::merge::merge;
use super::remove::remove;
use super::set::FieldSet;
use super::update::{Changes, Writing, relinquish};
use super::without_system;
use crate::schema::StructType;
use crate::status::{Cause, Details, Reason, Status};
use crate::validation::gofmt::quote;

/// What an apply is asked to do.
#[derive(Debug)]
pub(crate) struct Application<'a> {
    pub(crate) writing: Writing<'a>,
    /// The document as it was sent: nothing filled in.
    pub(crate) configuration: &'a Value,
    /// Take fields from their managers.
    pub(crate) force: bool,
}

/// What an apply makes.
#[derive(Debug)]
pub(crate) struct Applied {
    /// The object; not canonical yet.
    pub(crate) object: Value,
    pub(crate) entries: Vec<Entry>,
}

/// Applies a configuration: its fields are set and owned, what its manager owned and does not name any more goes unless
/// somebody else owns it.
///
/// # Errors
/// 409 with every field that another manager owns with another value, unless forced.
pub(crate) fn apply(
    application: &Application<'_>,
    live: &Value,
    mut entries: Vec<Entry>,
) -> Result<Applied, Status> {
    let Writing {
        ty,
        manager,
        reset,
        now,
        ..
    } = application.writing;
    // What this path does not change is as if it had not been sent.
    let configuration = match remove(ty, application.configuration, reset) {
        // Nothing is left to apply, which is no wish for nothing to be left.
        Value::Null => Value::Object(serde_json::Map::new()),
        configuration => configuration,
    };
    let named = fields(ty, &configuration);

    let own = entries
        .iter()
        .position(|entry| entry.manager.is_same(manager));
    let last = own.map(|at| entries.remove(at));

    let merged = merge(ty, live, &configuration);
    let object = match &last {
        Some(last) => prune(ty, merged, &last.fields, &named, &entries),
        None => merged,
    };

    // What the path does not change was not applied.
    let writing = Writing {
        reset: &FieldSet::default(),
        ..application.writing
    };
    let mut changes = Changes::between(&writing, live, &object);
    changes
        .add_versions(&writing, &mut entries, live, &object)
        .map_err(Status::untyped)?;
    if !application.force {
        refuse_conflicts(&entries, manager, &changes)?;
    }
    entries = relinquish(entries, manager, &changes);
    let named = without_system(&named);
    if !named.is_empty() {
        entries.push(Entry {
            manager: manager.clone(),
            // An apply that changes nothing has not happened at another time.
            time: if changes.is_empty() {
                last.map(|last| last.time).unwrap_or_default()
            } else {
                now.to_owned()
            },
            fields: named,
        });
    }
    Ok(Applied { object, entries })
}

/// Takes out what the manager does not name any more, and puts back what others own or what would be left dangling.
fn prune(
    ty: &StructType,
    merged: Value,
    last: &FieldSet,
    named: &FieldSet,
    others: &[Entry],
) -> Value {
    if last.is_within(named) {
        // All that it owned it names again, with all that is above: nothing goes.
        debug_assert_eq!(merged, pruned(ty, &merged, last, named, others));
        return merged;
    }
    pruned(ty, &merged, last, named, others)
}

fn pruned(
    ty: &StructType,
    merged: &Value,
    last: &FieldSet,
    named: &FieldSet,
    others: &[Entry],
) -> Value {
    let whole = |set: &FieldSet| set.with_named_members(ty);
    let all = whole(&fields(ty, merged));
    let left_of = |object: &Value| whole(&fields(ty, object));

    let pruned = remove(ty, merged, &whole(last));
    let owned = others
        .iter()
        .fold(named.clone(), |owned, entry| owned.union(&entry.fields));
    let lost = all.difference(&left_of(&pruned)).difference(&whole(&owned));
    let pruned = remove(ty, merged, &lost);
    let lost = all.difference(&left_of(&pruned)).intersection(&whole(last));
    remove(ty, merged, &lost)
}

fn refuse_conflicts(entries: &[Entry], manager: &Manager, changes: &Changes) -> Result<(), Status> {
    let mut causes = Vec::new();
    let mut by_manager: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    for entry in entries {
        let who = description(&entry.manager);
        for path in changes.written_of(entry, manager).paths() {
            let field: String = path.iter().map(ToString::to_string).collect();
            causes.push(Cause {
                reason: "FieldManagerConflict".to_owned(),
                message: format!("conflict with {who}"),
                field: field.clone(),
            });
            let shown = by_manager.entry(entry.manager.identifier());
            shown
                .or_insert_with(|| (who.clone(), Vec::new()))
                .1
                .push(field);
        }
    }
    let text = match causes.as_slice() {
        [] => return Ok(()),
        [one] => format!(
            "Apply failed with 1 conflict: {}: {}",
            one.message, one.field
        ),
        several => {
            let conflicts = by_manager.values().map(|(who, fields)| {
                let fields: String = fields.iter().map(|field| format!("\n- {field}")).collect();
                format!("conflicts with {who}:{fields}")
            });
            let conflicts: Vec<String> = conflicts.collect();
            format!(
                "Apply failed with {} conflicts: {}",
                several.len(),
                conflicts.join("\n")
            )
        }
    };
    Err(
        Status::new(409, Reason::Conflict, text).with_details(Details {
            causes,
            ..Details::default()
        }),
    )
}

fn description(manager: &Manager) -> String {
    let mut text = quote(&manager.name);
    if !manager.subresource.is_empty() {
        text.push_str(&format!(
            " with subresource {}",
            quote(&manager.subresource)
        ));
    }
    if manager.operation == Operation::Update {
        text.push_str(&format!(" using {}", manager.api_version));
    }
    text
}
