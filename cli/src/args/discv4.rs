//! The arguments of `discv4`: who this node is, whom it begins with, and what each
//! command does.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::num::NonZeroUsize;
use core::str::FromStr;
use std::path::PathBuf;

use clap::{Args as Arguments, Subcommand};
use devp2p_smol::host::Nat;
use jiff::SignedDuration;

use super::duration;

#[derive(Debug, Subcommand)]
pub(crate) enum Discv4 {
    /// Pings a node and prints how fast it answers
    Ping(AskNode),
    /// Asks a node for its record (EIP-868) and prints that
    Requestenr(AskNode),
    /// Finds a node's latest record wherever it is now, and prints that
    Resolve(AskNode),
    /// Finds out which nodes there are, and notes in a file which of them answer
    Crawl(Crawl),
    /// Runs a node for discovery alone: a bootnode
    ///
    /// It runs until SIGINT or SIGTERM, also when nobody reads any more what it
    /// prints.
    Listen(Bootnode),
}

impl Discv4 {
    pub(super) const fn wants_json(&self) -> bool {
        match self {
            Self::Ping(AskNode { discover, .. })
            | Self::Requestenr(AskNode { discover, .. })
            | Self::Resolve(AskNode { discover, .. })
            | Self::Crawl(Crawl { discover, .. })
            | Self::Listen(Bootnode { discover, .. }) => discover.json,
        }
    }
}

/// What all `discv4` commands take.
#[derive(Debug, Arguments)]
pub(crate) struct Discover {
    /// Nodes to begin with, separated by commas; an empty list is none
    /// [default: those of mainnet]
    #[arg(long, value_name = "NODES")]
    pub(crate) bootnodes: Option<String>,
    /// File with the secret key to use [default: a new key each time]
    #[arg(long, value_name = "FILE")]
    pub(crate) nodekey: Option<PathBuf>,
    /// The secret key itself as 64 hex digits, which geth's tool calls
    /// --nodekey. Others on this machine may see it
    #[arg(long, value_name = "HEX", conflicts_with = "nodekey")]
    pub(crate) nodekeyhex: Option<String>,
    /// Directory of the node database, geth's, where nodes are remembered from
    /// one run to the next; it is made if it is not there [default: nothing is
    /// remembered]
    #[arg(long, value_name = "DIR")]
    pub(crate) nodedb: Option<PathBuf>,
    /// Where to listen; port 0 lets the system choose, :PORT is every address
    /// [default: :0]
    #[arg(long, value_name = "IP:PORT", value_parser = address)]
    pub(crate) addr: Option<SocketAddr>,
    /// The address to announce, with a port if it is another than the one
    /// listened at; two, separated by a comma, are IPv4 and IPv6
    /// [default: what others say they see]
    #[arg(long, value_name = "IP[:PORT]")]
    pub(crate) extaddr: Option<External>,
    /// Prints JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Arguments)]
pub(crate) struct AskNode {
    /// The node, as an enode URL or a record
    #[arg(value_name = "NODE", allow_hyphen_values = true)]
    pub(crate) node: String,
    #[command(flatten)]
    pub(crate) discover: Discover,
}

#[derive(Debug, Arguments)]
pub(crate) struct Crawl {
    /// The file of nodes; if it is there already the crawl goes on with it
    #[arg(value_name = "NODES.JSON")]
    pub(crate) file: PathBuf,
    /// How long to look for more nodes once those of the file have had their
    /// turn, as 90s or 1h30m; 0 until it is interrupted
    #[arg(long, default_value = "30m", value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: SignedDuration,
    /// Nodes to ask at a time
    #[arg(long, default_value = "16", value_name = "N", value_parser = parallel)]
    pub(crate) parallel: NonZeroUsize,
    /// Time between two writings of the file while the crawl goes on; 0 writes
    /// it only in the end
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = duration)]
    pub(crate) save_every: SignedDuration,
    #[command(flatten)]
    pub(crate) discover: Discover,
}

#[derive(Debug, Arguments)]
pub(crate) struct Bootnode {
    /// How to become reachable from outside: any, none, upnp, pmp[:IP], pcp[:IP],
    /// extip:IP or stun[:HOST[:PORT]]; IP is the gateway, or ours for extip
    /// [default: any, or none with --extaddr]
    #[allow(rustdoc::broken_intra_doc_links, reason = "in brackets is what may be left out")]
    #[arg(long, value_name = "HOW")]
    pub(crate) nat: Option<Nat>,
    #[command(flatten)]
    pub(crate) discover: Discover,
}

/// More than this many discovery itself would not take on.
const PARALLEL: usize = 256;

fn parallel(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse().map_err(|error| format!("{error}"))?;
    if NonZeroUsize::get(number) > PARALLEL {
        return Err(format!("more than {PARALLEL}"));
    }
    Ok(number)
}

/// `:30303` is every address, as Go has it.
fn address(text: &str) -> Result<SocketAddr, String> {
    let address = match text.strip_prefix(':') {
        Some(port) => port.parse().ok().map(|port| (Ipv6Addr::UNSPECIFIED, port).into()),
        None => text.parse().ok(),
    };
    address.ok_or_else(|| "want IP:PORT or :PORT".to_owned())
}

/// What is announced in place of what is found out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct External {
    pub(crate) ips: Vec<IpAddr>,
    pub(crate) port: Option<u16>,
}

/// Why a text announces nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ExternalError {
    /// A part is neither an IP address nor one with a port.
    Invalid(String),
    /// There is one socket, and so one port.
    Ports(u16, u16),
    /// Nothing is there.
    Empty,
}

impl FromStr for External {
    type Err = ExternalError;

    fn from_str(text: &str) -> Result<Self, ExternalError> {
        let (mut ips, mut port) = (Vec::new(), None);
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (ip, its_port) = ip_and_port(part)?;
            match (port, its_port) {
                (Some(one), Some(other)) if one != other => {
                    return Err(ExternalError::Ports(one, other));
                }
                (_, None) => {}
                (_, some) => port = some,
            }
            ips.push(ip);
        }
        if ips.is_empty() { Err(ExternalError::Empty) } else { Ok(Self { ips, port }) }
    }
}

/// Port 0 is as good as none.
fn ip_and_port(part: &str) -> Result<(IpAddr, Option<u16>), ExternalError> {
    if let Ok(ip) = part.parse() {
        return Ok((ip, None));
    }
    let address: SocketAddr = part.parse().map_err(|_| ExternalError::Invalid(part.to_owned()))?;
    Ok((address.ip(), Some(address.port()).filter(|port| *port != 0)))
}

impl fmt::Display for ExternalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(text) => write!(f, "invalid external address {text:?}"),
            Self::Ports(one, other) => {
                write!(f, "all addresses must announce the same UDP port, got {one} and {other}")
            }
            Self::Empty => f.write_str("no address"),
        }
    }
}

impl core::error::Error for ExternalError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announced_address_is_one_of_each_family_with_one_port() {
        let external = |ips: &[&str], port| External {
            ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
            port,
        };
        for (text, expected) in [
            ("192.0.2.1", external(&["192.0.2.1"], None)),
            ("192.0.2.1:30303", external(&["192.0.2.1"], Some(30303))),
            ("2001:db8::1", external(&["2001:db8::1"], None)),
            ("[2001:db8::1]:7", external(&["2001:db8::1"], Some(7))),
            (" 192.0.2.1:7 , 2001:db8::1,", external(&["192.0.2.1", "2001:db8::1"], Some(7))),
            ("192.0.2.1,[2001:db8::1]:7", external(&["192.0.2.1", "2001:db8::1"], Some(7))),
            ("192.0.2.1:0", external(&["192.0.2.1"], None)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        let parse = |text: &str| text.parse::<External>().unwrap_err();
        assert_eq!(parse("192.0.2.1:1,[::1]:2"), ExternalError::Ports(1, 2));
        assert_eq!(parse("nowhere"), ExternalError::Invalid("nowhere".into()));
        assert_eq!(parse("192.0.2.1:x"), ExternalError::Invalid("192.0.2.1:x".into()));
        assert_eq!(parse(" , "), ExternalError::Empty);
    }

    #[test]
    fn a_port_alone_is_every_address() {
        assert_eq!(address(":30303"), Ok("[::]:30303".parse().unwrap()));
        assert_eq!(address("127.0.0.1:0"), Ok("127.0.0.1:0".parse().unwrap()));
        for text in ["", ":", "30303", "localhost:1", ":70000"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
