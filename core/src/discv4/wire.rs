//! Packets as bytes: hash, signature, type, RLP.
//!
//! ```text
//!  hash (32) ‖ signature (65) ‖ type (1) ‖ RLP list ‖ whatever
//!     │           ╰ over keccak256 of all behind it
//!     ╰ keccak256 of all behind it
//! ```
//!
//! Packets may grow (EIP-8): elements behind the known ones are ignored, and
//! so are bytes behind the list. Elsewhere we are as strict as geth: lists
//! within the list have their elements and no more, what is ignored must
//! still be RLP on the outside, and what stands in the place of a record's
//! sequence number is one. Specification: devp2p `discv4.md` ("Wire
//! Protocol"); geth `p2p/discover/v4wire`.

use core::fmt;

use alloc::vec::Vec;

use bytes::Bytes;
use sha3::{Digest as _, Keccak256};

use super::{
    EnrRequest, EnrResponse, FindNode, Kind, Neighbor, Neighbors, Packet, PacketEndpoint, Ping,
    Pong,
};
use crate::crypto::SecretKey;
use crate::error::DecodeError;
use crate::{limits, rlp};

pub(super) const HASH: usize = 32;
pub(super) const TYPE: usize = limits::PACKET_HEAD;

pub(super) fn keccak256(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// A packet ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The datagram.
    pub bytes: Bytes,
    /// Its first 32 bytes, by which answers refer to it.
    pub hash: [u8; 32],
}

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoded({} bytes)", self.bytes.len())
    }
}

/// Writes and signs a packet. It has at most
/// [`DATAGRAM`](limits::DATAGRAM) bytes, unless it names more than
/// [`NEIGHBORS_IN_PACKET`](limits::NEIGHBORS_IN_PACKET) nodes, or holds a
/// record that is too large.
pub fn encode(packet: &Packet, key: &SecretKey) -> Encoded {
    let list = elements(packet);
    let mut bytes = Vec::with_capacity(limits::DATAGRAM_MIN + 3 + list.len());
    bytes.resize(limits::PACKET_HEAD, 0);
    bytes.push(packet.kind().code());
    rlp::put_list(&list, &mut bytes);
    let signature = key.sign(&keccak256(&bytes[TYPE..]));
    bytes[HASH..TYPE].copy_from_slice(signature.as_bytes());
    let hash = keccak256(&bytes[HASH..]);
    bytes[..HASH].copy_from_slice(&hash);
    Encoded { bytes: bytes.into(), hash }
}

fn elements(packet: &Packet) -> Vec<u8> {
    let mut list = Vec::with_capacity(128);
    let out = &mut list;
    match packet {
        Packet::Ping(Ping { version, from, to, expiration, enr_sequence }) => {
            rlp::put_uint(*version, out);
            from.write(out);
            to.write(out);
            rlp::put_uint(*expiration, out);
            enr_sequence.iter().for_each(|sequence| rlp::put_uint(*sequence, out));
        }
        Packet::Pong(Pong { to, ping_hash, expiration, enr_sequence }) => {
            to.write(out);
            rlp::put_string(ping_hash, out);
            rlp::put_uint(*expiration, out);
            enr_sequence.iter().for_each(|sequence| rlp::put_uint(*sequence, out));
        }
        Packet::FindNode(FindNode { target, expiration }) => {
            rlp::put_string(target, out);
            rlp::put_uint(*expiration, out);
        }
        Packet::Neighbors(Neighbors { nodes, expiration }) => {
            let mut items = Vec::with_capacity(91 * nodes.len());
            nodes.iter().for_each(|node| node.write(&mut items));
            rlp::put_list(&items, out);
            rlp::put_uint(*expiration, out);
        }
        Packet::EnrRequest(EnrRequest { expiration }) => rlp::put_uint(*expiration, out),
        Packet::EnrResponse(EnrResponse { request_hash, record }) => {
            rlp::put_string(request_hash, out);
            out.extend_from_slice(record);
        }
    }
    list
}

/// The hash of the request that an answer names, if it is of a kind that names
/// one and has it in its place.
pub(super) fn token(kind: Kind, data: &[u8]) -> Option<[u8; 32]> {
    let before = match kind {
        Kind::Pong => 1,
        Kind::EnrResponse => 0,
        Kind::Ping | Kind::FindNode | Kind::Neighbors | Kind::EnrRequest => return None,
    };
    element(before, data).and_then(|mut bytes| rlp::fixed(&mut bytes)).ok()
}

/// The expiration of a packet, without a look at the rest of it. Where this
/// fails, [`decode`] would.
pub(super) fn expiration(kind: Kind, data: &[u8]) -> Result<Option<u64>, DecodeError> {
    let before = match kind {
        Kind::Ping => 3,
        Kind::Pong => 2,
        Kind::FindNode | Kind::Neighbors => 1,
        Kind::EnrRequest => 0,
        Kind::EnrResponse => return Ok(None),
    };
    element(before, data).and_then(|mut bytes| rlp::uint(&mut bytes)).map(Some)
}

/// What stands behind so many elements of the list.
fn element(before: usize, data: &[u8]) -> Result<&[u8], DecodeError> {
    let mut list = rlp::list(&mut &*data)?;
    for _ in 0..before {
        rlp::skip(&mut list)?;
    }
    Ok(list)
}

/// Reads the RLP of a packet of this kind, whoever signed it.
///
/// Fails with what is wrong first in its list. Further elements, and what
/// follows the list, are ignored, as EIP-8 asks.
pub fn decode(kind: Kind, data: &[u8]) -> Result<Packet, DecodeError> {
    let mut list = rlp::list(&mut &*data)?;
    let bytes = &mut list;
    let packet = match kind {
        Kind::Ping => Packet::Ping(Ping {
            version: rlp::uint(bytes)?,
            from: PacketEndpoint::read(bytes)?,
            to: PacketEndpoint::read(bytes)?,
            expiration: rlp::uint(bytes)?,
            enr_sequence: optional_uint(bytes)?,
        }),
        Kind::Pong => Packet::Pong(Pong {
            to: PacketEndpoint::read(bytes)?,
            ping_hash: rlp::fixed(bytes)?,
            expiration: rlp::uint(bytes)?,
            enr_sequence: optional_uint(bytes)?,
        }),
        Kind::FindNode => {
            Packet::FindNode(FindNode { target: rlp::fixed(bytes)?, expiration: rlp::uint(bytes)? })
        }
        Kind::Neighbors => {
            Packet::Neighbors(Neighbors { nodes: nodes(bytes)?, expiration: rlp::uint(bytes)? })
        }
        Kind::EnrRequest => Packet::EnrRequest(EnrRequest { expiration: rlp::uint(bytes)? }),
        Kind::EnrResponse => Packet::EnrResponse(EnrResponse {
            request_hash: rlp::fixed(bytes)?,
            record: rlp::raw_list(bytes)?.to_vec(),
        }),
    };
    while !list.is_empty() {
        rlp::skip(&mut list)?;
    }
    Ok(packet)
}

fn optional_uint(list: &mut &[u8]) -> Result<Option<u64>, DecodeError> {
    if list.is_empty() { Ok(None) } else { rlp::uint(list).map(Some) }
}

fn nodes(bytes: &mut &[u8]) -> Result<Vec<Neighbor>, DecodeError> {
    let mut items = rlp::list(bytes)?;
    let mut nodes = Vec::new();
    while !items.is_empty() {
        if nodes.len() == limits::NEIGHBORS_READ {
            return Err(DecodeError::WrongLength);
        }
        nodes.push(Neighbor::read(&mut items)?);
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests;
