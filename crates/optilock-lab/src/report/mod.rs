//! A page that shows what happened: one HTML file that asks the network for nothing.
//!
//! It is a function of [histories](crate::history) and of the [summaries](Summary) of runs: the timeline of the workers, who
//! made which version, where the time went, what the checker says, and runs beside each other.

mod columns;

use serde::Serialize;

use crate::{Summary, check::check, history::History};
use columns::Columns;

/// A report: add what it shows, then take the [page](Self::to_html).
///
/// ```
/// use optilock_lab::{Report, history::History};
///
/// let history = r#"{"version":1,"target":"(in process)","seed":1,"clock":"virtual"}
/// {"op_id":"a","worker":0,"uid":"u","verb":"update","kind":"Deployment","name":"d","base":"4","invoke_ns":10,"return_ns":20,"outcome":"applied","rv":"5","value":101}
/// "#;
/// let history = History::read(history.as_bytes())?;
/// let page = Report::new("One update").history("history.jsonl", &history).to_html();
/// assert!(page.starts_with("<!doctype html>"));
/// # Ok::<(), optilock_lab::history::HistoryError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Report {
    title: String,
    data: Data,
}

/// What the page's script reads.
#[derive(Debug, Clone, Default, Serialize)]
struct Data {
    histories: Vec<Columns>,
    summaries: Vec<Named>,
}

#[derive(Debug, Clone, Serialize)]
struct Named {
    name: String,
    document: Summary,
}

impl Report {
    /// An empty report of this title.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            data: Data::default(),
        }
    }

    /// Adds a history under a name, and what the checker says of it.
    #[must_use]
    pub fn history(mut self, name: impl Into<String>, history: &History) -> Self {
        let columns = Columns::new(name.into(), history, check(history));
        self.data.histories.push(columns);
        self
    }

    /// Adds the summary of one or more runs under a name.
    #[must_use]
    pub fn summary(mut self, name: impl Into<String>, document: Summary) -> Self {
        let name = name.into();
        self.data.summaries.push(Named { name, document });
        self
    }

    /// Whether the checker has found fault with any of the histories.
    pub fn is_ok(&self) -> bool {
        self.data.histories.iter().all(Columns::is_ok)
    }

    /// The page, whole.
    ///
    /// # Panics
    /// Never: everything in it has a form in JSON.
    pub fn to_html(&self) -> String {
        #[allow(clippy::expect_used)]
        let data = serde_json::to_string(&self.data).expect("numbers, strings and lists");
        // In a script element nothing is escaped, but `</script` and `<!--` end or change it.
        let data = data.replace('<', "\\u003c");
        let script = SCRIPTS.concat();
        let parts = [
            ("title", escaped(&self.title)),
            ("style", STYLE.to_owned()),
            ("data", data),
            (
                "script",
                format!("(() => {{\n\"use strict\";\n{script}}})();\n"),
            ),
        ];
        let mut page = String::with_capacity(parts.iter().map(|(_, text)| text.len()).sum());
        let mut rest = PAGE;
        // In one pass: what is filled in may look like a place to fill in.
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").unwrap_or(("", after));
            page.push_str(before);
            page.extend(
                parts
                    .iter()
                    .filter(|part| part.0 == name)
                    .map(|part| part.1.as_str()),
            );
            rest = after;
        }
        page.push_str(rest);
        page
    }
}

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");
/// In the order in which they need each other.
const SCRIPTS: [&str; 6] = [
    include_str!("page/format.js"),
    include_str!("page/model.js"),
    include_str!("page/timeline.js"),
    include_str!("page/chart.js"),
    include_str!("page/views.js"),
    include_str!("page/main.js"),
];

/// Text as HTML shows it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}
