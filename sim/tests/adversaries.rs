//! Adversaries of each kind against a few nodes of ours: what our defences keep, and what
//! is lost without them. At length: the example `adversaries`, and `docs/simulator.md`.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]
#![cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]

use core::ops::Range;
use core::time::Duration;

use devp2p_sim::{
    Adversary, Attack, Census, Defence, Fault, Keys, Kind, NodePlan, Scenario, Share, Stall,
    Useless, Whom, World,
};

/// Nodes that are there from the beginning, and who come when the attack is on.
const OLD: Range<u32> = 0..20;
const FRESH: Range<u32> = 20..23;

const BEGINS: Duration = Duration::from_secs(60);

fn network(attack: Adversary) -> Scenario {
    let late = NodePlan { starts: BEGINS * 2, ..NodePlan::ORDINARY };
    let scenario = Scenario::new(1).keys(Keys::InsecureStandIn).nodes(OLD.end);
    let scenario = FRESH.fold(scenario, |scenario, name| scenario.node(name, late.clone()));
    Scenario { checked: false, ..scenario }.adversary(0, attack)
}

fn attack(attack: Attack, ids: u16, networks: u16) -> Adversary {
    Adversary { begins: BEGINS, ids, networks, attack, ..Adversary::LONE }
}

fn without(defence: Defence, scenario: &Scenario) -> Scenario {
    scenario.clone().each(|_, plan| plan.without = vec![defence])
}

fn after(minutes: u32, scenario: &Scenario) -> World {
    let mut world = scenario.clone().build().unwrap();
    world.run_for(Duration::from_secs(60) * minutes).unwrap();
    world
}

/// Of whom the fresh nodes know and hold after so many minutes.
fn fresh(minutes: u32, scenario: &Scenario) -> Census {
    after(minutes, scenario).census(FRESH)
}

#[track_caller]
fn between(share: Share, permille: Range<u64>) {
    assert!(share.permille().is_some_and(|found| permille.contains(&found)), "{share:?}");
}

#[test]
fn sybils_of_one_network_get_a_few_places_in_tables_and_without_our_limits_most() {
    let scenario = network(attack(Attack::Sybil { dials: false }, 120, 1));
    let with = fresh(6, &scenario);
    between(with.table, 600..1000);
    between(with.live, 600..1000);
    let without = fresh(6, &without(Defence::Subnets, &scenario));
    between(without.table, 1..400);
    assert!(with.dialled.honest > without.dialled.honest, "{with:?} {without:?}");
}

#[test]
fn sybils_of_many_networks_are_not_held_back() {
    let scenario = network(attack(Attack::Sybil { dials: false }, 120, 60));
    between(fresh(6, &scenario).table, 1..400);
}

/// What limits there are is for tables: slots go to who comes first.
#[test]
fn sybils_who_dial_take_what_slots_there_are_but_none_of_those_that_nodes_dial_from() {
    let scenario = network(attack(Attack::Sybil { dials: true }, 120, 1));
    let world = after(6, &scenario);
    between(world.census(OLD).dialled, 900..1001);
    between(world.census(FRESH).peers, 0..400);
}

#[test]
fn nodes_that_there_are_not_are_forgotten_before_they_are_named_to_anyone() {
    let scenario = network(attack(Attack::Poison, 4, 2));
    let mut world = after(3, &scenario);
    let mut named = Share::default();
    for _ in 0..10 {
        world.run_for(Duration::from_secs(15)).unwrap();
        let census = world.census(OLD.chain(FRESH));
        // All that are live but the liars themselves, who are four.
        let liars = census.nodes * 4;
        assert!(census.live.all - census.live.honest <= liars, "{census:?}");
        named = census.live;
    }
    between(named, 800..1000);
}

#[test]
fn forged_packets_get_nobody_into_a_table_and_cut_nobody_off() {
    let some = Whom::Nodes(vec![0, 1, 20]);
    let forge = Adversary { whom: some, ..attack(Attack::Forge(100), 20, 1) };
    let world = after(4, &network(forge));
    let census = world.census(OLD.chain(FRESH));
    assert!(census.table.all > 300 && census.table.honest == census.table.all, "{census:?}");
    between(census.peers, 1000..1001);
    assert!(world.is_connected());
}

#[test]
fn a_flood_of_pings_is_hardly_answered_and_without_budgets_is_wholly() {
    let flood = Adversary { whom: Whom::Nodes(vec![0]), ..attack(Attack::PingFlood(500), 500, 2) };
    let scenario = network(flood);
    let sent = |scenario: &Scenario| after(3, scenario).census(0..1).sent;
    let (with, without) = (sent(&scenario), sent(&without(Defence::Budgets, &scenario)));
    assert!(with * 10 < without && without > 100_000, "{with} {without}");
    between(fresh(5, &scenario).table, 1000..1001);
}

/// Everybody keeps dialling one whose door is crowded. How many get in.
fn admitted(how: Stall, change: impl Fn(&Scenario) -> Scenario) -> u64 {
    let victim = OLD.end;
    let plan = NodePlan { starts: BEGINS, dials: false, max_peers: 100, ..NodePlan::ORDINARY };
    let scenario = Scenario::new(1).keys(Keys::InsecureStandIn).nodes(OLD.end);
    let scenario = scenario.each(|_, plan| {
        plan.static_nodes = vec![victim];
        plan.discovers = plan.is_bootnode;
    });
    let stall = Adversary {
        begins: Duration::ZERO,
        whom: Whom::Nodes(vec![victim]),
        ..attack(Attack::Stall(how), 2032, 8)
    };
    let scenario = Scenario { checked: false, ..scenario }.node(victim, plan).adversary(0, stall);
    after(3, &change(&scenario)).census(victim..victim + 1).peers.honest
}

#[test]
fn who_says_nothing_makes_room_and_where_nobody_does_nobody_gets_in() {
    for how in [Stall::Silent, Stall::Trickle] {
        let all = u64::from(OLD.end);
        assert_eq!(admitted(how, Scenario::clone), all, "{how:?}");
        let none = admitted(how, |scenario| without(Defence::SilentGiveWay, scenario));
        assert!(none * 4 < all, "{how:?}: {none}");
    }
}

/// Who has shown a key is not silent: so it is bought with an id, and with a handshake.
#[test]
fn who_shakes_hands_and_then_says_nothing_keeps_others_waiting() {
    let admitted = admitted(Stall::Shaken, Scenario::clone);
    assert!(admitted < u64::from(OLD.end), "{admitted}");
}

#[test]
fn useless_peers_are_dialled_and_hold_no_slot() {
    for why in [Useless::Alien, Useless::HangsUp] {
        let census = fresh(6, &network(attack(Attack::Useless(why), 60, 30)));
        between(census.table, 1..600);
        between(census.peers, 1000..1001);
        between(census.dialled, 1000..1001);
    }
}

#[test]
fn a_clock_that_is_set_changes_nothing_for_those_who_run_and_all_for_those_who_start() {
    const HOUR: i64 = 3_600_000_000;
    let liars = attack(Attack::ClockLie(HOUR), 60, 30);
    let (at, lasts) = (BEGINS, Duration::from_secs(3600));
    let step = Fault { at, lasts, whom: Whom::All, kind: Kind::ClockStep(HOUR) };
    let some: Vec<u32> = (1..6).chain(FRESH).collect();
    let step = Fault { whom: Whom::Nodes(some), ..step };
    let world = after(6, &network(liars).fault(step));
    between(world.census(1..6).table, 300..1000);
    between(world.census(1..6).peers, 800..1001);
    between(world.census(FRESH).table, 0..1);
}

#[test]
fn an_attack_is_the_same_each_time_and_another_with_another_seed_and_watched_or_not() {
    for one in [
        attack(Attack::Sybil { dials: true }, 40, 3),
        Adversary { whom: Whom::Nodes(vec![3]), ..attack(Attack::Forge(40), 10, 1) },
        attack(Attack::Stall(Stall::Trickle), 40, 1),
        attack(Attack::Useless(Useless::HangsUp), 20, 20),
    ] {
        let scenario = network(one);
        let digest = after(3, &scenario).digest();
        assert_eq!(after(3, &scenario).digest(), digest);
        let blind = Scenario { oracles: false, ..scenario.clone() };
        assert_eq!(after(3, &blind).digest(), digest);
        let checked = Scenario { checked: true, ..scenario.clone() };
        assert_eq!(after(3, &checked).digest(), digest);
        let other = Scenario { seed: 2, ..scenario };
        assert_ne!(after(3, &other).digest(), digest);
    }
}

/// It is gone when its time is over, and leaves nobody a peer of nobody.
#[test]
fn when_an_attack_is_over_its_ids_are_forgotten() {
    let attack = attack(Attack::Sybil { dials: true }, 40, 20);
    let brief = Adversary { lasts: Duration::from_secs(120), ..attack };
    let scenario = network(brief);
    between(after(3, &scenario).census(OLD).table, 0..900);
    let census = after(30, &Scenario { oracles: false, ..scenario }).census(OLD);
    between(census.live, 1000..1001);
    between(census.peers, 1000..1001);
}
