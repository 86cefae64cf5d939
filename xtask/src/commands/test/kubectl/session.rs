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
    /// Runs kubectl.
    Kubectl(Call),
    /// Runs kubectl until it prints what is expected.
    Eventually(Call),
    /// Starts kubectl in the background.
    Background(Call),
    /// Runs kubectl and gives what it prints a name.
    Let(String, Call),
}

/// How kubectl is called.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Call {
    /// What is set in its environment.
    pub(super) environment: Vec<(String, String)>,
    pub(super) args: Vec<String>,
}

impl Action {
    fn parse(command: &str) -> Result<Self> {
        if command == "fg" {
            return Ok(Self::Foreground);
        }
        if let Some(command) = command.strip_suffix(" &") {
            return Ok(Self::Background(Call::parse(command)?));
        }
        if let Some(command) = command.strip_prefix("eventually ") {
            return Ok(Self::Eventually(Call::parse(command)?));
        }
        if let Some((name, command)) = command.split_once("=$(")
            && let Some(command) = command.strip_suffix(')')
        {
            return Ok(Self::Let(name.to_owned(), Call::parse(command)?));
        }
        Ok(Self::Kubectl(Call::parse(command)?))
    }
}

impl Call {
    fn parse(command: &str) -> Result<Self> {
        let words = shlex::split(command).context("a quote is not closed")?;
        let mut call = Self::default();
        let mut words = words.into_iter();
        for word in words.by_ref() {
            match word.split_once('=') {
                Some((name, value)) => call.environment.push((name.to_owned(), value.to_owned())),
                None if word == "kubectl" => {
                    call.args.extend(words);
                    return Ok(call);
                }
                None => break,
            }
        }
        bail!("a command is `kubectl ...`, as xtask/kubectl/README.md says, or `fg`")
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

    fn call(words: &[&str]) -> Call {
        Call {
            environment: Vec::new(),
            args: words.iter().map(|&word| word.to_owned()).collect(),
        }
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
                    action: Action::Kubectl(call(&["get", "a b", "-o", "name"])),
                    stdout: "one\n\ntwo\n\n".into(),
                    ..Step::default()
                },
                Step {
                    line: 8,
                    command: "kubectl get x".into(),
                    action: Action::Kubectl(call(&["get", "x"])),
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
        let start = Action::Background(call(&["get", "x", "-w"]));
        assert_eq!(steps[0].action, start);
        assert_eq!(steps[1].action, Action::Foreground);
        assert_eq!(steps[1].stdout, "x\n");
    }

    #[test]
    fn calls_can_be_repeated_named_and_have_an_environment() {
        let action = |command: &str| Action::parse(command).unwrap();
        let get = || call(&["get", "x"]);
        assert_eq!(
            action("eventually kubectl get x"),
            Action::Eventually(get())
        );
        assert_eq!(
            action("uid=$(kubectl get x)"),
            Action::Let("uid".into(), get())
        );
        let mut edit = get();
        edit.environment
            .push(("EDITOR".into(), "sed s/a=b/c/".into()));
        assert_eq!(
            action("EDITOR='sed s/a=b/c/' kubectl get x"),
            Action::Kubectl(edit)
        );
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
