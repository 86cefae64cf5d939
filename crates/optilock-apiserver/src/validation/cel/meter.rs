//! Running an expression while counting what it costs.
//!
//! The interpreter counts nothing, so that the parts of an expression are run one by one here: calls with the values of their
//! arguments, loops round by round. That is for rules that could get too expensive, and for those with something that the
//! interpreter can't run; others run as a whole.

use std::collections::HashMap;
use std::sync::Arc;

use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, ListExpr, MapEntryExpr, MapExpr,
    SelectExpr, operators,
};
use kube_cel::cel::objects::{Key, OptionalValue};
use kube_cel::cel::{Context, ExecutionError, IdedExpr, Value};

use super::checker::Checked;
use super::cost::{LIST, MAP, PER_CHARACTER, PER_PATTERN, comparing, scaled};
use super::macros::{INSERT, SORT};
use super::values::{is_literal, optional, size};

/// What one run of an expression may cost.
const PER_RUN: u64 = 1_000_000;

/// Why there is no value.
#[derive(Debug)]
pub(super) enum Failure {
    /// It costs more than it may.
    TooExpensive,
    Execution(ExecutionError),
}

impl From<ExecutionError> for Failure {
    fn from(error: ExecutionError) -> Self {
        Self::Execution(error)
    }
}

/// Counts the cost of one run.
pub(super) struct Meter<'c> {
    checked: &'c Checked,
    spent: u64,
}

type Run = Result<Value, Failure>;

impl<'c> Meter<'c> {
    pub(super) fn new(checked: &'c Checked) -> Self {
        Self { checked, spent: 0 }
    }

    /// Units spent so far.
    pub(super) fn spent(&self) -> u64 {
        self.spent
    }

    fn spend(&mut self, units: u64) -> Result<(), Failure> {
        self.spent = self.spent.saturating_add(units);
        if self.spent > PER_RUN {
            return Err(Failure::TooExpensive);
        }
        Ok(())
    }

    pub(super) fn run(&mut self, expression: &IdedExpr, context: &Context<'_>) -> Run {
        match &expression.expr {
            Expr::Ident(_) => {
                self.spend(1)?;
                Ok(context.resolve(expression)?)
            }
            Expr::Select(select) => self.select(select, context),
            Expr::Call(call) => self.call(expression, call, context),
            Expr::List(list) if !is_literal(&expression.expr) => {
                self.spend(LIST)?;
                let elements = self.all(&list.elements, context)?;
                let (names, scope) = bound(&elements, context);
                let list = ListExpr::new_with_optionals(names, list.optional_indices.clone());
                Ok(scope.resolve(&made(Expr::List(list)))?)
            }
            Expr::Map(map) => self.map(map, context),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, context),
            Expr::List(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => {
                Ok(context.resolve(expression)?)
            }
        }
    }

    fn all(
        &mut self,
        expressions: &[IdedExpr],
        context: &Context<'_>,
    ) -> Result<Vec<Value>, Failure> {
        expressions
            .iter()
            .map(|expression| self.run(expression, context))
            .collect()
    }

    fn map(&mut self, map: &MapExpr, context: &Context<'_>) -> Run {
        self.spend(MAP)?;
        let entries = map.entries.iter().filter_map(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => Some(entry),
            EntryExpr::StructField(_) => None,
        });
        let mut values = Vec::new();
        for entry in entries.clone() {
            values.push(self.run(&entry.key, context)?);
            values.push(self.run(&entry.value, context)?);
        }
        let (names, scope) = bound(&values, context);
        let mut names = names.into_iter();
        let entries = entries.map(|entry| {
            let entry = MapEntryExpr {
                key: names.next().unwrap_or_default(),
                value: names.next().unwrap_or_default(),
                optional: entry.optional,
            };
            IdedEntryExpr {
                id: 0,
                expr: EntryExpr::MapEntry(entry),
            }
        });
        let map = MapExpr {
            entries: entries.collect(),
        };
        Ok(scope.resolve(&made(Expr::Map(map)))?)
    }

    fn select(&mut self, select: &SelectExpr, context: &Context<'_>) -> Run {
        // `google.protobuf.Duration` and its like are names.
        let operand = self.run(&select.operand, context)?;
        if !select.test {
            self.spend(1)?;
        }
        let (mut names, scope) = bound(&[operand], context);
        let select = SelectExpr {
            operand: Box::new(names.pop().unwrap_or_default()),
            ..select.clone()
        };
        Ok(scope.resolve(&made(Expr::Select(select)))?)
    }

    /// A boolean, or why there is none.
    fn truth(&mut self, expression: &IdedExpr, context: &Context<'_>) -> Result<bool, Failure> {
        match self.run(expression, context)? {
            Value::Bool(value) => Ok(value),
            _ => Err(ExecutionError::NoSuchOverload.into()),
        }
    }

    fn call(&mut self, expression: &IdedExpr, call: &CallExpr, context: &Context<'_>) -> Run {
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::CONDITIONAL, [condition, yes, no]) => {
                let branch = if self.truth(condition, context)? {
                    yes
                } else {
                    no
                };
                return self.run(branch, context);
            }
            (name @ (operators::LOGICAL_OR | operators::LOGICAL_AND), [left, right]) => {
                // The one value decides alone, even where the other side fails.
                let decides = name == operators::LOGICAL_OR;
                let left = self.truth(left, context);
                if matches!(left, Ok(value) if value == decides)
                    || matches!(left, Err(Failure::TooExpensive))
                {
                    return left.map(Value::Bool);
                }
                let right = self.truth(right, context)?;
                return if right == decides {
                    Ok(Value::Bool(right))
                } else {
                    left.map(|_| Value::Bool(right))
                };
            }
            (operators::NOT_STRICTLY_FALSE, [condition]) => {
                let value = match self.truth(condition, context) {
                    Err(Failure::TooExpensive) => return Err(Failure::TooExpensive),
                    value => value.unwrap_or(true),
                };
                self.spend(1)?;
                return Ok(Value::Bool(value));
            }
            (operators::OPT_SELECT, [operand, field]) => {
                let operand = self.run(operand, context)?;
                let field = self.run(field, context)?;
                self.spend(1)?;
                return Ok(optional(member(&operand, &field)?));
            }
            _ => {}
        }
        let whole = self.checked.qualified.get(&expression.id);
        let mut values = Vec::new();
        if let (None, Some(target)) = (whole, &call.target) {
            values.push(self.run(target, context)?);
        }
        values.extend(self.all(&call.args, context)?);
        let (mut names, scope) = bound(&values, context);
        let target = match (whole, &call.target) {
            (Some(_), target) => target.clone(),
            (None, Some(_)) => Some(Box::new(names.remove(0))),
            (None, None) => None,
        };
        let bound = CallExpr {
            func_name: call.func_name.clone(),
            target,
            args: names,
        };
        let result = scope.resolve(&made(Expr::Call(bound)))?;
        self.spend(price(&call.func_name, &values, &result))?;
        Ok(result)
    }

    fn comprehension(&mut self, comprehension: &ComprehensionExpr, context: &Context<'_>) -> Run {
        let range = self.run(&comprehension.iter_range, context)?;
        let range = rounds(range, comprehension.iter_var2.is_some())?;
        let mut accumulated = self.run(&comprehension.accu_init, context)?;
        let mut failed = None;
        for (first, second) in range {
            let mut scope = context.new_inner_scope();
            scope.add_variable_from_value(comprehension.iter_var.clone(), first);
            if let (Some(name), Some(second)) = (&comprehension.iter_var2, second) {
                scope.add_variable_from_value(name.clone(), second);
            }
            // Lists and maps grow in place: a copy for each round would cost far more than what is counted.
            if matches!(accumulated, Value::List(_) | Value::Map(_)) {
                self.grow(&comprehension.loop_step, &mut accumulated, &scope)?;
                continue;
            }
            scope.add_variable_from_value(comprehension.accu_var.clone(), accumulated.clone());
            if failed.is_none() && !self.truth(&comprehension.loop_cond, &scope)? {
                break;
            }
            match self.run(&comprehension.loop_step, &scope) {
                Ok(value) => {
                    // A later round that decides makes good for one that failed.
                    let decides = failed.is_none() || value != accumulated;
                    accumulated = value;
                    if decides {
                        failed = None;
                    }
                }
                Err(Failure::TooExpensive) => return Err(Failure::TooExpensive),
                Err(Failure::Execution(error)) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            return Err(error.into());
        }
        let mut scope = context.new_inner_scope();
        scope.add_variable_from_value(comprehension.accu_var.clone(), accumulated);
        self.run(&comprehension.result, &scope)
    }

    /// A round of a loop that gathers a list or a map: something more, or nothing where a condition does not hold.
    fn grow(
        &mut self,
        step: &IdedExpr,
        gathered: &mut Value,
        scope: &Context<'_>,
    ) -> Result<(), Failure> {
        let Expr::Call(call) = &step.expr else {
            return Ok(());
        };
        match (call.func_name.as_str(), call.args.as_slice(), gathered) {
            (operators::CONDITIONAL, [condition, yes, _], gathered) => {
                if self.truth(condition, scope)? {
                    self.grow(yes, gathered, scope)
                } else {
                    self.spend(1)
                }
            }
            (operators::ADD, [_, added], Value::List(items)) => {
                if let Expr::List(added) = &added.expr {
                    // The accumulator, the list around the value, and the sum.
                    self.spend(1 + LIST + 1)?;
                    Arc::make_mut(items).extend(self.all(&added.elements, scope)?);
                }
                Ok(())
            }
            (INSERT, [_, added @ ..], Value::Map(members)) => {
                // The accumulator, and the call.
                self.spend(1 + 1)?;
                let members = Arc::make_mut(&mut members.map);
                match self.all(added, scope)?.as_slice() {
                    [Value::Map(more)] => {
                        for (key, value) in &*more.map {
                            insert(members, key.clone(), value.clone())?;
                        }
                        Ok(())
                    }
                    [key, value] => insert(members, to_key(key)?, value.clone()),
                    _ => Err(ExecutionError::NoSuchOverload.into()),
                }
            }
            _ => Ok(()),
        }
    }
}

/// The rounds of a loop: items, or members' keys; with a second variable, indices and items, or keys and values.
fn rounds(range: Value, has_two: bool) -> Result<Vec<(Value, Option<Value>)>, Failure> {
    Ok(match (range, has_two) {
        (Value::List(items), false) => {
            let items = Arc::unwrap_or_clone(items).into_iter();
            items.map(|item| (item, None)).collect()
        }
        (Value::List(items), true) => {
            let items = (0..).map(Value::Int).zip(Arc::unwrap_or_clone(items));
            items.map(|(at, item)| (at, Some(item))).collect()
        }
        (Value::Map(members), false) => {
            let keys = members.map.keys();
            keys.map(|key| (of_key(key), None)).collect()
        }
        (Value::Map(members), true) => {
            let members = members.map.iter();
            members
                .map(|(key, value)| (of_key(key), Some(value.clone())))
                .collect()
        }
        _ => return Err(ExecutionError::NoSuchOverload.into()),
    })
}

/// Adds a member to a map that must not have it yet.
fn insert(members: &mut HashMap<Key, Value>, key: Key, value: Value) -> Result<(), Failure> {
    if members.contains_key(&key) {
        let why = format!("insert failed: key {key} already exists");
        return Err(ExecutionError::function_error(INSERT, why).into());
    }
    members.insert(key, value);
    Ok(())
}

/// A member of a value that may be an optional, if there is one.
fn member(operand: &Value, field: &Value) -> Result<Option<Value>, Failure> {
    match operand {
        Value::Map(members) => Ok(members.map.get(&to_key(field)?).cloned()),
        Value::Opaque(of) => match of.downcast_ref::<OptionalValue>() {
            Some(optional) => match optional.value() {
                Some(value) => member(value, field),
                None => Ok(None),
            },
            None => Err(ExecutionError::NoSuchOverload.into()),
        },
        _ => Err(ExecutionError::NoSuchOverload.into()),
    }
}

fn to_key(value: &Value) -> Result<Key, Failure> {
    match value {
        Value::Int(n) => Ok(Key::Int(*n)),
        Value::UInt(n) => Ok(Key::Uint(*n)),
        Value::Bool(value) => Ok(Key::Bool(*value)),
        Value::String(text) => Ok(Key::String(Arc::clone(text))),
        _ => Err(ExecutionError::NoSuchOverload.into()),
    }
}

fn of_key(key: &Key) -> Value {
    match key {
        Key::Int(n) => Value::Int(*n),
        Key::Uint(n) => Value::UInt(*n),
        Key::Bool(value) => Value::Bool(*value),
        Key::String(text) => Value::String(Arc::clone(text)),
    }
}

fn made(expr: Expr) -> IdedExpr {
    IdedExpr { id: 0, expr }
}

/// Names for values, and a scope in which they have them.
fn bound<'s>(values: &[Value], context: &'s Context<'_>) -> (Vec<IdedExpr>, Context<'s>) {
    let mut scope = context.new_inner_scope();
    let names = values.iter().enumerate().map(|(at, value)| {
        let name = format!("@{at}");
        scope.add_variable_from_value(name.clone(), value.clone());
        made(Expr::Ident(name))
    });
    let names = names.collect();
    (names, scope)
}

/// What a call costs with these values, the target first.
fn price(name: &str, values: &[Value], result: &Value) -> u64 {
    let characters = |at: usize| values.get(at).map_or(0, size);
    let reading = |at: usize| scaled(characters(at), PER_CHARACTER);
    let is_text = |at: usize| matches!(values.get(at), Some(Value::String(_) | Value::Bytes(_)));
    match name {
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => {
            values.first().map_or(0, traversal)
        }
        "url" | "lowerAscii" | "upperAscii" | "substring" | "trim" | "escapeKey" | "cidr"
        | "isIP" | "isCIDR" | "quantity" | "isQuantity" | "semver" | "isSemver" => reading(0),
        "ip" if is_text(0) => reading(0),
        "replace" | "split" | "isCanonical" => scaled(characters(0), 2.0 * PER_CHARACTER),
        "join" => scaled(size(result), 2.0 * PER_CHARACTER),
        "find" | "findAll" | "matches" => {
            let text = scaled(characters(0) + 1, PER_CHARACTER);
            text.saturating_mul(scaled(characters(1), PER_PATTERN))
        }
        "slice" | "reverse" | "lists.range" | "range" => size(result) + 1 + LIST,
        "flatten" => {
            let depth = match values.get(1) {
                Some(Value::Int(depth)) => depth.unsigned_abs(),
                _ => 1,
            };
            characters(0).saturating_mul(depth) + 1 + LIST
        }
        "distinct" | "sort" => comparisons(values.first()),
        SORT => comparisons(values.get(1)),
        "contains" if is_text(0) => reading(0).saturating_mul(reading(1)),
        "startsWith" | "endsWith" | "format" | "quote" => reading(0),
        "string" | "bytes"
            if is_text(0)
                && !matches!((name, values.first()), ("string", Some(Value::String(_)))) =>
        {
            reading(0)
        }
        operators::IN => match values.get(1) {
            Some(Value::List(items)) => items.len() as u64,
            _ => 1,
        },
        operators::EQUALS | operators::NOT_EQUALS => {
            scaled(characters(0).min(characters(1)), PER_CHARACTER)
        }
        operators::LESS
        | operators::LESS_EQUALS
        | operators::GREATER
        | operators::GREATER_EQUALS
            if is_text(0) =>
        {
            scaled(characters(0).min(characters(1)), PER_CHARACTER)
        }
        operators::ADD if is_text(0) => scaled(characters(0) + characters(1), PER_CHARACTER),
        _ => 1,
    }
}

/// What comparing all items of a list with each other costs.
fn comparisons(list: Option<&Value>) -> u64 {
    let Some(Value::List(items)) = list else {
        return 1;
    };
    let are_texts = matches!(items.first(), Some(Value::String(_) | Value::Bytes(_)));
    let pairs = (items.len() as f64).powi(2);
    // Rounded down, as there.
    (pairs * comparing(are_texts)) as u64 + 1 + LIST
}

/// What reading all of a value costs.
fn traversal(value: &Value) -> u64 {
    match value {
        Value::String(text) => (text.len() as f64 * PER_CHARACTER) as u64,
        Value::Bytes(bytes) => (bytes.len() as f64 * PER_CHARACTER) as u64,
        Value::List(items) => items.iter().map(traversal).sum(),
        Value::Map(members) => {
            let each = members.map.iter();
            each.map(|(key, value)| traversal(&of_key(key)) + traversal(value))
                .sum()
        }
        _ => 1,
    }
}
