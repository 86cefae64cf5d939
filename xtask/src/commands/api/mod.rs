//! `cargo xtask api`: what the library promises its users.
//!
//! Its public items are listed in `crates/optilock/public-api.txt`, so that a change of them is seen in
//! review; they name no crate's types that the library doesn't stand for; and each has an example.

mod examples;
mod leaks;
mod listing;
mod rustdoc;

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use self::listing::Listing;
pub(crate) use self::rustdoc::Json;
use crate::signals::Signals;
use crate::workspace;

/// Compare, or write.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write the listing instead of comparing with it.
    #[arg(long)]
    write: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let json = Json::of_library(&Signals::register()?)?;
    ensure!(json.is_known(), "{}", json.unknown());
    if args.write {
        let path = workspace::root().join(LISTING);
        let listing = Listing::new(&json)?.to_string();
        fs::write(&path, listing).with_context(|| format!("writing {}", path.display()))?;
    }
    for (name, check) in CHECKS {
        check(&json).with_context(|| name.to_owned())?;
        println!("ok    {name}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the listing is, in the workspace.
const LISTING: &str = "crates/optilock/public-api.txt";

/// A thing that has to hold.
type Check = fn(&Json) -> Result<()>;

/// What has to hold.
pub(crate) const CHECKS: [(&str, Check); 3] = [
    ("the public items are those that are listed", listed),
    ("public items name no other crate's types", leaks::check),
    (
        "every public item has an example that runs",
        examples::check,
    ),
];

fn listed(json: &Json) -> Result<()> {
    let path = workspace::root().join(LISTING);
    let committed =
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let changes = Listing::new(json)?.changes_since(&committed);
    ensure!(
        changes.is_empty(),
        "{LISTING} says otherwise; if that is meant, run `cargo xtask api --write`:\n{}",
        changes.join("\n")
    );
    Ok(())
}
