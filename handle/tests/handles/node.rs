//! A node's handle: requests, and what happens.

use core::pin::pin;

use devp2p_core::identity::{NodeId, RecordError};
use devp2p_core::limits;
use devp2p_core::node::{self, Answer, Command};
use devp2p_handle::adapter::NodeRequest;
use devp2p_handle::{
    DialError, DialFailure, DiscoveryEvent, Event, Limits, RefusedRequest, Stopped,
};
use futures_lite::future::block_on;

use crate::rig::{Rig, admitted, begin, done, ends, enode, next, record};

fn wants(source: usize) -> node::Event {
    node::Event::WantsCandidates(source)
}

#[test]
fn requests_that_an_adapter_drops_are_answered_though_the_node_lives_on() {
    let (node, mut end) = ends();
    let mut taken = pin!(node.dial(enode(1)));
    let mut dial = pin!(node.dial(enode(2)));
    let mut add = pin!(node.add_peer(enode(2)));
    let mut snapshot = pin!(node.snapshot());
    let mut stop = pin!(node.stop());
    begin(&mut taken);
    next(&mut end);
    begin(&mut dial);
    begin(&mut add);
    begin(&mut snapshot);
    begin(&mut stop);
    drop(end);
    assert!(matches!(done(taken), Err(DialError::Stopped)));
    assert!(matches!(done(dial), Err(DialError::Stopped)));
    assert_eq!(done(add), Err(RefusedRequest::Stopped));
    assert_eq!(done(snapshot).unwrap_err(), Stopped);
    assert_eq!(done(stop), Err(Stopped));
    // Those made later as well.
    assert!(matches!(done(node.dial(enode(1))), Err(DialError::Stopped)));
    assert_eq!(done(node.stop()), Err(Stopped));
    assert!(done(node.next_event()).is_none());
}

#[test]
fn each_answer_goes_to_the_request_that_it_answers() {
    let (node, mut end) = ends();
    let id = NodeId::from(enode(1).public_key());
    let mut dial = pin!(node.dial(enode(1)));
    let mut add = pin!(node.add_peer(enode(1)));
    let mut remove = pin!(node.remove_peer(id));
    let mut limits = pin!(node.set_limits(Limits::default()));
    let mut entry = pin!(node.set_entry(b"eth", Some(&[0x80])));
    begin(&mut dial);
    begin(&mut add);
    begin(&mut remove);
    begin(&mut limits);
    begin(&mut entry);
    let ids: Vec<_> = (0..5)
        .map(|place| match (place, next(&mut end)) {
            (0, NodeRequest::Command(id, Command::Dial(_)))
            | (1, NodeRequest::Command(id, Command::AddPeer(_)))
            | (3, NodeRequest::Command(id, Command::SetLimits(_)))
            | (4, NodeRequest::Command(id, Command::SetEntry { .. })) => id,
            (2, NodeRequest::Command(named, Command::RemovePeer(which))) if which == id => named,
            other => panic!("{other:?}"),
        })
        .collect();
    end.answer(ids[4], Answer::BadRecord(RecordError::TooLarge));
    end.answer(ids[3], Answer::Done);
    end.answer(ids[1], Answer::Busy);
    begin(&mut dial);
    begin(&mut remove);
    assert_eq!(done(entry), Err(RefusedRequest::BadRecord(RecordError::TooLarge)));
    assert_eq!(done(limits), Ok(()));
    assert_eq!(done(add), Err(RefusedRequest::Busy));
    let failed = node::DialError::Failed(DialFailure::Refused);
    end.answer(ids[0], Answer::Dialled(Err(failed)));
    end.answer(ids[2], Answer::Stopped);
    assert!(matches!(done(dial), Err(DialError::Failed(DialFailure::Refused))));
    assert_eq!(done(remove), Err(RefusedRequest::Stopped));
    assert!(end.try_next().is_none(), "a request that was answered is not given up");
}

#[test]
fn a_dial_that_nobody_waits_for_any_more_is_given_up() {
    let (node, mut end) = ends();
    let mut dial = Box::pin(node.dial(enode(1)));
    begin(&mut dial);
    let NodeRequest::Command(id, _) = next(&mut end) else { panic!() };
    drop(dial);
    let cancel = next(&mut end);
    assert!(
        matches!(cancel, NodeRequest::Command(_, Command::Cancel(which)) if which == id),
        "{cancel:?}"
    );
    // The answer comes nevertheless, and finds nobody.
    let given_up = node::DialError::Failed(DialFailure::GivenUp);
    end.answer(id, Answer::Dialled(Err(given_up)));
    assert!(end.try_next().is_none());
}

#[test]
fn the_last_handle_of_a_node_that_goes_is_noticed() {
    let mut rig = Rig::new(1);
    let clone = rig.node.clone();
    drop(core::mem::replace(&mut rig.node, clone.clone()));
    assert!(rig.end.try_next().is_none());
    drop(core::mem::replace(&mut rig.node, ends().0));
    assert!(rig.end.try_next().is_none());
    drop(clone);
    assert!(matches!(next(&mut rig.end), NodeRequest::Hold(true)));
    assert!(matches!(next(&mut rig.end), NodeRequest::Abandoned));
}

#[test]
fn nothing_is_taken_from_the_application_once_a_node_stops_and_all_are_answered() {
    let (node, mut end) = ends();
    let mut before = pin!(node.add_peer(enode(1)));
    let mut behind = pin!(node.add_peer(enode(2)));
    begin(&mut before);
    let NodeRequest::Command(id, _) = next(&mut end) else { panic!() };
    begin(&mut behind);
    end.close();
    assert!(end.try_next().is_none());
    assert_eq!(done(node.add_peer(enode(3))), Err(RefusedRequest::Stopped));
    end.answer(id, Answer::Done);
    assert_eq!(done(before), Ok(()));
    drop(end);
    assert_eq!(done(behind), Err(RefusedRequest::Stopped));
}

#[test]
fn telling_never_waits_and_loses_nothing() {
    let (node, mut end) = ends();
    let many = 3 * limits::NODE_EVENTS;
    (0..many).for_each(|number| end.tell(wants(number)));
    drop(end);
    for number in 0..many {
        let event = done(node.next_event());
        assert!(matches!(event, Some(Event::WantsCandidates(which)) if which == number));
    }
    assert!(done(node.next_event()).is_none());
}

#[test]
fn nothing_new_is_begun_until_enough_events_have_been_taken() {
    let (node, mut end) = ends();
    for number in 0..limits::NODE_EVENTS {
        end.tell(wants(number));
        assert!(end.try_next().is_none());
    }
    end.tell(wants(0));
    assert!(matches!(next(&mut end), NodeRequest::Hold(true)));
    assert!(end.try_next().is_none(), "it is said once");
    {
        let mut waiting = pin!(end.next());
        begin(&mut waiting);
        done(node.next_event());
        assert!(matches!(done(waiting), NodeRequest::Hold(false)));
    }
    assert!(end.try_next().is_none(), "it is said once");
}

#[test]
fn one_who_takes_events_at_last_wakes_the_node() {
    let (node, mut end) = ends();
    (0..=limits::NODE_EVENTS).for_each(|number| end.tell(wants(number)));
    assert!(matches!(next(&mut end), NodeRequest::Hold(true)));
    let waiting =
        std::thread::spawn(move || matches!(block_on(end.next()), NodeRequest::Hold(false)));
    assert!(block_on(node.next_event()).is_some());
    assert!(waiting.join().unwrap());
}

#[test]
fn a_held_node_takes_requests_and_what_connections_say() {
    let mut rig = Rig::new(1);
    (0..=limits::NODE_EVENTS).for_each(|number| rig.end.tell(wants(number)));
    let snapshot = rig.snapshot();
    assert_eq!(snapshot.node.peers.len(), 0);
    assert!(!rig.wants_incoming());
    (0..=limits::NODE_EVENTS).for_each(|_| drop(rig.event()));
    rig.turn();
    assert!(rig.wants_incoming());
}

#[test]
fn a_node_that_stops_holds_nothing_for_an_application_that_takes_no_events() {
    let (_node, mut end) = ends();
    (0..=limits::NODE_EVENTS).for_each(|number| end.tell(wants(number)));
    assert!(matches!(next(&mut end), NodeRequest::Hold(true)));
    end.close();
    assert!(matches!(next(&mut end), NodeRequest::Hold(false)));
    assert!(end.try_next().is_none());
}

#[test]
fn what_the_node_says_of_itself_is_known_at_once() {
    let (node, mut end) = ends();
    assert_eq!(node.record().sequence(), 1);
    end.tell(node::Event::Discovery(DiscoveryEvent::LocalRecord(record(2))));
    assert_eq!(node.record().sequence(), 2);
    end.set_record(record(3));
    assert_eq!((node.record().sequence(), node.discovery().unwrap().record().sequence()), (3, 3));
}

#[test]
fn a_node_explains_what_it_knows_of_another() {
    let (mut rig, _end, peer) = admitted();
    let node = rig.node.clone();
    let mut explained = Box::pin(node.explain(peer.node_id()));
    begin(&mut explained);
    rig.turn();
    let explained = done(explained).unwrap();
    assert_eq!(explained.peer.map(|peer| peer.address), Some(peer.address()));
    let labels: Vec<_> =
        explained.story.entries.iter().map(|noted| noted.decision.label()).collect();
    assert_eq!(labels, ["claimed", "proceeded", "admitted"]);
}
