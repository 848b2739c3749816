//! What befalls a drawn network: for each kind of fault a coin says whether there
//! is any, and its own generator says which.

use core::time::Duration;
use std::collections::BTreeMap;

use devp2p_core::entropy::{Rng, Seed};

use super::{before, coin, links, millis, one, together};
use crate::draw::index;
use crate::host::disk::Durable;
use crate::network::quality::Quality;
use crate::scenario::{Fault, Kind, NodePlan, Whom};

/// When the world was made, before the first second of Unix time: what a machine
/// shows that has no battery.
const TO_1970: i64 = -1_767_225_600_000_000;

const SECOND: i64 = 1_000_000;

/// Faults of one kind at most, those made of several apart.
const OF_A_KIND: u32 = 3;

/// What is drawn from.
pub(super) struct Network<'a> {
    pub(super) plans: &'a BTreeMap<u32, NodePlan>,
    pub(super) names: Vec<u32>,
    pub(super) time: Duration,
    /// Whether anything befalls all of them.
    has_common: bool,
}

/// Faults that are there or not. Their place in this list is part of what they are
/// drawn from.
const KINDS: [fn(&mut Rng, &Network<'_>) -> Vec<Fault>; 23] = [
    weather,
    |rng, network| several(rng, network, |_| Kind::Partition),
    |rng, network| several(rng, network, |_| Kind::OneWay),
    |rng, network| several(rng, network, crash),
    |rng, network| several(rng, network, |_| Kind::Pause),
    |rng, network| several(rng, network, |rng| Kind::Slow(millis(rng, 1, 50))),
    |rng, network| several(rng, network, |rng| Kind::LateMessages(millis(rng, 1, 1000))),
    |rng, network| several(rng, network, |rng| Kind::LateVerification(millis(rng, 1, 1000))),
    |rng, network| several(rng, network, |_| Kind::ReadsNothing),
    |rng, network| several(rng, network, |_| Kind::AcceptsNothing),
    |rng, network| several(rng, network, |rng| Kind::SlowStore(millis(rng, 10, 5000))),
    |rng, network| several(rng, network, |_| Kind::FailingStore),
    |rng, network| several(rng, network, |_| Kind::FullStore),
    |rng, network| several(rng, network, step),
    |rng, network| several(rng, network, drift),
    |rng, network| several(rng, network, |rng| Kind::ClockGrain(millis(rng, 1, 16))),
    |rng, network| several(rng, network, |_| Kind::Rebinding),
    together::swizzle,
    together::without_bootnodes,
    together::churn,
    together::mass_reboot,
    |rng, network| several(rng, network, |rng| Kind::ReadsSlowly(millis(rng, 1, 5000))),
    one_sided_weather,
];

pub(super) fn draw(seed: &Seed, plans: &BTreeMap<u32, NodePlan>, time: Duration) -> Vec<Fault> {
    let has_common = coin(&mut seed.jitter());
    let network = Network { plans, names: plans.keys().copied().collect(), time, has_common };
    let mut faults = Vec::new();
    for (number, kind) in (0..).zip(KINDS) {
        let rng = &mut seed.derive("kind", number).jitter();
        if coin(rng) {
            faults.extend(kind(rng, &network));
        }
    }
    faults.sort_by_key(|fault| fault.at);
    faults
}

impl Network<'_> {
    /// From when to when: as often short as long.
    pub(super) fn spell(&self, rng: &mut Rng) -> (Duration, Duration) {
        let at = before(rng, self.time);
        let left = self.time.saturating_sub(at) / (1 << rng.below(6));
        (at, before(rng, left))
    }

    /// Whom something befalls: one, some, half, and in some worlds all.
    pub(super) fn whom(&self, rng: &mut Rng) -> Whom {
        let share = rng.below(4);
        match share {
            0 if self.has_common => Whom::All,
            0 | 3 => Whom::Nodes(vec![one(rng, &self.names, 0)]),
            _ => {
                let names = self.names.iter().filter(|_| rng.below(share * 2) == 0);
                let mut names: Vec<u32> = names.copied().collect();
                if names.is_empty() {
                    names.push(one(rng, &self.names, 0));
                }
                Whom::Nodes(names)
            }
        }
    }
}

fn several(
    rng: &mut Rng,
    network: &Network<'_>,
    mut kind: impl FnMut(&mut Rng) -> Kind,
) -> Vec<Fault> {
    (0..=rng.below(OF_A_KIND))
        .map(|_| {
            let (at, lasts) = network.spell(rng);
            Fault { at, lasts, whom: network.whom(rng), kind: kind(rng) }
        })
        .collect()
}

/// Links that are bad for a while.
fn weather(rng: &mut Rng, network: &Network<'_>) -> Vec<Fault> {
    let ways = links::which(rng);
    let mut faults = several(rng, network, |rng| Kind::Link(links::bad(rng, &ways)));
    faults.extend(several(rng, network, |rng| Kind::Link(links::bad(rng, &ways))));
    brief(faults)
}

/// Links that are bad for a while in one direction.
fn one_sided_weather(rng: &mut Rng, network: &Network<'_>) -> Vec<Fault> {
    let ways = links::which(rng);
    brief(several(rng, network, |rng| {
        let link = links::bad(rng, &ways);
        // Of what is sent to a node these say nothing.
        let inward = Quality { bandwidth: 0, send_buffer_full: false, ..link };
        let is_inward = coin(rng) && inward != Quality::PERFECT;
        if is_inward { Kind::LinkIn(inward) } else { Kind::LinkOut(link) }
    }))
}

/// A link that does nothing at all does so for no longer than is worth it.
fn brief(mut faults: Vec<Fault>) -> Vec<Fault> {
    for fault in &mut faults {
        if let Kind::Link(link) | Kind::LinkOut(link) | Kind::LinkIn(link) = &fault.kind
            && (link.clogged || link.stall)
        {
            fault.lasts = fault.lasts.min(links::DEAD);
        }
    }
    faults
}

pub(super) fn crash(rng: &mut Rng) -> Kind {
    const FOUND: [Durable; 6] = [
        Durable::All,
        Durable::All,
        Durable::All,
        Durable::Backup,
        Durable::Nothing,
        Durable::Damaged,
    ];
    Kind::Crash {
        silently: coin(rng),
        durable: one(rng, &FOUND, Durable::All),
        moves: rng.below(4) == 0,
        renews_key: rng.below(8) == 0,
    }
}

fn step(rng: &mut Rng) -> Kind {
    // Packets expire after 20 seconds: just before, at, and just after that.
    const STEPS: [i64; 10] = [
        3600 * SECOND,
        -3600 * SECOND,
        20 * SECOND - 1000,
        20 * SECOND,
        20 * SECOND + 1000,
        -20 * SECOND + 1000,
        -20 * SECOND,
        -20 * SECOND - 1000,
        SECOND,
        TO_1970,
    ];
    Kind::ClockStep(one(rng, &STEPS, SECOND))
}

fn drift(rng: &mut Rng) -> Kind {
    Kind::ClockDrift(one(rng, &[200, -200, 50, -50, 1000, -1000], 200))
}

/// Some of these in an order that is drawn.
pub(super) fn shuffled(rng: &mut Rng, names: &[u32]) -> Vec<u32> {
    let mut left = names.to_vec();
    let mut drawn = Vec::with_capacity(left.len());
    while !left.is_empty() {
        drawn.push(left.swap_remove(index(rng, left.len())));
    }
    drawn
}
