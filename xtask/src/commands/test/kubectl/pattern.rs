//! Expected text with holes.

/// Stands for any characters of one line.
const ANY_CHARACTERS: &str = "[..]";
/// As a line, stands for any number of lines.
const ANY_LINES: &str = "...";

/// Whether `text` is what `pattern` describes. Blanks at the ends of lines and empty lines at the
/// end don't count.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    match_lines(&lines(pattern), &lines(text))
}

/// The lines that count.
pub(super) fn lines(text: &str) -> Vec<&str> {
    text.trim_end().lines().map(str::trim_end).collect()
}

fn match_lines(pattern: &[&str], text: &[&str]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [ANY_LINES, rest @ ..] => (0..=text.len()).any(|skip| match_lines(rest, &text[skip..])),
        [first, rest @ ..] => match text {
            [line, others @ ..] => match_line(first, line) && match_lines(rest, others),
            [] => false,
        },
    }
}

fn match_line(pattern: &str, line: &str) -> bool {
    match pattern.split_once(ANY_CHARACTERS) {
        None => pattern == line,
        Some((start, rest)) => line.strip_prefix(start).is_some_and(|tail| {
            let ends = tail.char_indices().map(|(at, _)| at).chain([tail.len()]);
            ends.into_iter().any(|at| match_line(rest, &tail[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_equal_but_for_blanks_at_their_ends() {
        assert!(matches("a\nb", "a  \nb\n\n"));
        assert!(matches("", "\n"));
        assert!(!matches("a", "a\nb"));
        assert!(!matches("a\nb", "a"));
        assert!(!matches("a", " a"));
        assert!(!matches("a\n\nb", "a\nb"));
    }

    #[test]
    fn holes_are_any_characters_of_a_line() {
        assert!(matches("web   [..]s", "web   12s"));
        assert!(matches("[..]-[..]", "a-b-c"));
        assert!(matches("a[..]", "a"));
        assert!(matches("[..]界", "世界"));
        assert!(!matches("a[..]b", "a\nb"));
        assert!(!matches("[..]x", "abc"));
    }

    #[test]
    fn an_ellipsis_is_any_number_of_lines() {
        assert!(matches("a\n...\nz", "a\nz"));
        assert!(matches("a\n...\nz", "a\nb\nc\nz"));
        assert!(matches("...", ""));
        assert!(!matches("a\n...\nz", "a\nb"));
    }
}
