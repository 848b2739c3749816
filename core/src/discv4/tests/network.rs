//! Networks of machines in virtual time, with delay and loss.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use super::harness::{Lone, World, address, key};
use crate::discv4::{Answer, Command, Event, Kind, RequestError};
use crate::identity::{Contact, NodeId, RecordBuilder};

const MINUTE: Duration = Duration::from_secs(60);

/// A network that knows of its first node alone.
fn network(seed: u64, size: usize) -> World {
    let mut world = World::new(seed);
    let first = world.add(|_| {});
    let bootnode = world.nodes[first].contact();
    for _ in 1..size {
        world.add(|config| config.bootnodes = [bootnode.clone()].into());
    }
    world
}

fn closest(world: &World, target: &NodeId, except: usize) -> Vec<NodeId> {
    let nodes = world.nodes.iter().enumerate().filter(|(index, _)| *index != except);
    let mut ids: Vec<_> = nodes.map(|(_, node)| node.id()).collect();
    ids.sort_by(|a, b| target.cmp_distance(a, b));
    ids.truncate(16);
    ids
}

/// How many of the 16 nodes that are closest a look-up from `node` finds.
fn recall(world: &mut World, node: usize, number: u64) -> usize {
    let target = [u8::try_from(number).unwrap(); 64];
    world.ask(node, number, Command::LookUp(target));
    world.run(MINUTE / 2);
    let Some(Answer::Contacts(found)) = world.nodes[node].answer(number).cloned() else {
        panic!("the look-up has not ended")
    };
    let id = NodeId::hash_of(&target);
    assert!(found.len() <= 16);
    assert!(found.is_sorted_by(|a, b| id.cmp_distance(a.id(), b.id()).is_lt()));
    let best = closest(world, &id, node);
    best.iter().filter(|best| found.iter().any(|found| found.id() == *best)).count()
}

#[test]
fn nodes_that_know_one_bootnode_find_each_other_and_look_ups_find_the_closest() {
    let mut world = network(1, 30);
    world.run(MINUTE * 3);
    for node in &world.nodes {
        assert!(node.events.contains(&Event::Ready));
        assert!(node.look().table().len() >= 20, "{}", node.look().table().len());
    }
    let known: usize = world.nodes.iter().map(|node| node.look().table().len()).sum();
    assert!(known >= 30 * 25, "{known} of {}", 30 * 29);
    let found: usize = (0..10).map(|number| recall(&mut world, number as usize * 3, number)).sum();
    assert!(found >= 158, "{found} of 160");
}

/// A check of three fails then, and who fails its first ones leaves the table, as in
/// geth: what is known at one moment is a third of all, and for one node it may
/// be next to nothing. Look-ups find what there is all the same.
#[test]
fn a_fifth_of_all_datagrams_may_be_lost() {
    let (mut known, mut found) = (0, 0);
    for seed in 2..5 {
        let mut world = network(seed, 20);
        world.lost = 200;
        world.run(MINUTE * 10);
        known += world.nodes.iter().map(|node| node.look().table().len()).sum::<usize>();
        found += (0..5).map(|number| recall(&mut world, number as usize, number)).sum::<usize>();
    }
    assert!(known >= 3 * 20 * 5, "{known} of {}", 3 * 20 * 19);
    assert!(found >= 3 * 55, "{found} of {}", 3 * 80);
}

#[test]
fn who_dies_leaves_every_table() {
    let mut world = network(5, 12);
    world.run(MINUTE * 2);
    let dead = world.nodes[7].id();
    world.kill(7);
    world.run(MINUTE * 10);
    for (index, node) in world.nodes.iter().enumerate().filter(|(index, _)| *index != 7) {
        assert!(!node.look().table().contains(&dead), "node {index}");
        assert!(node.look().table().len() >= 9);
    }
}

#[test]
fn a_bootnode_that_is_late_is_found_when_it_comes() {
    let mut world = World::new(6);
    let bootnode = Contact::new(key(1).public_key(), address(1).ip(), 30303, 30303);
    world.add(|config| config.bootnodes = [bootnode].into());
    world.run(MINUTE * 20);
    let pongs = |node: &Lone| node.look().traffic().packets_received(Kind::Pong);
    assert_eq!(pongs(&world.nodes[0]), 0);
    world.add(|_| {});
    world.run(MINUTE);
    assert_eq!(world.nodes[0].look().table().len(), 1);
    assert_eq!(world.nodes[1].look().table().len(), 1);
}

#[test]
fn a_changed_record_is_learned() {
    let mut world = network(7, 4);
    world.run(MINUTE);
    let old = world.nodes[2].contact();
    let entries = RecordBuilder::new(0).tcp(30303).uint(b"answer", 42);
    world.ask(2, 1, Command::SetEntries(entries));
    assert_eq!(world.nodes[2].answer(1), Some(&Answer::Done));
    assert_eq!(world.nodes[2].contact().sequence(), old.sequence() + 1);
    world.run(MINUTE * 3);
    for node in [0, 1, 3] {
        let known = world.nodes[node].look().table().contact(old.id()).unwrap();
        assert_eq!(known.sequence(), old.sequence() + 1);
        assert_eq!(known.record().unwrap().get(b"answer"), Some(&[42][..]));
    }
}

#[test]
fn a_node_is_resolved_where_it_is_now() {
    let mut world = network(8, 10);
    world.run(MINUTE * 2);
    let there = world.nodes[9].contact();
    let nowhere = Contact::new(*there.public_key(), address(500).ip(), 1, 1);
    world.ask(1, 1, Command::Resolve(nowhere));
    let unknown = Contact::new(key(99).public_key(), address(501).ip(), 1, 1);
    world.ask(1, 2, Command::Resolve(unknown));
    world.run(MINUTE);
    assert_eq!(world.nodes[1].answer(1), Some(&Answer::Contact(there)));
    let not_found = Answer::Failed(RequestError::NotFound);
    assert_eq!(world.nodes[1].answer(2), Some(&not_found));
}

#[test]
fn a_random_walk_meets_everyone() {
    let mut world = network(9, 20);
    world.run(MINUTE);
    let mut met = BTreeSet::new();
    for number in 0..60 {
        world.ask(3, number, Command::RandomNodes);
        world.run(Duration::from_secs(5));
        if let Some(Answer::Contacts(nodes)) = world.nodes[3].answer(number) {
            assert!(!nodes.is_empty());
            met.extend(nodes.iter().map(|node| *node.id()));
        }
    }
    assert!(met.len() >= 19, "{}", met.len());
}

#[test]
fn nodes_learn_their_own_address_from_what_others_see() {
    let mut world = World::new(10);
    let first = world.add(|_| {});
    let bootnode = world.nodes[first].contact();
    for _ in 0..14 {
        world.add(|config| {
            config.bootnodes = [bootnode.clone()].into();
            config.endpoints.fallback_ip4 = None;
        });
    }
    world.run(MINUTE * 8);
    let told =
        world.nodes[1..].iter().filter(|node| node.contact().udp_endpoint() == Some(node.at));
    let told = told.count();
    assert!(told >= 12, "{told} of 14 know where they are");
}

/// R3 of the models: a quiet network.
#[test]
fn a_quiet_network_stays_quiet() {
    let mut world = network(11, 20);
    world.run(MINUTE * 5);
    let before: u64 = sent(&world);
    world.run(MINUTE * 10);
    let rate = (sent(&world) - before) as f64 / 600.0 / 20.0;
    assert!(rate <= 2.5, "{rate} packets a second from each node");
}

fn sent(world: &World) -> u64 {
    let kinds = Kind::ALL;
    let count = |node: &Lone| -> u64 {
        kinds.iter().map(|kind| node.look().traffic().packets_sent(*kind)).sum()
    };
    world.nodes.iter().map(count).sum()
}
