//! An expression that is ready to run.

use std::sync::Arc;

use kube_cel::cel::parser::Parser;
use kube_cel::cel::{Context, IdedExpr, Value};

use super::checker::{self, Checked};
use super::cost;
use super::declared::Declared;
use super::macros;
use super::meter::{Failure, Meter};
use super::place;
use super::types::Type;

/// An expression, parsed and checked.
#[derive(Debug)]
pub(super) struct Compiled {
    expression: IdedExpr,
    checked: Checked,
    /// The most that a run can cost.
    pub(super) most: u64,
    pub(super) uses_old: bool,
}

impl Compiled {
    /// Compiles an expression about a value that has to give `gives`.
    ///
    /// # Errors
    /// What is wrong with it, in the compiler's words.
    pub(super) fn of(
        source: &str,
        declared: &Arc<Declared>,
        optional_old: bool,
        gives: &Type,
    ) -> Result<Self, Wrong> {
        let expression = Parser::new()
            .enable_optional_syntax(true)
            .parse(source)
            .map_err(|error| {
                // As CEL itself indents it.
                Wrong::Form(error.to_string().replace("\n| ", "\n | "))
            })?;
        let (expression, origins) = macros::expand(expression)
            .map_err(|mistake| Wrong::Form(place::shown(&[mistake], source)))?;
        let checked = checker::check(&expression, origins, declared, optional_old)
            .map_err(|mistakes| Wrong::Form(place::shown(&mistakes, source)))?;
        if checked.gives.as_ref() != Some(gives) {
            return Err(Wrong::Type);
        }
        Ok(Self {
            most: cost::at_most(&expression, &checked, declared),
            uses_old: checked.uses_old,
            expression,
            checked,
        })
    }

    /// Runs it; with `meter` what it costs is counted, which takes longer.
    pub(super) fn run(&self, context: &Context<'_>, meter: bool) -> (Result<Value, Failure>, u64) {
        if !meter && !self.checked.is_beyond_the_interpreter {
            return (context.resolve(&self.expression).map_err(Failure::from), 0);
        }
        let mut meter = Meter::new(&self.checked);
        let result = meter.run(&self.expression, context);
        (result, meter.spent())
    }
}

/// What is wrong with an expression.
#[derive(Debug)]
pub(super) enum Wrong {
    /// It does not compile.
    Form(String),
    /// It gives something else than it has to.
    Type,
}
