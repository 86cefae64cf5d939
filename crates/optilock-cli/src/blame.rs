//! `optilock blame`: who writes an object, and who is in whose way.

use std::{io, path::PathBuf, process::ExitCode, time::Duration};

use optilock_lab::{Blame, ObjectRef, Target, blame};

use crate::{
    duration,
    failure::Failure,
    options, output,
    stop::Stop,
    table::{Column, Group, Table},
    term::{Role, Screen},
};

/// Watch an object and say who writes it, how often, which fields, and whose writes will conflict
///
/// It only reads. Ctrl-c ends the watch early, and shows what was seen.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The object, as deploy/web or gadgets.shop.example.com/one
    #[arg(value_name = "KIND/NAME")]
    object: ObjectRef,
    /// The cluster: this file's current context
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,
    /// The object's namespace [default: that of the kubeconfig]
    #[arg(long, short, value_parser = options::namespace)]
    namespace: Option<String>,
    /// How long to watch, as Go writes it: 10s, 1.5m
    #[arg(long = "for", value_name = "DURATION", default_value = "60s", value_parser = duration::parse)]
    watched: Duration,
    /// Write what was seen as JSON to this file, or with - to standard output instead of the tables
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let mut stop = Stop::listen()?;
    let target = Target::from_kubeconfig(&args.kubeconfig).await?;
    let mut screen = Screen::new();
    screen.start_watch(format!(
        "watching {}/{}, writes:",
        args.object.kind, args.object.name
    ));
    let until = async {
        tokio::select! {
            () = tokio::time::sleep(args.watched) => {}
            _ = stop.requested() => {}
        }
    };
    let namespace = args.namespace.as_deref();
    let count = |writes| {
        if writes > 0 {
            screen.advance();
        }
    };
    let seen = blame(&target, &args.object, namespace, until, count).await;
    screen.end_progress();
    let seen = seen?;
    let json = args.json.as_deref();
    if let Some(path) = json {
        output::json("--json", path, &seen)?;
    }
    if !json.is_some_and(output::is_stdout) {
        show(&screen, &seen)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(screen: &Screen, seen: &Blame) -> io::Result<()> {
    let ending = if seen.deleted {
        ", then it was deleted"
    } else {
        ""
    };
    let writes = match seen.writes {
        1 => "1 write".to_owned(),
        many => format!("{many} writes"),
    };
    screen.text(
        Role::Title,
        &format!("{}: {writes} in {:.1} s{ending}", seen.object, seen.seconds),
    )?;
    if seen.untold > 0 {
        let text = format!(
            "{} of them don't tell whose they are; what changed in them has no owner in managedFields: {}",
            seen.untold,
            listed(&seen.untold_fields)
        );
        screen.text(Role::Bad, &text)?;
    }
    if !seen.writers.is_empty() {
        screen.line(Role::Plain, "")?;
        screen.table(&writers(seen))?;
    }
    if !seen.silent.is_empty() {
        let names: Vec<_> = seen.silent.iter().map(ToString::to_string).collect();
        screen.text(
            Role::Plain,
            &format!("owns fields, and has not written: {}", names.join(", ")),
        )?;
    }
    if !seen.pairs.is_empty() {
        screen.line(Role::Plain, "")?;
        screen.table(&pairs(seen))?;
    }
    if !seen.advice.is_empty() {
        screen.line(Role::Plain, "")?;
    }
    seen.advice
        .iter()
        .try_for_each(|advice| screen.text(Role::Plain, &format!("- {advice}")))
}

/// Fields with how often they were changed.
fn listed(fields: &[(String, u64)]) -> String {
    let fields: Vec<_> = fields
        .iter()
        .map(|(field, times)| format!("{field} ({times})"))
        .collect();
    fields.join(", ")
}

fn writers(seen: &Blame) -> Table {
    let rows = seen.writers.iter().map(|share| {
        vec![
            share.writer.to_string(),
            share.writes.to_string(),
            format!("{:.2}", share.per_second),
            share.idle.to_string(),
            listed(&share.fields),
        ]
    });
    Table {
        columns: vec![
            Column::left(&["field manager"]),
            Column::right(&["writes"]),
            Column::right(&["per second", "/s"]),
            Column::right(&["of them idle", "idle"]),
            Column::left(&["fields that it changed"]),
        ],
        groups: vec![Group {
            title: "Who writes it".to_owned(),
            rows: rows.collect(),
        }],
    }
}

fn pairs(seen: &Blame) -> Table {
    let rows = seen.pairs.iter().map(|pair| {
        vec![
            pair.refused.to_string(),
            pair.by.to_string(),
            format!("{:.1} %", 100.0 * pair.chance),
            pair.contested.join(", "),
        ]
    });
    Table {
        columns: vec![
            Column::left(&["a PUT of"]),
            Column::left(&["is refused because of"]),
            Column::right(&["chance"]),
            Column::left(&["fields that both change"]),
        ],
        groups: vec![Group {
            title: "Who is in whose way, if 100 ms pass from read to write".to_owned(),
            rows: rows.collect(),
        }],
    }
}
