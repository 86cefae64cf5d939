//! From the text of a label selector to tokens.

/// A token, with its text where the text is not always the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A key or a value; also `in` and `notin`, which are words like others where an operator
    /// cannot stand.
    Word(&'a str),
    Comma,
    Not,
    Equals,
    DoubleEquals,
    NotEquals,
    Greater,
    Less,
    Open,
    Close,
    /// End of the text.
    End,
}

impl<'a> Token<'a> {
    /// The token as it was written.
    pub(super) fn text(self) -> &'a str {
        match self {
            Self::Word(word) => word,
            Self::Comma => ",",
            Self::Not => "!",
            Self::Equals => "=",
            Self::DoubleEquals => "==",
            Self::NotEquals => "!=",
            Self::Greater => ">",
            Self::Less => "<",
            Self::Open => "(",
            Self::Close => ")",
            Self::End => "",
        }
    }
}

/// Splits the text; spaces, tabs and line ends separate.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    // In the Go parser a zero byte is the end.
    let mut rest = text.split('\0').next().unwrap_or_default();
    let mut tokens = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let token = next(rest);
        rest = &rest[token.text().len()..];
        tokens.push(token);
        if token == Token::End {
            return tokens;
        }
    }
}

fn next(rest: &str) -> Token<'_> {
    let mut chars = rest.chars();
    match (chars.next(), chars.next()) {
        (None, _) => Token::End,
        (Some('='), Some('=')) => Token::DoubleEquals,
        (Some('='), _) => Token::Equals,
        (Some('!'), Some('=')) => Token::NotEquals,
        (Some('!'), _) => Token::Not,
        (Some('>'), _) => Token::Greater,
        (Some('<'), _) => Token::Less,
        (Some('('), _) => Token::Open,
        (Some(')'), _) => Token::Close,
        (Some(','), _) => Token::Comma,
        _ => {
            let end = rest.find(['=', '!', '(', ')', ',', '>', '<', ' ', '\t', '\r', '\n']);
            Token::Word(&rest[..end.unwrap_or(rest.len())])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Token, tokens};

    #[test]
    fn splits_operators_and_words() {
        assert_eq!(
            tokens("a==b , !c in(d)"),
            [
                Token::Word("a"),
                Token::DoubleEquals,
                Token::Word("b"),
                Token::Comma,
                Token::Not,
                Token::Word("c"),
                Token::Word("in"),
                Token::Open,
                Token::Word("d"),
                Token::Close,
                Token::End
            ]
        );
    }
}
