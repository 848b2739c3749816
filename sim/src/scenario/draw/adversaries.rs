//! Who means ill in a drawn world.

use core::time::Duration;
use std::collections::BTreeMap;

use devp2p_core::entropy::Seed;

use super::{before, coin};
use crate::adversary::{Adversary, Attack, Stall, Useless};
use crate::scenario::{NodePlan, Whom};

/// At most so many at a time, of so many ids.
const MOST: u32 = 3;
const IDS: u32 = 40;

/// Microseconds by which clocks are set, too.
const HOUR: i64 = 3_600_000_000;

/// One to three, each with a generator of its own, as long as things go wrong.
pub(super) fn draw(
    seed: &Seed,
    nodes: &BTreeMap<u32, NodePlan>,
    time: Duration,
) -> BTreeMap<u32, Adversary> {
    let count = 1 + seed.jitter().below(MOST);
    (0..count)
        .map(|name| (name, one(&seed.derive("adversary", name.into()), nodes, time)))
        .collect()
}

fn one(seed: &Seed, nodes: &BTreeMap<u32, NodePlan>, time: Duration) -> Adversary {
    let rng = &mut seed.jitter();
    let begins = before(rng, time);
    let ids = 1 + rng.below(IDS);
    let networks = 1 + rng.below(ids);
    let some: Vec<u32> = nodes.keys().copied().filter(|_| coin(rng)).collect();
    let whom = if coin(rng) || some.is_empty() { Whom::All } else { Whom::Nodes(some) };
    let rate = 10 + u16::try_from(rng.below(90)).unwrap_or(0);
    let attack = match rng.below(11) {
        0 => Attack::Sybil { dials: false },
        1 | 2 => Attack::Sybil { dials: true },
        3 => Attack::Poison,
        4 => Attack::Forge(rate),
        5 => Attack::PingFlood(rate),
        6 => Attack::Stall(Stall::Silent),
        7 => Attack::Stall(Stall::Trickle),
        8 => Attack::Stall(Stall::Shaken),
        9 => Attack::Useless(if coin(rng) { Useless::Alien } else { Useless::HangsUp }),
        _ => Attack::ClockLie(if coin(rng) { HOUR } else { -HOUR }),
    };
    let narrow = |count: u32| u16::try_from(count).unwrap_or(1);
    let (ids, networks) = (narrow(ids), narrow(networks));
    Adversary { begins, lasts: time.saturating_sub(begins), whom, ids, networks, attack }
}
