//! Input that can't be right: each has its own message, and nothing is done.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod common;

use common::{run, text};

/// The command ends with 2 and a message that has all these words.
fn refused(args: &[&str], words: &[&str]) {
    let said = run(args);
    assert_eq!(said.code, Some(2), "{args:?}: {said:?}");
    assert_eq!(said.stdout, "", "{args:?}");
    for word in words {
        assert!(
            said.stderr.contains(word),
            "{args:?}: no {word:?} in {}",
            said.stderr
        );
    }
}

#[test]
fn demo() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["--wrokers", "5"], &["--wrokers", "--workers"]),
        (&["--steps", "0"], &["--steps", "0 steps", "unlimited"]),
        (&["--steps", "-1"], &["--steps", "from 1"]),
        (&["--steps", "many"], &["--steps", "from 1"]),
        (&["--steps", "99999999999"], &["--steps", "2147483647"]),
        (&["--workers", "0"], &["--workers", "0 workers"]),
        (&["--workers", "-3"], &["--workers", "from 1"]),
        (&["--workers", "1.5"], &["--workers", "from 1"]),
        (&["--workers", "10001"], &["--workers", "10000"]),
        (&["--duration", "10"], &["--duration", "unit", "10ms"]),
        (&["--duration", "-10ms"], &["--duration", "negative"]),
        (&["--duration", "10 ms"], &["--duration", "unit"]),
        (&["--factor", "-1"], &["--factor", "negative"]),
        (&["--factor", "NaN"], &["--factor", "negative, and finite"]),
        (&["--factor", "x"], &["--factor", "number"]),
        (&["--jitter", "-0.1"], &["--jitter", "negative"]),
        (&["--jitter", "inf"], &["--jitter", "finite"]),
        (&["--cap", "1y"], &["--cap", "\"y\"", "units"]),
        (&["--qps", "-5"], &["--qps", "0 for no throttle"]),
        (&["--burst", "0"], &["--burst", "from 1", "--qps 0"]),
        (&["--lang", "fr"], &["--lang", "en", "zh"]),
        (&["--name", ""], &["--name"]),
        (&["--name", "Not_A_Name"], &["--name", "lower case"]),
        (&["--namespace", "a.b"], &["--namespace", "lower case"]),
        (&["extra"], &["extra"]),
    ];
    for (args, words) in cases {
        refused(&[&["demo"], *args].concat(), words);
    }
}

#[test]
fn serve() {
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["--listen", ":6443"],
            &["--listen", "127.0.0.1:6443", "0.0.0.0:6443"],
        ),
        (&["--listen", "6443"], &["--listen", "127.0.0.1:6443"]),
        (&["--listen", "127.0.0.1:99999"], &["--listen"]),
        (&["--store", "redb:"], &["--store", "redb:objects"]),
        (
            &["--store", "etcd:127.0.0.1:1"],
            &["--store", "http://HOST:PORT"],
        ),
        (
            &["--etcd-cafile", "ca.crt"],
            &["--etcd-cafile", "--store etcd:URL"],
        ),
        (&["--etcd-certfile", "tls.crt"], &["--etcd-keyfile"]),
        (&["--etcd-user", "root"], &["--etcd-password-file"]),
        (&["--store", "disk"], &["--store", "memory"]),
        (
            &["--controllers", "deployment-controller"],
            &["--controllers", "none", "namespace-controller"],
        ),
        (&["--compact-after", "0"], &["--compact-after", "5m"]),
        (&["--compact-after", "soon"], &["--compact-after", "10ms"]),
        (
            &["--kubeconfig", "/nowhere/at/all"],
            &["/nowhere/at", "--kubeconfig"],
        ),
    ];
    for (args, words) in cases {
        refused(&[&["serve"], *args].concat(), words);
    }
}

#[test]
fn nothing_and_nonsense() {
    refused(&[], &["Usage", "demo", "serve"]);
    refused(&["dmeo"], &["dmeo", "demo"]);
}

#[test]
fn a_kubeconfig_that_says_nothing_useful() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kubeconfig");
    let path = text(&file);
    refused(
        &["demo", "--kubeconfig", path],
        &[path, "No such file", "--kubeconfig"],
    );
    let directory = text(directory.path());
    refused(
        &["demo", "--kubeconfig", directory],
        &[directory, "--kubeconfig"],
    );

    let config = |cluster: &str, user: &str| {
        format!(
            "clusters:\n- {{name: k, cluster: {{{cluster}}}}}\n\
             users:\n- {{name: u, user: {{{user}}}}}\n\
             contexts:\n- {{name: c, context: {{cluster: k, user: u}}}}\n\
             current-context: c\n"
        )
    };
    let server = "server: 'https://127.0.0.1:1'";
    let proxied = format!("{server}, proxy-url: 'http://127.0.0.1:1'");
    let no_file = "client-certificate: nowhere.pem, client-key: nowhere.pem";
    let no_base64 = "client-certificate-data: '!', client-key-data: '!'";
    let cases = [
        (String::new(), "current context"),
        ("a: [".into(), "YAML"),
        ("\0\u{1}".into(), "YAML"),
        ("just text".into(), "YAML"),
        ("current-context: elsewhere\n".into(), "elsewhere"),
        (
            config(server, "").replace("cluster: k,", "cluster: other,"),
            "other",
        ),
        (config("", ""), "cluster url"),
        (config("server: 'http://a b'", ""), "cluster url"),
        (config(&proxied, ""), "proxy"),
        (config(server, no_file), "nowhere.pem"),
        (config(server, no_base64), "base64"),
    ];
    for (content, word) in cases {
        std::fs::write(&file, content).unwrap();
        refused(
            &["demo", "--kubeconfig", path],
            &["can't be used", path, word, "kubectl"],
        );
    }
}
