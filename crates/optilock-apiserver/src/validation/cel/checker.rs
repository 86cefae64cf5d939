//! Types of expressions, found out before they run.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr, operators,
};

use super::declared::Declared;
use super::functions::{self, Overload};
use super::place::Mistake;
use super::types::{Substitution, Type};

/// Macros of kube-apiserver that the parser does not know: an expression with one can't be checked.
const UNKNOWN_MACROS: [&str; 9] = [
    "bind",
    "optMap",
    "optFlatMap",
    "sortBy",
    "transformList",
    "transformMap",
    "transformMapEntry",
    "all",
    "exists",
];

/// What is known of an expression, by the ids of its parts.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) types: HashMap<u64, Type>,
    /// What decides about the cost of a call; several, where its types leave open which form it is.
    pub(super) costs: HashMap<u64, BTreeSet<&'static str>>,
    /// Functions by their whole name, where they have no target.
    pub(super) qualified: HashMap<u64, String>,
    /// Whether the old value is asked for.
    pub(super) uses_old: bool,
    pub(super) gives: Option<Type>,
}

/// Why nothing is known of an expression.
#[derive(Debug)]
pub(super) enum Unchecked {
    Mistakes(Vec<Mistake>),
    /// It is in order for kube-apiserver, as far as can be told.
    Unknown,
}

/// Checks an expression about a value, and about the one before it, which may be an optional.
pub(super) fn check(
    expression: &IdedExpr,
    declared: &Arc<Declared>,
    optional_old: bool,
) -> Result<Checked, Unchecked> {
    let own = declared.ty.clone();
    let old = if optional_old {
        Type::optional(own.clone())
    } else {
        own.clone()
    };
    let mut checker = Checker {
        variables: vec![("self".to_owned(), own), ("oldSelf".to_owned(), old)],
        ..Checker::default()
    };
    checker.learn_objects(declared);
    let gives = checker.visit(expression);
    if checker.is_unknown {
        return Err(Unchecked::Unknown);
    }
    if !checker.mistakes.is_empty() {
        return Err(Unchecked::Mistakes(checker.mistakes));
    }
    let (mut checked, substitution) = (checker.checked, checker.substitution);
    for ty in checked.types.values_mut() {
        *ty = substitution.settled(ty);
    }
    checked.gives = Some(substitution.settled(&gives));
    Ok(checked)
}

#[derive(Default)]
struct Checker {
    checked: Checked,
    variables: Vec<(String, Type)>,
    objects: HashMap<Arc<str>, Arc<Declared>>,
    substitution: Substitution,
    parameters: u32,
    mistakes: Vec<Mistake>,
    /// Parts that were looked at, by what a mistake in them is shown at.
    seen: HashMap<String, usize>,
    is_unknown: bool,
}

impl Checker {
    fn learn_objects(&mut self, declared: &Arc<Declared>) {
        if let Type::Object(name) = &declared.ty {
            self.objects.insert(Arc::clone(name), Arc::clone(declared));
        }
        for inner in declared.fields.values().chain(&declared.element) {
            self.learn_objects(inner);
        }
    }

    fn mistake(&mut self, what: String, token: String) -> Type {
        let nth = self.seen.get(&token).copied().unwrap_or(0);
        self.mistakes.push(Mistake { what, token, nth });
        Type::Error
    }

    fn fresh(&mut self) -> Type {
        self.parameters += 1;
        Type::Parameter(self.parameters - 1)
    }

    fn visit(&mut self, expression: &IdedExpr) -> Type {
        let ty = match &expression.expr {
            Expr::Literal(literal) => literal_type(literal),
            Expr::Ident(name) => self.identifier(name),
            Expr::Select(select) => self.select(expression, select),
            Expr::Call(call) => self.call(expression.id, call),
            Expr::List(list) => {
                let elements = list.elements.iter().enumerate().map(|(at, element)| {
                    let is_optional = list.optional_indices.contains(&at);
                    (element, is_optional)
                });
                Type::list(self.common(elements))
            }
            Expr::Map(map) => {
                let entries = map.entries.iter().filter_map(|entry| match &entry.expr {
                    EntryExpr::MapEntry(entry) => Some(entry),
                    EntryExpr::StructField(_) => None,
                });
                let keys = self.common(entries.clone().map(|entry| (&entry.key, false)));
                let values = self.common(entries.map(|entry| (&entry.value, entry.optional)));
                Type::map(keys, values)
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            // Messages of protobuf, which no rule has a use for.
            Expr::Struct(_) | Expr::Unspecified => {
                self.is_unknown = true;
                Type::Error
            }
        };
        self.checked.types.insert(expression.id, ty.clone());
        if !is_made(expression) {
            *self.seen.entry(token(expression)).or_default() += 1;
        }
        ty
    }

    /// The type of all elements of a literal.
    fn common<'e>(&mut self, elements: impl Iterator<Item = (&'e IdedExpr, bool)>) -> Type {
        let mut joined: Option<Type> = None;
        for (element, is_optional) in elements {
            let mut ty = self.visit(element);
            if is_optional {
                ty = ty.unwrapped().0.clone();
            }
            joined = Some(match joined {
                None => ty,
                Some(before) if self.substitution.assign(&before, &ty) => before.most_general(ty),
                Some(before) => self.mismatch(&before, &ty, element),
            });
        }
        joined.unwrap_or_else(|| self.fresh())
    }

    fn mismatch(&mut self, expected: &Type, found: &Type, at: &IdedExpr) -> Type {
        let (expected, found) = (
            self.substitution.apply(expected),
            self.substitution.apply(found),
        );
        let what = format!("expected type '{expected}' but found '{found}'");
        self.mistake_in(what, at)
    }

    /// A mistake in a part that was looked at.
    fn mistake_in(&mut self, what: String, at: &IdedExpr) -> Type {
        let ty = self.mistake(what, token(at));
        if let Some(mistake) = self.mistakes.last_mut() {
            mistake.nth = mistake.nth.saturating_sub(1);
        }
        ty
    }

    fn identifier(&mut self, name: &str) -> Type {
        let variable = self.variables.iter().rev().find(|(known, _)| known == name);
        if let Some((_, ty)) = variable {
            let ty = ty.clone();
            self.checked.uses_old |= name == "oldSelf";
            return ty;
        }
        match named_type(name) {
            Some(ty) => Type::Kind(Arc::new(ty)),
            None => {
                let what = format!("undeclared reference to '{name}' (in container '')");
                self.mistake(what, name.to_owned())
            }
        }
    }

    fn select(&mut self, expression: &IdedExpr, select: &SelectExpr) -> Type {
        if let Some(ty) = qualified(expression).and_then(|name| named_type(&name)) {
            return Type::Kind(Arc::new(ty));
        }
        let shown = if select.test {
            "has(".to_owned()
        } else {
            format!(".{}", select.field)
        };
        let ty = self.field(&select.operand, &select.field, shown, false);
        if select.test { Type::Bool } else { ty }
    }

    /// The type of a member; `shown` is what a mistake is shown at.
    fn field(&mut self, operand: &IdedExpr, field: &str, shown: String, optional: bool) -> Type {
        let of = self.visit(operand);
        let of = self.substitution.apply(&of);
        let (of, was_optional) = of.unwrapped();
        let ty = match of {
            Type::Map(_, value) => Type::clone(value),
            Type::Object(name) => {
                let known = self.objects.get(name).and_then(|of| of.fields.get(field));
                match known.map(|known| known.ty.clone()) {
                    Some(ty) => ty,
                    None => self.mistake(format!("undefined field '{field}'"), shown),
                }
            }
            Type::Parameter(_) => {
                self.substitution.assign(&Type::Dyn, of);
                Type::Dyn
            }
            Type::Dyn | Type::Error => Type::Dyn,
            other => {
                let what = format!("type '{other}' does not support field selection");
                self.mistake(what, shown);
                Type::Dyn
            }
        };
        if was_optional || optional {
            Type::optional(ty)
        } else {
            ty
        }
    }

    fn call(&mut self, id: u64, call: &CallExpr) -> Type {
        if call.func_name == operators::OPT_SELECT {
            self.checked.costs.insert(id, BTreeSet::from([""]));
            return match call.args.as_slice() {
                [operand, field] => match &field.expr {
                    Expr::Literal(LiteralValue::String(field)) => {
                        self.field(operand, field.inner(), ".?".to_owned(), true)
                    }
                    _ => Type::Error,
                },
                _ => Type::Error,
            };
        }
        if UNKNOWN_MACROS.contains(&call.func_name.as_str()) {
            self.is_unknown = true;
            return Type::Error;
        }
        let mut types: Vec<Type> = Vec::new();
        let mut name = call.func_name.clone();
        let mut is_member = false;
        if let Some(target) = &call.target {
            let whole = qualified(target).map(|prefix| format!("{prefix}.{name}"));
            match whole.filter(|whole| functions::named(whole).is_some()) {
                Some(whole) => {
                    self.checked.qualified.insert(id, whole.clone());
                    name = whole;
                }
                None => {
                    is_member = true;
                }
            }
        }
        let arguments: Vec<Type> = call.args.iter().map(|arg| self.visit(arg)).collect();
        if let (true, Some(target)) = (is_member, &call.target) {
            types.push(self.visit(target));
        }
        types.extend(arguments);
        let Some(forms) = functions::named(&name) else {
            let what = format!("undeclared reference to '{name}' (in container '')");
            return self.mistake(what, token_of_call(call));
        };
        if matches!(
            name.as_str(),
            operators::LOGICAL_AND | operators::LOGICAL_OR
        ) {
            let mut fits = true;
            for (ty, argument) in types.iter().zip(&call.args) {
                if !self.substitution.assign(ty, &Type::Bool) {
                    self.mismatch(&Type::Bool, ty, argument);
                    fits = false;
                }
            }
            if !fits {
                return Type::Error;
            }
        }
        if name == "matches"
            && let Some(argument) = call.args.last()
            && let Expr::Literal(LiteralValue::String(pattern)) = &argument.expr
            && regex::Regex::new(pattern.inner()).is_err()
        {
            let what = "invalid matches argument".to_owned();
            self.mistake_in(what, argument);
        }
        self.resolve(id, call, forms, &types, is_member)
    }

    /// The form of a function that is called.
    fn resolve(
        &mut self,
        id: u64,
        call: &CallExpr,
        forms: &'static [Overload],
        types: &[Type],
        is_member: bool,
    ) -> Type {
        let mut gives: Option<Type> = None;
        for form in forms.iter().filter(|form| form.is_member == is_member) {
            let base = self.parameters;
            let takes: Vec<Type> = form.takes.iter().map(|ty| ty.renumbered(base)).collect();
            self.parameters += form.parameters;
            if !self.substitution.assign_all(types, &takes) {
                continue;
            }
            self.checked.costs.entry(id).or_default().insert(form.cost);
            let given = self.substitution.apply(&form.gives.renumbered(base));
            gives = Some(match gives {
                None => given,
                Some(before) if before == given || before == Type::Dyn => before,
                Some(_) => Type::Dyn,
            });
        }
        if let Some(gives) = gives {
            return gives;
        }
        let shown: Vec<Type> = types
            .iter()
            .map(|ty| self.substitution.settled(ty))
            .collect();
        let list = |types: &[Type]| {
            let names: Vec<String> = types.iter().map(ToString::to_string).collect();
            names.join(", ")
        };
        let signature = match shown.split_first() {
            Some((target, arguments)) if is_member => format!("{target}.({})", list(arguments)),
            _ => format!("({})", list(&shown)),
        };
        let name = self.checked.qualified.get(&id).unwrap_or(&call.func_name);
        let what = format!("found no matching overload for '{name}' applied to '{signature}'");
        self.mistake(what, token_of_call(call))
    }

    fn comprehension(&mut self, comprehension: &ComprehensionExpr) -> Type {
        let range = self.visit(&comprehension.iter_range);
        let accumulated = self.visit(&comprehension.accu_init);
        let range = self.substitution.apply(&range);
        let element = match &range {
            Type::List(of) => Type::clone(of),
            Type::Map(key, _) => Type::clone(key),
            Type::Dyn | Type::Error => Type::Dyn,
            Type::Parameter(_) => {
                self.substitution.assign(&Type::Dyn, &range);
                Type::Dyn
            }
            other => {
                let what = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.mistake_in(what, &comprehension.iter_range)
            }
        };
        let outside = self.variables.len();
        let accumulator = (comprehension.accu_var.clone(), accumulated.clone());
        self.variables.push(accumulator);
        self.variables
            .push((comprehension.iter_var.clone(), element));
        let condition = self.visit(&comprehension.loop_cond);
        if !self.substitution.assign(&Type::Bool, &condition) {
            self.mismatch(&Type::Bool, &condition, &comprehension.loop_cond);
        }
        let step = self.visit(&comprehension.loop_step);
        if !self.substitution.assign(&accumulated, &step) {
            self.mismatch(&accumulated, &step, &comprehension.loop_step);
        }
        self.variables.truncate(outside + 1);
        let result = self.visit(&comprehension.result);
        self.variables.truncate(outside);
        self.substitution.apply(&result)
    }
}

fn literal_type(literal: &LiteralValue) -> Type {
    match literal {
        LiteralValue::Boolean(_) => Type::Bool,
        LiteralValue::Bytes(_) => Type::Bytes,
        LiteralValue::Double(_) => Type::Double,
        LiteralValue::Int(_) => Type::Int,
        LiteralValue::Null => Type::Null,
        LiteralValue::String(_) => Type::String,
        LiteralValue::UInt(_) => Type::Uint,
    }
}

/// The type that a name stands for.
fn named_type(name: &str) -> Option<Type> {
    Some(match name {
        "null_type" => Type::Null,
        "list" => Type::list(Type::Dyn),
        "map" => Type::map(Type::Dyn, Type::Dyn),
        "type" => Type::Kind(Arc::new(Type::Dyn)),
        "google.protobuf.Duration" => Type::Duration,
        "google.protobuf.Timestamp" => Type::Timestamp,
        _ => return Type::basic(name),
    })
}

/// `a.b.c`, if an expression is nothing else.
fn qualified(expression: &IdedExpr) -> Option<String> {
    match &expression.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => {
            Some(format!("{}.{}", qualified(&select.operand)?, select.field))
        }
        _ => None,
    }
}

/// Whether a macro made the expression, so that the source has it not.
fn is_made(expression: &IdedExpr) -> bool {
    let arguments = match &expression.expr {
        Expr::Call(call) => &call.args,
        _ => return false,
    };
    let is_accumulator =
        |argument: &IdedExpr| matches!(&argument.expr, Expr::Ident(name) if name == "@result");
    arguments.iter().any(is_accumulator)
}

/// What a mistake in an expression is shown at.
fn token(expression: &IdedExpr) -> String {
    match &expression.expr {
        Expr::Ident(name) => name.clone(),
        Expr::Select(select) if select.test => "has(".to_owned(),
        Expr::Select(select) => format!(".{}", select.field),
        Expr::Call(call) => token_of_call(call),
        Expr::Literal(LiteralValue::String(text)) => format!("'{}'", text.inner()),
        Expr::Literal(LiteralValue::Int(number)) => number.inner().to_string(),
        Expr::Literal(LiteralValue::Boolean(value)) => value.inner().to_string(),
        Expr::List(_) => "[".to_owned(),
        Expr::Map(_) => "{".to_owned(),
        _ => String::new(),
    }
}

fn token_of_call(call: &CallExpr) -> String {
    match call.func_name.as_str() {
        operators::CONDITIONAL => "?".to_owned(),
        operators::INDEX | operators::OPT_INDEX => "[".to_owned(),
        operators::IN => "in".to_owned(),
        name if name.contains('_') && !name.chars().any(char::is_alphanumeric) => {
            name.trim_matches('_').to_owned()
        }
        name => format!("{name}("),
    }
}
