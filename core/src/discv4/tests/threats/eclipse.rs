//! Who wants to surround us, through the whole machine: Marcus, Heilman and
//! Goldberg 2018, Henningsen et al. 2019, Wang et al. 2026, ethereumproject 707,
//! trinity 453. What the table alone stands for is in `kademlia::tests::eclipse`.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use super::*;
use crate::discv4::Event;
use crate::identity::NodeId;
use crate::limits;

/// Holders of many keys behind the addresses of a few /24.
fn attackers(keys: u32, subnets: u32) -> Vec<Stranger> {
    let at = |number: u32| {
        let ip = [66, 6, (number % subnets) as u8, (number / subnets % 200) as u8];
        SocketAddr::new(ip.into(), 2000 + number as u16)
    };
    (0..keys).map(|number| Stranger { at: at(number), ..Stranger::new(20_000 + number) }).collect()
}

/// How many of them the table has: of the /24 that has most, and in all.
fn places(lone: &Lone) -> (usize, usize) {
    let mut subnets = [0; 256];
    for bucket in lone.look().table().buckets() {
        for entry in bucket.entries() {
            if let Some(IpAddr::V4(ip)) = entry.contact().ip()
                && ip.octets()[0] == 66
            {
                subnets[usize::from(ip.octets()[2])] += 1;
            }
        }
    }
    (subnets.iter().copied().max().unwrap_or(0), subnets.iter().sum())
}

#[test]
fn two_hosts_with_hundreds_of_keys_get_ten_places_each_by_proving_where_they_are() {
    let mut lone = lone();
    for attacker in attackers(400, 2) {
        lone.bond(&attacker);
        lone.wait(Duration::from_millis(150));
        lone.sent.clear();
    }
    assert_eq!(lone.look().bonds(), 400);
    let (most, all) = places(&lone);
    assert!(all > 4 && most <= usize::from(limits::SUBNET_IN_TABLE), "{most} of {all}");
}

#[test]
fn two_subnets_get_ten_places_each_by_what_others_say_of_them() {
    let mut lone = lone();
    let liar = Stranger::new(1);
    lone.bond(&liar);
    lone.wait(Duration::from_millis(1));
    for (number, part) in (10..).zip(attackers(320, 2).chunks(16)) {
        lone.ask(number, Command::FindNode(liar.contact(), [9; 64]));
        for part in part.chunks(8) {
            let nodes = part.iter().map(|node| Neighbor::from(&node.contact())).collect();
            lone.hear(&liar, &neighbors(nodes, lone.now));
        }
        assert!(matches!(lone.answer(number), Some(Answer::Contacts(found)) if found.len() == 16));
    }
    let (most, all) = places(&lone);
    assert!(all > 4 && most <= usize::from(limits::SUBNET_IN_TABLE), "{most} of {all}");
}

#[test]
fn who_pings_us_before_the_first_refresh_has_ended_does_not_enter_the_table() {
    let bootnode = Stranger::new(9);
    let mut lone = Lone::new(1, |config| config.bootnodes = [bootnode.contact()].into());
    let early = attackers(20, 20);
    early.iter().for_each(|attacker| lone.bond(attacker));
    assert_eq!(lone.look().bonds(), 20);
    assert_eq!(places(&lone), (0, 0));
    lone.wait_serving(core::slice::from_ref(&bootnode), Duration::from_secs(30));
    assert!(lone.events.contains(&Event::Ready));
    assert_eq!(places(&lone), (0, 0));
    lone.bond(&early[0]);
    assert_eq!(places(&lone), (1, 1));
}

/// So many strangers whose ids are in the last bucket, as half of all are.
fn far(lone: &Lone, from: u32, count: usize) -> Vec<Stranger> {
    let own = lone.id();
    let is_far = |stranger: &Stranger| own.log_distance(&stranger.id()) == 256;
    (from..).map(Stranger::new).filter(is_far).take(count).collect()
}

#[test]
fn newcomers_evict_nobody_who_answers_however_many_they_are() {
    let mut lone = lone();
    let mut all = far(&lone, 0, 16);
    all.iter().for_each(|honest| lone.bond(honest));
    let honest: Vec<NodeId> = all.iter().map(Stranger::id).collect();
    assert_eq!(lone.look().table().len(), 16);
    let newcomers = far(&lone, 10_000, 60);
    newcomers.iter().for_each(|newcomer| lone.bond(newcomer));
    all.extend(newcomers);
    lone.wait_serving(&all, Duration::from_secs(300));
    assert_eq!(lone.look().bonds(), 76);
    let table = lone.look().table();
    assert_eq!((table.len(), table.replacements()), (16, limits::BUCKET_REPLACEMENTS));
    assert!(honest.iter().all(|id| table.contains(id)));
    assert_eq!(table.live(), 16);
}

#[test]
fn who_has_only_just_come_is_named_to_nobody_while_others_are_known_to_live() {
    let mut lone = lone();
    let honest: Vec<_> = (0..4).map(Stranger::new).collect();
    honest.iter().for_each(|honest| lone.bond(honest));
    lone.wait_serving(&honest, Duration::from_secs(60));
    assert_eq!(lone.look().table().live(), 4);
    let newcomer = Stranger::new(50);
    lone.bond(&newcomer);
    assert!(lone.look().table().contains(&newcomer.id()));
    lone.sent.clear();
    lone.hear(&honest[0], &find(*newcomer.key.public_key().as_bytes(), lone.now));
    let said = lone.said_to(honest[0].at);
    let [(Packet::Neighbors(packet), _)] = said.as_slice() else { panic!("{said:?}") };
    let mut named: Vec<_> =
        packet.nodes.iter().filter_map(Neighbor::contact).map(|node| *node.id()).collect();
    let mut expected: Vec<_> = honest.iter().map(Stranger::id).collect();
    named.sort();
    expected.sort();
    assert_eq!(named, expected);
}

#[test]
fn who_ceases_to_answer_leaves_and_one_who_waits_comes_in() {
    let mut lone = lone();
    let mut all = far(&lone, 0, 17);
    all.iter().for_each(|stranger| lone.bond(stranger));
    assert_eq!((lone.look().table().len(), lone.look().table().replacements()), (16, 1));
    let waiting = all[16].id();
    let silent = all.remove(3);
    lone.wait_serving(&all, Duration::from_secs(300));
    assert!(!lone.look().table().contains(&silent.id()));
    assert!(lone.look().table().contains(&waiting));
    assert_eq!((lone.look().table().len(), lone.look().table().replacements()), (16, 0));
}

#[test]
fn one_who_reveals_ever_more_nodes_does_not_keep_a_look_up_going() {
    let mut lone = lone();
    lone.bond(&Stranger::new(5000));
    lone.sent.clear();
    lone.ask(2, Command::LookUp([5; 64]));
    let (mut queries, mut named) = (0, 1);
    while lone.answer(2).is_none() {
        lone.wait(Duration::from_millis(50));
        queries += reveal(&mut lone, &mut named);
    }
    assert!(matches!(lone.answer(2), Some(Answer::Contacts(found)) if found.len() == 16));
    assert!((16..=limits::LOOK_UP_QUERIES).contains(&queries), "{queries}");
}
