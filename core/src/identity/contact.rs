//! A contact: what discovery knows of a node, signed or not.
//!
//! A node met in a packet is a key and an endpoint; one that gave its record
//! has signed them. geth `enode.Node`.

use alloc::sync::Arc;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use super::{Enode, NodeId, Record};
use crate::crypto::PublicKey;

/// A node and its endpoint, with the signed record if there is one.
///
/// As in geth an IPv4-mapped IPv6 address becomes the IPv4 one, and a
/// multicast address is left out. Cloning is cheap. Contacts are ordered by id.
///
/// It prints as an enode URL, which leaves out the record.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
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

    /// The same node, still with the record that it signed, where `seen` says.
    pub(crate) fn moved_to(&self, seen: &Self) -> Self {
        Self { ip: seen.ip, udp: seen.udp, tcp: seen.tcp, ..self.clone() }
    }

    /// Whether packets go to the same place.
    pub(crate) fn has_endpoint_of(&self, other: &Self) -> bool {
        (self.ip, self.udp) == (other.ip, other.udp)
    }

    /// Whether the record, if there is one, names this very endpoint.
    pub(crate) fn is_where_signed(&self) -> bool {
        self.record.as_ref().is_none_or(|record| {
            let endpoint = record.endpoint();
            (endpoint.ip, endpoint.udp) == (self.ip, self.udp)
        })
    }

    /// Whether discovery can begin with this node: it has an address, which is
    /// specified and no multicast, and a UDP port. geth `ValidateComplete`.
    pub fn check_complete(&self) -> Result<(), Incomplete> {
        match self.ip {
            None => Err(Incomplete::MissingIp),
            Some(ip) if ip.is_unspecified() => Err(Incomplete::Unspecified),
            Some(_) if self.udp == 0 => Err(Incomplete::MissingUdpPort),
            Some(_) => Ok(()),
        }
    }

    /// The node as an enode URL. geth `URLv4`.
    pub fn to_enode(&self) -> Enode {
        match self.ip {
            Some(ip) => Enode::new(self.public_key, ip, self.tcp, self.udp),
            None => Enode::incomplete(self.public_key),
        }
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_enode().fmt(f)
    }
}

/// What a contact lacks before packets can be sent to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Incomplete {
    /// No address, or one of a group.
    MissingIp,
    /// The address is all zero.
    Unspecified,
    /// No UDP port.
    MissingUdpPort,
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MissingIp => "missing IP address",
            Self::Unspecified => "invalid IP (multicast/unspecified)",
            Self::MissingUdpPort => "missing UDP port",
        })
    }
}

impl core::error::Error for Incomplete {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;
    use alloc::vec::Vec;

    use super::*;
    use crate::crypto::SecretKey;
    use crate::identity::{PublicKeyHex, RecordBuilder};

    fn key(number: u8) -> SecretKey {
        SecretKey::from_bytes(&[number; 32]).unwrap()
    }

    fn contact(ip: &str, udp: u16) -> Contact {
        Contact::new(key(1).public_key(), ip.parse().unwrap(), udp, 30303)
    }

    #[test]
    fn a_contact_is_complete_with_an_address_and_a_udp_port() {
        assert_eq!(contact("10.0.0.1", 30301).check_complete(), Ok(()));
        assert_eq!(contact("::1", 1).check_complete(), Ok(()));
        assert_eq!(contact("0.0.0.0", 1).check_complete(), Err(Incomplete::Unspecified));
        assert_eq!(contact("::", 1).check_complete(), Err(Incomplete::Unspecified));
        assert_eq!(contact("::ffff:0.0.0.0", 1).check_complete(), Err(Incomplete::Unspecified));
        assert_eq!(contact("224.0.0.22", 1).check_complete(), Err(Incomplete::MissingIp));
        assert_eq!(contact("::ffff:224.0.0.22", 1).check_complete(), Err(Incomplete::MissingIp));
        assert_eq!(contact("ff05::1", 1).check_complete(), Err(Incomplete::MissingIp));
        assert_eq!(contact("10.0.0.1", 0).check_complete(), Err(Incomplete::MissingUdpPort));
        let nowhere = Contact::from_enode(&Enode::incomplete(key(1).public_key()));
        assert_eq!(nowhere.check_complete(), Err(Incomplete::MissingIp));
    }

    #[test]
    fn a_contact_prints_as_the_enode_url_of_geth() {
        let public = key(1).public_key();
        let url = |rest: &str| ["enode://", &PublicKeyHex(&public).to_string(), rest].concat();
        assert_eq!(contact("10.0.0.1", 30303).to_string(), url("@10.0.0.1:30303"));
        assert_eq!(contact("10.0.0.1", 1).to_string(), url("@10.0.0.1:30303?discport=1"));
        assert_eq!(contact("::1", 30303).to_string(), url("@[::1]:30303"));
        assert_eq!(contact("224.0.0.22", 1).to_string(), url(""));
    }

    #[test]
    fn a_record_gives_its_endpoint_and_stays_with_the_contact() {
        let record = RecordBuilder::new(7).ip([10, 0, 0, 1].into()).udp(1).tcp(2).sign(&key(1));
        let record = Arc::new(record.unwrap());
        let contact = Contact::from_record(Arc::clone(&record));
        assert_eq!(contact.id(), &record.node_id());
        assert_eq!(contact.udp_endpoint(), Some("10.0.0.1:1".parse().unwrap()));
        assert_eq!(contact.tcp_endpoint(), Some("10.0.0.1:2".parse().unwrap()));
        assert_eq!((contact.sequence(), contact.record()), (7, Some(&record)));
        let unsigned = Contact::new(key(1).public_key(), [10, 0, 0, 1].into(), 1, 2);
        assert_ne!(contact, unsigned);
        assert_eq!(contact.to_string(), unsigned.to_string());
    }

    #[test]
    fn contacts_are_ordered_by_id() {
        let mut contacts: Vec<_> =
            (1..20).map(|n| Contact::new(key(n).public_key(), [9, 0, 0, n].into(), 1, 1)).collect();
        contacts.sort();
        assert!(contacts.is_sorted_by_key(|contact| *contact.id()));
    }
}
