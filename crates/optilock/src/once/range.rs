//! How a write tells how widely its writer spreads its attempts, beside the op-id.

use std::time::Duration;

/// What comes before the milliseconds. No op-id has it in it.
const MARK: char = '~';

/// The most milliseconds that are told, and the most digits.
const MOST: u128 = 99_999;
pub(super) const LONGEST: usize = MARK.len_utf8() + 5;

/// The range as it is told: `~` and whole milliseconds.
pub(super) fn to_text(range: Duration) -> String {
    format!("{MARK}{}", range.as_millis().min(MOST))
}

/// A text without the range that it ends with, and the range.
pub(super) fn split(text: &str) -> (&str, Option<Duration>) {
    let Some((before, digits)) = text.rsplit_once(MARK) else {
        return (text, None);
    };
    // Not what `parse` takes: it would let a sign pass.
    let digits = Some(digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let range = digits.and_then(|digits| digits.parse().ok());
    match range.filter(|&millis| u128::from(millis) <= MOST) {
        Some(millis) => (before, Some(Duration::from_millis(millis))),
        None => (text, None),
    }
}

/// The range in the name of a field manager, where a dash and an op-id follow it.
pub(super) fn within(manager: &str) -> Option<Duration> {
    let mark = manager.rfind(MARK)?;
    let end = mark + manager[mark..].find('-')?;
    split(&manager[..end]).1
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_is_told_is_understood() {
        for range in [Duration::ZERO, MS, 230 * MS, Duration::from_secs(30)] {
            let text = format!("a-b{}", to_text(range));
            assert_eq!(split(&text), ("a-b", Some(range)));
        }
        assert_eq!(to_text(Duration::MAX).len(), LONGEST);
        assert_eq!(split(&to_text(Duration::MAX)).1, Some(99_999 * MS));
    }

    #[test]
    fn it_is_found_in_a_managers_name() {
        assert_eq!(within("optilock~230-0123456789abcdef"), Some(230 * MS));
        // Op-ids and managers may have dashes in them.
        assert_eq!(within("my-job~5-order-4711.paid"), Some(5 * MS));
        for name in ["", "optilock", "optilock-0123", "a~5", "a~b-c", "~-"] {
            assert_eq!(within(name), None);
        }
    }

    #[test]
    fn nothing_else_is() {
        for text in [
            "",
            "a",
            "a~",
            "a~x",
            "a~+1",
            "a~-1",
            "a~1.5",
            "a~100000",
            "a~99999999999999999999",
        ] {
            assert_eq!(split(text), (text, None));
        }
    }
}
