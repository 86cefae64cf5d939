//! An expression that is ready to run.

use std::sync::Arc;

use kube_cel::cel::parser::Parser;
use kube_cel::cel::{Context, IdedExpr, Value};

use super::checker::{self, Checked, Unchecked};
use super::cost;
use super::declared::Declared;
use super::meter::{Failure, Meter};
use super::types::Type;

/// An expression, parsed and, as far as that goes, checked.
#[derive(Debug)]
pub(super) struct Compiled {
    expression: IdedExpr,
    /// `None` where kube-apiserver knows more than the checker.
    checked: Option<Checked>,
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
        let checked = match checker::check(&expression, declared, optional_old) {
            Ok(checked) => Some(checked),
            Err(Unchecked::Unknown) => None,
            Err(Unchecked::Mistakes(mistakes)) => {
                let shown: Vec<String> = mistakes.iter().map(|one| one.shown(source)).collect();
                return Err(Wrong::Form(shown.join("\n")));
            }
        };
        if checked
            .as_ref()
            .is_some_and(|checked| checked.gives.as_ref() != Some(gives))
        {
            return Err(Wrong::Type);
        }
        let most = match &checked {
            Some(checked) => cost::at_most(&expression, checked, declared),
            None => 0,
        };
        let uses_old = match &checked {
            Some(checked) => checked.uses_old,
            None => expression.references().has_variable("oldSelf"),
        };
        Ok(Self {
            expression,
            checked,
            most,
            uses_old,
        })
    }

    /// Runs it; with `meter` what it costs is counted, which takes longer.
    pub(super) fn run(&self, context: &Context<'_>, meter: bool) -> (Result<Value, Failure>, u64) {
        match &self.checked {
            Some(checked) if meter => {
                let mut meter = Meter::new(checked);
                let result = meter.run(&self.expression, context);
                (result, meter.spent())
            }
            _ => (context.resolve(&self.expression).map_err(Failure::from), 0),
        }
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
