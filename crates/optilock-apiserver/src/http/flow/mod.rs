//! How many requests are served at a time, and whose turn it is: kube-apiserver's limits, and its priority and fairness
//! in small.
//!
//! Reads and writes have places of their own, as many as kube-apiserver's `--max-requests-inflight` and
//! `--max-mutating-requests-inflight` say. Where all are taken, requests wait in one line for each user, and the lines
//! take turns; a line that is full, and a wait that is too long, is answered 429. One user never has all places, so that
//! whoever asks little is served at once, however much somebody else asks.
//!
//! A watch has a place while it is opened, and none while it runs. Health and metrics need none: they are for
//! whoever looks at a server that has too much to do. In process there are no such limits: the caller is the program itself.

mod crowd;
mod lane;

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

pub(crate) use self::crowd::Crowd;
use self::lane::Lane;
pub(super) use self::lane::Seat;
use super::reply::Reply;

/// So long a request waits for a place: a quarter of what a request may take, as with kube-apiserver.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a client that was turned away is to wait, in seconds, and what it is told: kube-apiserver's.
const RETRY_AFTER: &str = "1";
const TURNED_AWAY: &str = "Too many requests, please try again later.\n";

/// Which places a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `readOnly`
    Read,
    /// `mutating`
    Write,
}

impl Kind {
    /// By its method. Whatever is not known to change nothing is taken for a write.
    pub(super) fn of(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD | Method::OPTIONS => Self::Read,
            _ => Self::Write,
        }
    }
}

/// The places of a server.
#[derive(Debug)]
pub(crate) struct Flow {
    reads: Option<Lane>,
    writes: Option<Lane>,
    crowd: Crowd,
    /// As many as there can be in the crowd without anybody waiting.
    roomy: usize,
}

/// A request was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

impl TooMany {
    /// The answer, which is text: clients make a Status of it.
    pub(super) fn reply(self) -> Reply {
        let reply = Reply::text(StatusCode::TOO_MANY_REQUESTS, TURNED_AWAY);
        super::discovery::sniff_proof(reply).header(http::header::RETRY_AFTER, RETRY_AFTER)
    }
}

/// How full the places of a kind are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) executing: usize,
    pub(super) waiting: usize,
}

impl Flow {
    /// So many places for reads and for writes, 0 is no limit, of those who are in the crowd.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "there are no ports"))]
    pub(crate) fn new(reads: usize, writes: usize, crowd: Crowd) -> Self {
        let lane = |places| (places > 0).then(|| Lane::new(places));
        let lanes = [lane(reads), lane(writes)];
        let roomy = lanes.iter().flatten().map(Lane::share).min();
        let [reads, writes] = lanes;
        Self {
            reads,
            writes,
            crowd,
            roomy: roomy.unwrap_or(usize::MAX),
        }
    }

    fn lane(&self, kind: Kind) -> Option<&Lane> {
        match kind {
            Kind::Read => self.reads.as_ref(),
            Kind::Write => self.writes.as_ref(),
        }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// When too many of the user's requests wait already, or all places stay taken for too long.
    pub(super) async fn enter(&self, kind: Kind, user: &str) -> Result<Option<Seat>, TooMany> {
        let Some(lane) = self.lane(kind) else {
            return Ok(None);
        };
        let seat = match lane.enter(user)? {
            lane::Entered::Seat(seat) => seat,
            lane::Entered::Waiting(waiting) => {
                let seat = tokio::time::timeout(PATIENCE, waiting).await;
                seat.map_err(|_| TooMany)?.ok_or(TooMany)?
            }
        };
        // Most requests never wait for anything, so that each would be done before the next is looked at: what is too much
        // would pile up unseen before the server, and be served in the order in which it came. Where so few are there that
        // nobody could have to wait, that is all the same, and spares waking another thread for every request.
        if self.crowd.size() > self.roomy {
            tokio::task::yield_now().await;
        }
        Ok(Some(seat))
    }

    /// Who has places and who waits, for whoever looks into the server.
    pub(super) fn to_json(&self) -> Value {
        let shown = |kind| self.lane(kind).map_or(Value::Null, Lane::to_json);
        json!({"readOnly": shown(Kind::Read), "mutating": shown(Kind::Write)})
    }

    /// How full the places are.
    pub(super) fn load(&self, kind: Kind) -> Load {
        self.lane(kind).map(Lane::load).unwrap_or_default()
    }
}
