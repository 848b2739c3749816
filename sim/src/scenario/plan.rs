//! One node of a scenario: where it is and how it is set up.

use core::time::Duration;

use crate::network::nat::Nat;
use crate::network::region::Region;

/// Which addresses a machine has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Families {
    /// IPv4 alone.
    #[default]
    V4,
    /// IPv6 alone.
    V6,
    /// Both.
    Both,
}

/// What protects a node, and can be done without to see what it is good for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Defence {
    /// Nodes of one /24: 2 in a bucket, 10 in the table. geth's.
    Subnets,
    /// What is verified of whom: budgets of the gate. Ours.
    Budgets,
    /// Connections that say nothing make room for others. Ours.
    SilentGiveWay,
}

/// How one node is set up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodePlan {
    /// Whether all nodes begin their discovery here.
    pub is_bootnode: bool,
    /// When it starts.
    pub starts: Duration,
    /// Where it is.
    pub region: Region,
    /// Nodes of one provider have addresses of one /24 (or /64); `None`: it has
    /// one for itself.
    pub provider: Option<u16>,
    /// Which addresses it has.
    pub families: Families,
    /// The gateway that it is behind; `None`: it is reached directly. It has an address of
    /// IPv4 then.
    pub nat: Option<Nat>,
    /// Nodes of one home are in one region behind one gateway, which is the same for all of
    /// them; `None`: it has one for itself. If it maps ports the first of them by name has
    /// 30303, the next 30304. They know each other from outside alone, as nothing announces
    /// them within, so they need [`Nat::hairpin`] to meet. Without a gateway it means nothing.
    pub home: Option<u16>,
    /// geth `MaxPeers`.
    pub max_peers: usize,
    /// geth `DialRatio`; 0 for the default.
    pub dial_ratio: usize,
    /// Whether it dials on its own. geth `NoDial`, turned around.
    pub dials: bool,
    /// Whether it has discovery.
    pub discovers: bool,
    /// Nodes that it keeps a connection to, by name.
    pub static_nodes: Vec<u32>,
    /// Nodes that it admits whatever its limits, by name.
    pub trusted_nodes: Vec<u32>,
    /// The networks that it keeps to, as `20.0.0.0/8`; all if none. geth `NetRestrict`.
    pub net_restrict: Vec<String>,
    /// It offers a capability that nobody else has, and nothing besides.
    pub has_nothing_in_common: bool,
    /// Whether it has a node database.
    pub has_store: bool,
    /// Bytes each second upwards; 0 for no limit.
    pub bandwidth: u64,
    /// What it has to do without.
    pub without: Vec<Defence>,
}

impl NodePlan {
    /// A node with a public address of IPv4, in discovery, of 8 peers.
    pub const ORDINARY: Self = Self {
        is_bootnode: false,
        starts: Duration::ZERO,
        region: Region::NorthAmericaEast,
        provider: None,
        families: Families::V4,
        nat: None,
        home: None,
        max_peers: 8,
        dial_ratio: 0,
        dials: true,
        discovers: true,
        static_nodes: Vec::new(),
        trusted_nodes: Vec::new(),
        net_restrict: Vec::new(),
        has_nothing_in_common: false,
        has_store: false,
        bandwidth: 0,
        without: Vec::new(),
    };
}

impl Default for NodePlan {
    fn default() -> Self {
        Self::ORDINARY
    }
}
