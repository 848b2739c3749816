#![allow(clippy::wildcard_enum_match_arm, reason = "a test fails on whatever else there is")]

use super::*;
use crate::crypto::SecretKey;
use crate::discv4::{self, verify};
use crate::limits;
use crate::machine::Checked;
use crate::time::{Instant, UnixTime};
use alloc::string::ToString as _;

type Watched = Node<Checked<node::Node>>;

fn key(number: u64) -> SecretKey {
    SecretKey::generate(&mut Seed::from_number(number).derive("key", 0).secrets())
}

fn at(millis: u64) -> Now {
    Now { mono: Instant::from_millis(millis), unix: UnixTime::from_secs(1_700_000_000) }
}

/// One over a socket of this address, with what happened at its beginning.
fn discovery(number: u64, bound: &str) -> Watched {
    let bound: SocketAddr = bound.parse().unwrap();
    let mut config = Config::new(key(number));
    fall_back_to(&mut config.endpoints, bound.ip());
    config.endpoints.fallback_udp = bound.port();
    config.no_dial = true;
    let machine = node::Node::new(config, &Seed::from_number(number), at(0)).unwrap();
    let mut discovery = Node::new(Checked::new(machine), bound.is_ipv6());
    while discovery.poll_event().is_some() {}
    discovery
}

/// Executes what it wants done, and gives what is for the application.
fn execute(discovery: &mut Watched, now: Now) -> Vec<Event> {
    let mut events = Vec::new();
    let mut packets = VecDeque::new();
    loop {
        let Some(event) = discovery.poll_event() else {
            // Only now that it is drained does it take an input.
            let Some(packet) = packets.pop_front() else { return events };
            discovery.verified(now, verify(packet));
            continue;
        };
        if let Event::Verify(packet) = event {
            packets.push_back(packet);
        } else {
            events.push(event);
        }
    }
}

/// Takes all that it wants sent.
fn sends(discovery: &mut Watched) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut sends = Vec::new();
    while let Some((to, datagram)) = discovery.next_send() {
        sends.push((to, datagram.to_vec()));
        discovery.sent();
    }
    sends
}

fn contact(number: u64, at: &str) -> Contact {
    let at: SocketAddr = at.parse().unwrap();
    Contact::new(key(number).public_key(), at.ip(), at.port(), 0)
}

#[test]
fn two_of_them_ping_each_other() {
    let (ann, bob) = ("127.0.0.1:1111", "127.0.0.1:2222");
    let mut pair = [(discovery(1, ann), ann), (discovery(2, bob), bob)];
    pair[0].0.command(
        at(1),
        RequestId(7),
        Command::Discovery(discv4::Command::Ping(contact(2, bob))),
    );
    let mut answer = None;
    for turn in 0..6 {
        let [(first, address), (second, _)] = &mut pair;
        let mut events = execute(first, at(turn));
        for (_, datagram) in sends(first) {
            second.datagram(at(turn), address.parse().unwrap(), &datagram);
            events.append(&mut execute(second, at(turn)));
        }
        for event in events {
            if let Event::Answer(RequestId(7), result) = event {
                answer = Some(result);
            }
        }
        pair.swap(0, 1);
    }
    assert!(matches!(answer, Some(Answer::Discovery(discv4::Answer::Pong(_)))), "{answer:?}");
    for (discovery, _) in &pair {
        let datagrams = discovery.discovery_snapshot().unwrap().datagrams;
        assert!(datagrams.sent >= 2 && datagrams.received >= 2, "{datagrams:?}");
        assert_eq!(discovery.discovery_snapshot().unwrap().drops.total(), 0);
    }
}

#[test]
fn a_socket_of_ipv6_gets_mapped_addresses_and_the_machine_the_plain_ones() {
    let mut discovery = discovery(1, "[::]:1111");
    discovery.command(
        at(1),
        RequestId(1),
        Command::Discovery(discv4::Command::Ping(contact(2, "127.0.0.1:2222"))),
    );
    execute(&mut discovery, at(1));
    let ping = sends(&mut discovery).remove(0);
    assert_eq!(ping.0, "[::ffff:127.0.0.1]:2222".parse().unwrap());

    let mut other = self::discovery(2, "127.0.0.1:2222");
    other.datagram(at(2), "127.0.0.1:1111".parse().unwrap(), &ping.1);
    execute(&mut other, at(2));
    let mut events = Vec::new();
    for (_, datagram) in sends(&mut other) {
        discovery.datagram(at(3), ping.0, &datagram);
        events.append(&mut execute(&mut discovery, at(3)));
    }
    let pong = |event: &Event| {
        matches!(event, Event::Answer(RequestId(1), Answer::Discovery(discv4::Answer::Pong(_))))
    };
    assert!(events.iter().any(pong), "{events:?}");
}

#[test]
fn a_socket_of_ipv4_does_not_try_ipv6() {
    let mut discovery = discovery(1, "127.0.0.1:1111");
    discovery.command(
        at(1),
        RequestId(1),
        Command::Discovery(discv4::Command::Ping(contact(2, "[::1]:2222"))),
    );
    execute(&mut discovery, at(1));
    assert!(!discovery.wants_send());
    let datagrams = discovery.discovery_snapshot().unwrap().datagrams;
    assert_eq!(datagrams.send_failures(SocketFailure::Unreachable), 1);
}

#[test]
fn what_the_socket_does_not_take_in_time_is_dropped_and_counted() {
    let mut discovery = discovery(1, "127.0.0.1:1111");
    let many = limits::UNSENT_DATAGRAMS as u64 + 10;
    for number in 0..many {
        let contact = contact(2 + number, "127.0.0.1:2222");
        discovery.command(
            at(1),
            RequestId(number),
            Command::Discovery(discv4::Command::Ping(contact)),
        );
        execute(&mut discovery, at(1));
    }
    assert_eq!(discovery.discovery_snapshot().unwrap().datagrams.unsent, 10);
    discovery.not_sent(SocketFailure::TooLarge);
    let datagrams = discovery.discovery_snapshot().unwrap().datagrams;
    assert_eq!(datagrams.send_failures(SocketFailure::TooLarge), 1);
    assert_eq!(sends(&mut discovery).len(), limits::UNSENT_DATAGRAMS - 1);
    discovery.not_sent(SocketFailure::Other);
    assert_eq!(
        discovery.discovery_snapshot().unwrap().datagrams.send_failures(SocketFailure::Other),
        0
    );
}

#[test]
fn a_connection_over_a_socket_of_ipv6_is_known_by_its_plain_address() {
    let mut node = discovery(1, "[::]:1111");
    node.incoming(at(1), "[::ffff:127.0.0.1]:5".parse().unwrap());
    let [Event::Accept { id, .. }] = execute(&mut node, at(1))[..] else { panic!("not taken") };
    let error = session::SessionError::Lost(session::Lost::Closed);
    let counters = session::Counters::default();
    node.report(at(2), id, Report::Closed { error, counters });
    let events = execute(&mut node, at(2));
    let [Event::Happened(node::Event::Failed { address, .. })] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(*address, "127.0.0.1:5".parse().unwrap());
}

#[test]
fn a_datagram_that_is_too_long_is_counted_as_such() {
    let mut discovery = discovery(1, "127.0.0.1:1111");
    discovery.datagram(at(1), "127.0.0.1:2".parse().unwrap(), &[0; limits::DATAGRAM + 1]);
    assert!(execute(&mut discovery, at(1)).is_empty());
    assert_eq!(discovery.discovery_snapshot().unwrap().drops.of(DropReason::TooLong), 1);
}

#[test]
fn what_the_store_has_no_room_for_has_failed_once_the_machine_is_drained() {
    let mut config = Config::new(key(1));
    config.store = true;
    config.no_dial = true;
    let machine = node::Node::new(config, &Seed::from_number(1), at(0)).unwrap();
    let mut discovery = Node::new(Checked::new(machine), false);
    let Some(Event::Store(open, Operation::Open { .. })) = discovery.poll_event() else {
        panic!("it begins with the store")
    };
    // The machine is not drained yet: it is told later.
    discovery.not_stored(at(1), open);
    let mut refused = 1;
    let mut ready = false;
    while let Some(event) = discovery.poll_event() {
        match event {
            Event::Store(id, _) => {
                refused += 1;
                discovery.not_stored(at(1), id);
            }
            Event::Happened(node::Event::Discovery(event)) => {
                ready |= event == discv4::Event::Ready
            }
            other => panic!("{other:?}"),
        }
    }
    // The number of our record, seeds: none of it holds anything up.
    assert_eq!((refused, ready), (3, true));
    discovery.stop(at(2));
    discovery.not_stored(at(2), open);
    assert!(discovery.poll_event().is_none() && discovery.is_stopped());
}

#[test]
fn a_stop_answers_everything_and_is_seen() {
    let mut discovery = discovery(1, "127.0.0.1:1111");
    discovery.command(
        at(1),
        RequestId(1),
        Command::Discovery(discv4::Command::Ping(contact(2, "127.0.0.1:2222"))),
    );
    execute(&mut discovery, at(1));
    assert!(!discovery.is_stopped());
    discovery.stop(at(2));
    let events = execute(&mut discovery, at(2));
    assert!(matches!(events[..], [Event::Answer(RequestId(1), Answer::Stopped)]), "{events:?}");
    assert!(discovery.is_stopped());
    assert_eq!(discovery.poll_timeout(), None);
}

#[test]
fn our_endpoint_is_the_socket_s_unless_it_is_configured() {
    let record = |bound: &str, endpoints: LocalEndpoints| {
        let mut config = Config::new(key(1));
        config.endpoints = endpoints;
        let bound = bound.parse().unwrap();
        let over = Node::over(config, Some(bound), Some(bound), &Seed::from_number(1), at(0));
        let contact = Contact::from_record(Arc::clone(over.unwrap().machine().local_record()));
        assert_eq!(contact.tcp(), bound.port());
        contact.udp_endpoint().unwrap().to_string()
    };
    let unknown = LocalEndpoints::default();
    assert_eq!(record("10.0.0.1:7", unknown), "10.0.0.1:7");
    assert_eq!(record("0.0.0.0:7", unknown), "127.0.0.1:7");
    assert_eq!(record("[::]:7", unknown), "127.0.0.1:7");
    assert_eq!(record("[::1]:7", unknown), "[::1]:7");
    let port = LocalEndpoints { fallback_udp: 9, ..unknown };
    assert_eq!(record("10.0.0.1:7", port), "10.0.0.1:9");
    let address = LocalEndpoints { static_ip4: Some([1, 2, 3, 4].into()), ..unknown };
    assert_eq!(record("10.0.0.1:7", address), "1.2.3.4:7");
}

#[test]
fn an_answer_of_a_stun_server_goes_into_the_record_and_all_else_to_discovery() {
    let mut node = discovery(1, "0.0.0.0:30303");
    sends(&mut node);
    let server: SocketAddr = "11.0.0.1:3478".parse().unwrap();
    let query = stun::Query::new(alloc::vec![server], Seed::from_number(2).secrets());
    node.start_stun(at(1), query);
    execute(&mut node, at(1));
    let [(to, request)] = &sends(&mut node)[..] else { panic!("one request") };
    assert_eq!((*to, request.len()), (server, 20));

    // 77.12.33.4:40303, masked with the cookie.
    let mut answer = request.clone();
    (answer[0], answer[3]) = (1, 12);
    answer.extend_from_slice(&[0, 0x20, 0, 8, 0, 1, 0xbc, 0x7d, 0x6c, 0x1e, 0x85, 0x46]);
    let drops = |node: &Watched| node.discovery_snapshot().unwrap().drops.total();
    let stranger: SocketAddr = "11.0.0.2:3478".parse().unwrap();
    for (source, bytes) in [(stranger, &answer[..]), (server, &answer[..31]), (server, b"x")] {
        let is_stun = source == server && bytes.len() == 31;
        let before = drops(&node);
        node.datagram(at(2), source, bytes);
        execute(&mut node, at(2));
        assert_eq!(drops(&node) - before, u64::from(!is_stun));
    }
    // The broken one was an answer, if a bad one: there is another question.
    let [(_, request)] = &sends(&mut node)[..] else { panic!("one request") };
    answer[8..20].copy_from_slice(&request[8..]);
    node.datagram(at(3), server, &answer);
    execute(&mut node, at(3));
    let endpoint = node.machine().local_record().endpoint();
    assert_eq!(endpoint.ip, Some([77, 12, 33, 4].into()));
    assert_eq!(endpoint.udp, 40303);
}
