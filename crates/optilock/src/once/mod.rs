//! Exactly once: how a write says which update it belongs to, and how its outcome is found out when the
//! answer to it is lost.
//!
//! Every copy of a PUT insists on the same base, the uid and resourceVersion that it was computed from,
//! so at most one copy is ever carried out, and none any more once the object is at another version.
//! That makes it safe to send the identical request again, and it makes the first change after the
//! base the only one that can be ours.

mod carrier;
mod history;
mod op_id;
mod pending;
mod range;
mod ring;

pub use carrier::Carrier;
pub(crate) use carrier::{Claim, check_annotations};
pub(crate) use history::{First, first_after};
pub use op_id::{InvalidOpId, OpId};
pub use pending::{Pending, PendingSlot, Verb};
