//! Where a value sits in an object: `spec.containers[0].ports[1].name`.

use std::fmt;

/// Path of a field, linked from the leaf to the root and kept on the stack: a walk that finds
/// nothing wrong allocates nothing.
///
/// Renders as kube-apiserver's `field.Path`: members with a dot, list items as `[0]`, map
/// entries as `[key]`, and the path of the object itself as `<nil>`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    element: Element<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Element<'a> {
    Root,
    Child(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> Path<'a> {
    /// The object itself.
    pub(crate) const ROOT: Path<'static> = Path {
        parent: None,
        element: Element::Root,
    };

    /// A member of the object itself.
    pub(crate) fn new(name: &'a str) -> Self {
        Path {
            parent: None,
            element: Element::Child(name),
        }
    }

    /// The member `name` of what this path points to.
    pub(crate) fn child<'b>(&'b self, name: &'b str) -> Path<'b> {
        self.with(Element::Child(name))
    }

    /// The list item `index` of what this path points to.
    pub(crate) fn index(&self, index: usize) -> Path<'_> {
        self.with(Element::Index(index))
    }

    /// The map entry `key` of what this path points to.
    pub(crate) fn key<'b>(&'b self, key: &'b str) -> Path<'b> {
        self.with(Element::Key(key))
    }

    /// What this path is inside of.
    pub(crate) fn parent(&self) -> Option<&'a Path<'a>> {
        self.parent
    }

    fn with<'b>(&'b self, element: Element<'b>) -> Path<'b> {
        Path {
            parent: Some(self),
            element,
        }
    }

    fn is_root(&self) -> bool {
        matches!(self.element, Element::Root)
    }

    fn write(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parent = self.parent.filter(|parent| !parent.is_root());
        if let Some(parent) = parent {
            parent.write(out)?;
        }
        match self.element {
            Element::Root => Ok(()),
            Element::Child(name) if parent.is_none() => out.write_str(name),
            Element::Child(name) => write!(out, ".{name}"),
            Element::Index(index) => write!(out, "[{index}]"),
            Element::Key(key) => write!(out, "[{key}]"),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return out.write_str("<nil>");
        }
        self.write(out)
    }
}

#[cfg(test)]
mod tests {
    use super::Path;

    #[test]
    fn renders_members_items_and_entries() {
        let spec = Path::new("spec");
        let containers = spec.child("containers");
        let item = containers.index(3);
        assert_eq!(item.child("name").to_string(), "spec.containers[3].name");
        assert_eq!(Path::new("data").key("a.b").to_string(), "data[a.b]");
        assert_eq!(Path::ROOT.to_string(), "<nil>");
        assert_eq!(Path::ROOT.child("values").index(0).to_string(), "values[0]");
    }
}
