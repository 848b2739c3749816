//! Why a session ended, and what the other is told of it.

use core::fmt;

use crate::p2p::{CompressionError, DisconnectReason, HelloError};
use crate::rlpx::{FrameError, HandshakeError};

/// Why a session ended: what [`Output::Closed`](super::Output::Closed) carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SessionError {
    /// Malformed: the encryption handshake.
    Handshake(HandshakeError),
    /// Malformed: a frame.
    Frame(FrameError),
    /// Malformed: a compressed payload.
    Compression(CompressionError),
    /// Malformed: the hello.
    Hello(HelloError),
    /// Legal bytes at the wrong moment or with the wrong content.
    Misbehaved(Misbehaviour),
    /// It took too long.
    TimedOut(Phase),
    /// The other said so.
    Remote(DisconnectReason),
    /// We said so: the node refused it, or the application ended it.
    Local(DisconnectReason),
    /// The connection went away.
    Lost(Lost),
}

/// What a peer did that no peer should.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// Its first message was neither hello nor disconnect.
    ExpectedHello {
        /// The code of that message.
        code: u64,
    },
    /// Its hello names another id than the key that shook hands.
    UnexpectedIdentity,
    /// A message code beyond all shared capabilities.
    UnknownCode {
        /// That code, as on the wire.
        code: u64,
    },
}

/// What a session was waiting for when time ran out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Phase {
    /// The other's part of the encryption handshake.
    EncryptionHandshake,
    /// The node's first or second admission.
    Admission,
    /// The other's hello.
    Hello,
    /// The other's next message: not even a ping.
    Read,
    /// The other to take what was written.
    Write,
}

/// How a connection went away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Lost {
    /// The other closed it without a word.
    Closed,
    /// The other closed it instead of answering our auth: it has another key
    /// than the one we dialled, or no room.
    Unanswered,
    /// The other reset it.
    Reset,
    /// Reading or writing failed otherwise.
    Failed,
}

impl SessionError {
    /// What the other is told, if anything: the one mapping from what went
    /// wrong to the wire. `None` closes in silence.
    ///
    /// As in geth, a stream that cannot be read any more gets no answer, and a
    /// disconnect of the other's is answered by the same reason.
    pub const fn disconnect_reason(&self) -> Option<DisconnectReason> {
        match self {
            Self::Handshake(_)
            | Self::Frame(_)
            | Self::Compression(_)
            | Self::Hello(_)
            | Self::Misbehaved(
                Misbehaviour::ExpectedHello { .. } | Misbehaviour::UnknownCode { .. },
            )
            | Self::TimedOut(_)
            | Self::Lost(_)
            | Self::Local(DisconnectReason::NetworkError)
            | Self::Remote(DisconnectReason::NetworkError) => None,
            Self::Misbehaved(Misbehaviour::UnexpectedIdentity) => {
                Some(DisconnectReason::UnexpectedIdentity)
            }
            Self::Remote(reason) | Self::Local(reason) => Some(*reason),
        }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handshake(error) => error.fmt(f),
            Self::Frame(error) => error.fmt(f),
            Self::Compression(error) => error.fmt(f),
            Self::Hello(error) => error.fmt(f),
            Self::Misbehaved(what) => what.fmt(f),
            Self::TimedOut(phase) => write!(f, "timed out waiting for {phase}"),
            Self::Remote(reason) | Self::Local(reason) => reason.fmt(f),
            Self::Lost(how) => how.fmt(f),
        }
    }
}

impl core::error::Error for SessionError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Handshake(error) => Some(error),
            Self::Frame(error) => Some(error),
            Self::Compression(error) => Some(error),
            Self::Hello(error) => Some(error),
            Self::Misbehaved(_)
            | Self::TimedOut(_)
            | Self::Remote(_)
            | Self::Local(_)
            | Self::Lost(_) => None,
        }
    }
}

impl fmt::Display for Misbehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExpectedHello { code } => write!(f, "expected hello, got message {code:#x}"),
            Self::UnexpectedIdentity => f.write_str("unexpected identity"),
            Self::UnknownCode { code } => write!(f, "message code out of range: {code:#x}"),
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EncryptionHandshake => "the encryption handshake",
            Self::Admission => "the node's admission",
            Self::Hello => "hello",
            Self::Read => "a message",
            Self::Write => "the peer to read",
        })
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "connection closed by peer",
            Self::Unanswered => {
                "connection closed by peer without an answer to the handshake: \
                 another key than expected, or no room"
            }
            Self::Reset => "connection reset by peer",
            Self::Failed => "connection failed",
        })
    }
}

macro_rules! from {
    ($($error:ident => $variant:ident),*) => {$(
        impl From<$error> for SessionError {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        }
    )*};
}

from!(
    HandshakeError => Handshake,
    FrameError => Frame,
    CompressionError => Compression,
    HelloError => Hello,
    Misbehaviour => Misbehaved
);
