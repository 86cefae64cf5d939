//! The rules of a schema, and objects that keep or break them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use kube_cel::cel::{Context, ExecutionError, Value as Cel};
use serde_json::Value;

use super::declared::{Declared, escaped};
use super::meter::Failure;
use super::program::Compiled;
use super::types::Type;
use super::values;
use crate::validation::field::{BadValue, Error, ErrorList};
use crate::validation::path::Path;

/// What all rules together may cost for one object.
const BUDGET: u64 = 10_000_000;
/// Rules that can't cost more than this need not be watched.
const HARMLESS: u64 = 1_000_000;

thread_local! {
    /// A hundred functions by name: too much to put together for each object.
    static CONTEXT: Context<'static> = values::context();
}

/// The rules of one schema, compiled.
#[derive(Debug)]
pub(crate) struct Rules {
    root: Option<Node>,
    /// Whether the cost is counted when rules run.
    metered: bool,
}

/// The rules of one place in a schema, and of what is below it.
struct Node {
    declared: Arc<Declared>,
    /// As the schema names it.
    kind: String,
    rules: Vec<Rule>,
    properties: BTreeMap<String, Node>,
    values: Option<Box<Node>>,
    items: Option<Box<Node>>,
    all_of: Vec<Node>,
    /// What tells the items of a list apart, so that an item has an old one.
    keys: Option<Vec<String>>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

struct Rule {
    compiled: Compiled,
    source: String,
    message: String,
    expression: Option<Compiled>,
    reason: String,
    field_path: String,
    optional_old: bool,
}

impl Rule {
    /// A rule of a definition that was accepted. One that does not compile was accepted without this library.
    fn of(rule: &Value, declared: &Arc<Declared>) -> Option<Self> {
        let text = |member: &str| rule[member].as_str().unwrap_or_default().trim().to_owned();
        let optional_old = rule["optionalOldSelf"] == true;
        let compile = |source: &str, gives: &Type| {
            let compiled = Compiled::of(source, declared, optional_old, gives);
            compiled
                .map_err(|why| tracing::warn!(?why, source, "a rule can't be looked at"))
                .ok()
        };
        let expression = text("messageExpression");
        Some(Self {
            compiled: compile(&text("rule"), &Type::Bool)?,
            source: text("rule"),
            message: text("message"),
            expression: (!expression.is_empty())
                .then(|| compile(&expression, &Type::String))
                .flatten(),
            reason: text("reason"),
            field_path: text("fieldPath").trim_start_matches('.').to_owned(),
            optional_old,
        })
    }

    /// How the rule is named where it can't be run.
    fn name(&self) -> &str {
        if self.message.is_empty() {
            &self.source
        } else {
            &self.message
        }
    }
}

impl Node {
    /// `None` where there are no rules.
    fn of(schema: &Value, declared: &Arc<Declared>) -> Option<Self> {
        let rules = schema["x-kubernetes-validations"]
            .as_array()
            .into_iter()
            .flatten();
        let rules: Vec<Rule> = rules.filter_map(|rule| Rule::of(rule, declared)).collect();
        let mut properties = BTreeMap::new();
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            let known = escaped(name).and_then(|name| declared.fields.get(&name));
            if let Some(node) = known.and_then(|known| Self::of(inner, known)) {
                properties.insert(name.clone(), node);
            }
        }
        let element = |member: &str| {
            let inner = schema.get(member).filter(|inner| inner.is_object())?;
            Some(Box::new(Self::of(inner, declared.element.as_ref()?)?))
        };
        let all_of = schema["allOf"].as_array().into_iter().flatten();
        let keys = schema["x-kubernetes-list-map-keys"].as_array();
        let keys = keys.filter(|_| schema["x-kubernetes-list-type"] == "map");
        let keys = keys.map(|keys| {
            let names = keys.iter().filter_map(Value::as_str);
            names.map(str::to_owned).collect()
        });
        let node = Self {
            declared: Arc::clone(declared),
            kind: schema["type"].as_str().unwrap_or_default().to_owned(),
            rules,
            properties,
            values: element("additionalProperties"),
            items: element("items"),
            all_of: all_of
                .filter_map(|inner| Self::of(inner, declared))
                .collect(),
            keys,
        };
        let is_empty = node.rules.is_empty()
            && node.properties.is_empty()
            && node.values.is_none()
            && node.items.is_none()
            && node.all_of.is_empty();
        (!is_empty).then_some(node)
    }

    /// The most that its rules can cost for one object in which it is so often, or once in a request's every byte.
    fn most(&self, times: Option<u64>, schema: &Value) -> (u64, u64) {
        let factor = times.unwrap_or_else(|| self.declared.most_in_a_request());
        let mut each = 0;
        let mut sum = 0_u64;
        for rule in &self.rules {
            let message = rule
                .expression
                .as_ref()
                .map_or(0, |expression| expression.most);
            each = each.max(rule.compiled.most).max(message);
            let cost = rule.compiled.most.saturating_add(message);
            sum = sum.saturating_add(cost.saturating_mul(factor));
        }
        let below = times_below(schema, times);
        let mut add = |(a, b): (u64, u64)| {
            each = each.max(a);
            sum = sum.saturating_add(b);
        };
        for (name, node) in &self.properties {
            add(node.most(below, &schema["properties"][name]));
        }
        if let Some(node) = &self.values {
            add(node.most(below, &schema["additionalProperties"]));
        }
        if let Some(node) = &self.items {
            add(node.most(below, &schema["items"]));
        }
        (each, sum)
    }
}

/// How often what is inside of a place can be there, if that is so often there itself. `None` for no limit.
pub(super) fn times_below(schema: &Value, times: Option<u64>) -> Option<u64> {
    let number = |member: &str| schema[member].as_i64().map(|n| n.max(0).unsigned_abs());
    let factor = match schema["type"].as_str() {
        Some("array") => number("maxItems")?,
        Some("object") if schema["additionalProperties"].is_object() => number("maxProperties")?,
        _ => 1,
    };
    Some(times?.saturating_mul(factor))
}

impl Rules {
    /// Compiles the rules of a schema, given as it is in the definition.
    pub(crate) fn compile(schema: &Value) -> Self {
        let declared = Declared::of(schema, true, "self");
        let root = declared.and_then(|declared| Node::of(schema, &declared));
        let (each, all) = root
            .as_ref()
            .map_or((0, 0), |root| root.most(Some(1), schema));
        Self {
            root,
            metered: each > HARMLESS || all > BUDGET,
        }
    }

    /// Adds what an object breaks; rules about a transition are looked at when there is an old object. What is broken and
    /// has not changed is no error, the writer is told of it.
    pub(crate) fn check(
        &self,
        object: &Value,
        old: Option<&Value>,
        errors: &mut ErrorList,
        told: &mut Vec<String>,
    ) {
        let Some(root) = &self.root else { return };
        CONTEXT.with(|functions| {
            let mut run = Run {
                functions,
                metered: self.metered,
                left: BUDGET,
                errors,
                told,
            };
            run.node(root, object, old, false, &Path::ROOT);
        });
    }
}

/// Nothing more is to be looked at.
struct Stop;

struct Run<'r> {
    functions: &'r Context<'static>,
    metered: bool,
    left: u64,
    errors: &'r mut ErrorList,
    told: &'r mut Vec<String>,
}

impl Run<'_> {
    /// Looks at a value and what is in it. `settled` is set where what the value is in has not changed.
    fn node(
        &mut self,
        node: &Node,
        value: &Value,
        old: Option<&Value>,
        settled: bool,
        path: &Path<'_>,
    ) -> Option<Stop> {
        if value.is_null() {
            return None;
        }
        let old = old.filter(|old| !old.is_null());
        let settled = settled || old == Some(value);
        if let Some(stop) = self.rules(node, value, old, settled, path) {
            return Some(stop);
        }
        for inner in &node.all_of {
            if let Some(stop) = self.node(inner, value, old, settled, path) {
                return Some(stop);
            }
        }
        match value {
            Value::Array(items) => {
                let inner = node.items.as_ref()?;
                for (at, item) in items.iter().enumerate() {
                    let before = old_item(node.keys.as_deref(), old, item);
                    if let Some(stop) = self.node(inner, item, before, settled, &path.index(at)) {
                        return Some(stop);
                    }
                }
            }
            Value::Object(members) => {
                for (name, value) in members {
                    let before = old.and_then(|old| old.get(name));
                    let stop = match (node.properties.get(name), &node.values) {
                        (Some(inner), _) => {
                            self.node(inner, value, before, settled, &path.child(name))
                        }
                        (None, Some(inner)) => {
                            self.node(inner, value, before, settled, &path.key(name))
                        }
                        (None, None) => None,
                    };
                    if stop.is_some() {
                        return stop;
                    }
                }
            }
            _ => {}
        }
        None
    }

    fn rules(
        &mut self,
        node: &Node,
        value: &Value,
        old: Option<&Value>,
        settled: bool,
        path: &Path<'_>,
    ) -> Option<Stop> {
        if node.rules.is_empty() {
            return None;
        }
        let cel = |json: &Value| values::of(json, Some(&node.declared), self.functions);
        let before = old.map(cel);
        let mut scope = self.functions.new_inner_scope();
        scope.add_variable_from_value("self", cel(value));
        if let Some(before) = &before {
            scope.add_variable_from_value("oldSelf", before.clone());
        }
        for rule in &node.rules {
            if rule.compiled.uses_old && before.is_none() && !rule.optional_old {
                continue;
            }
            let mut scope = scope.new_inner_scope();
            if rule.optional_old {
                scope.add_variable_from_value("oldSelf", values::optional(before.clone()));
            }
            let (result, spent) = rule.compiled.run(&scope, self.metered);
            if spent > self.left {
                let why = "validation failed due to running out of cost budget, no further validation rules \
                           will be run";
                self.errors
                    .push(Error::invalid(path, node.kind.as_str(), why));
                return Some(Stop);
            }
            self.left -= spent;
            match result {
                Ok(Cel::Bool(true)) => {}
                Ok(_) => {
                    // What was there before the rule may stay as it is.
                    let tolerated = settled && !rule.compiled.uses_old;
                    let message = self.message(rule, &scope);
                    let error = broken(rule, value, message, path);
                    if tolerated {
                        self.told.push(error.to_string());
                    } else {
                        self.errors.push(error);
                    }
                }
                Err(failure) => {
                    let (why, stop) = failed(&failure, rule);
                    self.errors
                        .push(Error::invalid(path, node.kind.as_str(), why));
                    if stop.is_some() {
                        return stop;
                    }
                }
            }
        }
        None
    }

    /// What is said of a broken rule: what its expression says, if that is one line.
    fn message(&mut self, rule: &Rule, scope: &Context<'_>) -> String {
        let said = rule.expression.as_ref().and_then(|expression| {
            let (said, spent) = expression.run(scope, self.metered);
            self.left = self.left.saturating_sub(spent);
            match said {
                Ok(Cel::String(said)) => Some(said.trim().to_owned()),
                _ => None,
            }
        });
        match said.filter(|said| !said.is_empty() && !said.contains(['\n', '\r'])) {
            Some(said) => said,
            None if rule.message.is_empty() => format!("failed rule: {}", rule.source),
            None => rule.message.clone(),
        }
    }
}

/// The item that an item of a list was before, if the list says what tells its items apart.
fn old_item<'o>(
    keys: Option<&[String]>,
    old: Option<&'o Value>,
    item: &Value,
) -> Option<&'o Value> {
    let keys = keys?;
    let same = |other: &&Value| keys.iter().all(|key| other.get(key) == item.get(key));
    old?.as_array()?.iter().find(same)
}

fn broken(rule: &Rule, value: &Value, message: String, path: &Path<'_>) -> Error {
    let inner = path.child(&rule.field_path);
    let path = if rule.field_path.is_empty() {
        path
    } else {
        &inner
    };
    match rule.reason.as_str() {
        "FieldValueForbidden" => Error::forbidden(path, message),
        "FieldValueRequired" => Error::required(path, message),
        "FieldValueDuplicate" => Error::duplicate(path, BadValue::raw(message)),
        // Of lists and maps the text shows no value.
        _ if value.is_object() || value.is_array() => {
            Error::invalid(path, BadValue::raw(message), "")
        }
        _ => Error::invalid(path, value, message),
    }
}

/// What is said of a rule that could not be run to its end.
fn failed(failure: &Failure, rule: &Rule) -> (String, Option<Stop>) {
    let name = rule.name();
    let error = match failure {
        Failure::TooExpensive => {
            let why = "operation cancelled: actual cost limit exceeded";
            let text = format!(
                "'{why}': no further validation rules will be run due to call cost exceeds limit for rule: {name}"
            );
            return (text, Some(Stop));
        }
        Failure::Execution(error) => error,
    };
    let why = match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        ExecutionError::IndexOutOfBounds(at) => match at {
            Cel::Int(at) => format!("index out of bounds: {at}"),
            other => format!("index out of bounds: {other:?}"),
        },
        ExecutionError::DivisionByZero(_) => "division by zero".to_owned(),
        ExecutionError::RemainderByZero(_) => "modulus by zero".to_owned(),
        ExecutionError::Overflow(..) => "integer overflow".to_owned(),
        ExecutionError::FunctionError { message, .. } => message.clone(),
        ExecutionError::NoSuchOverload
        | ExecutionError::UnsupportedTargetType { .. }
        | ExecutionError::NotSupportedAsMethod { .. }
        | ExecutionError::UnexpectedType { .. }
        | ExecutionError::ValuesNotComparable(..)
        | ExecutionError::UnsupportedUnaryOperator(..)
        | ExecutionError::UnsupportedBinaryOperator(..) => {
            let text = format!(
                "'no such overload': call arguments did not match a supported operator, function or macro \
                 signature for rule: {name}"
            );
            return (text, None);
        }
        other => other.to_string(),
    };
    (format!("{why} evaluating rule: {name}"), None)
}
