//! Values as kube-apiserver prints them: Go's `%q` and `encoding/json`.

use std::fmt::Write as _;

use serde_json::Value;

/// A string as Go's `%q` (`strconv.Quote`) prints it.
///
/// Printable characters stay, the usual control characters get their letter, the rest is
/// escaped by code point.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if is_print(c) => out.push(c),
            c => {
                let code = u32::from(c);
                // Writing to a String cannot fail.
                let _ = match code {
                    0..=0x7f => write!(out, "\\x{code:02x}"),
                    0x80..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push('"');
    out
}

/// Whether Go's `unicode.IsPrint` holds: letters, marks, numbers, punctuation, symbols and the
/// ASCII space.
pub(crate) fn is_print(c: char) -> bool {
    if c.is_ascii() {
        return c == ' ' || c.is_ascii_graphic();
    }
    // The standard library escapes exactly the same characters, and combining marks only at
    // the start of a text, hence the letter before it.
    let mut text = String::with_capacity(5);
    text.push('a');
    text.push(c);
    text.escape_debug().nth(1) == Some(c)
}

/// A value as Go's `encoding/json` prints it: compact, with `<`, `>`, `&` and the two line
/// separators escaped.
pub(crate) fn json(value: &Value) -> String {
    let plain = value.to_string();
    if !plain.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return plain;
    }
    // Outside of strings none of these occurs in JSON.
    let mut out = String::with_capacity(plain.len() + 16);
    for c in plain.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

/// A value as Go's `%v` prints it: `map[a:1 b:[x y]]`.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, member)| format!("{name}:{}", plain(member)))
                .collect();
            format!("map[{}]", members.join(" "))
        }
        other => other.to_string(),
    }
}

/// Go's name of the type that a JSON value has when it is decoded without a type.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        // What `%s` makes of a missing type.
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn quote_is_go_quote() {
        for (text, expected) in [
            ("plain", r#""plain""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\u{7}\u{8}\u{c}\n\r\t\u{b}", r#""\a\b\f\n\r\t\v""#),
            ("\u{0}\u{7f}", r#""\x00\x7f""#),
            ("ü中e\u{301}", "\"ü中e\u{301}\""),
            ("\u{301}", "\"\u{301}\""),
            ("\u{200b}\u{a0}", r#""\u200b\u00a0""#),
            ("\u{10ffff}", r#""\U0010ffff""#),
        ] {
            assert_eq!(super::quote(text), expected);
        }
    }

    #[test]
    fn plain_is_go_percent_v() {
        assert_eq!(
            super::plain(&json!({"b": [1, true, null, {"c": "x y"}], "a": 1.5})),
            "map[a:1.5 b:[1 true <nil> map[c:x y]]]"
        );
    }

    #[test]
    fn json_escapes_like_go() {
        assert_eq!(
            super::json(&json!({"a": "<b>&\u{2028}", "n": [1, null]})),
            r#"{"a":"\u003cb\u003e\u0026\u2028","n":[1,null]}"#
        );
    }
}
