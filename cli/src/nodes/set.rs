//! A set of nodes, and how each of them has fared.

use std::collections::BTreeMap;
use std::sync::Arc;

use devp2p_smol::core::identity::{
    Contact, NodeAddress, NodeId, RecordBuilder, RecordError, UnverifiedRecord,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

/// Nodes by their ids.
pub(crate) type NodeSet = BTreeMap<NodeId, Node>;

/// A node, and how it has fared. geth `nodeJSON`.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Node {
    /// Its record, or its enode URL until it gives one.
    pub(crate) address: NodeAddress,
    /// One more each time it answers, half of it each time it does not.
    pub(crate) score: i64,
    /// When it answered first.
    pub(crate) first_response: Option<Timestamp>,
    /// When it answered last.
    pub(crate) last_response: Option<Timestamp>,
    /// When it was asked last.
    pub(crate) last_check: Option<Timestamp>,
    /// What others have noted in the file.
    pub(crate) other: Map<String, Value>,
}

impl Node {
    /// A node of which nothing is known yet.
    pub(crate) fn new(address: NodeAddress) -> Self {
        Self {
            address,
            score: 0,
            first_response: None,
            last_response: None,
            last_check: None,
            other: Map::new(),
        }
    }

    /// As discovery met it.
    pub(crate) fn met(contact: &Contact) -> Self {
        Self::new(match contact.record() {
            Some(record) => NodeAddress::Record(Arc::clone(record)),
            None => NodeAddress::Enode(contact.to_enode()),
        })
    }

    /// The sequence number of its record; 0 without one.
    pub(crate) fn sequence(&self) -> u64 {
        self.address.contact().sequence()
    }

    /// From its first answer to its last.
    pub(crate) fn age(&self) -> SignedDuration {
        let time = |time: Option<Timestamp>| time.unwrap_or(super::time::NEVER);
        time(self.last_response).duration_since(time(self.first_response))
    }

    /// Its record, or the unsigned one that says the same as its enode URL.
    /// geth `enode.NewV4`.
    pub(crate) fn record(&self) -> Result<UnverifiedRecord, RecordError> {
        let enode = match &self.address {
            NodeAddress::Record(record) => return UnverifiedRecord::decode(record.as_rlp()),
            NodeAddress::Enode(enode) => enode,
        };
        let mut record = RecordBuilder::new(0);
        if let Some(ip) = enode.ip() {
            record = record.ip(ip);
        }
        if enode.udp() != 0 {
            record = record.udp(enode.udp());
        }
        if enode.tcp() != 0 {
            record = record.tcp(enode.tcp());
        }
        record.unsigned(enode.public_key())
    }
}
