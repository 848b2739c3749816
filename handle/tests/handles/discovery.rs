//! Discovery's handle.

use core::pin::pin;

use devp2p_core::discv4::{Answer, Command, RequestId};
use devp2p_core::identity::NodeId;
use devp2p_core::limits;
use devp2p_core::node::{self, Event};
use devp2p_handle::adapter::{NodeEnd, NodeRequest};
use devp2p_handle::{Discovery, DiscoveryEvent, RequestError, Stopped};
use futures_lite::future::block_on;

use crate::rig::{begin, contact, ends, next, record};

/// Alone: no handle of the node is left.
fn pair() -> (Discovery, NodeEnd) {
    let (node, mut end) = ends();
    let discovery = node.into_discovery().unwrap();
    assert!(matches!(end.try_next(), Some(NodeRequest::Hold(true))));
    (discovery, end)
}

fn command(end: &mut NodeEnd) -> (RequestId, node::Command) {
    match next(end) {
        NodeRequest::Command(id, command) => (id, command),
        other => panic!("{other:?}"),
    }
}

fn asked(end: &mut NodeEnd) -> (RequestId, Command) {
    match command(end) {
        (id, node::Command::Discovery(command)) => (id, command),
        other => panic!("{other:?}"),
    }
}

fn answer(end: &mut NodeEnd, id: RequestId, answer: Answer) {
    end.answer(id, node::Answer::Discovery(answer));
}

fn tell(end: &mut NodeEnd, event: DiscoveryEvent) {
    end.tell(Event::Discovery(event));
}

#[test]
fn each_answer_goes_to_the_request_that_it_answers() {
    let (discovery, mut end) = pair();
    let node = contact();
    let mut record = pin!(discovery.request_record(&node));
    let mut nodes = pin!(discovery.look_up([7; 64]));
    let mut failing = pin!(discovery.find_node(&node, [8; 64]));
    begin(&mut record);
    begin(&mut nodes);
    begin(&mut failing);
    let (first, command) = asked(&mut end);
    assert_eq!(command, Command::RequestRecord(contact()));
    let (second, command) = asked(&mut end);
    assert_eq!(command, Command::LookUp([7; 64]));
    let (third, command) = asked(&mut end);
    assert_eq!(command, Command::FindNode(contact(), [8; 64]));
    assert!(first != second && second != third);
    answer(&mut end, second, Answer::Contacts(vec![contact()]));
    answer(&mut end, third, Answer::Failed(RequestError::Timeout));
    answer(&mut end, RequestId(99), Answer::Done);
    begin(&mut record);
    assert_eq!(block_on(nodes), Ok(vec![contact()]));
    assert_eq!(block_on(failing), Err(RequestError::Timeout));
    answer(&mut end, first, Answer::Contact(contact()));
    assert_eq!(block_on(record), Ok(contact()));
    assert!(end.try_next().is_none(), "a request that was answered is not given up");
}

#[test]
fn a_node_that_stops_or_has_no_discovery_says_so_to_who_asks() {
    let (discovery, mut end) = pair();
    for said in [node::Answer::Stopped, node::Answer::NoDiscovery] {
        let mut nodes = pin!(discovery.random_nodes());
        begin(&mut nodes);
        let (id, _) = asked(&mut end);
        end.answer(id, said);
        assert_eq!(block_on(nodes), Err(RequestError::Stopped));
    }
}

#[test]
fn a_request_that_is_dropped_is_given_up() {
    let (discovery, mut end) = pair();
    let node = contact();
    let mut ping = Box::pin(discovery.ping(&node));
    begin(&mut ping);
    let (id, _) = asked(&mut end);
    drop(ping);
    let (cancel, given_up) = command(&mut end);
    assert!(matches!(given_up, node::Command::Cancel(which) if which == id), "{given_up:?}");
    assert_ne!(cancel, id);
    answer(&mut end, id, Answer::Failed(RequestError::Cancelled));
    end.answer(cancel, node::Answer::Done);
    assert!(end.try_next().is_none());
}

#[test]
fn a_request_that_is_dropped_before_it_was_taken_is_never_made() {
    let (discovery, mut end) = pair();
    for _ in 0..10 * limits::NODE_REQUESTS {
        let mut nodes = Box::pin(discovery.random_nodes());
        begin(&mut nodes);
        drop(nodes);
        assert!(end.try_next().is_none());
    }
}

#[test]
fn a_giving_up_wakes_the_other_end() {
    let (discovery, mut end) = pair();
    let mut nodes = Box::pin(discovery.random_nodes());
    begin(&mut nodes);
    let (id, _) = asked(&mut end);
    let taking = std::thread::spawn(move || match block_on(end.next()) {
        NodeRequest::Command(_, node::Command::Cancel(which)) => which,
        other => panic!("{other:?}"),
    });
    drop(nodes);
    assert_eq!(taking.join().unwrap(), id);
}

#[test]
fn when_nobody_takes_events_the_oldest_are_dropped_and_counted() {
    let (discovery, mut end) = pair();
    let removed = |number: usize| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        DiscoveryEvent::Removed(NodeId::new(id))
    };
    let many = limits::DISCOVERY_EVENTS + 10;
    (0..many).for_each(|number| tell(&mut end, removed(number)));
    assert_eq!(discovery.missed_events(), 10);
    drop(end);
    for number in 10..many {
        assert_eq!(block_on(discovery.next_event()), Some(removed(number)));
    }
    assert_eq!(block_on(discovery.next_event()), None);
}

#[test]
fn the_local_record_is_known_though_its_event_was_missed() {
    let (discovery, mut end) = pair();
    assert_eq!(discovery.record().sequence(), 1);
    let url = discovery.enode().to_string();
    assert!(url.ends_with("@127.0.0.1:0?discport=30303"), "{url}");
    tell(&mut end, DiscoveryEvent::LocalRecord(record(2)));
    (0..limits::DISCOVERY_EVENTS).for_each(|_| tell(&mut end, DiscoveryEvent::Ready));
    assert_eq!(discovery.record().sequence(), 2);
    assert_eq!(discovery.missed_events(), 1);
}

#[test]
fn an_end_that_goes_leaves_nobody_waiting() {
    let (discovery, mut end) = pair();
    let node = contact();
    let mut taken = pin!(discovery.ping(&node));
    let mut waiting = pin!(discovery.resolve(&node));
    let mut snapshot = pin!(discovery.snapshot());
    let mut stop = pin!(discovery.stop());
    begin(&mut taken);
    asked(&mut end);
    begin(&mut waiting);
    begin(&mut snapshot);
    begin(&mut stop);
    drop(end);
    assert_eq!(block_on(taken), Err(RequestError::Stopped));
    assert_eq!(block_on(waiting), Err(RequestError::Stopped));
    assert_eq!(block_on(snapshot).unwrap_err(), Stopped);
    assert_eq!(block_on(stop), Err(Stopped));
    assert_eq!(block_on(discovery.random_nodes()), Err(RequestError::Stopped));
}

#[test]
fn the_last_handle_that_goes_is_noticed() {
    let (discovery, mut end) = pair();
    let clone = discovery.clone();
    drop(discovery);
    assert!(end.try_next().is_none());
    drop(clone);
    assert!(matches!(next(&mut end), NodeRequest::Abandoned));
    assert!(matches!(end.try_next(), Some(NodeRequest::Abandoned)));
}

#[test]
fn a_node_runs_on_for_its_discovery_and_begins_no_connection() {
    let (node, mut end) = ends();
    let discovery = node.discovery().cloned().unwrap();
    assert!(end.try_next().is_none());
    drop(node);
    assert!(matches!(next(&mut end), NodeRequest::Hold(true)));
    assert!(end.try_next().is_none());
    drop(discovery);
    assert!(matches!(next(&mut end), NodeRequest::Abandoned));
}
