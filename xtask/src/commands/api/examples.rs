//! Whether every public item shows how it is used.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::Json;

/// Code blocks that are not run.
const NOT_RUN: [&str; 3] = ["ignore", "no_run", "compile_fail"];

pub(super) fn check(json: &Json) -> Result<()> {
    let lacking = lacking(json);
    ensure!(
        lacking.is_empty(),
        "no example that runs in the documentation of {}",
        lacking.join(", ")
    );
    Ok(())
}

/// The public items without an example, or with one that isn't run.
fn lacking(json: &Json) -> Vec<&str> {
    let root = json.item(&json.value["root"]);
    let items = root["inner"]["module"]["items"].as_array();
    let mut lacking = Vec::new();
    for id in items.into_iter().flatten() {
        let exported = json.item(id);
        // Modules are private: what is public is exported from them, by name.
        let item = match &exported["inner"]["use"]["id"] {
            Value::Null => exported,
            id => json.item(id),
        };
        let name = item["name"].as_str().unwrap_or_default();
        if !has_example(item["docs"].as_str().unwrap_or_default()) {
            lacking.push(name);
        }
    }
    lacking
}

/// Whether there is a code block, and all of them are run.
fn has_example(docs: &str) -> bool {
    // Every second fence ends a block.
    let fences = docs
        .lines()
        .filter_map(|line| line.trim().strip_prefix("```"));
    let blocks: Vec<_> = fences.step_by(2).collect();
    let is_code = |info: &&str| info.split(',').all(|word| word != "text");
    let mut code = blocks.into_iter().filter(is_code).peekable();
    code.peek().is_some() && code.all(|info| info.split(',').all(|word| !NOT_RUN.contains(&word)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_example_is_a_block_that_runs() {
        assert!(has_example("Adds.\n\n```\nassert_eq!(1 + 1, 2);\n```\n"));
        assert!(has_example("```text\nx\n```\n```\nlet a = 1;\n```"));
        assert!(!has_example("Adds."));
        assert!(!has_example("```text\nx\n```"));
        assert!(!has_example("```no_run\nloop {}\n```"));
        assert!(!has_example("```\nlet a = 1;\n```\n```rust,ignore\nx\n```"));
    }

    #[test]
    fn items_are_found_behind_their_exports() {
        let json = Json {
            path: "optilock.json".into(),
            value: json!({
                "root": 0,
                "index": {
                    "0": {"inner": {"module": {"items": [1, 2, 3]}}},
                    "1": {"name": null, "inner": {"use": {"id": 4}}},
                    "2": {"name": "shown", "docs": "```\nlet a = 1;\n```", "inner": {"function": {}}},
                    "3": {"name": "bare", "docs": null, "inner": {"function": {}}},
                    "4": {"name": "Exported", "docs": "It is.", "inner": {"struct": {}}},
                },
            }),
        };
        assert_eq!(lacking(&json), ["Exported", "bare"]);
    }
}
