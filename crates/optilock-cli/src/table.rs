//! Tables of text, aligned by the columns that the characters take up.

use console::{Alignment, measure_text_width, pad_str};

/// A column of a table.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// Headers for the same thing, the longest first; line breaks make it more than one line high.
    pub(crate) headers: Vec<&'static str>,
    pub(crate) alignment: Alignment,
}

/// A table whose rows come in groups, each with a title.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    pub(crate) groups: Vec<Group>,
}

/// Rows under a title.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) title: String,
    pub(crate) rows: Vec<Vec<String>>,
}

/// What stands between two columns.
const GAP: &str = "  ";

impl Table {
    /// The table in as few variants of its headers as fit into `width` columns (any number where
    /// there is none), or every row as a paragraph where not even the shortest do.
    pub(crate) fn lines(&self, width: Option<usize>) -> Vec<String> {
        let variants = self.columns.iter().map(|column| column.headers.len()).max();
        (0..variants.unwrap_or(1))
            .map(|variant| self.aligned(variant))
            .find(|lines| fits(lines, width))
            .unwrap_or_else(|| self.stacked(width))
    }

    fn aligned(&self, variant: usize) -> Vec<String> {
        let headers: Vec<&str> = self
            .columns
            .iter()
            .map(|column| column.header(variant))
            .collect();
        let widths: Vec<usize> = headers
            .iter()
            .enumerate()
            .map(|(index, header)| {
                let cells = self.groups.iter().flat_map(|group| &group.rows);
                let cells = cells.map(|row| measure_text_width(&row[index]));
                cells.max().unwrap_or(0).max(measure_text_width(header))
            })
            .collect();
        let line = |cells: Vec<&str>| {
            let cells = cells.iter().zip(&widths).zip(&self.columns);
            let cells: Vec<_> = cells
                .map(|((cell, &width), column)| pad_str(cell, width, column.alignment, None))
                .collect();
            cells.join(GAP).trim_end().to_owned()
        };
        let mut lines = vec![line(headers)];
        for group in &self.groups {
            lines.push(group.title.clone());
            let rows = group.rows.iter();
            lines.extend(rows.map(|row| line(row.iter().map(String::as_str).collect())));
        }
        lines
    }

    fn stacked(&self, width: Option<usize>) -> Vec<String> {
        let mut lines = Vec::new();
        for group in &self.groups {
            lines.push(group.title.clone());
            for row in &group.rows {
                let mut cells = row.iter().zip(&self.columns);
                if let Some((name, _)) = cells.next() {
                    lines.push(name.clone());
                }
                let pairs = cells.map(|(cell, column)| format!("{} {cell}", column.header(0)));
                lines.extend(fill(pairs, width.unwrap_or(usize::MAX)));
            }
        }
        lines
    }
}

impl Column {
    fn header(&self, variant: usize) -> &'static str {
        let last = self.headers.len().saturating_sub(1);
        self.headers
            .get(variant.min(last))
            .copied()
            .unwrap_or_default()
    }
}

fn fits(lines: &[String], width: Option<usize>) -> bool {
    width.is_none_or(|width| lines.iter().all(|line| measure_text_width(line) <= width))
}

/// Pieces, separated by commas, in indented lines of at most `width` columns.
fn fill(pieces: impl Iterator<Item = String>, width: usize) -> Vec<String> {
    const INDENT: &str = "    ";
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        match lines.last_mut() {
            // The comma that may still follow counts too.
            Some(line)
                if measure_text_width(line) + measure_text_width(&piece) + GAP.len() < width =>
            {
                line.push_str(", ");
                line.push_str(&piece);
            }
            last => {
                if let Some(line) = last {
                    line.push(',');
                }
                lines.push(format!("{INDENT}{piece}"));
            }
        }
    }
    lines
}
