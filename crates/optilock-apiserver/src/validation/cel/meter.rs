//! Running an expression while counting what it costs.
//!
//! The interpreter counts nothing, so that the parts of an expression are run one by one here: calls with the values of their
//! arguments, loops round by round. That is for rules that could get too expensive; others run as a whole.

use std::sync::Arc;

use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, Expr, ListExpr, SelectExpr, operators,
};
use kube_cel::cel::objects::Key;
use kube_cel::cel::{Context, ExecutionError, IdedExpr, Value};

use super::checker::Checked;
use super::cost::{LIST, MAP, PER_CHARACTER, PER_PATTERN, scaled};
use super::values::{is_literal, size};

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
            Expr::Map(_) => {
                // Its members are few, they are written down.
                self.spend(MAP)?;
                Ok(context.resolve(expression)?)
            }
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
        let range: Vec<Value> = match self.run(&comprehension.iter_range, context)? {
            Value::List(items) => Arc::unwrap_or_clone(items),
            Value::Map(members) => members.map.keys().map(of_key).collect(),
            _ => return Err(ExecutionError::NoSuchOverload.into()),
        };
        let mut accumulated = self.run(&comprehension.accu_init, context)?;
        let mut failed = None;
        for item in range {
            let mut scope = context.new_inner_scope();
            scope.add_variable_from_value(comprehension.iter_var.clone(), item);
            // Lists grow in place: a copy for each round would cost far more than what is counted.
            if let Value::List(items) = &mut accumulated {
                self.grow(comprehension, Arc::make_mut(items), &scope)?;
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

    /// A round of `map` or `filter`: `accumulated + [value]`, or that where a condition holds.
    fn grow(
        &mut self,
        comprehension: &ComprehensionExpr,
        items: &mut Vec<Value>,
        scope: &Context<'_>,
    ) -> Result<(), Failure> {
        let mut step = &comprehension.loop_step;
        if let Expr::Call(call) = &step.expr
            && let (operators::CONDITIONAL, [condition, yes, _]) =
                (call.func_name.as_str(), call.args.as_slice())
        {
            if !self.truth(condition, scope)? {
                return self.spend(1);
            }
            step = yes;
        }
        if let Expr::Call(call) = &step.expr
            && let [_, added] = call.args.as_slice()
            && let Expr::List(added) = &added.expr
        {
            // The accumulator, the list around the value, and the sum.
            self.spend(1 + LIST + 1)?;
            items.extend(self.all(&added.elements, scope)?);
        }
        Ok(())
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
