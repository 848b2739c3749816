//! Floods, and what they must not take: memory, the table, the ear for those whom
//! we know. CVE-2023-40591; nethermind, besu, aleth, ethrex, kaia, reth: proofs
//! without bound.

use alloc::vec::Vec;
use core::time::Duration;

use super::*;
use crate::discv4::{Input, RequestError, RequestId};
use crate::entropy::Seed;
use crate::limits;
use crate::store::{Operation, Reply};

#[test]
fn sixty_thousand_forged_packets_leave_memory_and_the_table_unharmed() {
    let mut lone = lone();
    let honest: Vec<Stranger> = (0..20).map(Stranger::new).collect();
    honest.iter().for_each(|stranger| lone.bond(stranger));
    lone.sent.clear();
    let table: Vec<_> = honest.iter().map(Stranger::id).collect();
    // Signing that many would take minutes; a signature is as good forged, since
    // any 65 bytes recover to some key.
    let template = Stranger::new(7777);
    let (datagram, _) = template.encode(&template.ping(lone.at, lone.now));
    let mut rng = Seed::from_number(5).jitter();
    let mut bytes_out = 0;
    for count in 0..60_000_u32 {
        let mut forged = datagram.clone();
        rng.fill(&mut forged[32..96]);
        let hash: [u8; 32] = {
            use sha3::{Digest as _, Keccak256};
            Keccak256::digest(&forged[32..]).into()
        };
        forged[..32].copy_from_slice(&hash);
        let source = SocketAddr::new(rng.bytes::<4>().into(), 30303);
        lone.receive(source, &forged);
        bytes_out += lone.sent.iter().map(|(_, datagram)| datagram.len()).sum::<usize>();
        lone.sent.clear();
        if count % 60 == 0 {
            lone.wait(Duration::from_millis(10));
            lone.serve(&honest);
        }
    }
    assert!(lone.look().pending() <= limits::PENDING_PROOFS + limits::PENDING_REQUESTS);
    assert_eq!(lone.look().bonds(), 20);
    assert!(table.iter().all(|id| lone.look().table().contains(id)));
    assert_eq!(lone.look().table().len(), 20);
    assert!(bytes_out <= 3 * 60_000 * datagram.len());
    assert!(lone.verified < 26_000, "{} of 60,000 were verified", lone.verified);
}

#[test]
fn a_flood_from_one_address_does_not_starve_a_proven_peer() {
    let mut lone = lone();
    let (honest, loud) = (Stranger::new(1), Stranger::new(2));
    lone.bond(&honest);
    lone.said_to(honest.at);
    let (flood, _) = loud.encode(&loud.ping(lone.at, lone.now));
    for _ in 0..50 {
        for _ in 0..200 {
            lone.receive(loud.at, &flood);
        }
        lone.hear(&honest, &find([1; 64], lone.now));
        assert!(lone.kinds_to(honest.at).contains(&Kind::Neighbors));
        lone.sent.clear();
        lone.now = lone.now.saturating_add(Duration::from_millis(50));
    }
    assert!(dropped(&lone, DropReason::OverBudget) > 9_000);
}

#[test]
fn strangers_who_prove_nothing_fill_a_thousand_places_and_hold_up_nobody_else() {
    let mut lone = lone();
    let honest = Stranger::new(1);
    lone.bond(&honest);
    lone.said_to(honest.at);
    let strangers: Vec<_> = (10..1510).map(Stranger::new).collect();
    for stranger in &strangers {
        lone.hear(stranger, &stranger.ping(lone.at, lone.now));
    }
    assert_eq!(lone.look().pending(), limits::PENDING_PROOFS);
    assert_eq!(dropped(&lone, DropReason::NoCapacity), 500);
    assert_eq!(lone.kinds_to(strangers[999].at), [Kind::Pong, Kind::Ping]);
    assert_eq!(lone.kinds_to(strangers[1000].at), [Kind::Pong], "everyone gets a pong");
    // A proven peer is served, and we can ask whom we want.
    lone.hear(&honest, &find([1; 64], lone.now));
    assert_eq!(lone.kinds_to(honest.at), [Kind::Neighbors]);
    lone.ask(1, Command::Ping(honest.contact()));
    lone.serve(core::slice::from_ref(&honest));
    assert!(matches!(lone.answer(1), Some(Answer::Pong(_))));
    // Half a second later all is free again.
    lone.wait(limits::REPLY_TIMEOUT);
    assert_eq!(lone.look().pending(), 0);
    assert_eq!((lone.look().bonds(), lone.look().table().len()), (1, 1));
}

fn busy(lone: &Lone) -> usize {
    let busy = Answer::Failed(RequestError::Busy);
    lone.answers.iter().filter(|(_, answer)| *answer == busy).count()
}

#[test]
fn the_bound_of_requests_holds_whatever_is_given_up() {
    let mut lone = lone();
    let strangers: Vec<_> = (0..400).map(Stranger::new).collect();
    for (number, stranger) in (0..).zip(&strangers) {
        lone.ask(number, Command::FindNode(stranger.contact(), [1; 64]));
    }
    lone.serve(&strangers);
    assert_eq!(lone.look().pending(), 0);
    lone.wait(limits::PING_BACK_TIMEOUT / 2);
    let other = Stranger::new(5000);
    for number in 1000..2000 {
        lone.ask(number, Command::Ping(other.contact()));
        lone.ask(9000 + number, Command::Cancel(RequestId(number)));
    }
    assert!(busy(&lone) > 400, "what is given up still awaits its pong");
    // Now all the questions are asked; the watch over the machine counts.
    lone.wait(limits::PING_BACK_TIMEOUT / 2 + Duration::from_millis(1));
    assert!(lone.look().pending() >= 400);
    lone.wait(limits::REPLY_TIMEOUT);
    assert_eq!(lone.look().pending(), 0);
}

#[test]
fn more_commands_than_can_wait_are_refused_at_once() {
    let mut lone = lone();
    for number in 0..limits::DISCOVERY_COMMANDS as u64 + 10 {
        lone.ask(number, Command::RandomNodes);
    }
    assert_eq!((lone.answers.len(), busy(&lone)), (10, 10));
}

#[test]
fn more_queries_than_can_run_are_refused_at_once() {
    let mut lone = lone();
    let strangers: Vec<_> = (0..limits::QUERIES as u32 + 20).map(Stranger::new).collect();
    for (number, stranger) in (0..).zip(&strangers) {
        lone.ask(number, Command::RequestRecord(stranger.contact()));
    }
    assert_eq!((lone.look().pending(), busy(&lone)), (limits::QUERIES, 20));
}

#[test]
fn more_look_ups_than_can_run_are_refused_at_once() {
    let mut lone = lone();
    lone.bond(&Stranger::new(1));
    for number in 0..100 {
        lone.ask(number, Command::LookUp([1; 64]));
    }
    assert_eq!(busy(&lone), 100 - limits::LOOK_UPS);
}

#[test]
fn a_walk_remembers_no_more_nodes_than_a_few_look_ups_find() {
    let mut lone = lone();
    lone.bond(&Stranger::new(5000));
    // The first is answered with where the walk begins, the second with what is
    // met next; then nobody waits.
    lone.ask(1, Command::RandomNodes);
    lone.ask(2, Command::RandomNodes);
    let mut named = 1;
    for _ in 0..400 {
        lone.wait(Duration::from_millis(50));
        reveal(&mut lone, &mut named);
    }
    assert!(lone.answer(2).is_some() && named > 400, "{named}");
    lone.ask(3, Command::RandomNodes);
    let Some(Answer::Contacts(met)) = lone.answer(3) else { panic!() };
    assert_eq!(met.len(), limits::WALK_BUFFER);
}

#[test]
fn a_node_that_never_answered_is_a_stranger_to_the_gate() {
    let silent = Stranger::new(9);
    let mut lone = Lone::new(1, |config| config.bootnodes = [silent.contact()].into());
    lone.wait(Duration::from_secs(5));
    let (ping, _) = silent.encode(&silent.ping(lone.at, lone.now));
    for _ in 0..200 {
        lone.receive(silent.at, &ping);
    }
    assert_eq!(lone.verified, limits::STRANGER_PACKETS.burst as usize);
}

#[test]
fn nodes_that_never_answered_are_not_written_to_the_disk() {
    let (silent, honest) = (Stranger::new(9), Stranger::new(1));
    let mut lone = Lone::new(1, |config| {
        config.store = true;
        config.bootnodes = [silent.contact()].into();
    });
    lone.give(Input::Store(Reply::Opened { sequence: None, bonds: Vec::new() }));
    lone.bond(&honest);
    for number in 0..3 {
        lone.ask(number, Command::FindNode(honest.contact(), [1; 64]));
        lone.ask(10 + number, Command::FindNode(silent.contact(), [1; 64]));
        lone.wait(Duration::from_secs(2));
    }
    let failures = |of: &Stranger| {
        let written = lone.operations.iter().filter(|operation| {
            matches!(&operation.1, Operation::PutTimes { id, find_failures: Some(_), .. }
                if *id == of.id())
        });
        written.count()
    };
    assert_eq!((failures(&silent), failures(&honest)), (0, 3));
}

/// Our record would go out under a number that the stored one takes back, and
/// nothing would deal with what a packet sets going.
#[test]
fn nothing_is_read_before_the_store_has_answered() {
    let mut lone = Lone::new(1, |config| config.store = true);
    let stranger = Stranger::new(1);
    for _ in 0..100 {
        lone.hear(&stranger, &stranger.ping(lone.at, lone.now));
    }
    assert_eq!(dropped(&lone, DropReason::NotOpen), 100);
    assert!(lone.sent.is_empty() && lone.verified == 0);
    lone.wait(limits::STORE_OPEN_TIMEOUT);
    lone.hear(&stranger, &stranger.ping(lone.at, lone.now));
    assert_eq!(lone.kinds_to(stranger.at), [Kind::Pong, Kind::Ping]);
}

#[test]
fn a_packet_that_claims_to_come_from_ourselves_makes_no_loop() {
    let mut lone = lone();
    let stranger = Stranger { at: lone.at, ..Stranger::new(1) };
    lone.hear(&stranger, &stranger.ping(lone.at, lone.now));
    let own = core::mem::take(&mut lone.sent);
    assert_eq!(own.len(), 2);
    for (to, datagram) in own {
        assert_eq!(to, lone.at);
        lone.receive(to, &datagram);
    }
    assert!(lone.sent.is_empty());
    assert_eq!(dropped(&lone, DropReason::FromSelf), 2);
}

/// Two machines that a forged packet sets upon each other are done soon.
#[test]
fn a_forged_ping_between_two_nodes_makes_no_storm() {
    let mut world = World::new(21);
    world.add(|_| {});
    world.add(|_| {});
    let there = world.nodes[1].at;
    let forger = Stranger { at: there, ..Stranger::new(1) };
    let (datagram, _) = forger.encode(&forger.ping(world.nodes[0].at, world.nodes[0].now));
    world.forge(there, 0, &datagram);
    world.run(Duration::from_secs(1));
    let sent = |node: &Lone| -> u64 {
        Kind::ALL.iter().map(|kind| node.look().traffic().packets_sent(*kind)).sum()
    };
    let sent: u64 = world.nodes.iter().map(sent).sum();
    assert!((4..=16).contains(&sent), "{sent}");
}
