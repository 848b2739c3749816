//! The nodes that an answer to FINDNODE names, and their split over packets.

use core::fmt;
use core::net::IpAddr;

use alloc::vec::Vec;

use super::{Neighbors, PacketEndpoint};
use crate::crypto::PublicKey;
use crate::error::DecodeError;
use crate::identity::Contact;
use crate::{limits, rlp};

/// One node that somebody says to know. Nothing of it is checked. geth
/// `v4wire.Node`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Neighbor {
    /// The address, if one is stated.
    pub ip: Option<IpAddr>,
    /// The port for discovery.
    pub udp: u16,
    /// The port for RLPx.
    pub tcp: u16,
    /// 64 bytes that may be a public key.
    pub public_key: [u8; 64],
}

impl Neighbor {
    /// The node, if it has an address and its key is one. Whether the address
    /// may be had from this sender is not asked here. Costs a check of the
    /// curve and a hash.
    pub fn contact(&self) -> Option<Contact> {
        let ip = self.ip?;
        let public_key = PublicKey::from_bytes(&self.public_key).ok()?;
        Some(Contact::new(public_key, ip, self.udp, self.tcp))
    }

    pub(super) fn read(bytes: &mut &[u8]) -> Result<Self, DecodeError> {
        let mut list = rlp::list(bytes)?;
        let PacketEndpoint { ip, udp, tcp } = PacketEndpoint::read_elements(&mut list)?;
        let public_key = rlp::fixed(&mut list)?;
        if !list.is_empty() {
            return Err(DecodeError::WrongLength);
        }
        Ok(Self { ip, udp, tcp, public_key })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut list = Vec::with_capacity(89);
        PacketEndpoint { ip: self.ip, udp: self.udp, tcp: self.tcp }.write_elements(&mut list);
        rlp::put_string(&self.public_key, &mut list);
        rlp::put_list(&list, out);
    }
}

impl From<&Contact> for Neighbor {
    fn from(contact: &Contact) -> Self {
        Self {
            ip: contact.ip(),
            udp: contact.udp(),
            tcp: contact.tcp(),
            public_key: *contact.public_key().as_bytes(),
        }
    }
}

impl fmt::Debug for Neighbor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Neighbor")
            .field("ip", &self.ip)
            .field("udp", &self.udp)
            .field("tcp", &self.tcp)
            .finish_non_exhaustive()
    }
}

/// The packets that name these nodes, the first
/// [`NEIGHBORS_IN_ANSWER`](limits::NEIGHBORS_IN_ANSWER) of them: at most
/// [`NEIGHBORS_IN_PACKET`](limits::NEIGHBORS_IN_PACKET) in each, and one empty
/// packet for none, as geth.
pub fn split_neighbors(
    nodes: &[Contact],
    expiration: u64,
) -> impl ExactSizeIterator<Item = Neighbors> {
    let nodes = &nodes[..nodes.len().min(limits::NEIGHBORS_IN_ANSWER)];
    let packets = nodes.len().div_ceil(limits::NEIGHBORS_IN_PACKET).max(1);
    (0..packets).map(move |packet| {
        let rest = nodes.iter().skip(packet * limits::NEIGHBORS_IN_PACKET);
        let nodes = rest.take(limits::NEIGHBORS_IN_PACKET).map(Neighbor::from).collect();
        Neighbors { nodes, expiration }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SecretKey;
    use crate::discv4::{Packet, encode};

    fn contacts(count: u8) -> Vec<Contact> {
        let ip = "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap();
        let key = |number| SecretKey::from_bytes(&[number; 32]).unwrap().public_key();
        (1..=count).map(|number| Contact::new(key(number), ip, u16::MAX, u16::MAX)).collect()
    }

    #[test]
    fn sixteen_nodes_are_split_twelve_and_four_and_none_make_one_packet() {
        let sizes = |count: u8| -> Vec<usize> {
            split_neighbors(&contacts(count), 1).map(|packet| packet.nodes.len()).collect()
        };
        assert_eq!(sizes(0), [0]);
        assert_eq!(sizes(1), [1]);
        assert_eq!(sizes(12), [12]);
        assert_eq!(sizes(13), [12, 1]);
        assert_eq!(sizes(16), [12, 4]);
        assert_eq!(sizes(17), [12, 4]);
    }

    #[test]
    fn no_packet_is_larger_than_a_datagram_may_be() {
        let key = SecretKey::from_bytes(&[1; 32]).unwrap();
        let contacts = contacts(16);
        let mut named = Vec::new();
        for packet in split_neighbors(&contacts, u64::MAX) {
            named.extend(packet.nodes.iter().filter_map(Neighbor::contact));
            let length = encode(&Packet::Neighbors(packet), &key).bytes.len();
            assert!(length <= limits::DATAGRAM, "{length}");
        }
        assert_eq!(named, contacts);
        // One more would not fit, so the limit is the largest.
        let nodes = contacts[..13].iter().map(Neighbor::from).collect();
        let packet = Packet::Neighbors(Neighbors { nodes, expiration: u64::MAX });
        assert!(encode(&packet, &key).bytes.len() > limits::DATAGRAM);
    }

    #[test]
    fn a_node_without_address_or_with_a_key_off_the_curve_is_no_contact() {
        let neighbor = Neighbor::from(&contacts(1)[0]);
        assert!(neighbor.contact().is_some());
        assert_eq!(Neighbor { ip: None, ..neighbor }.contact(), None);
        assert_eq!(Neighbor { public_key: [1; 64], ..neighbor }.contact(), None);
    }
}
