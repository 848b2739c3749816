//! What is remembered of the decisions about a node, and what is explained of it.

use alloc::vec::Vec;

use super::harness::{limits as max_peers, *};
use crate::discv4::{Packet, PacketEndpoint, Pong};
use crate::identity::{Contact, NodeId};
use crate::node::{
    Command, Decision, DialFailure, DialPurpose, DialRefusal, DialStage, Direction, Refusal,
};
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

#[test]
fn who_is_being_dialled_is_explained_though_nobody_else_knows_where_it_is() {
    let mut lone = Lone::new(config());
    assert_eq!(lone.look().explain(&id(1)).dial, None);
    lone.request(Command::Dial(enode(1)));
    let explained = lone.look().explain(&id(1));
    assert_eq!(explained.dial, Some(Err(DialRefusal::AlreadyDialling)));
    let [dialling] = explained.dialling[..] else { panic!("{:?}", explained.dialling) };
    assert_eq!(dialling.purpose, DialPurpose::Requested);
    assert_eq!(dialling.stage, DialStage::Connecting(Some(address(1))));
    lone.connect(1);
    let dialling = &lone.look().explain(&id(1)).dialling;
    assert_eq!(dialling[0].stage, DialStage::ShakingHands(Some(address(1))));
    // A name is no address yet.
    lone.request(Command::Dial(named(2)));
    let explained = lone.look().explain(&id(2));
    assert_eq!(explained.dial, Some(Err(DialRefusal::AlreadyDialling)));
    assert_eq!(explained.dialling[0].stage, DialStage::LookingUpName);
}

#[test]
fn who_was_dialled_of_late_is_told_though_it_is_forgotten_where() {
    let mut lone = Lone::new(config());
    lone.request(Command::AddPeer(enode(1)));
    let attempt = lone.dialled(1).unwrap();
    lone.not_connected(attempt, DialFailure::Refused);
    lone.request(Command::RemovePeer(id(1)));
    let explained = lone.look().explain(&id(1));
    assert!(!explained.is_static && explained.dialling.is_empty());
    assert_eq!(explained.dial, Some(Err(DialRefusal::RecentlyDialled)));
    lone.wait(36 * SECOND);
    assert_eq!(lone.look().explain(&id(1)).dial, None);
}

#[test]
fn who_waits_for_its_turn_to_be_dialled_is_told() {
    let mut config = config();
    config.limits = max_peers(0);
    config.candidates = alloc::vec!["test".into()];
    let mut lone = Lone::new(config);
    lone.request(Command::AddPeer(enode(1)));
    let explained = lone.look().explain(&id(1));
    assert_eq!((explained.awaits_dial, explained.dial), (true, Some(Ok(()))));
    lone.request(Command::Candidates(0, alloc::vec![contact(2)]));
    let explained = lone.look().explain(&id(2));
    assert_eq!((explained.awaits_dial, explained.dial), (true, Some(Ok(()))));
    assert!(!lone.look().explain(&id(3)).awaits_dial);
}

#[test]
fn a_peer_is_told_with_since_when_it_is_one() {
    let mut lone = Lone::new(config());
    lone.wait(SECOND);
    let joined = lone.now.unix;
    let connection = lone.join(1);
    lone.wait(5 * SECOND);
    assert_eq!(lone.look().explain(&id(1)).peer_since, Some(joined));
    lone.lost(connection);
    assert_eq!(lone.look().explain(&id(1)).peer_since, None);
}

#[test]
fn an_endpoint_proof_is_told_where_there_is_discovery() {
    let mut config = config();
    config.discovery = true;
    config.bootstrap_nodes = alloc::vec![contact(1)];
    let mut lone = Lone::new(config);
    let proof = lone.look().explain(&id(1)).proof.unwrap();
    assert!(!proof.is_proven && !proof.is_known);
    assert!(lone.look().explain(&id(2)).proof.is_none());
    let sent = |lone: &Lone| {
        lone.sent.iter().find(|(to, _)| *to == address(1)).map(|(_, sent)| sent.clone())
    };
    let ping = (0..600).find_map(|_| {
        lone.wait(SECOND / 10);
        sent(&lone)
    });
    let pong = Pong {
        to: PacketEndpoint::new(address(0), 0),
        ping_hash: *ping.expect("no ping").first_chunk().unwrap(),
        expiration: lone.now.unix.as_secs() + 20,
        enr_sequence: None,
    };
    lone.hear(1, &Packet::Pong(pong));
    let proof = lone.look().explain(&id(1)).proof.unwrap();
    assert!(proof.is_proven);
}

/// Twice at different times: it is one point of time that is told.
#[test]
fn since_when_the_table_knows_a_node_is_the_same_at_any_time() {
    let mut config = config();
    config.discovery = true;
    config.bootstrap_nodes = alloc::vec![contact(1)];
    let mut lone = Lone::new(config);
    let known = |lone: &Lone| lone.look().explain(&id(1)).table.unwrap().known_since;
    lone.wait(SECOND);
    let first = known(&lone);
    assert_eq!(first, START.unix);
    lone.wait(SECOND);
    lone.request(Command::RemoveTrusted(id(2)));
    assert_eq!(known(&lone), first);
}

#[test]
fn nodes_are_found_by_the_digits_that_their_ids_begin_with() {
    let mut config = config();
    config.discovery = true;
    config.bootstrap_nodes = alloc::vec![contact(1)];
    config.trusted_nodes = alloc::vec![id(2)];
    config.static_nodes = alloc::vec![enode(3)];
    let mut lone = Lone::new(config);
    lone.join(4);
    let beginning = |number: u64| {
        let mut least = [0; 32];
        least[..4].copy_from_slice(&id(number).as_bytes()[..4]);
        NodeId::new(least)
    };
    for number in 1..=4 {
        assert_eq!(lone.look().explain(&beginning(number)).alike, [id(number)]);
        assert!(lone.look().explain(&id(number)).alike.is_empty());
    }
    assert!(lone.look().explain(&beginning(5)).alike.is_empty());
}
