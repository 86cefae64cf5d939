//! Base64 as Go's `encoding/json` reads `[]byte`: standard alphabet, padded, line breaks ignored.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The canonical text of bytes.
pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads base64. The error is Go's, with the offset of the byte that it stops at.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, String> {
    let corrupt = |at: usize| format!("illegal base64 data at input byte {at}");
    let text = text.as_bytes();
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    // Sextets of the group of four at hand.
    let (mut group, mut filled) = (0_u32, 0);
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match (sextet(byte), byte) {
            (Some(bits), _) => {
                group = group << 6 | bits;
                filled += 1;
                if filled == 4 {
                    out.extend_from_slice(&group.to_be_bytes()[1..]);
                    (group, filled) = (0, 0);
                }
            }
            (None, b'\n' | b'\r') => {}
            (None, b'=') if filled >= 2 => {
                if filled == 2 {
                    at = skip_breaks(text, at);
                    match text.get(at) {
                        None => return Err(corrupt(text.len())),
                        Some(b'=') => at += 1,
                        Some(_) => return Err(corrupt(at - 1)),
                    }
                }
                at = skip_breaks(text, at);
                if at < text.len() {
                    return Err(corrupt(at));
                }
                let bits = group << (6 * (4 - filled));
                out.extend_from_slice(&bits.to_be_bytes()[1..filled]);
                return Ok(out);
            }
            (None, _) => return Err(corrupt(at - 1)),
        }
    }
    match filled {
        0 => Ok(out),
        missing => Err(corrupt(text.len() - missing)),
    }
}

fn skip_breaks(text: &[u8], at: usize) -> usize {
    let breaks = text[at..]
        .iter()
        .take_while(|byte| matches!(byte, b'\n' | b'\r'));
    at + breaks.count()
}

fn sextet(byte: u8) -> Option<u32> {
    let bits = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(bits))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn errors_are_gos() {
        for (text, at) in [
            ("a", 0),
            ("ab", 0),
            ("abc", 0),
            ("abcd!", 4),
            ("ab=c", 2),
            ("ab=", 3),
            ("abc=d", 4),
            ("a===", 1),
            ("abcde", 4),
        ] {
            let expected = format!("illegal base64 data at input byte {at}");
            assert_eq!(decode(text), Err(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(bytes: Vec<u8>) {
            prop_assert_eq!(decode(&encode(&bytes)), Ok(bytes));
        }

        #[test]
        fn line_breaks_do_not_count(bytes: Vec<u8>) {
            let text: String = encode(&bytes).chars().flat_map(|c| [c, '\n', '\r']).collect();
            prop_assert_eq!(decode(&text), Ok(bytes));
        }
    }
}
