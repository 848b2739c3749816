//! What is wrong with a scenario, if anything is: the first mistake, by the name of
//! its field. Asked before there is a world of it.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;

use devp2p_core::identity::Subnet;
use devp2p_core::limits;

use super::{Families, NodePlan, Scenario, Whom};
use crate::adversary::{self, Adversary};

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
    /// What is wrong with it, if anything is.
    pub fn check(&self) -> Result<(), ScenarioError> {
        if self.nodes.is_empty() {
            return wrong("nodes", Mistake::Empty);
        }
        if self.nodes.len() > NODES_MAX {
            return wrong("nodes", Mistake::TooMany(NODES_MAX));
        }
        let mut providers = BTreeMap::new();
        let mut homes = BTreeMap::new();
        for (name, plan) in &self.nodes {
            check_provider(&mut providers, *name, plan)?;
            self.check_home(&mut homes, *name, plan)?;
            self.check_node(*name, plan)?;
        }
        for (number, fault) in self.faults.iter().enumerate() {
            self.check_whom(&fault.whom, || format!("faults[{number}].whom"))?;
            fault.check(number)?;
        }
        is_within(self.calm, || "calm".to_owned())?;
        self.adversaries.iter().try_for_each(|(name, plan)| self.check_adversary(*name, plan))
    }

    /// Those of one home share a gateway, and where it is.
    fn check_home(
        &self,
        homes: &mut BTreeMap<u16, (u32, usize)>,
        name: u32,
        plan: &NodePlan,
    ) -> Result<(), ScenarioError> {
        let Some(home) = plan.home.filter(|_| plan.nat.is_some()) else { return Ok(()) };
        let (first, inhabitants) = homes.entry(home).or_insert((name, 0));
        *inhabitants += 1;
        if *inhabitants > HOME_MAX {
            return wrong(of_node(name, "home"), Mistake::TooMany(HOME_MAX));
        }
        let other = self.nodes.get(first);
        if other.is_none_or(|other| other.nat != plan.nat) {
            return wrong(of_node(name, "nat"), Mistake::OtherGateway(*first));
        }
        if other.is_none_or(|other| other.region != plan.region) {
            return wrong(of_node(name, "region"), Mistake::OtherRegion(*first));
        }
        Ok(())
    }

    fn check_node(&self, name: u32, plan: &NodePlan) -> Result<(), ScenarioError> {
        is_within(plan.starts, || of_node(name, "starts"))?;
        if let Some(nat) = plan.nat {
            is_within(nat.time_out, || of_node(name, "nat.time_out"))?;
        }
        for (list, field) in
            [(&plan.static_nodes, "static_nodes"), (&plan.trusted_nodes, "trusted_nodes")]
        {
            self.check_names(list, || of_node(name, field))?;
        }
        let is_network = |text: &String| text.parse::<Subnet>().is_ok();
        if let Some(text) = plan.net_restrict.iter().find(|text| !is_network(text)) {
            return wrong(of_node(name, "net_restrict"), Mistake::NotANetwork(text.clone()));
        }
        if plan.nat.is_some() && plan.families == Families::V6 {
            return wrong(of_node(name, "nat"), Mistake::NatWithoutIpv4);
        }
        if plan.max_peers > limits::PEERS_MAX {
            return wrong(of_node(name, "max_peers"), Mistake::TooMany(limits::PEERS_MAX));
        }
        Ok(())
    }

    fn check_adversary(&self, name: u32, plan: &Adversary) -> Result<(), ScenarioError> {
        let field = |field| format!("adversaries[{name}]{field}");
        if name >= adversary::NAMES {
            let most = usize::try_from(adversary::NAMES).unwrap_or(usize::MAX);
            return wrong(field(""), Mistake::TooMany(most));
        }
        is_within(plan.begins, || field(".begins"))?;
        if plan.lasts != Duration::MAX {
            is_within(plan.lasts, || field(".lasts"))?;
        }
        if plan.networks == 0 {
            return wrong(field(".networks"), Mistake::Empty);
        }
        let most = usize::from(plan.networks) * usize::from(adversary::IDS_IN_NETWORK);
        let most = most.min(adversary::IDS_MAX);
        match usize::from(plan.ids) {
            0 => wrong(field(".ids"), Mistake::Empty),
            ids if ids > most => wrong(field(".ids"), Mistake::TooMany(most)),
            _ => self.check_whom(&plan.whom, || field(".whom")),
        }
    }

    fn check_whom(&self, whom: &Whom, field: impl FnOnce() -> String) -> Result<(), ScenarioError> {
        match whom {
            Whom::Nodes(names) if names.is_empty() => wrong(field(), Mistake::Empty),
            Whom::Nodes(names) => self.check_names(names, field),
            Whom::All => Ok(()),
        }
    }

    /// Whether there are nodes of all these names.
    fn check_names(
        &self,
        names: &[u32],
        field: impl FnOnce() -> String,
    ) -> Result<(), ScenarioError> {
        match names.iter().find(|name| !self.nodes.contains_key(name)) {
            Some(unknown) => wrong(field(), Mistake::NoSuchNode(*unknown)),
            None => Ok(()),
        }
    }
}

/// A node's addresses follow from its name, or from its provider's.
fn check_provider(
    providers: &mut BTreeMap<u16, usize>,
    name: u32,
    plan: &NodePlan,
) -> Result<(), ScenarioError> {
    let has_own = plan.provider.is_none() || (plan.nat.is_some() && plan.home.is_none());
    if has_own && name > u16::MAX.into() {
        return wrong(format!("nodes[{name}]"), Mistake::TooMany(u16::MAX.into()));
    }
    let Some(provider) = plan.provider else { return Ok(()) };
    let customers = providers.entry(provider).or_default();
    *customers += 1;
    if *customers > PROVIDER_MAX {
        return wrong(of_node(name, "provider"), Mistake::TooMany(PROVIDER_MAX));
    }
    Ok(())
}

fn of_node(name: u32, field: &str) -> String {
    format!("nodes[{name}].{field}")
}

fn wrong(field: impl Into<String>, what: Mistake) -> Result<(), ScenarioError> {
    Err(ScenarioError { field: field.into(), what })
}

/// Whether a time is one that can be added to others.
pub(super) fn is_within(
    time: Duration,
    field: impl FnOnce() -> String,
) -> Result<(), ScenarioError> {
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
    use super::super::{Fault, Kind};
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
