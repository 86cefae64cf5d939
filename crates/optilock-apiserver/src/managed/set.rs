//! Sets of fields.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::path::{PathElement, wire};
use crate::schema::{Shape, StructType};

/// A set of paths into an object, as a tree.
///
/// A path is in the set when its last step is a member of the node before it; a step with something below it need not be
/// a member itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    members: BTreeSet<PathElement>,
    children: BTreeMap<PathElement, FieldSet>,
}

impl FieldSet {
    /// The set of these members, given by name from the root.
    pub(crate) fn of_paths(paths: &[&[&str]]) -> Self {
        let mut set = Self::default();
        for path in paths {
            let path: Vec<PathElement> = path
                .iter()
                .map(|name| PathElement::Field((*name).to_owned()))
                .collect();
            set.insert(&path);
        }
        set
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.is_empty()
    }

    pub(super) fn insert(&mut self, path: &[PathElement]) {
        match path {
            [] => {}
            [last] => {
                self.members.insert(last.clone());
            }
            [first, rest @ ..] => match self.children.get_mut(first) {
                Some(child) => child.insert(rest),
                None => self.children.entry(first.clone()).or_default().insert(rest),
            },
        }
    }

    /// Adds a step: itself, or what is below it, or both.
    pub(super) fn put(&mut self, step: PathElement, is_member: bool, below: Self) {
        if !below.is_empty() {
            self.children.insert(step.clone(), below);
        }
        if is_member {
            self.members.insert(step);
        }
    }

    /// Whether the step is in the set itself.
    pub(super) fn has(&self, step: &PathElement) -> bool {
        self.members.contains(step)
    }

    /// What the set says of the things below a step.
    pub(super) fn below(&self, step: &PathElement) -> Option<&FieldSet> {
        self.children.get(step)
    }

    /// Paths that are in one of the two.
    pub(crate) fn union(&self, other: &Self) -> Self {
        let mut union = self.clone();
        union.extend(other);
        union
    }

    /// Adds the paths of the other.
    pub(super) fn extend(&mut self, other: &Self) {
        self.members.extend(other.members.iter().cloned());
        for (step, set) in &other.children {
            match self.children.get_mut(step) {
                Some(child) => child.extend(set),
                None => {
                    self.children.insert(step.clone(), set.clone());
                }
            }
        }
    }

    /// Whether any path is in both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        !self.members.is_disjoint(&other.members)
            || self.children.iter().any(|(step, set)| {
                let other = other.children.get(step);
                other.is_some_and(|other| set.overlaps(other))
            })
    }

    /// Whether all paths are in the other.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.members.is_subset(&other.members)
            && self.children.iter().all(|(step, set)| {
                let other = other.children.get(step);
                other.is_some_and(|other| set.is_within(other))
            })
    }

    /// Whether any path is in a set that is given as `FieldsV1`.
    pub(super) fn overlaps_v1(&self, fields: &Map<String, Value>) -> bool {
        let below = |step| fields.get(&wire(step)).and_then(Value::as_object);
        self.members
            .iter()
            .any(|step| below(step).is_some_and(is_member))
            || self
                .children
                .iter()
                .any(|(step, set)| below(step).is_some_and(|fields| set.overlaps_v1(fields)))
    }

    /// Whether all paths are in a set that is given as `FieldsV1`.
    pub(super) fn is_within_v1(&self, fields: &Map<String, Value>) -> bool {
        let below = |step| fields.get(&wire(step)).and_then(Value::as_object);
        self.members
            .iter()
            .all(|step| below(step).is_some_and(is_member))
            && self
                .children
                .iter()
                .all(|(step, set)| below(step).is_some_and(|fields| set.is_within_v1(fields)))
    }

    /// Paths that are in both.
    pub(super) fn intersection(&self, other: &Self) -> Self {
        Self {
            members: self.members.intersection(&other.members).cloned().collect(),
            children: self.combined(other, |a, b| b.map(|b| a.intersection(b))),
        }
    }

    /// Paths that are not in the other. What lies below a path of the other stays.
    pub(crate) fn difference(&self, other: &Self) -> Self {
        Self {
            members: self.members.difference(&other.members).cloned().collect(),
            children: self.combined(other, |a, b| {
                Some(b.map_or_else(|| a.clone(), |b| a.difference(b)))
            }),
        }
    }

    /// Paths that are neither in the other nor below a path of it.
    pub(crate) fn recursive_difference(&self, other: &Self) -> Self {
        let mut rest = Self {
            members: self.members.difference(&other.members).cloned().collect(),
            children: self.combined(other, |a, b| {
                Some(b.map_or_else(|| a.clone(), |b| a.recursive_difference(b)))
            }),
        };
        rest.children
            .retain(|step, _| !other.members.contains(step));
        rest
    }

    fn combined(
        &self,
        other: &Self,
        combine: impl Fn(&Self, Option<&Self>) -> Option<Self>,
    ) -> BTreeMap<PathElement, Self> {
        let children = self.children.iter().filter_map(|(step, set)| {
            let set = combine(set, other.children.get(step))?;
            (!set.is_empty()).then(|| (step.clone(), set))
        });
        children.collect()
    }

    /// The same, with every struct member that has something below it as a path of its own.
    pub(super) fn with_named_members(&self, ty: &StructType) -> Self {
        self.named(&Node::Struct(ty))
    }

    fn named(&self, node: &Node<'_>) -> Self {
        let mut named = Self {
            members: self.members.clone(),
            children: BTreeMap::new(),
        };
        for (step, set) in &self.children {
            if let (PathElement::Field(name), Node::Struct(ty)) = (step, node)
                && ty.field(name).is_some()
            {
                named.members.insert(step.clone());
            }
            named
                .children
                .insert(step.clone(), set.named(&node.step(step)));
        }
        named
    }

    /// All paths, in order.
    pub(super) fn paths(&self) -> Vec<Vec<PathElement>> {
        let mut paths = Vec::new();
        self.collect(&mut Vec::new(), &mut paths);
        paths
    }

    fn collect(&self, at: &mut Vec<PathElement>, paths: &mut Vec<Vec<PathElement>>) {
        let steps: BTreeSet<&PathElement> =
            self.members.iter().chain(self.children.keys()).collect();
        for step in steps {
            at.push(step.clone());
            if self.members.contains(step) {
                paths.push(at.clone());
            }
            if let Some(set) = self.children.get(step) {
                set.collect(at, paths);
            }
            at.pop();
        }
    }

    /// The set as `FieldsV1`.
    pub(crate) fn to_fields_v1(&self) -> Value {
        let mut fields = Map::new();
        for (step, set) in &self.children {
            let mut below = set.to_fields_v1();
            if self.members.contains(step) {
                below["."] = Value::Object(Map::new());
            }
            fields.insert(wire(step), below);
        }
        for step in self
            .members
            .iter()
            .filter(|step| !self.children.contains_key(step))
        {
            fields.insert(wire(step), Value::Object(Map::new()));
        }
        Value::Object(fields)
    }

    /// Reads `FieldsV1`; `None` for what is none.
    pub(crate) fn from_fields_v1(fields: &Value) -> Option<Self> {
        let fields = fields.as_object()?;
        // A step that is none: it says something of the set that it is in, and the root is in none.
        (!fields.contains_key(".")).then(|| Self::from_members(fields))?
    }

    fn from_members(fields: &Map<String, Value>) -> Option<Self> {
        let mut set = Self::default();
        for (text, below) in fields.iter().filter(|(text, _)| *text != ".") {
            let step = PathElement::parse(text)?;
            let below = below.as_object()?;
            if is_member(below) {
                set.members.insert(step.clone());
            }
            if below.keys().any(|text| text != ".") {
                set.children.insert(step, Self::from_members(below)?);
            }
        }
        Some(set)
    }
}

/// Whether the step with this below it in `FieldsV1` is in the set itself.
fn is_member(below: &Map<String, Value>) -> bool {
    below.is_empty() || below.contains_key(".")
}

/// Where a walk through a set is in the schema.
enum Node<'a> {
    Struct(&'a StructType),
    Shape(&'a Shape),
    Unknown,
}

impl<'a> Node<'a> {
    fn step(&self, step: &PathElement) -> Node<'a> {
        let shape = match (self, step) {
            (Node::Struct(ty), PathElement::Field(name)) => {
                ty.field(name).map(|field| &field.shape)
            }
            (Node::Shape(Shape::Map(item)), PathElement::Field(_)) => Some(&**item),
            (Node::Shape(shape), _) => shape.item(),
            _ => None,
        };
        match shape {
            Some(Shape::Struct(ty)) => Node::Struct(ty),
            Some(shape) => Node::Shape(shape),
            None => Node::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(fields: &Value) -> FieldSet {
        FieldSet::from_fields_v1(fields).unwrap()
    }

    #[test]
    fn the_wire_form_is_read_back() {
        let fields = json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}}, "f:spec": {
            "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}, "v:\"x\"": {}, "i:3": {}},
        }});
        assert_eq!(set(&fields).to_fields_v1(), fields);
        for bad in [
            json!([]),
            json!({"x:a": {}}),
            json!({"f:a": 1}),
            json!({"k:{": {}}),
        ] {
            assert_eq!(FieldSet::from_fields_v1(&bad), None, "{bad}");
        }
    }

    #[test]
    fn a_difference_keeps_what_is_below_and_a_recursive_one_does_not() {
        let all = set(&json!({"f:a": {".": {}, "f:b": {}}, "f:c": {}}));
        let a = set(&json!({"f:a": {}}));
        assert_eq!(
            all.difference(&a),
            set(&json!({"f:a": {"f:b": {}}, "f:c": {}}))
        );
        assert_eq!(all.recursive_difference(&a), set(&json!({"f:c": {}})));
        assert_eq!(all.intersection(&a), a);
        assert_eq!(all.difference(&all), FieldSet::default());
        assert_eq!(a.union(&all), all);
    }
}
