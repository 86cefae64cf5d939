//! How a command ends when it doesn't end well: one message that says what to do, and an exit code.

use std::process::ExitCode;

use optilock_lab::{BlameError, CleanupError, Error, ServerError, TargetError};

/// What went wrong, in words, and how the process exits.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    message: String,
    hints: Vec<String>,
    /// There is nobody to tell.
    silent: bool,
}

/// The exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// The experiment failed.
    Failed = 1,
    /// The command was called wrongly.
    Usage = 2,
    /// The user ended it.
    Interrupted = 130,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hints: Vec::new(),
            silent: false,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Says it on stderr, as clap says what is wrong with options.
    pub(crate) fn report(&self) -> ExitCode {
        if self.silent {
            return self.code.into();
        }
        eprintln!("error: {}", self.message);
        for hint in &self.hints {
            eprintln!("  {hint}");
        }
        self.code.into()
    }
}

impl From<std::io::Error> for Failure {
    /// Of printing. Whoever closes the pipe, as `head` does, has seen enough and needs no message.
    fn from(error: std::io::Error) -> Self {
        Self {
            silent: error.kind() == std::io::ErrorKind::BrokenPipe,
            ..Self::new(Code::Failed, format!("input or output failed: {error}"))
        }
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        let failure = Self::new(Code::Usage, error.to_string());
        match error {
            TargetError::Unreadable { .. } => {
                failure.hint("give --kubeconfig a file that exists and that you may read")
            }
            _ => failure.hint(
                "`kubectl --kubeconfig FILE config view` shows what the file says; \
                 without --kubeconfig the embedded server is used",
            ),
        }
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        let failure = Self::new(Code::Failed, error.to_string());
        match error {
            ServerError::Unreachable { .. } => failure.hint(
                "is the cluster of --kubeconfig running, and is this its address? \
                 `kubectl --kubeconfig FILE cluster-info` asks it too",
            ),
            ServerError::Untrusted { .. } => failure.hint(
                "the certificate-authority in the file given to --kubeconfig must be the one of \
                 this server; fetch a new kubeconfig if the cluster was made anew",
            ),
            ServerError::Unauthorized { .. } => failure.hint(
                "the token or certificate of the user in the file given to --kubeconfig is wrong \
                 or has expired",
            ),
            ServerError::Forbidden { .. } => failure
                .hint("give --kubeconfig a user with these rights, or choose another --namespace"),
            _ => failure,
        }
    }
}

impl From<BlameError> for Failure {
    fn from(error: BlameError) -> Self {
        match error {
            BlameError::Server(error) => error.into(),
            other => Self::new(Code::Failed, other.to_string()),
        }
    }
}

impl From<CleanupError> for Failure {
    fn from(error: CleanupError) -> Self {
        Self::new(Code::Failed, error.to_string()).hint(delete_by_hand(&error))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let failed = || Self::new(Code::Failed, message.clone());
        match error {
            Error::AlreadyExists { .. } => {
                failed().hint("choose another name with --name, or another --namespace")
            }
            Error::NoNamespace { namespace, .. } => failed().hint(format!(
                "choose another one with --namespace, or create it: kubectl create namespace {namespace}"
            )),
            Error::Forbidden { .. } => {
                failed().hint("give --kubeconfig a user with these rights, or choose another --namespace")
            }
            Error::Server(error) => error.into(),
            Error::Cleanup(error) => error.into(),
            Error::Both { error, cleanup } => {
                let mut failure = Self::from(*error);
                failure.message = message;
                failure.hint(delete_by_hand(&cleanup))
            }
            _ => failed(),
        }
    }
}

/// What is left to the user to do.
fn delete_by_hand(left: &CleanupError) -> String {
    format!(
        "delete it by hand: kubectl delete {} {} --namespace {}",
        left.kind.to_lowercase(),
        left.name,
        left.namespace
    )
}
