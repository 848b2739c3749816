//! A scenario: all that a run of a world follows from. Plain data, so it can be
//! drawn from a seed, made smaller, and printed.

use core::time::Duration;
use std::collections::BTreeMap;

mod check;
mod code;
mod draw;
mod fault;
mod plan;

pub use check::{Mistake, NODES_MAX, ScenarioError, TIME_MAX};
pub use draw::DrawOptions;
pub use fault::{Fault, Kind, Whom};
pub use plan::{Defence, Families, NodePlan};

use devp2p_core::limits;

use crate::adversary::Adversary;
use crate::oracle::SETTLED;
use crate::world::World;

/// Which keys the nodes of a world have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Keys {
    /// Keys of the curve, as everywhere.
    #[default]
    Curve,
    /// Keys that protect NOTHING and cost nothing: for networks of thousands.
    #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
    InsecureStandIn,
}

/// What a world is made of and what befalls it.
///
/// ```
/// use core::time::Duration;
/// use devp2p_sim::Scenario;
///
/// let half: Vec<u32> = (0..6).collect();
/// let mut world = Scenario::new(42)
///     .nodes(12)
///     .each(|_, plan| plan.max_peers = 30)
///     .partition(half, Duration::from_secs(60), Duration::from_secs(60))
///     .build()?;
/// world.run_for(Duration::from_secs(90))?;
/// assert!(!world.is_connected());
/// world.run_for(Duration::from_secs(210))?;
/// assert!(world.is_connected());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scenario {
    /// From which all randomness grows.
    pub seed: u64,
    /// The nodes by name. What befalls one does not depend on which others there
    /// are: what it draws grows from the seed and its name.
    pub nodes: BTreeMap<u32, NodePlan>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Who means ill, by name: a name's addresses and chance do not depend on which
    /// others there are.
    pub adversaries: BTreeMap<u32, Adversary>,
    /// How long it goes on when nothing goes wrong any more. After [`SETTLED`] it is
    /// asked whether it has recovered.
    pub calm: Duration,
    /// Which keys they have.
    pub keys: Keys,
    /// Whether every machine is held to its contract after each input, which
    /// costs several times what most do.
    pub checked: bool,
    /// Whether the oracles look for what is wrong, which costs less than the run.
    pub oracles: bool,
    /// Of how many nodes each node remembers what it decided about them, for
    /// [`Node::explain`](devp2p_core::node::Node::explain): as in
    /// [`Config::journal`](devp2p_core::node::Config::journal). It is a third or more of
    /// a node's memory, and nothing that happens depends on it.
    pub journal: usize,
}

impl Scenario {
    /// An empty one.
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            nodes: BTreeMap::new(),
            faults: Vec::new(),
            adversaries: BTreeMap::new(),
            calm: SETTLED,
            keys: Keys::Curve,
            checked: true,
            oracles: true,
            journal: limits::JOURNAL_ACQUAINTANCES,
        }
    }

    /// Adds ordinary nodes; the first of all is a bootnode.
    #[must_use]
    pub fn nodes(mut self, count: u32) -> Self {
        let first = self.nodes.last_key_value().map_or(0, |(name, _)| name.saturating_add(1));
        // One too many is enough to be told so.
        let room = NODES_MAX.saturating_add(1).saturating_sub(self.nodes.len());
        for name in (first..first.saturating_add(count)).take(room) {
            let is_bootnode = self.nodes.is_empty();
            self.nodes.insert(name, NodePlan { is_bootnode, ..NodePlan::ORDINARY });
        }
        self
    }

    /// Adds a node.
    #[must_use]
    pub fn node(mut self, name: u32, plan: NodePlan) -> Self {
        self.nodes.insert(name, plan);
        self
    }

    /// Changes every node that there is.
    #[must_use]
    pub fn each(mut self, mut change: impl FnMut(u32, &mut NodePlan)) -> Self {
        self.nodes.iter_mut().for_each(|(name, plan)| change(*name, plan));
        self
    }

    /// Adds a fault.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Adds an adversary.
    #[must_use]
    pub fn adversary(mut self, name: u32, adversary: Adversary) -> Self {
        self.adversaries.insert(name, adversary);
        self
    }

    /// For a while nothing passes between these nodes and all others.
    #[must_use]
    pub fn partition(self, nodes: Vec<u32>, at: Duration, lasts: Duration) -> Self {
        self.fault(Fault { at, lasts, whom: Whom::Nodes(nodes), kind: Kind::Partition })
    }

    /// Nodes have these keys.
    #[must_use]
    pub const fn keys(mut self, keys: Keys) -> Self {
        self.keys = keys;
        self
    }

    /// No machine is held to its contract after each input, which costs more than all the
    /// rest: for networks of more than a few dozens. The oracles look all the same.
    #[must_use]
    pub const fn unchecked(mut self) -> Self {
        self.checked = false;
        self
    }

    /// No oracle looks: for very large networks, and for who measures.
    #[must_use]
    pub const fn without_oracles(mut self) -> Self {
        self.oracles = false;
        self
    }

    /// When the last fault is over, or has begun that lasts for ever.
    pub fn calm_from(&self) -> Duration {
        let last = |fault: &Fault| if fault.is_endless() { fault.at } else { fault.ends() };
        self.faults.iter().map(last).max().unwrap_or_default()
    }

    /// When all is over: the last fault is, all nodes have started and all adversaries
    /// begun, and it was calm for as long as it is to be. That its nodes stop then takes
    /// seven seconds more.
    pub fn ends(&self) -> Duration {
        let starts = self.nodes.values().map(|plan| plan.starts).max().unwrap_or_default();
        let begins = self.adversaries.values().map(|one| one.begins).max().unwrap_or_default();
        self.calm_from().max(starts).max(begins).saturating_add(self.calm)
    }

    /// Makes a world of it, in which nothing has happened yet.
    pub fn build(self) -> Result<World, ScenarioError> {
        World::new(self)
    }
}
