//! `optilock report` on histories and summaries, and on files that are neither.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::PathBuf;

use common::{Said, run, text};
use serde_json::{Value, json};
use tempfile::TempDir;

const HISTORY: &str = r#"{"version":1,"target":"</script><b>","seed":1,"clock":"virtual"}
{"op_id":"a","worker":7,"uid":"u-1","verb":"update","kind":"Deployment","name":"d","base":"4","invoke_ns":10,"return_ns":20,"outcome":"applied","rv":"5","value":101}
{"op_id":"b","worker":4000000000,"uid":"u-1","verb":"update","kind":"Deployment","name":"d","base":"4","invoke_ns":15,"return_ns":25,"outcome":"applied","rv":"6","value":101}
"#;

struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, content) in files {
            std::fs::write(folder.path(name), content).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn report(&self, names: &[&str]) -> Said {
        let files: Vec<_> = names.iter().map(|name| self.path(name)).collect();
        let page = self.path("page.html");
        let mut args = vec!["report", "-o", text(&page)];
        args.extend(files.iter().map(|file| text(file)));
        run(&args)
    }

    fn page(&self) -> String {
        std::fs::read_to_string(self.path("page.html")).unwrap()
    }
}

/// What the page's script reads.
fn data(page: &str) -> Value {
    let (_, rest) = page.split_once(r#"id="data">"#).unwrap();
    let (data, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(data).unwrap()
}

#[test]
fn a_history_is_in_the_page_with_its_verdict() {
    let folder = Folder::new(&[("run.jsonl", HISTORY)]);
    let said = folder.report(&["run.jsonl"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let page = folder.page();
    let history = &data(&page)["histories"][0];
    assert_eq!(history["name"], "run.jsonl");
    // Neither the numbers of workers nor of versions make rows or gaps.
    assert_eq!(history["workers"], json!([7, 4_000_000_000_u32]));
    assert_eq!(history["ops"]["worker"], json!([0, 1]));
    assert_eq!(history["ops"]["start"], json!([0, 5]));
    assert_eq!(history["ops"]["rv"], json!([5, 6]));
    assert_eq!(history["verdict"]["violations"][0]["rule"], "lost-update");
}

#[test]
fn what_a_history_says_is_no_markup() {
    let folder = Folder::new(&[("run.jsonl", HISTORY)]);
    folder.report(&["run.jsonl"]);
    let page = folder.page();
    assert_eq!(page.matches("</script>").count(), 2);
    assert!(!page.contains("<b>"));
    assert_eq!(
        data(&page)["histories"][0]["header"]["target"],
        "</script><b>"
    );
}

#[test]
fn the_page_needs_no_network() {
    let folder = Folder::new(&[("run.jsonl", HISTORY)]);
    folder.report(&["run.jsonl"]);
    let page = folder.page();
    assert!(page.contains("default-src 'none'"));
    for word in ["src=", "@import", "url(", "fetch(", "<link"] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn a_file_that_is_neither() {
    let folder = Folder::new(&[
        ("empty", ""),
        ("other.json", r#"{"runs": 5}"#),
        (
            "torn.jsonl",
            "{\"version\":1,\"target\":\"t\",\"seed\":1,\"clock\":\"virtual\"}\n{\"op_id\":",
        ),
    ]);
    for (file, word) in [
        ("empty", "is no history: the file is empty"),
        ("other.json", "is no summary of runs"),
        ("torn.jsonl", "line 2"),
        ("missing", "can't read the history"),
    ] {
        let said = folder.report(&[file]);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.stderr.contains(word), "{said:?}");
        assert!(!folder.path("page.html").exists());
    }
}

#[test]
fn a_page_that_can_not_be_written() {
    let folder = Folder::new(&[("run.jsonl", HISTORY)]);
    let history = folder.path("run.jsonl");
    let nowhere = folder.path("nowhere").join("page.html");
    let said = run(&["report", text(&history), "-o", text(&nowhere)]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("--output"), "{said:?}");
}
