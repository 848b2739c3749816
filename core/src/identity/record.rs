//! Node records (ENR, EIP-778). To be filled in.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::NodeId;
use crate::crypto::PublicKey;

/// A signed node record whose signature was checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    rlp: Vec<u8>,
    sequence: u64,
    public_key: PublicKey,
}

/// The endpoint that a record's entries add up to. geth `enode.newNodeWithID`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Endpoint {
    /// The address, of the family that reaches further.
    pub ip: Option<IpAddr>,
    /// The UDP port of that family; 0 if there is none.
    pub udp: u16,
    /// The TCP port of that family; 0 if there is none.
    pub tcp: u16,
}

/// Why bytes are no record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RecordError {}

impl Record {
    /// Exactly one record, strictly decoded, its signature checked.
    pub fn decode(_rlp: &[u8]) -> Result<Self, RecordError> {
        unimplemented!()
    }

    /// The record as it travels: RLP, at most 300 bytes.
    pub fn as_rlp(&self) -> &[u8] {
        &self.rlp
    }

    /// The sequence number.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The key that signed it.
    pub const fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The signer's id. Costs one hash.
    pub fn node_id(&self) -> NodeId {
        NodeId::from(&self.public_key)
    }

    /// Where the node says it can be reached.
    pub fn endpoint(&self) -> Endpoint {
        unimplemented!()
    }
}
impl core::fmt::Display for RecordError {
    fn fmt(&self, _: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        Ok(())
    }
}
