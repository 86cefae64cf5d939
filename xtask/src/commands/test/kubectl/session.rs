//! Sessions: commands, and what they should print. `xtask/kubectl/README.md` is the format.

use anyhow::{Context, Result, bail, ensure};

/// What marks a command.
const COMMAND: &str = "$ ";
/// What marks a line of standard error.
const ERROR: &str = "! ";
/// What marks an exit code.
const CODE: &str = "? ";

/// A command, and what is expected of it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Step {
    /// Where it stands in its file.
    pub(super) line: usize,
    /// The command as it is written.
    pub(super) command: String,
    pub(super) action: Action,
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) code: i32,
}

/// What a step does.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Action {
    /// Waits for the command that is in the background to print what is expected, and ends it.
    #[default]
    Foreground,
    /// Runs kubectl with these arguments.
    Kubectl(Vec<String>),
    /// Starts kubectl with these arguments in the background.
    Background(Vec<String>),
}

impl Action {
    fn parse(command: &str) -> Result<Self> {
        let (command, background) = match command.strip_suffix(" &") {
            Some(command) => (command, true),
            None => (command, false),
        };
        let words = shlex::split(command).context("a quote is not closed")?;
        let mut words = words.into_iter();
        match words.next().as_deref() {
            Some("fg") if !background && words.len() == 0 => Ok(Self::Foreground),
            Some("kubectl") if background => Ok(Self::Background(words.collect())),
            Some("kubectl") => Ok(Self::Kubectl(words.collect())),
            _ => bail!("a command is `kubectl ...`, `kubectl ... &` or `fg`"),
        }
    }
}

/// The steps that are written in `text`.
///
/// # Errors
/// For the first line that is not as the format wants it, with its number.
pub(super) fn parse(text: &str) -> Result<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let at = || format!("line {}", index + 1);
        if line.starts_with('#') {
            continue;
        }
        if let Some(command) = line.strip_prefix(COMMAND) {
            steps.push(Step {
                line: index + 1,
                command: command.to_owned(),
                action: Action::parse(command).with_context(at)?,
                ..Step::default()
            });
            continue;
        }
        let Some(step) = steps.last_mut() else {
            ensure!(line.is_empty(), "{}: no command stands before this", at());
            continue;
        };
        if let Some(code) = line.strip_prefix(CODE) {
            step.code = code.parse().with_context(at)?;
        } else if let Some(error) = line.strip_prefix(ERROR) {
            push_line(&mut step.stderr, error);
        } else {
            push_line(&mut step.stdout, line);
        }
    }
    Ok(steps)
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn a_session_is_read() {
        let text =
            "# Intro.\n\n$ kubectl get 'a b' -o name\none\n\ntwo\n\n$ kubectl get x\n! no x\n? 1\n";
        let steps = parse(text).unwrap();
        assert_eq!(
            steps,
            [
                Step {
                    line: 3,
                    command: "kubectl get 'a b' -o name".into(),
                    action: Action::Kubectl(words(&["get", "a b", "-o", "name"])),
                    stdout: "one\n\ntwo\n\n".into(),
                    ..Step::default()
                },
                Step {
                    line: 8,
                    command: "kubectl get x".into(),
                    action: Action::Kubectl(words(&["get", "x"])),
                    stderr: "no x\n".into(),
                    code: 1,
                    ..Step::default()
                },
            ]
        );
    }

    #[test]
    fn a_command_in_the_background_is_brought_back() {
        let steps = parse("$ kubectl get x -w &\n$ fg\nx\n").unwrap();
        let start = Action::Background(words(&["get", "x", "-w"]));
        assert_eq!(steps[0].action, start);
        assert_eq!(steps[1].action, Action::Foreground);
        assert_eq!(steps[1].stdout, "x\n");
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, wrong) in [
            ("x\n", "line 1: no command"),
            ("\n$ ls\n", "line 2: a command is"),
            ("$ kubectl 'x\n", "line 1: a quote"),
            ("$ kubectl x\n? one\n", "line 2: invalid digit"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.starts_with(wrong), "{text:?}: {error}");
        }
    }
}
