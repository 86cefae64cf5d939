//! The functions and operators that expressions may call.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::types::Type;

/// One form of a function.
#[derive(Debug)]
pub(super) struct Overload {
    /// Whether it is called on its first argument: `a.f(b)`.
    pub(super) is_member: bool,
    /// Types of the target, if it has one, and of the arguments.
    pub(super) takes: Vec<Type>,
    pub(super) gives: Type,
    /// How many parameters its types have.
    pub(super) parameters: u32,
    /// What decides about its cost; empty for one unit.
    pub(super) cost: &'static str,
}

/// All forms of a function; `None` when there is none of that name.
pub(super) fn named(name: &str) -> Option<&'static [Overload]> {
    static TABLE: OnceLock<HashMap<&'static str, Vec<Overload>>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let mut table: HashMap<_, Vec<_>> = HashMap::new();
        let lines = include_str!("functions.txt").lines();
        for line in lines.filter(|line| !line.starts_with('#')) {
            if let Some((name, overload)) = parse(line) {
                table.entry(name).or_default().push(overload);
            }
        }
        table
    });
    table.get(name).map(Vec::as_slice)
}

/// Types whose name is a member of something, and no target.
const LIBRARY_TYPES: [&str; 6] = [
    "kubernetes.URL",
    "kubernetes.Quantity",
    "kubernetes.Semver",
    "kubernetes.NamedFormat",
    "net.IP",
    "net.CIDR",
];

fn parse(line: &'static str) -> Option<(&'static str, Overload)> {
    let (call, result) = line.split_once(" -> ")?;
    let (gives, rest) = one_type(result)?;
    let (target, call) = match one_type(call) {
        Some((target, rest)) if rest.starts_with('.') => (Some(target), &rest[1..]),
        _ => (None, call),
    };
    let (name, arguments) = call.split_once('(')?;
    let arguments = types(arguments.strip_suffix(')')?)?;
    let is_member = target.is_some();
    let takes: Vec<Type> = target.into_iter().chain(arguments).collect();
    let parameters = line.contains("(A") || line.contains(" A");
    Some((
        name,
        Overload {
            is_member,
            takes,
            gives,
            parameters: if parameters { 2 } else { 0 },
            cost: rest.trim(),
        },
    ))
}

/// Types between commas.
fn types(text: &'static str) -> Option<Vec<Type>> {
    let mut all = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (ty, after) = one_type(rest)?;
        all.push(ty);
        rest = after.strip_prefix(", ").unwrap_or(after);
    }
    Some(all)
}

/// The type that a text begins with, and what is behind it.
fn one_type(text: &'static str) -> Option<(Type, &'static str)> {
    for name in LIBRARY_TYPES {
        if let Some(rest) = text.strip_prefix(name) {
            return Some((Type::Opaque(name, Vec::new()), rest));
        }
    }
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let plain = match name {
        "duration" => Type::Duration,
        "timestamp" => Type::Timestamp,
        "dyn" => Type::Dyn,
        "A" => Type::Parameter(0),
        "B" => Type::Parameter(1),
        "list" | "map" | "type" | "optional_type" => {
            let (first, rest) = one_type(rest.strip_prefix('(')?)?;
            if name == "map" {
                let (value, rest) = one_type(rest.strip_prefix(", ")?)?;
                return Some((Type::map(first, value), rest.strip_prefix(')')?));
            }
            let ty = match name {
                "list" => Type::list(first),
                "type" => Type::Kind(first.into()),
                _ => Type::optional(first),
            };
            return Some((ty, rest.strip_prefix(')')?));
        }
        _ => Type::basic(name)?,
    };
    // `string(…)` is a call, and `string.size()` one on a string.
    (!rest.starts_with('(')).then_some((plain, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_understood() {
        for line in include_str!("functions.txt").lines() {
            assert!(line.starts_with('#') || parse(line).is_some(), "{line}");
        }
    }

    #[test]
    fn forms_of_a_function() {
        let forms = named("indexOf").expect("a function");
        assert_eq!(forms.len(), 3);
        assert!(
            forms
                .iter()
                .all(|form| form.is_member && form.cost == "scan")
        );
        let string = named("string").expect("a function");
        assert!(string.iter().all(|form| !form.is_member));
        assert!(named("ip.isCanonical").is_some_and(|forms| !forms[0].is_member));
        assert!(named("ip").is_some_and(|forms| forms.len() == 2));
        assert!(named("nope").is_none());
    }
}
