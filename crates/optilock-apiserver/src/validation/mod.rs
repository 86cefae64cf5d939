//! Field errors with the API server's texts, and the rules that produce them.

pub(crate) mod field;
pub(crate) mod format;
pub(crate) mod gofmt;
mod path;
#[cfg(test)]
pub(crate) mod recording;

pub(crate) use path::Path;
