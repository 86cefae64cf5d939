//! Where, and with what, is measured.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::peers::VERSION;

/// A machine and the versions of what runs on it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Machine {
    pub(super) processor: String,
    pub(super) cores: usize,
    pub(super) memory: String,
    pub(super) system: String,
    pub(super) file_system: String,
    /// Programs and their versions.
    pub(super) versions: Vec<(String, String)>,
}

impl Machine {
    /// This one, with a build of ours in one of cargo's profiles, and files in a folder.
    pub(super) fn this(profile: &str, folder: &Path) -> Self {
        let first = |path: &str, key: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(key));
            let value = line.and_then(|line| line.split_once(':'));
            value.map_or("unknown".to_owned(), |(_, value)| value.trim().to_owned())
        };
        let memory = first("/proc/meminfo", "MemTotal");
        let kibibytes = memory.trim_end_matches(" kB").parse::<u64>();
        let said = |program: &str, args: &[&str]| {
            let output = Command::new(program).args(args).output().ok();
            let output = output.filter(|output| output.status.success());
            output.map_or("unknown".to_owned(), |output| {
                String::from_utf8_lossy(&output.stdout).trim().to_owned()
            })
        };
        let kind = ["-f", "-c", "%T", &folder.to_string_lossy()].map(str::to_owned);
        Self {
            processor: first("/proc/cpuinfo", "model name"),
            cores: thread::available_parallelism().map_or(0, usize::from),
            memory: kibibytes.map_or(memory, |kib| format!("{:.0} GB", kib as f64 * 1024.0 / 1e9)),
            system: said("uname", &["-s", "-r", "-m"]),
            file_system: said("stat", &kind.each_ref().map(String::as_str)),
            versions: vec![
                (
                    format!("optilock (profile {profile})"),
                    env!("CARGO_PKG_VERSION").to_owned(),
                ),
                ("Rust".to_owned(), said("rustc", &["--version"])),
                ("Go".to_owned(), said("go", &["version"])),
                ("kube-apiserver".to_owned(), VERSION.to_owned()),
            ],
        }
    }
}
