//! One connection: feeds a [`Session`] and keeps the bytes and the one message
//! that are between it and the world.
//!
//! An adapter's connection loop executes this:
//!
//! 1. [`Connection::poll_event`] until `None`, answering each;
//! 2. write [`Connection::writes`], saying how much by [`Connection::written`];
//! 3. read while [`Connection::wants_read`], handing bytes to [`Connection::received`];
//! 4. wait for the socket, the application or [`Connection::poll_timeout`].
//!
//! Everything is bounded: the receive buffer by one frame and one read (when
//! a large frame has been taken, a fresh one holds what came behind it), the
//! bytes to write by [`limits::WRITE_BACKLOG`] and one message, the messages
//! between session and application by one.

use core::borrow::Borrow;
use core::time::Duration;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use bytes::{Buf as _, Bytes, BytesMut};

use crate::crypto::PublicKey;
use crate::limits;
use crate::machine::Machine;
use crate::p2p::{Hello, Message, Shared};
use crate::session::{Command, Counters, Input, Lost, Output, Session, SessionError};
use crate::time::{Deadline, Now};

/// What a connection's adapter must answer or pass on.
#[derive(Debug)]
pub enum Event {
    /// The other proved its key: ask the node, answer by
    /// [`Command::Proceed`] or [`Command::Disconnect`].
    Authenticated(PublicKey),
    /// The hellos are through: ask the node, answer by [`Command::Admit`] or
    /// [`Command::Disconnect`].
    Ready {
        /// What the other says of itself.
        hello: Hello,
        /// What both sides have.
        shared: Arc<Shared>,
    },
    /// A message: call [`Connection::delivered`] when it has found its place.
    Message(Message),
    /// A ping was answered after this long.
    RoundTrip(Duration),
    /// It is over: close the socket. The last event.
    Closed(SessionError),
}

/// A [`Session`], or one that is watched over
/// ([`Checked`](crate::machine::Checked)).
pub trait Driven:
    for<'a> Machine<Input<'a> = Input<'a>, Output = Output> + Borrow<Session>
{
}

impl<S> Driven for S where
    S: for<'a> Machine<Input<'a> = Input<'a>, Output = Output> + Borrow<Session>
{
}

/// A session with its buffers.
#[derive(Debug)]
pub struct Connection<S = Session> {
    session: S,
    received: BytesMut,
    /// Bytes taken from the head of `received` since that was a fresh buffer.
    taken: usize,
    writes: VecDeque<Bytes>,
    /// At most one of each kind: the session waits for the answer to each,
    /// and a newer round trip replaces an older one.
    event: Option<Event>,
    round_trip: Option<Duration>,
    closed: Option<SessionError>,
}

impl<S: Driven> Connection<S> {
    /// Takes a session as it was made.
    pub fn new(session: S) -> Self {
        let mut connection = Self {
            session,
            received: BytesMut::new(),
            taken: 0,
            writes: VecDeque::new(),
            event: None,
            round_trip: None,
            closed: None,
        };
        connection.drain();
        connection
    }

    /// Bytes came from the socket.
    pub fn received(&mut self, now: Now, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
        self.pump(now);
    }

    /// The socket has ended or failed.
    pub fn lost(&mut self, now: Now, how: Lost) {
        self.step(now, Input::Lost(how));
    }

    /// So many bytes of [`Connection::writes`] went into the socket.
    pub fn written(&mut self, now: Now, bytes: usize) {
        let mut left = bytes;
        while left > 0
            && let Some(first) = self.writes.front_mut()
        {
            let taken = left.min(first.len());
            first.advance(taken);
            left -= taken;
            if first.is_empty() {
                self.writes.pop_front();
            }
        }
        self.step(now, Input::Written(bytes - left));
        self.pump(now);
    }

    /// The node or the application decided something.
    pub fn command(&mut self, now: Now, command: Command) {
        self.step(now, Input::Command(command));
        self.pump(now);
    }

    /// Takes messages to send from the front of `messages` while it can.
    pub fn send(&mut self, now: Now, messages: &mut VecDeque<Message>) {
        self.step(now, Input::Send(messages));
    }

    /// The last [`Event::Message`] has found its place.
    pub fn delivered(&mut self, now: Now) {
        self.step(now, Input::Delivered);
        self.pump(now);
    }

    /// The deadline may have come.
    pub fn timeout(&mut self, now: Now) {
        self.step(now, Input::Timeout);
        self.pump(now);
    }

    /// When to call [`Connection::timeout`].
    pub fn poll_timeout(&self) -> Option<Deadline> {
        self.session.poll_timeout()
    }

    /// The next event, until there is none.
    pub fn poll_event(&mut self) -> Option<Event> {
        if let Some(round_trip) = self.round_trip.take() {
            return Some(Event::RoundTrip(round_trip));
        }
        self.event.take().or_else(|| self.closed.take().map(Event::Closed))
    }

    /// The bytes to write, in order.
    pub fn writes(&self) -> impl Iterator<Item = &[u8]> {
        self.writes.iter().map(|bytes| &bytes[..])
    }

    /// Whether there are bytes to write.
    pub fn wants_write(&self) -> bool {
        !self.writes.is_empty()
    }

    /// Whether to read from the socket now.
    pub fn wants_read(&self) -> bool {
        self.session.borrow().wants_read()
    }

    /// Whether [`Connection::send`] would take a message now.
    pub fn wants_send(&self) -> bool {
        self.session.borrow().wants_send()
    }

    /// What the session counted so far.
    pub fn counters(&self) -> Counters {
        self.session.borrow().counters()
    }

    /// Hands in received bytes for as long as the session takes any.
    fn pump(&mut self, now: Now) {
        while !self.received.is_empty() && self.session.borrow().wants_read() {
            let before = self.received.len();
            self.session.handle(now, Input::Received(&mut self.received));
            self.drain();
            if self.received.len() == before {
                break;
            }
            self.taken += before - self.received.len();
        }
        self.renew_buffer();
    }

    /// A buffer stays as large as it has ever been: an idle connection holds
    /// none, and one that has taken a large frame holds what came behind it.
    /// No more is copied than was taken.
    fn renew_buffer(&mut self) {
        let left = self.received.len();
        if left == 0 || self.taken > left.max(limits::SOCKET_READ) {
            self.received = BytesMut::from(&self.received[..]);
            self.taken = 0;
        }
    }

    fn step(&mut self, now: Now, input: Input<'_>) {
        self.session.handle(now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Write(bytes) => self.writes.push_back(bytes),
                Output::Authenticated(remote) => self.event = Some(Event::Authenticated(remote)),
                Output::Ready { hello, shared } => {
                    self.event = Some(Event::Ready { hello, shared });
                }
                Output::Message(message) => self.event = Some(Event::Message(message)),
                Output::RoundTrip(round_trip) => self.round_trip = Some(round_trip),
                Output::Closed(error) => {
                    self.writes.clear();
                    self.closed = Some(error);
                }
            }
        }
        if self.writes.is_empty() {
            self.writes.shrink_to_fit();
        }
    }
}
