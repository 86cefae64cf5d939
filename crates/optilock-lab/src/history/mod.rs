//! Histories: who asked an API server for what, when, and what came of it.
//!
//! A history is a file of JSON Lines: first a [`Header`], then [`Operation`]s and [`WatchEvent`]s in any
//! order. `docs/history.md` describes it for those who write one in another language.
//!
//! ```
//! use optilock_lab::history::{Clock, Header, Reader, Writer};
//!
//! let mut file = Vec::new();
//! Writer::new(&mut file, &Header::new("(in process)", 1, Clock::Virtual))?;
//! file.extend_from_slice(br#"{"op_id":"w0","worker":0,"uid":"u","verb":"update","kind":"Deployment",
//!     "name":"d","base":"4","invoke_ns":10,"return_ns":25,"outcome":"applied","rv":"5","value":101}"#
//!     .map(|byte| if byte == b'\n' { b' ' } else { byte }).as_slice());
//!
//! let mut reader = Reader::new(file.as_slice())?;
//! assert_eq!(reader.header().seed, 1);
//! let record = reader.next().transpose()?.unwrap();
//! assert_eq!(record.line, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod fate;
mod header;
mod operation;
mod read;
mod record;
mod recorder;
mod request;
mod resource_version;
mod watch_event;
mod write;

pub use error::{HistoryError, Problem};
pub(crate) use fate::Fate;
pub use header::{Clock, Header};
pub use operation::{Operation, Outcome, Span, Verb};
pub use read::Reader;
pub use record::{History, Numbered, Record};
pub use recorder::Recorder;
pub(crate) use recorder::op_id_of;
pub use resource_version::ResourceVersion;
pub use watch_event::{WatchEvent, WatchType};
pub use write::Writer;
