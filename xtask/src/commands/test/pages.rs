//! The pages that `optilock report` makes, in a browser.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use serde::Deserialize;

use super::Context;
use super::folder::Folder;
use crate::process;
use crate::workspace;

/// How long making a page, or looking at one, may take.
const LIMIT: Duration = Duration::from_secs(5 * 60);

/// Looks at pages.
pub(in crate::commands) const BROWSER: Folder = Folder {
    name: "browser",
    tools: &[&["node", "--version"], &["npm", "--version"]],
    steps: &[&["npm", "ci", "--no-audit", "--no-fund"]],
    run: &["node", "look.js"],
};

/// A page, and the runs that it shows; all in virtual time, so that a seed makes the same page everywhere.
struct Page {
    name: &'static str,
    /// Arguments of `optilock`, without the files that it writes, and whether it has to find fault.
    runs: &'static [(&'static [&'static str], Wrote, i32)],
}

/// What a run leaves for the page.
#[derive(Clone, Copy)]
enum Wrote {
    History,
    Summary,
}

const PAGES: [Page; 3] = [
    Page {
        name: "one",
        runs: &[(
            &[
                "run",
                "--virtual",
                "--strategy",
                "retry-on-conflict",
                "--steps",
                "unlimited",
                "--workers",
                "5",
                "--updates",
                "1",
                "--seed",
                "1",
            ],
            Wrote::History,
            0,
        )],
    },
    Page {
        name: "several",
        runs: &[
            (
                &[
                    "run",
                    "--virtual",
                    "--strategy",
                    "optilock",
                    "--workers",
                    "20",
                    "--updates",
                    "5",
                    "--seed",
                    "1",
                ],
                Wrote::History,
                0,
            ),
            (
                &[
                    "run",
                    "--virtual",
                    "--strategy",
                    "blind",
                    "--workers",
                    "5",
                    "--updates",
                    "5",
                    "--seed",
                    "1",
                ],
                Wrote::History,
                1,
            ),
            (
                &[
                    "compare",
                    "--virtual",
                    "--strategy",
                    "once,full-jitter,optilock,combined",
                    "--workers",
                    "5,20",
                    "--updates",
                    "2",
                    "--seed",
                    "1",
                ],
                Wrote::Summary,
                0,
            ),
        ],
    },
    Page {
        name: "long",
        runs: &[(
            &[
                "run",
                "--virtual",
                "--strategy",
                "full-jitter",
                "--steps",
                "unlimited",
                "--workers",
                "60",
                "--updates",
                "40",
                "--seed",
                "1",
            ],
            Wrote::History,
            0,
        )],
    },
];

/// What the browser says of a check.
#[derive(Debug, Deserialize)]
struct Line {
    check: String,
    error: Option<String>,
}

pub(super) fn run(context: &mut Context) -> Result<()> {
    if let Some(reason) = BROWSER.missing() {
        context.leave_out("a browser", &reason);
        return Ok(());
    }
    let look = BROWSER.build(&context.signals)?;
    let folder = workspace::target_dir()?.join("pages");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    for page in &PAGES {
        let made = page.make(context, &folder);
        let looked = made.and_then(|file| {
            let mut command = Command::new(look.get_program());
            command.args(look.get_args());
            if let Some(dir) = look.get_current_dir() {
                command.current_dir(dir);
            }
            command.arg(file).arg(folder.join(page.name));
            // Where the bundled browser is unpacked.
            command.env("TMPDIR", &folder);
            let finished = process::run(&mut command, &context.signals, LIMIT)?;
            print!("{}", finished.stderr);
            ensure!(
                finished.code == Some(0),
                "{}{}",
                finished.stdout,
                finished.stderr
            );
            Ok(finished.stdout)
        });
        match looked {
            Err(error) => context
                .checks
                .record(&format!("page {}", page.name), Err(error)),
            Ok(lines) => {
                for line in lines.lines() {
                    let Line { check, error } = serde_json::from_str(line)?;
                    let result = error.map_or(Ok(()), |error| Err(anyhow!(error)));
                    context
                        .checks
                        .record(&format!("page {}, {check}", page.name), result);
                }
            }
        }
    }
    Ok(())
}

impl Page {
    /// Has the runs made, and the page of them.
    fn make(&self, context: &mut Context, folder: &Path) -> Result<PathBuf> {
        let mut files = Vec::new();
        for (number, (args, wrote, code)) in self.runs.iter().enumerate() {
            let (option, ending) = match wrote {
                Wrote::History => ("--history", "jsonl"),
                Wrote::Summary => ("--json", "json"),
            };
            let file = folder.join(format!("{}-{number}.{ending}", self.name));
            let written = [OsStr::new(option), file.as_os_str()];
            optilock(context, args.iter().map(OsStr::new).chain(written), *code)?;
            files.push(file);
        }
        let page = folder.join(format!("{}.html", self.name));
        let output = [OsStr::new("report"), OsStr::new("-o"), page.as_os_str()];
        optilock(
            context,
            output
                .into_iter()
                .chain(files.iter().map(|file| file.as_os_str())),
            0,
        )?;
        Ok(page)
    }
}

fn optilock<'a>(
    context: &mut Context,
    args: impl Iterator<Item = &'a OsStr>,
    code: i32,
) -> Result<()> {
    let mut command = Command::new(context.optilock()?);
    command.args(args);
    let finished = process::run(&mut command, &context.signals, LIMIT)?;
    let (out, err) = (&finished.stdout, &finished.stderr);
    let ended = finished.code;
    ensure!(
        ended == Some(code),
        "{command:?} ended with {ended:?}:\n{out}{err}"
    );
    Ok(())
}
