//! One turn of the loop, however much there is to do.

use core::pin::pin;
use std::net::UdpSocket;
use std::time::Duration;

use devp2p_core::crypto::SecretKey;
use devp2p_core::identity::Contact;
use futures_lite::future::{block_on, poll_once};

use super::*;

fn key(number: u64) -> SecretKey {
    SecretKey::generate(&mut Seed::from_number(number).derive("key", 0).secrets())
}

fn serving(number: u64, verifiers: usize) -> (Discovery, Serving) {
    let config = DiscoveryConfig::new(Config::new(key(number)), Seed::from_number(number))
        .listen((Ipv4Addr::LOCALHOST, 0).into())
        .verifiers(verifiers);
    let (discovery, mut serving) = Serving::new(config).unwrap();
    serving.execute();
    (discovery, serving)
}

/// One turn; how many datagrams it read.
fn read_in_a_turn(serving: &mut Serving) -> usize {
    let before = serving.driver.snapshot().datagrams.received;
    assert!(matches!(serving.turn(), Turn::Moved));
    usize::try_from(serving.driver.snapshot().datagrams.received - before).unwrap()
}

#[test]
fn a_turn_reads_so_many_datagrams_and_leaves_the_rest() {
    let (discovery, mut serving) = serving(1, 1);
    let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    // On loopback they are there when they are sent.
    for _ in 0..DATAGRAMS + 10 {
        stranger.send_to(b"garbage", discovery.address()).unwrap();
    }
    assert_eq!(read_in_a_turn(&mut serving), DATAGRAMS);
    assert_eq!(read_in_a_turn(&mut serving), 10);
    assert!(matches!(serving.turn(), Turn::Idle));
}

#[test]
fn a_turn_takes_so_many_requests_and_leaves_the_rest() {
    let (discovery, mut serving) = serving(1, 1);
    let waiting: Vec<_> = (0..REQUESTS + 3)
        .map(|_| {
            let mut nodes = Box::pin(discovery.random_nodes());
            assert!(block_on(poll_once(&mut nodes)).is_none());
            nodes
        })
        .collect();
    assert!(matches!(serving.turn(), Turn::Moved));
    let mut left = 0;
    while serving.end.try_next().is_some() {
        left += 1;
    }
    assert_eq!(left, 3);
    drop(waiting);
}

/// Pings from `number` nodes, in the buffer of the socket.
fn fill_with_pings(many: usize, to: &Discovery) {
    for number in 0..many {
        let (pinging, mut other) = serving(10 + number as u64, 0);
        let target = Contact::from_record(to.record());
        let mut ping = pin!(pinging.ping(&target));
        assert!(block_on(poll_once(&mut ping)).is_none());
        other.turn();
        assert_eq!(other.driver.snapshot().datagrams.sent, 1);
    }
}

#[test]
fn a_turn_without_threads_verifies_so_many_packets_and_leaves_the_rest() {
    let (discovery, mut serving) = serving(1, 0);
    fill_with_pings(PACKETS + 2, &discovery);
    assert_eq!(read_in_a_turn(&mut serving), PACKETS);
    assert_eq!(read_in_a_turn(&mut serving), 2);
    assert_eq!(serving.driver.snapshot().drops.total(), 0);
}

#[test]
fn a_turn_acts_on_so_many_verified_packets_and_leaves_the_rest() {
    let (discovery, mut serving) = serving(1, 1);
    fill_with_pings(PACKETS + 2, &discovery);
    assert_eq!(read_in_a_turn(&mut serving), PACKETS + 2);
    let begun = std::time::Instant::now();
    while serving.checked.len() < PACKETS + 2 {
        assert!(begun.elapsed() < Duration::from_secs(20), "nobody verifies");
        std::thread::sleep(Duration::from_millis(1));
    }
    serving.turn();
    assert_eq!(serving.checked.len(), 2);
    serving.turn();
    assert_eq!(serving.checked.len(), 0);
    assert_eq!(serving.driver.snapshot().drops.total(), 0);
}

#[test]
fn a_socket_that_lacks_something_is_left_alone_for_a_while() {
    let (discovery, mut serving) = serving(1, 1);
    let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    stranger.send_to(b"garbage", discovery.address()).unwrap();
    serving.not_received(SocketFailure::Refused);
    assert!(serving.deaf_until.is_none());
    serving.not_received(SocketFailure::NoBuffers);
    assert!(matches!(serving.turn(), Turn::Idle));
    let begun = std::time::Instant::now();
    while serving.driver.snapshot().datagrams.received == 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "it stays deaf");
        block_on(serving.wait());
        serving.turn();
    }
    assert!(begun.elapsed() >= limits::RECEIVE_RETRY / 2);
    let datagrams = serving.driver.snapshot().datagrams;
    assert_eq!(datagrams.receive_failures(SocketFailure::NoBuffers), 1);
    assert_eq!(datagrams.receive_failures(SocketFailure::Refused), 1);
}

fn remembering(directory: &std::path::Path) -> (Discovery, Serving) {
    let config = DiscoveryConfig::new(Config::new(key(1)), Seed::from_number(1))
        .listen((Ipv4Addr::LOCALHOST, 0).into())
        .verifiers(0)
        .node_database(directory);
    let (discovery, mut serving) = Serving::new(config).unwrap();
    serving.begin();
    (discovery, serving)
}

#[test]
fn a_turn_takes_so_many_answers_of_the_store_and_leaves_the_rest() {
    let place = tempfile::tempdir().unwrap();
    let (_discovery, mut serving) = remembering(place.path());
    // The seeds, that it asks for itself.
    wait_for("seeds", || serving.replies.len() == 1);
    for number in 1..limits::STORE_REPLIES as u64 + 5 {
        serving.store(OperationId(100 + number), seeds());
    }
    wait_for("as many as there is room for", || serving.replies.is_full());
    assert!(matches!(serving.turn(), Turn::Moved));
    wait_for("the rest", || serving.replies.len() == 5);
    assert!(matches!(serving.turn(), Turn::Moved));
    assert!(serving.replies.is_empty());
}

/// What reads is answered by itself.
fn seeds() -> Operation {
    Operation::Seeds { count: 1, max_age: Duration::ZERO, draw: [0; 32] }
}

fn wait_for(what: &str, so: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "not in time: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_the_store_has_no_room_for_fails_and_a_stop_comes_to_its_end() {
    let place = tempfile::tempdir().unwrap();
    let (discovery, mut serving) = remembering(place.path());
    // Nobody takes its answers, so it stands still and its queue fills up.
    let mut number = 0;
    while serving.store.as_ref().unwrap().counts().failed < 10 {
        assert!(number < 10 * limits::STORE_OPERATIONS as u64);
        serving.store(OperationId(100 + number), seeds());
        number += 1;
    }
    serving.execute();
    let failed = serving.store.as_ref().unwrap().counts().failed;
    assert_eq!(failed, 10);
    let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    stranger.send_to(b"garbage", discovery.address()).unwrap();
    serving.turn();
    assert_eq!(serving.driver.snapshot().datagrams.received, 1, "nothing waits for the store");
    let begun = std::time::Instant::now();
    block_on(serving.stop());
    assert!(begun.elapsed() < limits::STORE_CLOSE_TIMEOUT);
    // Its thread has ended: the database is free.
    remembering(place.path());
}
