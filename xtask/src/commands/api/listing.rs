//! The library's public items, one a line.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Context, Result};

use super::Json;

/// The lines, in the order in which they are printed: an item's own follow it.
#[derive(Debug)]
pub(super) struct Listing(pub(super) Vec<String>);

/// What the compiler finds out for itself and nobody promises.
const UNPROMISED: [&str; 3] = [
    "core::marker::Unsafe",
    "core::marker::Freeze",
    "core::panic::unwind_safe::",
];

impl Listing {
    pub(super) fn new(json: &Json) -> Result<Self> {
        let api = public_api::Builder::from_rustdoc_json(&json.path)
            // They hold for every type there is.
            .omit_blanket_impls(true)
            .build()
            .context("listing the public items")?;
        let lines = api.items().map(ToString::to_string);
        Ok(Self(lines.filter(|line| is_promised(line)).collect()))
    }

    /// What to say of lines that are not in a committed listing, or not in this one.
    pub(super) fn changes_since(&self, committed: &str) -> Vec<String> {
        let now: BTreeSet<_> = self.0.iter().map(String::as_str).collect();
        let before: BTreeSet<_> = committed.lines().collect();
        let gone = before.difference(&now).map(|line| format!("-{line}"));
        let new = now.difference(&before).map(|line| format!("+{line}"));
        gone.chain(new).collect()
    }
}

fn is_promised(line: &str) -> bool {
    let is_impl = line.starts_with("impl");
    !(is_impl && UNPROMISED.iter().any(|name| line.contains(name)))
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_line_by_line() {
        let listing = Listing(vec!["pub fn a()".to_owned(), "pub fn b()".to_owned()]);
        assert!(listing.changes_since(&listing.to_string()).is_empty());
        assert_eq!(
            listing.changes_since("pub fn a()\npub fn c()\n"),
            ["-pub fn c()", "+pub fn b()"]
        );
    }

    #[test]
    fn what_threads_may_do_is_promised() {
        assert!(is_promised("impl<K> core::marker::Send for a::B<K>"));
        assert!(!is_promised(
            "impl !core::panic::unwind_safe::UnwindSafe for a::B"
        ));
        assert!(!is_promised(
            "impl<K> core::marker::UnsafeUnpin for a::B<K>"
        ));
    }
}
