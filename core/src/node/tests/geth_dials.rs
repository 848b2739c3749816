//! The cases of geth's `p2p/dial_test.go` that `dials.rs` has not in its own words.

use alloc::vec::Vec;

use super::harness::*;
use crate::node::{Command, Config, DialFailure, Input, Limits};

/// `max_dialled` and `max_pending` as geth's cases state them.
fn dials(max_dialled: usize, max_pending: usize) -> Config {
    let mut config = config();
    config.limits =
        Limits { max_peers: max_dialled * 10, max_pending_peers: max_pending, dial_ratio: 10 };
    config.candidates = ["test".into()].into();
    config
}

fn discovered(lone: &mut Lone, numbers: impl IntoIterator<Item = u64>) {
    lone.ask(Command::Candidates(0, numbers.into_iter().map(contact).collect()));
}

/// Who is being dialled since the last look, by number, sorted.
fn new_dials(lone: &Lone, seen: &mut usize) -> Vec<u64> {
    let new = lone.connects[*seen..].iter();
    let numbers = new.map(|(_, _, remote)| (0..40).find(|number| key(*number) == *remote).unwrap());
    *seen = lone.connects.len();
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

fn under_way(lone: &Lone, number: u64) -> crate::node::ConnectionId {
    lone.connects.iter().rev().find(|(_, _, remote)| *remote == key(number)).unwrap().0
}

fn succeed(lone: &mut Lone, number: u64) -> crate::node::ConnectionId {
    let id = under_way(lone, number);
    lone.give(Input::Connected(id, Ok(())));
    lone.authenticated(id, number);
    lone.ready(id, number);
    id
}

fn fail(lone: &mut Lone, number: u64) {
    let id = under_way(lone, number);
    lone.not_connected(id, DialFailure::Refused);
}

/// `TestDialSchedDynDial`.
#[test]
fn dynamic_dials_follow_the_slots_as_peers_come_and_go() {
    let mut lone = Lone::new(dials(4, 5));
    let mut seen = 0;
    discovered(&mut lone, [20, 21, 22]);
    let peers = [20, 21, 22].map(|number| succeed(&mut lone, number));
    new_dials(&lone, &mut seen);
    discovered(&mut lone, [20, 22, 3, 4, 5, 6, 7, 8]);
    assert_eq!(new_dials(&lone, &mut seen), [3, 4], "two slots for one place");
    fail(&mut lone, 4);
    assert_eq!(new_dials(&lone, &mut seen), [5]);
    succeed(&mut lone, 3);
    fail(&mut lone, 5);
    discovered(&mut lone, [9]);
    assert!(new_dials(&lone, &mut seen).is_empty(), "no place is left");
    peers.into_iter().for_each(|peer| lone.lost(peer));
    discovered(&mut lone, 10..15);
    assert_eq!(new_dials(&lone, &mut seen), [6, 7, 8, 9, 10], "six slots, but five at once");
}

/// `TestDialSchedStaticDial`.
#[test]
fn static_dials_keep_to_the_slots_and_leave_out_who_has_come_by_itself() {
    let mut lone = Lone::new(dials(4, 5));
    let mut seen = 0;
    discovered(&mut lone, [1, 2]);
    let peers = [1, 2].map(|number| succeed(&mut lone, number));
    new_dials(&lone, &mut seen);
    for number in 1..=9 {
        lone.ask(Command::AddPeer(enode(number)));
    }
    // Each as it was added: there was a slot for these.
    assert_eq!(new_dials(&lone, &mut seen), [3, 4, 5, 6]);
    lone.wait(16 * SECOND - SECOND * 2);
    succeed(&mut lone, 3);
    // As inbound peers they are not dialled any more.
    lone.join(7);
    for number in [4, 5, 6] {
        fail(&mut lone, number);
    }
    assert_eq!(new_dials(&lone, &mut seen), [8, 9]);
    lone.wait(40 * SECOND);
    new_dials(&lone, &mut seen);
    lone.lost(peers[0]);
    // Nobody answers, so that each has its turn.
    lone.wait(200 * SECOND);
    let mut again = new_dials(&lone, &mut seen);
    again.dedup();
    assert_eq!(again, [1, 4, 5, 6, 8, 9], "neither who is connected nor who has come by itself");
}

/// `TestDialSchedRemoveStatic`.
#[test]
fn who_is_removed_is_not_dialled_again_whether_it_waits_is_dialled_or_failed() {
    let mut lone = Lone::new(dials(1, 1));
    let mut seen = 0;
    for number in 1..=3 {
        lone.ask(Command::AddPeer(enode(number)));
    }
    let first = new_dials(&lone, &mut seen);
    assert_eq!(first, [1]);
    fail(&mut lone, 1);
    let second = new_dials(&lone, &mut seen);
    assert_eq!(second.len(), 1);
    for number in 1..=3 {
        lone.ask(Command::RemovePeer(id(number)));
    }
    fail(&mut lone, second[0]);
    lone.wait(200 * SECOND);
    assert!(new_dials(&lone, &mut seen).is_empty());
    assert_eq!(lone.snapshot().static_nodes, 0);
}

/// `TestDialSchedManyStaticNodes`.
#[test]
fn of_many_static_nodes_some_at_random_are_dialled() {
    let mut chosen = Vec::new();
    for seed in 0..2 {
        let mut config = dials(2, 50);
        config.key = secret(seed);
        config.static_nodes = (100..400).map(enode).collect();
        let node = crate::node::Node::new(config, &crate::entropy::Seed::from_number(seed), START);
        let mut machine = crate::machine::Checked::new(node.unwrap());
        let outputs = core::iter::from_fn(|| crate::machine::Machine::poll_output(&mut machine));
        let dialled = outputs.filter_map(|output| match output {
            crate::node::Output::Connect { remote, .. } => Some(remote),
            _ => None,
        });
        chosen.push(dialled.collect::<Vec<_>>());
    }
    assert_eq!([chosen[0].len(), chosen[1].len()], [4, 4]);
    assert_ne!(chosen[0], chosen[1], "they depend on the seed");
}

/// `TestDialSchedPendingInbound`.
#[test]
fn who_dials_us_is_dialled_only_when_it_has_come_and_gone() {
    let mut lone = Lone::new(dials(4, 5));
    let mut seen = 0;
    let pending = lone.incoming(address(3)).unwrap();
    lone.authenticated(pending, 3);
    discovered(&mut lone, [3, 4, 5]);
    assert_eq!(new_dials(&lone, &mut seen), [4, 5]);
    lone.ready(pending, 3);
    discovered(&mut lone, [3]);
    assert!(new_dials(&lone, &mut seen).is_empty(), "it is a peer");
    lone.lost(pending);
    let other = lone.incoming(address(7)).unwrap();
    lone.authenticated(other, 7);
    discovered(&mut lone, [3, 7]);
    assert_eq!(new_dials(&lone, &mut seen), [3]);
}
