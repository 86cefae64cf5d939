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
/// What stands before the cells of a row that became a paragraph.
const INDENT: &str = "    ";

impl Table {
    /// The table in as few variants of its headers as fit into `width` columns (any number where
    /// there is none), or every row as a paragraph where not even the shortest do.
    pub(crate) fn lines(&self, width: Option<usize>) -> Vec<String> {
        let variants = self.columns.iter().map(|column| column.headers.len()).max();
        (0..variants.unwrap_or(1))
            .map(|variant| self.aligned(variant, width))
            .find(|lines| fits(lines, width))
            .unwrap_or_else(|| self.stacked(width))
    }

    /// A title is broken where it is too wide: it says nothing about whether the columns are.
    fn aligned(&self, variant: usize, width: Option<usize>) -> Vec<String> {
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
        // The title of a table comes first, those of its parts below the headers that they share.
        let mut lines = vec![line(headers)];
        for group in &self.groups {
            let at = if self.groups.len() == 1 {
                0
            } else {
                lines.len()
            };
            lines.splice(at..at, wrap(&group.title, width));
            let rows = group.rows.iter();
            lines.extend(rows.map(|row| line(row.iter().map(String::as_str).collect())));
        }
        lines
    }

    fn stacked(&self, width: Option<usize>) -> Vec<String> {
        let mut lines = Vec::new();
        for group in &self.groups {
            lines.extend(wrap(&group.title, width));
            for row in &group.rows {
                let mut cells = row.iter().zip(&self.columns);
                if let Some((name, _)) = cells.next() {
                    lines.push(name.clone());
                }
                // What has no value says nothing by its name.
                let cells: Vec<_> = cells.filter(|(cell, _)| !cell.is_empty()).collect();
                let last = cells.len().saturating_sub(1);
                let pairs: Vec<_> = cells
                    .iter()
                    .enumerate()
                    .map(|(index, (cell, column))| {
                        let comma = if index == last { "" } else { "," };
                        format!("{} {cell}{comma}", column.header(0))
                    })
                    .collect();
                let width = width.unwrap_or(usize::MAX).saturating_sub(INDENT.len());
                let pairs: Vec<_> = pairs
                    .iter()
                    .flat_map(|pair| match measure_text_width(pair) <= width {
                        true => vec![pair.as_str()],
                        false => pair.split(' ').collect(),
                    })
                    .collect();
                lines.extend(
                    fill(&pairs, width)
                        .into_iter()
                        .map(|line| format!("{INDENT}{line}")),
                );
            }
        }
        lines
    }
}

impl Column {
    /// A column of text.
    pub(crate) fn left(headers: &[&'static str]) -> Self {
        Self::aligned(headers, Alignment::Left)
    }

    /// A column of numbers.
    pub(crate) fn right(headers: &[&'static str]) -> Self {
        Self::aligned(headers, Alignment::Right)
    }

    pub(crate) fn aligned(headers: &[&'static str], alignment: Alignment) -> Self {
        Self {
            headers: headers.to_vec(),
            alignment,
        }
    }

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

/// A text in lines of at most `width` columns, broken at its spaces.
pub(crate) fn wrap(text: &str, width: Option<usize>) -> Vec<String> {
    match width {
        None => vec![text.to_owned()],
        Some(width) => fill(&text.split(' ').collect::<Vec<_>>(), width),
    }
}

/// Pieces, separated by spaces, in lines of at most `width` columns. A piece that is wider has a line
/// of its own.
fn fill(pieces: &[&str], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        match lines.last_mut() {
            Some(line) if measure_text_width(line) + 1 + measure_text_width(piece) <= width => {
                line.push(' ');
                line.push_str(piece);
            }
            _ => lines.push((*piece).to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let column = |headers: &[&'static str], alignment| Column {
            headers: headers.to_vec(),
            alignment,
        };
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        Table {
            columns: vec![
                column(&["方法"], Alignment::Left),
                column(&["final value", "final"], Alignment::Right),
                column(&["ms"], Alignment::Right),
            ],
            groups: vec![
                Group {
                    title: "a:".into(),
                    rows: vec![row(["不重试", "101", "404"]), row(["optilock", "105", "9"])],
                },
                Group {
                    title: "b:".into(),
                    rows: vec![row(["冲突重试", "105", "12345"])],
                },
            ],
        }
    }

    #[test]
    fn aligns_wide_characters() {
        let expected = [
            "方法      final value     ms",
            "a:",
            "不重试            101    404",
            "optilock          105      9",
            "b:",
            "冲突重试          105  12345",
        ];
        assert_eq!(table().lines(None), expected);
        assert_eq!(table().lines(Some(28)), expected);
    }

    #[test]
    fn shortens_its_headers_where_it_must() {
        let expected = [
            "方法      final     ms",
            "a:",
            "不重试      101    404",
            "optilock    105      9",
            "b:",
            "冲突重试    105  12345",
        ];
        assert_eq!(table().lines(Some(27)), expected);
        assert_eq!(table().lines(Some(22)), expected);
    }

    #[test]
    fn becomes_paragraphs_where_not_even_that_fits() {
        let expected = [
            "a:",
            "不重试",
            "    final value 101,",
            "    ms 404",
            "optilock",
            "    final value 105,",
            "    ms 9",
            "b:",
            "冲突重试",
            "    final value 105,",
            "    ms 12345",
        ];
        assert_eq!(table().lines(Some(21)), expected);
    }

    #[test]
    fn a_paragraph_says_nothing_of_what_is_empty_and_breaks_what_is_long() {
        let mut table = table();
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        table.groups.truncate(1);
        table.groups[0].rows = vec![
            row(["a", "", "4"]),
            row(["b", "one and two and three", "5"]),
            row(["c", "6", ""]),
        ];
        let expected = [
            "a:",
            "a",
            "    ms 4",
            "b",
            "    final value one",
            "    and two and",
            "    three, ms 5",
            "c",
            "    final value 6",
        ];
        assert_eq!(table.lines(Some(20)), expected);
    }

    #[test]
    fn a_long_title_leaves_the_columns_alone() {
        let mut table = table();
        table.groups.truncate(1);
        table.groups[0].title = "a title with more words".to_owned();
        let expected = [
            "a title with more",
            "words",
            "方法      final   ms",
            "不重试      101  404",
            "optilock    105    9",
        ];
        assert_eq!(table.lines(Some(20)), expected);
    }

    #[test]
    fn wraps_at_spaces() {
        assert_eq!(wrap("ab cd efg h", Some(5)), ["ab cd", "efg h"]);
        assert_eq!(wrap("abcdefgh ij", Some(5)), ["abcdefgh", "ij"]);
        assert_eq!(wrap("ab cd", None), ["ab cd"]);
        assert_eq!(wrap("中文 ab", Some(6)), ["中文", "ab"]);
    }
}
