//! What the application asks for.

use alloc::vec::Vec;

use super::harness::*;
use crate::identity::RecordError;
use crate::node::{Answer, Command, DialError, DialFailure, Event};
use crate::p2p::DisconnectReason;
use crate::session::{Lost, SessionError};

#[test]
fn a_requested_dial_is_answered_by_its_peer() {
    let mut lone = Lone::new(config());
    let asked = lone.request(Command::Dial(enode(1)));
    let connection = lone.reach(1);
    let Some(Answer::Dialled(Ok(peer))) = lone.answer(asked) else { panic!("no peer") };
    assert_eq!((peer.connection, peer.is_requested), (connection, true));
}

#[test]
fn a_requested_dial_is_answered_by_its_failure() {
    let mut lone = Lone::new(config());
    let asked = lone.request(Command::Dial(enode(1)));
    let connection = lone.dialled(1).unwrap();
    lone.not_connected(connection, DialFailure::Refused);
    let refused = DialError::Failed(DialFailure::Refused);
    assert!(matches!(lone.answer(asked), Some(Answer::Dialled(Err(error))) if error == refused));
    assert_eq!(lone.counts().dials_failed.of(DialFailure::Refused), 1);

    let asked = lone.request(Command::Dial(enode(2)));
    let connection = lone.connect(2);
    let gone = SessionError::Lost(Lost::Unanswered);
    lone.closed(connection, gone);
    let gone = DialError::Session(gone);
    assert!(matches!(lone.answer(asked), Some(Answer::Dialled(Err(error))) if error == gone));
}

#[test]
fn a_requested_dial_can_be_given_up_at_every_stage() {
    let mut lone = Lone::new(config());
    let naming = lone.request(Command::Dial(named(1)));
    let connecting = lone.request(Command::Dial(enode(2)));
    let shaking = lone.request(Command::Dial(enode(3)));
    let (dial, session) = (lone.dialled(2).unwrap(), lone.connect(3));
    for request in [naming, connecting, shaking] {
        assert!(matches!(lone.ask(Command::Cancel(request)), Answer::Done));
        let given_up = DialError::Failed(DialFailure::GivenUp);
        let answer = lone.answer(request);
        assert!(matches!(answer, Some(Answer::Dialled(Err(error))) if error == given_up));
    }
    assert_eq!(lone.commanded(dial), sent_away(DisconnectReason::Quitting));
    assert_eq!(lone.commanded(session), sent_away(DisconnectReason::Quitting));
    // What comes of them now is late.
    let (name, _) = lone.names.remove(0);
    lone.names_are(name, &[address(1).ip()]);
    lone.give(crate::node::Input::Connected(dial, Ok(())));
    lone.lost(dial);
    lone.closed(session, SessionError::Local(DisconnectReason::Quitting));
    assert!(lone.answers.is_empty() && lone.connects.is_empty());
    assert_eq!(lone.look().dial.len(), 0);
}

#[test]
fn connections_that_were_given_up_leave_no_room_for_dials_until_they_have_ended() {
    let mut lone = Lone::new(config());
    let mut given_up = Vec::new();
    for number in 1..=2 * crate::limits::REQUESTED_DIALS as u64 {
        let request = lone.request(Command::Dial(enode(number)));
        if lone.answer(request).is_none() {
            given_up.push(lone.connect(number));
            lone.ask(Command::Cancel(request));
        }
    }
    assert_eq!(given_up.len(), crate::limits::REQUESTED_DIALS);
    assert_eq!(lone.look().connections.len(), given_up.len());
    lone.lost(given_up[0]);
    lone.request(Command::Dial(enode(1000)));
    assert!(lone.dialled(1000).is_some());
}

#[test]
fn a_peer_that_is_removed_is_told_so_and_the_request_answered_when_it_is_gone() {
    let mut config = config();
    config.static_nodes = [enode(1)].into();
    let mut lone = Lone::new(config);
    let connection = lone.reach(1);
    let request = lone.request(Command::RemovePeer(id(1)));
    assert_eq!(lone.commanded(connection), sent_away(DisconnectReason::Requested));
    assert!(lone.answer(request).is_none());
    lone.closed(connection, SessionError::Local(DisconnectReason::Requested));
    assert!(matches!(lone.answer(request), Some(Answer::Done)));
    lone.wait(40 * SECOND);
    assert_eq!(lone.dialled(1), None);
    assert!(matches!(lone.ask(Command::RemovePeer(id(9))), Answer::Done));
}

#[test]
fn a_request_to_remove_a_peer_can_be_given_up_and_the_peer_goes_all_the_same() {
    let mut lone = Lone::new(config());
    let connection = lone.join(1);
    let request = lone.request(Command::RemovePeer(id(1)));
    let cancel = lone.request(Command::Cancel(request));
    let answered: Vec<_> = lone.answers.iter().map(|(to, _)| *to).collect();
    assert_eq!(answered, [request, cancel]);
    assert_eq!(lone.commanded(connection), sent_away(DisconnectReason::Requested));
    lone.closed(connection, SessionError::Local(DisconnectReason::Requested));
    assert_eq!(lone.answers.len(), 2);
}

#[test]
fn a_capability_puts_its_entry_into_our_record_and_takes_it_out() {
    let mut config = config();
    config.listen_port = 30303;
    let mut lone = Lone::new(config);
    let before = lone.look().local_record().sequence();
    let entry = |value: Option<&[u8]>| Command::SetEntry {
        key: b"eth".into(),
        value: value.map(Into::into),
    };
    assert!(matches!(lone.ask(entry(Some(&[0xc1, 0x05]))), Answer::Done));
    let record = lone.look().local_record().clone();
    assert_eq!(record.get(b"eth"), Some(&[0xc1, 0x05][..]));
    assert_eq!(record.entries().tcp(), Some(30303));
    assert_eq!(record.sequence(), before + 1);
    assert!(matches!(lone.ask(entry(Some(&[0xc1, 0x05]))), Answer::Done));
    assert_eq!(lone.look().local_record().sequence(), before + 1, "nothing has changed");
    lone.ask(entry(None));
    assert_eq!(lone.look().local_record().get(b"eth"), None);
    let large = [&[0xb9, 0x01, 0x00][..], &[7; 256]].concat();
    let answer = lone.ask(entry(Some(&large)));
    assert!(matches!(answer, Answer::BadRecord(RecordError::TooLarge)), "{answer:?}");
}

#[test]
fn entries_that_discovery_refuses_are_not_kept() {
    let mut config = config();
    config.discovery = true;
    let mut lone = Lone::new(config);
    let large = crate::identity::RecordBuilder::new(0).string(b"x", &[7; 300]);
    let answer = lone.ask(Command::Discovery(crate::discv4::Command::SetEntries(large)));
    let refused = crate::discv4::RequestError::BadRecord(RecordError::TooLarge);
    let refused = crate::discv4::Answer::Failed(refused);
    assert!(matches!(&answer, Answer::Discovery(answer) if *answer == refused), "{answer:?}");
    let entry = Command::SetEntry { key: b"eth".into(), value: Some([5].into()) };
    assert!(matches!(lone.ask(entry), Answer::Done));
    assert_eq!(lone.look().local_record().get(b"eth"), Some(&[5][..]));
}

#[test]
fn a_capability_brings_its_own_nodes_to_dial_when_it_is_asked() {
    let mut config = config();
    config.candidates = ["eth".into(), "snap".into()].into();
    let mut lone = Lone::new(config);
    let wanted = |lone: &mut Lone| {
        let events = core::mem::take(&mut lone.events);
        let wants = |event: &Event| match event {
            Event::WantsCandidates(source) => Some(*source),
            _ => None,
        };
        events.iter().filter_map(wants).collect::<Vec<_>>()
    };
    assert_eq!(wanted(&mut lone), [0, 1]);
    lone.ask(Command::Candidates(1, [contact(1), contact(2)].into()));
    assert!(lone.dialled(1).is_some() && lone.dialled(2).is_some());
    assert_eq!(wanted(&mut lone), [1]);
}

#[test]
fn without_discovery_nothing_is_asked_of_it() {
    let mut lone = Lone::new(config());
    let command = Command::Discovery(crate::discv4::Command::RandomNodes);
    assert!(matches!(lone.ask(command), Answer::NoDiscovery));
}

#[test]
fn so_many_requests_to_remove_a_peer_may_wait_and_no_more() {
    let mut lone = Lone::new(config());
    let peer = lone.join(1);
    for _ in 0..crate::limits::PENDING_NODE_REQUESTS {
        lone.request(Command::RemovePeer(id(1)));
    }
    assert!(lone.answers.is_empty());
    lone.ask(Command::AddPeer(enode(1)));
    assert!(matches!(lone.ask(Command::RemovePeer(id(1))), Answer::Busy));
    assert_eq!(lone.snapshot().static_nodes, 1, "what there is no room for changes nothing");
    lone.lost(peer);
    assert_eq!(lone.answers.len(), crate::limits::PENDING_NODE_REQUESTS);
}

#[test]
fn limits_that_change_at_run_time_keep_to_what_a_configuration_may_ask_for() {
    let mut lone = Lone::new(config());
    let limits =
        crate::node::Limits { max_peers: usize::MAX, max_pending_peers: usize::MAX, dial_ratio: 0 };
    lone.ask(Command::SetLimits(limits));
    let node = lone.look();
    assert_eq!(node.limits.max_peers, crate::limits::PEERS_MAX);
    assert_eq!(node.limits.max_pending_peers, crate::limits::PENDING_CONNECTIONS_MAX);
}
