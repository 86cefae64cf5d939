//! An etcd for a test, as a process of its own.
// Every test file uses its own part, and a panic is how a test fails.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;

/// The etcd that `OPTILOCK_TEST_ETCD` names, on a free loopback port. It is stopped when this is dropped.
pub struct Etcd {
    /// Its client URL, which stays when it is started again.
    pub url: String,
    options: Vec<String>,
    child: Child,
    folder: TempDir,
}

impl Etcd {
    /// Starts one that is empty.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// The same with options besides.
    pub fn with(options: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (child, address) = spawn(&folder, "http://127.0.0.1:0", options);
        Self {
            url: format!("http://{address}"),
            options: options.to_vec(),
            child,
            folder,
        }
    }

    /// Kills it, and returns when it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again where it was, with what it has on its disk.
    pub fn start_again(&mut self) {
        (self.child, _) = spawn(&self.folder, &self.url, &self.options);
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts it and waits until it says where it serves.
fn spawn(folder: &TempDir, url: &str, options: &[String]) -> (Child, String) {
    let program = std::env::var_os("OPTILOCK_TEST_ETCD").expect(
        "OPTILOCK_TEST_ETCD has to name an etcd; `cargo xtask test --only etcd` builds one",
    );
    let mut child = Command::new(program)
        .arg("--data-dir")
        .arg(folder.path().join("data"))
        .arg(format!("--listen-client-urls={url}"))
        .arg(format!("--advertise-client-urls={url}"))
        // It has no peers; a single member never dials itself.
        .arg("--listen-peer-urls=http://127.0.0.1:0")
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = Vec::new();
    let address = lines.by_ref().find_map(|line| {
        let line = line.unwrap();
        let address = line.contains("serving client traffic").then(|| {
            let (_, rest) = line.split_once("\"address\":\"")?;
            Some(rest.split_once('"')?.0.to_owned())
        });
        said.push(line);
        address?
    });
    // What it says later is read by nobody, who needs it not; but it may not wait for a reader.
    thread::spawn(move || lines.for_each(drop));
    let address = address.unwrap_or_else(|| panic!("etcd did not start: {}", said.join("\n")));
    (child, address)
}
