//! `optilock check`: judges a history.

use std::{io, path::PathBuf, process::ExitCode};

use optilock_lab::check::{Rule, Verdict, Violation, check};

use crate::{
    failure::{Code, Failure},
    input, output,
    table::{Column, Group, Table},
    term::{Role, Screen},
};

/// Prove that no update of a recorded history was lost or doubled, or say which one was
///
/// A history is a file of JSON Lines that a run has recorded. The exit code is 0 if everything in it
/// is as a correct server would have it, 1 if not, and 2 if the file is no history.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file, or - for standard input
    #[arg(value_name = "HISTORY")]
    history: PathBuf,
    /// Write the verdict as JSON to this file, or with - to standard output instead of the table
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let path = args.history.clone();
    let judged = tokio::task::spawn_blocking(move || -> Result<Verdict, Failure> {
        Ok(check(&input::history(&path)?))
    });
    let verdict = judged.await.map_err(io::Error::from)??;
    let json = args.json.as_deref();
    if let Some(path) = json {
        output::json("--json", path, &verdict)?;
    }
    if !json.is_some_and(output::is_stdout) {
        show(&verdict)?;
    }
    Ok(if verdict.is_ok() {
        ExitCode::SUCCESS
    } else {
        Code::Failed.into()
    })
}

/// The verdict for people.
fn show(verdict: &Verdict) -> io::Result<()> {
    let screen = Screen::new();
    screen.table(&table(verdict))?;
    for rule in Rule::ALL {
        let mut shown = verdict.violations.iter().filter(|one| one.rule == *rule);
        let Some(first) = shown.next() else { continue };
        screen.line(Role::Plain, "")?;
        show_violation(&screen, first)?;
        let more = shown.count() as u64;
        let untold = verdict.violated(*rule).saturating_sub(more + 1);
        for other in verdict
            .violations
            .iter()
            .filter(|one| one.rule == *rule)
            .skip(1)
        {
            screen.text(Role::Bad, &format!("{}: {}", rule.id(), other.message))?;
        }
        if untold > 0 {
            screen.text(Role::Plain, &format!("{}: and {untold} more", rule.id()))?;
        }
    }
    screen.line(Role::Plain, "")?;
    screen.text(
        if verdict.is_ok() {
            Role::Good
        } else {
            Role::Bad
        },
        &conclusion(verdict),
    )
}

/// What is wrong, and the lines that show it.
fn show_violation(screen: &Screen, violation: &Violation) -> io::Result<()> {
    let Violation {
        rule, uid, message, ..
    } = violation;
    screen.text(Role::Bad, &format!("{}: {message} (uid {uid})", rule.id()))?;
    for excerpt in &violation.excerpt {
        let record = serde_json::to_string(&excerpt.record)?;
        screen.line(Role::Plain, &format!("  line {}: {record}", excerpt.line))?;
    }
    Ok(())
}

/// How often each rule was applied and violated.
fn table(verdict: &Verdict) -> Table {
    let rows = verdict.rules.iter().map(|tally| {
        let cells = [tally.checked.to_string(), tally.violated.to_string()];
        [tally.rule.id().to_owned()]
            .into_iter()
            .chain(cells)
            .collect()
    });
    Table {
        columns: vec![
            Column::left(&["rule"]),
            Column::right(&["checked"]),
            Column::right(&["violated"]),
        ],
        groups: vec![Group {
            title: totals(verdict),
            rows: rows.collect(),
        }],
    }
}

fn totals(verdict: &Verdict) -> String {
    let totals = &verdict.totals;
    format!(
        "{} operations on {} objects: {} writes, {} reads, {} conflicts ({} own), {} refused, {} unknown; {} watch \
         events",
        totals.operations,
        totals.objects,
        totals.writes,
        totals.reads,
        totals.conflicts,
        totals.own_conflicts,
        totals.refused,
        totals.unknown,
        totals.watch_events,
    )
}

fn conclusion(verdict: &Verdict) -> String {
    let violated = verdict.rules.iter().filter(|tally| tally.violated > 0);
    let names: Vec<_> = violated.map(|tally| tally.rule.id()).collect();
    let judged = verdict.totals.operations - verdict.totals.not_judged;
    match names.as_slice() {
        [] if judged == 0 && verdict.totals.watch_events == 0 => {
            "nothing to judge: the history has no operation on an object with a uid".to_owned()
        }
        [] => "no update was lost or doubled".to_owned(),
        names => format!("violated: {}", names.join(", ")),
    }
}
