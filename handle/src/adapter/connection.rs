//! A connection's side of the handles.

use core::net::SocketAddr;
use core::task::{Context, Poll};
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use async_channel::Sender;
use devp2p_core::node::{ConnectionId, DialFailure, Report};
use devp2p_core::p2p::Message;
use devp2p_core::session::{Command, Counters, Lost, SessionError};

use super::node::FromConnection;
use crate::control::Control;
use crate::peer::{Inner, RoundTrip};
use crate::queue::Refused;

/// What the task of one connection, or of the attempt at one, holds.
///
/// Dropping it before [`ConnectionEnd::closed`] or [`ConnectionEnd::not_connected`]
/// says that it failed: a task that dies leaves nobody waiting.
#[derive(Debug)]
pub struct ConnectionEnd {
    id: ConnectionId,
    control: Arc<Control>,
    node: Sender<FromConnection>,
    peer: Option<Arc<Inner>>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Connecting,
    Connected,
    Over,
}

impl ConnectionEnd {
    pub(super) const fn new(
        id: ConnectionId,
        control: Arc<Control>,
        node: Sender<FromConnection>,
        is_connected: bool,
    ) -> Self {
        let state = if is_connected { State::Connected } else { State::Connecting };
        Self { id, control, node, peer: None, state }
    }

    /// Its name.
    pub const fn id(&self) -> ConnectionId {
        self.id
    }

    /// The TCP connection that was asked for is there.
    pub fn connected(&mut self) {
        self.state = State::Connected;
        self.tell(FromConnection::Connected(self.id, Ok(())));
    }

    /// The TCP connection that was asked for did not come about.
    pub fn not_connected(&mut self, failure: DialFailure) {
        self.state = State::Over;
        self.tell(FromConnection::Connected(self.id, Err(failure)));
    }

    /// The session says this to the node. Its end is said by
    /// [`ConnectionEnd::closed`].
    pub fn report(&self, report: Report) {
        self.tell(FromConnection::Session(self.id, report));
    }

    /// Our end of the socket is here.
    pub fn bound_to(&self, local: SocketAddr) {
        self.control.set_local(local);
    }

    /// How long the encryption handshake took.
    pub fn shook_hands(&self, took: Duration) {
        self.control.set_handshake(took);
    }

    /// The next command of node or application.
    pub fn next_command(&mut self) -> Option<Command> {
        let command = self.control.take();
        if command == Some(Command::Admit) {
            self.peer = self.control.admitted();
        }
        command
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
        let (index, size) = (message.capability(), message.payload().len());
        let Some(queue) = peer.inbound.get(index) else { return Ok(()) };
        match queue.try_push(message) {
            Ok(()) | Err(Refused::Closed) => {}
            Err(Refused::Full(message)) => return Err(message),
        }
        if let Some(tally) = peer.tallies.get(index) {
            tally.received(size);
        }
        Ok(())
    }

    /// Hands over the last message, room or not: the connection ends, and what
    /// had been received before can still be read.
    pub fn deliver_last(&self, message: Message) {
        let Some(peer) = &self.peer else { return };
        let (index, size) = (message.capability(), message.payload().len());
        if let Some(queue) = peer.inbound.get(index) {
            queue.push_last(message);
        }
        if let Some(tally) = peer.tallies.get(index) {
            tally.received(size);
        }
    }

    /// What the session has counted so far, for whoever asks the peer.
    pub fn counted(&self, counters: Counters) {
        if let Some(peer) = &self.peer {
            *peer.counters.lock().unwrap_or_else(PoisonError::into_inner) = counters;
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

    /// The session is over. The node tells everyone who waits, once it has made
    /// room for the next connection to the same peer.
    pub fn closed(mut self, error: SessionError, counters: Counters) {
        self.counted(counters);
        self.end(error, counters);
    }

    fn end(&mut self, error: SessionError, counters: Counters) {
        self.state = State::Over;
        self.report(Report::Closed { error, counters });
    }

    fn tell(&self, what: FromConnection) {
        // Unbounded, and bounded by what connections say: four things each. It
        // fails when the node is gone, and with it whoever would want to know.
        let _ = self.node.try_send(what);
    }
}

impl Drop for ConnectionEnd {
    fn drop(&mut self) {
        self.control.end();
        match self.state {
            State::Connecting => self.not_connected(DialFailure::Failed),
            State::Connected => {
                let counters = self.peer.as_ref().map(|peer| peer.counters());
                self.end(SessionError::Lost(Lost::Failed), counters.unwrap_or_default());
            }
            State::Over => {}
        }
    }
}
