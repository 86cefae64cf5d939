//! The results for programs.

use optilock_lab::{Report, Summary, history::History};

use super::{
    options::Common,
    results::{Field, RESULTS, TIMES},
};
use crate::{failure::Failure, output};

/// Writes the files that were asked for.
pub(super) fn write(
    options: &Common,
    summary: &Summary,
    histories: &[(String, History)],
) -> Result<(), Failure> {
    if let Some(path) = &options.json {
        output::json("--json", path, summary)?;
    }
    if let Some(path) = &options.csv {
        output::write("--csv", path, csv(summary).as_bytes())?;
    }
    if let Some(path) = &options.markdown {
        output::write("--markdown", path, markdown(summary).as_bytes())?;
    }
    if let Some(path) = &options.report {
        let report = Report::new(summary.command.clone()).summary("results", summary.clone());
        let report = histories.iter().fold(report, |report, (name, history)| {
            report.history(name.clone(), history)
        });
        output::write("--report", path, report.to_html().as_bytes())?;
    }
    Ok(())
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
