//! The disconnect message: one number, in two encodings.
//!
//! We send a list of one element, as the specification has it. Others send the
//! bare integer as well. Specification: rlpx.md, "Disconnect (0x01)".

use core::fmt;

use alloc::vec::Vec;

use crate::{limits, rlp};

/// Why a connection is ended, as it travels. Unknown numbers are kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// 0x00: somebody asked for it.
    Requested,
    /// 0x01: the connection broke. Never sent.
    NetworkError,
    /// 0x02: a malformed message, or one at the wrong moment.
    ProtocolBreach,
    /// 0x03: no capability in common, or of no use otherwise.
    UselessPeer,
    /// 0x04: no slot is free.
    TooManyPeers,
    /// 0x05: there is a connection to this node already.
    AlreadyConnected,
    /// 0x06: the other's p2p version is of no use.
    IncompatibleVersion,
    /// 0x07: the hello's identity is null.
    InvalidIdentity,
    /// 0x08: the node or the protocol is stopping.
    Quitting,
    /// 0x09: the hello's identity is not the one that shook hands.
    UnexpectedIdentity,
    /// 0x0a: this is our own key.
    SelfConnected,
    /// 0x0b: the other took too long.
    ReadTimeout,
    /// 0x10: a capability's own reason.
    SubprotocolError,
    /// 0xff: the message held no number. Sent only in answer to such a one, as
    /// geth does.
    Invalid,
    /// Any other number.
    Unknown(u8),
}

impl DisconnectReason {
    /// The reason with this number.
    pub const fn from_code(code: u8) -> Self {
        match code {
            0x00 => Self::Requested,
            0x01 => Self::NetworkError,
            0x02 => Self::ProtocolBreach,
            0x03 => Self::UselessPeer,
            0x04 => Self::TooManyPeers,
            0x05 => Self::AlreadyConnected,
            0x06 => Self::IncompatibleVersion,
            0x07 => Self::InvalidIdentity,
            0x08 => Self::Quitting,
            0x09 => Self::UnexpectedIdentity,
            0x0a => Self::SelfConnected,
            0x0b => Self::ReadTimeout,
            0x10 => Self::SubprotocolError,
            0xff => Self::Invalid,
            other => Self::Unknown(other),
        }
    }

    /// The number of this reason.
    pub const fn code(self) -> u8 {
        match self {
            Self::Requested => 0x00,
            Self::NetworkError => 0x01,
            Self::ProtocolBreach => 0x02,
            Self::UselessPeer => 0x03,
            Self::TooManyPeers => 0x04,
            Self::AlreadyConnected => 0x05,
            Self::IncompatibleVersion => 0x06,
            Self::InvalidIdentity => 0x07,
            Self::Quitting => 0x08,
            Self::UnexpectedIdentity => 0x09,
            Self::SelfConnected => 0x0a,
            Self::ReadTimeout => 0x0b,
            Self::SubprotocolError => 0x10,
            Self::Invalid => 0xff,
            Self::Unknown(other) => other,
        }
    }

    /// Reads a disconnect payload: a list or a bare integer, of which at most
    /// [`limits::DISCONNECT_PAYLOAD`] bytes are looked at. Whatever is neither
    /// becomes [`DisconnectReason::Invalid`], as in geth.
    pub fn decode(payload: &[u8]) -> Self {
        let bytes = &payload[..payload.len().min(limits::DISCONNECT_PAYLOAD)];
        let mut number = match *bytes {
            // A list that is cut off still has its first element.
            [first @ 0xC0..=0xF7, ref rest @ ..] => cut(rest, first - 0xC0),
            [0xF8, size @ 56..=0xFF, ref rest @ ..] => cut(rest, size),
            _ => bytes,
        };
        let code = rlp::uint(&mut number).ok();
        code.and_then(|code| u8::try_from(code).ok()).map_or(Self::Invalid, Self::from_code)
    }

    /// The payload that says this: a list of one element.
    pub fn encode(self) -> Vec<u8> {
        let mut number = Vec::with_capacity(2);
        rlp::put_uint(u64::from(self.code()), &mut number);
        let mut list = Vec::with_capacity(3);
        rlp::put_list(&number, &mut list);
        list
    }
}

fn cut(content: &[u8], size: u8) -> &[u8] {
    &content[..content.len().min(usize::from(size))]
}

impl fmt::Display for DisconnectReason {
    /// In geth's words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requested => "disconnect requested",
            Self::NetworkError => "network error",
            Self::ProtocolBreach => "breach of protocol",
            Self::UselessPeer => "useless peer",
            Self::TooManyPeers => "too many peers",
            Self::AlreadyConnected => "already connected",
            Self::IncompatibleVersion => "incompatible p2p protocol version",
            Self::InvalidIdentity => "invalid node identity",
            Self::Quitting => "client quitting",
            Self::UnexpectedIdentity => "unexpected identity",
            Self::SelfConnected => "connected to self",
            Self::ReadTimeout => "read timeout",
            Self::SubprotocolError => "subprotocol error",
            Self::Invalid => "invalid disconnect reason",
            Self::Unknown(code) => return write!(f, "unknown disconnect reason {code}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_survives_both_encodings() {
        for code in 0..=u8::MAX {
            let reason = DisconnectReason::from_code(code);
            assert_eq!(reason.code(), code);
            assert_eq!(DisconnectReason::decode(&reason.encode()), reason);
            let mut bare = Vec::new();
            rlp::put_uint(u64::from(code), &mut bare);
            assert_eq!(DisconnectReason::decode(&bare), reason);
        }
    }

    #[test]
    fn what_holds_no_number_is_invalid_and_never_a_panic() {
        let huge = alloc::vec![0xC0; 1 << 24];
        for payload in [
            &[][..],
            &[0xC0],
            &[0xC1],
            &[0x82, 0x01, 0x00],
            &[0xC3, 0x82, 0x01, 0x00],
            &[0xC1, 0x00],
            &[0xFF; 9],
            &[0xBF; 100],
            &[0xC2, 0xC1, 0x04],
            &huge,
        ] {
            assert_eq!(
                DisconnectReason::decode(payload),
                DisconnectReason::Invalid,
                "{:?}",
                payload.first()
            );
        }
    }

    #[test]
    fn further_elements_and_trailing_bytes_are_ignored() {
        let reason = DisconnectReason::TooManyPeers;
        assert_eq!(DisconnectReason::decode(&[0xC3, 0x04, 0x80, 0x80]), reason);
        assert_eq!(DisconnectReason::decode(&[0xC1, 0x04, 0xFF]), reason);
        assert_eq!(DisconnectReason::decode(&[0xC4, 0x04]), reason);
        assert_eq!(DisconnectReason::decode(&[0xF8, 56, 0x04]), reason);
        assert_eq!(DisconnectReason::decode(&[0x04, 0xFF]), reason);
    }
}
