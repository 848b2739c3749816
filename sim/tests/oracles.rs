//! What the oracles themselves must keep to, and what they cannot see while it runs.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

use core::time::Duration;
use std::collections::BTreeSet;

use devp2p_sim::core::discv4;
use devp2p_sim::core::entropy::Seed;
use devp2p_sim::core::identity::NodeId;
use devp2p_sim::core::node::Command;
use devp2p_sim::{Digest, Durable, Fault, Kind, Quality, SETTLED, Scenario, Whom, World};

const MINUTE: Duration = Duration::from_secs(60);

fn troubled(seed: u64) -> Scenario {
    let link = Quality { loss: 100_000, reset: 20_000, segment: 50, ..Quality::PERFECT };
    let crash =
        Kind::Crash { silently: true, durable: Durable::All, moves: true, renews_key: false };
    let fault = |at, whom, kind| Fault {
        at: Duration::from_secs(at),
        lasts: Duration::from_secs(40),
        whom,
        kind,
    };
    Scenario::new(seed)
        .nodes(8)
        .each(|name, plan| plan.has_store = name % 2 == 0)
        .fault(fault(10, Whom::All, Kind::Link(link)))
        .fault(fault(30, Whom::Nodes(vec![1, 2]), crash))
        .fault(fault(60, Whom::Nodes(vec![3]), Kind::Pause))
}

fn digest(scenario: Scenario, traced: bool) -> Digest {
    let mut world = scenario.build().unwrap();
    if traced {
        world.trace();
    }
    world.run_for(3 * MINUTE).unwrap();
    world.digest()
}

/// X3.
#[test]
fn a_run_is_the_same_whoever_looks() {
    let with = |checked, oracles| Scenario { checked, oracles, ..troubled(1) };
    let plain = digest(with(false, false), false);
    assert_eq!(digest(with(true, false), false), plain);
    assert_eq!(digest(with(false, true), false), plain);
    assert_eq!(digest(with(true, true), true), plain);
    assert_ne!(digest(troubled(2), false), plain);
}

/// X2.
#[test]
fn a_node_that_hears_the_same_alone_says_the_same() {
    let mut world = troubled(5).build().unwrap();
    (0..8).for_each(|name| world.record(name));
    world.run_for(3 * MINUTE).unwrap();
    let replayed = |world: &World| (0..8).all(|name| world.replay(name).unwrap());
    assert!(replayed(&world));
    // While they stop as well.
    (0..8).for_each(|name| world.stop(name));
    assert!(replayed(&world));
}

/// X4, as far as it can hold: keys of another kind have other ids.
#[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
#[test]
fn stand_in_keys_bring_about_as_many_peers_as_real_ones() {
    let peers = |keys| {
        let mut world = Scenario::new(4).nodes(10).keys(keys).build().unwrap();
        world.run_for(5 * MINUTE).unwrap();
        assert!(world.is_connected());
        let known = |name| world.node(name).unwrap().discovery().unwrap().table().len();
        let names: Vec<u32> = world.names().collect();
        (world.peers(0).len(), names.iter().map(|name| known(*name)).collect::<Vec<_>>())
    };
    let (real, stand_in) =
        (peers(devp2p_sim::Keys::Curve), peers(devp2p_sim::Keys::InsecureStandIn));
    assert_eq!(real.1, stand_in.1);
    assert!(real.0.abs_diff(stand_in.0) <= 4, "{real:?} {stand_in:?}");
}

/// D8.
#[test]
fn look_ups_find_the_closest() {
    let mut world = Scenario::new(3).nodes(40).unchecked().without_oracles().build().unwrap();
    world.run_for(5 * MINUTE).unwrap();
    let ids: Vec<NodeId> = world.names().map(|name| *world.node(name).unwrap().node_id()).collect();
    let mut rng = Seed::from_number(9).jitter();
    world.trace();
    let (mut good, mut all) = (0, 0);
    for asker in 0..40_u32 {
        for _ in 0..3 {
            let target: [u8; 64] = rng.bytes();
            world.take_trace();
            let look_up = Command::Discovery(discv4::Command::LookUp(target));
            world.command(asker, look_up).unwrap();
            world.run_for(Duration::from_secs(15)).unwrap();
            let said = world.take_trace().iter().map(ToString::to_string).collect::<Vec<_>>();
            let answer = said.iter().find(|line| line.contains("answers RequestId")).unwrap();
            let own = ids[asker as usize];
            let id = NodeId::hash_of(&target);
            let mut closest: Vec<_> = ids.iter().filter(|other| **other != own).collect();
            closest.sort_by(|a, b| id.cmp_distance(a, b));
            let found: BTreeSet<String> = answer
                .split("id: NodeId(")
                .skip(1)
                .filter_map(|rest| Some(rest.split_once("..)")?.0.to_owned()))
                .collect();
            let hits = closest[..16].iter().filter(|id| found.contains(&id.short().to_string()));
            all += 1;
            good += usize::from(hits.count() >= 15);
        }
    }
    assert!(good * 100 >= all * 99, "{good} of {all}");
}

/// L4 and L5.
#[test]
fn who_has_a_store_comes_back_when_all_bootnodes_are_dead() {
    let crash = |durable, at, lasts, name| Fault {
        at,
        lasts,
        whom: Whom::Nodes(vec![name]),
        kind: Kind::Crash { silently: false, durable, moves: false, renews_key: false },
    };
    let scenario = Scenario::new(6)
        .nodes(10)
        .each(|_, plan| plan.has_store = true)
        // For good.
        .fault(crash(Durable::Nothing, 10 * MINUTE, 1000 * MINUTE, 0))
        .fault(crash(Durable::All, 12 * MINUTE, MINUTE, 5));
    let mut world = scenario.build().unwrap();
    world.run_for(13 * MINUTE + SETTLED + MINUTE).unwrap();
    assert!(world.node(0).is_none());
    world.check_settled().unwrap();
    let live = |world: &World, name| world.node(name).unwrap().discovery().unwrap().table().live();
    assert!(live(&world, 5) >= 8 && !world.peers(5).is_empty(), "{}", live(&world, 5));
    assert!(world.is_connected());
}

/// R3, and R1 of who is quiet: a node sends what it needs and no more.
#[test]
fn a_quiet_network_settles_and_is_quiet() {
    let mut world = Scenario::new(8).nodes(12).build().unwrap();
    world.run_for(SETTLED + MINUTE).unwrap();
    world.check_settled().unwrap();
}
