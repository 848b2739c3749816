//! The attacks, each with the defence that is to counter it, and without.

use core::ops::Range;
use core::time::Duration;

use devp2p_sim::{
    Adversary, Attack, Defence, Fault, Keys, Kind, NodePlan, Scenario, Stall, Useless, Whom,
};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// What costs least: with keys of the curve all takes some twenty times as long.
#[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
const KEYS: Keys = Keys::InsecureStandIn;
#[cfg(not(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only"))]
const KEYS: Keys = Keys::Curve;

const SYBIL: Attack = Attack::Sybil { dials: false };

/// Nodes that are there from the beginning.
const OLD: Range<u32> = 0..60;

/// Nodes that come a minute after the attack has begun.
const FRESH: Range<u32> = 60..65;

/// An attack.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) ways: Vec<Way>,
    pub(crate) groups: Vec<Group>,
    pub(crate) lasts: Duration,
}

/// With a defence, or without, or something else to compare it with.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) scenario: Scenario,
}

/// Nodes that are looked at together.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) nodes: Range<u32>,
}

impl Case {
    fn new(name: &'static str, ways: Vec<Way>) -> Self {
        let old = Group { name: "old", nodes: OLD };
        let fresh = Group { name: "fresh", nodes: FRESH };
        Self { name, ways, groups: vec![old, fresh], lasts: MINUTE * 35 }
    }

    /// It is aimed at the bootnode, and costs much to simulate.
    fn flood(name: &'static str, ways: Vec<Way>) -> Self {
        let mut case = Self::new(name, ways);
        case.groups[0].nodes.start = 1;
        case.groups.insert(0, Group { name: "victim", nodes: 0..1 });
        case.lasts = MINUTE * 10;
        case
    }
}

/// Sixty nodes, and five more that come later.
fn network(seed: u64, attack: Option<Adversary>) -> Scenario {
    let late = NodePlan { starts: MINUTE * 6, ..NodePlan::ORDINARY };
    let scenario = Scenario::new(seed).keys(KEYS).unchecked().without_oracles().nodes(OLD.end);
    let scenario = FRESH.fold(scenario, |scenario, name| scenario.node(name, late.clone()));
    let scenario = scenario.each(|_, plan| plan.max_peers = 12);
    attack.into_iter().fold(scenario, |scenario, attack| scenario.adversary(0, attack))
}

/// So many ids in so many networks that are after everybody, from the fifth minute on.
fn crowd(attack: Attack, ids: u16, networks: u16) -> Adversary {
    Adversary { begins: MINUTE * 5, ids, networks, attack, ..Adversary::LONE }
}

fn with(scenario: Scenario) -> Way {
    Way { name: "with", scenario }
}

fn without(defence: Defence, scenario: &Scenario) -> Way {
    let scenario = scenario.clone().each(|_, plan| plan.without = vec![defence]);
    Way { name: "without", scenario }
}

pub(crate) fn all(seed: u64) -> Vec<Case> {
    let both =
        |defence: Defence, scenario: Scenario| vec![without(defence, &scenario), with(scenario)];
    let attacked = |attack, ids, networks| network(seed, Some(crowd(attack, ids, networks)));
    let none = || Way { name: "no attack", scenario: network(seed, None) };
    let mut cases = vec![
        Case::new("none", vec![none()]),
        Case::new("sybil-one", both(Defence::Subnets, attacked(SYBIL, 200, 1))),
        Case::new("sybil-many", both(Defence::Subnets, attacked(SYBIL, 200, 100))),
        Case::new("slots", both(Defence::Subnets, attacked(Attack::Sybil { dials: true }, 200, 1))),
        Case::new("poison", vec![with(attacked(Attack::Poison, 16, 8))]),
    ];
    let forge = at_bootnode(attacked(Attack::Forge(3000), 50, 1));
    let flood = at_bootnode(attacked(Attack::PingFlood(4000), 4000, 16));
    cases.push(Case::flood("forge", both(Defence::Budgets, forge)));
    cases.push(Case::flood("flood", both(Defence::Budgets, flood)));
    for (name, how) in [
        ("stall-silent", Stall::Silent),
        ("stall-trickle", Stall::Trickle),
        ("stall-shaken", Stall::Shaken),
    ] {
        cases.push(stalled(seed, name, how));
    }
    for (name, why) in [("useless-alien", Useless::Alien), ("useless-hangs-up", Useless::HangsUp)] {
        cases.push(Case::new(
            name,
            vec![
                Way { name: "as peers", scenario: attacked(SYBIL, 100, 50) },
                with(attacked(Attack::Useless(why), 100, 50)),
            ],
        ));
    }
    cases.push(clock(seed));
    cases
}

fn at_bootnode(mut scenario: Scenario) -> Scenario {
    for adversary in scenario.adversaries.values_mut() {
        adversary.whom = Whom::Nodes(vec![0]);
    }
    scenario
}

/// Everybody wants to be a peer of one who dials nobody and whose door is crowded:
/// thirty keep dialling it.
fn stalled(seed: u64, name: &'static str, how: Stall) -> Case {
    let victim = OLD.end;
    let plan = NodePlan { starts: MINUTE * 6, dials: false, max_peers: 100, ..NodePlan::ORDINARY };
    let scenario = Scenario::new(seed).keys(KEYS).unchecked().without_oracles().nodes(30);
    let scenario = scenario.each(|_, plan| {
        plan.static_nodes = vec![victim];
        plan.discovers = plan.is_bootnode;
    });
    let scenario = scenario.node(victim, plan);
    let attack =
        Adversary { whom: Whom::Nodes(vec![victim]), ..crowd(Attack::Stall(how), 2032, 8) };
    let none = Way { name: "no attack", scenario: scenario.clone() };
    let scenario = scenario.adversary(0, attack);
    Case {
        name,
        ways: vec![none, without(Defence::SilentGiveWay, &scenario), with(scenario)],
        groups: vec![Group { name: "victim", nodes: victim..victim + 1 }],
        lasts: MINUTE * 20,
    }
}

/// Somebody sets the clocks of some an hour ahead: of those that run, and of those
/// that come later.
fn clock(seed: u64) -> Case {
    const HOUR: i64 = 3_600_000_000;
    let stepped: Vec<u32> = (1..11).chain(FRESH).collect();
    let attack =
        Adversary { whom: Whom::Nodes(stepped.clone()), ..crowd(Attack::ClockLie(HOUR), 100, 50) };
    let step = Fault {
        at: MINUTE * 5,
        lasts: MINUTE * 60,
        whom: Whom::Nodes(stepped),
        kind: Kind::ClockStep(HOUR),
    };
    let right = network(seed, Some(attack));
    let scenario = right.clone().fault(step);
    let groups = vec![Group { name: "old", nodes: 1..11 }, Group { name: "fresh", nodes: FRESH }];
    let ways =
        vec![Way { name: "clocks right", scenario: right }, Way { name: "clocks set", scenario }];
    Case { groups, ..Case::new("clock", ways) }
}
