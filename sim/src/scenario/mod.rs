//! A scenario: all that a run of a world follows from. Plain data, so it can be
//! drawn from a seed, made smaller, and printed.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;

mod code;
mod draw;
mod fault;
mod plan;

pub use draw::DrawOptions;
pub use fault::{Fault, Kind, Whom};
pub use plan::{Defence, Families, NodePlan};

use devp2p_core::identity::Subnet;
use devp2p_core::limits;

use crate::adversary::{self, Adversary};
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

/// Nodes that a scenario may have. Each that belongs to no provider has a /24 of its own,
/// and its name says which.
pub const NODES_MAX: usize = 60_000;

/// Nodes of one provider: it has a /24.
const PROVIDER_MAX: usize = 254;

/// Nodes of one home: its gateway maps a port for each.
const HOME_MAX: usize = 254;

/// The longest of all times in a scenario: ten years. A fault may last for ever besides,
/// [`Duration::MAX`].
pub const TIME_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

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
    /// begun, and it was calm for as long as it is to be.
    pub fn ends(&self) -> Duration {
        let starts = self.nodes.values().map(|plan| plan.starts).max().unwrap_or_default();
        let begins = self.adversaries.values().map(|one| one.begins).max().unwrap_or_default();
        self.calm_from().max(starts).max(begins).saturating_add(self.calm)
    }

    /// Makes a world of it, in which nothing has happened yet.
    pub fn build(self) -> Result<World, ScenarioError> {
        World::new(self)
    }

    /// What is wrong with it, if anything is.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let wrong = |field, what| Err(ScenarioError { field, what });
        if self.nodes.is_empty() {
            return wrong("nodes".to_owned(), Mistake::Empty);
        }
        if self.nodes.len() > NODES_MAX {
            return wrong("nodes".to_owned(), Mistake::TooMany(NODES_MAX));
        }
        let mut providers: BTreeMap<u16, usize> = BTreeMap::new();
        let mut homes: BTreeMap<u16, (u32, usize)> = BTreeMap::new();
        for (name, plan) in &self.nodes {
            let field = |field| format!("nodes[{name}].{field}");
            match plan.provider {
                _ if *name > u16::MAX.into()
                    && (plan.provider.is_none() || (plan.nat.is_some() && plan.home.is_none())) =>
                {
                    return wrong(format!("nodes[{name}]"), Mistake::TooMany(u16::MAX.into()));
                }
                None => {}
                Some(provider) => {
                    let customers = providers.entry(provider).or_default();
                    *customers += 1;
                    if *customers > PROVIDER_MAX {
                        return wrong(field("provider"), Mistake::TooMany(PROVIDER_MAX));
                    }
                }
            }
            if let Some(home) = plan.home.filter(|_| plan.nat.is_some()) {
                let (first, inhabitants) = homes.entry(home).or_insert((*name, 0));
                *inhabitants += 1;
                if *inhabitants > HOME_MAX {
                    return wrong(field("home"), Mistake::TooMany(HOME_MAX));
                }
                let other = self.nodes.get(first);
                if other.is_none_or(|other| other.nat != plan.nat) {
                    return wrong(field("nat"), Mistake::OtherGateway(*first));
                }
                if other.is_none_or(|other| other.region != plan.region) {
                    return wrong(field("region"), Mistake::OtherRegion(*first));
                }
            }
            is_within(plan.starts, || field("starts"))?;
            if let Some(nat) = plan.nat {
                is_within(nat.time_out, || field("nat.time_out"))?;
            }
            for (list, what) in
                [(&plan.static_nodes, "static_nodes"), (&plan.trusted_nodes, "trusted_nodes")]
            {
                if let Some(unknown) = list.iter().find(|name| !self.nodes.contains_key(name)) {
                    return wrong(field(what), Mistake::NoSuchNode(*unknown));
                }
            }
            let is_network = |text: &String| text.parse::<Subnet>().is_ok();
            if let Some(text) = plan.net_restrict.iter().find(|text| !is_network(text)) {
                return wrong(field("net_restrict"), Mistake::NotANetwork(text.clone()));
            }
            if plan.nat.is_some() && plan.families == Families::V6 {
                return wrong(field("nat"), Mistake::NatWithoutIpv4);
            }
            if plan.max_peers > limits::PEERS_MAX {
                return wrong(field("max_peers"), Mistake::TooMany(limits::PEERS_MAX));
            }
        }
        for (number, fault) in self.faults.iter().enumerate() {
            if let Whom::Nodes(names) = &fault.whom {
                let field = || format!("faults[{number}].whom");
                if names.is_empty() {
                    return wrong(field(), Mistake::Empty);
                }
                if let Some(unknown) = names.iter().find(|name| !self.nodes.contains_key(name)) {
                    return wrong(field(), Mistake::NoSuchNode(*unknown));
                }
            }
            fault.check(number)?;
        }
        is_within(self.calm, || "calm".to_owned())?;
        self.adversaries.iter().try_for_each(|(name, plan)| self.check_adversary(*name, plan))
    }

    fn check_adversary(&self, name: u32, plan: &Adversary) -> Result<(), ScenarioError> {
        let wrong =
            |field, what| Err(ScenarioError { field: format!("adversaries[{name}]{field}"), what });
        if name >= adversary::NAMES {
            let most = usize::try_from(adversary::NAMES).unwrap_or(usize::MAX);
            return wrong("", Mistake::TooMany(most));
        }
        is_within(plan.begins, || format!("adversaries[{name}].begins"))?;
        if plan.lasts != Duration::MAX {
            is_within(plan.lasts, || format!("adversaries[{name}].lasts"))?;
        }
        if plan.networks == 0 {
            return wrong(".networks", Mistake::Empty);
        }
        let most = usize::from(plan.networks) * usize::from(adversary::IDS_IN_NETWORK);
        let most = most.min(adversary::IDS_MAX);
        match usize::from(plan.ids) {
            0 => return wrong(".ids", Mistake::Empty),
            ids if ids > most => return wrong(".ids", Mistake::TooMany(most)),
            _ => {}
        }
        if let Whom::Nodes(names) = &plan.whom {
            if names.is_empty() {
                return wrong(".whom", Mistake::Empty);
            }
            if let Some(unknown) = names.iter().find(|name| !self.nodes.contains_key(name)) {
                return wrong(".whom", Mistake::NoSuchNode(*unknown));
            }
        }
        Ok(())
    }
}

/// Whether a time is one that can be added to others.
fn is_within(time: Duration, field: impl FnOnce() -> String) -> Result<(), ScenarioError> {
    if time <= TIME_MAX {
        return Ok(());
    }
    Err(ScenarioError { field: field(), what: Mistake::TooLong(TIME_MAX) })
}

/// Which field of a scenario is wrong, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScenarioError {
    /// Where: `nodes[3].static_nodes`.
    pub field: String,
    /// What.
    pub what: Mistake,
}

/// What is wrong with a field.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Mistake {
    /// There has to be something.
    Empty,
    /// No more than this.
    TooMany(usize),
    /// There is no node of this name.
    NoSuchNode(u32),
    /// This node of the same home is behind another one.
    OtherGateway(u32),
    /// This node of the same home is in another one.
    OtherRegion(u32),
    /// What is sent to a node says nothing of this.
    OutwardAlone,
    /// Gateways here translate addresses of IPv4 alone.
    NatWithoutIpv4,
    /// This is no range of addresses.
    NotANetwork(String),
    /// No longer than this.
    TooLong(Duration),
    /// The node does not take it.
    Config(devp2p_core::node::ConfigError),
    /// Nothing like this can be offered.
    Offer(devp2p_core::error::Misuse),
    /// The world has begun.
    TooLate,
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.field)?;
        match &self.what {
            Mistake::Empty => f.write_str("expected at least one"),
            Mistake::TooMany(most) => write!(f, "expected at most {most}"),
            Mistake::NoSuchNode(name) => write!(f, "no node is called {name}"),
            Mistake::OtherGateway(other) => {
                write!(f, "nodes[{other}], of the same home, is behind another gateway")
            }
            Mistake::OtherRegion(other) => {
                write!(f, "nodes[{other}], of the same home, is in another region")
            }
            Mistake::OutwardAlone => f.write_str("what is sent to a node has none"),
            Mistake::NatWithoutIpv4 => f.write_str("a node behind a gateway needs IPv4"),
            Mistake::NotANetwork(text) => write!(f, "{text:?} is no network"),
            Mistake::TooLong(most) => write!(f, "expected at most {} s", most.as_secs()),
            Mistake::Config(error) => error.fmt(f),
            Mistake::Offer(error) => error.fmt(f),
            Mistake::TooLate => f.write_str("the world has begun"),
        }
    }
}

impl core::error::Error for ScenarioError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Quality;

    #[test]
    fn a_mistake_is_named_by_its_field() {
        let said = |scenario: Scenario| scenario.check().unwrap_err().to_string();
        assert_eq!(said(Scenario::new(1)), "nodes: expected at least one");
        let plan = NodePlan { static_nodes: vec![9], ..NodePlan::ORDINARY };
        let scenario = Scenario::new(1).nodes(2).node(5, plan);
        assert_eq!(said(scenario), "nodes[5].static_nodes: no node is called 9");
        let scenario = Scenario::new(1).nodes(2).partition(vec![2], Duration::ZERO, Duration::MAX);
        assert_eq!(said(scenario), "faults[0].whom: no node is called 2");
        let long = TIME_MAX + Duration::from_secs(1);
        let partition = |at, lasts| Scenario::new(1).nodes(2).partition(vec![1], at, lasts);
        assert_eq!(partition(Duration::ZERO, Duration::MAX).check(), Ok(()));
        let most = TIME_MAX.as_secs();
        let expected = format!("faults[0].lasts: expected at most {most} s");
        assert_eq!(said(partition(Duration::ZERO, long)), expected);
        let expected = format!("faults[0].at: expected at most {most} s");
        assert_eq!(said(partition(Duration::MAX, Duration::ZERO)), expected);
        let customer = NodePlan { provider: Some(3), ..NodePlan::ORDINARY };
        let crowd = (0..255).fold(Scenario::new(1), |all, name| all.node(name, customer.clone()));
        assert_eq!(said(crowd), "nodes[254].provider: expected at most 254");
        let nat = |hairpin| {
            let (kind, time_out) = (crate::NatKind::Symmetric, Duration::from_secs(30));
            Some(crate::Nat { kind, time_out, hairpin, maps_ports: false })
        };
        let at_home = |nat| NodePlan { nat, home: Some(1), ..NodePlan::ORDINARY };
        let scenario = Scenario::new(1).nodes(1).node(4, at_home(nat(true)));
        assert_eq!(scenario.clone().node(5, at_home(nat(true))).check(), Ok(()));
        assert_eq!(scenario.clone().node(5, at_home(None)).check(), Ok(()));
        let expected = "nodes[5].nat: nodes[4], of the same home, is behind another gateway";
        assert_eq!(said(scenario.node(5, at_home(nat(false)))), expected);
        let elsewhere = NodePlan { region: crate::Region::Asia, ..at_home(nat(true)) };
        let scenario = Scenario::new(1).nodes(1).node(4, at_home(nat(true))).node(5, elsewhere);
        let expected = "nodes[5].region: nodes[4], of the same home, is in another region";
        assert_eq!(said(scenario), expected);
        let behind = NodePlan { nat: nat(true), provider: Some(1), ..NodePlan::ORDINARY };
        let scenario = Scenario::new(1).node(65_536, behind);
        assert_eq!(said(scenario), "nodes[65536]: expected at most 65535");
        assert_eq!(said(Scenario::new(1).nodes(u32::MAX)), "nodes: expected at most 60000");
        let with = |kind| {
            let (at, lasts, whom) = (Duration::ZERO, Duration::ZERO, Whom::All);
            said(Scenario::new(1).nodes(2).fault(Fault { at, lasts, whom, kind }))
        };
        let link = Quality { fin: 1_000_001, ..Quality::PERFECT };
        assert_eq!(with(Kind::LinkOut(link)), "faults[0].kind.fin: expected at most 1000000");
        let link = Quality { bandwidth: 1, ..Quality::PERFECT };
        let expected = "faults[0].kind.bandwidth: what is sent to a node has none";
        assert_eq!(with(Kind::LinkIn(link)), expected);
        let scenario = Scenario::new(1).nodes(2).partition(vec![], Duration::ZERO, Duration::ZERO);
        assert_eq!(said(scenario), "faults[0].whom: expected at least one");
        let far = Scenario::new(1).node(65_536, NodePlan::ORDINARY);
        assert_eq!(said(far), "nodes[65536]: expected at most 65535");
        let plan = NodePlan { max_peers: 10_001, ..NodePlan::ORDINARY };
        let scenario = Scenario::new(1).node(0, plan);
        assert_eq!(said(scenario), "nodes[0].max_peers: expected at most 10000");
        let with = |adversary| Scenario::new(1).nodes(2).adversary(7, adversary);
        let adversary = Adversary { ids: 255, ..Adversary::LONE };
        assert_eq!(said(with(adversary)), "adversaries[7].ids: expected at most 254");
        let adversary = Adversary { networks: 0, ..Adversary::LONE };
        assert_eq!(said(with(adversary)), "adversaries[7].networks: expected at least one");
        let adversary = Adversary { whom: Whom::Nodes(vec![1, 2]), ..Adversary::LONE };
        assert_eq!(said(with(adversary)), "adversaries[7].whom: no node is called 2");
    }
}
