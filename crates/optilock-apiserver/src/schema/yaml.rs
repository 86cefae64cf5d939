//! YAML text to [`Node`]s, as `sigs.k8s.io/yaml` reads it: YAML 1.1 scalars (`yes` is true, `010`
//! is 8), keys become text, members are sorted.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::node::{MAX_DEPTH, Node};
use crate::validation::gofmt::quote;

/// How many values the aliases of a document may stand for.
const MAX_ALIASED: usize = 1_000_000;

/// Parses the first document of a stream. Besides the document it returns the complaint about
/// keys that are there twice, if there are any.
pub(super) fn parse(body: &[u8]) -> Result<(Node<'static>, Vec<String>), String> {
    let text = std::str::from_utf8(body).map_err(|_| "yaml: invalid leading UTF-8 octet")?;
    let options = granit_parser::options! {
        block_scalar_eof_without_line_feed: true,
        block_nesting_limit: MAX_DEPTH,
        flow_nesting_limit: MAX_DEPTH,
    };
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        aliased: 0,
        duplicates: Vec::new(),
    };
    let root = reader.document()?;
    let complaints = match &reader.duplicates[..] {
        [] => Vec::new(),
        lines => vec![format!("yaml: unmarshal errors:\n  {}", lines.join("\n  "))],
    };
    Ok((root, complaints))
}

struct Reader<'a> {
    events: Parser<'a, granit_parser::StrInput<'a>>,
    /// Values with an anchor, and how many values each of them holds.
    anchors: HashMap<usize, (Node<'static>, usize)>,
    aliased: usize,
    duplicates: Vec<String>,
}

/// A value and the line on which it begins.
struct Found {
    node: Node<'static>,
    line: usize,
    /// `<<` as it takes in another map.
    merge: bool,
}

fn scan_error(error: &ScanError) -> String {
    format!("yaml: line {}: {}", error.marker().line(), error.info())
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), String> {
        match self.events.next_event() {
            Some(event) => event.map_err(|error| scan_error(&error)),
            None => Err("yaml: unexpected end of the stream".into()),
        }
    }

    /// The first document; null when there is none.
    fn document(&mut self) -> Result<Node<'static>, String> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (Event::StreamEnd, _) => return Ok(Node::Null),
                (event, span) => return Ok(self.value(event, span, 0)?.node),
            }
        }
    }

    fn value(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Found, String> {
        let line = span.start.line();
        if depth > MAX_DEPTH {
            return Err(format!("yaml: line {line}: exceeded max depth"));
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                if anchor == 0 && style == ScalarStyle::Plain && tag.is_none() && text == "<<" {
                    return Ok(Found {
                        node: Node::Null,
                        line,
                        merge: true,
                    });
                }
                (scalar(&text, style, tag.as_deref())?, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => items.push(self.value(event, span, depth + 1)?.node),
                    }
                }
                (Node::Array(items), anchor)
            }
            Event::MappingStart(_, anchor, _) => (self.mapping(depth)?, anchor),
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    return Err("yaml: anchor contains itself".into());
                };
                self.aliased += size;
                if self.aliased > MAX_ALIASED || height(node) + depth > MAX_DEPTH {
                    return Err("yaml: document contains excessive aliasing".into());
                }
                (node.clone(), 0)
            }
            other => return Err(format!("yaml: line {line}: did not expect {other:?}")),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size(&node)));
        }
        Ok(Found {
            node,
            line,
            merge: false,
        })
    }

    fn mapping(&mut self, depth: usize) -> Result<Node<'static>, String> {
        let mut members: Vec<(Cow<'static, str>, Node<'static>)> = Vec::new();
        let mut places: HashMap<Cow<'static, str>, usize> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key = self.value(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let value = self.value(event, span, depth + 1)?;
            let new = if key.merge {
                merged(value.node)?
            } else {
                vec![(key_text(&key.node)?, value.node)]
            };
            for (name, node) in new {
                // The last of duplicates counts.
                if let Some(&place) = places.get(&name) {
                    let shown = match &key.node {
                        Node::Number(_) | Node::Bool(_) => name.to_string(),
                        _ => quote(&name),
                    };
                    let line = value.line;
                    self.duplicates
                        .push(format!("line {line}: key {shown} already set in map"));
                    members[place].1 = node;
                } else {
                    places.insert(name.clone(), members.len());
                    members.push((name, node));
                }
            }
        }
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Node::Object(members))
    }
}

/// The members that a `<<` takes in: of a map, or of a list of maps, of which the first counts
/// most.
fn merged(node: Node<'static>) -> Result<Vec<(Cow<'static, str>, Node<'static>)>, String> {
    let error = || "yaml: map merge requires map or sequence of maps as the value".to_owned();
    match node {
        Node::Object(members) => Ok(members),
        Node::Array(items) => {
            let mut all = Vec::new();
            for item in items.into_iter().rev() {
                let Node::Object(members) = item else {
                    return Err(error());
                };
                all.extend(members);
            }
            Ok(all)
        }
        _ => Err(error()),
    }
}

fn key_text(key: &Node<'static>) -> Result<Cow<'static, str>, String> {
    Ok(match key {
        Node::String(text) | Node::Number(text) => text.clone(),
        Node::Bool(true) => "true".into(),
        Node::Bool(false) => "false".into(),
        Node::Null => return Err("unsupported map key of type: %!s(<nil>), key: <nil>".into()),
        Node::Array(_) | Node::Object(_) => return Err("yaml: invalid map key".into()),
    })
}

/// How many values a value holds, itself included.
fn size(node: &Node<'_>) -> usize {
    1 + match node {
        Node::Array(items) => items.iter().map(size).sum(),
        Node::Object(members) => members.iter().map(|(_, node)| size(node)).sum(),
        _ => 0_usize,
    }
}

/// How deep a value is.
fn height(node: &Node<'_>) -> usize {
    1 + match node {
        Node::Array(items) => items.iter().map(height).max().unwrap_or(0),
        Node::Object(members) => members
            .iter()
            .map(|(_, node)| height(node))
            .max()
            .unwrap_or(0),
        _ => 0,
    }
}

/// A scalar by its tag, or by its looks when it is plain.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Node<'static>, String> {
    let wanted = tag.and_then(Tag::core_suffix);
    if wanted == Some("str") || (tag.is_some() && wanted.is_none()) {
        return Ok(Node::String(text.to_owned().into()));
    }
    if wanted.is_none() && style != ScalarStyle::Plain {
        return Ok(Node::String(text.to_owned().into()));
    }
    let node = resolve(text)?;
    let found = match &node {
        Node::Null => "null",
        Node::Bool(_) => "bool",
        Node::Number(n) if n.contains(['.', 'e']) => "float",
        Node::Number(_) => "int",
        _ => "str",
    };
    match wanted {
        None => Ok(node),
        Some(wanted) if wanted == found || (wanted, found) == ("float", "int") => Ok(node),
        Some(wanted) => Err(format!(
            "yaml: cannot decode !!{found} `{text}` as a !!{wanted}"
        )),
    }
}

/// What a plain scalar is in YAML 1.1. Times stay text.
fn resolve(text: &str) -> Result<Node<'static>, String> {
    let node = match text {
        "" | "~" | "null" | "Null" | "NULL" => Node::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Node::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Node::Bool(false)
        }
        ".nan" | ".NaN" | ".NAN" => return Err("json: unsupported value: NaN".into()),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Err("json: unsupported value: +Inf".into());
        }
        "-.inf" | "-.Inf" | "-.INF" => return Err("json: unsupported value: -Inf".into()),
        text if text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
            number(text).unwrap_or_else(|| Node::String(text.to_owned().into()))
        }
        text => Node::String(text.to_owned().into()),
    };
    Ok(node)
}

fn number(text: &str) -> Option<Node<'static>> {
    let plain = text.replace('_', "");
    if let Some(integer) = integer(&plain) {
        return Some(Node::Number(integer.to_string().into()));
    }
    let digits = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
    // No words that Rust takes for numbers, and a digit somewhere.
    let float_like = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte))
        && digits.bytes().any(|byte| byte.is_ascii_digit());
    let value: f64 = float_like.then(|| plain.parse().ok())??;
    let number = serde_json::Number::from_f64(value)?;
    let mut out = Vec::new();
    super::encode::float(&number, &mut out);
    Some(Node::Number(String::from_utf8(out).ok()?.into()))
}

/// An integer as Go reads it with base 0: `0x`, `0o`, `0b`, and a leading 0 for octal.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, &lower[..]),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let size = i128::from(u64::from_str_radix(digits, base).ok()?);
    let value = if negative { -size } else { size };
    (value >= i128::from(i64::MIN)).then_some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> serde_json::Value {
        parse(text.as_bytes()).expect("YAML").0.to_value()
    }

    #[test]
    fn scalars_are_those_of_yaml_1_1() {
        let text = "[yes, off, 010, 0x1F, 1_000, 1.0, .5, 1e3, ~, '1', 1.2.3, +7, 0b11, 08, -0o7,
            2024-01-01, 12:30, 18446744073709551615, '', !!str 5, \"no\", +, .]";
        assert_eq!(
            value(text),
            json!([
                true,
                false,
                8,
                31,
                1000,
                1,
                0.5,
                1000,
                null,
                "1",
                "1.2.3",
                7,
                3,
                8,
                -7,
                "2024-01-01",
                "12:30",
                18_446_744_073_709_551_615_u64,
                "",
                "5",
                "no",
                "+",
                "."
            ])
        );
    }

    #[test]
    fn keys_become_text_and_are_sorted() {
        assert_eq!(
            value("{b: 1, 2: x, true: a, 1.5: z}").to_string(),
            r#"{"1.5":"z","2":"x","b":1,"true":"a"}"#
        );
    }

    #[test]
    fn duplicates_are_reported_with_their_line() {
        let (node, complaints) =
            parse(b"a: 1\nb:\n  c: 1\n  c: 2\na: 3\n1: s\n1: t\n").expect("YAML");
        assert_eq!(node.to_value(), json!({"a": 3, "b": {"c": 2}, "1": "t"}));
        assert_eq!(
            complaints,
            [
                "yaml: unmarshal errors:\n  line 4: key \"c\" already set in map\n  line 5: key \"a\" already set in map\n  line 7: key 1 already set in map"
            ]
        );
    }

    #[test]
    fn anchors_aliases_and_merges_work() {
        assert_eq!(
            value("p: &a {k: 1, l: 2}\nq: *a\nr: {<<: *a, k: 3}\n"),
            json!({"p": {"k": 1, "l": 2}, "q": {"k": 1, "l": 2}, "r": {"k": 3, "l": 2}})
        );
    }

    #[test]
    fn bombs_are_refused() {
        let mut text = "a0: &a0 [x]\n".to_owned();
        for n in 1..40 {
            text += &format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}]\n", n - 1);
        }
        assert_eq!(
            parse(text.as_bytes()).expect_err("a bomb"),
            "yaml: document contains excessive aliasing"
        );
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
        assert!(parse("- ".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn only_the_first_document_counts() {
        assert_eq!(value("---\na: 1\n---\nb: 2\n"), json!({"a": 1}));
        assert_eq!(value(""), json!(null));
        assert_eq!(value("a: |\n  text"), json!({"a": "text"}));
    }

    #[test]
    fn errors_name_the_line() {
        let error = parse(b"a: b\nc: d: e\n").expect_err("no YAML");
        assert!(error.starts_with("yaml: line 2: "), "{error}");
    }
}
