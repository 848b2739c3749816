//! The two admissions: every refusal at both, in geth's order.

use alloc::sync::Arc;

use super::harness::{limits as max_peers, *};
use crate::identity::NodeId;
use crate::limits;
use crate::node::peers::{Applicant, Peers};
use crate::node::{Command, Direction, PeerInfo, Refusal};
use crate::p2p::DisconnectReason;
use crate::session::Command::{Admit, Proceed};
use crate::session::SessionError;

#[test]
fn a_stranger_is_admitted_and_when_it_has_left_admitted_again() {
    let mut lone = Lone::new(config());
    let first = lone.join(1);
    assert_eq!(lone.peers(), [id(1)]);
    assert_eq!(lone.snapshot().pending_inbound, 0);
    lone.lost(first);
    assert_eq!(lone.tidings(), [('+', id(1), first), ('-', id(1), first)]);
    lone.wait(30 * SECOND);
    let second = lone.join(1);
    assert_eq!(lone.tidings(), [('+', id(1), second)]);
    assert_eq!(lone.counts().admitted_inbound, 2);
}

#[test]
fn our_own_key_is_refused_at_the_first_admission() {
    let mut lone = Lone::new(config());
    let connection = lone.incoming(address(1)).unwrap();
    let told = lone.authenticated(connection, 0);
    assert_eq!(told, sent_away(DisconnectReason::SelfConnected));
    assert_eq!(lone.counts().refused_inbound.of(Refusal::SelfConnected), 1);
}

#[test]
fn a_node_that_is_connected_already_is_refused_at_the_first_admission() {
    let mut lone = Lone::new(config());
    lone.join(1);
    let again = lone.incoming(address(2)).unwrap();
    assert_eq!(lone.authenticated(again, 1), sent_away(DisconnectReason::AlreadyConnected));
    assert_eq!(lone.counts().refused_inbound.of(Refusal::AlreadyConnected), 1);
}

#[test]
fn a_node_that_has_been_admitted_meanwhile_is_refused_at_the_second() {
    let mut lone = Lone::new(config());
    let (first, second) = (lone.incoming(address(1)).unwrap(), lone.incoming(address(2)).unwrap());
    assert_eq!(lone.authenticated(first, 1), Proceed);
    assert_eq!(lone.authenticated(second, 1), Proceed);
    assert_eq!(lone.ready(second, 1), Admit);
    assert_eq!(lone.ready(first, 1), sent_away(DisconnectReason::AlreadyConnected));
    assert_eq!(lone.tidings(), [('+', id(1), second)]);
}

#[test]
fn a_full_node_refuses_at_both_admissions() {
    let mut config = config();
    config.limits = max_peers(1);
    config.no_dial = true;
    let mut lone = Lone::new(config);
    let late = lone.incoming(address(2)).unwrap();
    assert_eq!(lone.authenticated(late, 2), Proceed);
    lone.join(1);
    assert_eq!(lone.ready(late, 2), sent_away(DisconnectReason::TooManyPeers));
    let third = lone.incoming(address(3)).unwrap();
    assert_eq!(lone.authenticated(third, 3), sent_away(DisconnectReason::TooManyPeers));
    assert_eq!(lone.counts().refused_inbound.of(Refusal::TooManyPeers), 2);
}

#[test]
fn a_full_node_refuses_whom_it_has_dialled_at_both_admissions() {
    let mut config = config();
    config.limits = max_peers(2);
    let mut lone = Lone::new(config);
    for number in 2..=4 {
        lone.request(Command::Dial(enode(number)));
    }
    let (late, later) = (lone.connect(3), lone.connect(4));
    assert_eq!(lone.authenticated(late, 3), Proceed);
    lone.join(1);
    lone.reach(2);
    assert_eq!(lone.ready(late, 3), sent_away(DisconnectReason::TooManyPeers));
    assert_eq!(lone.authenticated(later, 4), sent_away(DisconnectReason::TooManyPeers));
    assert_eq!(lone.counts().refused_outbound.of(Refusal::TooManyPeers), 2);
}

/// Neither trust nor being static leads beyond what a configuration may ask for.
#[test]
fn there_are_never_more_peers_nor_trusted_nodes_than_their_bounds() {
    let node = |number: usize| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        NodeId::new(id)
    };
    let mut peers = Peers::new(id(0), []);
    for number in 0..limits::TRUSTED_NODES {
        assert!(peers.trust(node(number)));
    }
    assert!(peers.trust(node(0)) && !peers.trust(node(limits::TRUSTED_NODES)));
    let mut lone = Lone::new(config());
    lone.join(1);
    let peer = (*lone.snapshot().peers[0].peer).clone();
    let connection = peer.connection;
    let allowed = max_peers(limits::PEERS_MAX);
    let check = |peers: &Peers, number| {
        let direction = Direction::Outbound;
        let applicant = Applicant { connection, id: node(number), direction, is_static: true };
        peers.check(&applicant, &allowed, false)
    };
    for number in 1..=limits::PEERS_MAX {
        assert_eq!(check(&peers, number), Ok(None));
        peers.insert(Arc::new(PeerInfo { id: node(number), ..peer.clone() }), connection);
    }
    assert_eq!(check(&peers, 0), Err(Refusal::TooManyPeers), "trusted and static");
}

/// geth `maxInboundConns`.
#[test]
fn inbound_peers_leave_the_share_that_is_to_be_dialled() {
    let mut config = config();
    config.limits = max_peers(6);
    let mut lone = Lone::new(config);
    for number in 1..=4 {
        lone.join(number);
    }
    let fifth = lone.incoming(address(5)).unwrap();
    assert_eq!(lone.authenticated(fifth, 5), sent_away(DisconnectReason::TooManyPeers));
    // One that we dial has its place.
    lone.request(Command::Dial(enode(6)));
    lone.reach(6);
    assert_eq!(lone.look().peers(), 5);
}

#[test]
fn a_trusted_node_is_admitted_though_there_is_no_room() {
    let mut config = config();
    config.limits = max_peers(0);
    config.trusted_nodes = [id(1)].into();
    let mut lone = Lone::new(config);
    lone.join(1);
    let second = lone.incoming(address(2)).unwrap();
    assert_eq!(lone.authenticated(second, 2), sent_away(DisconnectReason::TooManyPeers));
    assert!(lone.snapshot().peers[0].is_trusted);
}

#[test]
fn trust_comes_and_goes_at_run_time_and_who_is_connected_stays() {
    let mut config = config();
    config.limits = max_peers(0);
    let mut lone = Lone::new(config);
    lone.ask(Command::AddTrusted(id(1)));
    let peer = lone.join(1);
    lone.ask(Command::RemoveTrusted(id(1)));
    assert_eq!(lone.peers(), [id(1)]);
    lone.lost(peer);
    lone.wait(30 * SECOND);
    let again = lone.incoming(address(1)).unwrap();
    assert_eq!(lone.authenticated(again, 1), sent_away(DisconnectReason::TooManyPeers));
}

#[test]
fn a_static_node_that_we_dial_is_admitted_though_inbound_peers_take_all_places() {
    let mut config = config();
    config.limits = max_peers(2);
    config.trusted_nodes = [id(1), id(2)].into();
    let mut lone = Lone::new(config);
    lone.join(1);
    lone.join(2);
    lone.ask(Command::AddPeer(enode(3)));
    lone.reach(3);
    assert_eq!(lone.look().peers(), 3);
}

#[test]
fn a_peer_without_a_shared_capability_is_useless_before_all_else() {
    let mut config = config();
    config.limits = max_peers(1);
    config.no_dial = true;
    let mut lone = Lone::new(config);
    let useless = lone.incoming(address(2)).unwrap();
    assert_eq!(lone.authenticated(useless, 2), Proceed);
    lone.join(1);
    assert_eq!(lone.ready_with(useless, 2, false), sent_away(DisconnectReason::UselessPeer));
    assert_eq!(lone.counts().refused_inbound.of(Refusal::UselessPeer), 1);
}

/// geth `TestServerPeerLimits`.
#[test]
fn a_trusted_node_without_a_shared_capability_is_useless_all_the_same() {
    let mut config = config();
    config.limits = max_peers(0);
    config.trusted_nodes = [id(1)].into();
    let mut lone = Lone::new(config);
    let useless = lone.incoming(address(1)).unwrap();
    assert_eq!(lone.authenticated(useless, 1), Proceed);
    assert_eq!(lone.ready_with(useless, 1, false), sent_away(DisconnectReason::UselessPeer));
}

#[test]
fn a_node_that_offers_nothing_takes_anyone() {
    let mut config = config();
    config.greeting = crate::session::Greeting::Offer(crate::p2p::LocalCapabilities::default());
    let mut lone = Lone::new(config);
    let connection = lone.incoming(address(1)).unwrap();
    lone.authenticated(connection, 1);
    assert_eq!(lone.ready_with(connection, 1, false), Admit);
}

/// geth `postHandshakeChecks`: too many, then connected, then self.
#[test]
fn reasons_come_in_the_order_of_geth() {
    let mut config = config();
    config.limits = max_peers(1);
    config.no_dial = true;
    let mut lone = Lone::new(config);
    lone.join(1);
    for number in [0, 1] {
        let connection = lone.incoming(address(10 + number)).unwrap();
        let told = lone.authenticated(connection, number);
        assert_eq!(told, sent_away(DisconnectReason::TooManyPeers));
    }
}

#[test]
fn lower_limits_send_nobody_away_and_admit_nobody_more() {
    let mut lone = Lone::new(config());
    lone.join(1);
    lone.join(2);
    lone.ask(Command::SetLimits(max_peers(1)));
    assert_eq!(lone.look().peers(), 2);
    let third = lone.incoming(address(3)).unwrap();
    assert_eq!(lone.authenticated(third, 3), sent_away(DisconnectReason::TooManyPeers));
    lone.ask(Command::SetLimits(max_peers(10)));
    lone.join(4);
}

#[test]
fn who_was_refused_is_told_of_when_it_has_gone_and_frees_its_slot_at_once() {
    let mut config = config();
    config.limits.max_pending_peers = 1;
    let mut lone = Lone::new(config);
    let own = lone.incoming(address(1)).unwrap();
    assert!(!lone.look().wants_incoming());
    lone.authenticated(own, 0);
    assert_eq!(lone.snapshot().pending_inbound, 0);
    // One may leave while the next comes.
    assert!(!lone.look().wants_incoming(), "as many as may come may leave");
    lone.closed(own, SessionError::Local(DisconnectReason::SelfConnected));
    assert!(lone.look().wants_incoming());
    assert!(matches!(lone.events[..], [crate::node::Event::Failed { .. }]));
}
