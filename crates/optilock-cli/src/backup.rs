//! `optilock backup`: copies a store.

use std::{io, path::PathBuf, process::ExitCode};

use optilock_apiserver::store::back_up;

use crate::{failure::Failure, store};

/// Copy the store of a server that is not running to a new file
///
/// The copy has all objects as they are, and none of the space that deleted ones have left. A server that is started on
/// it gives out versions far beyond those of the original, so that nothing that clients know of the original is
/// mistaken for something in the copy; watches from before start anew.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The store, as it was given to `optilock serve`
    #[arg(long, value_name = "redb:PATH", value_parser = store::redb)]
    store: PathBuf,
    /// The file to write, which must not exist
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let to = args.to.display().to_string();
    let copied = tokio::task::spawn_blocking(move || back_up(args.store, args.to));
    let revision = copied.await.map_err(io::Error::from)??;
    eprintln!("{to} has all objects as of version {revision}; serve it with --store redb:{to}");
    Ok(ExitCode::SUCCESS)
}
