//! What running an expression can cost at most, in the units and by the model of kube-apiserver.
//!
//! A unit is about what a look at a field costs. What texts and lists cost depends on their size, which is known from the
//! schema, or else bounded by what fits into a request.

use std::collections::HashMap;
use std::sync::Arc;

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue};

use super::checker::Checked;
use super::declared::Declared;
use super::macros::is_binding;
use super::types::Type;

/// Making a list, and a map.
pub(super) const LIST: u64 = 10;
pub(super) const MAP: u64 = 30;
/// Units for each character that is read.
pub(super) const PER_CHARACTER: f64 = 0.1;
/// Units for each character of a regular expression.
pub(super) const PER_PATTERN: f64 = 0.25;
/// The longest regular expression behind a named format.
const FORMAT_PATTERN: f64 = 128.0;

/// At least and at most so much, of items or of units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) min: u64,
    pub(super) max: u64,
}

impl Range {
    const ZERO: Self = Self::exactly(0);
    const ONE: Self = Self::exactly(1);
    const UNKNOWN: Self = Self {
        min: 0,
        max: u64::MAX,
    };
    /// What the union with anything is that.
    const NONE: Self = Self {
        min: u64::MAX,
        max: 0,
    };

    const fn exactly(n: u64) -> Self {
        Self { min: n, max: n }
    }

    fn up_to(max: u64) -> Self {
        Self { min: 0, max }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            min: self.min.saturating_add(other.min),
            max: self.max.saturating_add(other.max),
        }
    }

    fn times(self, other: Self) -> Self {
        Self {
            min: self.min.saturating_mul(other.min),
            max: self.max.saturating_mul(other.max),
        }
    }

    fn scaled(self, by: f64) -> Self {
        Self {
            min: scaled(self.min, by),
            max: scaled(self.max, by),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}

/// A product, rounded up.
pub(super) fn scaled(n: u64, by: f64) -> u64 {
    // Too much for an integer becomes the largest.
    (n as f64 * by).ceil() as u64
}

/// The most that an expression can cost.
pub(super) fn at_most(expression: &IdedExpr, checked: &Checked, declared: &Arc<Declared>) -> u64 {
    let mut estimate = Estimate {
        checked,
        declared,
        paths: HashMap::new(),
        sizes: HashMap::new(),
        elements: HashMap::new(),
        variables: Vec::new(),
    };
    estimate.cost(expression).max
}

/// Sizes of the keys and values of a list or map that the expression makes.
#[derive(Debug, Clone, Copy)]
struct Elements {
    is_list: bool,
    keys: Range,
    values: Range,
}

struct Variable {
    name: String,
    path: Vec<String>,
    size: Option<Range>,
    elements: Option<Elements>,
}

struct Estimate<'e> {
    checked: &'e Checked,
    declared: &'e Arc<Declared>,
    /// Where in the object a part of the expression is.
    paths: HashMap<u64, Vec<String>>,
    sizes: HashMap<u64, Range>,
    elements: HashMap<u64, Elements>,
    variables: Vec<Variable>,
}

/// A value that a call is made with: its type, where it is, and its size if it was worked out.
struct Operand<'e> {
    expression: Option<&'e IdedExpr>,
    ty: Type,
    path: Vec<String>,
    size: Option<Range>,
}

impl Operand<'_> {
    /// Its value where it is written down as a number; what is below zero is none.
    fn integer(&self) -> Option<u64> {
        match &self.expression?.expr {
            Expr::Literal(LiteralValue::Int(n)) => Some(n.inner().max(&0).unsigned_abs()),
            _ => None,
        }
    }
}

impl<'e> Estimate<'e> {
    fn ty(&self, expression: &IdedExpr) -> Type {
        let known = self.checked.types.get(&expression.id);
        known.cloned().unwrap_or(Type::Dyn)
    }

    fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().rev().find(|known| known.name == name)
    }

    fn path(&self, expression: &IdedExpr) -> Vec<String> {
        if let Expr::Ident(name) = &expression.expr
            && let Some(variable) = self.variable(name)
        {
            return variable.path.clone();
        }
        self.paths.get(&expression.id).cloned().unwrap_or_default()
    }

    fn below(&self, expression: &IdedExpr, step: &str) -> Vec<String> {
        let mut path = self.path(expression);
        path.push(step.to_owned());
        path
    }

    /// What the schema says of the size of what is at a path.
    fn declared_size(&self, path: &[String]) -> Option<Range> {
        let mut at = self.declared;
        let key = Range::ZERO;
        // The first step is the variable.
        for step in path.split_first()?.1 {
            at = match step.as_str() {
                "@items" | "@values" => at.element.as_ref()?,
                // Keys of maps are texts without a limit of their own.
                "@keys" => return matches!(at.ty, Type::Map(..)).then_some(key),
                field => at.fields.get(field)?,
            };
        }
        Some(Range::up_to(at.most))
    }

    fn size(&mut self, expression: &IdedExpr) -> Option<Range> {
        if let Some(known) = self.sizes.get(&expression.id) {
            return Some(*known);
        }
        if let Some(known) = literal_size(&expression.expr) {
            return Some(Range::exactly(known));
        }
        if let Some(known) = self.declared_size(&self.path(expression)) {
            self.sizes.insert(expression.id, known);
            return Some(known);
        }
        if self.ty(expression).is_scalar() {
            return Some(Range::ONE);
        }
        match &expression.expr {
            Expr::Ident(name) => self.variable(name)?.size,
            _ => None,
        }
    }

    fn size_or_unknown(&mut self, expression: &IdedExpr) -> Range {
        self.size(expression).unwrap_or(Range::UNKNOWN)
    }

    fn elements_of(&self, expression: &IdedExpr) -> Option<Elements> {
        if let Some(known) = self.elements.get(&expression.id) {
            return Some(*known);
        }
        match &expression.expr {
            Expr::Ident(name) => self.variable(name)?.elements,
            _ => None,
        }
    }

    fn operand(&mut self, expression: &'e IdedExpr) -> Operand<'e> {
        let mut path = self.path(expression);
        if path.first().is_some_and(|first| first == "@result") {
            path.clear();
        }
        Operand {
            expression: Some(expression),
            ty: self.ty(expression),
            path,
            size: self.size(expression),
        }
    }

    fn operand_size(&self, operand: &Operand<'_>) -> Range {
        let known = operand.size.or_else(|| self.declared_size(&operand.path));
        known.unwrap_or(Range::UNKNOWN)
    }

    fn cost(&mut self, expression: &'e IdedExpr) -> Range {
        match &expression.expr {
            Expr::Literal(_) | Expr::Unspecified | Expr::Struct(_) => Range::ZERO,
            Expr::Ident(name) => {
                let path = match self.variable(name) {
                    Some(variable) => variable.path.clone(),
                    None => vec![name.clone()],
                };
                self.paths.insert(expression.id, path);
                Range::ONE
            }
            Expr::Select(select) => {
                let operand = self.cost(&select.operand);
                if select.test {
                    return operand;
                }
                let path = self.below(&select.operand, &select.field);
                self.paths.insert(expression.id, path);
                match self.ty(&select.operand) {
                    Type::Map(..) | Type::Object(_) | Type::Parameter(_) => {
                        operand.plus(Range::ONE)
                    }
                    _ => operand,
                }
            }
            Expr::Call(call) => self.call(expression, call),
            Expr::List(list) => {
                let mut sum = Range::exactly(LIST);
                let mut values = if list.elements.is_empty() {
                    Range::ZERO
                } else {
                    Range::NONE
                };
                for element in &list.elements {
                    sum = sum.plus(self.cost(element));
                    values = values.or(self.size_or_unknown(element));
                }
                let elements = Elements {
                    is_list: true,
                    keys: Range::ONE,
                    values,
                };
                self.elements.insert(expression.id, elements);
                sum
            }
            Expr::Map(map) => {
                let mut sum = Range::exactly(MAP);
                let none = if map.entries.is_empty() {
                    Range::ZERO
                } else {
                    Range::NONE
                };
                let (mut keys, mut values) = (none, none);
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        sum = sum
                            .plus(self.cost(&entry.key))
                            .plus(self.cost(&entry.value));
                        keys = keys.or(self.size_or_unknown(&entry.key));
                        values = values.or(self.size_or_unknown(&entry.value));
                    }
                }
                let elements = Elements {
                    is_list: false,
                    keys,
                    values,
                };
                self.elements.insert(expression.id, elements);
                sum
            }
            Expr::Comprehension(comprehension) => self.comprehension(expression, comprehension),
        }
    }

    fn comprehension(
        &mut self,
        expression: &IdedExpr,
        comprehension: &'e ComprehensionExpr,
    ) -> Range {
        let (range, start) = (&comprehension.iter_range, &comprehension.accu_init);
        let mut sum = self.cost(range).plus(self.cost(start));
        let accumulator = Variable {
            name: comprehension.accu_var.clone(),
            path: self.path(start),
            size: self.size(start),
            elements: self.elements_of(start),
        };
        self.variables.push(accumulator);
        if is_binding(comprehension) {
            sum = sum.plus(self.cost(&comprehension.result));
            if let Some(size) = self.size(&comprehension.result) {
                self.sizes.insert(expression.id, size);
            }
            if let Some(elements) = self.elements_of(&comprehension.result) {
                self.elements.insert(expression.id, elements);
            }
            self.variables.pop();
            return sum;
        }
        let elements = self.elements_of(range);
        let is_list = match elements {
            Some(elements) => elements.is_list,
            None => matches!(self.ty(range), Type::List(_)),
        };
        let second = comprehension.iter_var2.as_ref();
        let step = match (is_list, second) {
            (true, None) => "@items",
            (true, Some(_)) => "@indices",
            (false, _) => "@keys",
        };
        let variable = Variable {
            name: comprehension.iter_var.clone(),
            path: self.below(range, step),
            size: elements.map(|of| if step == "@items" { of.values } else { of.keys }),
            elements: None,
        };
        let outside = self.variables.len();
        self.variables.push(variable);
        if let Some(name) = second {
            let variable = Variable {
                name: name.clone(),
                path: self.below(range, if is_list { "@items" } else { "@values" }),
                size: elements.map(|of| of.values),
                elements: None,
            };
            self.variables.push(variable);
        }
        let round = self
            .cost(&comprehension.loop_cond)
            .plus(self.cost(&comprehension.loop_step));
        self.variables.truncate(outside);
        sum = sum.plus(self.cost(&comprehension.result));
        self.variables.pop();
        let rounds = self.size_or_unknown(range);
        sum = sum.plus(rounds.times(round));
        match &start.expr {
            Expr::Literal(_) => {
                if let Some(size) = self.size(start) {
                    self.sizes.insert(expression.id, size);
                }
            }
            Expr::List(_) | Expr::Map(_) => {
                self.sizes.insert(expression.id, rounds);
                if let Some(elements) = self.elements_of(&comprehension.loop_step) {
                    self.elements.insert(expression.id, elements);
                }
            }
            _ => {}
        }
        sum
    }

    fn call(&mut self, expression: &IdedExpr, call: &'e CallExpr) -> Range {
        if call.func_name == "dyn" {
            let Some(argument) = call.args.first() else {
                return Range::ONE;
            };
            let cost = self.cost(argument).plus(Range::ONE);
            if let Some(size) = self.size(argument) {
                self.sizes.insert(expression.id, size);
            }
            if let Some(elements) = self.elements_of(argument) {
                self.elements.insert(expression.id, elements);
            }
            return cost;
        }
        let costs: Vec<Range> = call
            .args
            .iter()
            .map(|argument| self.cost(argument))
            .collect();
        let arguments: Vec<Operand<'e>> = call
            .args
            .iter()
            .map(|argument| self.operand(argument))
            .collect();
        let is_member = !self.checked.qualified.contains_key(&expression.id);
        let mut sum = Range::ZERO;
        let target = match &call.target {
            Some(target) if is_member => {
                sum = self.cost(target);
                Some(self.operand(target))
            }
            _ => None,
        };
        let kinds = self
            .checked
            .costs
            .get(&expression.id)
            .cloned()
            .unwrap_or_default();
        let mut all = Range::NONE;
        let mut size: Option<Range> = None;
        for kind in &kinds {
            let (cost, result) = self.form(expression, kind, target.as_ref(), &arguments, &costs);
            all = all.or(cost);
            size = match (size, result) {
                (Some(size), Some(result)) => Some(size.or(result)),
                (size, result) => size.or(result),
            };
            if let ("item" | "value", Some(of)) = (*kind, call.args.first()) {
                size = self.elements_of(of).map(|of| of.values);
                let step = if *kind == "item" { "@items" } else { "@values" };
                let path = self.below(of, step);
                self.paths.insert(expression.id, path);
            }
            size = size.or_else(|| self.size(expression));
        }
        if let Some(size) = size {
            self.sizes.insert(expression.id, size);
        }
        if kinds.is_empty() { sum } else { sum.plus(all) }
    }

    /// Cost of one form of a call, arguments included, and the size of what it gives.
    fn form(
        &mut self,
        expression: &IdedExpr,
        kind: &str,
        target: Option<&Operand<'e>>,
        arguments: &[Operand<'e>],
        costs: &[Range],
    ) -> (Range, Option<Range>) {
        let given = costs.iter().fold(Range::ZERO, |sum, cost| sum.plus(*cost));
        let known = |at: usize| {
            let operand = arguments.get(at)?;
            Some(operand.size.unwrap_or(Range::UNKNOWN))
        };
        let first = arguments.first().map(|operand| self.operand_size(operand));
        let first = first.unwrap_or(Range::UNKNOWN);
        let second = arguments.get(1).map(|operand| self.operand_size(operand));
        let of = target.map(|operand| self.operand_size(operand));
        let of = of.unwrap_or(Range::UNKNOWN);
        let raw_first = known(0).unwrap_or(Range::UNKNOWN);
        let raw_second = known(1).unwrap_or(Range::UNKNOWN);
        let (cost, size) = match kind {
            "logical" => {
                let both = costs.iter().fold(Range::ZERO, |sum, cost| sum.plus(*cost));
                let min = costs.first().map_or(0, |cost| cost.min);
                return (Range { min, max: both.max }, None);
            }
            "conditional" => {
                let [condition, yes, no] = costs else {
                    return (given, None);
                };
                let third = known(2).unwrap_or(Range::UNKNOWN);
                let both = arguments.iter().skip(1).map(|operand| {
                    let expression = operand.expression?;
                    self.elements_of(expression)
                });
                if let [Some(a), Some(b)] = both.collect::<Vec<_>>().as_slice() {
                    let joined = joined(*a, *b);
                    self.elements.insert(expression.id, joined);
                }
                return (condition.plus(yes.or(*no)), Some(raw_second.or(third)));
            }
            "concatenate" | "append" => {
                let size = raw_first.plus(raw_second);
                let both = arguments.iter().map(|operand| {
                    let expression = operand.expression?;
                    self.elements_of(expression)
                });
                if let [Some(a), Some(b)] = both.collect::<Vec<_>>().as_slice() {
                    let joined = joined(*a, *b);
                    self.elements.insert(expression.id, joined);
                }
                let cost = if kind == "append" {
                    Range::ONE
                } else {
                    size.scaled(PER_CHARACTER)
                };
                (cost, Some(size))
            }
            "equals" => {
                let is_flat = |operand: &Operand<'_>| matches!(&operand.ty, Type::Opaque(name, _) if *name != "optional_type");
                if arguments.iter().all(is_flat) {
                    (Range::ONE, None)
                } else {
                    let max = raw_first.max.min(raw_second.max);
                    let min = u64::from(max > 0);
                    (Range { min, max }.scaled(PER_CHARACTER), None)
                }
            }
            "to-bytes" => {
                let size = Range {
                    min: raw_first.min,
                    max: raw_first.max.wrapping_mul(4),
                };
                (raw_first.scaled(PER_CHARACTER), Some(size))
            }
            "to-string" => {
                let size = Range {
                    min: raw_first.min / 4,
                    max: raw_first.max,
                };
                (raw_first.scaled(PER_CHARACTER), Some(size))
            }
            "quote" => {
                let size = Range {
                    min: raw_first.min.wrapping_add(2),
                    max: raw_first.max.wrapping_mul(2).wrapping_add(2),
                };
                (raw_first.scaled(PER_CHARACTER), Some(size))
            }
            "format" => (of.scaled(PER_CHARACTER), None),
            "affix" => (raw_first.scaled(PER_CHARACTER), None),
            "in-list" => (raw_second, None),
            "matches" => {
                let text = of.plus(Range::ONE).scaled(PER_CHARACTER);
                (text.times(raw_first.scaled(PER_PATTERN)), None)
            }
            "contains" => {
                let text = of.scaled(PER_CHARACTER);
                (text.times(raw_first.scaled(PER_CHARACTER)), None)
            }
            "scan" => match target.map(|target| &target.ty) {
                Some(Type::List(element)) => {
                    let mut each = Range::ONE;
                    if matches!(**element, Type::String | Type::Bytes) {
                        let size = target.map(|target| self.element_size(target));
                        each = each.plus(size.unwrap_or(Range::UNKNOWN).scaled(PER_CHARACTER));
                    }
                    (of.times(each), None)
                }
                _ => (of.scaled(PER_CHARACTER), None),
            },
            "same-size" => (of.scaled(PER_CHARACTER), Some(of)),
            "parse-sized" => (first.scaled(PER_CHARACTER), Some(first)),
            "parse" => (first.scaled(PER_CHARACTER), None),
            "parse-twice" => (first.scaled(2.0 * PER_CHARACTER), None),
            "replace" => {
                let size = replaced(of, first, second.unwrap_or(Range::UNKNOWN));
                (of.scaled(2.0 * PER_CHARACTER), Some(size))
            }
            "split" => {
                let limit = arguments
                    .get(1)
                    .and_then(|limit| literal_integer(limit.expression?));
                let size = Range::up_to(limit.unwrap_or(of.max));
                (of.scaled(2.0 * PER_CHARACTER), Some(size))
            }
            "join" => {
                let element = target.map(|target| self.element_size(target));
                let mut size = of.times(element.unwrap_or(Range::UNKNOWN));
                if !arguments.is_empty() {
                    let separators = Range {
                        min: of.min.saturating_sub(1),
                        max: of.max.saturating_sub(1),
                    };
                    size = size.plus(first.times(separators));
                }
                (size.scaled(PER_CHARACTER), Some(size))
            }
            "find" => {
                let text = of.plus(Range::ONE).scaled(PER_CHARACTER);
                let cost = text.times(first.scaled(PER_PATTERN));
                (cost, Some(Range::up_to(of.max)))
            }
            "within" | "within-text" | "around" | "around-text" => {
                let bytes = Range { min: 4, max: 16 };
                let mut cost = bytes.plus(bytes).scaled(PER_CHARACTER);
                if kind.starts_with("around") {
                    cost = cost.plus(bytes.scaled(PER_CHARACTER)).plus(Range::ONE);
                }
                if kind.ends_with("text") {
                    cost = cost.plus(first.scaled(PER_CHARACTER));
                }
                (cost, None)
            }
            "validate" => {
                let text = first.scaled(PER_CHARACTER);
                (text.scaled(FORMAT_PATTERN * PER_PATTERN), None)
            }
            "product" => (
                first
                    .times(second.unwrap_or(Range::UNKNOWN))
                    .plus(Range::ONE),
                None,
            ),
            "product-twice" => {
                let pairs = first.times(second.unwrap_or(Range::UNKNOWN));
                (pairs.scaled(2.0).plus(Range::ONE), None)
            }
            "copy" => (of.plus(Range::exactly(LIST + 1)), Some(of)),
            "slice" => {
                let limits: Vec<_> = arguments.iter().map(|limit| limit.integer()).collect();
                let start = limits.first().copied().flatten().unwrap_or(0);
                let end = limits.get(1).copied().flatten().unwrap_or(of.max);
                let size = Range::exactly(end.wrapping_sub(start));
                (size.plus(Range::exactly(LIST + 1)), Some(size))
            }
            "range" => {
                let count = arguments.first().and_then(Operand::integer);
                let size = Range::exactly(count.unwrap_or(u64::MAX));
                (size.plus(Range::exactly(LIST + 1)), Some(size))
            }
            "flatten" => {
                let depth = arguments.first().map_or(Some(1), Operand::integer);
                let cost = of.scaled(depth.unwrap_or(u64::MAX) as f64);
                (cost.plus(Range::exactly(LIST + 1)), Some(of))
            }
            "compare-all" | "compare-all-text" | "sort-by" | "sort-by-text" => {
                let keys = if kind.starts_with("sort-by") {
                    first
                } else {
                    of
                };
                let pairs = keys.times(keys);
                let cost = pairs.scaled(comparing(kind.ends_with("text")));
                (cost.plus(Range::exactly(LIST + 1)), Some(pairs))
            }
            _ => (Range::ONE, None),
        };
        (cost.plus(given), size)
    }

    /// Size of the items of a list.
    fn element_size(&self, list: &Operand<'_>) -> Range {
        let mut path = list.path.clone();
        path.push("@items".to_owned());
        let known = if list.path.is_empty() {
            None
        } else {
            self.declared_size(&path)
        };
        known.unwrap_or(Range::UNKNOWN)
    }
}

/// What comparing two items of a list costs.
pub(super) fn comparing(are_texts: bool) -> f64 {
    if are_texts { 2.0 + PER_CHARACTER } else { 2.0 }
}

fn joined(a: Elements, b: Elements) -> Elements {
    Elements {
        is_list: a.is_list,
        keys: a.keys.or(b.keys),
        values: a.values.or(b.values),
    }
}

/// The size of a text in which some parts are replaced by others.
fn replaced(text: Range, part: Range, by: Range) -> Range {
    let share = |of: u64, part: u64| (of as f64 / part as f64).ceil() as u64;
    let (mut count, mut kept) = (Range::ZERO, Range::ZERO);
    if part.min == 0 {
        count.max = text.max.saturating_add(1);
        kept.max = text.max;
    } else if by.max <= part.min {
        kept.max = text.max;
    } else {
        count.max = share(text.max, part.min);
    }
    if part.max == 0 {
        count.min = text.min.saturating_add(1);
        kept.min = text.min;
    } else if part.max <= by.min {
        kept.min = text.min;
    } else {
        count.min = share(text.min, part.max);
    }
    count.times(by).plus(kept)
}

fn literal_size(expression: &Expr) -> Option<u64> {
    Some(match expression {
        Expr::Literal(LiteralValue::String(text)) => text.inner().chars().count() as u64,
        Expr::Literal(LiteralValue::Bytes(bytes)) => bytes.inner().len() as u64,
        Expr::Literal(_) => 1,
        Expr::List(list) => list.elements.len() as u64,
        Expr::Map(map) => map.entries.len() as u64,
        _ => return None,
    })
}

fn literal_integer(expression: &IdedExpr) -> Option<u64> {
    match &expression.expr {
        // As Go converts it: what is below zero becomes very large.
        Expr::Literal(LiteralValue::Int(n)) => Some(n.inner().cast_unsigned()),
        _ => None,
    }
}
