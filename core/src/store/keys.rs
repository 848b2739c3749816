//! Keys of the node database, as geth writes them.
//!
//! ```text
//! version                                   schema
//! local:<id>:seq                            our record's sequence number
//! n:<id>:v4                                 a record
//! n:<id>:v4:<ip>:lastping|lastpong|findfail what is known of it at an address
//! n:<id>:v4:<zeros>:seq                     its record's sequence number
//! n::<id>:v5:<ip>:findfail                  of discv5, with geth's extra colon
//! ```
//!
//! `<id>` has 32 raw bytes, `<ip>` 16: an IPv4 address is a mapped one.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

use crate::identity::NodeId;

/// Under this key stands the schema, [`VERSION`](super::VERSION).
pub const VERSION_KEY: &[u8] = b"version";

pub(super) const NODES: &[u8] = b"n:";
const LOCAL: &[u8] = b"local:";
const ROOT: &[u8] = b":v4";
const ROOT_V5: &[u8] = b":v5";
const SEQUENCE: &[u8] = b"seq";

/// What is known of a node at an address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Field {
    /// Find-node requests in a row that it has not answered.
    FindFailures,
    /// When its last ping came.
    LastPing,
    /// When its last pong came.
    LastPong,
}

impl Field {
    const ALL: [Self; 3] = [Self::FindFailures, Self::LastPing, Self::LastPong];

    const fn name(self) -> &'static [u8] {
        match self {
            Self::FindFailures => b"findfail",
            Self::LastPing => b"lastping",
            Self::LastPong => b"lastpong",
        }
    }
}

/// A key, read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Key {
    /// The schema.
    Version,
    /// The sequence number of our own record.
    LocalSequence(NodeId),
    /// A node's record.
    Record(NodeId),
    /// The sequence number of that record.
    Sequence(NodeId),
    /// What is known of a node at an address.
    Item(NodeId, IpAddr, Field),
    /// Find-node requests that a node has not answered in discv5.
    FindFailuresV5(NodeId, IpAddr),
}

impl Key {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Version => VERSION_KEY.to_vec(),
            Self::LocalSequence(id) => [LOCAL, id.as_bytes(), b":", SEQUENCE].concat(),
            Self::Record(id) => record(id),
            Self::Sequence(id) => item(id, &[0; 16], SEQUENCE),
            Self::Item(id, ip, field) => item(id, &ip16(*ip), field.name()),
            Self::FindFailuresV5(id, ip) => {
                let (ip, field) = (ip16(*ip), Field::FindFailures.name());
                [NODES, b":", id.as_bytes(), ROOT_V5, b":", &ip, b":", field].concat()
            }
        }
    }

    /// Reads a key; `None` if geth writes no such key.
    pub fn decode(key: &[u8]) -> Option<Self> {
        if key == VERSION_KEY {
            return Some(Self::Version);
        }
        if let Some(rest) = key.strip_prefix(LOCAL) {
            let (id, rest) = node_id(rest)?;
            return (rest.strip_prefix(b":")? == SEQUENCE).then_some(Self::LocalSequence(id));
        }
        let rest = key.strip_prefix(NODES)?;
        Self::decode_node(rest).or_else(|| Self::decode_v5(rest))
    }

    fn decode_node(rest: &[u8]) -> Option<Self> {
        let (id, rest) = node_id(rest)?;
        let rest = rest.strip_prefix(ROOT)?;
        if rest.is_empty() {
            return Some(Self::Record(id));
        }
        let (ip, name) = ip_and_name(rest)?;
        if name == SEQUENCE && ip.is_unspecified() {
            return Some(Self::Sequence(id));
        }
        let field = Field::ALL.into_iter().find(|field| field.name() == name)?;
        Some(Self::Item(id, ip.to_canonical(), field))
    }

    fn decode_v5(rest: &[u8]) -> Option<Self> {
        let (id, rest) = node_id(rest.strip_prefix(b":")?)?;
        let (ip, name) = ip_and_name(rest.strip_prefix(ROOT_V5)?)?;
        (name == Field::FindFailures.name()).then_some(Self::FindFailuresV5(id, ip.to_canonical()))
    }
}

/// Under this prefix stands all that is known of a node by discv4.
pub(super) fn record(id: &NodeId) -> Vec<u8> {
    [NODES, id.as_bytes(), ROOT].concat()
}

/// Under this prefix stands what is known of a node at an address.
pub(super) fn address(id: &NodeId, ip: IpAddr) -> Vec<u8> {
    item(id, &ip16(ip), b"")
}

/// The node that a key with the prefix of [`record`] belongs to.
pub(super) fn owner(key: &[u8]) -> Option<NodeId> {
    let (id, rest) = node_id(key.strip_prefix(NODES)?)?;
    rest.starts_with(ROOT).then_some(id)
}

fn item(id: &NodeId, ip: &[u8; 16], name: &[u8]) -> Vec<u8> {
    [NODES, id.as_bytes(), ROOT, b":", ip, b":", name].concat()
}

const fn ip16(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

fn node_id(key: &[u8]) -> Option<(NodeId, &[u8])> {
    let (id, rest) = key.split_first_chunk()?;
    Some((NodeId::new(*id), rest))
}

fn ip_and_name(rest: &[u8]) -> Option<(IpAddr, &[u8])> {
    let (ip, rest) = rest.strip_prefix(b":")?.split_first_chunk::<16>()?;
    Some((Ipv6Addr::from(*ip).into(), rest.strip_prefix(b":")?))
}
