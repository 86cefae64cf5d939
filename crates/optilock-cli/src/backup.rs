//! `optilock backup`: copies a store.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use http_body_util::BodyExt;
use optilock_apiserver::{BACKUP_PATH, store::back_up_file};
use optilock_lab::Target;
use tempfile::NamedTempFile;

use crate::{
    failure::{Code, Failure},
    store,
};

/// Copy the store of a server to a new file: of one that runs, or of one that does not
///
/// The copy has all objects as they are at one version, and none of the space that deleted ones have left. It is a secret,
/// as the Secrets in it are. A server that is started on it gives out versions far beyond those of the original, so that
/// nothing that clients know of the original is mistaken for something in the copy; watches from before start anew.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    from: From,
    /// The file to write, which must not exist
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct From {
    /// The server, which goes on meanwhile: the kubeconfig that `optilock serve` has written. It may keep its objects anywhere
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The store, as it was given to an `optilock serve` that does not run
    #[arg(long, value_name = "redb:PATH", value_parser = store::redb)]
    store: Option<PathBuf>,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let Args { from, to } = args;
    let name = to.display().to_string();
    let as_of = match (from.kubeconfig, from.store) {
        (Some(kubeconfig), _) => {
            fetch(&kubeconfig, &to).await?;
            String::new()
        }
        (None, Some(store)) => {
            let copied = tokio::task::spawn_blocking(move || back_up_file(store, to));
            let revision = copied.await.map_err(io::Error::from)??;
            format!(" as of version {revision}")
        }
        // The group asks for one of them.
        (None, None) => return Ok(ExitCode::from(Code::Usage)),
    };
    eprintln!("{name} has all objects{as_of}; serve it with --store redb:{name}");
    Ok(ExitCode::SUCCESS)
}

/// Takes a copy that a server makes. The file has its name when it is whole.
async fn fetch(kubeconfig: &Path, to: &Path) -> Result<(), Failure> {
    let target = Target::from_kubeconfig(kubeconfig).await?;
    let address = target.address();
    let folder = match to.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let unwritten = |error: io::Error| {
        let message = format!("can't write the backup {}: {error}", to.display());
        Failure::new(Code::Failed, message)
            .hint("give --to a file that does not exist, in a folder that you may write")
    };
    if to.try_exists().map_err(unwritten)? {
        return Err(unwritten(io::ErrorKind::AlreadyExists.into()));
    }
    let mut file = NamedTempFile::new_in(folder).map_err(unwritten)?;

    let unread = |error: &dyn std::fmt::Display| {
        let message =
            format!("the server at {address} did not send its objects to the end: {error}");
        Failure::new(Code::Failed, message).hint("does it run, and has its log more?")
    };
    let request = http::Request::get(BACKUP_PATH).body(Vec::new().into());
    let request = request.map_err(|error| unread(&error))?;
    let answer = target.client().send(request).await;
    let answer = answer.map_err(|error| unread(&error))?;
    if !answer.status().is_success() {
        let message = format!("the server at {address} answers {}", answer.status());
        return Err(Failure::new(Code::Failed, message).hint(
            "--kubeconfig is that of an `optilock serve`, whose token has not changed since",
        ));
    }
    let mut body = answer.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| unread(&error))?;
        if let Some(data) = frame.data_ref() {
            file.write_all(data).map_err(unwritten)?;
        }
    }
    file.as_file().sync_all().map_err(unwritten)?;
    file.persist_noclobber(to)
        .map_err(|lost| unwritten(lost.error))?;
    // So that the name is as durable as what it names.
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(unwritten)
}
