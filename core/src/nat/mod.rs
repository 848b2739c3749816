//! Being reachable behind a gateway that translates addresses: what to ask it,
//! when, and what our record says of the answers.
//!
//! ```text
//!   Mapper ── Ask, Map, Unmap ──▶ adapter ── Pcp, NAT-PMP, UPnP ──▶ gateway
//!     ▲                              │
//!     ╰── what it answered ◀─────────╯        Mapper::status ──▶ Node ──▶ record
//! ```
//!
//! [`Mapper`] decides and knows no socket; [`pmp`] (RFC 6886), [`pcp`] (RFC 6887)
//! and [`stun`] (RFC 8489) are the packets. [`Nat`] is what the operator wants, in
//! the words of geth's `--nat`.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr};

mod counts;
mod epoch;
mod mapper;
pub mod pcp;
pub mod pmp;
mod spec;
pub mod stun;

pub use counts::{Counts, Failure};
pub use epoch::Epoch;
pub use mapper::{Action, Gateway, Grant, Mapper, Step, retry_after};
pub use spec::{Nat, NatError, StunServer};

/// What of us is to be reached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Protocol {
    /// Connections.
    Tcp,
    /// Discovery.
    Udp,
}

impl Protocol {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Tcp, Self::Udp];

    /// What a gateway's list of mappings calls it. The names are geth's.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Tcp => "ethereum p2p",
            Self::Udp => "ethereum peer discovery",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        })
    }
}

/// How a gateway is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Method {
    /// Port Control Protocol, RFC 6887.
    Pcp,
    /// NAT Port Mapping Protocol, RFC 6886.
    Pmp,
    /// UPnP Internet Gateway Device.
    Upnp,
}

impl Method {
    /// Its name in logs and metrics: `pcp`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pcp => "pcp",
            Self::Pmp => "natpmp",
            Self::Upnp => "upnp",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Where we are seen from outside, as far as that is known. It goes into our
/// record in place of what we know of ourselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct External {
    /// Our address out there.
    pub ip: Option<IpAddr>,
    /// The port that leads to where we accept TCP connections.
    pub tcp: Option<u16>,
    /// The port that leads to discovery.
    pub udp: Option<u16>,
}

/// How it stands with the gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// Where we are seen.
    pub external: External,
    /// How the gateway is spoken to, once one has answered.
    pub method: Option<Method>,
    /// What has happened so far.
    pub counts: Counts,
}

/// Whether an address may be ours out there: one that a stranger could send to.
/// What a gateway behind another gateway has, and what no node can have, is none.
pub fn is_public(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let shared = match ip {
        // RFC 6598, 100.64.0.0/10: the carrier's own gateway comes after it.
        IpAddr::V4(ip) => ip.octets()[0] == 100 && ip.octets()[1] & 0xC0 == 64,
        IpAddr::V6(_) => false,
    };
    let is_future = matches!(ip, IpAddr::V4(ip) if ip.octets()[0] >= 240);
    !shared
        && !is_future
        && !ip.is_unspecified()
        && !crate::identity::is_lan(ip)
        && !crate::identity::is_special(ip)
}

/// An IPv4 address as the sixteen bytes of a mapped IPv6 one, and back.
fn ip4_of(bytes: [u8; 16]) -> Option<Ipv4Addr> {
    core::net::Ipv6Addr::from(bytes).to_ipv4_mapped()
}

/// What a field of `N` bytes at `at` holds.
fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_stranger_could_send_to_is_an_address_out_there() {
        for public in ["11.22.33.44", "8.8.8.8", "100.128.0.1", "2606:4700::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for ours in [
            "0.0.0.0",
            "10.0.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "192.168.1.1",
            "100.64.0.1",
            "198.51.100.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_public(ours.parse().unwrap()), "{ours}");
        }
    }
}
