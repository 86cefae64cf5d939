//! What was measured, and where it is kept until the page is made of it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::machine::Machine;
use super::spread::Spread;
use crate::workspace;

/// One thing that was measured of one server, as often as it was measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Figure {
    /// The title of the table in which it stands, with the unit.
    pub(super) table: String,
    pub(super) row: String,
    /// The server.
    pub(super) column: String,
    pub(super) values: Vec<f64>,
}

/// The figures of a section, in the order in which they were measured first.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub(super) struct Figures(pub(super) Vec<Figure>);

/// What a section leaves.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Measured {
    pub(super) machine: Machine,
    pub(super) figures: Figures,
}

impl Figures {
    /// Adds a value.
    pub(super) fn add(&mut self, table: &str, row: &str, column: &str, value: f64) {
        if let Some(figure) = self.find_mut(table, row, column) {
            figure.values.push(value);
            return;
        }
        self.0.push(Figure {
            table: table.to_owned(),
            row: row.to_owned(),
            column: column.to_owned(),
            values: vec![value],
        });
    }

    fn find_mut(&mut self, table: &str, row: &str, column: &str) -> Option<&mut Figure> {
        self.0
            .iter_mut()
            .find(|figure| figure.table == table && figure.row == row && figure.column == column)
    }

    /// The titles of the tables, in the order in which they were measured first.
    pub(super) fn tables(&self) -> Vec<&str> {
        distinct(self.0.iter().map(|figure| &*figure.table))
    }

    /// What a table is made of.
    pub(super) fn of_table<'a>(&'a self, title: &'a str) -> impl Iterator<Item = &'a Figure> {
        self.0.iter().filter(move |figure| figure.table == title)
    }

    /// What was measured of a server.
    pub(super) fn spread(&self, table: &str, row: &str, column: &str) -> Option<Spread> {
        let mut figures = self.0.iter();
        let figure = figures
            .find(|figure| figure.table == table && figure.row == row && figure.column == column)?;
        Spread::of(figure.values.iter().copied())
    }
}

/// Each once, in the order of their first appearance.
pub(super) fn distinct<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut once = Vec::new();
    for one in all {
        if !once.contains(&one) {
            once.push(one);
        }
    }
    once
}

impl Measured {
    /// Keeps it as the newest of its section.
    pub(super) fn save(&self, section: &str) -> Result<()> {
        let path = path(section)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        }
        let text = serde_json::to_string_pretty(self)?;
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }

    /// The newest of a section; `None` where it has never been measured.
    pub(super) fn load(section: &str) -> Result<Option<Self>> {
        let path = path(section)?;
        if !path.exists() {
            return Ok(None);
        }
        let at = || format!("reading {}", path.display());
        let text = fs::read_to_string(&path).with_context(at)?;
        serde_json::from_str(&text).with_context(at).map(Some)
    }
}

fn path(section: &str) -> Result<PathBuf> {
    let folder = workspace::target_dir()?.join("bench");
    Ok(folder.join(format!("{section}.json")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_one_thing_come_together() {
        let mut figures = Figures::default();
        for value in [3.0, 1.0, 2.0] {
            figures.add("rates", "GET", "ours", value);
        }
        figures.add("rates", "GET", "theirs", 7.0);
        assert_eq!(figures.0.len(), 2);
        let spread = figures.spread("rates", "GET", "ours").unwrap();
        assert_eq!(spread.median(), 2.0);
        assert!(figures.spread("rates", "PUT", "ours").is_none());
    }
}
