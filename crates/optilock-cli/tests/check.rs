//! `optilock check` on files that are histories, good and bad, and on files that are none.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    io::Write,
    process::{Command, Stdio},
};

use common::{Said, optilock, run, text};
use serde_json::Value;

const HEADER: &str = r#"{"version":1,"target":"(a server)","seed":1,"clock":"virtual"}"#;

/// An update from one version to the next.
fn update(op_id: &str, base: u64, rv: u64, value: i64, at: u64) -> String {
    let returned = at + 10;
    format!(
        r#"{{"op_id":"{op_id}","worker":0,"uid":"u-1","verb":"update","kind":"Deployment","name":"d","base":"{base}","invoke_ns":{at},"return_ns":{returned},"outcome":"applied","rv":"{rv}","value":{value}}}"#
    )
}

fn good() -> String {
    [
        HEADER.to_owned(),
        update("a", 4, 5, 101, 10),
        update("b", 5, 6, 102, 30),
    ]
    .join("\n")
}

fn lost() -> String {
    [
        HEADER.to_owned(),
        update("a", 4, 5, 101, 10),
        update("b", 4, 6, 101, 15),
    ]
    .join("\n")
}

/// What is said of a file with this content; `{}` in the arguments is its name.
fn check(content: &str, args: &[&str]) -> Said {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("history.jsonl");
    std::fs::write(&file, content).unwrap();
    let args: Vec<_> = ["check"]
        .iter()
        .chain(args)
        .map(|arg| if *arg == "{}" { text(&file) } else { arg })
        .collect();
    run(&args)
}

#[test]
fn a_good_history() {
    let said = check(&good(), &["{}"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stderr, "");
    for words in [
        "2 operations on 1 objects: 2 writes",
        "lost-update",
        "no update was lost or doubled",
    ] {
        assert!(said.stdout.contains(words), "{}", said.stdout);
    }
}

#[test]
fn a_lost_update() {
    let said = check(&lost(), &["{}"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let words = [
        "lost-update: \"b\" was computed from version 4 and accepted as 6; it overwrote version 5, written by \"a\" (uid u-1)",
        "  line 2: {\"op_id\":\"a\"",
        "  line 3: {\"op_id\":\"b\"",
        "violated: lost-update",
    ];
    for words in words {
        assert!(
            said.stdout.contains(words),
            "no {words:?} in {}",
            said.stdout
        );
    }
}

#[test]
fn as_json() {
    let said = check(&lost(), &["{}", "--json", "-"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let verdict: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(verdict["ok"], false);
    assert_eq!(verdict["violations"][0]["rule"], "lost-update");
    assert_eq!(verdict["violations"][0]["excerpt"][1]["line"], 3);

    let directory = tempfile::tempdir().unwrap();
    let verdict = directory.path().join("verdict.json");
    let said = check(&good(), &["{}", "--json", text(&verdict)]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("no update was lost"));
    let verdict: Value = serde_json::from_slice(&std::fs::read(verdict).unwrap()).unwrap();
    assert_eq!(verdict["totals"]["writes"], 2);

    let said = check(&good(), &["{}", "--json", "/nowhere/at/all"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.stderr.contains("/nowhere/at/all") && said.stderr.contains("--json"),
        "{said:?}"
    );
}

#[test]
fn from_standard_input() {
    let mut command: Command = optilock(&["check", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(lost().as_bytes())
        .unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(1));
}

#[test]
fn files_that_are_no_histories() {
    let cut = format!("{}\n{{\"op_id\":", good());
    let cases = [
        ("", "empty"),
        ("hello\n", "line 1 is no header"),
        (r#"{"version":9}"#, "version 9"),
        (cut.as_str(), "line 4: "),
    ];
    for (content, words) in cases {
        let said = check(content, &["{}"]);
        assert_eq!(said.code, Some(2), "{content:?}: {said:?}");
        assert_eq!(said.stdout, "");
        assert!(
            said.stderr.contains("is no history: ") && said.stderr.contains(words),
            "{said:?}"
        );
    }
    assert!(check(&cut, &["{}"]).stderr.contains("head -n 3"));
    let said = run(&["check", "/nowhere/at/all"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("/nowhere/at/all"), "{said:?}");
    assert_eq!(run(&["check"]).code, Some(2));
}
