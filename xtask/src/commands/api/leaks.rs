//! Whose types the library's users have to do with.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use super::Json;
use super::listing::Listing;

/// The library itself, Rust's own crates, and those that it stands for: a change of any other would
/// break its users without being seen.
const EXPECTED: [&str; 9] = [
    "optilock",
    "alloc",
    "core",
    "std",
    "k8s_openapi",
    "kube",
    "kube_client",
    "kube_core",
    // Its two traits, which kube's own functions ask of every object.
    "serde_core",
];

pub(super) fn check(json: &Json) -> Result<()> {
    let listing = Listing::new(json)?;
    let leaks: Vec<_> = listing.0.iter().filter(|line| leaks(line)).collect();
    ensure!(
        leaks.is_empty(),
        "these name types of other crates: {leaks:#?}"
    );
    Ok(())
}

fn leaks(line: &str) -> bool {
    !crates_in(line).is_subset(&EXPECTED.into())
}

/// The crates whose items a line names: what its paths begin with.
fn crates_in(line: &str) -> BTreeSet<&str> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let paths = line.split(|c| !is_path(c));
    let roots = paths.filter_map(|path| Some(path.split_once("::")?.0));
    // Types and `Self` have their own items; lower-case names are those of crates.
    roots
        .filter(|root| root.starts_with(|c: char| c.is_ascii_lowercase()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_begin_with_their_crate() {
        let line = "pub fn optilock::Feed<K>::saw(&self, impl core::convert::Into<alloc::sync::Arc<K>>) \
                    -> <K as kube_core::resource::Resource>::DynamicType where Self::Item: tokio::time::Sleep";
        let crates = ["alloc", "core", "kube_core", "optilock", "tokio"];
        assert_eq!(crates_in(line), crates.into());
        assert!(leaks(line));
        assert!(!leaks(
            "pub optilock::Winner::time: core::option::Option<alloc::string::String>"
        ));
    }
}
