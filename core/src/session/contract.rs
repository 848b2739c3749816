//! What goes into a session, what comes out, and what it counts.
//!
//! [`Input`], [`Command`] and [`Output`] are exhaustive by intent: who drives a
//! session executes a `match` with one arm for each, and a new one must not
//! compile until there is an arm for it.

use core::time::Duration;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use bytes::{Bytes, BytesMut};

use super::{Lost, SessionError};
use crate::crypto::PublicKey;
#[cfg(doc)]
use crate::limits;
#[cfg(doc)]
use crate::machine::Machine;
use crate::p2p::{DisconnectReason, Hello, Message, Shared};

/// What happens to a session.
#[derive(Debug)]
pub enum Input<'a> {
    /// Bytes have arrived at the tail of this buffer. The session takes from
    /// its head what it can use now and leaves the rest; hand the same buffer
    /// in again after more bytes, and after any other input that may have
    /// unblocked it, for as long as it shrinks.
    Received(&'a mut BytesMut),
    /// Nothing more will arrive, or the connection broke.
    Lost(Lost),
    /// This many bytes of earlier [`Output::Write`]s have been handed to the
    /// network.
    Written(usize),
    /// The node, or the application, decided something.
    Command(Command),
    /// Messages to send. The session takes them from the front while it can.
    Send(&'a mut VecDeque<Message>),
    /// The last [`Output::Message`] has found its place; the next may come.
    Delivered,
    /// The deadline of [`Machine::poll_timeout`] has come.
    Timeout,
}

/// What is decided elsewhere about a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// After [`Output::Authenticated`]: admitted so far, say hello.
    Proceed,
    /// After [`Output::Ready`]: admitted, exchange messages.
    Admit,
    /// Measure a round trip now, besides the regular pings. Void while
    /// [`limits::WRITE_BACKLOG`] bytes wait: the answer would tell nothing.
    Ping,
    /// End it, telling the other why where it can be told.
    Disconnect(DisconnectReason),
}

/// What a session wants done.
#[derive(Debug)]
pub enum Output {
    /// Write these bytes, and say how many went by [`Input::Written`].
    Write(Bytes),
    /// The other claims to own this key, by an encryption handshake that only
    /// its owner can have made. One that accepts cannot tell it from a replay
    /// yet: the proof is the first frame, so it comes with [`Output::Ready`].
    /// Answer by [`Command::Proceed`] or [`Command::Disconnect`].
    Authenticated(PublicKey),
    /// The other's hello is here. Answer by [`Command::Admit`] or
    /// [`Command::Disconnect`].
    Ready {
        /// What it says of itself.
        hello: Hello,
        /// What both sides have.
        shared: Arc<Shared>,
    },
    /// A message of a shared capability. Say [`Input::Delivered`] when it has
    /// found its place.
    Message(Message),
    /// A ping was answered after this long.
    RoundTrip(Duration),
    /// It is over: close the connection. Comes once, and nothing after it.
    Closed(SessionError),
}

/// What a session counted since it began. It wraps never: `u64`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Bytes taken from the receive buffer.
    pub bytes_received: u64,
    /// Bytes given to write.
    pub bytes_sent: u64,
    /// Messages of capabilities received.
    pub messages_received: u64,
    /// Messages of capabilities sent.
    pub messages_sent: u64,
    /// Pings answered.
    pub pings_answered: u64,
    /// Messages of the base protocol that mean nothing (a second hello, say)
    /// and were dropped, as geth does.
    pub ignored: u64,
    /// Messages to send that were made for another connection, do not fit this
    /// one, and were dropped.
    pub misaddressed: u64,
}
