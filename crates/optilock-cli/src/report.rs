//! `optilock report`: a page that shows what happened.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
    process::ExitCode,
};

use optilock_lab::{Report, Summary};

use crate::{
    failure::{Code, Failure},
    input, output,
};

/// Show recorded histories and runs on one HTML page that needs no network
///
/// A file is a history (`--history` of a run) or the figures of runs (`--json` of `run` and `compare`). Several make one
/// page, on which they can be compared.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Histories and summaries of runs; - is a history on standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The page, or - for standard output
    #[arg(long, short, value_name = "FILE.html")]
    output: PathBuf,
    /// The page's title
    #[arg(long, value_name = "TEXT", default_value = "optilock report")]
    title: String,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let written = tokio::task::spawn_blocking(move || {
        let mut report = Report::new(args.title);
        for path in &args.files {
            report = add(report, path)?;
        }
        output::write("--output", &args.output, report.to_html().as_bytes())
    });
    written.await.map_err(io::Error::from)??;
    Ok(ExitCode::SUCCESS)
}

/// Adds a file to a report.
fn add(report: Report, path: &Path) -> Result<Report, Failure> {
    let name = if path == Path::new("-") {
        "standard input".into()
    } else {
        path.file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
    };
    Ok(match summary(path)? {
        Some(document) => report.summary(name, document),
        None => report.history(name, &input::history(path)?),
    })
}

/// The summary in a file; none where the file is something else, of which a history will tell.
fn summary(path: &Path) -> Result<Option<Summary>, Failure> {
    if path == Path::new("-") {
        return Ok(None);
    }
    let file = File::open(path).map_err(|error| input::unreadable(path, &error))?;
    // A history's first line is a JSON document of its own; a summary is one, with other members.
    let mut start = String::new();
    let read = BufReader::new(&file).take(PEEK).read_to_string(&mut start);
    if read.is_err() || !start.contains("\"runs\"") && !start.contains("\"command\"") {
        return Ok(None);
    }
    let file = File::open(path).map_err(|error| input::unreadable(path, &error))?;
    let document: Summary = serde_json::from_reader(BufReader::new(file)).map_err(|error| {
        let message = format!("{} is no summary of runs: {error}", path.display());
        Failure::new(Code::Usage, message).hint("docs/run.schema.json describes what --json writes")
    })?;
    if document.version != Summary::VERSION {
        let message = format!(
            "{} has version {} of the format; this program reads version {}",
            path.display(),
            document.version,
            Summary::VERSION
        );
        return Err(Failure::new(Code::Usage, message));
    }
    Ok(Some(document))
}

/// How much of a file tells what it is, in bytes.
const PEEK: u64 = 4096;
