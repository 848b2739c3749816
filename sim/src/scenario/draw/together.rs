//! Faults that are made of several: what one of them alone would not bring about.

use core::time::Duration;

use devp2p_core::entropy::Rng;

use super::faults::{Network, crash, shuffled};
use super::{before, coin, millis};
use crate::draw::exponential;
use crate::host::disk::Durable;
use crate::scenario::{Fault, Kind, Whom};

/// Nodes that come and go at most: each of them does so several times.
const CHURNING: usize = 12;

/// Crashes of one node at most.
const CRASHES: u32 = 12;

/// Nodes are cut off one by one, and come back in another order.
pub(super) fn swizzle(rng: &mut Rng, network: &Network<'_>) -> Vec<Fault> {
    let (at, lasts) = network.spell(rng);
    let names: Vec<u32> = network.names.iter().copied().filter(|_| coin(rng)).collect();
    let steps = u32::try_from(names.len()).unwrap_or(u32::MAX).max(1);
    let step = Duration::from_millis(u64::try_from((lasts / 2 / steps).as_millis()).unwrap_or(0));
    let (breaking, healing) = (shuffled(rng, &names), shuffled(rng, &names));
    let faults = (0..).zip(breaking).map(|(number, name)| {
        let healed = (0..).zip(&healing).find(|(_, other)| **other == name);
        let begins = at + step * number;
        let ends = at + step * (steps + healed.map_or(0, |(number, _)| number));
        let whom = Whom::Nodes(vec![name]);
        Fault { at: begins, lasts: ends.saturating_sub(begins), whom, kind: Kind::Partition }
    });
    faults.collect()
}

/// Nobody reaches any bootnode.
pub(super) fn without_bootnodes(rng: &mut Rng, network: &Network<'_>) -> Vec<Fault> {
    let (at, lasts) = network.spell(rng);
    let bootnodes = network.plans.iter().filter(|(_, plan)| plan.is_bootnode);
    let whom = Whom::Nodes(bootnodes.map(|(name, _)| *name).collect());
    vec![Fault { at, lasts, whom, kind: Kind::Partition }]
}

/// Nodes come and go: how long they stay and how long they are away is from
/// exponential distributions.
pub(super) fn churn(rng: &mut Rng, network: &Network<'_>) -> Vec<Fault> {
    let (session, away) = (millis(rng, 5_000, 120_000), millis(rng, 500, 30_000));
    let mut faults = Vec::new();
    for name in shuffled(rng, &network.names).into_iter().take(CHURNING) {
        let mut at = Duration::ZERO;
        for _ in 0..CRASHES {
            at += whole(exponential(rng, session));
            let lasts = whole(exponential(rng, away));
            if at + lasts >= network.time {
                break;
            }
            let kind = Kind::Crash {
                silently: coin(rng),
                durable: Durable::All,
                moves: false,
                renews_key: false,
            };
            faults.push(Fault { at, lasts, whom: Whom::Nodes(vec![name]), kind });
            at += lasts;
        }
    }
    faults
}

/// All nodes crash within a second.
pub(super) fn mass_reboot(rng: &mut Rng, network: &Network<'_>) -> Vec<Fault> {
    let (at, _) = network.spell(rng);
    let kind = crash(rng);
    let faults = network.names.iter().map(|name| {
        let at = at + before(rng, Duration::from_secs(1).min(network.time.saturating_sub(at)));
        let left = network.time.saturating_sub(at).min(Duration::from_secs(10));
        let whom = Whom::Nodes(vec![*name]);
        Fault { at, lasts: before(rng, left), whom, kind: kind.clone() }
    });
    faults.collect()
}

/// In whole milliseconds, and never none.
fn whole(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(0).max(1))
}
