//! Scenarios drawn from seeds, as swarm testing has it (Groce et al. 2012): each
//! leaves out about half of what a network may have and of what may befall it,
//! for what is always there hides what comes only without it.
//!
//! ```text
//!   0 ──── all faults begin and end here ──── time ── calm ── all nodes stop ──▶
//! ```

use core::time::Duration;
use std::collections::BTreeMap;

use devp2p_core::entropy::{Rng, Seed};

use super::{Keys, Scenario};
use crate::oracle::SETTLED;

mod adversaries;
mod faults;
mod links;
mod nodes;
mod together;

/// Nodes of a drawn network: this many at least, and at most.
const NODES: (u32, u32) = (2, 24);

/// So many more are in one world of 32: only they fill buckets.
const CROWD: u32 = 48;

/// Minutes in which things go wrong: this many at least, and at most.
const MINUTES: (u32, u32) = (2, 6);

/// How long it is calm afterwards in most worlds: that a network recovers as it
/// should takes long to see, and is asked of one in sixteen.
const CALM: Duration = Duration::from_secs(60);

/// What is not left to the seed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DrawOptions {
    /// How many nodes; `None` for 2 to 24, and in one world of 32 for 50 to 72.
    pub nodes: Option<u32>,
    /// How long things go wrong, in milliseconds at the finest; `None` for 2 to 6
    /// minutes.
    pub time: Option<Duration>,
    /// How long it is calm afterwards; `None` for a minute, or [`SETTLED`](crate::SETTLED)
    /// in one world of sixteen.
    pub calm: Option<Duration>,
    /// Which keys they have.
    pub keys: Keys,
    /// Whether every machine is held to its contract after each input; `None` for
    /// one world of four, since that costs more than all the rest.
    pub checked: Option<bool>,
    /// Whether there are adversaries too, one to three. The rest of a world is the same
    /// without them, but it is not asked whether it has recovered.
    pub adversaries: bool,
}

impl DrawOptions {
    /// All is left to the seed. Keys of the curve, no adversaries.
    pub const DEFAULT: Self = Self {
        nodes: None,
        time: None,
        calm: None,
        keys: Keys::Curve,
        checked: None,
        adversaries: false,
    };
}

impl Default for DrawOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Scenario {
    /// The scenario of a seed. What is not left to it shifts nothing of the rest
    /// that does not follow from it.
    pub fn draw(seed: u64, options: &DrawOptions) -> Self {
        let root = Seed::from_number(seed).derive("scenario", 0);
        let rng = &mut root.jitter();
        let (fewest, most) = NODES;
        let mut count = fewest + rng.below(most - fewest + 1);
        let is_crowd = root.derive("crowd", 0).jitter().below(32) == 0;
        if is_crowd {
            count += CROWD;
        }
        let (least, longest) = MINUTES;
        let seconds = least * 60 + rng.below((longest - least) * 60 + 1);
        let count = options.nodes.unwrap_or(count);
        let time = options.time.unwrap_or_else(|| Duration::from_secs(seconds.into()));
        let nodes = nodes::draw(&root.derive("nodes", 0), count, time);
        let faults = faults::draw(&root.derive("faults", 0), &nodes, time);
        let adversaries = if options.adversaries {
            adversaries::draw(&root.derive("adversaries", 0), &nodes, time)
        } else {
            BTreeMap::new()
        };
        let recovers = rng.below(16) == 0 && !is_crowd;
        let drawn = if recovers { SETTLED } else { CALM };
        let calm = options.calm.unwrap_or(drawn);
        let checked = rng.below(4) == 0;
        let keys = options.keys;
        let checked = options.checked.unwrap_or(checked);
        Self { nodes, faults, adversaries, calm, keys, checked, ..Self::new(seed) }
    }
}

fn coin(rng: &mut Rng) -> bool {
    rng.below(2) == 0
}

/// One of them.
fn one<T: Copy>(rng: &mut Rng, of: &[T], otherwise: T) -> T {
    of.get(crate::draw::index(rng, of.len())).copied().unwrap_or(otherwise)
}

/// In whole milliseconds, both included.
fn millis(rng: &mut Rng, least: u32, most: u32) -> Duration {
    Duration::from_millis((least + rng.below((most - least).saturating_add(1))).into())
}

/// A time before this one, in whole milliseconds; zero before zero.
fn before(rng: &mut Rng, end: Duration) -> Duration {
    let millis = u64::try_from(end.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(crate::draw::below(rng, millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Families, Whom};

    fn drawn(seeds: core::ops::Range<u64>) -> Vec<Scenario> {
        seeds.map(|seed| Scenario::draw(seed, &DrawOptions::DEFAULT)).collect()
    }

    #[test]
    fn adversaries_come_to_worlds_that_are_as_they_are_without_them() {
        let options = DrawOptions { adversaries: true, ..DrawOptions::DEFAULT };
        let mut kinds = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let mut with = Scenario::draw(seed, &options);
            with.check().unwrap();
            assert!((1..=3).contains(&with.adversaries.len()));
            kinds.extend(with.adversaries.values().map(|one| one.attack.name()));
            with.adversaries.clear();
            assert_eq!(with, Scenario::draw(seed, &DrawOptions::DEFAULT));
        }
        assert_eq!(kinds.len(), 7);
    }

    #[test]
    fn a_scenario_is_right_however_many_nodes_it_has() {
        for nodes in [1000, 60_000] {
            let options = DrawOptions { nodes: Some(nodes), ..DrawOptions::DEFAULT };
            (0..20).for_each(|seed| Scenario::draw(seed, &options).check().unwrap());
        }
    }

    #[test]
    fn every_scenario_is_right_and_calm_when_its_time_is_over() {
        for scenario in drawn(0..500) {
            scenario.check().unwrap();
            let count = u32::try_from(scenario.nodes.len()).unwrap();
            assert!((NODES.0..=NODES.1 + CROWD).contains(&count));
            assert!(scenario.calm_from() <= Duration::from_secs(6 * 60), "{}", scenario.seed);
            assert!(scenario.nodes.values().any(|plan| plan.is_bootnode));
        }
    }

    #[test]
    fn a_seed_draws_the_same_again_and_another_seed_another() {
        assert_eq!(drawn(7..9), drawn(7..9));
        let mut drawn = drawn(0..100);
        drawn.iter_mut().for_each(|scenario| scenario.seed = 0);
        drawn.dedup();
        assert_eq!(drawn.len(), 100);
    }

    #[test]
    fn what_is_given_is_not_drawn_and_shifts_no_node() {
        let time = Some(Duration::from_secs(90));
        let options = DrawOptions { nodes: Some(40), time, ..DrawOptions::DEFAULT };
        for seed in 0..50 {
            let scenario = Scenario::draw(seed, &options);
            assert_eq!(scenario.nodes.len(), 40);
            assert!(scenario.calm_from() <= Duration::from_secs(90));
            let more = Scenario::draw(seed, &DrawOptions { nodes: Some(41), ..options.clone() });
            for (name, plan) in &scenario.nodes {
                assert_eq!(more.nodes[name].region, plan.region);
                assert_eq!(more.nodes[name].nat, plan.nat);
                assert_eq!(more.nodes[name].home, plan.home);
            }
        }
    }

    #[test]
    fn no_time_and_one_node_are_drawn_as_well() {
        for seed in 0..50 {
            let time = Some(Duration::ZERO);
            let options = DrawOptions { nodes: Some(1), time, ..DrawOptions::DEFAULT };
            let scenario = Scenario::draw(seed, &options);
            scenario.check().unwrap();
            assert_eq!((scenario.nodes.len(), scenario.calm_from()), (1, Duration::ZERO));
        }
    }

    #[test]
    fn every_fault_and_every_feature_is_there_at_some_seed_and_missing_at_another() {
        let all = drawn(0..400);
        let share = |what: &str, is_there: &dyn Fn(&Scenario) -> bool| {
            let count = all.iter().filter(|scenario| is_there(scenario)).count();
            assert!((20..390).contains(&count), "{what}: {count} of 400");
        };
        for wanted in [
            "Link",
            "LinkOut",
            "LinkIn",
            "Partition",
            "OneWay",
            "Crash",
            "Pause",
            "Slow",
            "LateMessages",
            "LateVerification",
            "ReadsNothing",
            "ReadsSlowly",
            "AcceptsNothing",
            "SlowStore",
            "FailingStore",
            "FullStore",
            "ClockStep",
            "ClockDrift",
            "ClockGrain",
            "Rebinding",
        ] {
            share(wanted, &|scenario| {
                scenario.faults.iter().any(|fault| fault.kind.name() == wanted)
            });
        }
        share("all", &|scenario| scenario.faults.iter().any(|fault| fault.whom == Whom::All));
        let any = |test: &dyn Fn(&crate::NodePlan) -> bool, what: &str| {
            share(what, &|scenario| scenario.nodes.values().any(test));
        };
        share("contracts", &|scenario| scenario.checked);
        share("recovery", &|scenario| scenario.calm >= SETTLED);
        any(&|plan| !plan.net_restrict.is_empty(), "restrictions");
        any(&|plan| plan.has_nothing_in_common, "strangers");
        any(&|plan| plan.max_peers <= 3, "few peers");
        any(&|plan| plan.families == Families::V6, "IPv6 alone");
        any(&|plan| plan.families == Families::Both, "both families");
        any(&|plan| plan.provider.is_some(), "providers");
        any(&|plan| plan.nat.is_some_and(|nat| nat.maps_ports), "gateways that map");
        any(&|plan| plan.nat.is_some_and(|nat| !nat.maps_ports), "gateways that do not");
        any(&|plan| plan.nat.is_some_and(|nat| nat.hairpin), "hairpins");
        share("homes", &|scenario| {
            let mut homes = scenario.nodes.values().filter_map(|plan| plan.home);
            let first = homes.next();
            homes.any(|other| Some(other) == first)
        });
        for kind in crate::NatKind::ALL {
            any(&|plan| plan.nat.is_some_and(|nat| nat.kind == kind), "a kind of gateway");
        }
        any(&|plan| plan.region != crate::Region::default(), "regions");
        any(&|plan| !plan.static_nodes.is_empty(), "static nodes");
        any(&|plan| !plan.trusted_nodes.is_empty(), "trusted nodes");
        any(&|plan| plan.has_store, "stores");
        any(&|plan| !plan.has_store, "no stores");
        any(&|plan| plan.bandwidth > 0, "bandwidth");
        any(&|plan| plan.dial_ratio > 0, "ratios");
        any(&|plan| !plan.dials, "those who dial nobody");
        any(&|plan| !plan.discovers, "those without discovery");
        any(&|plan| !plan.starts.is_zero(), "latecomers");
    }
}
