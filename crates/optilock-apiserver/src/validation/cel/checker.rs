//! Types of expressions, found out before they run.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr, operators,
};

use super::declared::Declared;
use super::functions::{self, Overload};
use super::macros::{Origins, RESULT};
use super::place::Mistake;
use super::types::{Substitution, Type};

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
    /// Whether it has something that the crate's interpreter can't run, or not as kube-apiserver does.
    pub(super) is_beyond_the_interpreter: bool,
    pub(super) gives: Option<Type>,
}

/// Checks an expression about a value, and about the one before it, which may be an optional.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(
    expression: &IdedExpr,
    origins: Origins,
    declared: &Arc<Declared>,
    optional_old: bool,
) -> Result<Checked, Vec<Mistake>> {
    let own = declared.ty.clone();
    let old = if optional_old {
        Type::optional(own.clone())
    } else {
        own.clone()
    };
    let mut checker = Checker {
        variables: vec![("self".to_owned(), own), ("oldSelf".to_owned(), old)],
        origins,
        ..Checker::default()
    };
    checker.checked.is_beyond_the_interpreter = !checker.origins.is_empty();
    checker.learn_objects(declared);
    let gives = checker.visit(expression);
    if !checker.mistakes.is_empty() {
        return Err(checker.mistakes);
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
    origins: Origins,
    /// The macros of the parser that the part which is looked at is in.
    macros: Vec<&'static str>,
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
        if self.origins.is_copy(expression.id) {
            let seen = self.seen.clone();
            let ty = self.look_at(expression);
            self.seen = seen;
            return ty;
        }
        self.look_at(expression)
    }

    fn look_at(&mut self, expression: &IdedExpr) -> Type {
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
            Expr::Comprehension(comprehension) => {
                let name = parsers_macro(comprehension);
                let name = name.filter(|_| self.origins.token(expression.id).is_none());
                self.macros.extend(name);
                let ty = self.comprehension(comprehension);
                if let Some(name) = name {
                    self.macros.pop();
                    *self.seen.entry(name.to_owned()).or_default() += 1;
                }
                ty
            }
            // Messages of protobuf, which no rule has a use for.
            Expr::Struct(message) => {
                let name = &message.type_name;
                let what = format!("undeclared reference to '{name}' (in container '')");
                self.mistake(what, token(expression))
            }
            Expr::Unspecified => Type::Error,
        };
        self.checked.types.insert(expression.id, ty.clone());
        if self.is_in_source(expression) {
            *self.seen.entry(self.token(expression)).or_default() += 1;
        }
        ty
    }

    /// What a mistake in an expression is shown at.
    fn token(&self, expression: &IdedExpr) -> String {
        match self.origins.token(expression.id) {
            Some(token) => token.to_owned(),
            None => token(expression),
        }
    }

    /// Whether the source has it, or what all of it was made of.
    fn is_in_source(&self, expression: &IdedExpr) -> bool {
        match self.origins.token(expression.id) {
            Some(_) => self.origins.is_whole(expression.id),
            None => !is_made(expression),
        }
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
        let ty = self.mistake(what, self.token(at));
        if self.is_in_source(at)
            && let Some(mistake) = self.mistakes.last_mut()
        {
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
            self.checked.is_beyond_the_interpreter = true;
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
            return self.mistake(what, self.token_of_call(id, call));
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
        self.mistake(what, self.token_of_call(id, call))
    }

    fn token_of_call(&self, id: u64, call: &CallExpr) -> String {
        let made = || self.macros.last().filter(|_| is_call_made(call));
        match self.origins.token(id).or_else(|| made().copied()) {
            Some(token) => token.to_owned(),
            None => token_of_call(call),
        }
    }

    fn comprehension(&mut self, comprehension: &ComprehensionExpr) -> Type {
        let range = self.visit(&comprehension.iter_range);
        let accumulated = self.visit(&comprehension.accu_init);
        let range = self.substitution.apply(&range);
        let has_two = comprehension.iter_var2.is_some();
        let (first, second) = match &range {
            Type::List(of) if has_two => (Type::Int, Type::clone(of)),
            Type::List(of) => (Type::clone(of), Type::Dyn),
            Type::Map(key, value) => (Type::clone(key), Type::clone(value)),
            Type::Dyn | Type::Error => (Type::Dyn, Type::Dyn),
            Type::Parameter(_) => {
                self.substitution.assign(&Type::Dyn, &range);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let what = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                let error = self.mistake_in(what, &comprehension.iter_range);
                (error.clone(), error)
            }
        };
        let outside = self.variables.len();
        let accumulator = (comprehension.accu_var.clone(), accumulated.clone());
        self.variables.push(accumulator);
        self.variables.push((comprehension.iter_var.clone(), first));
        if let Some(name) = &comprehension.iter_var2 {
            self.variables.push((name.clone(), second));
        }
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
    matches!(&expression.expr, Expr::Call(call) if is_call_made(call))
}

fn is_call_made(call: &CallExpr) -> bool {
    call.args.iter().any(|argument| is_name(argument, RESULT))
}

fn is_name(expression: &IdedExpr, name: &str) -> bool {
    matches!(&expression.expr, Expr::Ident(known) if known == name)
}

/// What mistakes are shown at in what the parser made of `filter`, or of `map` with a condition, which is not the same only
/// where it maps to something else than the item.
fn parsers_macro(comprehension: &ComprehensionExpr) -> Option<&'static str> {
    let Expr::Call(step) = &comprehension.loop_step.expr else {
        return None;
    };
    let (operators::CONDITIONAL, [_, added, _]) = (step.func_name.as_str(), step.args.as_slice())
    else {
        return None;
    };
    let Expr::Call(added) = &added.expr else {
        return None;
    };
    match &added.args.last()?.expr {
        Expr::List(items) => {
            let keeps = items
                .elements
                .iter()
                .all(|item| is_name(item, &comprehension.iter_var));
            Some(if keeps { "filter(" } else { "map(" })
        }
        _ => Some("exists_one("),
    }
}

/// What a mistake in an expression is shown at.
pub(super) fn token(expression: &IdedExpr) -> String {
    match &expression.expr {
        Expr::Ident(name) => name.clone(),
        Expr::Select(select) if select.test => "has(".to_owned(),
        Expr::Select(select) => format!(".{}", select.field),
        Expr::Call(call) => token_of_call(call),
        Expr::Literal(LiteralValue::String(text)) => format!("'{}'", text.inner()),
        Expr::Literal(LiteralValue::Int(number)) => number.inner().to_string(),
        Expr::Literal(LiteralValue::Boolean(value)) => value.inner().to_string(),
        Expr::List(_) => "[".to_owned(),
        Expr::Map(_) | Expr::Struct(_) => "{".to_owned(),
        _ => String::new(),
    }
}

fn token_of_call(call: &CallExpr) -> String {
    match call.func_name.as_str() {
        operators::CONDITIONAL => "?".to_owned(),
        operators::INDEX | operators::OPT_INDEX => "[".to_owned(),
        operators::OPT_SELECT => ".?".to_owned(),
        operators::IN => "in".to_owned(),
        name if name.contains('_') && !name.chars().any(char::is_alphanumeric) => {
            name.trim_matches('_').to_owned()
        }
        name => format!("{name}("),
    }
}
