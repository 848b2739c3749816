//! From a scenario that fails to a smaller one that fails in the same way: fewer
//! faults, fewer nodes, shorter, plainer. Greedy, and always the same way.

use core::ops::Range;
use core::time::Duration;

use crate::adversary::Adversary;
use crate::host::disk::Durable;
use crate::scenario::{Fault, Keys, Kind, NodePlan, Scenario, Whom};
use crate::world::Violation;

impl Violation {
    /// Whether the same is wrong: the same invariant; of panics, at the same place
    /// in the code.
    pub fn is_like(&self, other: &Self) -> bool {
        let place = |violation: &Self| match violation.invariant {
            "panic" => violation.what.rsplit(", at ").next().map(str::to_owned),
            _ => None,
        };
        self.invariant == other.invariant && place(self) == place(other)
    }
}

/// Makes a scenario smaller as long as it still `fails`, by so many trials at most.
pub fn shrink(scenario: &Scenario, trials: u32, fails: impl FnMut(&Scenario) -> bool) -> Scenario {
    let mut shrinker = Shrinker { best: scenario.clone(), left: trials, fails };
    loop {
        let before = shrinker.best.clone();
        // First what makes each of the trials that follow cheaper.
        shrinker.shorter();
        shrinker.fewer_adversaries();
        shrinker.fewer_faults();
        shrinker.fewer_nodes();
        shrinker.fewer_befallen();
        shrinker.plainer_nodes();
        shrinker.plainer_faults();
        shrinker.sooner();
        shrinker.plainer_adversaries();
        shrinker.ordinary();
        if shrinker.best == before || shrinker.left == 0 {
            return shrinker.best;
        }
    }
}

struct Shrinker<F> {
    /// The smallest that has failed so far.
    best: Scenario,
    left: u32,
    fails: F,
}

impl<F: FnMut(&Scenario) -> bool> Shrinker<F> {
    /// Whether this one fails as well. It is the best then.
    fn attempt(&mut self, candidate: Scenario) -> bool {
        if self.left == 0 || candidate == self.best || candidate.check().is_err() {
            return false;
        }
        self.left -= 1;
        let fails = (self.fails)(&candidate);
        if fails {
            self.best = candidate;
        }
        fails
    }

    /// Does without some of so many things: first half of them, then ever fewer.
    fn without(
        &mut self,
        count: impl Fn(&Scenario) -> usize,
        without: impl Fn(&Scenario, Range<usize>) -> Scenario,
    ) {
        let mut size = count(&self.best).div_ceil(2).max(1);
        loop {
            let mut at = 0;
            while at < count(&self.best) {
                let end = (at + size).min(count(&self.best));
                let candidate = without(&self.best, at..end);
                if !self.attempt(candidate) {
                    at = end;
                }
            }
            if size == 1 {
                return;
            }
            size = size.div_ceil(2).min(size - 1);
        }
    }

    fn fewer_adversaries(&mut self) {
        self.without(
            |scenario| scenario.adversaries.len(),
            |scenario, range| {
                let mut smaller = scenario.clone();
                let names: Vec<u32> = scenario.adversaries.keys().copied().collect();
                names[range].iter().for_each(|name| {
                    smaller.adversaries.remove(name);
                });
                smaller
            },
        );
    }

    /// Adversaries have fewer ids and are less particular.
    fn plainer_adversaries(&mut self) {
        let names: Vec<u32> = self.best.adversaries.keys().copied().collect();
        for name in names {
            while let Some(adversary) = self.best.adversaries.get(&name).cloned()
                && halved(&adversary)
                    .into_iter()
                    .chain(adversary.simpler())
                    .any(|plainer| self.attempt(self.best.clone().adversary(name, plainer)))
            {
            }
        }
    }

    fn fewer_faults(&mut self) {
        self.without(
            |scenario| scenario.faults.len(),
            |scenario, range| {
                let mut smaller = scenario.clone();
                smaller.faults.drain(range);
                as_long(scenario, smaller)
            },
        );
    }

    fn fewer_nodes(&mut self) {
        self.without(
            |scenario| scenario.nodes.len(),
            |scenario, range| {
                let gone: Vec<u32> =
                    scenario.nodes.keys().skip(range.start).take(range.len()).copied().collect();
                without_nodes(scenario, &gone)
            },
        );
    }

    /// Faults befall fewer nodes.
    fn fewer_befallen(&mut self) {
        for number in 0..self.best.faults.len() {
            self.without(
                |scenario| scenario.faults.get(number).map_or(0, |fault| named(fault).len()),
                |scenario, range| {
                    let mut smaller = scenario.clone();
                    if let Some(Fault { whom: Whom::Nodes(names), .. }) =
                        smaller.faults.get_mut(number)
                    {
                        names.drain(range);
                    }
                    // Befalls nobody: the next round does without it.
                    smaller
                },
            );
        }
    }

    /// Nodes are more as they are by themselves: all together, then each.
    fn plainer_nodes(&mut self) {
        for set in NodePlan::SIMPLER {
            let mut plainer = self.best.clone();
            let all = plainer.nodes.values_mut();
            all.for_each(|plan| {
                let is_bootnode = plan.is_bootnode;
                set(plan);
                plan.is_bootnode = is_bootnode;
            });
            self.attempt(plainer);
        }
        let names: Vec<u32> = self.best.nodes.keys().copied().collect();
        for name in names {
            let Some(plan) = self.best.nodes.get(&name).cloned() else { continue };
            let ordinary = NodePlan { is_bootnode: plan.is_bootnode, ..NodePlan::ORDINARY };
            let changed = |best: &Scenario, plan: NodePlan| best.clone().node(name, plan);
            if self.attempt(changed(&self.best, ordinary)) {
                continue;
            }
            while let Some(plan) = self.best.nodes.get(&name).cloned()
                && plan.simpler().into_iter().any(|plan| self.attempt(changed(&self.best, plan)))
            {
            }
        }
    }

    /// Faults do less.
    fn plainer_faults(&mut self) {
        for number in 0..self.best.faults.len() {
            while let Some(fault) = self.best.faults.get(number).cloned()
                && plainer(&fault.kind).into_iter().any(|kind| {
                    let fault = Fault { kind, ..fault.clone() };
                    self.attempt(with_fault(&self.best, number, fault))
                })
            {}
        }
    }

    /// Faults begin earlier and are over sooner, at times that are rounder.
    fn sooner(&mut self) {
        for number in 0..self.best.faults.len() {
            while let Some(fault) = self.best.faults.get(number).cloned()
                && earlier(&fault)
                    .into_iter()
                    .any(|fault| self.attempt(with_fault(&self.best, number, fault)))
            {}
        }
    }

    /// It is over sooner.
    fn shorter(&mut self) {
        self.attempt(Scenario { calm: Duration::ZERO, ..self.best.clone() });
        while self.attempt(Scenario { calm: whole(self.best.calm / 2, 1000), ..self.best.clone() })
        {
        }
    }

    /// What fails with stand-ins is better known to fail with keys of the curve, and
    /// what fails unwatched to fail under watch.
    fn ordinary(&mut self) {
        self.attempt(Scenario { checked: true, ..self.best.clone() });
        self.attempt(self.best.clone().keys(Keys::Curve));
    }
}

/// The nodes that are named by a fault.
fn named(fault: &Fault) -> &[u32] {
    match &fault.whom {
        Whom::All => &[],
        Whom::Nodes(names) => names,
    }
}

/// With half of its ids, or of its networks.
fn halved(adversary: &Adversary) -> Vec<Adversary> {
    let (ids, networks) = (adversary.ids / 2, adversary.networks / 2);
    let halved =
        [Adversary { ids, ..adversary.clone() }, Adversary { networks, ..adversary.clone() }];
    halved.into_iter().filter(|half| half.ids > 0 && half.networks > 0).collect()
}

fn with_fault(scenario: &Scenario, number: usize, fault: Fault) -> Scenario {
    let mut changed = scenario.clone();
    if let Some(place) = changed.faults.get_mut(number) {
        *place = fault;
    }
    changed
}

/// Without these, wherever they are named. A fault that befell nobody else is gone.
fn without_nodes(scenario: &Scenario, gone: &[u32]) -> Scenario {
    let mut smaller = scenario.clone();
    let stays = |name: &u32| !gone.contains(name);
    smaller.nodes.retain(|name, _| stays(name));
    for plan in smaller.nodes.values_mut() {
        plan.static_nodes.retain(stays);
        plan.trusted_nodes.retain(stays);
    }
    smaller.adversaries.retain(|_, adversary| match &mut adversary.whom {
        Whom::All => true,
        Whom::Nodes(names) => {
            names.retain(stays);
            !names.is_empty()
        }
    });
    smaller.faults.retain_mut(|fault| match &mut fault.whom {
        Whom::All => true,
        Whom::Nodes(names) => {
            names.retain(stays);
            !names.is_empty()
        }
    });
    as_long(scenario, smaller)
}

/// It goes on as long as it did with all its faults.
fn as_long(before: &Scenario, mut smaller: Scenario) -> Scenario {
    let missing = before.ends().saturating_sub(smaller.ends());
    smaller.calm = smaller.calm.saturating_add(missing);
    smaller
}

/// A kind of fault that does less, in each way there is.
fn plainer(kind: &Kind) -> Vec<Kind> {
    let half = |time: &Duration| {
        let half = whole(*time / 2, 1);
        (!half.is_zero()).then_some(half)
    };
    let of =
        |half: Option<Duration>, kind: fn(Duration) -> Kind| half.map(kind).into_iter().collect();
    match kind {
        Kind::Link(link) => link.simpler().into_iter().map(Kind::Link).collect(),
        Kind::LinkOut(link) => link.simpler().into_iter().map(Kind::LinkOut).collect(),
        Kind::LinkIn(link) => link.simpler().into_iter().map(Kind::LinkIn).collect(),
        Kind::Crash { silently, durable, moves, renews_key } => {
            let with = |silently, durable, moves, renews_key| Kind::Crash {
                silently,
                durable,
                moves,
                renews_key,
            };
            let candidates = [
                with(false, *durable, *moves, *renews_key),
                with(*silently, Durable::All, *moves, *renews_key),
                with(*silently, *durable, false, *renews_key),
                with(*silently, *durable, *moves, false),
            ];
            candidates.into_iter().filter(|candidate| candidate != kind).collect()
        }
        Kind::Slow(time) => of(half(time), Kind::Slow),
        Kind::LateMessages(time) => of(half(time), Kind::LateMessages),
        Kind::LateVerification(time) => of(half(time), Kind::LateVerification),
        Kind::ReadsSlowly(time) => of(half(time), Kind::ReadsSlowly),
        Kind::SlowStore(time) => of(half(time), Kind::SlowStore),
        Kind::ClockGrain(time) => of(half(time), Kind::ClockGrain),
        // Half of a step at a border is no border.
        Kind::ClockStep(_)
        | Kind::ClockDrift(_)
        | Kind::Partition
        | Kind::OneWay
        | Kind::Pause
        | Kind::ReadsNothing
        | Kind::AcceptsNothing
        | Kind::FailingStore
        | Kind::FullStore
        | Kind::Rebinding => Vec::new(),
    }
}

/// The same fault at other times, those first that save the most.
fn earlier(fault: &Fault) -> Vec<Fault> {
    let Fault { at, lasts, .. } = *fault;
    let second = 1000;
    let candidates = [
        (Duration::ZERO, lasts),
        (whole(at / 2, second), lasts),
        (at, whole(lasts / 2, second)),
        (at, whole(lasts / 2, 1)),
        (whole(at, second), lasts),
        (at, whole(lasts, second)),
    ];
    let changed = candidates.into_iter().filter(|times| *times != (at, lasts));
    changed.map(|(at, lasts)| Fault { at, lasts, ..fault.clone() }).collect()
}

/// Rounded down to so many milliseconds.
fn whole(time: Duration, unit: u64) -> Duration {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(millis - millis % unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attack, DrawOptions, Quality};

    fn drawn(seed: u64) -> Scenario {
        Scenario::draw(seed, &DrawOptions { nodes: Some(20), ..DrawOptions::DEFAULT })
    }

    fn crashes(scenario: &Scenario, name: u32) -> bool {
        let is_crash = |fault: &&Fault| matches!(fault.kind, Kind::Crash { .. });
        scenario.faults.iter().filter(is_crash).any(|fault| named(fault).contains(&name))
    }

    #[test]
    fn what_does_not_matter_is_gone_and_what_does_is_left() {
        let scenario = (0..).map(drawn).find(|drawn| crashes(drawn, 13)).unwrap();
        let small = shrink(&scenario, 10_000, |scenario| {
            crashes(scenario, 13) && scenario.nodes[&13].max_peers < 4
                || crashes(scenario, 13)
                    && scenario.nodes.len() > 1
                    && scenario.nodes.contains_key(&4)
        });
        let fault = Fault {
            at: Duration::ZERO,
            lasts: Duration::ZERO,
            whom: Whom::Nodes(vec![13]),
            kind: Kind::Crash {
                silently: false,
                durable: Durable::All,
                moves: false,
                renews_key: false,
            },
        };
        assert_eq!(small.faults, [fault]);
        assert!(small.nodes.len() <= 2, "{small:#?}");
        small.check().unwrap();
    }

    #[test]
    fn of_adversaries_only_the_one_that_matters_is_left_and_as_few_of_its_ids_as_do() {
        let adversary = |attack, ids| Adversary { ids, networks: 3, attack, ..Adversary::LONE };
        let scenario = (0..4).fold(drawn(1), |scenario, name| {
            let attack = if name == 2 { Attack::Poison } else { Attack::Forge(100) };
            scenario.adversary(name, adversary(attack, 200))
        });
        let small = shrink(&scenario, 10_000, |scenario| {
            let poisons = |one: &Adversary| one.attack == Attack::Poison && one.ids >= 20;
            scenario.adversaries.values().any(poisons)
        });
        let left: Vec<_> = small.adversaries.into_iter().collect();
        let adversary = Adversary { ids: 25, attack: Attack::Poison, ..Adversary::LONE };
        assert_eq!(left, [(2, adversary)]);
    }

    #[test]
    fn a_link_keeps_only_what_makes_it_fail() {
        let is_lossy = |scenario: &Scenario| {
            scenario
                .faults
                .iter()
                .any(|fault| matches!(&fault.kind, Kind::Link(link) if link.loss > 0))
        };
        let scenario = (0..).map(drawn).find(is_lossy).unwrap();
        let small = shrink(&scenario, 10_000, is_lossy);
        let [Fault { kind: Kind::Link(link), .. }] = &small.faults[..] else {
            panic!("{small:#?}");
        };
        assert_eq!(*link, Quality { loss: link.loss, ..Quality::PERFECT });
        assert_eq!(small.nodes.len(), 1);
    }

    #[test]
    fn it_ends_when_its_trials_are_used_up_and_takes_the_same_way_again() {
        let (mut seen, mut again) = (Vec::new(), Vec::new());
        let fails = |scenario: &Scenario| scenario.nodes.len() > 3 && scenario.faults.len() > 2;
        let small = shrink(&drawn(1), 25, |scenario| {
            seen.push(scenario.clone());
            fails(scenario)
        });
        let other = shrink(&drawn(1), 25, |scenario| {
            again.push(scenario.clone());
            fails(scenario)
        });
        assert!(seen.len() == 25 && seen == again && small == other);
        assert!(fails(&small) && small.nodes.len() < 20);
    }

    #[test]
    fn nodes_that_are_gone_are_named_nowhere() {
        for seed in 0..50 {
            let scenario = drawn(seed);
            without_nodes(&scenario, &[0, 3, 7, 19]).check().unwrap();
        }
    }

    #[test]
    fn panics_are_alike_if_they_are_at_the_same_place() {
        let violation = |invariant, what: &str| Violation {
            invariant,
            at: Duration::ZERO,
            node: None,
            what: what.to_owned(),
            last: Vec::new(),
        };
        let panic = violation("panic", "3 peers, at here.rs:1:2");
        assert!(panic.is_like(&violation("panic", "4 peers, at here.rs:1:2")));
        assert!(!panic.is_like(&violation("panic", "3 peers, at here.rs:5:2")));
        assert!(violation("P4", "3 peers").is_like(&violation("P4", "4 peers")));
        assert!(!violation("P4", "x").is_like(&violation("P3", "x")));
    }
}
