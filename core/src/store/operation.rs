//! Operations: what discovery has a store do, and what the store answers.
//!
//! ```text
//!  Open        ─▶ Opened
//!  Seeds       ─▶ Seeds
//!  Put…, Expire ─▶ Written, once for several of them
//!  any         ─▶ Failed
//! ```
//!
//! Operations are executed in order. Nothing waits for an answer for long: a
//! store may be slow, fail, or never answer.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use crate::identity::{Contact, NodeId};
use crate::time::UnixTime;

/// Names an operation; they ascend.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OperationId(pub u64);

/// What a store is to do: all of it, so a new one is meant to be noticed by who
/// compiles.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Say what an earlier run has left: always the first. geth `NewLocalNode`.
    Open {
        /// Who we are.
        local: NodeId,
    },
    /// Draw nodes that were alive not long ago. geth `QuerySeeds`.
    Seeds {
        /// How many, at most.
        count: usize,
        /// How long ago their last pong may be.
        max_age: Duration,
        /// Random bytes: which nodes are drawn depends on nothing else.
        draw: [u8; 32],
    },
    /// Remember the sequence number of our own record. geth `storeLocalSeq`.
    PutSequence {
        /// Who we are.
        local: NodeId,
        /// The number.
        sequence: u64,
    },
    /// Remember a node, unless it is known by a newer record. geth
    /// `UpdateNode`.
    PutContact(Contact),
    /// Remember when a node was heard of at an address. What is `None` stays as
    /// it is. geth `UpdateLastPingReceived`, `UpdateLastPongReceived`,
    /// `UpdateFindFails`.
    PutTimes {
        /// The node.
        id: NodeId,
        /// Where it is.
        ip: IpAddr,
        /// When it last pinged us. Whole seconds are kept.
        last_ping: Option<UnixTime>,
        /// When it last answered our ping. Whole seconds are kept.
        last_pong: Option<UnixTime>,
        /// How many find-node requests in a row it has not answered.
        find_failures: Option<u32>,
    },
    /// Forget what has not answered for [`limits::STORED_LIFE`]: at an address
    /// when its pong is older, and all of a node when all its pongs are. What has
    /// never answered stays. geth `expireNodes`.
    ///
    /// [`limits::STORED_LIFE`]: crate::limits::STORED_LIFE
    Expire,
}

impl Operation {
    /// The names of all kinds for metrics, the same in all versions.
    pub const KINDS: [&'static str; 6] =
        ["open", "seeds", "put_sequence", "put_contact", "put_times", "expire"];

    /// The place of its kind among [`Operation::KINDS`].
    pub const fn index(&self) -> usize {
        match self {
            Self::Open { .. } => 0,
            Self::Seeds { .. } => 1,
            Self::PutSequence { .. } => 2,
            Self::PutContact(_) => 3,
            Self::PutTimes { .. } => 4,
            Self::Expire => 5,
        }
    }

    /// Whether it is answered by a reply of its own, and not by
    /// [`Reply::Written`].
    pub const fn is_query(&self) -> bool {
        match self {
            Self::Open { .. } | Self::Seeds { .. } => true,
            Self::PutSequence { .. }
            | Self::PutContact(_)
            | Self::PutTimes { .. }
            | Self::Expire => false,
        }
    }
}

/// What a store answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// To [`Operation::Open`].
    Opened {
        /// The sequence number of our last record, if there was one.
        sequence: Option<u64>,
        /// What proved something less than a day ago, the newest first; at
        /// most [`limits::BONDS`](crate::limits::BONDS).
        bonds: Vec<StoredBond>,
    },
    /// To [`Operation::Seeds`].
    Seeds(Vec<Contact>),
    /// All that operations up to this one were to change is durable.
    Written {
        /// The last of them.
        up_to: OperationId,
    },
    /// An operation was not done.
    Failed {
        /// Which.
        operation: OperationId,
    },
}

/// An endpoint proof of an earlier run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoredBond {
    /// Whose it is.
    pub id: NodeId,
    /// Where.
    pub ip: IpAddr,
    /// When the node last pinged us.
    pub last_ping: Option<UnixTime>,
    /// When it last answered our ping.
    pub last_pong: Option<UnixTime>,
    /// How many find-node requests in a row it had not answered.
    pub find_failures: u32,
}
