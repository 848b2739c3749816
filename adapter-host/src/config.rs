//! How a node is to be run, on whatever runtime, and why it did not start.

use core::fmt;
use core::net::SocketAddr;
use std::io;
use std::path::PathBuf;

use devp2p_core::entropy::Seed;
use devp2p_core::nat::Nat;
use devp2p_core::node::{self, ConfigError};

use crate::Verifiers;
use crate::store::StoreError;

/// How a node is to be run: what core is told, and what has to do with sockets,
/// threads and files.
#[derive(Debug)]
pub struct Config {
    pub(crate) node: node::Config,
    pub(crate) seed: Seed,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) discovery: Option<SocketAddr>,
    pub(crate) verifiers: usize,
    pub(crate) node_database: Option<PathBuf>,
    pub(crate) nat: Nat,
}

impl Config {
    /// A node that does not listen for TCP.
    ///
    /// All that it draws grows from `seed`: take it from [`seed`](crate::seed), and
    /// keep no copy of it. The node keeps none: what its memory holds later tells
    /// nothing of connections that have ended.
    pub fn new(node: node::Config, seed: Seed) -> Self {
        let verifiers = Verifiers::default_threads();
        Self {
            node,
            seed,
            listen: None,
            discovery: None,
            verifiers,
            node_database: None,
            nat: Nat::None,
        }
    }

    /// Listens for TCP at this address; port 0 lets the system choose. geth
    /// `ListenAddr`.
    #[must_use]
    pub const fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = Some(address);
        self
    }

    /// Has discovery at this address; else it is where TCP is, or at every IPv4
    /// address and a port that the system chooses. `[::]` takes IPv4 as well. geth
    /// `DiscAddr`.
    #[must_use]
    pub const fn discovery(mut self, address: SocketAddr) -> Self {
        self.discovery = Some(address);
        self
    }

    /// For adapters: leaves of it what discovery alone needs.
    pub fn discovery_only(&mut self) {
        self.listen = None;
        self.node.discovery = true;
        self.node.no_dial = true;
    }

    /// Verifies packets in so many threads; with 0 in the node's loop itself,
    /// beside all else that the runtime runs. By default
    /// [`Verifiers::default_threads`].
    #[must_use]
    pub const fn verifiers(mut self, threads: usize) -> Self {
        self.verifiers = threads;
        self
    }

    /// Keeps what discovery learns in this directory, in geth's format; without
    /// it nothing is remembered beyond the end. geth `NodeDatabase`.
    ///
    /// A database that is damaged is set aside and another one begun: see
    /// [`StoreCounts`](devp2p_core::store::StoreCounts) in the
    /// [snapshot](devp2p_core::driver::DiscoverySnapshot).
    #[must_use]
    pub fn node_database(mut self, directory: impl Into<PathBuf>) -> Self {
        self.node_database = Some(directory.into());
        self
    }

    /// How it becomes reachable from outside; by default it sees to nothing. A
    /// gateway is asked by a thread of its own, which holds up neither start nor
    /// stop, and never for a socket that is bound to loopback. UPnP is there with
    /// the feature `upnp`. How it stands is in the
    /// [snapshot](devp2p_core::node::Snapshot::gateway). geth `NAT`.
    #[must_use]
    pub fn nat(mut self, nat: Nat) -> Self {
        self.nat = nat;
        self
    }
}

/// Why a node did not start. No socket is left of it, no open database, and no
/// thread that does not end at once.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be bound.
    Listen(SocketAddr, io::Error),
    /// The node database cannot be opened: somebody else has it, say, or the
    /// system does not let us.
    NodeDatabase(StoreError),
    /// A field of the configuration is wrong.
    Config(ConfigError),
    /// The system starts no more threads.
    Threads(io::Error),
    /// There is to be no discovery.
    NoDiscovery,
    /// The runtime does not take a socket.
    Runtime(io::Error),
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address, error) => write!(f, "cannot listen at {address}: {error}"),
            Self::NodeDatabase(error) => error.fmt(f),
            Self::Config(error) => error.fmt(f),
            Self::Threads(error) => write!(f, "cannot start a thread: {error}"),
            Self::NoDiscovery => f.write_str("no discovery is configured"),
            Self::Runtime(error) => write!(f, "cannot wait for a socket: {error}"),
        }
    }
}

impl core::error::Error for StartError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Listen(_, error) | Self::Threads(error) | Self::Runtime(error) => error.source(),
            Self::NodeDatabase(error) => error.source(),
            Self::Config(error) => error.source(),
            Self::NoDiscovery => None,
        }
    }
}
