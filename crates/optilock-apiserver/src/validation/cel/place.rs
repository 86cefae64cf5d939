//! Where in an expression something is wrong, as CEL's compiler shows it.

/// What is wrong, and next to what in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) what: String,
    /// The word or sign that is pointed at.
    pub(super) token: String,
    /// How many of the same kind come before it.
    pub(super) nth: usize,
}

/// Mistakes in the order of their places.
pub(super) fn shown(mistakes: &[Mistake], source: &str) -> String {
    let mut placed: Vec<(usize, &Mistake)> = mistakes
        .iter()
        .map(|mistake| (mistake.place(source), mistake))
        .collect();
    placed.sort_by_key(|(at, _)| *at);
    let shown: Vec<String> = placed
        .iter()
        .map(|(at, mistake)| mistake.shown(source, *at))
        .collect();
    shown.join("\n")
}

impl Mistake {
    /// The parser keeps no places: this is where the token stands alone and in no text for that time.
    fn place(&self, source: &str) -> usize {
        find(source, &self.token, self.nth).unwrap_or(0)
    }

    /// The mistake with the line that it is in.
    fn shown(&self, source: &str, at: usize) -> String {
        let before = &source[..at];
        let line = before.matches('\n').count();
        let column = before.chars().rev().take_while(|c| *c != '\n').count();
        let text = source.lines().nth(line).unwrap_or_default();
        let (dot, caret) = ('.', '^');
        let lead: String = text
            .chars()
            .take(column)
            .map(|c| if c.is_ascii() { dot } else { '\u{ff0e}' })
            .collect();
        let mark = match text.chars().nth(column) {
            Some(c) if !c.is_ascii() => '\u{ff3e}',
            _ => caret,
        };
        format!(
            "ERROR: <input>:{}:{}: {}\n | {}\n | {lead}{mark}",
            line + 1,
            column + 1,
            self.what,
            text.replace('\t', " "),
        )
    }
}

/// Where a token begins. A name of a function is pointed at behind it, where the parenthesis is; a member at its dot.
fn find(source: &str, token: &str, nth: usize) -> Option<usize> {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let mut last = None;
    let mut left = nth;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in source.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None => {}
        }
        let starts = quote.is_none() || quote == Some(c);
        if !starts || !source[at..].starts_with(token) {
            continue;
        }
        let before = source[..at].chars().next_back();
        let after = source[at + token.len()..].chars().next();
        let first = token.chars().next();
        let end = token.chars().next_back();
        if (is_word(first) && is_word(before)) || (is_word(end) && is_word(after)) {
            continue;
        }
        // `<` is no part of `<=`.
        if !is_word(end)
            && token.len() == 1
            && matches!(token, "<" | ">" | "!")
            && after == Some('=')
        {
            continue;
        }
        last = Some(if token.ends_with('(') {
            at + token.len() - 1
        } else {
            at
        });
        if left == 0 {
            break;
        }
        left -= 1;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_shown_in_its_line() {
        let mistake = Mistake {
            what: "undefined field 'b'".to_owned(),
            token: ".b".to_owned(),
            nth: 1,
        };
        assert_eq!(
            shown(&[mistake], "'a.b' == self.bc || self.b ||\n  self.b"),
            "ERROR: <input>:2:7: undefined field 'b'\n |   self.b\n | ......^"
        );
    }
}
