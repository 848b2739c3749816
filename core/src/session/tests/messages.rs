//! What goes well: two nodes meet, and messages arrive as they were sent.

use core::time::Duration;

use alloc::vec::Vec;

use super::pair::{End, Pair, local, local_with, mirror, noise};
use super::peer::Peer;
use crate::limits;
use crate::p2p::{self, Capability, LocalCapability, code};
use crate::session::{Command, Phase, SessionError};
use crate::time::Now;

const MIB: usize = 1024 * 1024;

#[test]
fn both_ends_learn_who_the_other_is_and_what_they_share() {
    let pair = Pair::open(1);
    for (end, other) in [(&pair.ends[0], local(1)), (&pair.ends[1], local(0))] {
        assert_eq!(end.remote(), Some(*other.public()));
        let (hello, shared) = end.greeted().unwrap();
        assert_eq!(hello.version, p2p::VERSION);
        assert_eq!(hello.client_name, "devp2p-rs/test");
        assert_eq!(hello.capabilities, [Capability::new("echo", 1), Capability::new("test", 3)]);
        assert_eq!(hello.listen_port, 0);
        assert_eq!(hello.id, *other.public().as_bytes());
        let offsets: Vec<_> = shared.iter().map(|shared| (shared.offset, shared.length)).collect();
        assert_eq!(offsets, [(16, 2), (18, 5)]);
    }
}

#[test]
fn only_what_both_offer_is_shared_and_its_codes_follow_each_other() {
    let echo = |version| LocalCapability::new("echo", version, version);
    let (a, b) = (
        local_with(0, [echo(1), echo(2), LocalCapability::new("zzz", 1, 1)]),
        local_with(1, [LocalCapability::new("aaa", 1, 9), echo(1), echo(2), echo(3)]),
    );
    let mut pair = Pair::between(&a, &b, 1);
    pair.run(Duration::from_secs(1));
    for end in &pair.ends {
        let (_, shared) = end.greeted().unwrap();
        assert_eq!(shared.len(), 1);
        assert_eq!(shared.get(0).unwrap().capability, Capability::new("echo", 2));
        assert_eq!(shared.get(0).unwrap().offset, 16);
    }
}

#[test]
fn a_node_is_told_when_nothing_is_shared_and_decides_itself() {
    let (a, b) = (local(0), local_with(1, [LocalCapability::new("other", 1, 1)]));
    let mut pair = Pair::between(&a, &b, 1);
    pair.run(Duration::from_secs(1));
    for end in &pair.ends {
        assert!(end.greeted().unwrap().1.is_empty());
        assert_eq!(end.closed(), None);
    }
}

#[test]
fn nothing_is_written_before_the_handshake_but_the_handshake() {
    let mut pair = Pair::new(1);
    pair.ends[0].manners.proceeds = false;
    pair.ends[1].manners.proceeds = false;
    pair.run(Duration::from_secs(1));
    // Each wrote one handshake message: its size prefix says so.
    for end in &pair.ends {
        let size = usize::from(u16::from_be_bytes([end.written[0], end.written[1]]));
        assert_eq!(end.written.len(), 2 + size);
        assert!(end.greeted().is_none());
    }
}

/// Sends `payload` both ways and compares what arrives.
fn exchange(pair: &mut Pair, payload: &[u8]) {
    let before = pair.ends.each_ref().map(|end| end.messages().len());
    pair.ends[0].send(0, payload.to_vec());
    pair.ends[1].send(1, payload.to_vec());
    pair.run(Duration::from_secs(2));
    for (end, (code, before)) in pair.ends.iter().zip([(1, before[0]), (0, before[1])]) {
        let arrived = &end.messages()[before..];
        assert_eq!(arrived.len(), 1);
        assert_eq!((arrived[0].capability, arrived[0].code), (0, code));
        assert!(arrived[0].payload == payload, "{} bytes", payload.len());
    }
}

#[test]
fn messages_of_every_size_arrive_both_ways() {
    let mut pair = Pair::open(2);
    for length in [0, 1, 15, 16, 1024, MIB] {
        exchange(&mut pair, &noise(3, length));
        exchange(&mut pair, &alloc::vec![0; length]);
    }
    for end in &pair.ends {
        assert_eq!(end.session.get().counters().messages_sent, 12);
        assert_eq!(end.session.get().counters().messages_received, 12);
    }
}

#[test]
fn the_largest_messages_arrive() {
    let mut pair = Pair::open(3);
    // Compressed it is small, so the limit is the payload's; else the code's
    // byte counts too.
    let largest = if cfg!(feature = "std") { limits::MESSAGE } else { limits::MESSAGE - 1 };
    exchange(&mut pair, &alloc::vec![0xA5; largest]);
}

#[test]
fn the_largest_message_that_does_not_compress_arrives() {
    let mut pair = Pair::open(4);
    // Snappy adds what its literals need: a tag of at most 4 bytes for each
    // 64 KiB, and the length.
    let payload = noise(5, limits::MESSAGE - 1 - 2 * 1024);
    pair.ends[0].send(0, payload.clone());
    pair.run(Duration::from_secs(2));
    assert!(pair.ends[1].messages()[0].payload == payload);
}

#[cfg(feature = "std")]
#[test]
fn from_version_five_on_messages_are_compressed_and_before_it_are_not() {
    for (version, compressed) in [(4, false), (5, true), (6, true), (u64::MAX, true)] {
        let (mut peer, mut end) = Peer::open_at_version(1, version);
        assert_eq!(peer.compresses, compressed);
        end.send(0, alloc::vec![7; 100_000]);
        // An honest peer of that version understands it …
        let length = end.unsent.len();
        let heard = peer.hear(&mut end);
        assert_eq!(heard, [(16, alloc::vec![7; 100_000])]);
        assert_eq!(length < 10_000, compressed, "{length} bytes for version {version}");
        // … and is understood.
        for length in [0, 1, 1024, MIB] {
            peer.say(&mut end, 17, &noise(1, length));
            assert!(end.messages().last().unwrap().payload == noise(1, length));
        }
        assert_eq!(end.closed(), None);
    }
}

#[test]
fn a_peer_of_version_four_gets_and_sends_the_largest_uncompressed_message() {
    let (mut peer, mut end) = Peer::open_at_version(1, 4);
    let largest = noise(1, limits::FRAME - 1);
    end.send(0, largest.clone());
    assert!(peer.hear(&mut end) == [(16, largest.clone())]);
    peer.say(&mut end, 17, &largest);
    assert!(end.messages()[0].payload == largest);
}

#[test]
fn messages_of_all_capabilities_keep_their_order_and_their_owner() {
    let mut pair = Pair::open(5);
    let shared = pair.ends[0].greeted().unwrap().1.clone();
    let sent: Vec<_> = (0..50u64)
        .map(|n| {
            let capability = (n % 2) as usize;
            let length = if capability == 0 { 2 } else { 5 };
            shared.message(capability, n % length, noise(n, n as usize * 7).into()).unwrap()
        })
        .collect();
    pair.ends[0].queue.extend(sent.iter().cloned());
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.ends[1].messages(), sent.iter().collect::<Vec<_>>());
}

#[test]
fn a_message_to_send_for_another_connections_capability_is_counted_and_dropped() {
    let (mut peer, mut end) = Peer::open(1);
    for (capability, code) in [(0, 2), (1, 5), (2, 0), (usize::MAX, u64::MAX)] {
        let payload = bytes::Bytes::new();
        end.queue.push_back(p2p::Message { capability, code, payload });
    }
    end.settle();
    assert!(peer.hear(&mut end).is_empty());
    assert_eq!(end.session.get().counters().misaddressed, 4);
    assert_eq!(end.session.get().counters().messages_sent, 0);
}

#[test]
fn the_counters_count_the_bytes_of_both_directions() {
    let mut pair = Pair::open(6);
    exchange(&mut pair, &noise(1, 1000));
    for (end, other) in [(0, 1), (1, 0)] {
        let counters = pair.ends[end].session.get().counters();
        assert_eq!(counters.bytes_sent, pair.ends[end].written.len() as u64);
        assert_eq!(counters.bytes_received, pair.ends[other].written.len() as u64);
    }
}

#[test]
fn an_end_that_mirrors_offers_what_it_was_offered_and_gets_every_message() {
    let (a, b) = (mirror(0), local(1));
    let mut pair = Pair::between(&a, &b, 1);
    pair.run(Duration::from_secs(1));
    let (hello, shared) = pair.ends[1].greeted().unwrap();
    assert_eq!(hello.capabilities, [Capability::new("echo", 1), Capability::new("test", 3)]);
    assert_eq!(hello.client_name, "devp2p-rs/mirror");
    let message = shared.message(1, 4, b"from the second capability"[..].into()).unwrap();
    pair.ends[1].queue.push_back(message);
    pair.ends[0].send(18, &b"to the second capability"[..]);
    pair.run(Duration::from_secs(1));
    // Seen from the mirror there is one range of codes.
    let at_mirror = pair.ends[0].messages();
    assert_eq!((at_mirror[0].capability, at_mirror[0].code), (0, 18 + 4 - 16));
    // Its code 18 is 34 on the wire, which is nobody's: silence, then the end.
    assert_eq!(pair.ends[1].messages().len(), 0);
    assert!(pair.ends[1].is_over());
}

#[test]
fn two_mirrors_wait_for_each_other_until_the_time_is_up() {
    let mut pair = Pair::between(&mirror(0), &mirror(1), 1);
    pair.run(Duration::from_secs(4));
    assert!(pair.ends.iter().all(|end| end.greeted().is_none() && !end.is_over()));
    pair.run(Duration::from_secs(2));
    // The first to close takes the other with it.
    let closed = pair.ends.each_ref().map(|end| end.closed().unwrap());
    assert!(closed.contains(&SessionError::TimedOut(Phase::Hello)), "{closed:?}");
}

#[test]
fn a_ping_is_answered_and_one_of_ours_measures_the_round_trip() {
    let mut pair = Pair::open(7);
    pair.wires[0].latency = Duration::from_millis(30);
    pair.wires[1].latency = Duration::from_millis(12);
    pair.ends[0].command(Command::Ping);
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.ends[0].round_trips(), [Duration::from_millis(42)]);
    assert_eq!(pair.ends[1].session.get().counters().pings_answered, 1);
    assert!(pair.ends[1].round_trips().is_empty());
}

#[test]
fn a_pong_that_nobody_asked_for_is_ignored() {
    let (mut peer, mut end) = Peer::open(1);
    peer.say(&mut end, code::PONG, &p2p::EMPTY_LIST);
    assert!(end.round_trips().is_empty());
    assert_eq!(end.session.get().counters().ignored, 1);
    // And it does not answer a later ping either.
    end.command(Command::Ping);
    assert_eq!(peer.hear(&mut end), [(code::PING, p2p::EMPTY_LIST.to_vec())]);
    end.now = end.now.saturating_add(Duration::from_secs(1));
    peer.say(&mut end, code::PONG, &p2p::EMPTY_LIST);
    peer.say(&mut end, code::PONG, &p2p::EMPTY_LIST);
    assert_eq!(end.round_trips(), [Duration::from_secs(1)]);
    assert_eq!(end.session.get().counters().ignored, 2);
}

#[test]
fn every_message_code_of_the_base_protocol_that_means_nothing_is_ignored() {
    let (mut peer, mut end) = Peer::open(1);
    for code in [code::HELLO].into_iter().chain(4..16) {
        peer.say(&mut end, code, b"whatever");
    }
    assert_eq!(end.session.get().counters().ignored, 13);
    assert!(peer.hear(&mut end).is_empty());
    peer.say(&mut end, 16, b"still here");
    assert_eq!(end.messages().len(), 1);
}

#[test]
fn a_session_starts_at_any_time() {
    let now = Now { mono: crate::time::Instant::from_secs(1 << 40), ..Now::ZERO };
    let end = End::accept(&local(0), 1, now);
    let deadline = crate::machine::Machine::poll_timeout(&end.session).unwrap();
    assert_eq!(deadline.at - now.mono, limits::ENCRYPTION_HANDSHAKE_TIMEOUT);
}
