//! Scenarios for the planted bugs: small worlds in which much goes wrong.

use core::time::Duration;

use devp2p_sim::core::entropy::{Rng, Seed};
use devp2p_sim::{
    DrawOptions, Durable, Families, Fault, Keys, Kind, Nat, NatKind, Quality, Region, Scenario,
    Whom,
};

/// What is drawn from a seed.
pub(crate) fn draw(seed: u64) -> Scenario {
    let mut rng = Seed::from_number(seed).derive("scenario", 0).jitter();
    let rng = &mut rng;
    // Buckets are full in the large ones alone.
    let count = if seed.is_multiple_of(8) { 44 } else { 3 + rng.below(16) };
    let mut scenario = Scenario::new(seed).nodes(count);
    scenario.keys = keys();
    let peers = pick(rng, &[1, 2, 3, 8, 8, 25]);
    let families = pick(rng, &[0, 0, 0, 0, 1, 2]);
    let (nats, providers, lists) = (one_in(rng, 3), one_in(rng, 3), one_in(rng, 2));
    let (stores, strangers, restricts) = (one_in(rng, 2), one_in(rng, 4), one_in(rng, 4));
    let (flash, mixed) = (one_in(rng, 2), one_in(rng, 2));
    let names: Vec<u32> = (0..count).collect();
    let bootnodes = 1 + rng.below(2);
    scenario = scenario.each(|name, plan| {
        let rng = &mut Seed::from_number(seed).derive("plan", name.into()).jitter();
        plan.is_bootnode = name < bootnodes;
        plan.max_peers = if mixed { pick(rng, &[1, 2, 4, 8, 16]) } else { peers };
        plan.dial_ratio = pick(rng, &[0, 0, 0, 1, 2, 5]);
        plan.dials = !one_in(rng, 12);
        plan.region = pick(rng, &Region::ALL);
        plan.families = match families {
            0 => Families::V4,
            1 => Families::V6,
            _ => pick(rng, &[Families::V4, Families::Both, Families::Both]),
        };
        if plan.is_bootnode && families == 2 {
            plan.families = Families::Both;
        }
        plan.provider = (providers && one_in(rng, 2)).then(|| u16::try_from(rng.below(2)).unwrap());
        plan.has_store = stores && one_in(rng, 2);
        plan.bandwidth = pick(rng, &[0, 0, 0, 200_000]);
        if !plan.is_bootnode {
            let spread = if flash { 2 } else { 60 };
            plan.starts = Duration::from_millis(u64::from(rng.below(spread * 1000)));
            if nats && plan.families != Families::V6 && one_in(rng, 3) {
                plan.nat = Some(Nat {
                    kind: pick(rng, &NatKind::ALL),
                    time_out: Duration::from_secs(pick(rng, &[30, 120, 300])),
                    hairpin: one_in(rng, 2),
                    maps_ports: one_in(rng, 2),
                });
            }
            plan.discovers = !one_in(rng, 15);
            plan.has_nothing_in_common = strangers && one_in(rng, 5);
        }
        if lists && one_in(rng, 2) {
            plan.static_nodes =
                some(rng, &names).into_iter().filter(|other| *other != name).collect();
        }
        if lists && one_in(rng, 3) {
            plan.trusted_nodes = some(rng, &names);
        }
        if restricts && one_in(rng, 3) {
            plan.net_restrict = match plan.families {
                Families::V6 => vec!["2a00::/16".to_owned()],
                Families::V4 | Families::Both => {
                    let first = pick(rng, &["20.0.0.0/13", "20.0.0.0/8", "60.0.0.0/8"]);
                    vec![first.to_owned(), "20.0.0.0/30".to_owned()]
                }
            };
        }
    });
    // Those who know a few nodes alone show whether these are dialled again.
    if seed % 16 == 3 {
        scenario = scenario.each(|name, plan| {
            (plan.discovers, plan.dials, plan.max_peers) = (false, true, 16);
            (plan.nat, plan.net_restrict) = (None, Vec::new());
            plan.static_nodes = (0..3).filter(|other| *other != name).collect();
        });
    }
    // Those who have all that they want show how quiet a network is.
    if seed % 16 == 7 {
        scenario = scenario.each(|_, plan| {
            (plan.dials, plan.max_peers, plan.dial_ratio) = (true, 16, 16);
            (plan.static_nodes, plan.trusted_nodes) = (Vec::new(), Vec::new());
            plan.net_restrict = Vec::new();
        });
    }
    for kind in 0..KINDS {
        if one_in(rng, 4) {
            // Where a world settles it shows whether those who are no more vanish.
            let newcomers = if seed % 4 == 3 { 4 } else { 1 };
            let fault = fault(rng, kind, &names, newcomers);
            scenario.faults.push(fault);
        }
    }
    scenario
}

const KINDS: u32 = 20;

fn fault(rng: &mut Rng, kind: u32, names: &[u32], newcomers: u32) -> Fault {
    let whom = if one_in(rng, 3) { Whom::All } else { Whom::Nodes(some(rng, names)) };
    let part = Whom::Nodes(some(rng, names));
    let share = |rng: &mut Rng| pick(rng, &[10_000, 50_000, 200_000]);
    let millis = |rng: &mut Rng, most| Duration::from_millis(u64::from(rng.below(most)));
    let mut quality = Quality::PERFECT;
    let mut whom_of = whom;
    let kind = match kind {
        0 => {
            (quality.loss, quality.burst_loss) = (share(rng), pick(rng, &[0, 10_000]));
            Kind::Link(quality)
        }
        1 => {
            quality.delay = millis(rng, 700);
            quality.jitter = millis(rng, 200);
            quality.reorder = share(rng);
            Kind::Link(quality)
        }
        2 => {
            (quality.duplicate, quality.replay) = (share(rng), share(rng));
            Kind::Link(quality)
        }
        3 => {
            (quality.corrupt, quality.truncate) = (share(rng), share(rng));
            quality.icmp = true;
            Kind::Link(quality)
        }
        4 => {
            quality.mtu = 600;
            quality.send_buffer_full = one_in(rng, 3);
            quality.clogged = one_in(rng, 3);
            Kind::Link(quality)
        }
        5 => {
            (quality.refuse, quality.unanswered) = (share(rng), share(rng));
            Kind::Link(quality)
        }
        6 => {
            (quality.reset, quality.fin) = (share(rng), share(rng));
            quality.segment = pick(rng, &[0, 1, 7, 100]);
            Kind::Link(quality)
        }
        7 => {
            quality.merge = true;
            quality.stall = one_in(rng, 2);
            Kind::Link(quality)
        }
        8 => {
            whom_of = part;
            Kind::Partition
        }
        9 => {
            whom_of = part;
            Kind::OneWay
        }
        10 | 11 => {
            whom_of = part;
            Kind::Crash {
                silently: one_in(rng, 2),
                durable: pick(
                    rng,
                    &[Durable::All, Durable::Backup, Durable::Nothing, Durable::Damaged],
                ),
                moves: one_in(rng, 4),
                renews_key: rng.below(6) < newcomers,
            }
        }
        12 => {
            whom_of = part;
            Kind::Pause
        }
        13 => Kind::Slow(millis(rng, 50)),
        14 => Kind::LateMessages(millis(rng, 3000)),
        15 => Kind::LateVerification(millis(rng, 400)),
        16 => Kind::ReadsNothing,
        17 => pick(rng, &[Kind::AcceptsNothing, Kind::FailingStore, Kind::FullStore]),
        18 => {
            let step = i64::from(rng.below(7200)) - 3600;
            pick(rng, &[Kind::ClockStep(step * 1_000_000), Kind::ClockDrift(200)])
        }
        _ => Kind::ClockGrain(Duration::from_millis(15)),
    };
    let at = Duration::from_millis(u64::from(5000 + rng.below(150_000)));
    let lasts = Duration::from_millis(u64::from(1000 + rng.below(80_000)));
    Fault { at, lasts, whom: whom_of, kind }
}

/// What `devp2p sim` draws.
pub(crate) fn drawn(seed: u64) -> Scenario {
    Scenario::draw(seed, &DrawOptions { keys: keys(), ..DrawOptions::DEFAULT })
}

#[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
const fn keys() -> Keys {
    Keys::InsecureStandIn
}

#[cfg(not(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only"))]
const fn keys() -> Keys {
    Keys::Curve
}

fn one_in(rng: &mut Rng, count: u32) -> bool {
    rng.below(count) == 0
}

fn pick<T: Clone>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.below(u32::try_from(of.len()).unwrap()) as usize].clone()
}

fn some(rng: &mut Rng, names: &[u32]) -> Vec<u32> {
    let mut some: Vec<u32> = names.iter().copied().filter(|_| one_in(rng, 4)).collect();
    if some.is_empty() {
        some.push(pick(rng, names));
    }
    some
}
