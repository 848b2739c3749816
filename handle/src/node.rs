//! The node as the application sees it.

use core::fmt;
use std::sync::Arc;

use core::net::{Ipv4Addr, SocketAddr};

use async_channel::Sender;
use devp2p_core::crypto::PublicKey;
use devp2p_core::identity::Enode;
use devp2p_core::node::Ends;
use devp2p_core::session::{Local, SessionError};

use crate::Peer;
use crate::adapter::Request;
use crate::events::Happened;

/// Who dialled whom.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
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

/// What happens at a node.
///
/// Only inbound connections are told of here; who dials gets the answer from
/// [`Node::dial`] and [`Peer::closed`]. Of one peer all comes in order: it is
/// connected, disconnected, and only then connected again.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A peer was admitted.
    Connected(Peer),
    /// A peer that had been admitted is gone.
    Disconnected {
        /// The same as in [`Event::Connected`].
        peer: Peer,
        /// Why it ended.
        error: SessionError,
    },
    /// A connection ended before it was admitted.
    Failed(Failure),
}

/// A connection that never became a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The other end of its socket.
    pub address: SocketAddr,
    /// Who it was, if it came as far as to prove it.
    pub public_key: Option<PublicKey>,
    /// Why it ended.
    pub error: SessionError,
}

/// A running node. Clones are the same node.
///
/// Take its [`Event`]s: connections wait when nobody does, nothing is dropped.
/// It runs until [`Node::stop`], or until the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Node {
    local: Arc<Local>,
    address: Option<SocketAddr>,
    requests: Sender<Request>,
    events: Happened,
}

impl Node {
    pub(crate) fn new(
        local: Arc<Local>,
        address: Option<SocketAddr>,
        requests: Sender<Request>,
        events: Happened,
    ) -> Self {
        Self { local, address, requests, events }
    }

    /// What the node says of itself.
    pub fn local(&self) -> &Local {
        &self.local
    }

    /// Where it listens for TCP; `None` if it does not.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The URL at which others reach it, as far as it knows: its key and the
    /// address it listens at; 127.0.0.1 if it listens at every address, as geth
    /// has it. It serves no discovery, so the UDP port is 0.
    pub fn enode(&self) -> Enode {
        match self.address {
            Some(address) => {
                let any = address.ip().is_unspecified();
                let ip = if any { Ipv4Addr::LOCALHOST.into() } else { address.ip() };
                Enode::new(*self.local.public(), ip, address.port(), 0)
            }
            None => Enode::incomplete(*self.local.public()),
        }
    }

    /// How many connections ended in which way, dialled ones and those that
    /// were never admitted included.
    pub fn ends(&self) -> Ends {
        self.events.ends()
    }

    /// Connects to a node: TCP, both handshakes, both admissions.
    ///
    /// A host name is looked up first. Dropping the future gives the attempt up.
    pub async fn dial(&self, enode: &Enode) -> Result<Peer, DialError> {
        let (answer, answered) = async_channel::bounded(1);
        let request = Request::Dial { enode: enode.clone(), answer };
        self.requests.send(request).await.map_err(|_| DialError::Stopped)?;
        answered.recv().await.unwrap_or(Err(DialError::Stopped))
    }

    /// The next event; `None` when the node has stopped and all that happened
    /// before has been taken.
    pub async fn next_event(&self) -> Option<Event> {
        self.events.next().await
    }

    /// Stops listening, tells all peers "client quitting", and returns when
    /// every connection is closed; a few seconds at most. The events that tell
    /// of it can be taken afterwards.
    pub async fn stop(&self) -> Result<(), Stopped> {
        let (answer, answered) = async_channel::bounded(1);
        self.requests.send(Request::Stop { answer }).await.map_err(|_| Stopped)?;
        answered.recv().await.map_err(|_| Stopped)
    }
}

/// The node had stopped already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the node has stopped")
    }
}

impl core::error::Error for Stopped {}

/// Why a dial made no peer.
#[derive(Debug)]
#[non_exhaustive]
pub enum DialError {
    /// The URL has no address or name, or no TCP port, to dial.
    NoEndpoint,
    /// No address was found for the URL's host name.
    UnresolvedName(std::io::Error),
    /// No TCP connection came about.
    Connect(std::io::Error),
    /// It came about and ended before the peer was admitted.
    Session(SessionError),
    /// The node has stopped.
    Stopped,
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEndpoint => f.write_str("node has no TCP endpoint"),
            Self::UnresolvedName(error) => write!(f, "cannot resolve host name: {error}"),
            Self::Connect(error) => write!(f, "cannot connect: {error}"),
            Self::Session(error) => error.fmt(f),
            Self::Stopped => Stopped.fmt(f),
        }
    }
}

impl core::error::Error for DialError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::UnresolvedName(error) | Self::Connect(error) => Some(error),
            Self::Session(error) => Some(error),
            Self::NoEndpoint | Self::Stopped => None,
        }
    }
}
