//! Networks: which addresses are local, which are nobody's, which may be passed
//! on by whom, and ranges of addresses.
//!
//! geth `p2p/netutil`. An IPv4-mapped IPv6 address counts as the IPv4 one
//! everywhere.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

/// Whether an address is loopback, private or link-local. geth `AddrIsLAN`.
pub fn is_lan(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Whether no node can have this address: multicast, documentation, broadcast
/// and the like. geth `AddrIsSpecialNetwork`.
pub fn is_special(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    ip.is_multicast() || SPECIAL.iter().any(|network| network.contains(ip))
}

/// geth's lists, from RFC 5735, RFC 5156 and IANA's two registries.
const SPECIAL: [Subnet; 25] = [
    v4([0, 0, 0, 0], 8),          // "this" network
    v4([192, 0, 0, 0], 29),       // IPv4 service continuity
    v4([192, 0, 0, 9], 32),       // PCP anycast
    v4([192, 0, 0, 170], 32),     // NAT64/DNS64 discovery
    v4([192, 0, 0, 171], 32),     // NAT64/DNS64 discovery
    v4([192, 0, 2, 0], 24),       // TEST-NET-1
    v4([192, 31, 196, 0], 24),    // AS112
    v4([192, 52, 193, 0], 24),    // AMT
    v4([192, 88, 99, 0], 24),     // 6to4 relay anycast
    v4([192, 175, 48, 0], 24),    // AS112
    v4([198, 18, 0, 0], 15),      // benchmarks
    v4([198, 51, 100, 0], 24),    // TEST-NET-2
    v4([203, 0, 113, 0], 24),     // TEST-NET-3
    v4([255, 255, 255, 255], 32), // limited broadcast
    v6([0x100, 0, 0, 0], 64),
    v6([0x2001, 0, 0, 0], 32),
    Subnet { network: IpAddr::V6(Ipv6Addr::new(0x2001, 1, 0, 0, 0, 0, 0, 1)), bits: 128 },
    v6([0x2001, 2, 0, 0], 48),
    v6([0x2001, 3, 0, 0], 32),
    v6([0x2001, 4, 0x112, 0], 48),
    v6([0x2001, 5, 0, 0], 32),
    v6([0x2001, 0x10, 0, 0], 28),
    v6([0x2001, 0x20, 0, 0], 28),
    v6([0x2001, 0xdb8, 0, 0], 32),
    v6([0x2002, 0, 0, 0], 16),
];

const fn v4([a, b, c, d]: [u8; 4], bits: u8) -> Subnet {
    Subnet { network: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits }
}

const fn v6([a, b, c, d]: [u16; 4], bits: u8) -> Subnet {
    Subnet { network: IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)), bits }
}

/// Whether to believe a node at `sender` that another node is at `address`.
/// geth `CheckRelayAddr`.
///
/// Nobody is believed about an address that no node can have. A loopback
/// address is believed of a node on loopback, a LAN address of one in a LAN,
/// every other address of everyone.
pub fn check_relay_address(sender: IpAddr, address: IpAddr) -> Result<(), RelayRefusal> {
    let (sender, address) = (sender.to_canonical(), address.to_canonical());
    if address.is_unspecified() {
        Err(RelayRefusal::Unspecified)
    } else if is_special(address) {
        Err(RelayRefusal::Special)
    } else if address.is_loopback() && !sender.is_loopback() {
        Err(RelayRefusal::Loopback)
    } else if is_lan(address) && !is_lan(sender) {
        Err(RelayRefusal::Lan)
    } else {
        Ok(())
    }
}

/// Why a node is not believed about another's address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum RelayRefusal {
    /// The address is all zero.
    Unspecified,
    /// No node can have the address.
    Special,
    /// A loopback address from a node that is elsewhere.
    Loopback,
    /// A LAN address from a node that is not in a LAN.
    Lan,
}

impl fmt::Display for RelayRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "zero address",
            Self::Special => "special network",
            Self::Loopback => "loopback address from non-loopback host",
            Self::Lan => "LAN address from WAN host",
        })
    }
}

impl core::error::Error for RelayRefusal {}

/// A range of addresses: those that begin with the same bits.
///
/// ```
/// use devp2p_core::identity::Subnet;
///
/// let subnet = Subnet::of("10.3.58.6".parse()?, 24);
/// assert_eq!(subnet, "10.3.58.0/24".parse()?);
/// assert!(subnet.contains("::ffff:10.3.58.255".parse()?));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subnet {
    /// The first address.
    network: IpAddr,
    bits: u8,
}

impl Subnet {
    /// The range that `ip` is in; `bits` beyond its length are those there are.
    #[must_use]
    pub fn of(ip: IpAddr, bits: u8) -> Self {
        Self::masked(ip.to_canonical(), bits)
    }

    fn masked(ip: IpAddr, bits: u8) -> Self {
        match ip {
            IpAddr::V4(ip) => {
                let bits = bits.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                Self { network: Ipv4Addr::from_bits(ip.to_bits() & mask).into(), bits }
            }
            IpAddr::V6(ip) => {
                let bits = bits.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                Self { network: Ipv6Addr::from_bits(ip.to_bits() & mask).into(), bits }
            }
        }
    }

    /// The first address.
    pub const fn network(&self) -> IpAddr {
        self.network
    }

    /// How many bits the addresses share.
    pub const fn bits(&self) -> u8 {
        self.bits
    }

    /// Whether the address is one of them.
    pub fn contains(&self, ip: IpAddr) -> bool {
        Self::of(ip, self.bits) == *self
    }
}

/// `10.3.58.0/24`. Bits beyond the prefix may be set, and are cleared. Go
/// `netip.ParsePrefix`.
impl FromStr for Subnet {
    type Err = SubnetError;

    fn from_str(text: &str) -> Result<Self, SubnetError> {
        let (ip, bits) = text.rsplit_once('/').ok_or(SubnetError::NoLength)?;
        let ip = ip.parse().map_err(|_| SubnetError::Address)?;
        let most = match ip {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        let plain = bits == "0" || !bits.starts_with(['0', '+']);
        let bits = bits.parse().ok().filter(|bits| plain && *bits <= most);
        Ok(Self::masked(ip, bits.ok_or(SubnetError::Length)?))
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.bits)
    }
}

impl fmt::Debug for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no range of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SubnetError {
    /// There is no `/`.
    NoLength,
    /// What stands before the `/` is no IP address.
    Address,
    /// What stands after the `/` is no number, or more than the address has
    /// bits.
    Length,
}

impl fmt::Display for SubnetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLength => "no '/' in network",
            Self::Address => "invalid IP address in network",
            Self::Length => "prefix length out of range",
        })
    }
}

impl core::error::Error for SubnetError {}

/// The only networks to have to do with. geth `netutil.Netlist`.
///
/// An empty list contains no address at all; where nothing is restricted there
/// is no list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NetRestrict(Vec<Subnet>);

impl NetRestrict {
    /// These networks.
    pub fn new(networks: impl IntoIterator<Item = Subnet>) -> Self {
        Self(networks.into_iter().collect())
    }

    /// The networks, as they were given.
    pub fn networks(&self) -> &[Subnet] {
        &self.0
    }

    /// Whether the address is in one of them.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(ip))
    }
}

/// `10.0.0.0/8, fd00::/8`. Blanks and commas too many do not matter. geth
/// `ParseNetlist`.
impl FromStr for NetRestrict {
    type Err = SubnetError;

    fn from_str(text: &str) -> Result<Self, SubnetError> {
        let text: String = text.chars().filter(|c| !matches!(c, ' ' | '\n' | '\t')).collect();
        let networks = text.split(',').filter(|network| !network.is_empty());
        networks.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for NetRestrict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, network) in self.0.iter().enumerate() {
            write!(f, "{}{network}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
