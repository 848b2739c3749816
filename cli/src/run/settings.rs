//! What `run` is to do: the command line, then the file of `--config`, then
//! geth's defaults.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use devp2p_smol::core::crypto::SecretKey;
use devp2p_smol::core::entropy::Seed;
use devp2p_smol::core::identity::{NetRestrict, NodeAddress, NodeId, Subnet};
use devp2p_smol::core::limits;
use devp2p_smol::core::nat::Nat;
use devp2p_smol::core::node::{self, Expected};
use devp2p_smol::{Config, Limits, Node, StartError};

use super::file::{self, At, File, Listen, Named, P2p};
use crate::admin;
use crate::args::{Network, Run};
use crate::discv4;
use crate::failure::{Failure, shown};
use crate::rlpx::{client_name, echo_offer};
use crate::runtime::Runtime;

/// geth's port.
const EVERYWHERE: At = At { ip: None, port: 30303 };

/// What stands as long as the node runs, and what SIGHUP has read again.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) data_directory: Option<PathBuf>,
    /// The admin socket, if there is to be one.
    pub(super) socket: Option<PathBuf>,
    pub(super) live: Live,
    node_database: Option<PathBuf>,
    identity: Option<String>,
    bootnodes: Vec<NodeAddress>,
    net_restrict: Option<Vec<Subnet>>,
    discovery: bool,
    no_dial: bool,
    echo: bool,
    nat: Nat,
    listen: Option<At>,
    discovery_at: Option<At>,
}

/// What may change while a node runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Live {
    pub(super) limits: Limits,
    pub(super) static_nodes: Vec<NodeAddress>,
    pub(super) trusted_nodes: Vec<NodeId>,
}

impl Settings {
    /// Reads the file, if one is named, and looks up the bootnodes.
    pub(super) fn read(arguments: &Run) -> Result<Self, Failure> {
        warn_of_what_is_not_here(arguments);
        let file = read_file(arguments)?;
        let live = Live::of(arguments, &file)?;
        let File { node: file::Node { data_dir, user_ident, ipc_path, p2p } } = file;
        let (listen, discovery_at) = addresses(arguments, &p2p);
        let v4 = arguments.discovery_v4.or(p2p.discovery_v4).unwrap_or(true);
        let discovery = v4 && !arguments.nodiscover.unwrap_or(p2p.no_discovery);
        let bootnodes =
            if discovery { bootnodes(arguments, p2p.bootstrap_nodes)? } else { Vec::new() };
        let nat = arguments.nat.clone().or_else(|| p2p.nat.map(|gateway| gateway.0));
        let networks = p2p.net_restrict.map(|networks| networks.iter().map(|one| one.0).collect());
        let net_restrict = arguments.netrestrict.clone().and_then(|named| named.0).or(networks);
        let identity = identity(arguments, user_ident)?;
        // In a file an empty name is no directory to geth.
        let data_directory = named(&arguments.datadir).or_else(|| named(&data_dir));
        Ok(Self {
            socket: socket(arguments, ipc_path, data_directory.as_deref()),
            data_directory,
            live,
            node_database: named(&arguments.nodedb).or_else(|| named(&p2p.node_database)),
            identity,
            bootnodes,
            net_restrict,
            discovery,
            no_dial: p2p.no_dial,
            echo: arguments.echo,
            nat: nat.unwrap_or(Nat::Any),
            listen,
            discovery_at,
        })
    }

    /// What the node is told.
    pub(super) fn node(&self, key: SecretKey) -> Result<node::Config, Failure> {
        let mut config = node::Config::new(key);
        config.client_name = client_name(self.identity.as_deref());
        if self.echo {
            config.greeting = echo_offer()?;
        }
        config.limits = self.live.limits;
        config.no_dial = self.no_dial;
        config.discovery = self.discovery;
        config.bootstrap_nodes = self.bootnodes.iter().map(NodeAddress::contact).collect();
        config.net_restrict = self.net_restrict.clone().map(NetRestrict::new);
        config.static_nodes.clone_from(&self.live.static_nodes);
        config.trusted_nodes.clone_from(&self.live.trusted_nodes);
        Ok(config)
    }

    /// Starts it. Where every address is meant and there is no IPv6, at those of
    /// IPv4.
    pub(super) fn start(
        &self,
        config: node::Config,
        seed: Seed,
        kept: Option<PathBuf>,
        runtime: &Runtime,
    ) -> Result<Node, Failure> {
        let database = self.node_database.clone().or(kept);
        let at = |every: IpAddr| {
            let config = Config::new(config.clone(), seed.clone());
            let mut config = config.nat(self.nat.clone());
            if let Some(listen) = self.listen {
                config = config.listen(listen.on(every));
            }
            if let Some(discovery) = self.discovery_at {
                config = config.discovery(discovery.on(every));
            }
            if let Some(database) = &database {
                config = config.node_database(database);
            }
            runtime.start(config)
        };
        let started = match at(Ipv6Addr::UNSPECIFIED.into()) {
            // Somebody who has the port has it of both.
            Err(StartError::Listen(_, error)) if error.kind() != ErrorKind::AddrInUse => {
                at(Ipv4Addr::UNSPECIFIED.into())
            }
            started => started,
        };
        started.map_err(|error| Failure::of_start(error, database.as_deref()))
    }
}

impl Live {
    /// Reads the file again.
    pub(super) fn read(arguments: &Run) -> Result<Self, Failure> {
        Self::of(arguments, &read_file(arguments)?)
    }

    fn of(arguments: &Run, file: &File) -> Result<Self, Failure> {
        let p2p = &file.node.p2p;
        let mut limits = Limits::default();
        let peers = arguments.maxpeers.or(p2p.max_peers);
        limits.max_peers = peers.unwrap_or(limits.max_peers);
        let pending = arguments.maxpendpeers.or(p2p.max_pending_peers);
        limits.max_pending_peers = pending.unwrap_or(limits.max_pending_peers);
        limits.dial_ratio = p2p.dial_ratio.unwrap_or(limits.dial_ratio);
        limits.check().map_err(|error| at_fault(arguments, error.field, error.expected))?;
        let nodes = |option, list: &Option<String>, file: &[Named]| match list {
            Some(_) => discv4::nodes(option, list),
            None => Ok(file.iter().map(|node| node.0.clone()).collect()),
        };
        let static_nodes = nodes("--staticnodes", &arguments.staticnodes, &p2p.static_nodes)?;
        let trusted = nodes("--trustednodes", &arguments.trustednodes, &p2p.trusted_nodes)?;
        for (field, count, most) in [
            ("StaticNodes", static_nodes.len(), limits::STATIC_NODES),
            ("TrustedNodes", trusted.len(), limits::TRUSTED_NODES),
        ] {
            if count > most {
                return Err(at_fault(arguments, field, Expected::AtMost(most)));
            }
        }
        let trusted_nodes = trusted.iter().map(NodeAddress::node_id).collect();
        Ok(Self { limits, static_nodes, trusted_nodes })
    }
}

impl At {
    /// With the address that stands for every one.
    fn on(self, every: IpAddr) -> SocketAddr {
        SocketAddr::new(self.ip.unwrap_or(every), self.port)
    }
}

fn read_file(arguments: &Run) -> Result<File, Failure> {
    match &arguments.config {
        Some(path) => Ok(file::read(path)?),
        None => Ok(File::default()),
    }
}

/// The name of this node among others like it, if the hello has room for it.
fn identity(arguments: &Run, file: Option<String>) -> Result<Option<String>, Failure> {
    let identity = arguments.identity.clone().or(file);
    let rest = client_name(None).len() + "/".len();
    let most = limits::CLIENT_NAME.saturating_sub(rest);
    match &identity {
        Some(name) if name.len() > most => {
            Err(at_fault(arguments, "UserIdent", format_args!("longer than {most} bytes")))
        }
        Some(_) | None => Ok(identity),
    }
}

/// Names the flag of a setting that cannot be, or the file that it stands in.
fn at_fault(arguments: &Run, field: &str, why: impl fmt::Display) -> Failure {
    let flag = match field {
        "MaxPeers" => arguments.maxpeers.map(|_| "--maxpeers"),
        "MaxPendingPeers" => arguments.maxpendpeers.map(|_| "--maxpendpeers"),
        "StaticNodes" => arguments.staticnodes.as_ref().map(|_| "--staticnodes"),
        "TrustedNodes" => arguments.trustednodes.as_ref().map(|_| "--trustednodes"),
        "UserIdent" => arguments.identity.as_ref().map(|_| "--identity"),
        _ => None,
    };
    let place = match (flag, &arguments.config) {
        (Some(flag), _) => flag.to_owned(),
        (None, Some(file)) => format!("{}: {field}", shown(file)),
        (None, None) => field.to_owned(),
    };
    Failure::Setting(place, why.to_string())
}

/// What geth would do at these flags, and we do not.
fn warn_of_what_is_not_here(arguments: &Run) {
    if arguments.discovery_v5 == Some(true) {
        tracing::warn!("--discovery.v5 does nothing: there is no discovery v5 here");
    }
    if arguments.discovery_dns.as_ref().is_some_and(|urls| !urls.is_empty()) {
        tracing::warn!("--discovery.dns does nothing: there is no discovery by DNS here");
    }
}

fn named(path: &Option<PathBuf>) -> Option<PathBuf> {
    path.clone().filter(|path| !path.as_os_str().is_empty())
}

/// The admin socket: that which is named, else that of the data directory. geth
/// `setIPC`, `Config.IPCEndpoint`.
fn socket(arguments: &Run, file: Option<PathBuf>, datadir: Option<&Path>) -> Option<PathBuf> {
    if arguments.ipcdisable == Some(true) {
        return None;
    }
    match arguments.ipcpath.clone().or(file) {
        Some(path) if path.as_os_str().is_empty() => None,
        Some(path) => Some(admin::socket_at(&path, datadir)),
        None => datadir.map(admin::socket_of),
    }
}

/// Where to listen for TCP, if at all, and where discovery is if not there.
fn addresses(arguments: &Run, file: &P2p) -> (Option<At>, Option<At>) {
    let Run { port, addr, discovery_port, .. } = *arguments;
    let listen = match (port, addr, file.listen_addr) {
        (None, None, Some(Listen(listen))) => listen,
        (_, _, listen) => {
            let listen = listen.and_then(|listen| listen.0).unwrap_or(EVERYWHERE);
            Some(At { ip: addr.or(listen.ip), port: port.unwrap_or(listen.port) })
        }
    };
    let discovery = file.disc_addr.and_then(|listen| listen.0);
    let ip = addr.or_else(|| discovery.or(listen).and_then(|at| at.ip));
    let port = discovery_port.or_else(|| discovery.map(|at| at.port));
    (listen, port.map(|port| At { ip, port }))
}

/// The command line's, the file's, or those of a network. geth
/// `setBootstrapNodes`.
fn bootnodes(arguments: &Run, file: Option<Vec<Named>>) -> Result<Vec<NodeAddress>, Failure> {
    match (&arguments.bootnodes, file) {
        (Some(list), _) => discv4::bootnodes(Some(list)),
        (None, Some(nodes)) => discv4::looked_up(nodes.into_iter().map(|node| node.0).collect()),
        (None, None) => discv4::public(arguments.network().unwrap_or(Network::Mainnet)),
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
