//! Where an enode URL points: an address, or a name that is still to be
//! looked up.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::str;

use super::url;
use crate::limits;

/// The host of an enode URL. A name stays a name: nothing here resolves it.
///
/// It prints as it stands in a URL: IPv6 addresses in brackets, names with
/// what a URL may not hold escaped.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Host {
    /// An address.
    Ip(IpAddr),
    /// A name, or an address with a zone.
    Name(HostName),
}

impl Host {
    /// The address as geth would keep it: an IPv4-mapped IPv6 address becomes
    /// the IPv4 one, a multicast address is no endpoint and is dropped. geth
    /// `enr.IP`, `validIP`.
    pub(super) fn from_ip(ip: IpAddr) -> Option<Self> {
        let ip = ip.to_canonical();
        (!ip.is_multicast()).then_some(Self::Ip(ip))
    }

    /// The host that the decoded bytes of a URL name.
    pub(super) fn from_url(bytes: Vec<u8>) -> Result<Option<Self>, HostNameError> {
        match parse_ip(&bytes) {
            Some(ip) => Ok(Self::from_ip(ip)),
            None if bytes.is_empty() => Ok(None),
            None => HostName::bounded(bytes).map(|name| Some(Self::Name(name))),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Name(name) => name.fmt(f),
        }
    }
}

fn parse_ip(bytes: &[u8]) -> Option<IpAddr> {
    str::from_utf8(bytes).ok()?.parse().ok()
}

/// A host name, 1 to [`limits::HOST_NAME`] bytes.
///
/// geth takes almost anything for a name, also `127.0.0.01` (which is no
/// address) and `fe80::1%en0` (whose zone only one machine understands); only
/// a look-up tells. It may even be no UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Box<[u8]>);

impl HostName {
    /// A name as a person writes it, unescaped. Refused is what could not be
    /// read back from a URL.
    pub fn new(name: &str) -> Result<Self, HostNameError> {
        if name.is_empty() {
            return Err(HostNameError::Empty);
        }
        let bad = |c: &char| *c == '[' || (c.is_ascii() && *c != '%' && !url::is_host_char(*c));
        if let Some(character) = name.chars().find(bad) {
            return Err(HostNameError::Character(character));
        }
        if name.parse::<IpAddr>().is_ok() {
            return Err(HostNameError::Address);
        }
        Self::bounded(name.into())
    }

    fn bounded(name: Vec<u8>) -> Result<Self, HostNameError> {
        if name.len() > limits::HOST_NAME {
            return Err(HostNameError::TooLong);
        }
        Ok(Self(name.into()))
    }

    /// The name, unescaped; `None` if it is no UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        str::from_utf8(&self.0).ok()
    }

    /// The bytes of the name, unescaped.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// As it stands in a URL.
impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| match char::from(*byte) {
            c if url::is_host_char(c) => fmt::Write::write_char(f, c),
            _ => write!(f, "%{byte:02X}"),
        })
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Why a text is no host name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HostNameError {
    /// Nothing at all.
    Empty,
    /// More than [`limits::HOST_NAME`] bytes.
    TooLong,
    /// An IP address, which is no name.
    Address,
    /// A character that no host may have.
    Character(char),
}

impl fmt::Display for HostNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty host name"),
            Self::TooLong => write!(f, "host name longer than {} bytes", limits::HOST_NAME),
            Self::Address => f.write_str("an address where a host name is wanted"),
            Self::Character(c) => write!(f, "invalid character {c:?} in host name"),
        }
    }
}

impl core::error::Error for HostNameError {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn a_name_prints_as_a_url_holds_it() {
        let name = HostName::new("bücher.example%1").unwrap();
        assert_eq!(name.to_string(), "b%C3%BCcher.example%251");
        assert_eq!(name.as_str(), Some("bücher.example%1"));
        assert_eq!(alloc::format!("{name:?}"), "\"b%C3%BCcher.example%251\"");
    }

    #[test]
    fn what_no_url_could_hold_is_no_name() {
        assert_eq!(HostName::new(""), Err(HostNameError::Empty));
        assert_eq!(HostName::new("a b"), Err(HostNameError::Character(' ')));
        assert_eq!(HostName::new("a/b"), Err(HostNameError::Character('/')));
        assert_eq!(HostName::new("a@b"), Err(HostNameError::Character('@')));
        assert_eq!(HostName::new("a\0"), Err(HostNameError::Character('\0')));
        assert_eq!(HostName::new("[::1]"), Err(HostNameError::Character('[')));
        assert_eq!(HostName::new("1.2.3.4"), Err(HostNameError::Address));
        assert_eq!(HostName::new("::1"), Err(HostNameError::Address));
        assert!(HostName::new(&"a".repeat(255)).is_ok());
        assert_eq!(HostName::new(&"a".repeat(256)), Err(HostNameError::TooLong));
    }
}
