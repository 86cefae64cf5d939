//! What rustdoc knows of the library, as JSON.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cargo::{self, cargo};
use crate::signals::Signals;
use crate::workspace;

/// The version of rustdoc's format that the release of `public-api` in Cargo.toml reads.
const FORMAT: u64 = 57;

/// rustdoc writes JSON on nightly tool chains, and on others where it is told to pass for one. It alone is
/// told: to cargo, that would be a reason to build everything anew.
const WRAPPER: &str = "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc \"$@\"\n";

/// A crate's documentation.
#[derive(Debug)]
pub(crate) struct Json {
    pub(super) path: PathBuf,
    pub(super) value: Value,
}

impl Json {
    /// The library's, as it is now.
    pub(crate) fn of_library(signals: &Signals) -> Result<Self> {
        let folder = tempfile::tempdir().context("making a temporary folder")?;
        let wrapper = folder.path().join("rustdoc");
        fs::write(&wrapper, WRAPPER).context("writing a script")?;
        fs::set_permissions(&wrapper, Permissions::from_mode(0o700)).context("writing a script")?;
        let mut command = cargo(&["rustdoc", "--quiet", "--package=optilock", "--lib", "--"]);
        command
            .args(["-Zunstable-options", "--output-format=json"])
            .env("RUSTDOC", wrapper);
        let success = cargo::run(command, signals, |line| println!("{line}"))?;
        ensure!(success, "documenting the library failed");
        let path = workspace::target_dir()?.join("doc").join("optilock.json");
        let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let value = serde_json::from_slice(&text).context("reading rustdoc's JSON")?;
        Ok(Self { path, value })
    }

    /// Whether it is in the format that can be read here. That changes with most releases of Rust.
    pub(crate) fn is_known(&self) -> bool {
        self.value["format_version"] == FORMAT
    }

    /// Why it can't be read.
    pub(crate) fn unknown(&self) -> String {
        format!(
            "this rustdoc writes format {}, and the `public-api` of xtask/Cargo.toml reads format {FORMAT}",
            self.value["format_version"]
        )
    }

    /// The item with this id.
    pub(super) fn item(&self, id: &Value) -> &Value {
        &self.value["index"][id.to_string()]
    }
}
