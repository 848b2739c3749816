//! The file of `--config`: TOML in geth's names, as `geth dumpconfig` writes it.
//!
//! ```toml
//! [Node]
//! DataDir = "/var/lib/ethereum"
//! UserIdent = "kitchen"
//!
//! [Node.P2P]
//! MaxPeers = 50
//! StaticNodes = ["enode://…@10.0.0.1:30303"]
//! ```
//!
//! A name that geth has and that is nothing to us, its chain's, say, is passed by.
//! Any other is a mistake, and an error. Source: geth `p2p/config.go`,
//! `node/config.go`, `cmd/geth/config.go`.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::ops::Range;
use std::fs::File as SystemFile;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use devp2p_smol::core::identity::{NodeAddress, Subnet, SubnetError};
use devp2p_smol::core::nat::{Nat, NatError};
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::discv4;
use crate::failure::shown;

/// Longest file: some thousands of nodes, whatever their records hold.
const LENGTH: u64 = 4 * 1024 * 1024;

/// Characters of a wrong value that are shown: an enode URL has some more.
const SHOWN: usize = 100;

/// What geth has at the top.
const TOP: Names = Names {
    section: "the file",
    ours: &[("Node", Kind::Table)],
    theirs: &["Eth", "Ethstats", "Metrics"],
};

/// geth's `node.Config`.
const NODE: Names = Names {
    section: "[Node]",
    ours: &[
        ("DataDir", Kind::Text),
        ("IPCPath", Kind::Text),
        ("P2P", Kind::Table),
        ("UserIdent", Kind::Text),
    ],
    theirs: &[
        "AllowUnprotectedTxs",
        "AuthAddr",
        "AuthPort",
        "AuthVirtualHosts",
        "BatchRequestLimit",
        "BatchResponseMaxSize",
        "DBEngine",
        "ExternalSigner",
        "GraphQLCors",
        "GraphQLVirtualHosts",
        "HTTPBodyLimit",
        "HTTPCors",
        "HTTPHost",
        "HTTPModules",
        "HTTPPathPrefix",
        "HTTPPort",
        "HTTPTimeouts",
        "HTTPVirtualHosts",
        "InsecureUnlockAllowed",
        "JWTSecret",
        "KeyStoreDir",
        "OpenTelemetry",
        "SmartCardDaemonPath",
        "USB",
        "UseLightweightKDF",
        "WSExposeAll",
        "WSHost",
        "WSModules",
        "WSOrigins",
        "WSPathPrefix",
        "WSPort",
    ],
};

/// geth's `p2p.Config`.
const P2P: Names = Names {
    section: "[Node.P2P]",
    ours: &[
        ("BootstrapNodes", Kind::Texts),
        ("DialRatio", Kind::Count),
        ("DiscAddr", Kind::Text),
        ("DiscoveryV4", Kind::Switch),
        ("ListenAddr", Kind::Text),
        ("MaxPeers", Kind::Count),
        ("MaxPendingPeers", Kind::Count),
        ("NAT", Kind::Text),
        ("NetRestrict", Kind::Texts),
        ("NoDial", Kind::Switch),
        ("NoDiscovery", Kind::Switch),
        ("NodeDatabase", Kind::Text),
        ("StaticNodes", Kind::Texts),
        ("TrustedNodes", Kind::Texts),
    ],
    theirs: &["BootstrapNodesV5", "DiscoveryV5", "EnableMsgEvents"],
};

/// What the file says; nothing of what it leaves out.
#[derive(Default, Debug, Deserialize)]
#[serde(default)]
pub(super) struct File {
    #[serde(rename = "Node")]
    pub(super) node: Node,
}

#[derive(Default, Debug, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Node {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) user_ident: Option<String>,
    /// None at all if it is empty.
    #[serde(rename = "IPCPath")]
    pub(super) ipc_path: Option<PathBuf>,
    #[serde(rename = "P2P")]
    pub(super) p2p: P2p,
}

#[derive(Default, Debug, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct P2p {
    pub(super) max_peers: Option<usize>,
    pub(super) max_pending_peers: Option<usize>,
    pub(super) dial_ratio: Option<usize>,
    pub(super) no_discovery: bool,
    pub(super) discovery_v4: Option<bool>,
    /// An empty list is one, as geth has it.
    pub(super) bootstrap_nodes: Option<Vec<Named>>,
    pub(super) static_nodes: Vec<Named>,
    pub(super) trusted_nodes: Vec<Named>,
    pub(super) net_restrict: Option<Vec<Network>>,
    pub(super) node_database: Option<PathBuf>,
    pub(super) listen_addr: Option<Listen>,
    pub(super) disc_addr: Option<Listen>,
    pub(super) no_dial: bool,
    #[serde(rename = "NAT")]
    pub(super) nat: Option<Gateway>,
}

/// A node as it is written: an enode URL or a record.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Named(pub(super) NodeAddress);

impl TryFrom<String> for Named {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        discv4::parse(text.trim()).map(Self).map_err(|error| wrong(&text, &error))
    }
}

/// How to become reachable, as `--nat` has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Gateway(pub(super) Nat);

impl TryFrom<String> for Gateway {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.trim().parse().map(Self).map_err(|error: NatError| wrong(&text, &error))
    }
}

/// A range of addresses as it is written: 10.0.0.0/8.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Network(pub(super) Subnet);

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.trim().parse().map(Self).map_err(|error: SubnetError| wrong(&text, &error))
    }
}

/// Which of a list it is: the line that is told is that of its beginning.
fn wrong(text: &str, error: &dyn fmt::Display) -> String {
    let text: String = text.chars().take(SHOWN).collect();
    format!("{text:?}: {error}")
}

/// Where to listen, if anywhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Listen(pub(super) Option<At>);

/// A port, at every address or at one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct At {
    pub(super) ip: Option<IpAddr>,
    pub(super) port: u16,
}

impl TryFrom<String> for Listen {
    type Error = &'static str;

    /// As Go's `net.Listen` has it, without names.
    fn try_from(text: String) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let at = match text.strip_prefix(':') {
            Some(port) => port.parse().ok().map(|port| At { ip: None, port }),
            None => {
                let at = text.parse().ok();
                at.map(|at: SocketAddr| At { ip: Some(at.ip()), port: at.port() })
            }
        };
        at.map(|at| Self(Some(at))).ok_or("invalid address, want \"IP:PORT\" or \":PORT\"")
    }
}

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<File, FileError> {
    let failed = |line, cause| FileError { path: path.to_owned(), line, cause };
    let text = contents(path).map_err(|cause| failed(None, cause))?;
    parse(&text).map_err(|(at, cause)| {
        let line = at.and_then(|at| Some(text.get(..at.start)?.matches('\n').count() + 1));
        failed(line, cause)
    })
}

fn contents(path: &Path) -> Result<String, Cause> {
    let mut text = String::new();
    let file = SystemFile::open(path).map_err(Cause::Io)?;
    file.take(LENGTH + 1).read_to_string(&mut text).map_err(Cause::Io)?;
    if text.len() as u64 > LENGTH { Err(Cause::TooLong) } else { Ok(text) }
}

/// Where in the text it went wrong, if anywhere in particular, and how.
type Wrong = (Option<Range<usize>>, Cause);

fn parse(text: &str) -> Result<File, Wrong> {
    let failed = |error: toml::de::Error| {
        // It may be two lines.
        let message = error.message().replace('\n', ", ");
        (error.span(), Cause::Toml(message))
    };
    let document = DeTable::parse(text).map_err(failed)?;
    let document = document.get_ref();
    TOP.check(document)?;
    if let Some(node) = document.get("Node").and_then(|node| node.get_ref().as_table()) {
        NODE.check(node)?;
        if let Some(p2p) = node.get("P2P").and_then(|p2p| p2p.get_ref().as_table()) {
            P2P.check(p2p)?;
        }
    }
    toml::from_str(text).map_err(failed)
}

/// What a value is, in TOML.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Table,
    Text,
    /// A list of them.
    Texts,
    Switch,
    /// From 0.
    Count,
}

impl Kind {
    /// Where it is something else, if anywhere: of a list, the element.
    fn refuses(self, value: &Spanned<DeValue<'_>>) -> Option<Range<usize>> {
        let is = match (self, value.get_ref()) {
            (Self::Texts, DeValue::Array(list)) => {
                return list.iter().find_map(|element| Self::Text.refuses(element));
            }
            (Self::Count, DeValue::Integer(number)) => {
                usize::from_str_radix(number.as_str(), number.radix()).is_ok()
            }
            (Self::Table, value) => value.is_table(),
            (Self::Text, value) => value.is_str(),
            (Self::Switch, value) => value.is_bool(),
            (Self::Texts | Self::Count, _) => false,
        };
        if is { None } else { Some(value.span()) }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "a table",
            Self::Text => "text in quotes",
            Self::Texts => "a list of texts in quotes",
            Self::Switch => "true or false",
            Self::Count => "a whole number, 0 or more",
        })
    }
}

/// The names that a table may have.
struct Names {
    section: &'static str,
    ours: &'static [(&'static str, Kind)],
    /// What geth reads and we do not.
    theirs: &'static [&'static str],
}

impl Names {
    /// Of several mistakes that which stands first.
    fn check(&self, table: &DeTable<'_>) -> Result<(), Wrong> {
        let wrong = table.iter().filter_map(|(key, value)| self.mistake(key, value));
        match wrong.min_by_key(|(span, _)| span.start) {
            Some((span, cause)) => Err((Some(span), cause)),
            None => Ok(()),
        }
    }

    /// What is wrong with a name, or with its value.
    fn mistake(
        &self,
        key: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<(Range<usize>, Cause)> {
        let name: &str = key.get_ref();
        if let Some((name, want)) = self.ours.iter().find(|(known, _)| *known == name) {
            return Some((want.refuses(value)?, Cause::Kind { name, want: *want }));
        }
        if self.theirs.contains(&name) {
            tracing::info!("{name} in {} is geth's, and nothing to us", self.section);
            return None;
        }
        let (nearest, name) = (self.nearest(name), name.to_owned());
        Some((key.span(), Cause::Unknown { name, section: self.section, nearest }))
    }

    /// The name that was probably meant, whatever its case: one of which no more than
    /// a third is otherwise.
    fn nearest(&self, name: &str) -> Option<&'static str> {
        let name = name.to_lowercase();
        let most = name.chars().count() / 3;
        let distance = |known: &str| strsim::damerau_levenshtein(&known.to_lowercase(), &name);
        let known = self.ours.iter().map(|(known, _)| known).chain(self.theirs);
        let near = known.map(|known| (distance(known), *known)).filter(|near| near.0 <= most);
        near.min_by_key(|near| near.0).map(|(_, known)| known)
    }
}

/// A file that is no configuration.
#[derive(Debug)]
pub(crate) struct FileError {
    path: PathBuf,
    /// From 1.
    line: Option<usize>,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    /// It cannot be read.
    Io(io::Error),
    /// It has more than [`LENGTH`] bytes.
    TooLong,
    /// It is no TOML, or a value says nothing that its name can take.
    Toml(String),
    /// A value is not even of the kind that its name wants.
    Kind { name: &'static str, want: Kind },
    /// geth has no such name.
    Unknown { name: String, section: &'static str, nearest: Option<&'static str> },
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.path))?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.cause)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::TooLong => write!(f, "more than {LENGTH} bytes"),
            Self::Toml(message) => f.write_str(message),
            Self::Kind { name, want } => write!(f, "{name}: want {want}"),
            Self::Unknown { name, section, nearest } => {
                write!(f, "there is no {name:?} in {section}")?;
                match nearest {
                    Some(nearest) => write!(f, ", the nearest is {nearest:?}"),
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
