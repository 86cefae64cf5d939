//! A port that clients are let in by, from its kubeconfig to the end that the user wishes.

use std::{
    io::{self, Write},
    pin::Pin,
    process::ExitCode,
};

use tokio::sync::oneshot;

use crate::{failure::Failure, kubeconfig::OwnedFile, stop::Stop};

/// Resolves when the server is to end.
pub(crate) type Until = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Lets `serve` answer until the user wishes the end, and removes the file then.
///
/// The kubeconfig goes to the file or else to standard output; `announce` is told where, once requests are answered.
pub(crate) async fn serve<F>(
    mut stop: Stop,
    file: Option<OwnedFile>,
    kubeconfig: &str,
    serve: impl FnOnce(Until) -> F,
    announce: impl FnOnce(&str),
) -> Result<ExitCode, Failure>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (end, ended) = oneshot::channel::<()>();
    // Both the message and the loss of its sender mean the end.
    let serving = tokio::spawn(serve(Box::pin(async { drop(ended.await) })));
    let place = match &file {
        Some(file) => {
            file.write(kubeconfig)?;
            format!("kubeconfig in {}", file.path().display())
        }
        None => {
            io::stdout().lock().write_all(kubeconfig.as_bytes())?;
            "kubeconfig on stdout".to_owned()
        }
    };
    announce(&place);

    let signal = stop.requested().await;
    drop(end);
    tokio::select! {
        ended = serving => ended.map_err(io::Error::from)?,
        // Whoever insists doesn't wait for requests that are under way.
        _ = stop.requested() => {}
    }
    if let Some(file) = file {
        file.remove()?;
    }
    Ok(signal.into())
}
