//! Which nodes a drawn network has. Whether there is such a thing at all is the
//! world's coin, whether this node has it is the node's.

use core::time::Duration;
use std::collections::BTreeMap;

use devp2p_core::entropy::{Rng, Seed};

use super::{before, coin, millis, one};
use crate::network::nat::{Nat, NatKind};
use crate::network::region::Region;
use crate::scenario::{Families, NodePlan};

/// What the nodes of this world have or have not.
#[derive(Debug)]
struct Features {
    bootnodes: u32,
    peers: Peers,
    ratios: bool,
    /// `None`: each its own.
    families: Option<Families>,
    /// 0 for none.
    providers: u32,
    gateways: Gateways,
    regions: bool,
    statics: bool,
    without_discovery: bool,
    trusted: bool,
    strangers: bool,
    restricted: bool,
    passive: bool,
    stores: Share,
    starts: Starts,
    bandwidth: bool,
}

/// How many of the nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Share {
    None,
    Half,
    All,
}

impl Share {
    const ALL: [Self; 3] = [Self::None, Self::Half, Self::All];

    fn has(self, rng: &mut Rng) -> bool {
        match self {
            Self::None => false,
            Self::Half => coin(rng),
            Self::All => true,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Peers {
    /// 1 to 3: everything is full all the time.
    Few,
    Ordinary,
    /// Each its own, up to geth's 50.
    Mixed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Gateways {
    None,
    /// Before a third of those who are no bootnodes.
    Some,
    /// Before all of them: newcomers whom nobody can reach.
    Newcomers,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Starts {
    AtOnce,
    Staggered,
    /// A few are there, and the rest comes within a second.
    FlashCrowd(Duration),
}

pub(super) fn draw(seed: &Seed, count: u32, time: Duration) -> BTreeMap<u32, NodePlan> {
    let features = Features::draw(&mut seed.jitter(), count, time);
    // No more than 254 nodes live in one.
    let homes = match seed.derive("homes", 0).jitter().below(4) {
        0 => 0,
        homes => homes + count / 100,
    };
    (0..count)
        .map(|name| {
            let rng = &mut seed.derive("node", name.into()).jitter();
            let mut plan = features.plan(rng, name, count, time);
            if homes > 0 && plan.nat.is_some() {
                move_in(seed, name, homes, &mut plan);
            }
            (name, plan)
        })
        .collect()
}

/// Half of those who are behind a gateway live with others, in one of so many homes.
fn move_in(seed: &Seed, name: u32, homes: u32, plan: &mut NodePlan) {
    let rng = &mut seed.derive("inhabitant", name.into()).jitter();
    if coin(rng) {
        let home = rng.below(homes);
        let rng = &mut seed.derive("home", home.into()).jitter();
        plan.nat = Some(gateway(rng));
        plan.home = u16::try_from(home).ok();
        plan.region = one(rng, &Region::ALL, Region::default());
    }
}

impl Features {
    fn draw(rng: &mut Rng, count: u32, time: Duration) -> Self {
        const FAMILIES: [Option<Families>; 6] = [
            Some(Families::V4),
            Some(Families::V4),
            Some(Families::V6),
            Some(Families::Both),
            None,
            None,
        ];
        Self {
            bootnodes: 1 + rng.below(3),
            peers: one(rng, &[Peers::Few, Peers::Ordinary, Peers::Few, Peers::Mixed], Peers::Few),
            ratios: coin(rng),
            families: one(rng, &FAMILIES, None),
            // No more than 200 nodes have addresses of one /24.
            providers: if coin(rng) { 1 + rng.below(4) + count / 100 } else { 0 },
            gateways: one(
                rng,
                &[Gateways::None, Gateways::None, Gateways::Some, Gateways::Newcomers],
                Gateways::None,
            ),
            regions: coin(rng),
            statics: coin(rng),
            without_discovery: coin(rng),
            trusted: coin(rng),
            strangers: rng.below(4) == 0,
            restricted: rng.below(4) == 0,
            passive: coin(rng),
            stores: one(rng, &Share::ALL, Share::None),
            starts: match rng.below(3) {
                0 => Starts::AtOnce,
                1 => Starts::Staggered,
                _ => Starts::FlashCrowd(before(rng, time / 2)),
            },
            bandwidth: coin(rng),
        }
    }

    /// One node. Every node draws the same number of times up to where that
    /// follows from its own.
    fn plan(&self, rng: &mut Rng, name: u32, count: u32, time: Duration) -> NodePlan {
        let is_bootnode = name < self.bootnodes;
        let region = one(rng, &Region::ALL, Region::default());
        let nat = gateway(rng);
        let behind = match self.gateways {
            Gateways::None => false,
            Gateways::Some => rng.below(3) == 0,
            Gateways::Newcomers => true,
        };
        let families = self.families.unwrap_or_else(|| family(rng, is_bootnode));
        let starts = match self.starts {
            Starts::AtOnce => Duration::ZERO,
            Starts::Staggered => before(rng, time / 2),
            Starts::FlashCrowd(_) if name < 2 => Duration::ZERO,
            Starts::FlashCrowd(at) => (at + millis(rng, 0, 1000)).min(time),
        };
        let max_peers = match self.peers {
            Peers::Few => 1 + rng.below(3),
            Peers::Ordinary => 8,
            Peers::Mixed => 1 + rng.below(50),
        };
        let has_static = self.statics && rng.below(4) == 0;
        let others = |rng: &mut Rng| others(rng, name, count);
        NodePlan {
            is_bootnode,
            starts,
            region: if self.regions { region } else { Region::default() },
            provider: (self.providers > 0 && coin(rng))
                .then(|| u16::try_from(rng.below(self.providers)).unwrap_or(0)),
            families,
            home: None,
            nat: (behind && !is_bootnode && families != Families::V6).then_some(nat),
            max_peers: usize::try_from(max_peers).unwrap_or(8),
            dial_ratio: if self.ratios { one(rng, &[0, 1, 2, 10], 0) } else { 0 },
            dials: !(self.passive && rng.below(4) == 0),
            discovers: !(self.without_discovery && has_static && !is_bootnode && coin(rng)),
            static_nodes: if has_static { others(rng) } else { Vec::new() },
            trusted_nodes: if self.trusted && rng.below(4) == 0 { others(rng) } else { Vec::new() },
            has_store: self.stores.has(rng),
            bandwidth: if self.bandwidth && rng.below(3) == 0 {
                (20 + u64::from(rng.below(1000))) * 1000
            } else {
                0
            },
            without: Vec::new(),
            has_nothing_in_common: self.strangers && rng.below(4) == 0,
            net_restrict: if self.restricted && rng.below(3) == 0 {
                restriction(rng, families)
            } else {
                Vec::new()
            },
        }
    }
}

/// A bootnode has both, where not all have the same: else some would have nowhere
/// to begin.
fn family(rng: &mut Rng, is_bootnode: bool) -> Families {
    let drawn = one(rng, &[Families::V4, Families::V6, Families::Both], Families::V4);
    if is_bootnode { Families::Both } else { drawn }
}

fn gateway(rng: &mut Rng) -> Nat {
    Nat {
        kind: one(rng, &NatKind::ALL, NatKind::PortRestricted),
        // As RFC 4787 asks for, and less, as many do.
        time_out: millis(rng, 30, 300) * 1000,
        hairpin: coin(rng),
        maps_ports: coin(rng),
    }
}

/// Some of the networks in which there are nodes, or all: see [`NodePlan::provider`].
fn restriction(rng: &mut Rng, families: Families) -> Vec<String> {
    let ip4 = ["20.0.0.0/8", "20.0.0.0/29", "60.0.0.0/8", "0.0.0.0/0"];
    let ip6 = ["2a14::/16", "2a3c::/16", "2a00::/8", "::/0"];
    let drawn = |rng: &mut Rng, of: [&str; 4]| one(rng, &of, of[3]).to_owned();
    match families {
        Families::V4 => vec![drawn(rng, ip4)],
        Families::V6 => vec![drawn(rng, ip6)],
        Families::Both => vec![drawn(rng, ip4), drawn(rng, ip6)],
    }
}

/// One to three others.
fn others(rng: &mut Rng, name: u32, count: u32) -> Vec<u32> {
    let wanted = 1 + rng.below(3);
    let mut others: Vec<u32> =
        (0..wanted).map(|_| rng.below(count)).filter(|other| *other != name).collect();
    others.sort_unstable();
    others.dedup();
    others
}
