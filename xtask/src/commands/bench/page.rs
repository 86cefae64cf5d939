//! docs/benchmarks.md.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::aims::AIMS;
use super::figures::{Figures, Measured, distinct};
use super::machine::Machine;
use super::sections::{SECTIONS, Section};
use super::spread::Spread;
use crate::workspace;

/// Above everything.
const INTRO: &str = include_str!("page.md");
/// Below everything: proofs that are run for themselves.
const PROOFS: &str = include_str!("proofs.md");

/// Makes the page of the newest figures of each section.
pub(super) fn write() -> Result<()> {
    let mut measured = Vec::new();
    for section in SECTIONS {
        match Measured::load(section.name)? {
            Some(newest) => measured.push((section, newest)),
            None => eprintln!(
                "{} was never measured, and is not on the page",
                section.name
            ),
        }
    }
    let Some((_, first)) = measured.first() else {
        anyhow::bail!("nothing was measured: run `cargo xtask bench`");
    };
    let machine = first.machine.clone();
    ensure!(
        measured.iter().all(|(_, newest)| newest.machine == machine),
        "the sections were measured on different machines or of different builds: run `cargo xtask bench`"
    );
    let path = workspace::root().join("docs/benchmarks.md");
    fs::write(&path, page(&machine, &measured))
        .with_context(|| format!("writing {}", path.display()))
}

fn page(machine: &Machine, measured: &[(&Section, Measured)]) -> String {
    let mut page = INTRO.replace("{rounds}", &rounds(measured));
    page += "\n## The machine\n";
    page += &format!(
        "{} ({} cores, {}), {}, files on {}; ",
        machine.processor, machine.cores, machine.memory, machine.system, machine.file_system
    );
    let versions = machine.versions.iter();
    let versions: Vec<_> = versions
        .map(|(program, version)| format!("{program} {version}"))
        .collect();
    page += &format!(
        "{}.\n\n## What is wanted\n{}",
        versions.join(", "),
        aims(measured)
    );
    for (section, newest) in measured {
        page += &format!("\n{}\n{}", section.text, tables(&newest.figures));
    }
    page + "\n" + PROOFS
}

/// What was measured for a section.
fn figures_of<'a>(measured: &'a [(&Section, Measured)], name: &str) -> Option<&'a Figures> {
    let found = measured.iter().find(|(section, _)| section.name == name);
    found.map(|(_, newest)| &newest.figures)
}

/// How often most things were measured: as often as requests.
fn rounds(measured: &[(&Section, Measured)]) -> String {
    let values = figures_of(measured, "requests")
        .and_then(|figures| figures.0.iter().map(|figure| figure.values.len()).max());
    match values {
        Some(1) => "one measurement".to_owned(),
        Some(values) => format!("{values} measurements"),
        None => "some measurements".to_owned(),
    }
}

/// The aims, with what was measured.
fn aims(measured: &[(&Section, Measured)]) -> String {
    let mut rows = vec![
        ["aim", "limit", "measured", "holds"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for aim in AIMS {
        let figures = figures_of(measured, aim.section);
        let figure = figures.and_then(|figures| aim.measured(figures));
        rows.push(vec![
            aim.text.to_owned(),
            aim.limit(),
            figure.map_or("–".to_owned(), number),
            match figure.map(|figure| aim.holds(figure)) {
                Some(true) => "yes".to_owned(),
                Some(false) => "**no**".to_owned(),
                None => "not measured".to_owned(),
            },
        ]);
    }
    table(&rows)
}

/// All tables of a section.
pub(super) fn tables(figures: &Figures) -> String {
    let mut page = String::new();
    for title in figures.tables() {
        let here = || figures.of_table(title);
        let columns = distinct(here().map(|figure| &*figure.column));
        let ratio = columns.contains(&OURS) && columns.contains(&THEIRS);
        let mut header = vec![String::new()];
        header.extend(columns.iter().map(|&column| column.to_owned()));
        header.extend(ratio.then(|| format!("{OURS} : {THEIRS}")));
        let mut rows = vec![header];
        for row in distinct(here().map(|figure| &*figure.row)) {
            let spread = |column| figures.spread(title, row, column);
            let mut cells = vec![row.to_owned()];
            cells.extend(
                columns
                    .iter()
                    .map(|column| spread(column).map_or(String::new(), cell)),
            );
            if ratio {
                let ratio = spread(OURS)
                    .zip(spread(THEIRS))
                    .filter(|(_, theirs)| theirs.median() > 0.0);
                let ratio = ratio.map(|(ours, theirs)| ours.median() / theirs.median());
                cells.push(ratio.map_or(String::new(), number));
            }
            rows.push(cells);
        }
        page += &format!("\n**{title}**\n\n{}", table(&rows));
    }
    page
}

/// The columns that are held against each other.
const OURS: &str = "optilock";
const THEIRS: &str = "control plane";

/// The median, and how far the others are from it.
fn cell(spread: Spread) -> String {
    let median = number(spread.median());
    match spread.farthest() * 100.0 {
        percent if percent >= 0.5 => format!("{median} ±{percent:.0} %"),
        _ => median,
    }
}

/// With as many digits as mean something.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 && value > 0.0 => thousands(value.round() as u64),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Digits in groups of three.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A table whose columns line up in the source, too. The first row is its head.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
            .max(3)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (column, &width) in widths.iter().enumerate() {
            let cell = row.get(column).map_or("", String::as_str);
            text += &match column {
                0 => format!("| {cell:width$} "),
                _ => format!("| {cell:>width$} "),
            };
        }
        text += "|\n";
        if number == 0 {
            for (column, &width) in widths.iter().enumerate() {
                text += &match column {
                    0 => format!("|-{}-", "-".repeat(width)),
                    _ => format!("|-{}:", "-".repeat(width)),
                };
            }
            text += "|\n";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        let texts = [1_234_567.8, 100.4, 42.0, 1.234, 0.0123, 0.0, -2.5].map(number);
        let expected = ["1,234,568", "100", "42.0", "1.23", "0.012", "0", "-2.50"];
        assert_eq!(texts, expected);
    }

    #[test]
    fn servers_stand_beside_each_other_with_their_ratio() {
        let mut figures = Figures::default();
        for value in [90.0, 100.0, 105.0] {
            figures.add("rates", "GET", "optilock", value);
        }
        figures.add("rates", "GET", "control plane", 4.0);
        figures.add("rates", "list", "optilock", 7.0);
        assert_eq!(
            tables(&figures),
            "\n**rates**\n\n\
             |      |  optilock | control plane | optilock : control plane |\n\
             |------|----------:|--------------:|-------------------------:|\n\
             | GET  | 100 ±10 % |          4.00 |                     25.0 |\n\
             | list |      7.00 |               |                          |\n"
        );
    }
}
