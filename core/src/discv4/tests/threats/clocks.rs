//! Clocks that jump, and who would like them to: Marcus, Heilman and Goldberg
//! 2018; CVE-2026-33040.

use core::time::Duration;

use super::*;
use crate::discv4::Input;
use crate::discv4::tests::harness::START;
use crate::time::{Instant, Now, UnixTime};

#[test]
fn neither_clock_upsets_it_when_it_jumps() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.bond(&stranger);
    let true_now = lone.now;
    let year = Duration::from_secs(365 * 24 * 3600);
    for unix in [
        true_now.unix.saturating_add(year),
        UnixTime::from_secs(true_now.unix.as_secs() - year.as_secs()),
        UnixTime::EPOCH,
        UnixTime::from_micros(u64::MAX),
    ] {
        lone.now.unix = unix;
        lone.hear(&stranger, &stranger.ping(lone.at, lone.now));
        assert!(lone.look().table().contains(&stranger.id()), "the table stands");
    }
    lone.now = Now { mono: Instant::ZERO, ..true_now };
    lone.said_to(stranger.at);
    lone.hear(&stranger, &find([1; 64], lone.now));
    assert_eq!(lone.kinds_to(stranger.at), [Kind::Neighbors]);
    lone.now = true_now;
    lone.hear(&stranger, &find([1; 64], lone.now));
    assert_eq!(lone.kinds_to(stranger.at), [Kind::Neighbors]);
}

const HOUR: i64 = 60 * 60;
const YEAR: i64 = 365 * 24 * HOUR;

/// Twelve nodes that know each other well.
fn network() -> World {
    let mut world = World::new(3);
    let first = world.add(|_| {});
    let bootnode = world.nodes[first].contact();
    for _ in 1..12 {
        world.add(|config| config.bootnodes = [bootnode.clone()].into());
    }
    world.run(Duration::from_secs(180));
    assert_eq!(live(&world, 5), 11);
    world
}

fn live(world: &World, node: usize) -> usize {
    world.nodes[node].look().table().live()
}

fn who_know(world: &World, node: usize) -> usize {
    let id = world.nodes[node].id();
    world.nodes.iter().filter(|node| node.look().table().contains(&id)).count()
}

#[test]
fn a_clock_that_is_set_wrong_by_an_hour_or_a_year_empties_no_table() {
    for seconds in [HOUR, -HOUR, YEAR, -YEAR] {
        let mut world = network();
        world.skew(5, seconds);
        for _ in 0..10 {
            world.run(Duration::from_secs(60));
            assert!(live(&world, 5) >= 10, "{seconds}: {}", live(&world, 5));
            assert!(who_know(&world, 5) >= 10, "{seconds}: {}", who_know(&world, 5));
        }
        // Nor does it when it is set right again.
        world.skew(5, 0);
        world.run(Duration::from_secs(300));
        assert!(live(&world, 5) >= 10 && who_know(&world, 5) >= 10, "{seconds}");
    }
}

/// A machine without a battery for its clock begins in 1970.
#[test]
fn who_began_with_a_wrong_clock_finds_the_network_once_it_is_set_right() {
    for seconds in [YEAR, -YEAR, -1_699_999_999] {
        let mut world = network();
        let bootnode = world.nodes[0].contact();
        let late = world.add_skewed(seconds, |config| config.bootnodes = [bootnode].into());
        world.run(Duration::from_secs(60));
        world.skew(late, 0);
        world.run(Duration::from_secs(300));
        assert!(live(&world, late) >= 10, "{seconds}: {}", live(&world, late));
        assert!(who_know(&world, late) >= 10, "{seconds}: {}", who_know(&world, late));
    }
}

#[test]
fn a_clock_that_is_turned_back_makes_expired_packets_count_and_no_longer() {
    let mut lone = lone();
    let stranger = Stranger::new(1);
    lone.bond(&stranger);
    let old = find([1; 64], lone.now);
    let then = lone.now.unix;
    lone.wait(Duration::from_secs(60));
    lone.sent.clear();
    lone.hear(&stranger, &old);
    assert_eq!(lone.kinds_to(stranger.at), []);
    let right = lone.now;
    lone.now.unix = then;
    lone.hear(&stranger, &old);
    assert_eq!(lone.kinds_to(stranger.at), [Kind::Neighbors]);
    lone.now = right;
    lone.hear(&stranger, &old);
    assert_eq!(lone.kinds_to(stranger.at), []);
    assert_eq!(dropped(&lone, DropReason::Expired), 2);
}

#[test]
fn neither_clock_overflows_at_its_end() {
    let end = Now { mono: Instant::MAX, unix: UnixTime::from_micros(u64::MAX) };
    for now in [end, Now { mono: Instant::ZERO, ..end }, Now { unix: UnixTime::EPOCH, ..end }] {
        let mut lone = lone();
        let stranger = Stranger::new(1);
        lone.bond(&stranger);
        lone.now = now;
        lone.hear(&stranger, &stranger.ping(lone.at, START));
        lone.ask(1, Command::Ping(stranger.contact()));
        lone.ask(2, Command::LookUp([1; 64]));
        lone.give(Input::Stop);
        assert!(lone.stopped);
    }
}
