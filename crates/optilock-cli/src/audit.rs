//! The audit log of `optilock serve`.

use std::{convert::Infallible, fs::OpenOptions, io, path::PathBuf, str::FromStr};

use optilock_apiserver::{AuditLevel, AuditLog};

use crate::failure::{Code, Failure};

/// Where the audit log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Stdout,
    File(PathBuf),
}

/// How much is written of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Level {
    /// Who, when, what and what came of it.
    #[default]
    Metadata,
    /// The same, and what was sent.
    Request,
}

impl FromStr for Place {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "-" => Self::Stdout,
            path => Self::File(path.into()),
        })
    }
}

impl Place {
    /// The log there. A file is made where there is none, readable by its owner only; another one is continued.
    pub(crate) fn open(self, level: Level) -> Result<AuditLog, Failure> {
        let level = match level {
            Level::Metadata => AuditLevel::Metadata,
            Level::Request => AuditLevel::Request,
        };
        let path = match self {
            Self::Stdout => return Ok(AuditLog::new(io::stdout(), level)?),
            Self::File(path) => path,
        };
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(|error| {
            let said = format!("the audit log {} can't be written: {error}", path.display());
            Failure::new(Code::Failed, said)
                .hint("give --audit-log a file in a folder that you may write, or - for stdout")
        })?;
        Ok(AuditLog::new(file, level)?)
    }
}
