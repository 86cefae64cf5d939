//! What ownership sees in a value: something whole, or something with parts.

use serde_json::Value;

use super::path::{PathElement, default_of};
use crate::schema::{Field, ListType, Shape, StructType};

/// How a value is owned.
#[derive(Debug, Clone, Copy)]
pub(super) enum Atom<'a> {
    /// As a whole: scalars, and everything that the schema calls atomic.
    Leaf,
    /// Member by member.
    Struct(&'a StructType),
    /// Entry by entry.
    Map(&'a Shape),
    /// Item by item, which their keys or values identify.
    List(Items<'a>),
    /// As the value is: objects entry by entry, all else as a whole.
    Deduced,
}

/// How the items of a list are told apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Items<'a> {
    /// Members that identify an item; empty when the item's value does.
    keys: &'a [Box<str>],
    item: &'a Shape,
}

impl<'a> Atom<'a> {
    /// The value of a field.
    pub(super) fn of_field(field: &'a Field) -> Self {
        if field.atomic {
            return Self::Leaf;
        }
        match (&field.shape, field.list_type) {
            (Shape::List(item), Some(ListType::Map)) => Self::List(Items {
                keys: &field.list_map_keys,
                item,
            }),
            (Shape::List(item), Some(ListType::Set)) => Self::List(Items { keys: &[], item }),
            // Whether it is owned as a whole is the field's to say; it may differ from its type.
            (Shape::Struct(ty), _) => Self::Struct(ty),
            (shape, _) => Self::of_shape(shape),
        }
    }

    /// A value inside a list or a map.
    pub(super) fn of_shape(shape: &'a Shape) -> Self {
        match shape {
            Shape::Struct(ty) if ty.atomic => Self::Leaf,
            Shape::Struct(ty) => Self::Struct(ty),
            Shape::Map(item) => Self::Map(item),
            Shape::Any => Self::Deduced,
            _ => Self::Leaf,
        }
    }

    /// The member of that name of a struct or map; a leaf where the schema does not know it.
    pub(super) fn member(self, name: &str) -> Self {
        match self {
            Self::Struct(ty) => match ty.field(name) {
                Some(field) => Self::of_field(field),
                None if ty.open => Self::Deduced,
                None => Self::Leaf,
            },
            Self::Map(item) => Self::of_shape(item),
            Self::Deduced => Self::Deduced,
            Self::Leaf | Self::List(_) => Self::Leaf,
        }
    }

    /// What it is for these values, the old and the new one.
    pub(super) fn of_values(self, old: Option<&Value>, new: Option<&Value>) -> Self {
        let is_whole = |value: Option<&Value>| value.is_some_and(|value| !value.is_object());
        match self {
            Self::Deduced if is_whole(old) || is_whole(new) => Self::Leaf,
            Self::Deduced => Self::Map(&Shape::Any),
            other => other,
        }
    }

    /// Whether the struct declares a member of that name; entries of a map are not declared.
    pub(super) fn declares(self, name: &str) -> bool {
        matches!(self, Self::Struct(ty) if ty.field(name).is_some())
    }
}

impl<'a> Items<'a> {
    /// Type of an item.
    pub(super) fn shape(&self) -> &'a Shape {
        self.item
    }

    /// What an item is.
    pub(super) fn atom(&self) -> Atom<'a> {
        Atom::of_shape(self.item)
    }

    /// The step to an item; `None` for one that can't be told apart.
    pub(super) fn step(&self, item: &Value) -> Option<PathElement> {
        if self.keys.is_empty() {
            return Some(PathElement::of_value(item));
        }
        let ty = self.item.as_struct();
        PathElement::of_item(self.keys, item, |name| {
            default_of(ty.and_then(|ty| ty.field(name)))
        })
    }

    /// The items by their steps, in the order in which these appear first. Those that can't be told apart are left out.
    pub(super) fn index<'v>(&self, list: Option<&'v Value>) -> Vec<Indexed<'v>> {
        let mut indexed: Vec<Indexed<'_>> = Vec::new();
        for item in list.and_then(Value::as_array).into_iter().flatten() {
            let Some(step) = self.step(item) else {
                continue;
            };
            match indexed.iter_mut().find(|known| known.step == step) {
                Some(known) => known.items.push(item),
                None => indexed.push(Indexed {
                    step,
                    items: vec![item],
                }),
            }
        }
        indexed
    }
}

/// What a list has at one step: one item, or more where a list that should not repeats it.
#[derive(Debug)]
pub(super) struct Indexed<'v> {
    pub(super) step: PathElement,
    pub(super) items: Vec<&'v Value>,
}

impl<'v> Indexed<'v> {
    /// The item that counts.
    pub(super) fn first(&self) -> &'v Value {
        // It was made with one.
        self.items[0]
    }

    pub(super) fn is_repeated(&self) -> bool {
        self.items.len() > 1
    }
}

/// Whether a value is none, null, or has nothing in it.
pub(super) fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(members)) => members.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    }
}
