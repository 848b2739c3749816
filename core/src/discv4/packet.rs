//! The six packets: what they say, not how it is written (`wire.rs`) nor what it
//! does (`on_packet.rs`).
//!
//! Everything in them is a claim of the sender. Specification: devp2p
//! `discv4.md` ("Packet Data"), EIP-868.

use core::fmt;

use alloc::vec::Vec;

use super::{Neighbor, PacketEndpoint};
use crate::time::UnixTime;

/// "Are you there, and is it you?"
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ping {
    /// Ignored, as EIP-8 asks. Ours is [`Ping::VERSION`].
    pub version: u64,
    /// Where the sender believes to be.
    pub from: PacketEndpoint,
    /// Where it sent this to.
    pub to: PacketEndpoint,
    /// Unix time in seconds; see [`is_expired`].
    pub expiration: u64,
    /// The sequence number of the sender's record (EIP-868). geth leaves 0 out.
    pub enr_sequence: Option<u64>,
}

impl Ping {
    /// What [`Ping::version`] is in packets of ours. geth: 4.
    pub const VERSION: u64 = 4;
}

/// The answer to a [`Ping`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pong {
    /// Where the ping came from, as its receiver saw it.
    pub to: PacketEndpoint,
    /// The hash of the ping's packet. geth reads a string of any length here;
    /// one of another length could answer nothing.
    pub ping_hash: [u8; 32],
    /// Unix time in seconds; see [`is_expired`].
    pub expiration: u64,
    /// The sequence number of the sender's record (EIP-868). geth leaves 0 out.
    pub enr_sequence: Option<u64>,
}

/// "Whom do you know that is close to this?"
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FindNode {
    /// The target's hash is what to be close to. It need be no key at all.
    pub target: [u8; 64],
    /// Unix time in seconds; see [`is_expired`].
    pub expiration: u64,
}

/// The answer to a [`FindNode`], or a part of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Neighbors {
    /// Nodes close to the target.
    pub nodes: Vec<Neighbor>,
    /// Unix time in seconds; see [`is_expired`].
    pub expiration: u64,
}

/// "What is your record?" EIP-868.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EnrRequest {
    /// Unix time in seconds; see [`is_expired`].
    pub expiration: u64,
}

/// The answer to an [`EnrRequest`]. It never expires.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EnrResponse {
    /// The hash of the request's packet; as [`Pong::ping_hash`].
    pub request_hash: [u8; 32],
    /// One RLP list that should be a record. Not looked into yet: see
    /// [`Record::decode`](crate::identity::Record::decode).
    pub record: Vec<u8>,
}

/// What a packet says. There are six kinds.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each holds the struct of its name")]
pub enum Packet {
    Ping(Ping),
    Pong(Pong),
    FindNode(FindNode),
    Neighbors(Neighbors),
    EnrRequest(EnrRequest),
    EnrResponse(EnrResponse),
}

impl Packet {
    /// Which kind it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Ping(_) => Kind::Ping,
            Self::Pong(_) => Kind::Pong,
            Self::FindNode(_) => Kind::FindNode,
            Self::Neighbors(_) => Kind::Neighbors,
            Self::EnrRequest(_) => Kind::EnrRequest,
            Self::EnrResponse(_) => Kind::EnrResponse,
        }
    }

    /// Until when it counts, Unix time in seconds; see [`is_expired`].
    pub const fn expiration(&self) -> Option<u64> {
        match self {
            Self::Ping(Ping { expiration, .. })
            | Self::Pong(Pong { expiration, .. })
            | Self::FindNode(FindNode { expiration, .. })
            | Self::Neighbors(Neighbors { expiration, .. })
            | Self::EnrRequest(EnrRequest { expiration }) => Some(*expiration),
            Self::EnrResponse(_) => None,
        }
    }
}

/// The kind of a packet: its type byte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// 1.
    Ping,
    /// 2.
    Pong,
    /// 3.
    FindNode,
    /// 4.
    Neighbors,
    /// 5.
    EnrRequest,
    /// 6.
    EnrResponse,
}

impl Kind {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Ping,
        Self::Pong,
        Self::FindNode,
        Self::Neighbors,
        Self::EnrRequest,
        Self::EnrResponse,
    ];

    /// The kind with this number, if there is one.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Ping,
            2 => Self::Pong,
            3 => Self::FindNode,
            4 => Self::Neighbors,
            5 => Self::EnrRequest,
            6 => Self::EnrResponse,
            0 | 7.. => return None,
        })
    }

    /// Its number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ping => 1,
            Self::Pong => 2,
            Self::FindNode => 3,
            Self::Neighbors => 4,
            Self::EnrRequest => 5,
            Self::EnrResponse => 6,
        }
    }
}

impl fmt::Display for Kind {
    /// In geth's words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ping => "PING/v4",
            Self::Pong => "PONG/v4",
            Self::FindNode => "FINDNODE/v4",
            Self::Neighbors => "NEIGHBORS/v4",
            Self::EnrRequest => "ENRREQUEST/v4",
            Self::EnrResponse => "ENRRESPONSE/v4",
        })
    }
}

/// Whether an expiration, as it travels, is past at `now`.
///
/// As geth we take it for a signed number: geth's own tests send what is past
/// as 2^64 less a time to come. What geth's clock, which begins in the year 1,
/// cannot hold is past as well.
pub fn is_expired(expiration: u64, now: UnixTime) -> bool {
    const LATEST: u64 = i64::MAX as u64 - 62_135_596_800;
    expiration > LATEST || UnixTime::from_secs(expiration) < now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiration_is_a_signed_number() {
        let now = UnixTime::from_secs(1_700_000_000);
        let future = 1_700_000_020_u64;
        assert!(!is_expired(future, now));
        assert!(is_expired(future.wrapping_neg(), now));
        assert!(is_expired(0, now));
        assert!(is_expired(1, now));
        assert!(is_expired(u64::MAX, now));
        assert!(is_expired(1 << 63, now));
        assert!(!is_expired(0, UnixTime::EPOCH));
        assert!(is_expired(u64::MAX, UnixTime::EPOCH));
    }

    #[test]
    fn the_farthest_future_is_past_as_for_geth() {
        // What `v4wire.Expired` says of these.
        for (expiration, expired) in [
            (9_223_371_974_719_179_006, false),
            (9_223_371_974_719_179_007, false),
            (9_223_371_974_719_179_008, true),
            (i64::MAX as u64, true),
            (1 << 63, true),
        ] {
            let now = UnixTime::from_secs(1_700_000_000);
            assert_eq!(is_expired(expiration, now), expired, "{expiration}");
        }
    }

    #[test]
    fn a_packet_counts_until_its_second_begins() {
        let at = UnixTime::from_secs(1_700_000_000);
        assert!(!is_expired(1_700_000_000, at));
        assert!(is_expired(1_700_000_000, UnixTime::from_micros(at.as_micros() + 1)));
    }

    #[test]
    fn kinds_and_numbers_belong_together() {
        for code in 0..=u8::MAX {
            assert_eq!(Kind::from_code(code).map_or(code, Kind::code), code);
        }
        assert_eq!(Kind::ALL.map(Kind::code), [1, 2, 3, 4, 5, 6]);
        assert_eq!(Kind::from_code(0), None);
        assert_eq!(Kind::from_code(7), None);
        assert_eq!(Kind::from_code(66), None);
    }
}
