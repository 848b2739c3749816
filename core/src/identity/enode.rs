//! Enode URLs: a public key and, perhaps, where its owner can be reached.
//!
//! ```text
//! enode://<128 hex digits>@<address or name>:<TCP port>?discport=<UDP port>
//! enode://<128 hex digits>
//!         <128 hex digits>
//! ```
//!
//! Every text gives what geth's `enode.ParseV4` gives, and prints as its
//! `URLv4` prints it (go-ethereum 1.17.6 built with Go 1.26; proof in
//! `tests/vectors/enode`). That is more lenient than the documents say. Only
//! the two bounds on length are ours.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;

use super::url::Url;
use super::{
    Host, HostName, HostNameError, NodeId, PublicKeyError, PublicKeyHex, public_key_from_hex,
};
use crate::crypto::PublicKey;
use crate::limits;

/// A node as an enode URL describes it.
///
/// ```
/// use devp2p_core::identity::Enode;
///
/// let key = "1dd9d65c4552b5eb43d5ad55a2ee3f56c6cbc1c64a5c8d659f51fcd51bace243\
///            51232b8d7821617d2b29b54b81cdefb9b3e9c37d7fd5f63270bcc9e1a6f6a439";
/// let url = format!("enode://{key}@10.3.58.6:30303?discport=30301");
/// let node: Enode = url.parse()?;
/// assert_eq!(node.tcp_endpoint(), Some("10.3.58.6:30303".parse().unwrap()));
/// assert_eq!(node.udp(), 30301);
/// assert_eq!(node.to_string(), url);
/// # Ok::<(), devp2p_core::identity::EnodeError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Enode {
    public_key: PublicKey,
    host: Option<Host>,
    tcp: u16,
    udp: u16,
}

impl Enode {
    /// A node that listens at an address; port 0 where it does not.
    ///
    /// As in geth an IPv4-mapped IPv6 address becomes the IPv4 one, and a
    /// multicast address is left out.
    pub fn new(public_key: PublicKey, ip: IpAddr, tcp: u16, udp: u16) -> Self {
        Self { public_key, host: Host::from_ip(ip), tcp, udp }
    }

    /// A node whose address is found by looking its name up.
    pub const fn with_host_name(public_key: PublicKey, name: HostName, tcp: u16, udp: u16) -> Self {
        Self { public_key, host: Some(Host::Name(name)), tcp, udp }
    }

    /// A node of which nothing but its key is known.
    pub const fn incomplete(public_key: PublicKey) -> Self {
        Self { public_key, host: None, tcp: 0, udp: 0 }
    }

    /// The node's static key.
    pub const fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The id that belongs to the key. Costs one hash.
    pub fn node_id(&self) -> NodeId {
        NodeId::from(&self.public_key)
    }

    /// Where the node is, if anywhere.
    pub const fn host(&self) -> Option<&Host> {
        self.host.as_ref()
    }

    /// The address, if there is one; `None` for a name.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self.host {
            Some(Host::Ip(ip)) => Some(ip),
            Some(Host::Name(_)) | None => None,
        }
    }

    /// The name, if there is one; `None` for an address.
    pub const fn host_name(&self) -> Option<&HostName> {
        match &self.host {
            Some(Host::Name(name)) => Some(name),
            Some(Host::Ip(_)) | None => None,
        }
    }

    /// The TCP port; 0 if there is none.
    pub const fn tcp(&self) -> u16 {
        self.tcp
    }

    /// The UDP port; 0 if there is none.
    pub const fn udp(&self) -> u16 {
        self.udp
    }

    /// Where to dial the node: an address that is specified, a port that is
    /// not 0. geth `TCPEndpoint`.
    pub fn tcp_endpoint(&self) -> Option<SocketAddr> {
        self.endpoint(self.tcp)
    }

    /// Where to send the node packets, by the same rule. geth `UDPEndpoint`.
    pub fn udp_endpoint(&self) -> Option<SocketAddr> {
        self.endpoint(self.udp)
    }

    fn endpoint(&self, port: u16) -> Option<SocketAddr> {
        let ip = self.ip().filter(|ip| !ip.is_unspecified())?;
        (port != 0).then_some(SocketAddr::new(ip, port))
    }
}

impl FromStr for Enode {
    type Err = EnodeError;

    fn from_str(text: &str) -> Result<Self, EnodeError> {
        if text.len() > limits::ENODE_URL {
            return Err(EnodeError::TooLong);
        }
        if let Some(digits) = incomplete_digits(text) {
            return Ok(Self::incomplete(public_key_from_hex(digits.as_bytes())?));
        }
        let url = Url::parse(text)?;
        let user = url.user.as_deref().ok_or(EnodeError::MissingNodeId)?;
        let public_key = public_key_from_hex(user)?;
        let tcp = port(url.port.as_bytes()).ok_or(EnodeError::Port)?;
        let udp = match url.query_value("discport") {
            Some(value) if !value.is_empty() => port(&value).ok_or(EnodeError::DiscoveryPort)?,
            Some(_) | None => tcp,
        };
        Ok(Self { public_key, host: Host::from_url(url.host)?, tcp, udp })
    }
}

/// The digits of an incomplete URL: nothing but a scheme and hex.
fn incomplete_digits(text: &str) -> Option<&str> {
    const SCHEME: &str = "enode://";
    let digits = match text.split_at_checked(SCHEME.len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => rest,
        Some(_) | None => text,
    };
    let hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex.then_some(digits)
}

/// Digits only, as many as you like, at most 65535. Go `strconv.ParseUint`.
fn port(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u16, |port, byte| {
        let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?;
        port.checked_mul(10)?.checked_add(digit)
    })
}

/// As geth's `URLv4`. A node without a host prints without its ports, so those
/// of `enode://…@:30303` are lost.
impl fmt::Display for Enode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "enode://{}", PublicKeyHex(&self.public_key))?;
        if let Some(host) = &self.host {
            write!(f, "@{host}:{}", self.tcp)?;
            if self.udp != self.tcp {
                write!(f, "?discport={}", self.udp)?;
            }
        }
        Ok(())
    }
}

/// Why a text is no enode URL: the first fault found, in geth's order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum EnodeError {
    /// More than [`limits::ENODE_URL`] bytes.
    TooLong,
    /// A control character before the fragment, a line end for example.
    ControlCharacter,
    /// Neither a public key alone nor a URL of the scheme `enode`.
    Scheme,
    /// A percent sign without two hex digits, or one that escapes what must
    /// not be escaped there.
    Escape,
    /// A character that no host may have.
    HostCharacter(char),
    /// Brackets around, or in, something that is no IPv6 address.
    IpLiteral,
    /// An opening bracket before the host, and no closing one.
    MissingBracket,
    /// A character before the `@` that may not stand there.
    UserInfo,
    /// No `@`, so no public key before it.
    MissingNodeId,
    /// What stands before the `@`, or alone, is no public key.
    PublicKey(PublicKeyError),
    /// The TCP port is missing, no decimal number, or above 65535.
    Port,
    /// `discport` is no decimal number, or above 65535.
    DiscoveryPort,
    /// The host is no name.
    HostName(HostNameError),
}

impl From<PublicKeyError> for EnodeError {
    fn from(error: PublicKeyError) -> Self {
        Self::PublicKey(error)
    }
}

impl From<HostNameError> for EnodeError {
    fn from(error: HostNameError) -> Self {
        Self::HostName(error)
    }
}

impl fmt::Display for EnodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "enode URL longer than {} bytes", limits::ENODE_URL),
            Self::ControlCharacter => f.write_str("invalid control character in URL"),
            Self::Scheme => f.write_str("invalid URL scheme, want \"enode\""),
            Self::Escape => f.write_str("invalid URL escape"),
            Self::HostCharacter(c) => write!(f, "invalid character {c:?} in host name"),
            Self::IpLiteral => f.write_str("invalid IP-literal"),
            Self::MissingBracket => f.write_str("missing ']' in host"),
            Self::UserInfo => f.write_str("invalid userinfo"),
            Self::MissingNodeId => f.write_str("does not contain node ID"),
            Self::PublicKey(error) => write!(f, "invalid public key ({error})"),
            Self::Port => f.write_str("invalid port"),
            Self::DiscoveryPort => f.write_str("invalid discport in query"),
            Self::HostName(error) => write!(f, "invalid host ({error})"),
        }
    }
}

impl core::error::Error for EnodeError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        if let Self::PublicKey(error) = self {
            return Some(error);
        }
        if let Self::HostName(error) = self {
            return Some(error);
        }
        None
    }
}

#[cfg(test)]
mod tests;
