//! Late messages, and the end.

use alloc::vec::Vec;

use super::harness::*;
use crate::node::{Answer, Command, Event, IncomingRefusal, Input, Limits};
use crate::p2p::DisconnectReason;
use crate::session::SessionError;

#[test]
fn reports_that_fit_the_state_no_more_are_void() {
    let mut lone = Lone::new(config());
    let own = lone.incoming(address(1)).unwrap();
    lone.authenticated(own, 0);
    // It had said hello before it heard that it has to go.
    let report = || crate::node::Report::Ready { hello: hello(&key(0)), shared: shared(true) };
    lone.give(Input::Session(own, report()));
    assert!(lone.commands.is_empty() && lone.peers().is_empty());
    lone.closed(own, SessionError::Local(DisconnectReason::SelfConnected));
    lone.give(Input::Session(own, report()));
    lone.give(Input::Session(own, crate::node::Report::Authenticated(key(1))));
    lone.lost(own);
    assert!(lone.commands.is_empty() && lone.peers().is_empty());
    assert_eq!(lone.counts().late_reports, 4);
}

#[test]
fn a_session_whose_task_died_frees_its_slot() {
    let mut lone = Lone::new(config());
    let peer = lone.join(1);
    lone.closed(peer, SessionError::Lost(crate::session::Lost::Failed));
    assert!(lone.peers().is_empty());
    assert_eq!(lone.tidings().len(), 2);
    assert_eq!(lone.counts().ends.lost, 1);
}

#[test]
fn a_stop_tells_everyone_waits_for_them_and_is_the_last_output() {
    let mut config = config();
    config.static_nodes = [enode(5)].into();
    let mut lone = Lone::new(config);
    let (peer, pending) = (lone.join(1), lone.incoming(address(2)).unwrap());
    let asked = lone.request(Command::Dial(enode(3)));
    lone.give(Input::Stop);
    for connection in [peer, pending] {
        assert_eq!(lone.commanded(connection), sent_away(DisconnectReason::Quitting));
    }
    assert!(matches!(lone.answer(asked), Some(Answer::Stopped)));
    assert_eq!(lone.incoming(address(9)), Err(IncomingRefusal::Stopping));
    assert!(matches!(lone.ask(Command::AddPeer(enode(6))), Answer::Stopped));
    lone.closed(pending, SessionError::Local(DisconnectReason::Quitting));
    assert!(!lone.stopped);
    lone.closed(peer, SessionError::Local(DisconnectReason::Quitting));
    assert!(lone.stopped);
}

#[test]
fn a_stop_waits_five_seconds_for_a_session_that_never_ends() {
    let mut lone = Lone::new(config());
    lone.join(1);
    lone.give(Input::Stop);
    lone.wait(SECOND * 5 - SECOND / 100);
    assert!(!lone.stopped);
    lone.wait(SECOND / 100);
    assert!(lone.stopped);
}

#[test]
fn whom_a_stop_leaves_behind_has_gone_as_well() {
    let mut lone = Lone::new(config());
    let peer = lone.join(1);
    let refused = lone.incoming(address(2)).unwrap();
    lone.authenticated(refused, 0);
    lone.give(Input::Stop);
    lone.wait(SECOND * 5);
    assert!(lone.stopped);
    assert_eq!(lone.tidings(), [('+', id(1), peer), ('-', id(1), peer)]);
    assert_eq!((lone.look().peers(), lone.look().leaving), (0, 0));
}

#[test]
fn a_node_that_stops_admits_nobody_any_more() {
    let mut lone = Lone::new(config());
    let (first, second) = (lone.incoming(address(1)).unwrap(), lone.incoming(address(2)).unwrap());
    lone.authenticated(second, 2);
    lone.give(Input::Stop);
    lone.commands.clear();
    // They spoke before they heard.
    lone.give(Input::Session(first, crate::node::Report::Authenticated(key(1))));
    let report = crate::node::Report::Ready { hello: hello(&key(2)), shared: shared(true) };
    lone.give(Input::Session(second, report));
    assert!(lone.commands.is_empty() && lone.tidings().is_empty());
    lone.lost(first);
    lone.lost(second);
    assert!(lone.stopped);
}

#[test]
fn a_session_is_told_to_go_once() {
    let mut lone = Lone::new(config());
    let (peer, refused) = (lone.join(1), lone.incoming(address(2)).unwrap());
    lone.request(Command::Dial(enode(3)));
    let dialled = lone.connect(3);
    lone.authenticated(refused, 0);
    lone.request(Command::RemovePeer(id(1)));
    assert_eq!(lone.commanded(peer), sent_away(DisconnectReason::Requested));
    lone.request(Command::RemovePeer(id(1)));
    lone.give(Input::Stop);
    assert_eq!(lone.commands, [(dialled, sent_away(DisconnectReason::Quitting))]);
    for connection in [peer, refused, dialled] {
        lone.lost(connection);
    }
    assert_eq!(lone.answers.len(), 3);
}

#[test]
fn peers_that_come_and_go_leave_nothing_behind() {
    let mut lone = Lone::new(config());
    for round in 0..600 {
        let peer = lone.join(1 + round % 7);
        lone.lost(peer);
        lone.wait(30 * SECOND);
        lone.events.clear();
    }
    let node = lone.look();
    assert!(node.connections.is_empty() && node.peers.len() == 0);
    assert_eq!(node.incoming.len(), 0);
    assert_eq!(node.dial.len(), 0);
}

#[test]
fn what_one_busy_turn_needed_is_not_held_for_ever() {
    let mut config = config();
    config.limits = Limits { max_peers: 1000, max_pending_peers: 1000, dial_ratio: 1 };
    config.static_nodes = (1..=300).map(enode).collect();
    let lone = Lone::new(config);
    assert_eq!(lone.connects.len(), 300);
    assert!(lone.look().outputs.capacity() < 100);
}

#[test]
fn a_connection_that_failed_is_told_of_with_all_that_is_known() {
    let mut lone = Lone::new(config());
    let silent = lone.incoming(address(1)).unwrap();
    lone.lost(silent);
    let shown = lone.incoming(address(2)).unwrap();
    lone.authenticated(shown, 2);
    lone.lost(shown);
    let known: Vec<_> = lone
        .events
        .iter()
        .map(|event| match event {
            Event::Failed { address, public_key, .. } => (*address, *public_key),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(known, [(address(1), None), (address(2), Some(key(2)))]);
}
