//! The tables of behaviours name their tests; a test that is renamed or gone would make them lie.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::fs;
use std::path::Path;

#[test]
fn every_test_in_the_tables_exists() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tables = fs::read_to_string(here.join("../../docs/behaviours.md")).unwrap();
    let rows = tables.lines().filter(|line| line.starts_with('|'));
    let names: Vec<_> = rows
        .flat_map(|row| row.split('`').skip(1).step_by(2))
        .filter_map(|code| code.split_once("::"))
        .collect();
    assert!(names.len() > 60, "the tables are not read any more");
    for (file, test) in names {
        let path = here.join("tests").join(file).with_extension("rs");
        let source = fs::read_to_string(&path).unwrap_or_default();
        let exists = source.contains(&format!("fn {test}("));
        assert!(
            exists,
            "docs/behaviours.md: there is no test {test} in {}",
            path.display()
        );
    }
}
