//! Discovery's handle with its other end held by hand, without any runtime.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use core::future::Future;
use core::pin::pin;
use std::sync::Arc;

use devp2p_core::crypto::SecretKey;
use devp2p_core::discv4::{Answer, Command, RequestId};
use devp2p_core::entropy::Seed;
use devp2p_core::identity::{Contact, NodeId, Record, RecordBuilder};
use devp2p_core::limits;
use devp2p_handle::adapter::{DiscoveryEnd, DiscoveryRequest, discovery};
use devp2p_handle::{Discovery, DiscoveryEvent, RequestError, Stopped};
use futures_lite::future::{block_on, poll_once};

fn record(sequence: u64) -> Arc<Record> {
    let key = SecretKey::generate(&mut Seed::from_number(1).derive("key", 0).secrets());
    let ip = [127, 0, 0, 1].into();
    Arc::new(RecordBuilder::new(sequence).ip(ip).udp(30303).sign(&key).unwrap())
}

fn contact() -> Contact {
    Contact::from_record(record(1))
}

fn pair() -> (Discovery, DiscoveryEnd) {
    discovery("127.0.0.1:30303".parse().unwrap(), record(1))
}

/// The next request, which must be there.
fn next(end: &mut DiscoveryEnd) -> DiscoveryRequest {
    block_on(poll_once(end.next())).expect("there is no request")
}

fn command(end: &mut DiscoveryEnd) -> (RequestId, Command) {
    match next(end) {
        DiscoveryRequest::Command(id, command) => (id, command),
        other => panic!("{other:?}"),
    }
}

/// Polls it once, which must not end it.
fn begin<T>(future: &mut (impl Future<Output = T> + Unpin)) {
    assert!(block_on(poll_once(future)).is_none());
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
    let (first, asked) = command(&mut end);
    assert_eq!(asked, Command::RequestRecord(contact()));
    let (second, asked) = command(&mut end);
    assert_eq!(asked, Command::LookUp([7; 64]));
    let (third, asked) = command(&mut end);
    assert_eq!(asked, Command::FindNode(contact(), [8; 64]));
    assert!(first != second && second != third);
    end.answer(second, Answer::Contacts(vec![contact()]));
    end.answer(third, Answer::Failed(RequestError::Timeout));
    end.answer(RequestId(99), Answer::Done);
    begin(&mut record);
    assert_eq!(block_on(nodes), Ok(vec![contact()]));
    assert_eq!(block_on(failing), Err(RequestError::Timeout));
    end.answer(first, Answer::Contact(contact()));
    assert_eq!(block_on(record), Ok(contact()));
    assert!(end.try_next().is_none(), "a request that was answered is not given up");
}

#[test]
fn a_request_that_is_dropped_is_given_up() {
    let (discovery, mut end) = pair();
    let node = contact();
    let mut ping = Box::pin(discovery.ping(&node));
    begin(&mut ping);
    let (id, _) = command(&mut end);
    drop(ping);
    let (cancel, asked) = command(&mut end);
    assert_eq!(asked, Command::Cancel(id));
    assert_ne!(cancel, id);
    end.answer(cancel, Answer::Done);
    end.answer(id, Answer::Failed(RequestError::Cancelled));
    assert!(end.try_next().is_none());
}

#[test]
fn a_request_that_is_dropped_before_it_was_taken_is_never_made() {
    let (discovery, mut end) = pair();
    for _ in 0..10 * limits::DISCOVERY_REQUESTS {
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
    let (id, _) = command(&mut end);
    let taking = std::thread::spawn(move || command_within(end));
    drop(nodes);
    assert_eq!(taking.join().unwrap(), Command::Cancel(id));
}

fn command_within(mut end: DiscoveryEnd) -> Command {
    match block_on(end.next()) {
        DiscoveryRequest::Command(_, command) => command,
        other => panic!("{other:?}"),
    }
}

#[test]
fn when_nobody_takes_events_the_oldest_are_dropped_and_counted() {
    let (discovery, end) = pair();
    let removed = |number: usize| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        DiscoveryEvent::Removed(NodeId::new(id))
    };
    let many = limits::DISCOVERY_EVENTS + 10;
    (0..many).for_each(|number| end.tell(removed(number)));
    assert_eq!(discovery.missed_events(), 10);
    drop(end);
    for number in 10..many {
        assert_eq!(block_on(discovery.next_event()), Some(removed(number)));
    }
    assert_eq!(block_on(discovery.next_event()), None);
}

#[test]
fn the_local_record_is_known_though_its_event_was_missed() {
    let (discovery, end) = pair();
    assert_eq!(discovery.record().sequence(), 1);
    let url = discovery.enode().to_string();
    assert!(url.ends_with("@127.0.0.1:0?discport=30303"), "{url}");
    end.tell(DiscoveryEvent::LocalRecord(record(2)));
    (0..limits::DISCOVERY_EVENTS).for_each(|_| end.tell(DiscoveryEvent::Ready));
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
    command(&mut end);
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
    assert!(matches!(next(&mut end), DiscoveryRequest::Abandoned));
    assert!(matches!(end.try_next(), Some(DiscoveryRequest::Abandoned)));
}
