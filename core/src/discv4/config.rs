//! What discovery is told before it begins.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::Neighbor;
use crate::crypto::SecretKey;
use crate::identity::{Contact, LocalEndpoints, NetRestrict, RecordBuilder, check_relay_address};
use crate::kademlia::TableConfig;
use crate::limits;

/// How [`Discovery`](super::Discovery) is to run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The node's static key.
    pub key: SecretKey,
    /// Nodes to begin with, and to come back to when the table is empty. geth
    /// `BootstrapNodes`.
    pub bootnodes: Vec<Contact>,
    /// Whether [`Output::Store`](super::Output::Store) is executed. Without a
    /// store nothing is remembered beyond the end.
    pub store: bool,
    /// What is known of our own endpoint. geth `--nat extip`, `SetFallbackIP`,
    /// `SetFallbackUDP`.
    pub endpoints: LocalEndpoints,
    /// What else our record says: the TCP port, capabilities.
    pub entries: RecordBuilder,
    /// Networks outside of which no neighbour is believed, nor a node's own record.
    /// geth `NetRestrict`, which has only the first of both.
    pub net_restrict: Option<NetRestrict>,
    /// The table's limits.
    pub table: TableConfig,
    /// Whether the gate has budgets, as geth has none. Off only in simulations, to see
    /// what they are good for.
    #[doc(hidden)]
    pub budgets: bool,
}

impl Config {
    /// As geth by default: no bootnodes, no store, no address known.
    pub fn new(key: SecretKey) -> Self {
        Self {
            key,
            bootnodes: Vec::new(),
            store: false,
            endpoints: LocalEndpoints::default(),
            entries: RecordBuilder::new(0),
            net_restrict: None,
            table: TableConfig::default(),
            budgets: true,
        }
    }

    /// The contact that a neighbour in an answer from `sender` is, if it is to
    /// be believed. geth `nodeFromRPC`.
    pub(super) fn believe(&self, sender: IpAddr, neighbor: &Neighbor) -> Option<Contact> {
        let ip = neighbor.ip?;
        if neighbor.udp <= limits::LOW_PORT || !self.believes(sender, ip) {
            return None;
        }
        neighbor.contact()
    }

    /// Whether a node may be where `sender` says that it is.
    pub(super) fn believes(&self, sender: IpAddr, ip: IpAddr) -> bool {
        self.net_restrict.as_ref().is_none_or(|networks| networks.contains(ip))
            && check_relay_address(sender, ip).is_ok()
    }
}
