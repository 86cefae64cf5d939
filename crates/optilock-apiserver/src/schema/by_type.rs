//! Tables whose rows are for built-in types.

use std::sync::OnceLock;

use super::model::StructType;
use super::table;

/// What most names of types begin with; rows leave it out.
const COMMON: &str = "io.k8s.api.";
/// What the other names begin with, which rows have whole.
const COMMON_ROOT: &str = "io.k8s.";

/// A table that names types, in which a walk finds the rows of a type without looking at its name.
#[derive(Debug)]
pub(crate) struct ByType<R: 'static> {
    rows: &'static [(&'static str, &'static [R])],
    /// What the table has for each row of the table of types.
    index: OnceLock<Box<[&'static [R]]>>,
}

impl<R> ByType<R> {
    /// A table of OpenAPI names, of which those in `io.k8s.api` leave that out, and what is for the type.
    pub(crate) const fn new(rows: &'static [(&'static str, &'static [R])]) -> Self {
        Self {
            rows,
            index: OnceLock::new(),
        }
    }

    /// What is for a type; nothing for one that is not built in.
    pub(crate) fn of(&self, ty: &StructType) -> &'static [R] {
        let Some(row) = ty.row else {
            return &[];
        };
        let index = self.index.get_or_init(|| {
            let mut index = vec![&[][..]; table::len()];
            for (name, rows) in self.rows {
                if let Some(row) = row_of(name) {
                    index[usize::from(row)] = *rows;
                }
            }
            index.into()
        });
        index[usize::from(row)]
    }

    /// Names that are those of no type.
    #[cfg(test)]
    pub(crate) fn unknown(&self) -> Vec<&'static str> {
        let names = self.rows.iter().map(|(name, _)| *name);
        names.filter(|name| row_of(name).is_none()).collect()
    }
}

fn row_of(name: &str) -> Option<u16> {
    match name.starts_with(COMMON_ROOT) {
        true => table::row_named(name),
        false => table::row_named(&[COMMON, name].concat()),
    }
}
