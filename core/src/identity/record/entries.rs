//! What a record says: its pairs, the known ones typed, and the endpoint that
//! they add up to.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use base16ct::HexDisplay;

use crate::crypto::PublicKey;
use crate::error::DecodeError;
use crate::rlp;

/// The pairs of a record, keys ascending.
///
/// A known key whose value is not what it should be counts as missing, as in
/// geth; [`Entries::get`] tells the difference. The record is no less valid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entries<'a>(&'a [u8]);

/// A pair of a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The key, usually ASCII but any bytes may be one.
    pub key: &'a [u8],
    /// The value: one RLP item.
    pub value: &'a [u8],
}

/// The pairs of a record, one after the other: [`Entries::iter`].
#[derive(Clone, Debug)]
pub struct EntriesIter<'a>(&'a [u8]);

impl<'a> Entries<'a> {
    /// `pairs` were checked when the record was decoded.
    pub(super) const fn new(pairs: &'a [u8]) -> Self {
        Self(pairs)
    }

    /// All pairs, keys ascending.
    pub const fn iter(&self) -> EntriesIter<'a> {
        EntriesIter(self.0)
    }

    /// The value of a key, one RLP item, if there is such a key.
    pub fn get(&self, key: &[u8]) -> Option<&'a [u8]> {
        self.iter().take_while(|entry| entry.key <= key).find(|entry| entry.key == key)?.value()
    }

    fn load<T>(
        &self,
        key: &str,
        decode: impl FnOnce(&mut &'a [u8]) -> Result<T, DecodeError>,
    ) -> Option<T> {
        decode(&mut self.get(key.as_bytes())?).ok()
    }

    /// "id", the name of the identity scheme.
    pub fn scheme(&self) -> Option<&'a [u8]> {
        self.load("id", rlp::string)
    }

    /// "secp256k1", the node's public key. Costs a square root.
    pub fn public_key(&self) -> Option<PublicKey> {
        let compressed = self.load("secp256k1", rlp::fixed)?;
        PublicKey::from_compressed(&compressed).ok()
    }

    /// "ip".
    pub fn ip(&self) -> Option<Ipv4Addr> {
        self.load("ip", rlp::fixed::<4>).map(Ipv4Addr::from)
    }

    /// "ip6", which may hold an IPv4-mapped address.
    pub fn ip6(&self) -> Option<Ipv6Addr> {
        self.load("ip6", rlp::fixed::<16>).map(Ipv6Addr::from)
    }

    /// "tcp".
    pub fn tcp(&self) -> Option<u16> {
        self.port("tcp")
    }

    /// "udp".
    pub fn udp(&self) -> Option<u16> {
        self.port("udp")
    }

    /// "tcp6".
    pub fn tcp6(&self) -> Option<u16> {
        self.port("tcp6")
    }

    /// "udp6".
    pub fn udp6(&self) -> Option<u16> {
        self.port("udp6")
    }

    /// "quic".
    pub fn quic(&self) -> Option<u16> {
        self.port("quic")
    }

    /// "quic6".
    pub fn quic6(&self) -> Option<u16> {
        self.port("quic6")
    }

    fn port(&self, key: &str) -> Option<u16> {
        self.load(key, rlp::uint)?.try_into().ok()
    }

    /// The endpoint of the family that reaches further; IPv4 of two that reach
    /// equally far.
    ///
    /// As geth: a multicast address is none; an IPv4-mapped "ip6" has the
    /// ports of IPv4; without any address the ports of IPv4 are still given.
    pub fn endpoint(&self) -> Endpoint {
        let [ip4, ip6] = self.endpoints();
        match (ip4.ip, ip6.ip) {
            (Some(a), Some(b)) if reach(a) < reach(b) => ip6,
            (None, Some(_)) => ip6,
            (Some(_), Some(_)) | (_, None) => ip4,
        }
    }

    /// The endpoints of "ip" and of "ip6", each by the rules of
    /// [`Entries::endpoint`]. "udp6" and "tcp6" where they are missing are the
    /// same as "udp" and "tcp".
    pub fn endpoints(&self) -> [Endpoint; 2] {
        let (udp, tcp) = (self.udp().unwrap_or(0), self.tcp().unwrap_or(0));
        let usable = |ip: IpAddr| Some(ip.to_canonical()).filter(|ip| !ip.is_multicast());
        let ip6 = self.ip6().and_then(|ip| usable(ip.into()));
        let (udp6, tcp6) = match ip6 {
            Some(IpAddr::V4(_)) => (udp, tcp),
            Some(IpAddr::V6(_)) | None => (self.udp6().unwrap_or(udp), self.tcp6().unwrap_or(tcp)),
        };
        [
            Endpoint { ip: self.ip().and_then(|ip| usable(ip.into())), udp, tcp },
            Endpoint { ip: ip6, udp: udp6, tcp: tcp6 },
        ]
    }

    /// Where QUIC is spoken, at the address of [`Entries::endpoint`]: "quic"
    /// for IPv4 and "quic6" for IPv6, neither in place of the other.
    pub fn quic_endpoint(&self) -> Option<SocketAddr> {
        let ip = self.endpoint().ip.filter(|ip| !ip.is_unspecified())?;
        let port = match ip {
            IpAddr::V4(_) => self.quic(),
            IpAddr::V6(_) => self.quic6(),
        };
        Some(SocketAddr::new(ip, port.filter(|port| *port != 0)?))
    }
}

impl<'a> Entry<'a> {
    const fn value(self) -> Option<&'a [u8]> {
        Some(self.value)
    }
}

impl<'a> Iterator for EntriesIter<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let key = rlp::string(&mut self.0).ok()?;
        let value = rlp::item(&mut self.0).ok()?;
        Some(Entry { key, value })
    }
}

impl<'a> IntoIterator for Entries<'a> {
    type Item = Entry<'a>;
    type IntoIter = EntriesIter<'a>;

    fn into_iter(self) -> EntriesIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for Entries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:x}", self.key.escape_ascii(), HexDisplay(self.value))
    }
}

/// An address and its ports, as the entries of a record give them. geth
/// `enode.newNodeWithID`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Endpoint {
    /// The address, which may be unspecified.
    pub ip: Option<IpAddr>,
    /// The UDP port; 0 if there is none.
    pub udp: u16,
    /// The TCP port; 0 if there is none.
    pub tcp: u16,
}

/// How far away an address can be reached from. geth `localityScore`.
fn reach(ip: IpAddr) -> u8 {
    let (link_local, private) = match ip {
        IpAddr::V4(ip) => (ip.is_link_local(), ip.is_private()),
        IpAddr::V6(ip) => (ip.is_unicast_link_local(), ip.is_unique_local()),
    };
    match () {
        () if ip.is_unspecified() => 0,
        () if ip.is_loopback() => 1,
        () if link_local => 2,
        () if private => 3,
        () => 4,
    }
}
