//! What an application asks of discovery, and what it is answered. How that comes
//! about is `on_command.rs`.

use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use crate::identity::{Contact, LocalEndpoints, RecordBuilder, RecordError};

/// Names a request. The caller chooses it and does not use it twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u64);

/// What is asked. Every command is answered exactly once, whatever happens.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Ping this node: [`Answer::Pong`].
    Ping(Contact),
    /// Fetch this node's record (EIP-868), after an endpoint proof where one is
    /// missing: [`Answer::Contact`], which is the contact given if the record
    /// that came is older than its own.
    RequestRecord(Contact),
    /// Find the latest record of this node, wherever it is now: asks it, then
    /// the table, then the network. [`Answer::Contact`].
    Resolve(Contact),
    /// Ask this one node for those it knows that are closest to a target, an
    /// uncompressed public key. [`Answer::Contacts`].
    FindNode(Contact, [u8; 64]),
    /// Find the nodes closest to a target, an uncompressed public key, which
    /// need not be a point of the curve. [`Answer::Contacts`], at most 16,
    /// closest first.
    LookUp([u8; 64]),
    /// Nodes met on a random walk that this has not answered before; waits
    /// until there are some. [`Answer::Contacts`], not empty.
    RandomNodes,
    /// From now on this is what is known of our own endpoint: [`Answer::Done`].
    SetEndpoints(LocalEndpoints),
    /// From now on our record says this besides our endpoint: [`Answer::Done`],
    /// or [`RequestError::BadRecord`] if there is no room for it.
    SetEntries(RecordBuilder),
    /// Give an earlier request up; it is answered with
    /// [`RequestError::Cancelled`], unless it has been answered already.
    Cancel(RequestId),
}

/// What came of a [`Command`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// The node answered a ping.
    Pong(PingReply),
    /// One node.
    Contact(Contact),
    /// Some nodes.
    Contacts(Vec<Contact>),
    /// It is done, and there is nothing to say.
    Done,
    /// It failed.
    Failed(RequestError),
}

/// A pong that answered a ping of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PingReply {
    /// The sequence number of the node's record; 0 if it does not say.
    pub sequence: u64,
    /// The endpoint of ours that the node saw; `None` if it named none.
    pub seen_at: Option<SocketAddr>,
    /// From the ping to the pong.
    pub round_trip: Duration,
}

/// Why a request failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RequestError {
    /// The contact has no UDP endpoint.
    NoEndpoint,
    /// The contact is ourselves.
    Own,
    /// No answer came in time.
    Timeout,
    /// The record that came is none; or our own cannot be.
    BadRecord(RecordError),
    /// The record that came is another node's.
    WrongIdentity,
    /// The record that came names an address that its sender cannot have.
    BadAddress,
    /// The node was found nowhere.
    NotFound,
    /// Too many requests wait already.
    Busy,
    /// The caller gave it up.
    Cancelled,
    /// Discovery has stopped.
    Stopped,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEndpoint => "node has no UDP endpoint",
            Self::Own => "node is ourselves",
            Self::Timeout => "RPC timeout",
            Self::BadRecord(error) => return write!(f, "invalid record in response: {error}"),
            Self::WrongIdentity => "invalid ID in response record",
            Self::BadAddress => "invalid IP in response record",
            Self::NotFound => "node not found",
            Self::Busy => "too many requests",
            Self::Cancelled => "cancelled",
            Self::Stopped => "discovery has stopped",
        })
    }
}

impl core::error::Error for RequestError {}
