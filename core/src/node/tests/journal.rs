//! What is remembered of the decisions about a node, and what is explained of it.

use alloc::vec::Vec;

use super::harness::{limits as max_peers, *};
use crate::identity::Contact;
use crate::node::{Command, Decision, DialFailure, DialPurpose, DialRefusal, Direction, Refusal};
use crate::p2p::DisconnectReason;
use crate::session::{Lost, SessionError};

/// What was decided about this node, in order.
fn story(lone: &Lone, number: u64) -> Vec<Decision> {
    let story = lone.look().explain(&id(number)).story;
    story.entries.iter().map(|noted| noted.decision).collect()
}

#[test]
fn an_inbound_peer_is_told_from_its_claim_to_its_end() {
    let mut lone = Lone::new(config());
    let connection = lone.join(1);
    let explained = lone.look().explain(&id(1));
    let there = address(1);
    let contact = Contact::new(key(1), there.ip(), there.port(), there.port());
    assert_eq!(explained.peer.unwrap().contact, contact);
    assert_eq!(explained.dial, Some(Err(DialRefusal::AlreadyConnected)));
    lone.lost(connection);
    let told = [
        Decision::Claimed(address(1)),
        Decision::Proceeded(Direction::Inbound),
        Decision::Admitted(Direction::Inbound),
        Decision::Ended(Direction::Inbound, SessionError::Lost(Lost::Closed)),
    ];
    assert_eq!(story(&lone, 1), told);
    assert!(lone.look().explain(&id(1)).peer.is_none());
    assert!(story(&lone, 2).is_empty());
}

#[test]
fn a_refusal_is_told_with_its_reason() {
    let mut config = config();
    config.limits = max_peers(0);
    let mut lone = Lone::new(config);
    let connection = lone.incoming(address(1)).unwrap();
    lone.authenticated(connection, 1);
    let error = SessionError::Local(DisconnectReason::TooManyPeers);
    lone.closed(connection, error);
    let told = [
        Decision::Claimed(address(1)),
        Decision::Refused(Direction::Inbound, Refusal::TooManyPeers),
        Decision::SentAway(DisconnectReason::TooManyPeers),
        Decision::Failed(Direction::Inbound, error),
    ];
    assert_eq!(story(&lone, 1), told);
}

#[test]
fn each_step_of_a_dial_is_told_and_why_it_failed() {
    let mut lone = Lone::new(config());
    lone.request(Command::AddPeer(enode(1)));
    let attempt = lone.dialled(1).unwrap();
    lone.not_connected(attempt, DialFailure::Refused);
    let explained = lone.look().explain(&id(1));
    assert!(explained.is_static && !explained.is_trusted && explained.peer.is_none());
    assert_eq!(explained.dial, Some(Err(DialRefusal::RecentlyDialled)));
    lone.wait(36 * SECOND);
    lone.reach(1);
    let told = story(&lone, 1);
    for decision in [
        Decision::StaticAdded,
        Decision::DialBegun(DialPurpose::Static),
        Decision::Connecting(address(1)),
        Decision::DialFailed(DialFailure::Refused),
        Decision::Connected(address(1)),
        Decision::Admitted(Direction::Outbound),
    ] {
        assert!(told.contains(&decision), "{decision:?} in {told:?}");
    }
    assert_eq!(told.last(), Some(&Decision::Admitted(Direction::Outbound)));
}

#[test]
fn a_name_that_cannot_be_looked_up_is_told() {
    let mut lone = Lone::new(config());
    lone.request(Command::Dial(named(1)));
    let (attempt, _) = lone.names.remove(0);
    lone.names_are(attempt, &[]);
    let told = [
        Decision::DialBegun(DialPurpose::Requested),
        Decision::LookingUpName,
        Decision::DialFailed(DialFailure::UnresolvedName),
    ];
    assert_eq!(story(&lone, 1), told);
}

#[test]
fn what_the_application_asks_about_a_node_is_told_once() {
    let mut lone = Lone::new(config());
    for command in [
        Command::AddTrusted(id(1)),
        Command::AddTrusted(id(1)),
        Command::RemoveTrusted(id(1)),
        Command::RemoveTrusted(id(1)),
        Command::RemovePeer(id(1)),
    ] {
        lone.ask(command);
    }
    assert_eq!(story(&lone, 1), [Decision::TrustedAdded, Decision::TrustedRemoved]);
    lone.ask(Command::AddPeer(enode(0)));
    let ourselves = lone.look().explain(&id(0));
    assert!(ourselves.is_self && ourselves.is_static);
    assert!(story(&lone, 0).contains(&Decision::DialRefused(DialRefusal::SelfDialled)));
}

#[test]
fn the_table_is_told_of_with_why_it_refused() {
    let mut config = config();
    config.discovery = true;
    config.bootstrap_nodes = alloc::vec![contact(1), contact(2)];
    let lone = Lone::new(config);
    assert_eq!(story(&lone, 1)[0], Decision::TableAdded(Some(address(1))));
    let entry = lone.look().explain(&id(2)).table.unwrap();
    assert_eq!((entry.contact, entry.checks, entry.is_live), (contact(2), 0, false));
}

#[test]
fn the_same_inputs_leave_the_same_journal() {
    let run = || {
        let mut lone = Lone::new(config());
        for number in 1..20 {
            lone.request(Command::AddPeer(enode(number)));
        }
        lone.wait(10 * SECOND);
        (1..20).map(|number| lone.look().explain(&id(number)).story.entries).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}
