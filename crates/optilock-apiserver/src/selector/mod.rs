//! Label and field selectors.

mod error;
mod field;
mod fields;
mod label;
mod lexer;
mod meta;
mod parser;
#[cfg(test)]
mod texts;

pub(crate) use error::SelectorError;
pub(crate) use field::FieldSelector;
pub(crate) use fields::{SelectableFields, selectable_fields};
pub(crate) use label::LabelSelector;
