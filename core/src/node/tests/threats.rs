//! Attacks on whom a node admits, keeps and dials, each by its sentence.
//!
//! Those on a single connection are in the tests of the session.

use core::net::SocketAddr;

use alloc::vec::Vec;

use super::harness::*;
use crate::identity::{Contact, Enode, NodeAddress};
use crate::node::{
    Command, DialFailure, DialRefusal, Direction, Event, IncomingRefusal, Input, Refusal, Report,
};
use crate::p2p::DisconnectReason;
use crate::session::Command::{Admit, Proceed};
use crate::session::{Counters, Lost, SessionError};
use crate::time::{Instant, Now};

const ATTACKERS: [u64; 2] = [500, 501];

// Eclipse: Marcus, Heilman, Goldberg 2018. Wang et al. 2026.

#[test]
fn one_address_with_any_number_of_identities_connects_once_in_thirty_seconds() {
    let mut lone = Lone::new(config());
    let mut taken = 0;
    for second in 0..90 {
        for port in 1..5 {
            let from = SocketAddr::new(address(500).ip(), 1000 + second * 5 + port);
            match lone.incoming(from) {
                Ok(connection) => {
                    taken += 1;
                    assert_eq!(lone.authenticated(connection, 1000 + taken), Proceed);
                    assert_eq!(lone.ready(connection, 1000 + taken), Admit);
                }
                Err(refusal) => assert_eq!(refusal, IncomingRefusal::Throttled),
            }
        }
        lone.wait(SECOND);
    }
    assert_eq!(taken, 3);
}

#[test]
fn two_hosts_that_take_every_inbound_slot_after_a_restart_leave_us_those_that_we_dial() {
    let mut config = config();
    config.limits = limits(9);
    config.candidates = ["honest".into()].into();
    config.static_nodes = [enode(1)].into();
    let mut lone = Lone::new(config);
    let mut identity = 1000;
    // Before anybody answers what we dial, and for ten minutes.
    for _ in 0..20 {
        for host in ATTACKERS {
            let connection = lone.incoming(address(host)).unwrap();
            identity += 1;
            if lone.authenticated(connection, identity) == Proceed {
                assert_eq!(lone.ready(connection, identity), Admit);
            } else {
                lone.lost(connection);
            }
        }
        lone.wait(30 * SECOND);
    }
    assert_eq!(lone.look().peers(), 6, "their share and no more");
    assert_eq!(lone.counts().refused_inbound.of(Refusal::TooManyPeers), 34);
    // Then the honest ones are there.
    lone.connects.clear();
    lone.commands.clear();
    lone.wait(35 * SECOND);
    lone.reach(1);
    lone.ask(Command::Candidates(0, [contact(2), contact(3)].into()));
    lone.reach(2);
    lone.reach(3);
    let snapshot = lone.snapshot();
    let dialled = snapshot.peers.iter().filter(|peer| peer.peer.direction == Direction::Outbound);
    assert_eq!((snapshot.peers.len(), dialled.count()), (9, 3));
}

#[test]
fn a_source_that_brings_thousands_of_nodes_does_not_crowd_out_another() {
    let mut config = config();
    config.limits = limits(60);
    config.candidates = ["poisoned".into(), "honest".into()].into();
    let mut lone = Lone::new(config);
    lone.give(Input::Hold(true));
    for batch in 0..20 {
        let bad = (1000 + batch * 50..1050 + batch * 50).map(contact);
        lone.ask(Command::Candidates(0, bad.collect()));
    }
    lone.ask(Command::Candidates(1, (1..=20).map(contact).collect()));
    lone.give(Input::Hold(false));
    assert_eq!(lone.connects.len(), 40);
    for number in 1..=20 {
        assert!(lone.dialled(number).is_some(), "{number} has its turn");
    }
}

/// go-ethereum#15764, trinity#1291.
#[test]
fn a_node_that_has_no_room_is_not_dialled_again_at_once() {
    let mut config = config();
    config.candidates = ["test".into()].into();
    config.static_nodes = [enode(2)].into();
    let mut lone = Lone::new(config);
    lone.ask(Command::Candidates(0, [contact(1)].into()));
    let full = SessionError::Remote(DisconnectReason::TooManyPeers);
    for number in [1, 2] {
        let connection = lone.connect(number);
        lone.authenticated(connection, number);
        lone.closed(connection, full);
    }
    for _ in 0..34 {
        lone.ask(Command::Candidates(0, [contact(1)].into()));
        lone.wait(SECOND);
        assert!(lone.connects.is_empty());
    }
    assert_eq!(lone.counts().dials_refused.of(DialRefusal::RecentlyDialled), 34);
    // Whoever looks for peers in vain sees why.
    assert_eq!(lone.counts().told_outbound.of(DisconnectReason::TooManyPeers), 2);
    assert_eq!(lone.counts().told_outbound.total(), 2);
    lone.wait(SECOND);
    lone.ask(Command::Candidates(0, [contact(1)].into()));
    assert!(lone.dialled(1).is_some() && lone.dialled(2).is_some());
}

#[test]
fn nodes_that_lead_us_to_ourselves_to_no_port_or_to_a_peer_cost_no_dial() {
    let mut config = config();
    config.candidates = ["poisoned".into()].into();
    let portless = Enode::new(key(6), address(6).ip(), 0, 30303);
    config.static_nodes = [enode(0), NodeAddress::Enode(portless)].into();
    let mut lone = Lone::new(config);
    // Nobody else would say why they are never dialled.
    assert_eq!(lone.counts().dials_refused.of(DialRefusal::SelfDialled), 1);
    assert_eq!(lone.counts().dials_refused.of(DialRefusal::NoPort), 1);
    lone.join(1);
    let bad = [contact(0), Contact::new(key(2), address(2).ip(), 1, 0), contact(1)];
    lone.ask(Command::Candidates(0, bad.into()));
    lone.wait(100 * SECOND);
    assert!(lone.connects.is_empty());
    assert_eq!(lone.counts().dials, 0);
}

// Identities that are not the other's own.

/// An auth can be replayed by whoever has seen it: only its first frame is a proof.
#[test]
fn whoever_replays_a_peers_auth_disturbs_no_connection_of_it() {
    for number in 1..9 {
        let mut config = config();
        config.static_nodes = [enode(number)].into();
        let mut lone = Lone::new(config);
        let peer = lone.reach(number);
        lone.tidings();
        let replay = lone.incoming(address(500)).unwrap();
        let told = lone.authenticated(replay, number);
        // Which of two connections stays is decided when both are proved.
        let may_replace = id(number) > id(0);
        let reason = DisconnectReason::AlreadyConnected;
        assert_eq!(told, if may_replace { Proceed } else { sent_away(reason) });
        lone.closed(replay, SessionError::Lost(Lost::Closed));
        assert!(lone.tidings().is_empty() && lone.commands.is_empty());
        assert_eq!(lone.snapshot().peers[0].peer.connection, peer);
    }
}

#[test]
fn whoever_shows_our_own_key_is_refused_in_either_direction() {
    let mut lone = Lone::new(config());
    let reason = DisconnectReason::SelfConnected;
    let inbound = lone.incoming(address(1)).unwrap();
    assert_eq!(lone.authenticated(inbound, 0), sent_away(reason));
    lone.request(Command::Dial(enode(0)));
    let outbound = lone.connect(0);
    assert_eq!(lone.authenticated(outbound, 0), sent_away(reason));
    assert_eq!(lone.counts().refused_outbound.of(Refusal::SelfConnected), 1);
    assert!(lone.peers().is_empty());
}

#[test]
fn whoever_replays_a_trusted_peers_auth_takes_no_second_place() {
    let mut config = config();
    config.limits = limits(1);
    config.no_dial = true;
    config.trusted_nodes = [id(1)].into();
    let mut lone = Lone::new(config);
    lone.join(1);
    // It is trusted, and still has one connection.
    let again = lone.incoming(address(2)).unwrap();
    assert_eq!(lone.authenticated(again, 1), sent_away(DisconnectReason::AlreadyConnected));
    assert_eq!(lone.look().peers(), 1);
}

// Exhaustion.

#[test]
fn peers_that_connect_and_leave_ten_a_second_for_a_minute_leave_nothing() {
    let mut lone = Lone::new(config());
    let lan: SocketAddr = "192.168.1.2:30303".parse().unwrap();
    for round in 0..600 {
        let connection = lone.incoming(lan).unwrap();
        if round % 3 > 0 {
            lone.authenticated(connection, 1 + round % 40);
        }
        if round % 3 > 1 {
            lone.ready(connection, 1 + round % 40);
        }
        lone.lost(connection);
        lone.wait(SECOND / 10);
    }
    assert_eq!(lone.counts().admitted_inbound, 200);
    let node = lone.look();
    assert!(node.connections.is_empty() && node.peers.len() == 0 && node.incoming.len() == 0);
    assert!(node.dial.is_idle());
    assert!(node.outputs.capacity() <= 64);
}

#[test]
fn those_who_are_refused_and_do_not_go_are_as_many_as_may_be_pending() {
    let mut config = config();
    config.limits.max_pending_peers = 5;
    let mut lone = Lone::new(config);
    let mut number = 0;
    while lone.look().wants_incoming() {
        number += 1;
        let connection = lone.incoming(address(number)).unwrap();
        assert_eq!(lone.authenticated(connection, 0), sent_away(DisconnectReason::SelfConnected));
    }
    assert_eq!(number, 5);
    assert_eq!(lone.incoming(address(100)), Err(IncomingRefusal::TooManyPending));
    assert_eq!(lone.look().connections.len(), 5);
}

/// CVE-2021-41173: a message that an application fails on.
#[test]
fn an_application_that_fails_costs_the_peer_it_was_for_and_not_the_node() {
    let mut lone = Lone::new(config());
    let (bad, good) = (lone.join(1), lone.join(2));
    let failed = SessionError::Local(DisconnectReason::SubprotocolError);
    lone.closed(bad, failed);
    let ends = lone.events.iter().filter_map(|event| match event {
        Event::Disconnected { peer, error, .. } => Some((peer.connection, *error)),
        _ => None,
    });
    assert_eq!(ends.collect::<Vec<_>>(), [(bad, failed)]);
    assert_eq!(lone.snapshot().peers[0].peer.connection, good);
    lone.join(3);
}

/// CVE-2026-33040: times at the end of what a clock can say.
#[test]
fn time_that_leaps_to_its_end_and_back_ends_nothing_but_time_limits() {
    let mut config = config();
    config.static_nodes = [enode(5)].into();
    let mut lone = Lone::new(config);
    let peer = lone.join(1);
    lone.incoming(address(2)).unwrap();
    let end = Instant::from_micros(u64::MAX);
    lone.now = Now { mono: end, ..lone.now };
    let mut dials = 0;
    for _ in 0..5 {
        lone.give(Input::Timeout);
        while let Some((dial, ..)) = lone.connects.pop() {
            dials += 1;
            assert!(dials < 10, "it is always due");
            lone.not_connected(dial, DialFailure::Refused);
        }
    }
    assert_eq!(dials, 2, "before and after the leap");
    lone.now = START;
    lone.give(Input::Timeout);
    assert_eq!(lone.peers(), [id(1)]);
    lone.lost(peer);
    assert!(lone.peers().is_empty());
}

/// CVE-2024-32972 was a count that went below zero.
#[test]
fn an_end_that_is_told_twice_or_of_nobody_is_counted_as_late_and_moves_no_count() {
    let mut lone = Lone::new(config());
    let (peer, pending) = (lone.join(1), lone.incoming(address(2)).unwrap());
    lone.authenticated(pending, 0);
    for connection in [peer, pending, peer, pending, crate::node::ConnectionId(99)] {
        let report = Report::Closed {
            error: SessionError::Lost(Lost::Reset),
            counters: Counters::default(),
        };
        lone.give(Input::Session(connection, report));
    }
    assert_eq!(lone.counts().late_reports, 3);
    assert_eq!((lone.look().peers(), lone.look().leaving), (0, 0));
    assert_eq!(lone.snapshot().pending_inbound, 0);
}
