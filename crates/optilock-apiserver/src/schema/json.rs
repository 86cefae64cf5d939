//! JSON text to [`Node`]s, with the syntax errors of Go's `encoding/json`.

use std::borrow::Cow;

use super::node::{MAX_DEPTH, Node};
use crate::validation::gofmt::quote;

/// Parses one JSON document. The error is Go's text.
pub(super) fn parse(body: &[u8]) -> Result<Node<'_>, String> {
    let mut parser = Parser {
        body,
        text: std::str::from_utf8(body).ok(),
        at: 0,
        members: Vec::new(),
        items: Vec::new(),
    };
    parser.blanks();
    let node = parser.value(0)?;
    parser.blanks();
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.unexpected("after top-level value")),
    }
}

struct Parser<'a> {
    body: &'a [u8],
    /// The body, where all of it is UTF-8: then its parts need no look of their own.
    text: Option<&'a str>,
    at: usize,
    /// Members of the objects that are not at their end yet, and items of such arrays: an object that ends takes its own,
    /// in one piece.
    members: Vec<(Cow<'a, str>, Node<'a>)>,
    items: Vec<Node<'a>>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// The error about the byte at hand, or about the end of the text.
    fn unexpected(&self, context: &str) -> String {
        let Some(byte) = self.peek() else {
            return "unexpected end of JSON input".into();
        };
        let shown = match byte {
            b'\'' => "'\\''".into(),
            b'"' => "'\"'".into(),
            byte => {
                let quoted = quote(char::from(byte).encode_utf8(&mut [0; 4]));
                format!("'{}'", &quoted[1..quoted.len() - 1])
            }
        };
        format!("invalid character {shown} {context}")
    }

    fn value(&mut self, depth: usize) -> Result<Node<'a>, String> {
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Node::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => Ok(Node::Number(Cow::Borrowed(self.number()?))),
            Some(b't') => self.literal("true", Node::Bool(true)),
            Some(b'f') => self.literal("false", Node::Bool(false)),
            Some(b'n') => self.literal("null", Node::Null),
            _ => Err(self.unexpected("looking for beginning of value")),
        }
    }

    fn enter(&self, depth: usize) -> Result<usize, String> {
        if depth >= MAX_DEPTH {
            return Err(self.unexpected("exceeded max depth"));
        }
        Ok(depth + 1)
    }

    fn object(&mut self, depth: usize) -> Result<Node<'a>, String> {
        let depth = self.enter(depth)?;
        self.at += 1;
        self.blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Node::Object(Vec::new()));
        }
        let start = self.members.len();
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("looking for beginning of object key string"));
            }
            let key = self.string()?;
            self.blanks();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("after object key"));
            }
            self.at += 1;
            self.blanks();
            let value = self.value(depth)?;
            self.members.push((key, value));
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Node::Object(self.members.split_off(start)));
                }
                _ => return Err(self.unexpected("after object key:value pair")),
            }
            self.blanks();
        }
    }

    fn array(&mut self, depth: usize) -> Result<Node<'a>, String> {
        let depth = self.enter(depth)?;
        self.at += 1;
        self.blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Node::Array(Vec::new()));
        }
        let start = self.items.len();
        loop {
            let item = self.value(depth)?;
            self.items.push(item);
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Node::Array(self.items.split_off(start)));
                }
                _ => return Err(self.unexpected("after array element")),
            }
            self.blanks();
        }
    }

    fn literal(&mut self, word: &str, node: Node<'a>) -> Result<Node<'a>, String> {
        for expected in word.bytes() {
            if self.peek() != Some(expected) {
                let expected = char::from(expected);
                return Err(self.unexpected(&format!("in literal {word} (expecting '{expected}')")));
            }
            self.at += 1;
        }
        Ok(node)
    }

    fn number(&mut self) -> Result<&'a str, String> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.unexpected("in numeric literal")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if !matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.unexpected("after decimal point in numeric literal"));
            }
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.unexpected("in exponent of numeric literal"));
            }
            self.digits();
        }
        // Only ASCII was stepped over.
        Ok(std::str::from_utf8(&self.body[start..self.at]).unwrap_or_default())
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    /// A string; the next byte is its opening quote. Bytes that are no UTF-8 and lone surrogates
    /// become U+FFFD, each.
    fn string(&mut self) -> Result<Cow<'a, str>, String> {
        self.at += 1;
        let mut start = self.at;
        let mut owned: Option<String> = None;
        loop {
            self.at += plain(&self.body[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    let rest = self.part(start);
                    self.at += 1;
                    return Ok(match owned {
                        None => rest,
                        Some(text) => Cow::Owned(text + &rest),
                    });
                }
                Some(b'\\') => {
                    let text = owned.get_or_insert_default();
                    text.push_str(&self.part(start));
                    let escaped = self.escape()?;
                    text.push(escaped);
                    start = self.at;
                }
                _ => return Err(self.unexpected("in string literal")),
            }
        }
    }

    /// The part of the body from `start` to the byte at hand, both of them not inside a character.
    fn part(&self, start: usize) -> Cow<'a, str> {
        let range = start..self.at;
        match self.text.and_then(|text| text.get(range.clone())) {
            Some(part) => Cow::Borrowed(part),
            None => {
                let mut text = String::new();
                push_lossy(&mut text, &self.body[range]);
                Cow::Owned(text)
            }
        }
    }

    /// An escape; the next byte is its backslash.
    fn escape(&mut self) -> Result<char, String> {
        self.at += 1;
        let escaped = match self.peek() {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(byte @ (b'\\' | b'/' | b'"')) => char::from(byte),
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.unexpected("in string escape code")),
        };
        self.at += 1;
        Ok(escaped)
    }

    /// The rest of a `\u` escape, with the one behind it where the two are a pair.
    fn unicode_escape(&mut self) -> Result<char, String> {
        let first = self.hex4()?;
        if !(0xd800..0xdc00).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        if self.body[self.at..].starts_with(b"\\u") {
            let before = self.at;
            self.at += 1;
            let second = self.hex4()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = before;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    /// Four hexadecimal digits behind the `u` at hand.
    fn hex4(&mut self) -> Result<u32, String> {
        self.at += 1;
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(16)) else {
                return Err(self.unexpected("in \\u hexadecimal character escape"));
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }
}

/// How many bytes there are before the first that ends the plain part of a string: a quote, a backslash, a control character.
///
/// It looks at eight bytes at a time. In such a word a byte below `n` borrows when `n` is taken from each of them; the lowest that did is
/// one, whatever the bytes above it seem to be.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let below = |word: u64, n: u8| word.wrapping_sub(ONES * u64::from(n)) & !word & HIGH;
    let is = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let mut at = 0;
    while let Some(word) = bytes[at..].first_chunk() {
        let word = u64::from_le_bytes(*word);
        let ends = is(word, b'"') | is(word, b'\\') | below(word, b' ');
        if ends != 0 {
            return at + ends.trailing_zeros() as usize / 8;
        }
        at += size_of::<u64>();
    }
    let mut rest = bytes[at..].iter();
    let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..b' ');
    rest.position(ends).map_or(bytes.len(), |rest| at + rest)
}

/// Appends bytes that should be UTF-8; each byte that is not becomes U+FFFD.
pub(super) fn push_lossy(text: &mut String, mut bytes: &[u8]) {
    loop {
        match std::str::from_utf8(bytes) {
            Ok(valid) => return text.push_str(valid),
            Err(error) => {
                let (valid, rest) = bytes.split_at(error.valid_up_to());
                text.push_str(std::str::from_utf8(valid).unwrap_or_default());
                text.push(char::REPLACEMENT_CHARACTER);
                bytes = &rest[1..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &[u8]) -> String {
        parse(body).expect_err("not JSON")
    }

    #[test]
    fn syntax_errors_are_gos() {
        for (body, expected) in [
            (&b""[..], "unexpected end of JSON input"),
            (b"{", "unexpected end of JSON input"),
            (b"\"abc", "unexpected end of JSON input"),
            (b"x", "invalid character 'x' looking for beginning of value"),
            (
                b"{x",
                "invalid character 'x' looking for beginning of object key string",
            ),
            (b"{\"a\" 1", "invalid character '1' after object key"),
            (
                b"{\"a\":1 \"",
                "invalid character '\"' after object key:value pair",
            ),
            (b"[1 2]", "invalid character '2' after array element"),
            (b"1 '", "invalid character '\\'' after top-level value"),
            (b"\"\n\"", "invalid character '\\n' in string literal"),
            (b"\"\\q\"", "invalid character 'q' in string escape code"),
            (
                b"\"\\u12x4\"",
                "invalid character 'x' in \\u hexadecimal character escape",
            ),
            (b"-a", "invalid character 'a' in numeric literal"),
            (
                b"1.a",
                "invalid character 'a' after decimal point in numeric literal",
            ),
            (
                b"1ea",
                "invalid character 'a' in exponent of numeric literal",
            ),
            (
                b"nulL",
                "invalid character 'L' in literal null (expecting 'l')",
            ),
            (
                b"\xff",
                "invalid character '\u{ff}' looking for beginning of value",
            ),
            (
                b"\0",
                "invalid character '\\x00' looking for beginning of value",
            ),
        ] {
            assert_eq!(error(body), expected, "{body:?}");
        }
    }

    #[test]
    fn the_plain_part_of_a_string_ends_with_the_first_byte_that_is_not() {
        for length in 0..20 {
            let mut text = vec![b'a'; length];
            assert_eq!(plain(&text), length);
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    // What follows may be anything, and a borrow goes on from byte to byte.
                    for next in [b'a', b'!', b'#', b']', b'"', 0, 0x80, 0xff] {
                        text.fill(next);
                        text[..at].fill(0x80 | b'"');
                        text[at] = byte;
                        let ends = |byte: &u8| [b'"', b'\\'].contains(byte) || *byte < 0x20;
                        let expected = text.iter().position(ends).unwrap_or(length);
                        assert_eq!(plain(&text), expected, "{text:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn depth_is_bounded() {
        let bomb = "[".repeat(1_000_000);
        assert_eq!(
            error(bomb.as_bytes()),
            "invalid character '[' exceeded max depth"
        );
        let deep = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert!(parse(deep.as_bytes()).is_ok());
    }

    #[test]
    fn strings_are_decoded_as_go_does() {
        for (body, expected) in [
            (&b"\"a\\u00e9\\n\\/\""[..], "a\u{e9}\n/"),
            (b"\"\\ud83d\\ude00\"", "\u{1f600}"),
            (b"\"\\ud83dx\"", "\u{fffd}x"),
            (b"\"\\ud83d\\u0041\"", "\u{fffd}A"),
            (b"\"\\ude00\"", "\u{fffd}"),
            (b"\"a\xff\xfeb\"", "a\u{fffd}\u{fffd}b"),
            (b"\"\xe2\x82\"", "\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(parse(body), Ok(Node::String(expected.into())), "{body:?}");
        }
    }
}
