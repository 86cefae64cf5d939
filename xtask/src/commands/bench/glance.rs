//! A look at whether the bench works.

use anyhow::{Result, bail, ensure};

use super::aims::AIMS;
use super::figures::{Figures, distinct};
use super::sections::{SECTIONS, Section};
use super::{Args, Bench};
use crate::signals::Signals;

/// Measures as little as can be of each section, of our servers alone, in a profile of cargo's; what is wrong with its
/// figures. How large they are is no matter here.
pub(in crate::commands) fn glance(
    signals: &Signals,
    profile: &str,
) -> Result<Vec<(&'static str, Result<()>)>> {
    let args = Args {
        other: None,
        sections: Vec::new(),
        quick: true,
        rounds: 1,
        alone: true,
        page: false,
        profile: Some(profile.to_owned()),
    };
    let bench = Bench::new(&args, signals)?;
    let sections = SECTIONS.iter();
    let looks = sections.map(|section| {
        let figures = bench.measure(section);
        (
            section.name,
            figures.and_then(|figures| check(section, &figures)),
        )
    });
    Ok(looks.collect())
}

/// Whether everything is there that is to be on the page.
fn check(section: &Section, figures: &Figures) -> Result<()> {
    ensure!(!figures.0.is_empty(), "it has no figures");
    for figure in &figures.0 {
        ensure!(
            figure.values.iter().all(|value| value.is_finite()),
            "{figure:?} is no number"
        );
    }
    for title in figures.tables() {
        let here = || figures.of_table(title);
        let rows = distinct(here().map(|figure| &*figure.row));
        // The one that all others are held against.
        let first = here().next().map_or("", |figure| &figure.column);
        if let Some(row) = rows
            .iter()
            .find(|row| figures.spread(title, row, first).is_none())
        {
            bail!("{title:?} has no figure of {first:?} in the row {row:?}");
        }
    }
    for aim in AIMS.iter().filter(|aim| aim.section == section.name) {
        let missing = aim.missing(figures);
        ensure!(
            missing.is_empty(),
            "the aim {:?} has no figure in {}",
            aim.text,
            missing.join(" and ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::sections::section;

    fn refusal(name: &str, figures: &Figures) -> String {
        let section = section(name).unwrap();
        check(section, figures).unwrap_err().to_string()
    }

    #[test]
    fn a_hole_is_found() {
        let mut figures = Figures::default();
        assert_eq!(refusal("hot", &figures), "it has no figures");
        figures.add("rates", "1", "optilock", 7.0);
        check(section("hot").unwrap(), &figures).unwrap();
        figures.add("rates", "2", "redb", 7.0);
        let said = refusal("hot", &figures);
        assert!(
            said.contains("no figure of \"optilock\" in the row \"2\""),
            "{said}"
        );
        figures.add("rates", "2", "optilock", f64::NAN);
        assert!(refusal("hot", &figures).ends_with("is no number"));
    }

    #[test]
    fn an_aim_without_its_figure_is_found() {
        let mut figures = Figures::default();
        figures.add("Start", "something else, ms", "optilock", 1.0);
        let said = refusal("start", &figures);
        assert!(
            said.contains("\"first answer after the start, ms\""),
            "{said}"
        );
    }
}
