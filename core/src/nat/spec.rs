//! What the operator wants of gateways: geth's `--nat` values.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::num::NonZero;
use core::str::FromStr;

use alloc::borrow::ToOwned as _;
use alloc::string::String;

use super::Method;
use crate::identity::HostName;

/// How we become reachable from outside. Names are read in any case, and geth's
/// other names for them too.
///
/// ```
/// use devp2p_core::nat::Nat;
///
/// let nat: Nat = "pmp:192.168.0.1".parse()?;
/// assert_eq!(nat, Nat::Pmp(Some([192, 168, 0, 1].into())));
/// assert_eq!(nat.to_string(), "pmp:192.168.0.1");
/// # Ok::<(), devp2p_core::nat::NatError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Nat {
    /// `none`: nothing is asked, and others tell us our address.
    #[default]
    None,
    /// `any`: whatever the gateway speaks.
    Any,
    /// `upnp`.
    Upnp,
    /// `pmp`, `pmp:ADDRESS`: NAT-PMP, with the gateway at that address.
    Pmp(Option<Ipv4Addr>),
    /// `pcp`, `pcp:ADDRESS`: PCP. geth has none.
    Pcp(Option<Ipv4Addr>),
    /// `extip:ADDRESS`: this is our address, and somebody has seen to the rest.
    ExtIp(IpAddr),
    /// `stun`, `stun:HOST[:PORT]`: a server says what our address is, and
    /// nothing is mapped.
    Stun(Option<StunServer>),
}

/// A STUN server: its name or address, and its port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StunServer {
    host: String,
    port: u16,
}

/// The port of a STUN server that is given without. RFC 8489, section 17.6.
const STUN_PORT: u16 = 3478;

impl StunServer {
    /// Its address; `None` if it has a name, which is to be looked up.
    pub fn address(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.host.parse().ok()?, self.port))
    }

    /// Its name; `None` if it has an address.
    pub fn name(&self) -> Option<HostName> {
        if self.address().is_some() { None } else { HostName::new(&self.host).ok() }
    }

    /// Its port.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for StunServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address() {
            Some(address) => address.fmt(f),
            None => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl FromStr for StunServer {
    type Err = NatError;

    fn from_str(text: &str) -> Result<Self, NatError> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            let _: NonZero<u16> = NonZero::new(address.port()).ok_or(NatError::Server)?;
            return Ok(Self { host: alloc::format!("{}", address.ip()), port: address.port() });
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self { host: alloc::format!("{ip}"), port: STUN_PORT });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => {
                let port: NonZero<u16> = port.parse().map_err(|_| NatError::Server)?;
                (host, port.get())
            }
            None => (text, STUN_PORT),
        };
        HostName::new(host).map_err(|_| NatError::Server)?;
        Ok(Self { host: host.to_owned(), port })
    }
}

/// Why a text says nothing of gateways.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NatError {
    /// There is no way of that name.
    Unknown,
    /// What stands behind the colon is no address, or none that it can be.
    Address,
    /// An address is missing.
    Missing,
    /// What stands behind the colon is no server.
    Server,
}

impl fmt::Display for NatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => {
                "unknown mechanism, want any, none, upnp, pmp[:IP], pcp[:IP], extip:IP or \
                 stun[:HOST[:PORT]]"
            }
            Self::Address => "invalid IP address",
            Self::Missing => "missing IP address",
            Self::Server => "invalid STUN server, want HOST or HOST:PORT",
        })
    }
}

impl core::error::Error for NatError {}

impl Nat {
    /// How a gateway may be spoken to, the better protocol first; none where no
    /// gateway is asked.
    pub const fn methods(&self) -> &'static [Method] {
        match self {
            Self::Any => &[Method::Pcp, Method::Pmp, Method::Upnp],
            Self::Upnp => &[Method::Upnp],
            Self::Pmp(_) => &[Method::Pmp],
            Self::Pcp(_) => &[Method::Pcp],
            Self::None | Self::ExtIp(_) | Self::Stun(_) => &[],
        }
    }

    /// The gateway that was named.
    pub const fn gateway(&self) -> Option<Ipv4Addr> {
        match self {
            Self::Pmp(gateway) | Self::Pcp(gateway) => *gateway,
            Self::None | Self::Any | Self::Upnp | Self::ExtIp(_) | Self::Stun(_) => None,
        }
    }
}

impl FromStr for Nat {
    type Err = NatError;

    /// geth `nat.Parse`.
    fn from_str(text: &str) -> Result<Self, NatError> {
        let (name, rest) = match text.split_once(':') {
            Some((name, rest)) => (name, Some(rest)),
            None => (text, None),
        };
        let name = name.to_ascii_lowercase();
        if name == "stun" {
            let server = rest.filter(|rest| !rest.is_empty());
            return Ok(Self::Stun(server.map(str::parse).transpose()?));
        }
        let ip: Option<IpAddr> = rest.map(str::parse).transpose().map_err(|_| NatError::Address)?;
        // Both protocols are for IPv4 gateways; geth fails later.
        let gateway = || match ip.map(|ip| ip.to_canonical()) {
            Some(IpAddr::V4(ip)) => Ok(Some(ip)),
            Some(IpAddr::V6(_)) => Err(NatError::Address),
            None => Ok(None),
        };
        match &*name {
            "" | "none" | "off" => Ok(Self::None),
            "any" | "auto" | "on" => Ok(Self::Any),
            "upnp" => Ok(Self::Upnp),
            "pmp" | "natpmp" | "nat-pmp" => gateway().map(Self::Pmp),
            "pcp" => gateway().map(Self::Pcp),
            "extip" | "ip" => match ip {
                Some(ip) if is_nobodys(ip) => Err(NatError::Address),
                Some(ip) => Ok(Self::ExtIp(ip)),
                None => Err(NatError::Missing),
            },
            _ => Err(NatError::Unknown),
        }
    }
}

/// Whether it is no address of one machine.
fn is_nobodys(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
}

impl fmt::Display for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Any => f.write_str("any"),
            Self::Upnp => f.write_str("upnp"),
            Self::Pmp(None) => f.write_str("pmp"),
            Self::Pmp(Some(gateway)) => write!(f, "pmp:{gateway}"),
            Self::Pcp(None) => f.write_str("pcp"),
            Self::Pcp(Some(gateway)) => write!(f, "pcp:{gateway}"),
            Self::ExtIp(ip) => write!(f, "extip:{ip}"),
            Self::Stun(None) => f.write_str("stun"),
            Self::Stun(Some(server)) => write!(f, "stun:{server}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    fn parse(text: &str) -> Result<Nat, NatError> {
        text.parse()
    }

    /// geth `nat.Parse` and its documentation.
    #[test]
    fn the_values_of_geth_mean_what_they_mean_there() {
        for (texts, nat) in [
            (&["", "none", "off", "NONE"][..], Nat::None),
            (&["any", "auto", "on", "Any"], Nat::Any),
            (&["upnp", "UPnP"], Nat::Upnp),
            (&["pmp", "natpmp", "nat-pmp"], Nat::Pmp(None)),
            (&["pmp:192.168.0.1"], Nat::Pmp(Some([192, 168, 0, 1].into()))),
            (&["extip:77.12.33.4", "ip:77.12.33.4"], Nat::ExtIp([77, 12, 33, 4].into())),
            (&["extip:2001:4860::1"], Nat::ExtIp("2001:4860::1".parse().unwrap())),
            (&["stun", "stun:", "STUN"], Nat::Stun(None)),
        ] {
            for text in texts {
                assert_eq!(parse(text), Ok(nat.clone()), "{text}");
            }
        }
    }

    #[test]
    fn what_is_printed_reads_the_same() {
        for text in [
            "none",
            "any",
            "upnp",
            "pmp",
            "pmp:192.168.0.1",
            "pcp",
            "pcp:10.0.0.1",
            "extip:77.12.33.4",
            "extip:2001:4860::1",
            "stun",
            "stun:192.168.0.1:1234",
            "stun:[2001:4860::1]:3478",
            "stun:stun.example.org:3478",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_stun_server_has_an_address_or_a_name_and_a_port() {
        let server = |text: &str| text.parse::<StunServer>().unwrap();
        assert_eq!(server("192.0.2.1").address(), Some("192.0.2.1:3478".parse().unwrap()));
        assert_eq!(server("[::1]:99").address(), Some("[::1]:99".parse().unwrap()));
        let named = server("stun.example.org");
        assert_eq!((named.address(), named.port()), (None, 3478));
        assert_eq!(named.name().unwrap().as_str(), Some("stun.example.org"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(parse("upmp"), Err(NatError::Unknown));
        assert_eq!(parse("extip"), Err(NatError::Missing));
        assert_eq!(parse("extip:"), Err(NatError::Address));
        assert_eq!(parse("extip:300.1.1.1"), Err(NatError::Address));
        assert_eq!(parse("any:x"), Err(NatError::Address));
        assert_eq!(parse("pmp:::1"), Err(NatError::Address));
        assert_eq!(parse("stun:host:99999"), Err(NatError::Server));
        assert_eq!(parse("stun: :1"), Err(NatError::Server));
    }
}
