//! What happens to discovery, and what it wants done.

use alloc::sync::Arc;
use core::net::SocketAddr;

use bytes::Bytes;

use super::{Answer, Command, RequestId, Unverified, Verified};
use crate::identity::{Contact, NodeId, Record};
use crate::kademlia;
use crate::store::{Operation, OperationId, Reply};

/// What happens to [`Discovery`](super::Discovery).
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram arrived. Nothing costly is done: at most it comes back as
    /// [`Output::Verify`].
    Datagram {
        /// Where it came from.
        source: SocketAddr,
        /// All of it, or its first 1281 bytes.
        bytes: &'a [u8],
    },
    /// What [`verify`](super::verify) made of an [`Output::Verify`]. Late or never:
    /// each stands for itself. The order is free between sources; what one
    /// source sent should stay in order, or its request overtakes the pong that
    /// proves where it comes from, and is dropped.
    Verified(Result<Verified, super::DropReason>),
    /// The application asks for something.
    Command(RequestId, Command),
    /// The store answers.
    Store(Reply),
    /// It is the time that was asked for.
    Timeout,
    /// Stop: everything pending is answered, [`Output::Stopped`] comes last.
    Stop,
}

/// What [`Discovery`](super::Discovery) wants done, in this order. A driver does
/// all of it, so a new one is meant to be noticed by who compiles.
#[derive(Debug)]
pub enum Output {
    /// Send this datagram, at most 1280 bytes. If it cannot be sent, count it
    /// and go on.
    Send {
        /// Where to.
        to: SocketAddr,
        /// All of it.
        datagram: Bytes,
    },
    /// Give this to [`verify`](super::verify), here or in a pool, and hand the
    /// result back. It may be dropped when there is too much to do, the least
    /// [standing](super::Standing) first.
    Verify(Unverified),
    /// Do this to the store.
    Store(OperationId, Operation),
    /// A request is answered.
    Answer(RequestId, Answer),
    /// Something the application may want to know.
    Event(Event),
    /// It has stopped. Nothing follows.
    Stopped,
}

/// What the application may want to know.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The table is filled for the first time.
    Ready,
    /// The table has this node now, not yet known to be alive.
    Added(Contact),
    /// The table has this node no more.
    Removed(NodeId),
    /// The table knows this node by a newer record or at another endpoint.
    Updated(Contact),
    /// The table did not take this node. A [`Node`](crate::node::Node) notes it in
    /// its journal and tells nobody.
    Refused(NodeId, kademlia::Refusal),
    /// The local record has changed.
    LocalRecord(Arc<Record>),
}
