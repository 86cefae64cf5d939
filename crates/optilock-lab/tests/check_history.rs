//! The format of histories: what is written, what is read, and what is refused.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod check_sim;

use check_sim::Plan;
use jsonschema::Validator;
use optilock_lab::{
    check::check,
    history::{Clock, Header, History, HistoryError, Reader, Writer},
};
use proptest::prelude::*;
use serde_json::Value;

const HEADER: &str = r#"{"version":1,"target":"t","seed":1,"clock":"virtual"}"#;
const OPERATION: &str = r#"{"op_id":"a","worker":0,"uid":"u","verb":"update","kind":"Deployment","name":"d","base":"4","invoke_ns":10,"return_ns":20,"outcome":"applied","rv":"5","value":101,"spans":[{"what":"throttle","start_ns":10,"end_ns":12}]}"#;
const EVENT: &str =
    r#"{"watch":0,"type":"MODIFIED","rv":"5","uid":"u","value":101,"op_ids":["a"]}"#;

fn written(seed: u64) -> String {
    let (history, _) = Plan::new(seed, None).run();
    let file = Writer::write_all(Vec::new(), &history).unwrap();
    String::from_utf8(file).unwrap()
}

fn schema() -> Validator {
    let schema = include_str!("../../../docs/history.schema.json");
    jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
}

/// What reading these lines says.
fn refused(lines: &[&str]) -> String {
    let file = lines.join("\n");
    History::read(file.as_bytes()).unwrap_err().to_string()
}

#[test]
fn what_is_written_is_read_again() {
    for seed in 0..20 {
        let (history, _) = Plan::new(seed, None).run();
        let file = Writer::write_all(Vec::new(), &history).unwrap();
        assert_eq!(History::read(file.as_slice()).unwrap(), history);
    }
}

#[test]
fn what_is_written_fits_the_schema() {
    let schema = schema();
    for line in [HEADER, OPERATION, EVENT]
        .into_iter()
        .chain(written(1).lines())
    {
        let line: Value = serde_json::from_str(line).unwrap();
        let errors: Vec<_> = schema
            .iter_errors(&line)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{line}: {errors:?}");
    }
}

/// The reader and the schema refuse the same lines.
#[test]
fn bad_lines_are_named() {
    let without = |line: &str, field: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        value.as_object_mut().unwrap().remove(field).unwrap();
        value.to_string()
    };
    let with = |line: &str, field: &str, new: Value| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        value[field] = new;
        value.to_string()
    };
    let cases = [
        (without(OPERATION, "op_id"), "neither an operation"),
        (without(OPERATION, "verb"), "`verb`"),
        (without(OPERATION, "return_ns"), "return_ns"),
        (without(OPERATION, "rv"), "\"rv\""),
        (without(EVENT, "uid"), "\"uid\""),
        (without(EVENT, "rv"), "`rv`"),
        (with(OPERATION, "type", "ADDED".into()), "both"),
        (with(OPERATION, "verb", "put".into()), "`put`"),
        (with(OPERATION, "outcome", "ok".into()), "`ok`"),
        (with(OPERATION, "rv", 5.into()), "resourceVersion"),
        (with(OPERATION, "rv", "x5".into()), "resourceVersion"),
        (with(OPERATION, "base", "".into()), "resourceVersion"),
        (with(OPERATION, "invoke_ns", (-1).into()), "-1"),
        (with(OPERATION, "value", 1.5.into()), "1.5"),
        (with(EVENT, "type", "CHANGED".into()), "`CHANGED`"),
        ("[]".to_owned(), "not a JSON object"),
        ("7".to_owned(), "not a JSON object"),
    ];
    let schema = schema();
    for (line, word) in cases {
        let message = refused(&[HEADER, OPERATION, "", &line]);
        assert!(message.starts_with("line 4: "), "{message}");
        assert!(message.contains(word), "no {word:?} in {message:?}");
        assert!(
            !schema.is_valid(&serde_json::from_str(&line).unwrap()),
            "{line}"
        );
    }
    let message = refused(&[HEADER, &with(OPERATION, "return_ns", 9.into())]);
    assert_eq!(message, "line 2: \"return_ns\" is before \"invoke_ns\"");
    let message = refused(&[HEADER, "{\"op_id\":"]);
    assert!(
        message.starts_with("line 2: no operation: EOF"),
        "{message}"
    );
    for line in ["\u{0}", "nonsense"] {
        assert_eq!(
            refused(&[HEADER, line]),
            "line 2: not a JSON object, which begins with {"
        );
    }
    let long = format!("{{\"op_id\":\"{}\"}}", "x".repeat(1 << 20));
    assert!(refused(&[HEADER, &long]).starts_with("line 2: longer than"));
}

#[test]
fn a_file_that_is_no_history_is_refused_by_its_first_line() {
    assert!(refused(&[""]).contains("empty"));
    assert!(refused(&[OPERATION]).starts_with("line 1 is no header"));
    assert!(refused(&["# a text"]).starts_with("line 1 is no header"));
    let later = r#"{"version":2,"something":"else"}"#;
    assert!(refused(&[later]).contains("version 2"));
    let error = History::read([0xff, 0xfe, b'\n'].as_slice()).unwrap_err();
    assert!(matches!(error, HistoryError::NoHeader { .. }), "{error}");
}

#[test]
fn a_reader_ends_with_its_first_error() {
    let file = [HEADER, OPERATION, "x", OPERATION].join("\n");
    let mut reader = Reader::new(file.as_bytes()).unwrap();
    assert!(reader.next().unwrap().is_ok());
    assert!(reader.next().unwrap().is_err());
    assert!(reader.next().is_none());
}

#[test]
fn fields_of_others_are_ignored() {
    let line = OPERATION.replacen('{', r#"{"my_note":{"x":[1]},"#, 1);
    let file = [HEADER, &line].join("\n");
    assert_eq!(History::read(file.as_bytes()).unwrap().records.len(), 1);
}

#[test]
fn an_empty_history_violates_nothing() {
    let history = History::new(Header::new("t", 1, Clock::Monotonic), []);
    let verdict = check(&history);
    assert!(verdict.is_ok());
    assert_eq!(verdict.totals.operations, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Numbers at the edges of their ranges overflow nothing.
    #[test]
    fn extreme_numbers_crash_nothing(
        operations in prop::collection::vec(
            (
                prop::sample::select(vec![0, 1, 2, u64::MAX - 1, u64::MAX]),
                prop::sample::select(vec![0, 1, 2, u64::MAX - 1, u64::MAX]),
                prop::sample::select(vec![i64::MIN, -1, 0, 1, i64::MAX]),
                prop::sample::select(vec![i64::MIN, -1, 0, 1, i64::MAX]),
                prop::sample::select(vec!["applied", "conflict", "refused", "unknown"]),
                prop::sample::select(vec!["create", "get", "update", "patch", "delete"]),
            ),
            0..20,
        ),
    ) {
        let lines = operations.iter().enumerate().flat_map(|(at, (base, rv, value, add, outcome, verb))| [
            format!(
                r#"{{"op_id":"{}","uid":"u","verb":"{verb}","kind":"K","name":"n","base":"{base}","invoke_ns":{base},"return_ns":{},"outcome":"{outcome}","rv":"{rv}","value":{value},"add":{add}}}"#,
                at % 5, base.saturating_add(*rv),
            ),
            format!(r#"{{"type":"MODIFIED","uid":"u","rv":"{rv}","value":{value},"op_ids":["{}"]}}"#, at % 3),
            format!(r#"{{"type":"BOOKMARK","rv":"{base}"}}"#),
        ]);
        let file = std::iter::once(HEADER.to_owned()).chain(lines).collect::<Vec<_>>().join("\n");
        check(&History::read(file.as_bytes()).unwrap());
    }
}
