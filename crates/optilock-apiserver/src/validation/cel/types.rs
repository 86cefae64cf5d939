//! Types of expressions, and which may stand for which.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// A type, as CEL's checker knows it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    /// Anything; checked when the rule runs.
    Dyn,
    /// What could not be found out. It fits everywhere, so that one mistake is told once.
    Error,
    List(Arc<Type>),
    Map(Arc<Type>, Arc<Type>),
    /// An object of the schema, by the place where it is declared.
    Object(Arc<str>),
    /// A type of a library, as `kubernetes.Quantity`, and `optional_type(…)`.
    Opaque(&'static str, Vec<Type>),
    /// The type of types.
    Kind(Arc<Type>),
    /// Not known yet.
    Parameter(u32),
}

impl Type {
    /// The type that CEL itself calls so, of those that are made of no others.
    pub(super) fn basic(name: &str) -> Option<Self> {
        Some(match name {
            "bool" => Self::Bool,
            "int" => Self::Int,
            "uint" => Self::Uint,
            "double" => Self::Double,
            "string" => Self::String,
            "bytes" => Self::Bytes,
            _ => return None,
        })
    }

    pub(super) fn list(of: Self) -> Self {
        Self::List(Arc::new(of))
    }

    pub(super) fn map(key: Self, value: Self) -> Self {
        Self::Map(Arc::new(key), Arc::new(value))
    }

    pub(super) fn optional(of: Self) -> Self {
        Self::Opaque("optional_type", vec![of])
    }

    /// What an optional may hold; the type itself if it is none.
    pub(super) fn unwrapped(&self) -> (&Self, bool) {
        match self {
            Self::Opaque("optional_type", of) => (of.first().unwrap_or(&Self::Dyn), true),
            other => (other, false),
        }
    }

    /// Whether values are of one size.
    pub(super) fn is_scalar(&self) -> bool {
        match self {
            Self::Bool
            | Self::Int
            | Self::Uint
            | Self::Double
            | Self::Duration
            | Self::Timestamp => true,
            Self::Opaque("optional_type", of) => of.iter().all(Self::is_scalar),
            _ => false,
        }
    }

    fn is_wild(&self) -> bool {
        matches!(self, Self::Dyn | Self::Error)
    }

    /// Whether null may stand for a value.
    fn is_nullable(&self) -> bool {
        matches!(
            self,
            Self::Null | Self::Opaque(..) | Self::Object(_) | Self::Duration | Self::Timestamp
        )
    }

    fn parameters(&self) -> Vec<&Self> {
        match self {
            Self::List(of) | Self::Kind(of) => vec![of],
            Self::Map(key, value) => vec![key, value],
            Self::Opaque(_, of) => of.iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The same with every parameter replaced by what `replacement` has for it.
    fn mapped(&self, replacement: &dyn Fn(u32) -> Self) -> Self {
        match self {
            Self::Parameter(number) => replacement(*number),
            Self::List(of) => Self::list(of.mapped(replacement)),
            Self::Kind(of) => Self::Kind(Arc::new(of.mapped(replacement))),
            Self::Map(key, value) => Self::map(key.mapped(replacement), value.mapped(replacement)),
            Self::Opaque(name, of) => {
                Self::Opaque(name, of.iter().map(|of| of.mapped(replacement)).collect())
            }
            plain => plain.clone(),
        }
    }

    /// The same with other numbers for its parameters.
    pub(super) fn renumbered(&self, by: u32) -> Self {
        self.mapped(&|number| Self::Parameter(number + by))
    }

    /// Whether it says as much as `other`, or less.
    fn is_no_more_specific(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dyn | Self::Parameter(_), _) => true,
            (_, Self::Dyn | Self::Parameter(_)) => false,
            (Self::Opaque(a, _), Self::Opaque(b, _)) if a != b => false,
            (Self::List(_), Self::List(_))
            | (Self::Map(..), Self::Map(..))
            | (Self::Opaque(..), Self::Opaque(..)) => {
                let (ours, theirs) = (self.parameters(), other.parameters());
                let mut pairs = ours.iter().zip(&theirs);
                ours.len() == theirs.len() && pairs.all(|(a, b)| a.is_no_more_specific(b))
            }
            (Self::Kind(_), Self::Kind(_)) => true,
            _ => self == other,
        }
    }

    /// The one of two types that say the same which says less.
    pub(super) fn most_general(self, other: Self) -> Self {
        if self.is_no_more_specific(&other) {
            self
        } else {
            other
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Duration => f.write_str("duration"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Dyn => f.write_str("dyn"),
            Self::Error => f.write_str("!error!"),
            Self::List(of) => write!(f, "list({of})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Object(name) => f.write_str(name),
            Self::Kind(of) => write!(f, "type({of})"),
            Self::Parameter(number) => write!(f, "_var{number}"),
            Self::Opaque(name, of) => {
                f.write_str(name)?;
                if of.is_empty() {
                    return Ok(());
                }
                let of: Vec<String> = of.iter().map(ToString::to_string).collect();
                write!(f, "({})", of.join(", "))
            }
        }
    }
}

/// What the parameters of types turned out to be.
#[derive(Debug, Clone, Default)]
pub(super) struct Substitution(HashMap<u32, Type>);

impl Substitution {
    /// Whether values of `from` may stand where `to` are asked for, each. Learns what parameters are, if so.
    pub(super) fn assign_all(&mut self, from: &[Type], to: &[Type]) -> bool {
        let mut learned = self.clone();
        let fits =
            from.len() == to.len() && from.iter().zip(to).all(|(from, to)| learned.fits(from, to));
        if fits {
            *self = learned;
        }
        fits
    }

    /// Whether values of `from` may stand where `to` is asked for. Learns what parameters are, if so.
    pub(super) fn assign(&mut self, from: &Type, to: &Type) -> bool {
        self.assign_all(std::slice::from_ref(from), std::slice::from_ref(to))
    }

    /// A type with all that is known of its parameters.
    pub(super) fn apply(&self, ty: &Type) -> Type {
        ty.mapped(&|number| match self.0.get(&number) {
            Some(known) => self.apply(known),
            None => Type::Parameter(number),
        })
    }

    /// The same, where nothing is known of a parameter it is anything.
    pub(super) fn settled(&self, ty: &Type) -> Type {
        self.apply(ty).mapped(&|_| Type::Dyn)
    }

    fn fits(&mut self, from: &Type, to: &Type) -> bool {
        if let Type::Parameter(number) = to {
            match self.stands_for(*number, from) {
                Some(fits) => return fits,
                None if !matches!(from, Type::Parameter(_)) => return false,
                None => {}
            }
        }
        if let Type::Parameter(number) = from {
            return self.stands_for(*number, to).unwrap_or(false);
        }
        if from.is_wild() || to.is_wild() {
            return true;
        }
        match (from, to) {
            (Type::Null, other) | (other, Type::Null) => other.is_nullable(),
            (Type::Kind(_), Type::Kind(_)) => true,
            (Type::Opaque(a, _), Type::Opaque(b, _)) if a != b => false,
            (Type::List(_), Type::List(_))
            | (Type::Map(..), Type::Map(..))
            | (Type::Opaque(..), Type::Opaque(..)) => {
                let (ours, theirs) = (from.parameters(), to.parameters());
                ours.len() == theirs.len()
                    && ours
                        .iter()
                        .zip(theirs)
                        .all(|(from, to)| self.fits(from, to))
            }
            _ => from == to,
        }
    }

    /// Whether a parameter may be `ty`. `None` where it would be part of itself.
    fn stands_for(&mut self, number: u32, ty: &Type) -> Option<bool> {
        if *ty == Type::Parameter(number) {
            return Some(true);
        }
        if let Some(known) = self.0.get(&number).cloned() {
            if known == *ty {
                return Some(true);
            }
            if !self.fits(ty, &known) {
                return Some(false);
            }
            let general = ty.clone().most_general(known);
            if !self.mentions(&general, number) {
                self.0.insert(number, general);
            }
            return Some(true);
        }
        if self.mentions(ty, number) {
            return None;
        }
        self.0.insert(number, ty.clone());
        Some(true)
    }

    fn mentions(&self, ty: &Type, number: u32) -> bool {
        match ty {
            Type::Parameter(other) if *other == number => true,
            Type::Parameter(other) => self
                .0
                .get(other)
                .is_some_and(|known| self.mentions(known, number)),
            ty => ty.parameters().iter().any(|of| self.mentions(of, number)),
        }
    }
}
