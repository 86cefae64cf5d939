//! From the tokens of a label selector to requirements.
//!
//! ```text
//! selector    = [ requirement { "," requirement } ]
//! requirement = [ "!" ] KEY | KEY operator VALUE | KEY ( "in" | "notin" ) "(" values ")"
//! operator    = "=" | "==" | "!=" | ">" | "<"
//! values      = [ VALUE ] { "," [ VALUE ] }
//! ```

use super::error::SelectorError;
use super::label::{Operator, Requirement};
use super::lexer::{Token, tokens};
use crate::validation::{Path, field, format};

/// Reads a selector; an empty text has no requirements.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, SelectorError> {
    let mut parser = Parser {
        tokens: tokens(text),
        at: 0,
    };
    let mut requirements = Vec::new();
    loop {
        match parser.peek() {
            Token::Word(_) | Token::Not => requirements.push(parser.requirement()?),
            Token::End => return Ok(requirements),
            other => return Err(unexpected(other, "!, identifier, or 'end of string'")),
        }
        match parser.take() {
            Token::End => return Ok(requirements),
            Token::Comma => match parser.peek() {
                Token::Word(_) | Token::Not => {}
                other => return Err(unexpected(other, "identifier after ','")),
            },
            other => return Err(unexpected(other, "',' or 'end of string'")),
        }
    }
}

fn unexpected(found: Token<'_>, expected: &'static str) -> SelectorError {
    SelectorError::Unexpected {
        found: found.text().to_owned(),
        expected,
    }
}

/// The same inside a requirement.
fn inside(found: Token<'_>, expected: &str) -> SelectorError {
    SelectorError::Requirement(format!("found '{}'{expected}", found.text()))
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Token<'a> {
        self.tokens.get(self.at).copied().unwrap_or(Token::End)
    }

    fn take(&mut self) -> Token<'a> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let negated = self.peek() == Token::Not;
        if negated {
            self.take();
        }
        let key = match self.take() {
            Token::Word(key) => key,
            other => return Err(inside(other, ", expected: identifier")),
        };
        let complaints = format::label_key(key);
        if !complaints.is_empty() {
            // The key of a requirement has no path of its own, hence `<nil>`.
            let error = field::Error::invalid(&Path::ROOT, key, complaints.join("; "));
            return Err(SelectorError::Requirement(error.to_string()));
        }
        let (operator, values) = if negated {
            (Operator::DoesNotExist, Vec::new())
        } else if matches!(self.peek(), Token::End | Token::Comma) {
            (Operator::Exists, Vec::new())
        } else {
            self.comparison()?
        };
        new_requirement(key, operator, values)
    }

    fn comparison(&mut self) -> Result<(Operator, Vec<String>), SelectorError> {
        let operator = match self.take() {
            Token::Word("in") => return Ok((Operator::In, self.set()?)),
            Token::Word("notin") => return Ok((Operator::NotIn, self.set()?)),
            Token::Equals | Token::DoubleEquals => Operator::Equals,
            Token::NotEquals => Operator::NotEquals,
            Token::Greater => Operator::GreaterThan,
            Token::Less => Operator::LessThan,
            other => return Err(inside(other, ", expected: in, notin, =, ==, !=, gt, lt")),
        };
        let value = match self.peek() {
            Token::End | Token::Comma => "",
            _ => match self.take() {
                Token::Word(value) => value,
                other => return Err(inside(other, ", expected: identifier")),
            },
        };
        Ok((operator, vec![value.to_owned()]))
    }

    /// `(a,b)`; an item that is left out is the empty value.
    fn set(&mut self) -> Result<Vec<String>, SelectorError> {
        match self.take() {
            Token::Open => {}
            // Upstream forgot the comma.
            other => return Err(inside(other, " expected: '('")),
        }
        match self.peek() {
            Token::Word(_) | Token::Comma | Token::Close => {}
            other => return Err(inside(other, ", expected: ',', ')' or identifier")),
        }
        let mut values = Vec::new();
        loop {
            match self.peek() {
                Token::Word(value) => {
                    values.push(value.to_owned());
                    self.take();
                }
                Token::Comma | Token::Close => values.push(String::new()),
                other => return Err(inside(other, ", expected: ',', or identifier")),
            }
            match self.take() {
                Token::Comma => {}
                Token::Close => break,
                other => return Err(inside(other, ", expected: ',' or ')'")),
            }
        }
        values.sort();
        values.dedup();
        Ok(values)
    }
}

/// Makes a requirement of a key that is checked already; checks its values.
pub(super) fn new_requirement(
    key: &str,
    operator: Operator,
    values: Vec<String>,
) -> Result<Requirement, SelectorError> {
    let mut errors = field::ErrorList::new();
    let path = Path::new("values");
    let numeric = matches!(operator, Operator::GreaterThan | Operator::LessThan);
    for (at, value) in values.iter().enumerate() {
        if numeric && value.parse::<i64>().is_err() {
            errors.push(field::Error::invalid(
                &path.index(at),
                value.as_str(),
                "for 'Gt', 'Lt' operators, the value must be an integer",
            ));
        }
    }
    for (at, value) in values.iter().enumerate() {
        let complaints = format::label_value(value);
        if !complaints.is_empty() {
            let item = path.index(at);
            errors.push(field::Error::invalid(
                &item.key(key),
                value.as_str(),
                complaints.join("; "),
            ));
        }
    }
    match SelectorError::requirement(&errors) {
        Some(error) => Err(error),
        None => Ok(Requirement {
            key: key.to_owned(),
            operator,
            values,
        }),
    }
}
