//! The user's wish that the program ends.

use std::{io, process::ExitCode};

#[cfg(unix)]
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

use crate::failure::{Code, Failure};

/// Why something ended that has no outcome.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The user wished it.
    Interrupted,
    /// It failed.
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// How the wish was expressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-c.
    Interrupt,
    /// SIGTERM.
    #[cfg_attr(not(unix), expect(dead_code))]
    Terminate,
    /// The terminal is gone.
    #[cfg_attr(not(unix), expect(dead_code))]
    Hangup,
}

/// How a program ends that ran until it was asked to.
impl From<Signal> for ExitCode {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Interrupt => Code::Interrupted.into(),
            Signal::Terminate | Signal::Hangup => Self::SUCCESS,
        }
    }
}

/// The signals that ask the program to end.
#[derive(Debug)]
pub(crate) struct Stop {
    #[cfg(unix)]
    interrupt: Stream,
    #[cfg(unix)]
    terminate: Stream,
    #[cfg(unix)]
    hangup: Stream,
}

impl Stop {
    /// From now on these signals don't kill the process.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            interrupt: signal(SignalKind::interrupt())?,
            #[cfg(unix)]
            terminate: signal(SignalKind::terminate())?,
            #[cfg(unix)]
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next of them.
    #[cfg(unix)]
    pub(crate) async fn requested(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.hangup.recv() => Signal::Hangup,
        }
    }

    /// Waits for the next of them.
    #[cfg(not(unix))]
    pub(crate) async fn requested(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Interrupt,
            // There are no signals here.
            Err(_) => std::future::pending().await,
        }
    }
}
