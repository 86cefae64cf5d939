//! An etcd for a test, as a process of its own.
// Every test file uses its own part, and a panic is how a test fails.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
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
        Self::with("http", &[])
    }

    /// The same by `http` or `https`, with options besides.
    pub fn with(scheme: &str, options: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut tries = 0;
        loop {
            let url = format!("{scheme}://{}", free_address());
            tries += 1;
            match spawn(&folder, &url, options) {
                Ok(child) => {
                    return Self {
                        url,
                        options: options.to_vec(),
                        child,
                        folder,
                    };
                }
                Err(said) if tries < 3 && said.contains("address already in use") => {}
                Err(said) => panic!("etcd did not start: {said}"),
            }
        }
    }

    /// Kills it, and returns when it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Takes what it has on its disk away; it may not run.
    pub fn forget(&mut self) {
        std::fs::remove_dir_all(self.folder.path().join("data")).unwrap();
    }

    /// Starts it again where it was, with what it has on its disk.
    pub fn start_again(&mut self) {
        self.child = spawn(&self.folder, &self.url, &self.options).unwrap();
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback address whose port was free a moment ago: etcd calls itself by the one that it is given, so that it can't be
/// told to take any.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Starts it and waits until it says that it serves; what it says instead.
fn spawn(folder: &TempDir, url: &str, options: &[String]) -> Result<Child, String> {
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
    let serves = lines.by_ref().any(|line| {
        said.push(line.unwrap());
        said.last().unwrap().contains("serving client traffic")
    });
    if !serves {
        child.wait().unwrap();
        return Err(said.join("\n"));
    }
    // Nobody needs what it says later, but it may not wait for a reader.
    thread::spawn(move || lines.for_each(drop));
    Ok(child)
}
