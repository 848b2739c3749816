//! A contact: what discovery knows of a node, signed or not.
//!
//! A node met in a packet is a key and an endpoint; one that gave its record
//! has signed them. geth `enode.Node`.

use alloc::sync::Arc;
use core::net::{IpAddr, SocketAddr};

use super::{Enode, NodeId, Record};
use crate::crypto::PublicKey;

/// A node and its endpoint, with the signed record if there is one.
///
/// As in geth an IPv4-mapped IPv6 address becomes the IPv4 one, and a
/// multicast address is left out. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contact {
    id: NodeId,
    public_key: PublicKey,
    ip: Option<IpAddr>,
    udp: u16,
    tcp: u16,
    record: Option<Arc<Record>>,
}

impl Contact {
    /// A node known by its packets: unsigned, sequence number 0. Port 0 where
    /// it does not listen. Costs one hash.
    pub fn new(public_key: PublicKey, ip: IpAddr, udp: u16, tcp: u16) -> Self {
        Self::unsigned(public_key, Some(ip), udp, tcp)
    }

    /// What a record says, at the endpoint that
    /// [`Record::endpoint`] selects.
    pub fn from_record(record: Arc<Record>) -> Self {
        let endpoint = record.endpoint();
        Self {
            id: record.node_id(),
            public_key: *record.public_key(),
            ip: endpoint.ip,
            udp: endpoint.udp,
            tcp: endpoint.tcp,
            record: Some(record),
        }
    }

    /// What an enode URL says. A host name is left out: it is to be looked up
    /// first.
    pub fn from_enode(enode: &Enode) -> Self {
        Self::unsigned(*enode.public_key(), enode.ip(), enode.udp(), enode.tcp())
    }

    fn unsigned(public_key: PublicKey, ip: Option<IpAddr>, udp: u16, tcp: u16) -> Self {
        let ip = ip.map(|ip| ip.to_canonical()).filter(|ip| !ip.is_multicast());
        Self { id: NodeId::from(&public_key), public_key, ip, udp, tcp, record: None }
    }

    /// The id that belongs to the key.
    pub const fn id(&self) -> &NodeId {
        &self.id
    }

    /// The node's static key.
    pub const fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The address, which may be unspecified.
    pub const fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// The UDP port; 0 if there is none.
    pub const fn udp(&self) -> u16 {
        self.udp
    }

    /// The TCP port; 0 if there is none.
    pub const fn tcp(&self) -> u16 {
        self.tcp
    }

    /// The signed record, if the node gave one.
    pub const fn record(&self) -> Option<&Arc<Record>> {
        self.record.as_ref()
    }

    /// The record's sequence number; 0 without one.
    pub fn sequence(&self) -> u64 {
        self.record.as_ref().map_or(0, |record| record.sequence())
    }

    /// Where to send the node packets: an address that is specified, a port
    /// that is not 0. geth `UDPEndpoint`.
    pub fn udp_endpoint(&self) -> Option<SocketAddr> {
        self.endpoint(self.udp)
    }

    /// Where to dial the node, by the same rule. geth `TCPEndpoint`.
    pub fn tcp_endpoint(&self) -> Option<SocketAddr> {
        self.endpoint(self.tcp)
    }

    fn endpoint(&self, port: u16) -> Option<SocketAddr> {
        let ip = self.ip.filter(|ip| !ip.is_unspecified())?;
        (port != 0).then_some(SocketAddr::new(ip, port))
    }
}
