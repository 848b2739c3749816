//! What a node is told before it begins, and what of that is wrong.

use core::fmt;

use alloc::string::String;
use alloc::vec::Vec;

use crate::crypto::SecretKey;
use crate::error::Misuse;
use crate::identity::{
    Contact, Incomplete, LocalEndpoints, NetRestrict, NodeAddress, NodeId, RecordBuilder,
    RecordError,
};
use crate::kademlia::TableConfig;
use crate::limits;
use crate::session::{Greeting, Local};

/// How many of what a node holds. geth's names; they may change while it runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Peers, of both directions. 0 admits only trusted ones and dials none.
    /// geth `MaxPeers`.
    pub max_peers: usize,
    /// Inbound connections that are not yet admitted, and dials under way, each
    /// so many; 0 means [`limits::PENDING_CONNECTIONS`]. geth `MaxPendingPeers`.
    pub max_pending_peers: usize,
    /// One of so many peers is to be dialled by us; 0 means
    /// [`limits::DIAL_RATIO`]. geth `DialRatio`.
    pub dial_ratio: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_peers: limits::PEERS, max_pending_peers: 0, dial_ratio: 0 }
    }
}

impl Limits {
    /// How many peers are dialled at most. geth `maxDialedConns`.
    pub(super) fn max_dialled(&self, no_dial: bool) -> usize {
        let ratio = if self.dial_ratio == 0 { limits::DIAL_RATIO } else { self.dial_ratio };
        if no_dial || self.max_peers == 0 { 0 } else { (self.max_peers / ratio).max(1) }
    }

    pub(super) const fn max_pending(&self) -> usize {
        match self.max_pending_peers {
            0 => limits::PENDING_CONNECTIONS,
            other => other,
        }
    }

    /// Whether a configuration may ask for so many.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.max_peers > limits::PEERS_MAX {
            return Err(ConfigError::too_many("MaxPeers", limits::PEERS_MAX));
        }
        if self.max_pending_peers > limits::PENDING_CONNECTIONS_MAX {
            return Err(ConfigError::too_many("MaxPendingPeers", limits::PENDING_CONNECTIONS_MAX));
        }
        Ok(())
    }

    /// The same within what is allowed.
    pub(super) fn clamped(self) -> Self {
        Self {
            max_peers: self.max_peers.min(limits::PEERS_MAX),
            max_pending_peers: self.max_pending_peers.min(limits::PENDING_CONNECTIONS_MAX),
            dial_ratio: self.dial_ratio,
        }
    }
}

/// How a [`Node`](super::Node) is to run: geth's fields and defaults
/// (`p2p.Config`). What has to do with sockets and files an adapter is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The node's static key. geth `PrivateKey`.
    pub key: SecretKey,
    /// What our hello calls us. geth `Name`.
    pub client_name: String,
    /// What our hello offers. geth `Protocols`.
    pub greeting: Greeting,
    /// How many of what.
    pub limits: Limits,
    /// Whether the dial scheduler stays idle; static nodes are not dialled
    /// either. geth `NoDial`.
    pub no_dial: bool,
    /// Whether there is discovery. geth `NoDiscovery`, turned around.
    pub discovery: bool,
    /// Nodes where discovery begins: each with an address and a UDP port, a name
    /// looked up already. Those outside of [`net_restrict`](Self::net_restrict)
    /// are left out. geth `BootstrapNodes`.
    pub bootstrap_nodes: Vec<Contact>,
    /// Nodes to keep a connection to. geth `StaticNodes`.
    pub static_nodes: Vec<NodeAddress>,
    /// Nodes to admit whatever the limits. geth `TrustedNodes`.
    pub trusted_nodes: Vec<NodeId>,
    /// Networks outside of which nobody is dialled, admitted or believed. geth
    /// `NetRestrict`.
    pub net_restrict: Option<NetRestrict>,
    /// Whether [`Output::Store`](super::Output::Store) is executed. geth
    /// `NodeDatabase`.
    pub store: bool,
    /// The TCP port that we listen at, for our record; 0 if at none. geth
    /// `ListenAddr`.
    pub listen_port: u16,
    /// What is known of our own endpoint. geth `NAT`, as far as it is `extip`.
    pub endpoints: LocalEndpoints,
    /// What else our record says: entries of capabilities. geth
    /// `Protocol.Attributes`.
    pub entries: RecordBuilder,
    /// Who brings nodes to dial, by name; if nobody does, discovery is walked
    /// at random. geth `Protocol.DialCandidates`.
    pub candidates: Vec<String>,
    /// The Kademlia table's limits.
    pub table: TableConfig,
    /// Of how many nodes it is remembered what was decided about them, for
    /// [`Node::explain`](super::Node::explain): so many that we dialled or were told to
    /// keep, and so many others. 0 remembers nothing; more than
    /// [`limits::JOURNAL_ACQUAINTANCES`] and [`limits::JOURNAL_STRANGERS`] is as many as
    /// these, the default. Some 200 bytes each at least. geth has no such thing.
    pub journal: usize,
    /// Whether discovery's gate has budgets, as geth has none. Off only in
    /// simulations, to see what they are good for.
    #[doc(hidden)]
    pub budgets: bool,
    /// Whether connections that say nothing make room for others, as in geth they do
    /// not. Off only in simulations, to see what it is good for.
    #[doc(hidden)]
    pub silent_give_way: bool,
}

impl Config {
    /// geth's defaults: 50 peers, discovery, no bootstrap nodes, no name, no
    /// capability, not listening.
    pub fn new(key: SecretKey) -> Self {
        Self {
            key,
            client_name: String::new(),
            greeting: Greeting::Offer(crate::p2p::LocalCapabilities::default()),
            limits: Limits::default(),
            no_dial: false,
            discovery: true,
            bootstrap_nodes: Vec::new(),
            static_nodes: Vec::new(),
            trusted_nodes: Vec::new(),
            net_restrict: None,
            store: false,
            listen_port: 0,
            endpoints: LocalEndpoints::default(),
            entries: RecordBuilder::new(0),
            candidates: Vec::new(),
            table: TableConfig::default(),
            journal: limits::JOURNAL_STRANGERS.max(limits::JOURNAL_ACQUAINTANCES),
            budgets: true,
            silent_give_way: true,
        }
    }

    /// Whether a node takes it: [`Node::new`](super::Node::new) fails with the same,
    /// unless what our record is to say takes more room than a record has.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.local().map(drop)
    }

    /// What our sessions say of us, if the configuration is sound.
    pub(super) fn local(&self) -> Result<Local, ConfigError> {
        self.limits.check()?;
        let within = |field, count, most| {
            if count > most { Err(ConfigError::too_many(field, most)) } else { Ok(()) }
        };
        within("StaticNodes", self.static_nodes.len(), limits::STATIC_NODES)?;
        within("TrustedNodes", self.trusted_nodes.len(), limits::TRUSTED_NODES)?;
        within("Protocols", self.candidates.len(), limits::LOCAL_CAPABILITIES)?;
        if self.discovery {
            let complete = |node: &Contact| node.check_complete();
            self.bootstrap_nodes.iter().try_for_each(complete).map_err(ConfigError::bootnode)?;
        }
        Local::new(self.key.clone(), self.client_name.clone(), self.greeting.clone())
            .map_err(|misuse| ConfigError { field: "Name", expected: Expected::Sound(misuse) })
    }
}

/// Which field of a configuration is wrong, by geth's name, and what was
/// expected of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConfigError {
    /// geth's name of the field: "MaxPeers".
    pub field: &'static str,
    /// What it must be.
    pub expected: Expected,
}

/// What was expected of a field of a configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Expected {
    /// No more than this.
    AtMost(usize),
    /// Not this mistake.
    Sound(Misuse),
    /// What fits into a node record.
    Record(RecordError),
    /// Nodes that packets can be sent to.
    Complete(Incomplete),
}

impl ConfigError {
    const fn too_many(field: &'static str, most: usize) -> Self {
        Self { field, expected: Expected::AtMost(most) }
    }

    const fn bootnode(incomplete: Incomplete) -> Self {
        Self { field: "BootstrapNodes", expected: Expected::Complete(incomplete) }
    }

    pub(super) const fn record(error: RecordError) -> Self {
        Self { field: "Protocols", expected: Expected::Record(error) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.expected)
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "expected at most {most}"),
            Self::Sound(misuse) => misuse.fmt(f),
            Self::Complete(incomplete) => incomplete.fmt(f),
            Self::Record(error) => write!(f, "entries of the node record: {error}"),
        }
    }
}

impl core::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(max_peers: usize, dial_ratio: usize) -> Limits {
        Limits { max_peers, dial_ratio, ..Limits::default() }
    }

    /// geth `maxDialedConns`, `maxInboundConns`.
    #[test]
    fn a_third_of_the_peers_is_dialled_and_at_least_one() {
        assert_eq!(Limits::default().max_dialled(false), 16);
        assert_eq!(limits(2, 0).max_dialled(false), 1);
        assert_eq!(limits(0, 0).max_dialled(false), 0);
        assert_eq!(limits(10, 1).max_dialled(false), 10);
        assert_eq!(limits(10, 2).max_dialled(false), 5);
        assert_eq!(limits(10, 2).max_dialled(true), 0);
    }

    #[test]
    fn an_error_names_the_field_and_what_was_expected() {
        let key = SecretKey::from_bytes(&[1; 32]).unwrap();
        let said = |change: fn(&mut Config)| {
            let mut config = Config::new(key.clone());
            change(&mut config);
            alloc::format!("{}", config.check().unwrap_err())
        };
        assert_eq!(
            said(|config| config.limits.max_peers = 1_000_000),
            "MaxPeers: expected at most 10000"
        );
        assert_eq!(
            said(|config| config.limits.max_pending_peers = 1_000_000),
            "MaxPendingPeers: expected at most 1000"
        );
        assert_eq!(
            said(|config| config.client_name = "x".repeat(300)),
            "Name: client name too long"
        );
        assert_eq!(
            said(|config| {
                let nobody = SecretKey::from_bytes(&[2; 32]).unwrap().public_key();
                let nowhere = Contact::from_enode(&crate::identity::Enode::incomplete(nobody));
                config.bootstrap_nodes.push(nowhere);
            }),
            "BootstrapNodes: missing IP address"
        );
        assert_eq!(
            said(|config| config.trusted_nodes = alloc::vec![NodeId::new([0; 32]); 5000]),
            "TrustedNodes: expected at most 4096"
        );
    }
}
