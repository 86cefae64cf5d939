//! The rules that a definition brings: whether they compile, and what they could cost.

use std::sync::Arc;

use serde_json::Value;

use super::declared::{Declared, escaped};
use super::program::{Compiled, Wrong};
use super::rules::times_below;
use super::types::Type;
use crate::validation::field::{BadValue, Error, ErrorList};
use crate::validation::gofmt;
use crate::validation::path::Path;

/// What a rule may cost by its estimate, for all the places of one object that it is about.
const PER_RULE: u64 = 10_000_000;
/// What all rules of a schema may.
const PER_SCHEMA: u64 = 100_000_000;
/// So many of the most expensive rules are named.
const NAMED: usize = 4;

/// Adds what is wrong with the rules of a schema whose form is right.
pub(crate) fn check(schema: &Value, path: &Path<'_>, errors: &mut ErrorList) {
    let Some(declared) = Declared::of(schema, true, "selfType") else {
        return;
    };
    let mut check = Check {
        errors,
        total: 0,
        expensive: Vec::new(),
    };
    check.node(schema, &declared, Some(1), None, path);
    let Check {
        total, expensive, ..
    } = check;
    if total <= PER_SCHEMA {
        return;
    }
    for (_, place) in expensive.iter().take(NAMED) {
        let why = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
        errors.push(Error::forbidden(&Path::new(place), why));
    }
    let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
    errors.push(Error::forbidden(path, too_much(what, total, PER_SCHEMA)));
}

struct Check<'e> {
    errors: &'e mut ErrorList,
    total: u64,
    /// The rules that matter for the total, the most expensive first.
    expensive: Vec<(u64, String)>,
}

impl Check<'_> {
    /// `times` is how often such a value can be in an object, and `unrelated` where its old one is not known from.
    fn node(
        &mut self,
        schema: &Value,
        declared: &Arc<Declared>,
        times: Option<u64>,
        unrelated: Option<&str>,
        path: &Path<'_>,
    ) {
        let below = times_below(schema, times);
        let here = path.to_string();
        if schema["additionalProperties"].is_object()
            && let Some(element) = &declared.element
        {
            let path = path.child("additionalProperties");
            self.node(
                &schema["additionalProperties"],
                element,
                below,
                unrelated,
                &path,
            );
        }
        let properties = path.child("properties");
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            let known = escaped(name).and_then(|name| declared.fields.get(&name));
            if let Some(known) = known {
                self.node(inner, known, below, unrelated, &properties.key(name));
            }
        }
        if schema["items"].is_object()
            && let Some(element) = &declared.element
        {
            let is_map = schema["x-kubernetes-list-type"] == "map";
            let unrelated = unrelated.or((!is_map).then_some(here.as_str()));
            self.node(
                &schema["items"],
                element,
                below,
                unrelated,
                &path.child("items"),
            );
        }
        let path = path.child("x-kubernetes-validations");
        let rules = schema["x-kubernetes-validations"].as_array();
        for (at, rule) in rules.into_iter().flatten().enumerate() {
            self.rule(rule, declared, times, unrelated, &path.index(at));
        }
    }

    fn rule(
        &mut self,
        rule: &Value,
        declared: &Arc<Declared>,
        times: Option<u64>,
        unrelated: Option<&str>,
        path: &Path<'_>,
    ) {
        let text = |member: &str| rule[member].as_str().unwrap_or_default();
        let place = path.child("rule");
        let optional_old = rule["optionalOldSelf"] == true;
        let compile = |source: &str, gives| Compiled::of(source, declared, optional_old, gives);
        let compiled = match compile(text("rule"), &Type::Bool) {
            Ok(compiled) => compiled,
            Err(wrong) => {
                let why = match wrong {
                    Wrong::Form(why) => format!("compilation failed: {why}"),
                    Wrong::Type => "cel expression must evaluate to a bool".to_owned(),
                };
                self.errors.push(Error::invalid(&place, shown(rule), why));
                self.old(rule, false, unrelated, path);
                return;
            }
        };
        let factor = times.unwrap_or_else(|| declared.most_in_a_request());
        self.cost(
            compiled.most.saturating_mul(factor),
            "estimated rule cost",
            &place,
        );
        if !text("messageExpression").is_empty() {
            let place = path.child("messageExpression");
            match compile(text("messageExpression"), &Type::String) {
                Ok(compiled) => {
                    self.cost(compiled.most, "estimated messageExpression cost", &place);
                }
                Err(wrong) => {
                    let why = match wrong {
                        Wrong::Form(why) => format!("messageExpression compilation failed: {why}"),
                        Wrong::Type => "messageExpression must evaluate to a string".to_owned(),
                    };
                    self.errors.push(Error::invalid(&place, shown(rule), why));
                }
            }
        }
        self.old(rule, compiled.uses_old, unrelated, path);
    }

    /// What a rule may do with the old value.
    fn old(&mut self, rule: &Value, is_used: bool, unrelated: Option<&str>, path: &Path<'_>) {
        if let (true, Some(unrelated)) = (is_used, unrelated) {
            let why = format!(
                "oldSelf cannot be used on the uncorrelatable portion of the schema within {unrelated}"
            );
            self.errors
                .push(Error::invalid(&path.child("rule"), &rule["rule"], why));
        }
        if !is_used && rule["optionalOldSelf"].is_boolean() {
            let why = "may not be set if oldSelf is not used in rule";
            let place = path.child("optionalOldSelf");
            self.errors
                .push(Error::invalid(&place, &rule["optionalOldSelf"], why));
        }
    }

    fn cost(&mut self, cost: u64, what: &str, place: &Path<'_>) {
        if cost > PER_RULE {
            self.errors
                .push(Error::forbidden(place, too_much(what, cost, PER_RULE)));
        }
        self.total = self.total.saturating_add(cost);
        if cost >= PER_SCHEMA / 100 {
            self.expensive.push((cost, place.to_string()));
            self.expensive
                .sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
        }
    }
}

fn too_much(what: &str, cost: u64, limit: u64) -> String {
    let factor = cost as f64 / limit as f64;
    let factor = if factor > 100.0 {
        "more than 100x".to_owned()
    } else if factor < 1.5 {
        format!("{factor:.6}x")
    } else {
        format!("{factor:.1}x")
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and \
         maxLength where arrays, maps, and strings are declared)"
    )
}

/// A rule as Go shows it.
fn shown(rule: &Value) -> BadValue {
    let text = |name: &str| gofmt::json(&Value::from(rule[name].as_str().unwrap_or_default()));
    BadValue::internal(&[
        ("Rule", text("rule")),
        ("Message", text("message")),
        ("MessageExpression", text("messageExpression")),
        ("Reason", gofmt::json(&rule["reason"])),
        ("FieldPath", text("fieldPath")),
        ("OptionalOldSelf", gofmt::json(&rule["optionalOldSelf"])),
    ])
}
