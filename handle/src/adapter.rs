//! The other ends of the handles: what an adapter (or a simulator) holds.
//!
//! An adapter makes a [`node`] pair and executes the [`Request`]s that come
//! out of it. For each connection it makes a [`ConnectionEnd`] and joins it to
//! a [`Connection`](devp2p_core::driver::Connection): it passes on commands,
//! lends the messages to send, delivers those received.
//!
//! For [`discovery`] it makes a [`DiscoveryEnd`] and joins it to a
//! [`Discovery`](devp2p_core::driver::discovery::Discovery).

mod discovery;

use core::net::SocketAddr;
use core::task::{Context, Poll};
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_channel::{Receiver, Sender};
use devp2p_core::crypto::PublicKey;
use devp2p_core::identity::{Enode, NodeId};
use devp2p_core::limits;
use devp2p_core::p2p::{DisconnectReason, Hello, Message, Shared};
use devp2p_core::session::{Command, Local, SessionError};
use event_listener::Event as WakeUp;

pub(crate) use self::discovery::Asked;
pub use self::discovery::{DiscoveryEnd, DiscoveryRequest, discovery};
use crate::control::Control;
pub use crate::events::Events;
use crate::events::events;
use crate::peer::{Facts, Inner, RoundTrip};
use crate::queue::{Queue, Refused};
use crate::{DialError, Direction, Node, Peer};

/// What an application asks of a node.
#[derive(Debug)]
#[non_exhaustive]
pub enum Request {
    /// Dial this node. If nobody waits for the answer any more
    /// ([`Sender::closed`]), give up.
    Dial {
        /// Whom.
        enode: Enode,
        /// Where to say how it went. Drop it with the answer: while it is
        /// there a peer that nobody waited for lives on in it.
        answer: Sender<Result<Peer, DialError>>,
    },
    /// Stop. Answer when all connections are closed.
    Stop {
        /// Where to say that it is done.
        answer: Sender<()>,
    },
}

/// A node's handle, and the two ends that its adapter holds: requests to
/// execute, and where to say what happens.
pub fn node(local: Arc<Local>, address: Option<SocketAddr>) -> (Node, Requests, Events) {
    let (requests, requested) = async_channel::bounded(limits::NODE_REQUESTS);
    let (events, happened) = events();
    (Node::new(local, address, requests, happened), Requests(requested), events)
}

/// What the application asks for, in order.
///
/// When it is dropped, all that was not executed is answered: the node has
/// stopped.
#[derive(Debug)]
pub struct Requests(Receiver<Request>);

impl Requests {
    /// The next one; `None` when all handles of the node are gone.
    pub async fn next(&self) -> Option<Request> {
        self.0.recv().await.ok()
    }

    /// Takes no more of them.
    pub fn close(&self) {
        self.0.close();
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.close();
        // The channel would keep them, and those who wait for the answers
        // waiting, for as long as there is a handle of the node.
        while let Ok(request) = self.0.try_recv() {
            drop(request);
        }
    }
}

/// Ends one connection from outside its task. Clones end the same one.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<Control>);

impl Stopper {
    /// Ends the connection. The first reason stands.
    pub fn disconnect(&self, reason: DisconnectReason) {
        self.0.disconnect(reason);
    }
}

/// A connection's side of the handles.
#[derive(Debug)]
pub struct ConnectionEnd {
    control: Arc<Control>,
    peer: Option<Arc<Inner>>,
}

/// What is known of a connection when it is admitted.
#[derive(Debug)]
pub struct Admitted {
    /// Its static key.
    pub public_key: PublicKey,
    /// The other end of its socket.
    pub address: SocketAddr,
    /// Who dialled whom.
    pub direction: Direction,
    /// What it says of itself.
    pub hello: Hello,
    /// What both sides have.
    pub shared: Arc<Shared>,
    /// How long the encryption handshake took.
    pub handshake: Duration,
}

impl ConnectionEnd {
    /// A connection that has just begun: nobody but the node can reach it.
    pub fn new() -> (Self, Stopper) {
        let control = Arc::new(Control::default());
        let stopper = Stopper(Arc::clone(&control));
        (Self { control, peer: None }, stopper)
    }

    /// The connection is admitted: here is the handle for the application.
    pub fn admitted(&mut self, admitted: Admitted) -> Peer {
        let Admitted { public_key, address, direction, hello, shared, handshake } = admitted;
        let node_id = NodeId::from(&public_key);
        // With no capability shared there is still one queue, for a peer that
        // mirrors: its messages have to go somewhere.
        let queues = shared.len().max(1);
        let inner = Arc::new(Inner {
            control: Arc::clone(&self.control),
            facts: Facts { public_key, node_id, address, direction, hello, shared, handshake },
            outbound: Queue::default(),
            inbound: (0..queues).map(|_| Queue::default()).collect(),
            closed: OnceLock::new(),
            closing: WakeUp::new(),
            round_trip: Mutex::default(),
            round_trips: WakeUp::new(),
        });
        self.peer = Some(Arc::clone(&inner));
        Peer::new(inner)
    }

    /// A handle, if the connection was admitted.
    pub fn peer(&self) -> Option<Peer> {
        self.peer.clone().map(Peer::new)
    }

    /// The next command of node or application.
    pub fn next_command(&self) -> Option<Command> {
        self.control.take()
    }

    /// Ready when there may be a command, a message to send, or room for one
    /// to deliver. Wakes the task of `cx` otherwise.
    pub fn poll_work(&self, cx: &Context<'_>) -> Poll<()> {
        self.control.poll_work(cx)
    }

    /// Whether there are messages to send.
    pub fn has_messages(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| !peer.outbound.is_empty())
    }

    /// Lends the messages to send to `take`, which removes what it can.
    pub fn with_messages(&self, take: impl FnOnce(&mut VecDeque<Message>)) {
        if let Some(peer) = &self.peer {
            peer.outbound.lend(take);
        }
    }

    /// Hands a received message to the application. Gives it back when there
    /// is no room: try again after [`ConnectionEnd::poll_work`] was ready.
    pub fn deliver(&self, message: Message) -> Result<(), Message> {
        let Some(peer) = &self.peer else { return Ok(()) };
        let Some(queue) = peer.inbound.get(message.capability()) else { return Ok(()) };
        match queue.try_push(message) {
            Ok(()) | Err(Refused::Closed) => Ok(()),
            Err(Refused::Full(message)) => Err(message),
        }
    }

    /// Hands over the last message, room or not: the connection ends, and what
    /// had been received before can still be read.
    pub fn deliver_last(&self, message: Message) {
        let queue = self.peer.as_ref().and_then(|peer| peer.inbound.get(message.capability()));
        if let Some(queue) = queue {
            queue.push_last(message);
        }
    }

    /// A ping was answered after this long.
    pub fn round_trip(&self, round_trip: Duration) {
        if let Some(peer) = &self.peer {
            let mut last = peer.round_trip.lock().unwrap_or_else(PoisonError::into_inner);
            *last = RoundTrip { number: last.number.wrapping_add(1), took: round_trip };
            drop(last);
            peer.round_trips.notify(usize::MAX);
        }
    }

    /// The connection is over. Says it to everyone who waits.
    pub fn closed(&self, error: SessionError) {
        if let Some(peer) = &self.peer {
            let _ = peer.closed.set(error);
            peer.outbound.close();
            peer.inbound.iter().for_each(Queue::close);
            peer.closing.notify(usize::MAX);
            peer.round_trips.notify(usize::MAX);
        }
    }
}

impl Drop for ConnectionEnd {
    /// A connection's task that dies leaves nobody waiting.
    fn drop(&mut self) {
        self.closed(SessionError::Lost(devp2p_core::session::Lost::Failed));
    }
}
