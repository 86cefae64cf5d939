//! Macros that the parser does not know: the calls that it makes of them become what they stand for.
//!
//! They are those of kube-apiserver's environment: comprehensions with two variables, `optMap`, `optFlatMap` and `sortBy`.
//! What comes out has loops with a second variable, and loops over nothing that give a value a name; the crate's interpreter
//! runs neither, [`super::meter`] does.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::ops::RangeInclusive;

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, ListExpr, LiteralValue, MapExpr, operators,
};

use super::checker::token;
use super::place::Mistake;

/// The name of what a loop gathers.
pub(super) const RESULT: &str = "@result";
/// The name of the variable of a loop that has no rounds.
const UNUSED: &str = "#unused";
/// The name of the list that `sortBy` sorts.
const SORTED: &str = "@__sortBy_input__";
/// Adds members to a map; a key may come once.
pub(super) const INSERT: &str = "cel.@mapInsert";
/// Sorts a list by another one, whose items are the keys of its items.
pub(super) const SORT: &str = "@sortByAssociatedKeys";

/// Where the ids of what macros make begin; the parser counts from 1.
const FIRST: u64 = 1 << 32;
/// How many parts macros may make of one expression: `optMap` writes what it is called on twice, so that a chain of them
/// doubles with each link.
const MOST_PARTS: usize = 20_000;

/// The variables of a loop.
type Names = (String, Option<String>);
/// What a macro makes of a target and arguments.
type Replace = fn(&mut Expander, IdedExpr, Vec<IdedExpr>) -> Result<Expr, Mistake>;

/// Names of macros, and how many arguments they take.
const MACROS: [(&str, RangeInclusive<usize>, Replace); 10] = [
    ("all", 3..=3, all),
    ("exists", 3..=3, exists),
    ("existsOne", 3..=3, exists_one),
    ("exists_one", 3..=3, exists_one),
    ("transformList", 3..=4, transform_list),
    ("transformMap", 3..=4, transform_map),
    ("transformMapEntry", 3..=4, transform_map_entry),
    ("optMap", 2..=2, opt_map),
    ("optFlatMap", 2..=2, opt_flat_map),
    ("sortBy", 2..=2, sort_by),
];

fn replacement(name: &str, arguments: usize) -> Option<Replace> {
    MACROS
        .iter()
        .find(|(known, takes, _)| *known == name && takes.contains(&arguments))
        .map(|(_, _, replace)| *replace)
}

/// Where in the source the parts are that macros made.
#[derive(Debug, Default)]
pub(super) struct Origins {
    /// What a mistake in a part is shown at.
    parts: HashMap<u64, String>,
    /// Those parts that stand for a whole macro.
    wholes: HashSet<u64>,
    /// Parts that the source has once, and the expression a second time.
    copies: HashSet<u64>,
}

impl Origins {
    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// What a mistake in a part is shown at, if a macro made it.
    pub(super) fn token(&self, id: u64) -> Option<&str> {
        self.parts.get(&id).map(String::as_str)
    }

    /// Whether a part is all that a macro made.
    pub(super) fn is_whole(&self, id: u64) -> bool {
        self.wholes.contains(&id)
    }

    /// Whether a part was there before.
    pub(super) fn is_copy(&self, id: u64) -> bool {
        self.copies.contains(&id)
    }
}

/// Replaces the macros of an expression.
///
/// # Errors
/// A macro whose variables are no names.
pub(super) fn expand(expression: IdedExpr) -> Result<(IdedExpr, Origins), Mistake> {
    let mut expander = Expander {
        last: FIRST,
        token: String::new(),
        made: 0,
        origins: Origins::default(),
    };
    let expression = expander.visit(expression)?;
    Ok((expression, expander.origins))
}

/// Whether a loop is one that gives a value a name.
pub(super) fn is_binding(comprehension: &ComprehensionExpr) -> bool {
    comprehension.iter_var == UNUSED
}

struct Expander {
    last: u64,
    /// What mistakes in the macro that is being replaced are shown at.
    token: String,
    made: usize,
    origins: Origins,
}

impl Expander {
    fn visit(&mut self, expression: IdedExpr) -> Result<IdedExpr, Mistake> {
        let id = expression.id;
        let expr = parts(expression.expr, &mut |part| self.visit(part))?;
        let (name, replace, target, args) = match expr {
            Expr::Call(CallExpr {
                func_name,
                target: Some(target),
                args,
            }) => match replacement(&func_name, args.len()) {
                Some(replace) => (func_name, replace, *target, args),
                None => {
                    let expr = call(&func_name, Some(*target), args);
                    return Ok(IdedExpr { id, expr });
                }
            },
            expr => return Ok(IdedExpr { id, expr }),
        };
        self.token = format!("{name}(");
        let expr = replace(self, target, args)?;
        self.origins.parts.insert(id, self.token.clone());
        self.origins.wholes.insert(id);
        Ok(IdedExpr { id, expr })
    }

    fn next_id(&mut self) -> Result<u64, Mistake> {
        self.made += 1;
        if self.made > MOST_PARTS {
            let what = format!("macros make more than {MOST_PARTS} parts of the expression");
            return Err(mistake(what, self.token.clone()));
        }
        self.last += 1;
        Ok(self.last)
    }

    fn make(&mut self, expr: Expr) -> Result<IdedExpr, Mistake> {
        let id = self.next_id()?;
        self.origins.parts.insert(id, self.token.clone());
        Ok(IdedExpr { id, expr })
    }

    fn name(&mut self, name: &str) -> Result<IdedExpr, Mistake> {
        self.make(Expr::Ident(name.to_owned()))
    }

    fn literal(&mut self, literal: LiteralValue) -> Result<IdedExpr, Mistake> {
        self.make(Expr::Literal(literal))
    }

    fn call(&mut self, name: &str, args: Vec<IdedExpr>) -> Result<IdedExpr, Mistake> {
        self.make(call(name, None, args))
    }

    fn call_on(&mut self, target: IdedExpr, name: &str) -> Result<IdedExpr, Mistake> {
        self.make(call(name, Some(target), Vec::new()))
    }

    /// The same with ids of its own.
    fn copy(&mut self, expression: &IdedExpr) -> Result<IdedExpr, Mistake> {
        let id = self.next_id()?;
        if let Some(token) = self.origins.parts.get(&expression.id).cloned() {
            self.origins.parts.insert(id, token);
        }
        let expr = parts(expression.expr.clone(), &mut |part| self.copy(&part))?;
        Ok(IdedExpr { id, expr })
    }

    /// `result`, with a name for a value.
    fn bind(&mut self, name: &str, value: IdedExpr, result: IdedExpr) -> Result<Expr, Mistake> {
        Ok(Expr::Comprehension(Box::new(ComprehensionExpr {
            iter_range: self.make(Expr::List(ListExpr::new(Vec::new())))?,
            iter_var: UNUSED.to_owned(),
            iter_var2: None,
            accu_var: name.to_owned(),
            accu_init: value,
            loop_cond: self.literal(LiteralValue::Boolean(false.into()))?,
            loop_step: self.name(name)?,
            result,
        })))
    }

    /// A loop that takes note of `step` in every round, and ends when `condition` is false.
    fn gather(
        &mut self,
        range: IdedExpr,
        (first, second): Names,
        start: Expr,
        condition: Option<IdedExpr>,
        step: IdedExpr,
    ) -> Result<ComprehensionExpr, Mistake> {
        Ok(ComprehensionExpr {
            iter_range: range,
            iter_var: first,
            iter_var2: second,
            accu_var: RESULT.to_owned(),
            accu_init: self.make(start)?,
            loop_cond: match condition {
                Some(condition) => condition,
                None => self.literal(LiteralValue::Boolean(true.into()))?,
            },
            loop_step: step,
            result: self.name(RESULT)?,
        })
    }

    /// `step`, where `filter` holds; what was gathered stays as it is elsewhere.
    fn filtered(&mut self, filter: Option<IdedExpr>, step: IdedExpr) -> Result<IdedExpr, Mistake> {
        match filter {
            None => Ok(step),
            Some(filter) => {
                let same = self.name(RESULT)?;
                self.call(operators::CONDITIONAL, vec![filter, step, same])
            }
        }
    }

    /// A round that adds an item to a list.
    fn append(&mut self, item: IdedExpr) -> Result<IdedExpr, Mistake> {
        let gathered = self.name(RESULT)?;
        let item = self.make(Expr::List(ListExpr::new(vec![item])))?;
        self.call(operators::ADD, vec![gathered, item])
    }

    /// A round that adds members to a map.
    fn insert(&mut self, mut added: Vec<IdedExpr>) -> Result<IdedExpr, Mistake> {
        let gathered = self.name(RESULT)?;
        added.insert(0, gathered);
        self.call(INSERT, added)
    }
}

fn mistake(what: String, token: String) -> Mistake {
    Mistake {
        what,
        token,
        nth: 0,
    }
}

fn call(name: &str, target: Option<IdedExpr>, args: Vec<IdedExpr>) -> Expr {
    Expr::Call(CallExpr {
        func_name: name.to_owned(),
        target: target.map(Box::new),
        args,
    })
}

/// An argument that has to be a name; `why` is said of another one.
fn simple_name(argument: &IdedExpr, why: &str) -> Result<String, Mistake> {
    match &argument.expr {
        Expr::Ident(name) => Ok(name.clone()),
        _ => Err(mistake(why.to_owned(), token(argument))),
    }
}

/// The names of both variables of a loop, and the arguments behind them.
fn variables(args: Vec<IdedExpr>) -> Result<(Names, Vec<IdedExpr>), Mistake> {
    let mut args = args.into_iter();
    let mut names = Vec::new();
    for argument in args.by_ref().take(2) {
        let name = simple_name(&argument, "argument must be a simple name")?;
        if names.contains(&name) {
            let what = format!("duplicate variable name: {name}");
            let nth = 1;
            return Err(Mistake {
                nth,
                ..mistake(what, name)
            });
        }
        names.push(name);
    }
    let second = names.pop();
    Ok(((names.pop().unwrap_or_default(), second), args.collect()))
}

fn boolean(value: bool) -> Expr {
    Expr::Literal(LiteralValue::Boolean(value.into()))
}

fn all(make: &mut Expander, target: IdedExpr, args: Vec<IdedExpr>) -> Result<Expr, Mistake> {
    let (names, mut args) = variables(args)?;
    let gathered = make.name(RESULT)?;
    let condition = make.call(operators::NOT_STRICTLY_FALSE, vec![gathered])?;
    let gathered = make.name(RESULT)?;
    args.insert(0, gathered);
    let step = make.call(operators::LOGICAL_AND, args)?;
    let all = make.gather(target, names, boolean(true), Some(condition), step)?;
    Ok(Expr::Comprehension(Box::new(all)))
}

fn exists(make: &mut Expander, target: IdedExpr, args: Vec<IdedExpr>) -> Result<Expr, Mistake> {
    let (names, mut args) = variables(args)?;
    let gathered = make.name(RESULT)?;
    let none = make.call(operators::LOGICAL_NOT, vec![gathered])?;
    let condition = make.call(operators::NOT_STRICTLY_FALSE, vec![none])?;
    let gathered = make.name(RESULT)?;
    args.insert(0, gathered);
    let step = make.call(operators::LOGICAL_OR, args)?;
    let exists = make.gather(target, names, boolean(false), Some(condition), step)?;
    Ok(Expr::Comprehension(Box::new(exists)))
}

fn exists_one(make: &mut Expander, target: IdedExpr, args: Vec<IdedExpr>) -> Result<Expr, Mistake> {
    let (names, args) = variables(args)?;
    let gathered = make.name(RESULT)?;
    let one = make.literal(LiteralValue::Int(1.into()))?;
    let step = make.call(operators::ADD, vec![gathered, one])?;
    let step = make.filtered(args.into_iter().next(), step)?;
    let none = Expr::Literal(LiteralValue::Int(0.into()));
    let mut counted = make.gather(target, names, none, None, step)?;
    let one = make.literal(LiteralValue::Int(1.into()))?;
    let count = mem::take(&mut counted.result);
    counted.result = make.call(operators::EQUALS, vec![count, one])?;
    Ok(Expr::Comprehension(Box::new(counted)))
}

fn transform_list(
    make: &mut Expander,
    target: IdedExpr,
    args: Vec<IdedExpr>,
) -> Result<Expr, Mistake> {
    let empty = Expr::List(ListExpr::new(Vec::new()));
    transformed(make, target, args, empty, |make, _, item| make.append(item))
}

fn transform_map(
    make: &mut Expander,
    target: IdedExpr,
    args: Vec<IdedExpr>,
) -> Result<Expr, Mistake> {
    let empty = Expr::Map(MapExpr::default());
    transformed(make, target, args, empty, |make, (key, _), value| {
        let key = make.name(key)?;
        make.insert(vec![key, value])
    })
}

fn transform_map_entry(
    make: &mut Expander,
    target: IdedExpr,
    args: Vec<IdedExpr>,
) -> Result<Expr, Mistake> {
    let empty = Expr::Map(MapExpr::default());
    transformed(make, target, args, empty, |make, _, entry| {
        make.insert(vec![entry])
    })
}

/// What every round adds to: the last argument says what, the one before it, if there is one, whether.
fn transformed(
    make: &mut Expander,
    target: IdedExpr,
    args: Vec<IdedExpr>,
    empty: Expr,
    add: fn(&mut Expander, &Names, IdedExpr) -> Result<IdedExpr, Mistake>,
) -> Result<Expr, Mistake> {
    let (names, mut args) = variables(args)?;
    let transform = args.pop().unwrap_or_default();
    let step = add(make, &names, transform)?;
    let step = make.filtered(args.pop(), step)?;
    let gathered = make.gather(target, names, empty, None, step)?;
    Ok(Expr::Comprehension(Box::new(gathered)))
}

/// The value of an optional under a name, where it has one; `wrap` makes an optional of the result.
fn with_value(
    make: &mut Expander,
    target: IdedExpr,
    args: Vec<IdedExpr>,
    why: &str,
    wrap: bool,
) -> Result<Expr, Mistake> {
    let mut args = args.into_iter();
    let name = simple_name(&args.next().unwrap_or_default(), why)?;
    let again = make.copy(&target)?;
    make.origins.copies.insert(again.id);
    let has_value = make.call_on(target, "hasValue")?;
    let value = make.call_on(again, "value")?;
    let result = make.bind(&name, value, args.next().unwrap_or_default())?;
    let mut result = make.make(result)?;
    if wrap {
        result = make.call("optional.of", vec![result])?;
    }
    let none = make.call("optional.none", Vec::new())?;
    let args = vec![has_value, result, none];
    Ok(call(operators::CONDITIONAL, None, args))
}

fn opt_map(make: &mut Expander, target: IdedExpr, args: Vec<IdedExpr>) -> Result<Expr, Mistake> {
    let why = "optMap() variable name must be a simple identifier";
    with_value(make, target, args, why, true)
}

fn opt_flat_map(
    make: &mut Expander,
    target: IdedExpr,
    args: Vec<IdedExpr>,
) -> Result<Expr, Mistake> {
    let why = "optFlatMap() variable name must be a simple identifier";
    with_value(make, target, args, why, false)
}

fn sort_by(make: &mut Expander, target: IdedExpr, args: Vec<IdedExpr>) -> Result<Expr, Mistake> {
    if matches!(
        target.expr,
        Expr::Literal(_) | Expr::Map(_) | Expr::Struct(_)
    ) {
        let what = "sortBy can only be applied to a list, identifier, comprehension, call or select expression";
        return Err(mistake(what.to_owned(), token(&target)));
    }
    let mut args = args.into_iter();
    let name = simple_name(
        &args.next().unwrap_or_default(),
        "argument is not an identifier",
    )?;
    let range = make.name(SORTED)?;
    let step = make.append(args.next().unwrap_or_default())?;
    let empty = Expr::List(ListExpr::new(Vec::new()));
    let keys = make.gather(range, (name, None), empty, None, step)?;
    let keys = make.make(Expr::Comprehension(Box::new(keys)))?;
    let list = make.name(SORTED)?;
    let sorted = make.make(call(SORT, Some(list), vec![keys]))?;
    make.bind(SORTED, target, sorted)
}

/// An expression whose parts are replaced, in the order in which they are checked.
fn parts(
    expr: Expr,
    replace: &mut dyn FnMut(IdedExpr) -> Result<IdedExpr, Mistake>,
) -> Result<Expr, Mistake> {
    Ok(match expr {
        Expr::Call(mut call) => {
            for part in call.args.iter_mut().chain(call.target.as_deref_mut()) {
                *part = replace(mem::take(part))?;
            }
            Expr::Call(call)
        }
        Expr::Comprehension(mut comprehension) => {
            let of = &mut *comprehension;
            for part in [
                &mut of.iter_range,
                &mut of.accu_init,
                &mut of.loop_cond,
                &mut of.loop_step,
                &mut of.result,
            ] {
                *part = replace(mem::take(part))?;
            }
            Expr::Comprehension(comprehension)
        }
        Expr::List(mut list) => {
            for part in &mut list.elements {
                *part = replace(mem::take(part))?;
            }
            Expr::List(list)
        }
        Expr::Map(mut map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    entry.key = replace(mem::take(&mut entry.key))?;
                    entry.value = replace(mem::take(&mut entry.value))?;
                }
            }
            Expr::Map(map)
        }
        Expr::Select(mut select) => {
            *select.operand = replace(mem::take(&mut *select.operand))?;
            Expr::Select(select)
        }
        // The members of a message are not looked at: there are none in rules.
        same @ (Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified) => same,
    })
}
