//! The results for programs.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use optilock_lab::{Report, Summary, history::History};

use super::{
    options::Common,
    results::{Field, RESULTS, TIMES},
};
use crate::failure::{Code, Failure};

/// Writes the files that were asked for.
pub(super) fn write(
    options: &Common,
    summary: &Summary,
    histories: &[(String, History)],
) -> Result<(), Failure> {
    if let Some(path) = &options.json {
        let mut json = serde_json::to_vec_pretty(summary).map_err(io::Error::from)?;
        json.push(b'\n');
        match path == Path::new("-") {
            true => io::stdout().lock().write_all(&json)?,
            false => file("--json", path, &json)?,
        }
    }
    if let Some(path) = &options.csv {
        file("--csv", path, csv(summary).as_bytes())?;
    }
    if let Some(path) = &options.markdown {
        file("--markdown", path, markdown(summary).as_bytes())?;
    }
    if let Some(path) = &options.report {
        let report = Report::new(summary.command.clone()).summary("results", summary.clone());
        let report = histories.iter().fold(report, |report, (name, history)| {
            report.history(name.clone(), history)
        });
        file("--report", path, report.to_html().as_bytes())?;
    }
    Ok(())
}

fn file(flag: &str, path: &Path, content: &[u8]) -> Result<(), Failure> {
    fs::write(path, content).map_err(|error| {
        Failure::new(
            Code::Failed,
            format!("can't write {}: {error}", path.display()),
        )
        .hint(format!("give {flag} a file that you may write"))
    })
}

/// All columns, one line a run. No cell has a comma or a quote.
fn csv(summary: &Summary) -> String {
    let fields: Vec<&Field> = RESULTS.iter().chain(&TIMES[2..]).collect();
    let line = |cells: Vec<String>| cells.join(",") + "\n";
    let mut text = line(fields.iter().map(|field| field.name.to_owned()).collect());
    for run in &summary.runs {
        text.push_str(&line(
            fields.iter().map(|field| (field.cell)(run)).collect(),
        ));
    }
    text
}

fn markdown(summary: &Summary) -> String {
    let mut text = format!("`{}`\n", summary.command);
    for fields in [RESULTS, TIMES] {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        text.push('\n');
        text.push_str(&line(
            fields.iter().map(|field| field.header.to_owned()).collect(),
        ));
        let rules = fields
            .iter()
            .enumerate()
            .map(|(index, _)| if index == 0 { "---" } else { "---:" });
        text.push_str(&line(rules.map(str::to_owned).collect()));
        for run in &summary.runs {
            text.push_str(&line(
                fields.iter().map(|field| (field.cell)(run)).collect(),
            ));
        }
    }
    text
}
