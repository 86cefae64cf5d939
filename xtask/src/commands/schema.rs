//! `cargo xtask schema`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::control_plane::{Cluster, Options};
use crate::peers::{Go, SCHEMA};
use crate::signals::{Signals, interruptible};
use crate::workspace;

/// Folders of the generated files below `crates/optilock-apiserver`, by the flag that tells the
/// generator where they are.
const FOLDERS: [(&str, &str); 2] = [("-data", "data"), ("-vectors", "tests/data/schema")];

/// Where the built-in types come from.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Change nothing; fail where the committed files are not what would be written.
    #[arg(long)]
    check: bool,
    /// Ask this cluster, which has to be of the reference's version [default: a control plane of
    /// its own].
    #[arg(long, value_name = "F")]
    kubeconfig: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    interruptible(|signals| {
        let options = || Options::of_run("schema");
        let cluster = Cluster::given_or_own(args.kubeconfig.as_deref(), options)?;
        ensure!(!signals.any(), "interrupted");
        let result = if args.check {
            check(cluster.kubeconfig(), signals)
        } else {
            generate(cluster.kubeconfig(), &crate_dir(), signals)
        };
        result.and(cluster.stop())?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Generates the files anew, in another folder, and compares them with the committed ones.
///
/// # Errors
/// When they are not the same; names those that differ.
pub(crate) fn check(kubeconfig: &Path, signals: &Signals) -> Result<()> {
    let scratch = tempfile::tempdir().context("creating a folder")?;
    generate(kubeconfig, scratch.path(), signals)?;
    let mut stale = Vec::new();
    for (_, folder) in FOLDERS {
        stale.extend(differences(
            &crate_dir().join(folder),
            &scratch.path().join(folder),
        )?);
    }
    let names: Vec<_> = stale
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    ensure!(
        names.is_empty(),
        "out of date: {}; run cargo xtask schema",
        names.join(", ")
    );
    Ok(())
}

/// Writes the files below `dir`.
fn generate(kubeconfig: &Path, dir: &Path, signals: &Signals) -> Result<()> {
    let generator = Go::find()?.build(&SCHEMA)?;
    let mut command = Command::new(&generator);
    command.arg("-kubeconfig").arg(kubeconfig);
    for (flag, folder) in FOLDERS {
        let folder = dir.join(folder);
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        command.arg(flag).arg(folder);
    }
    let child = command
        .spawn()
        .with_context(|| format!("running {}", generator.display()))?;
    let status = signals.wait_for(child)?;
    ensure!(status.success(), "the generator ended with {status}");
    Ok(())
}

fn crate_dir() -> PathBuf {
    workspace::root().join("crates/optilock-apiserver")
}

/// The files that are in one of the folders alone, or not the same in both, sorted.
fn differences(committed: &Path, generated: &Path) -> Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for dir in [committed, generated] {
        let entries = fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))?;
        for entry in entries {
            names.push(
                entry
                    .with_context(|| format!("reading {}", dir.display()))?
                    .file_name(),
            );
        }
    }
    names.sort();
    names.dedup();
    // A file that can't be read is not the same as any.
    let same = |name: &_| {
        let read = |dir: &Path| fs::read(dir.join(name)).ok();
        read(committed).is_some_and(|bytes| Some(bytes) == read(generated))
    };
    let different = names.into_iter().filter(|name| !same(name));
    Ok(different.map(|name| committed.join(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_a_missing_and_a_superfluous_file_differ() {
        let (committed, generated) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (dir, name, text) in [
            (&committed, "same", "a"),
            (&generated, "same", "a"),
            (&committed, "changed", "a"),
            (&generated, "changed", "b"),
            (&generated, "missing", ""),
            (&committed, "superfluous", ""),
        ] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let names = ["changed", "missing", "superfluous"].map(|name| committed.path().join(name));
        assert_eq!(
            differences(committed.path(), generated.path()).unwrap(),
            names
        );
    }

    #[test]
    fn the_folders_are_there() {
        for (_, folder) in FOLDERS {
            assert!(crate_dir().join(folder).is_dir(), "{folder}");
        }
    }
}
