//! Input that can't be right: each has its own message, and nothing is done.

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
        (&["--store", "redb:/tmp/x"], &["--store", "redb", "memory"]),
        (
            &["--store", "etcd:http://127.0.0.1:1"],
            &["--store", "etcd", "memory"],
        ),
        (&["--store", "disk"], &["--store", "memory"]),
        (&["--controllers", "all"], &["--controllers", "none"]),
        (
            &["--controllers", "deployment-controller"],
            &["--controllers", "none"],
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

    let context = "contexts:\n- {name: c, context: {cluster: k, user: u}}\ncurrent-context: c\n";
    let cluster = "clusters:\n- {name: k, cluster: {server: 'https://127.0.0.1:1'}}\n";
    let cases: &[(&str, &str)] = &[
        ("", "current context"),
        ("a: [", "YAML"),
        ("\0\u{1}", "YAML"),
        ("just text", "YAML"),
        ("current-context: c\n", "c"),
        (context, "k"),
        (
            &format!(
                "{context}clusters:\n- {{name: k, cluster: {{}}}}\nusers:\n- {{name: u, user: {{}}}}\n"
            ),
            "cluster url",
        ),
        (
            &format!(
                "{context}clusters:\n- {{name: k, cluster: {{server: 'http://a b'}}}}\nusers:\n- {{name: u, user: {{}}}}\n"
            ),
            "url",
        ),
        (
            &format!(
                "{context}{cluster}users:\n- {{name: u, user: {{client-certificate: nowhere.pem, client-key: nowhere.pem}}}}\n"
            ),
            "nowhere.pem",
        ),
        (
            &format!(
                "{context}{cluster}users:\n- {{name: u, user: {{client-certificate-data: '!', client-key-data: '!'}}}}\n"
            ),
            "base64",
        ),
    ];
    for (content, word) in cases {
        std::fs::write(&file, content).unwrap();
        refused(
            &["demo", "--kubeconfig", path],
            &["can't be used", path, word, "kubectl"],
        );
    }
}
