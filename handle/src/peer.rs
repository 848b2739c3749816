//! One connection as the application sees it.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use bytes::Bytes;
use devp2p_core::crypto::PublicKey;
use devp2p_core::error::Misuse;
use devp2p_core::identity::NodeId;
use devp2p_core::node::{ConnectionId, Direction, PeerInfo};
use devp2p_core::p2p::{DisconnectReason, Hello, Message, Shared};
use devp2p_core::session::{Counters, SessionError};
use event_listener::Event;

use crate::control::Control;
use crate::queue::{Queue, Refused};
use crate::traffic::Tally;

/// All that both ends of one connection share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) control: Arc<Control>,
    pub(crate) info: Arc<PeerInfo>,
    /// What all handles of it have in common, while there are any.
    pub(crate) handle: Mutex<Weak<Last>>,
    /// Events tell of it.
    pub(crate) is_told: bool,
    /// How long the encryption handshake took.
    pub(crate) handshake: Duration,
    /// Our end of its socket.
    pub(crate) local: Option<SocketAddr>,
    /// To the connection, for all capabilities.
    pub(crate) outbound: Queue,
    /// From the connection, one for each capability.
    pub(crate) inbound: Box<[Queue]>,
    pub(crate) closed: OnceLock<SessionError>,
    pub(crate) closing: Event,
    pub(crate) round_trip: Mutex<RoundTrip>,
    pub(crate) round_trips: Event,
    pub(crate) counters: Mutex<Counters>,
    /// Where the messages of each capability are counted.
    pub(crate) tallies: Box<[Arc<Tally>]>,
}

/// The latest round trip, numbered so that everyone who waits for one notices.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct RoundTrip {
    pub(crate) number: u64,
    pub(crate) took: Duration,
}

/// When the last handle goes, nobody can read any more: the connection ends.
#[derive(Debug)]
pub(crate) struct Last(Arc<Inner>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.control.disconnect(DisconnectReason::Quitting);
    }
}

/// An admitted connection to another node.
///
/// Clones are the same connection. When the last `Peer` and [`Channel`] of a
/// connection is dropped it is disconnected as "client quitting", which is
/// what geth says when a protocol returns.
#[derive(Clone, Debug)]
pub struct Peer {
    last: Arc<Last>,
}

impl Peer {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        // Several may be given one: an application, and who has dialled.
        let mut handle = inner.handle.lock().unwrap_or_else(PoisonError::into_inner);
        let last = handle.upgrade().unwrap_or_else(|| Arc::new(Last(Arc::clone(&inner))));
        *handle = Arc::downgrade(&last);
        drop(handle);
        Self { last }
    }

    fn inner(&self) -> &Inner {
        &self.last.0
    }

    /// The name of its connection, as in logs.
    pub fn id(&self) -> ConnectionId {
        self.info().connection
    }

    /// What does not change while it is connected.
    pub fn info(&self) -> &Arc<PeerInfo> {
        &self.inner().info
    }

    /// Its static key, which it proved to own.
    pub fn public_key(&self) -> &PublicKey {
        &self.info().public_key
    }

    /// Its node id.
    pub fn node_id(&self) -> NodeId {
        self.info().id
    }

    /// The other end of its socket.
    pub fn address(&self) -> SocketAddr {
        self.info().address
    }

    /// Our end of its socket; `None` if the system did not say.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.inner().local
    }

    /// Who dialled whom.
    pub fn direction(&self) -> Direction {
        self.info().direction
    }

    /// Whether we dialled it as a static node.
    pub fn is_static(&self) -> bool {
        self.info().is_static
    }

    /// What its connection has counted so far: bytes, messages.
    pub fn counters(&self) -> Counters {
        self.inner().counters()
    }

    /// What it says of itself. Escape the strings before a terminal sees them.
    pub fn hello(&self) -> &Hello {
        &self.info().hello
    }

    /// What both sides have: the order of the indices of messages.
    pub fn shared(&self) -> &Shared {
        &self.info().shared
    }

    /// How long the encryption handshake took, from the first byte to the
    /// other's proof.
    pub fn handshake_time(&self) -> Duration {
        self.inner().handshake
    }

    /// The messages of the capability called `name`, if both sides have it.
    /// Several channels of one capability share its messages.
    ///
    /// Read every shared capability, or do not offer it: one whose messages
    /// nobody takes fills its queue and then stops the whole connection, until
    /// the other gives up.
    pub fn channel(&self, name: &str) -> Option<Channel> {
        self.shared().position(name).map(|index| Channel { peer: self.clone(), index })
    }

    /// All of them in order of their indices, and the one of a peer with which none
    /// is shared.
    pub(crate) fn channels(&self) -> impl Iterator<Item = Channel> {
        (0..self.inner().inbound.len()).map(|index| Channel { peer: self.clone(), index })
    }

    /// Sends a message if there is room now, of whatever capability.
    pub(crate) fn try_send(&self, message: Message) -> Result<(), Refused> {
        let inner = self.inner();
        let (index, size) = (message.capability(), message.payload().len());
        inner.outbound.try_push(message)?;
        if let Some(tally) = inner.tallies.get(index) {
            tally.sent(size);
        }
        inner.control.wake();
        Ok(())
    }

    /// Waits until there is room to send; `false` if the connection has ended.
    pub(crate) async fn room(&self) -> bool {
        self.inner().outbound.room().await
    }

    /// Measures a round trip by a ping. `None` if the connection ended first.
    ///
    /// While [`limits::WRITE_BACKLOG`](devp2p_core::limits::WRITE_BACKLOG) bytes
    /// wait to be written no ping joins them: this then waits for the answer to
    /// the next of the regular pings, which come every 15 s.
    pub async fn ping(&self) -> Option<Duration> {
        let inner = self.inner();
        let before = inner.round_trip();
        inner.control.ping();
        loop {
            let listener = inner.round_trips.listen();
            let latest = inner.round_trip();
            if latest.number != before.number {
                return Some(latest.took);
            }
            if inner.closed.get().is_some() {
                return None;
            }
            listener.await;
        }
    }

    /// Ends the connection, telling the other why. Returns at once; wait for
    /// the end by [`Peer::closed`]. The first reason stands.
    ///
    /// Messages that were sent before go first as far as the connection can
    /// take them at once; those that wait for the other to read do not go.
    pub fn disconnect(&self, reason: DisconnectReason) {
        self.inner().control.disconnect(reason);
    }

    /// Waits for the end of the connection. Says why it ended.
    pub async fn closed(&self) -> SessionError {
        loop {
            let listener = self.inner().closing.listen();
            if let Some(error) = self.end() {
                return error;
            }
            listener.await;
        }
    }

    /// Why the connection ended, if it did.
    pub fn end(&self) -> Option<SessionError> {
        self.inner().closed.get().copied()
    }
}

impl Inner {
    /// It is over. Says it to everyone who waits.
    pub(crate) fn close(&self, error: SessionError) {
        let _ = self.closed.set(error);
        self.outbound.close();
        self.inbound.iter().for_each(Queue::close);
        self.closing.notify(usize::MAX);
        self.round_trips.notify(usize::MAX);
    }

    pub(crate) fn counters(&self) -> Counters {
        *self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Messages that wait to be read, and to be sent.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        (self.inbound.iter().map(Queue::len).sum(), self.outbound.len())
    }

    fn round_trip(&self) -> RoundTrip {
        *self.round_trip.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The messages of one capability of one connection.
#[derive(Debug)]
pub struct Channel {
    peer: Peer,
    index: usize,
}

impl Channel {
    /// The connection.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Sends a message, waiting while the connection has too much to write.
    ///
    /// `code` is relative to the capability. Once this returns the message is
    /// queued: that it arrived only an answer can tell. One that no frame holds
    /// is refused ([`SendError::Misuse`]) and the connection goes on; what the
    /// bounds are [`Shared::message`] says.
    pub async fn send(&self, code: u64, payload: impl Into<Bytes>) -> Result<(), SendError> {
        let message = self.message(code, payload.into())?;
        let (inner, size) = (self.peer.inner(), message.payload().len());
        if !inner.outbound.push(message).await {
            return Err(self.ended());
        }
        self.count_sent(size);
        inner.control.wake();
        Ok(())
    }

    /// Sends a message if there is room now.
    ///
    /// Fails with [`SendError::Full`], which gives the payload back, with
    /// [`SendError::Closed`] if the connection has ended, and with
    /// [`SendError::Misuse`] for a code or a payload that no message can have.
    pub fn try_send(&self, code: u64, payload: impl Into<Bytes>) -> Result<(), SendError> {
        let message = self.message(code, payload.into())?;
        self.peer.try_send(message).map_err(|refused| match refused {
            Refused::Full(message) => SendError::Full(message.into_payload()),
            Refused::Closed => self.ended(),
        })
    }

    /// The next message as soon as there is one, its code relative to the
    /// capability. `None` when the connection has ended and all that came
    /// before its end has been read; why, [`Peer::end`] says.
    ///
    /// A message is lost with the future only if it was already returned.
    pub async fn receive(&self) -> Option<Message> {
        let (message, was_full) = self.inbound()?.pop().await?;
        Some(self.popped(message, was_full))
    }

    /// The next message if there is one now.
    pub fn try_receive(&self) -> Option<Message> {
        let (message, was_full) = self.inbound()?.try_pop().ok()?;
        Some(self.popped(message, was_full))
    }

    fn popped(&self, message: Message, was_full: bool) -> Message {
        if was_full {
            // The connection may hold a message that found no room.
            self.peer.inner().control.wake();
        }
        message
    }

    fn count_sent(&self, size: usize) {
        if let Some(tally) = self.peer.inner().tallies.get(self.index) {
            tally.sent(size);
        }
    }

    fn inbound(&self) -> Option<&Queue> {
        self.peer.inner().inbound.get(self.index)
    }

    fn message(&self, code: u64, payload: Bytes) -> Result<Message, SendError> {
        Ok(self.peer.shared().message(self.index, code, payload)?)
    }

    fn ended(&self) -> SendError {
        let aborted = SessionError::Local(DisconnectReason::Requested);
        SendError::Closed(self.peer.end().unwrap_or(aborted))
    }
}

/// Why a message was not sent.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SendError {
    /// There is no room now. Here is the payload back.
    Full(Bytes),
    /// The connection has ended, for this reason.
    Closed(SessionError),
    /// The message cannot be sent.
    Misuse(Misuse),
}

impl From<Misuse> for SendError {
    fn from(misuse: Misuse) -> Self {
        Self::Misuse(misuse)
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("no room in the connection's queue"),
            Self::Closed(error) => write!(f, "connection ended: {error}"),
            Self::Misuse(misuse) => misuse.fmt(f),
        }
    }
}

impl core::error::Error for SendError {}
