//! The lines of `rlpx listen`: for people in columns, for scripts in JSON.
//!
//! ```text
//! enode://…@127.0.0.1:30303?discport=0
//! + 9f86d081884c7d65  127.0.0.1:50412        inbound   Geth/v1.17.6  echo/1
//! - 9f86d081884c7d65  127.0.0.1:50412        inbound   remote: client quitting, after 3.2 s
//! x e3b0c44298fc1c14  127.0.0.1:50414        inbound   local: too many peers
//! ```

use core::fmt;
use core::time::Duration;

use core::net::SocketAddr;

use devp2p_smol::core::identity::{Enode, NodeId};
use devp2p_smol::core::session::SessionError;
use devp2p_smol::{Direction, Failure, Peer};
use serde::Serialize;

use super::describe;
use crate::failure::Cause;
use crate::output::{self, Escaped, to_json};

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Tidings {
    Listening {
        enode: String,
    },
    Connected {
        #[serde(flatten)]
        who: Who,
        name: String,
        caps: Vec<String>,
    },
    Disconnected {
        #[serde(flatten)]
        who: Who,
        #[serde(flatten)]
        cause: Cause,
        seconds: f64,
    },
    Refused {
        #[serde(flatten)]
        who: Who,
        #[serde(flatten)]
        cause: Cause,
    },
}

#[derive(Serialize)]
struct Who {
    #[serde(serialize_with = "text_or_null")]
    id: Option<NodeId>,
    remote: SocketAddr,
    #[serde(serialize_with = "text")]
    direction: Direction,
}

fn text<S: serde::Serializer>(value: &impl fmt::Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

fn text_or_null<S: serde::Serializer>(
    value: &Option<impl fmt::Display>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_none(),
    }
}

impl Who {
    fn of(peer: &Peer) -> Self {
        Self { id: Some(peer.node_id()), remote: peer.address(), direction: peer.direction() }
    }
}

/// The node listens.
pub(crate) fn listening(enode: &Enode, json: bool) -> String {
    Tidings::Listening { enode: enode.to_string() }.line(json)
}

/// A peer was admitted.
pub(crate) fn connected(peer: &Peer, json: bool) -> String {
    let name = peer.hello().client_name.clone();
    Tidings::Connected { who: Who::of(peer), name, caps: describe::capabilities(peer) }.line(json)
}

/// A peer that had been admitted is gone.
pub(crate) fn disconnected(
    peer: &Peer,
    error: &SessionError,
    after: Duration,
    json: bool,
) -> String {
    let seconds = output::seconds(after);
    Tidings::Disconnected { who: Who::of(peer), cause: Cause::of(error), seconds }.line(json)
}

/// A connection ended before it was admitted.
pub(crate) fn refused(failure: &Failure, json: bool) -> String {
    let who = Who {
        id: failure.public_key.as_ref().map(NodeId::from),
        remote: failure.address,
        direction: failure.direction,
    };
    Tidings::Refused { who, cause: Cause::of(&failure.error) }.line(json)
}

impl Tidings {
    fn line(&self, json: bool) -> String {
        if json { to_json(self) } else { self.to_string() }
    }
}

impl fmt::Display for Tidings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { enode } => f.write_str(enode),
            Self::Connected { who, name, caps } => {
                write!(f, "+ {who}  {}", Escaped(name))?;
                caps.iter().try_for_each(|cap| write!(f, "  {}", Escaped(cap)))
            }
            Self::Disconnected { who, cause: Cause { by, reason }, seconds } => {
                write!(f, "- {who}  {by}: {reason}, after {seconds:.1} s")
            }
            Self::Refused { who, cause: Cause { by, reason } } => {
                write!(f, "x {who}  {by}: {reason}")
            }
        }
    }
}

/// In columns of the same width, an IPv4 address being the usual one.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.map_or_else(|| "unknown".into(), |id| id.short().to_string());
        let (remote, direction) = (self.remote.to_string(), self.direction.to_string());
        write!(f, "{id:16}  {remote:21}  {direction:8}")
    }
}
