//! `optilock serve`.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod common;

use std::process::Stdio;

use common::{Serve, optilock, run, text, wait_for};

#[test]
fn a_port_that_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kubeconfig");
    let said = run(&["serve", "--listen", &address, "--kubeconfig", text(&file)]);
    assert_eq!(said.code, Some(1), "{said:?}");
    for word in [address.as_str(), "in use", "--listen"] {
        assert!(said.stderr.contains(word), "{word}: {}", said.stderr);
    }
    assert!(!file.exists());
}

#[test]
fn somebody_s_kubeconfig_is_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config");
    std::fs::write(&file, "apiVersion: v1\nkind: Config\n").unwrap();
    let said = run(&["serve", "--kubeconfig", text(&file)]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("already"), "{}", said.stderr);
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        "apiVersion: v1\nkind: Config\n"
    );
}

#[cfg(unix)]
#[test]
fn ends_cleanly() {
    use rustix::process::Signal;

    for (signal, code) in [(Signal::TERM, 0), (Signal::INT, 130)] {
        let mut serve = Serve::start();
        common::signal(&serve.child, signal);
        assert_eq!(serve.child.wait().unwrap().code(), Some(code));
        assert!(!serve.kubeconfig.exists());
    }
}

#[cfg(unix)]
#[test]
fn the_kubeconfig_is_its_owner_s_secret() {
    use std::os::unix::fs::PermissionsExt;

    let serve = Serve::start();
    let mode = serve.kubeconfig.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Nothing else is left of the writing.
    assert_eq!(serve.directory.path().read_dir().unwrap().count(), 1);
}

#[test]
fn a_new_server_takes_the_place_of_one_that_was_killed() {
    let mut serve = Serve::start();
    serve.child.kill().unwrap();
    serve.child.wait().unwrap();
    let stale = std::fs::read_to_string(&serve.kubeconfig).unwrap();
    let mut command = optilock(&["serve", "--kubeconfig", serve.kubeconfig()]);
    serve.child = command.stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&mut serve.child, "listening on ");
    assert_ne!(std::fs::read_to_string(&serve.kubeconfig).unwrap(), stale);
}

#[cfg(unix)]
#[test]
fn the_audit_log_is_its_owner_s_and_is_continued() {
    use std::os::unix::fs::PermissionsExt;

    use rustix::process::Signal;

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("audit");
    let mut lengths = Vec::new();
    for _ in 0..2 {
        let mut serve = Serve::start_with(&["--audit-log", text(&file), "--log-format", "json"]);
        // The watch of `blame` is a request.
        let blamed = run(&[
            "blame",
            "namespace/default",
            "--for",
            "1s",
            "--kubeconfig",
            serve.kubeconfig(),
        ]);
        assert_eq!(blamed.code, Some(0), "{blamed:?}");
        common::signal(&serve.child, Signal::TERM);
        assert_eq!(serve.child.wait().unwrap().code(), Some(0));
        let written = std::fs::read_to_string(&file).unwrap();
        for line in written.lines() {
            assert!(line.starts_with("{\"kind\":\"Event\","), "{line}");
        }
        assert!(
            written.contains("\"sourceIPs\":[\"127.0.0.1\"]"),
            "{written}"
        );
        lengths.push(written.len());
    }
    assert!(lengths[1] > lengths[0]);
    let mode = file.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn two_things_don_t_go_to_one_stdout() {
    let said = run(&["serve", "--audit-log", "-"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("--kubeconfig"), "{}", said.stderr);
    let said = run(&["serve", "--audit-level", "request"]);
    assert_eq!(said.code, Some(2), "{said:?}");
}
