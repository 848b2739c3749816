//! Connections of which nothing is known yet but their address.

use alloc::vec::Vec;

use super::harness::*;
use crate::identity::NetRestrict;
use crate::node::{IncomingRefusal, Input};
use crate::p2p::DisconnectReason;
use crate::session::Command;

fn lan() -> core::net::SocketAddr {
    "192.168.1.2:30303".parse().unwrap()
}

#[test]
fn an_address_outside_of_our_networks_is_refused() {
    let mut config = config();
    config.net_restrict = Some(NetRestrict::new(["192.168.0.0/16".parse().unwrap()]));
    let mut lone = Lone::new(config);
    assert_eq!(lone.incoming(address(1)), Err(IncomingRefusal::NetRestrict));
    assert!(lone.incoming(lan()).is_ok());
    assert_eq!(lone.counts().incoming_refused.of(IncomingRefusal::NetRestrict), 1);
}

#[test]
fn an_address_connects_once_in_thirty_seconds() {
    let mut lone = Lone::new(config());
    lone.incoming(address(1)).unwrap();
    assert_eq!(lone.incoming(address(1)), Err(IncomingRefusal::Throttled));
    lone.wait(30 * SECOND);
    assert!(lone.incoming(address(1)).is_ok());
}

#[test]
fn an_ipv4_address_is_the_same_when_it_is_mapped() {
    let mut lone = Lone::new(config());
    lone.incoming("33.1.2.3:1".parse().unwrap()).unwrap();
    let mapped = "[::ffff:33.1.2.3]:2".parse().unwrap();
    assert_eq!(lone.incoming(mapped), Err(IncomingRefusal::Throttled));
}

#[test]
fn fifty_connections_may_wait_for_their_admission() {
    let mut lone = Lone::new(config());
    for _ in 0..50 {
        assert!(lone.look().wants_incoming());
        lone.incoming(lan()).unwrap();
    }
    assert!(!lone.look().wants_incoming());
    assert_eq!(lone.incoming(lan()), Err(IncomingRefusal::TooManyPending));
}

#[test]
fn those_who_never_speak_keep_nobody_out_for_long() {
    let mut lone = Lone::new(config());
    let (mut silent, mut ended) = (Vec::new(), 0);
    for _ in 0..2000 {
        while !lone.look().wants_incoming() {
            lone.wait(SECOND / 10);
        }
        silent.push(lone.incoming(lan()).unwrap());
        for (gone, command) in core::mem::take(&mut lone.commands) {
            assert_eq!(command, Command::Disconnect(DisconnectReason::TooManyPeers));
            lone.lost(gone);
            ended += 1;
        }
    }
    assert!(lone.now.mono.saturating_since(START.mono) < 25 * SECOND);
    assert_eq!((lone.counts().evicted, ended), (1950, 1950));
    assert!(lone.look().connections.len() <= 50);
    while !lone.look().wants_incoming() {
        lone.wait(SECOND / 10);
    }
    let honest = lone.incoming(lan()).unwrap();
    lone.commands.clear();
    assert_eq!(lone.authenticated(honest, 1), Command::Proceed);
    assert_eq!(lone.ready(honest, 1), Command::Admit);
}

#[test]
fn those_whom_we_have_dialled_and_sent_away_keep_nobody_out() {
    let mut config = config();
    config.limits.max_pending_peers = 2;
    let mut lone = Lone::new(config);
    for number in 1..=2 {
        let request = lone.request(crate::node::Command::Dial(enode(number)));
        lone.connect(number);
        lone.ask(crate::node::Command::Cancel(request));
    }
    assert!(lone.look().wants_incoming(), "they hold no place of those who come in");
    assert!(lone.incoming(lan()).is_ok());
}

#[test]
fn nothing_new_begins_while_the_application_takes_no_events() {
    let mut lone = Lone::new(config());
    lone.give(Input::Hold(true));
    assert!(!lone.look().wants_incoming());
    // One that was being accepted as it came to that is taken all the same.
    assert!(lone.incoming(lan()).is_ok());
    lone.ask(crate::node::Command::AddPeer(enode(1)));
    assert_eq!(lone.dialled(1), None);
    lone.give(Input::Hold(false));
    assert!(lone.look().wants_incoming());
    assert!(lone.dialled(1).is_some());
}
