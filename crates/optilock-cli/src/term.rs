//! The terminal, if it is one.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use console::Term;
use indicatif::{ProgressBar, ProgressStyle};

use crate::table::{Table, wrap};

/// What a line is, which decides its colour where there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Plain,
    Title,
    Good,
    Bad,
}

/// Results on stdout and, where stderr is a terminal, a line of progress below them.
#[derive(Debug)]
pub(crate) struct Screen {
    colours: bool,
    width: Option<usize>,
    progress: Option<ProgressBar>,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let out = Term::stdout();
        Self {
            // `console` knows NO_COLOR, CLICOLOR and dumb terminals.
            colours: console::colors_enabled(),
            width: out
                .is_term()
                .then(|| out.size_checked())
                .flatten()
                .map(|(_, columns)| usize::from(columns)),
            progress: None,
        }
    }

    /// Prints a line.
    pub(crate) fn line(&self, role: Role, text: &str) -> io::Result<()> {
        let print = || {
            let styled = console::style(text).force_styling(self.colours);
            let styled = match role {
                Role::Plain => styled,
                Role::Title => styled.bold(),
                Role::Good => styled.green(),
                Role::Bad => styled.yellow(),
            };
            let mut out = io::stdout().lock();
            writeln!(out, "{styled}")
        };
        match &self.progress {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Prints a text, broken at its spaces where the terminal is too narrow for it.
    pub(crate) fn text(&self, role: Role, text: &str) -> io::Result<()> {
        wrap(text, self.width)
            .iter()
            .try_for_each(|line| self.line(role, line))
    }

    /// Prints a table, its first line emphasised: its title, or the headers that its parts share.
    pub(crate) fn table(&self, table: &Table) -> io::Result<()> {
        for (index, line) in table.lines(self.width).iter().enumerate() {
            let role = if index == 0 { Role::Title } else { Role::Plain };
            self.line(role, line)?;
        }
        Ok(())
    }

    /// Begins a progress line of `total` steps, in place of the one before.
    pub(crate) fn start_progress(&mut self, total: u64, what: String) {
        let bar = ProgressBar::new(total).with_message(what);
        self.begin(bar, "{spinner} {msg} {pos}/{len} {elapsed}");
    }

    /// Begins a progress line of steps that nobody has counted before, in place of the one before.
    pub(crate) fn start_watch(&mut self, what: String) {
        let bar = ProgressBar::no_length().with_message(what);
        self.begin(bar, "{spinner} {msg} {pos} {elapsed}");
    }

    fn begin(&mut self, bar: ProgressBar, template: &str) {
        self.end_progress();
        if !io::stderr().is_terminal() {
            return;
        }
        // Not as wide as the terminal: what it shows of a ctrl-c would break the line in two.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        self.progress = Some(bar);
    }

    /// Moves the progress line on by one.
    pub(crate) fn advance(&self) {
        if let Some(bar) = &self.progress {
            bar.inc(1);
        }
    }

    /// Writes the progress line anew.
    pub(crate) fn show_progress(&self, done: u64, what: String) {
        if let Some(bar) = &self.progress {
            bar.set_position(done);
            bar.set_message(what);
        }
    }

    /// Takes the progress line away.
    pub(crate) fn end_progress(&mut self) {
        if let Some(bar) = self.progress.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.end_progress();
    }
}

/// Says something on stderr. A program that has things to clean up doesn't die because nobody listens.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Asks a question on the terminal; `None` where there is nobody to ask.
pub(crate) fn confirm(question: &str) -> io::Result<Option<bool>> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(None);
    }
    eprint!("{question} [y/N] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    let answer = answer.trim();
    Ok(Some(
        ["y", "yes"]
            .iter()
            .any(|yes| answer.eq_ignore_ascii_case(yes)),
    ))
}
