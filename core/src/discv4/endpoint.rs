//! An endpoint as PING and PONG carry it: a claim, not a fact.
//!
//! Others send addresses of 4 bytes, of 16, of 16 that mean 4, and of none,
//! and ports of 0; geth takes a string of any length. Nothing of that is an
//! error here: what is no address is `None`.

use core::net::{IpAddr, SocketAddr};

use alloc::vec::Vec;

use crate::error::DecodeError;
use crate::rlp;

/// Address and ports, as somebody states them in a packet; those of a record are
/// an [`identity::Endpoint`](crate::identity::Endpoint). geth `v4wire.Endpoint`.
///
/// An IPv4-mapped address is read as, and written as, the IPv4 one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct PacketEndpoint {
    /// The address, if one is stated. It may be of any sort.
    pub ip: Option<IpAddr>,
    /// The port for discovery, perhaps 0.
    pub udp: u16,
    /// The port for RLPx, perhaps 0.
    pub tcp: u16,
}

impl PacketEndpoint {
    /// The endpoint at this UDP address.
    pub fn new(udp: SocketAddr, tcp: u16) -> Self {
        Self { ip: Some(udp.ip().to_canonical()), udp: udp.port(), tcp }
    }

    /// Reads a list of exactly three.
    pub(super) fn read(bytes: &mut &[u8]) -> Result<Self, DecodeError> {
        let mut list = rlp::list(bytes)?;
        let endpoint = Self::read_elements(&mut list)?;
        if list.is_empty() { Ok(endpoint) } else { Err(DecodeError::WrongLength) }
    }

    /// Reads the three elements, as a neighbor begins with them too.
    pub(super) fn read_elements(list: &mut &[u8]) -> Result<Self, DecodeError> {
        let ip = address(rlp::string(list)?);
        Ok(Self { ip, udp: rlp::uint16(list)?, tcp: rlp::uint16(list)? })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut list = Vec::with_capacity(23);
        self.write_elements(&mut list);
        rlp::put_list(&list, out);
    }

    pub(super) fn write_elements(&self, list: &mut Vec<u8>) {
        match self.ip.map(|ip| ip.to_canonical()) {
            Some(IpAddr::V4(ip)) => rlp::put_string(&ip.octets(), list),
            Some(IpAddr::V6(ip)) => rlp::put_string(&ip.octets(), list),
            None => rlp::put_string(&[], list),
        }
        rlp::put_uint(u64::from(self.udp), list);
        rlp::put_uint(u64::from(self.tcp), list);
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match *bytes {
        [a, b, c, d] => Some([a, b, c, d].into()),
        _ => <[u8; 16]>::try_from(bytes).ok().map(|octets| IpAddr::from(octets).to_canonical()),
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;

    fn read(ip: &[u8], udp: u64, tcp: u64) -> Result<PacketEndpoint, DecodeError> {
        let mut content = Vec::new();
        rlp::put_string(ip, &mut content);
        rlp::put_uint(udp, &mut content);
        rlp::put_uint(tcp, &mut content);
        let mut list = Vec::new();
        rlp::put_list(&content, &mut list);
        PacketEndpoint::read(&mut &*list)
    }

    #[test]
    fn addresses_of_any_length_are_taken_and_odd_ones_are_none() {
        let ip = |bytes: &[u8]| read(bytes, 0, 0).unwrap().ip;
        let four = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(ip(&[192, 0, 2, 1]), four);
        let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1];
        assert_eq!(ip(&mapped), four);
        assert_eq!(ip(&[0; 16]), Some("::".parse().unwrap()));
        for length in (0..100).filter(|length| ![4, 16].contains(length)) {
            assert_eq!(ip(&alloc::vec![1; length]), None, "{length}");
        }
    }

    #[test]
    fn ports_are_numbers_of_16_bits() {
        let endpoint = PacketEndpoint { ip: None, udp: 65535, tcp: 0 };
        assert_eq!(read(&[], 65535, 0), Ok(endpoint));
        assert_eq!(read(&[], 65536, 0), Err(DecodeError::Overflow));
        assert_eq!(read(&[], 0, 65536), Err(DecodeError::Overflow));
    }

    #[test]
    fn an_endpoint_has_three_elements_no_more_no_less() {
        // geth lets packets grow, not the lists within them.
        let endpoint = |list: &[u8]| PacketEndpoint::read(&mut &*list);
        assert!(endpoint(&[0xC3, 0x80, 0x80, 0x80]).is_ok());
        assert_eq!(endpoint(&[0xC2, 0x80, 0x80]), Err(DecodeError::Truncated));
        assert_eq!(endpoint(&[0xC4, 0x80, 0x80, 0x80, 0x80]), Err(DecodeError::WrongLength));
        assert_eq!(endpoint(&[0x80]), Err(DecodeError::UnexpectedString));
        assert_eq!(endpoint(&[0xC3, 0xC0, 0x80, 0x80]), Err(DecodeError::UnexpectedList));
        assert_eq!(endpoint(&[0xC3, 0x80, 0x00, 0x80]), Err(DecodeError::NonCanonical));
    }

    #[test]
    fn a_mapped_address_is_sent_as_four_bytes() {
        let endpoint = PacketEndpoint::new("[::ffff:1.2.3.4]:30303".parse().unwrap(), 7);
        assert_eq!(endpoint, PacketEndpoint::new("1.2.3.4:30303".parse().unwrap(), 7));
        let mapped = PacketEndpoint { ip: Some("::ffff:1.2.3.4".parse().unwrap()), ..endpoint };
        let mut bytes = Vec::new();
        mapped.write(&mut bytes);
        assert_eq!(bytes, [0xC9, 0x84, 1, 2, 3, 4, 0x82, 0x76, 0x5F, 7]);
    }
}
