//! Strategic merge patch: a merge patch that knows the type, so that lists whose items have a
//! key are merged item by item.
//!
//! Directives: `$patch: delete | replace` on an object or a list item, `$retainKeys: [names]` on
//! an object, `$deleteFromPrimitiveList/<list>: [values]` and `$setElementOrder/<list>: [items]`
//! beside a list.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::document::parse;
use super::order::arrange;
use super::{Check, PatchError, Patched};
use crate::schema::{self, Field, PatchStrategy, Shape, StructType, TypeRef};
use crate::validation::gofmt;

type Object = Map<String, Value>;

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const SET_ORDER: &str = "$setElementOrder";

const LIST: &str = "[]interface {}";
const OBJECT: &str = "map[string]interface {}";

/// Applies the strategic merge patch in `body` to `document`, an object of type `ty`.
///
/// # Errors
/// 400 when the body is no JSON object or a directive is malformed, 422 for lists of lists, 500
/// for whatever else the API server does not understand (an unknown directive, an item without
/// its merge key).
pub(crate) fn strategic_merge(
    document: &Value,
    body: &[u8],
    ty: &TypeRef,
    check: Check,
) -> Result<Patched, PatchError> {
    let body = parse(body)?;
    let mut complaints = Vec::new();
    match &body {
        schema::Node::Object(_) | schema::Node::Null => {}
        other => {
            return Err(PatchError::Decode(format!(
                "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                other.kind()
            )));
        }
    }
    if check == Check::Complain {
        body.duplicates("", "", &mut complaints);
    }
    let shown = body.to_value();
    let patch = shown.as_object().cloned().unwrap_or_default();
    let original = document.as_object().cloned().unwrap_or_default();
    Ok(Patched {
        document: merge_objects(original, patch, Place::Struct(ty))?.into(),
        complaints,
        shown: Some(shown),
    })
}

/// What is known about the place in the document that is being merged.
#[derive(Clone, Copy)]
enum Place<'t> {
    Struct(&'t StructType),
    /// Anything else, by Go's word for its kind: its members have no names of their own.
    Other(&'static str),
}

impl<'t> Place<'t> {
    fn of(shape: &'t Shape) -> Self {
        match shape {
            Shape::Struct(ty) => Self::Struct(ty),
            Shape::Map(_) => Self::Other("map"),
            Shape::List(_) | Shape::WrappedList(_) => Self::Other("slice"),
            Shape::String => Self::Other("string"),
            // The rest are structs in Go, without fields that JSON could name.
            _ => Self::Other("struct"),
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Struct(_) => "struct",
            Self::Other(kind) => kind,
        }
    }

    /// The field of that name.
    fn field(self, name: &str) -> Result<&'t Field, PatchError> {
        match self {
            Self::Struct(ty) => ty.field(name).ok_or_else(|| {
                PatchError::Merge(format!(
                    "unable to find api field in struct {} for the json field {}",
                    ty.short_name(),
                    gofmt::quote(name)
                ))
            }),
            Self::Other("struct") => Err(PatchError::Merge(format!(
                "unable to find api field in struct for the json field {}",
                gofmt::quote(name)
            ))),
            Self::Other(kind) => Err(PatchError::Merge(format!(
                "merging an object in json but data type is not struct, instead is: {kind}"
            ))),
        }
    }

    /// The list of that name.
    fn list(self, name: &str) -> Result<List<'t>, PatchError> {
        let field = self.field(name)?;
        let item = match field.shape.item() {
            Some(item) => Place::of(item),
            None => {
                return Err(PatchError::Merge(format!(
                    "expected slice or array type, but got: {}",
                    self.kind()
                )));
            }
        };
        Ok(List {
            item,
            strategy: field.patch_strategy,
            key: Some(&*field.patch_merge_key).filter(|key| !key.is_empty()),
        })
    }
}

/// What is known about a list.
#[derive(Clone, Copy)]
struct List<'t> {
    item: Place<'t>,
    strategy: PatchStrategy,
    /// Merge key of the items, where they have one.
    key: Option<&'t str>,
}

fn merge_objects(
    mut original: Object,
    mut patch: Object,
    node: Place<'_>,
) -> Result<Object, PatchError> {
    if let Some(directive) = patch.get(PATCH) {
        return match directive.as_str() {
            Some("replace") => {
                patch.remove(PATCH);
                Ok(patch)
            }
            Some("delete") => Ok(Object::new()),
            _ => Err(unknown_directive(&directive.clone(), patch)),
        };
    }
    retain_keys(&mut original, &mut patch)?;
    set_orders(&mut original, &mut patch, node)?;
    for (name, value) in patch {
        let (name, deletes) = match delete_list(&name)? {
            Some(list) => (list.to_owned(), true),
            None => (name, false),
        };
        let merged = match (original.remove(&name), value) {
            (_, Value::Null) => continue,
            (Some(Value::Object(before)), Value::Object(patch)) => {
                let field = node.field(&name)?;
                if field.patch_strategy.replace {
                    Some(patch.into())
                } else {
                    Some(merge_objects(before, patch, Place::of(&field.shape))?.into())
                }
            }
            (Some(Value::Array(before)), Value::Array(patch)) => {
                let list = node.list(&name)?;
                if deletes || list.strategy.merge {
                    Some(merge_lists(before, patch, list, deletes)?.into())
                } else {
                    Some(patch.into())
                }
            }
            // There is nothing that could be deleted from.
            (before, _) if deletes => before,
            (Some(before), patch) if !same_type(&before, &patch) => {
                without_directives(without_nulls(patch))
            }
            (Some(_), patch) => without_directives(patch),
            (None, patch) => without_directives(without_nulls(patch)),
        };
        if let Some(merged) = merged {
            original.insert(name, merged);
        }
    }
    Ok(original)
}

fn unknown_directive(directive: &Value, patch: Object) -> PatchError {
    let directive = match directive {
        Value::Bool(_) | Value::Number(_) => {
            format!("%!s({}={directive})", gofmt::type_name(directive))
        }
        other => gofmt::plain(other),
    };
    let patch = gofmt::plain(&patch.into());
    PatchError::Merge(format!("unknown patch type: {directive} in map: {patch}"))
}

/// The list that `$deleteFromPrimitiveList/<list>` names.
fn delete_list(name: &str) -> Result<Option<&str>, PatchError> {
    directive_list(name, DELETE_FROM, "primitive list")
}

fn directive_list<'n>(
    name: &'n str,
    directive: &str,
    what: &'static str,
) -> Result<Option<&'n str>, PatchError> {
    let Some(rest) = name.strip_prefix(directive) else {
        return Ok(None);
    };
    rest.strip_prefix('/')
        .map(Some)
        .ok_or(PatchError::Directive(what))
}

/// Drops the members that `$retainKeys` does not name.
fn retain_keys(original: &mut Object, patch: &mut Object) -> Result<(), PatchError> {
    let Some(keys) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    let malformed = PatchError::Directive("retainKeys");
    let Value::Array(keys) = keys else {
        return Err(malformed);
    };
    let kept = |name: &str| keys.iter().any(|key| key == name);
    let stray = patch.iter().any(|(name, value)| {
        let directive = name.starts_with(DELETE_FROM) || name.starts_with(SET_ORDER);
        !(value.is_null() || directive || kept(name))
    });
    if stray {
        return Err(malformed);
    }
    original.retain(|name, _| kept(name));
    Ok(())
}

/// Merges and sorts each list that has a `$setElementOrder`.
fn set_orders(
    original: &mut Object,
    patch: &mut Object,
    node: Place<'_>,
) -> Result<(), PatchError> {
    let directives: Vec<String> = patch
        .keys()
        .filter(|name| name.starts_with(SET_ORDER))
        .cloned()
        .collect();
    for directive in directives {
        let order = list_value(patch.remove(&directive))?.unwrap_or_default();
        let Some(name) = directive_list(&directive, SET_ORDER, "setElementOrder list")? else {
            continue;
        };
        let before = list_value(original.get(name).cloned())?;
        let patched = list_value(patch.get(name).cloned())?;
        let list = node.list(name)?;
        check_order(patched.as_deref().unwrap_or_default(), &order, list.key)?;
        let server = before.clone().unwrap_or_default();
        let kinds = item_kind(&server, patched.as_deref().unwrap_or_default());
        let merged = match (before, patched) {
            (None, None) => continue,
            (Some(before), None) => before,
            (None, Some(patched)) => patched.into_iter().filter_map(without_directives).collect(),
            (Some(before), Some(patched)) if list.strategy.merge => {
                merge_lists(before, patched, list, false)?
            }
            (Some(_), Some(patched)) => patched,
        };
        if let Some(key) = list.key {
            require_key(&merged, key)?;
            let stray = order.iter().position(|item| !item.is_object());
            if let Some(at) = stray.filter(|_| !merged.is_empty()) {
                let text = format!("value for key {at} is not a map");
                return Err(PatchError::Merge(text));
            }
        }
        if kinds? == ItemKind::Object
            && let Some(key) = list.key
        {
            require_key(&order, key)?;
        }
        let sorted = arrange(merged, &order, &server, |item| identity(item, list.key));
        original.insert(name.to_owned(), sorted.into());
        patch.remove(name);
    }
    Ok(())
}

fn list_value(value: Option<Value>) -> Result<Option<Vec<Value>>, PatchError> {
    match value {
        None => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items)),
        Some(other) => Err(PatchError::expected(LIST, &other)),
    }
}

/// The items of the patch, deletions aside, have to occur in `order`, and in that order.
fn check_order(patch: &[Value], order: &[Value], key: Option<&str>) -> Result<(), PatchError> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut wanted = order.iter();
    for item in patch {
        if key.is_some() {
            let Some(members) = item.as_object() else {
                return Err(PatchError::expected(OBJECT, item));
            };
            if members.contains_key(PATCH) {
                continue;
            }
        }
        if let Some(key) = key {
            require_key(std::slice::from_ref(item), key)?;
        }
        let mut found = false;
        for candidate in wanted.by_ref() {
            if let Some(key) = key {
                require_key(std::slice::from_ref(candidate), key)?;
            }
            if identity(item, key) == identity(candidate, key) {
                found = true;
                break;
            }
        }
        if !found {
            let list = |items: &[Value]| gofmt::plain(&items.to_vec().into());
            return Err(PatchError::Merge(format!(
                "The order in patch list:\n{}\n doesn't match {SET_ORDER} list:\n{}\n",
                list(patch),
                list(order)
            )));
        }
    }
    Ok(())
}

/// What tells an item from others: its merge key where it has one, else its value.
fn identity(item: &Value, key: Option<&str>) -> String {
    match key {
        // Items without their key are told apart from all others by the missing value.
        Some(key) => item.get(key).map(Value::to_string).unwrap_or_default(),
        None => item.to_string(),
    }
}

fn require_key(items: &[Value], key: &str) -> Result<(), PatchError> {
    for item in items {
        let Value::Object(members) = item else {
            return Err(PatchError::expected(OBJECT, item));
        };
        if !members.contains_key(key) {
            return Err(PatchError::no_merge_key(item, key));
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ItemKind {
    Object,
    Scalar,
}

/// What the items of the lists are; they have to be of one type, and no lists.
fn item_kind(before: &[Value], patch: &[Value]) -> Result<ItemKind, PatchError> {
    let mut items = before.iter().chain(patch);
    let Some(first) = items.next() else {
        return Err(PatchError::Merge(
            "no elements in any of the given slices".to_owned(),
        ));
    };
    if first.is_array() {
        return Err(PatchError::NotApplicable);
    }
    if first.is_null() || items.any(|item| !same_type(first, item)) {
        let both = Value::from(vec![Value::from(before), Value::from(patch)]);
        return Err(PatchError::Merge(format!(
            "list element types are not identical: {}",
            gofmt::plain(&both)
        )));
    }
    Ok(if first.is_object() {
        ItemKind::Object
    } else {
        ItemKind::Scalar
    })
}

fn same_type(a: &Value, b: &Value) -> bool {
    gofmt::type_name(a) == gofmt::type_name(b)
}

fn merge_lists(
    before: Vec<Value>,
    patch: Vec<Value>,
    list: List<'_>,
    deletes: bool,
) -> Result<Vec<Value>, PatchError> {
    if before.is_empty() && patch.is_empty() {
        return Ok(before);
    }
    if item_kind(&before, &patch)? == ItemKind::Scalar {
        if deletes {
            let deleted: HashSet<String> = patch.iter().map(Value::to_string).collect();
            let mut kept = before;
            kept.retain(|item| !deleted.contains(&item.to_string()));
            return Ok(kept);
        }
        let mut seen = HashSet::new();
        let both = before.iter().chain(&patch).cloned();
        let merged = both.filter(|item| seen.insert(item.to_string())).collect();
        return Ok(arrange(merged, &patch, &before, Value::to_string));
    }
    let Some(key) = list.key else {
        return Err(PatchError::Merge(format!(
            "cannot merge lists without merge key for {}",
            list.item.kind()
        )));
    };
    let (before, patch) = item_directives(before, patch, key)?;
    require_key(&patch, key)?;
    let identity = |item: &Value| identity(item, Some(key));
    let mut merged = before.clone();
    // Of items with the same key the first one is merged into.
    let mut places: HashMap<String, usize> = HashMap::new();
    for (at, item) in before.iter().enumerate() {
        places.entry(identity(item)).or_insert(at);
    }
    for item in &patch {
        match (places.get(&identity(item)), item) {
            (Some(&at), Value::Object(patch)) => {
                let before = merged[at].as_object().cloned().unwrap_or_default();
                merged[at] = merge_objects(before, patch.clone(), list.item)?.into();
            }
            _ => {
                places.insert(identity(item), merged.len());
                merged.push(item.clone());
            }
        }
    }
    require_key(&merged, key)?;
    Ok(arrange(merged, &patch, &before, identity))
}

/// Obeys the items of a patch that have `$patch`, and gives what is left of both lists.
fn item_directives(
    mut before: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let mut replaces = false;
    let mut deleted = HashSet::new();
    let mut rest = Vec::with_capacity(patch.len());
    for item in patch {
        match item.get(PATCH).map(|directive| directive.as_str()) {
            None => rest.push(item),
            Some(Some("delete")) => {
                require_key(std::slice::from_ref(&item), key)?;
                deleted.insert(identity(&item, Some(key)));
            }
            Some(Some("replace")) => replaces = true,
            Some(Some("merge")) => {
                return Err(PatchError::Merge(
                    "merging lists cannot yet be specified in the patch".to_owned(),
                ));
            }
            Some(_) => {
                let members = item.as_object().cloned().unwrap_or_default();
                return Err(unknown_directive(&item[PATCH], members));
            }
        }
    }
    if replaces {
        return Ok((rest, Vec::new()));
    }
    if !deleted.is_empty() {
        before.retain(|other| !deleted.contains(&identity(other, Some(key))));
    }
    Ok((before, rest))
}

/// A value that is new to the document: nulls delete nothing there.
fn without_nulls(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            for member in members.values_mut() {
                *member = without_nulls(member.take());
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = without_nulls(item.take());
            }
        }
        _ => {}
    }
    value
}

/// A value that is new to the document, without the objects that carry a directive.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(members) if members.contains_key(PATCH) => None,
        Value::Object(members) => Some(
            members
                .into_iter()
                .filter_map(|(name, member)| Some((name, without_directives(member)?)))
                .collect::<Object>()
                .into(),
        ),
        Value::Array(items) => Some(items.into_iter().filter_map(without_directives).collect()),
        other => Some(other),
    }
}
