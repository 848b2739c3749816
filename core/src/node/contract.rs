//! What happens to a node, and what it wants done.
//!
//! [`Input`], [`Report`] and [`Output`] are exhaustive by intent: who drives a
//! node executes a `match` with one arm for each.

use core::fmt;
use core::net::SocketAddr;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;

use super::{DialFailure, IncomingRefusal, Limits};
use crate::crypto::PublicKey;
use crate::discv4::{self, DropReason, RequestId, Unverified, Verified};
use crate::entropy::Seed;
use crate::identity::{Contact, HostName, NodeAddress, NodeId, RecordError};
use crate::nat;
use crate::p2p::{Hello, Shared};
use crate::session::{self, Counters, SessionError};
use crate::store::{Operation, OperationId, Reply};

/// Names a connection, or the attempt at one. Never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub(super) u64);

impl ConnectionId {
    /// Its number: they count up from 0.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who dialled whom.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    /// The other dialled us.
    Inbound,
    /// We dialled the other.
    Outbound,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        })
    }
}

/// What happens to a [`Node`](super::Node).
#[derive(Debug)]
pub enum Input<'a> {
    /// A TCP connection was accepted; its first [`Output::Accept`] or
    /// [`Output::Refuse`] is the answer, in the same drain.
    Incoming(SocketAddr),
    /// What became of an [`Output::Connect`]: a TCP connection, or none. There
    /// is a session as soon as it is connected, and its reports follow.
    Connected(ConnectionId, Result<(), DialFailure>),
    /// The addresses of an [`Output::LookUpName`], none if there are none.
    Named(ConnectionId, &'a [core::net::IpAddr]),
    /// A session says this. One session's reports come in order, and may be late.
    Session(ConnectionId, Report),
    /// A datagram arrived.
    Datagram {
        /// Where it came from.
        source: SocketAddr,
        /// All of it, or its first 1281 bytes.
        bytes: &'a [u8],
    },
    /// What [`verify`](discv4::verify) made of an [`Output::Verify`].
    Verified(Result<Verified, DropReason>),
    /// The store answers.
    Store(Reply),
    /// The application asks for something.
    Command(RequestId, Command),
    /// While this is so dial nobody but whom the application
    /// [asks](Command::Dial) for, and [want](super::Node::wants_incoming) no
    /// connection: the application does not take its events.
    Hold(bool),
    /// This is how it stands with our gateway: what it says of our endpoint goes
    /// into our record, and what it does not say is as the configuration has it.
    Gateway(nat::Status),
    /// It is the time that was asked for.
    Timeout,
    /// Disconnect everyone and stop; [`Output::Stopped`] comes last.
    Stop,
}

/// What a session says to the node. The same as its outputs of that name.
#[derive(Debug)]
pub enum Report {
    /// The other claims this key. [`session::Output::Authenticated`].
    Authenticated(PublicKey),
    /// The hellos are through. [`session::Output::Ready`].
    Ready {
        /// What it says of itself.
        hello: Hello,
        /// What both sides have.
        shared: Arc<Shared>,
    },
    /// It is over. Comes once for each session, however its task ended, and
    /// nothing after it. [`session::Output::Closed`].
    Closed {
        /// Why.
        error: SessionError,
        /// What it counted.
        counters: Counters,
    },
}

/// What a [`Node`](super::Node) wants done, in this order.
#[derive(Debug)]
pub enum Output {
    /// Make a session of the TCP connection that was accepted.
    Accept {
        /// Its name from now on.
        id: ConnectionId,
        /// For [`Session::accept`](session::Session::accept).
        seed: Seed,
    },
    /// Close the TCP connection that was accepted.
    Refuse(IncomingRefusal),
    /// Look this name up and answer by [`Input::Named`].
    LookUpName {
        /// Which attempt needs it.
        id: ConnectionId,
        /// What to look up.
        name: HostName,
    },
    /// Connect to this address, make a session, answer by [`Input::Connected`].
    Connect {
        /// Its name.
        id: ConnectionId,
        /// Where to.
        to: SocketAddr,
        /// For [`Session::dial`](session::Session::dial): whom we expect.
        remote: PublicKey,
        /// For it as well.
        seed: Seed,
    },
    /// Tell a session, or one that is still being connected: of the commands
    /// `Proceed`, `Admit` and `Disconnect`. Void if it has ended.
    Session(ConnectionId, session::Command),
    /// Send this datagram. If it cannot be sent, count it and go on.
    Send {
        /// Where to.
        to: SocketAddr,
        /// All of it.
        datagram: Bytes,
    },
    /// Give this to [`verify`](discv4::verify), or drop it if there is too much.
    Verify(Unverified),
    /// Do this to the store.
    Store(OperationId, Operation),
    /// A request is answered.
    Answer(RequestId, Answer),
    /// The application may want to know this.
    Event(Event),
    /// It has stopped. Nothing follows.
    Stopped,
}

/// What an application asks of a node. Every command is answered exactly once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Dial this node now, once, whatever the dial scheduler thinks of it:
    /// [`Answer::Dialled`].
    Dial(NodeAddress),
    /// Keep a connection to this node: dial it, and again when it is lost. One
    /// that is known already stays as it is. geth `AddPeer`.
    AddPeer(NodeAddress),
    /// Keep it no more, and disconnect it as "requested". Answered when it is
    /// gone. A dial of it that is under way may still come to a connection, as
    /// geth's may. geth `RemovePeer`.
    RemovePeer(NodeId),
    /// Admit this node whatever the limits. geth `AddTrustedPeer`.
    AddTrusted(NodeId),
    /// Not any more; a connection that is there stays. geth `RemoveTrustedPeer`.
    RemoveTrusted(NodeId),
    /// From now on these limits, as far as a configuration may ask for them; who
    /// is connected stays.
    SetLimits(Limits),
    /// From now on the local record has this entry, or has it no more. `value`
    /// is RLP. The endpoint's own keys are the node's.
    SetEntry {
        /// The entry's key: "eth".
        key: Vec<u8>,
        /// Its value as RLP.
        value: Option<Vec<u8>>,
    },
    /// Nodes that a capability wants dialled, the answer to
    /// [`Event::WantsCandidates`] of the same number. What there is no room for
    /// is dropped, and so is what comes under a number that is none of a source's.
    Candidates(usize, Vec<Contact>),
    /// Give an earlier request up. It is answered first. A peer that was to be
    /// removed goes all the same.
    Cancel(RequestId),
    /// For discovery: [`Answer::Discovery`].
    Discovery(discv4::Command),
}

/// What came of a [`Command`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// It is done, and there is nothing to say.
    Done,
    /// The peer that a dial made, or why it made none.
    Dialled(Result<Arc<PeerInfo>, DialError>),
    /// What discovery answers.
    Discovery(discv4::Answer),
    /// There is no room for what was asked.
    Busy,
    /// The local record cannot be what was asked.
    BadRecord(RecordError),
    /// There is no discovery.
    NoDiscovery,
    /// The node is stopping.
    Stopped,
}

/// Why a dial made no peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DialError {
    /// It came to no TCP connection.
    Failed(DialFailure),
    /// The connection ended before it was admitted.
    Session(SessionError),
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => failure.fmt(f),
            Self::Session(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for DialError {}

/// An admitted peer: what does not change while it is connected.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PeerInfo {
    /// Its connection.
    pub connection: ConnectionId,
    /// Its static key, which it proved to own.
    pub public_key: PublicKey,
    /// Its node id.
    pub id: NodeId,
    /// Where it is: as we dialled it, with its record if we knew one; or the other
    /// end of its socket. geth `Peer.Node`.
    pub contact: Contact,
    /// The other end of its socket.
    pub address: SocketAddr,
    /// Who dialled whom.
    pub direction: Direction,
    /// Whether it was dialled as a static node.
    pub is_static: bool,
    /// Whether the application asked for it by [`Command::Dial`], and so gets it
    /// in an [`Answer::Dialled`] as well.
    pub is_requested: bool,
    /// What it says of itself. Escape the strings before a terminal sees them.
    pub hello: Hello,
    /// What both sides have.
    pub shared: Arc<Shared>,
}

/// What happens at a node. Of one peer all comes in order: it is connected,
/// disconnected, and only then connected again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A peer was admitted.
    Connected(Arc<PeerInfo>),
    /// A peer that had been admitted is gone, or goes: another connection has
    /// taken its place.
    Disconnected {
        /// The same as in [`Event::Connected`].
        peer: Arc<PeerInfo>,
        /// Why it ended.
        error: SessionError,
        /// What its connection counted; `None` if it is still ending.
        counters: Option<Counters>,
    },
    /// A connection ended before it was admitted.
    Failed {
        /// Which.
        connection: ConnectionId,
        /// The other end of its socket.
        address: SocketAddr,
        /// Who dialled whom.
        direction: Direction,
        /// Who it was, if it came as far as to prove it or was dialled.
        public_key: Option<PublicKey>,
        /// Whether the application asked for it by [`Command::Dial`].
        is_requested: bool,
        /// Why it ended.
        error: SessionError,
    },
    /// A node of the dial scheduler could not be dialled.
    DialFailed(Box<Contact>, DialFailure),
    /// The dial scheduler has room for nodes of this source, a position in
    /// [`Config::candidates`](super::Config::candidates). Asked once until they
    /// have come by [`Command::Candidates`], and at once again if there is still
    /// room: who has none yet answers when there are some.
    WantsCandidates(usize),
    /// Discovery says this.
    Discovery(discv4::Event),
}
