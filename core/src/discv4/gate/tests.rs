//! The gate and verification, from outside.

use core::time::Duration;

use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::crypto::SecretKey;
use crate::discv4::vectors::{EXPIRATION, FIND_NODE_WITH_MORE, GOOD, NEIGHBORS_WITH_MORE, key};
use crate::discv4::{
    Drops, EnrRequest, EnrResponse, FindNode, Packet, PacketEndpoint, Ping, Pong, encode, verify,
};
use crate::error::DecodeError;
use crate::time::UnixTime;

/// Some addresses that are proven, some requests that await an answer.
#[derive(Default)]
struct Known {
    proven: Vec<IpAddr>,
    awaited: Vec<(IpAddr, Kind, [u8; 32])>,
}

impl Sources for Known {
    fn is_proven(&self, ip: IpAddr) -> bool {
        self.proven.contains(&ip)
    }

    fn is_awaited(&self, ip: IpAddr, kind: Kind, request_hash: &[u8; 32]) -> bool {
        self.awaited.contains(&(ip, kind, *request_hash))
    }
}

const NOW: Now = Now { mono: Instant::from_secs(100), unix: UnixTime::from_secs(EXPIRATION) };

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Of another network for each number.
fn stranger(number: u32) -> SocketAddr {
    SocketAddr::new(core::net::Ipv4Addr::from(0x0B00_0001 + number * 256).into(), 30303)
}

fn gate() -> Gate {
    Gate::new(&Seed::from_number(1))
}

/// By a gate of its own.
fn check(datagram: &[u8]) -> Result<Unverified, DropReason> {
    gate().check(NOW, at("8.8.8.8:30303"), datagram, &Known::default())
}

fn receive(datagram: &[u8]) -> Result<Packet, DropReason> {
    check(datagram).and_then(verify).map(crate::discv4::Verified::into_packet)
}

/// A datagram with the hash that it should have.
fn hashed(mut datagram: Vec<u8>) -> Vec<u8> {
    let hash = wire::keccak256(&datagram[wire::HASH..]);
    datagram[..wire::HASH].copy_from_slice(&hash);
    datagram
}

fn enr_request(expiration: u64) -> Vec<u8> {
    encode(&Packet::EnrRequest(EnrRequest { expiration }), &key()).bytes.to_vec()
}

fn pong(ping_hash: [u8; 32]) -> Vec<u8> {
    let to = PacketEndpoint::new(at("1.2.3.4:5"), 0);
    let pong = Pong { to, ping_hash, expiration: EXPIRATION + 1_000_000, enr_sequence: None };
    encode(&Packet::Pong(pong), &key()).bytes.to_vec()
}

#[test]
fn good_packets_are_verified_with_all_that_was_seen() {
    for vector in GOOD {
        let mut gate = gate();
        let mapped = at("[::ffff:8.8.8.8]:30303");
        let unverified = gate.check(NOW, mapped, vector, &Known::default()).unwrap();
        assert_eq!(unverified.source(), at("8.8.8.8:30303"));
        assert_eq!(unverified.datagram(), vector);
        let (kind, hash) = (unverified.kind(), *unverified.hash());
        let verified = verify(unverified).unwrap();
        assert_eq!(verified.source(), at("8.8.8.8:30303"));
        assert_eq!(verified.public_key(), &key().public_key());
        assert_eq!(*verified.id(), (&key().public_key()).into());
        assert_eq!((verified.kind(), verified.hash()), (kind, &hash));
        assert_eq!(hash, vector[..32]);
        assert_eq!(wire::decode(kind, &vector[98..]).as_ref(), Ok(verified.packet()));
    }
}

#[test]
fn every_reason_of_gate_and_verification_can_be_reached() {
    let mut drops = Drops::default();
    let mut dropped = |reason, datagram: &[u8]| {
        let result = receive(datagram);
        assert_eq!(result, Err(reason));
        drops.count(reason);
    };
    dropped(DropReason::TooShort, &[]);
    dropped(DropReason::TooShort, &[1; 97]);
    dropped(DropReason::TooLong, &[1; 1281]);
    for code in (0..=u8::MAX).filter(|code| !(1..=6).contains(code)) {
        dropped(DropReason::UnknownType, &hashed([&[1; 97][..], &[code, 0xC0]].concat()));
    }
    dropped(DropReason::BadHash, &[1; 98]);
    dropped(DropReason::Expired, &enr_request(EXPIRATION - 1));
    let empty = [&enr_request(0)[..98], &[0xC0]].concat();
    dropped(DropReason::Malformed(DecodeError::Truncated), &hashed(empty));
    // What stands before the expiration is looked at behind the gate only.
    let mut list = FIND_NODE_WITH_MORE.to_vec();
    list[100..102].copy_from_slice(&[0xF8, 0x40]);
    assert!(check(&hashed(list.clone())).is_ok());
    dropped(DropReason::Malformed(DecodeError::UnexpectedList), &hashed(list));
    let mut unsigned = enr_request(EXPIRATION);
    unsigned[32..97].fill(0);
    dropped(DropReason::BadSignature, &hashed(unsigned));
    assert_eq!(drops.total(), 3 + 250 + 5);

    let datagram = enr_request(EXPIRATION);
    for source in [
        "8.8.8.8:0",
        "0.0.0.0:30303",
        "255.255.255.255:30303",
        "224.0.0.1:30303",
        "[::]:30303",
        "[ff02::1]:30303",
        "[::ffff:224.0.0.1]:30303",
    ] {
        let dropped = gate().check(NOW, at(source), &datagram, &Known::default());
        assert_eq!(dropped, Err(DropReason::BadSource), "{source}");
    }
    let mut busy = gate();
    let mut last = |source: fn(u32) -> SocketAddr| {
        (0..5000).map(|number| busy.check(NOW, source(number), &datagram, &Known::default())).last()
    };
    assert_eq!(last(|_| stranger(1)), Some(Err(DropReason::OverBudget)));
    assert_eq!(last(stranger), Some(Err(DropReason::Overloaded)));
}

#[test]
fn every_flipped_bit_is_refused() {
    for vector in GOOD {
        for bit in 0..vector.len() * 8 {
            let mut datagram = vector.to_vec();
            datagram[bit / 8] ^= 1 << (bit % 8);
            let dropped = check(&datagram);
            let expected = match Kind::from_code(datagram[97]) {
                Some(_) => DropReason::BadHash,
                None => DropReason::UnknownType,
            };
            assert_eq!(dropped, Err(expected), "{bit}");
        }
    }
}

#[test]
fn every_truncation_is_refused_even_under_a_good_hash() {
    let end = |vector: &[u8]| {
        let mut trailing = &vector[98..];
        crate::rlp::skip(&mut trailing).unwrap();
        vector.len() - trailing.len()
    };
    for vector in GOOD {
        for length in 0..vector.len() {
            assert!(check(&vector[..length]).is_err());
        }
        for length in 98..end(vector) {
            let dropped = receive(&hashed(vector[..length].to_vec()));
            assert!(matches!(dropped, Err(DropReason::Malformed(_))), "{length}: {dropped:?}");
        }
    }
    // The bytes behind the list are signed as well, so it names another signer.
    let cut = NEIGHBORS_WITH_MORE[..end(NEIGHBORS_WITH_MORE)].to_vec();
    let unverified = check(&hashed(cut)).unwrap();
    assert!(verify(unverified).is_ok_and(|other| *other.public_key() != key().public_key()));
}

#[test]
fn no_length_is_a_panic() {
    for length in 0..=1400 {
        for fill in [0, 1, 4, 6, 0xC0, 0xFF] {
            let mut datagram = alloc::vec![fill; length];
            assert!(check(&datagram).is_err());
            if length >= 98 {
                datagram[97] = 1 + fill % 6;
                let _ = receive(&hashed(datagram));
            }
        }
    }
}

#[test]
fn an_expiration_is_signed_and_a_record_has_none() {
    for (expiration, dropped) in [
        (EXPIRATION, false),
        (EXPIRATION - 1, true),
        (EXPIRATION + 20, false),
        ((EXPIRATION + 20).wrapping_neg(), true),
        (i64::MAX as u64, true),
        (1 << 63, true),
        (u64::MAX, true),
        (0, true),
    ] {
        let expected = if dropped { Some(DropReason::Expired) } else { None };
        assert_eq!(check(&enr_request(expiration)).err(), expected, "{expiration}");
    }
    let record = Packet::EnrResponse(EnrResponse { request_hash: [0; 32], record: [0xC0].into() });
    assert_eq!(receive(&encode(&record, &key()).bytes), Ok(record));
}

#[test]
fn what_is_not_ours_is_left_to_others_and_costs_its_source_nothing() {
    let mut gate = gate();
    let source = at("8.8.8.8:30303");
    let known = Known::default();
    let mut foreign = enr_request(EXPIRATION);
    foreign[0] ^= 1;
    for datagram in [&foreign[..], &[7; 63], &[7; 200]] {
        for _ in 0..200 {
            let reason = gate.check(NOW, source, datagram, &known).unwrap_err();
            assert!(reason.may_be_foreign(), "{reason}");
        }
    }
    for _ in 0..200 {
        let late = gate.check(NOW, source, &enr_request(1), &known);
        assert_eq!(late, Err(DropReason::Expired));
    }
    for _ in 0..limits::STRANGER_PACKETS.burst {
        assert!(gate.check(NOW, source, &enr_request(EXPIRATION), &known).is_ok());
    }
    let more = gate.check(NOW, source, &enr_request(EXPIRATION), &known).unwrap_err();
    assert_eq!((more, more.may_be_foreign()), (DropReason::OverBudget, false));
}

/// A gate under fire, with a clock.
struct Fire {
    gate: Gate,
    known: Known,
    datagram: Vec<u8>,
    now: Now,
    passed: u32,
}

impl Fire {
    const PEER: &str = "8.8.8.8:30303";
    const OTHER_PEER: &str = "9.9.9.9:30303";

    fn new() -> Self {
        let proven = [Self::PEER, Self::OTHER_PEER].map(|peer| at(peer).ip()).into();
        Self {
            gate: gate(),
            known: Known { proven, ..Known::default() },
            datagram: enr_request(EXPIRATION + 1_000_000),
            now: NOW,
            passed: 0,
        }
    }

    fn passes(&mut self, source: SocketAddr) -> bool {
        self.gate.check(self.now, source, &self.datagram, &self.known).is_ok()
    }

    /// So many packets in a tenth of a second.
    fn shoot(&mut self, count: u32, source: impl Fn(u32) -> SocketAddr) {
        for number in 0..count {
            self.now = self.now.saturating_add(Duration::from_millis(100) / count);
            let passed = self.passes(source(number));
            self.passed += u32::from(passed);
        }
    }
}

#[test]
fn a_flood_from_elsewhere_takes_nothing_from_a_proven_node() {
    let mut fire = Fire::new();
    let neighbour = at("8.8.8.9:1");
    for tenth in 0..100 {
        fire.shoot(500, |_| neighbour);
        fire.shoot(500, |number| stranger(number + 500 * tenth));
        assert!(tenth % 10 != 0 || fire.passes(at(Fire::PEER)), "{tenth}");
    }
    // 20 seconds.
    let strangers = limits::ALL_STRANGERS_PACKETS;
    assert!(fire.passed <= strangers.burst + 20 * strangers.per_second + 1, "{}", fire.passed);
}

#[test]
fn who_forges_a_proven_node_locks_neither_it_nor_another_out() {
    let mut fire = Fire::new();
    let peer = at(Fire::PEER);
    let mut answers = 0;
    for tenth in 0..100 {
        fire.shoot(2000, |_| peer);
        // Another one is not touched.
        assert!(tenth % 5 != 0 || fire.passes(at(Fire::OTHER_PEER)), "{tenth}");
        // What it answers us is heard.
        let hash = [tenth; 32];
        fire.known.awaited = [(peer.ip(), Kind::Pong, hash)].into();
        let answer = fire.gate.check(fire.now, peer, &pong(hash), &fire.known);
        answers += u32::from(answer.is_ok());
        // A new node is not kept out.
        assert!(fire.passes(stranger(u32::from(tenth))));
    }
    assert_eq!(answers, 100);
    // All that got through is what ten seconds give.
    let (one, all) = (limits::PROVEN_PACKETS, limits::ALL_PROVEN_PACKETS);
    let given = one.burst + all.burst + 10 * (one.per_second + all.per_second);
    assert!((given - 20..=given + 2).contains(&fire.passed), "{} of {given}", fire.passed);
    // And with the flood the trouble ends.
    assert!(!fire.passes(peer));
    fire.now = fire.now.saturating_add(Duration::from_millis(2));
    assert!(fire.passes(peer));
}

#[test]
fn a_busy_proven_node_is_heard_beyond_its_own_budget() {
    let mut fire = Fire::new();
    fire.shoot(500, |_| at(Fire::PEER));
    assert_eq!(fire.passed, 500);
}

#[test]
fn an_answer_is_heard_a_few_times_and_then_it_is_a_packet_like_others() {
    let mut fire = Fire::new();
    let source = stranger(1);
    fire.shoot(1000, |_| source);
    let answers = |fire: &mut Fire, hash| {
        let datagram = pong(hash);
        let mut check = || fire.gate.check(fire.now, source, &datagram, &fire.known).is_ok();
        (0..100).filter(|_| check()).count()
    };
    let awaited = (source.ip(), Kind::Pong, [1; 32]);
    fire.known.awaited = [awaited, (source.ip(), Kind::EnrResponse, [2; 32])].into();
    assert_eq!(answers(&mut fire, [1; 32]), 8);
    assert_eq!(answers(&mut fire, [2; 32]), 0, "that was another kind of request");
    assert_eq!(answers(&mut fire, [3; 32]), 0, "nobody asked");
    fire.known.awaited[0].0 = stranger(2).ip();
    assert_eq!(answers(&mut fire, [1; 32]), 0, "another was asked");
}

#[test]
fn what_comes_through_says_how_it_stands() {
    let mut fire = Fire::new();
    let standing = |fire: &mut Fire, source: &str, datagram: &[u8]| {
        let known = &fire.known;
        fire.gate.check(fire.now, at(source), datagram, known).map(|passed| passed.standing())
    };
    let datagram = fire.datagram.clone();
    let local = ["127.0.0.1:1", "192.168.0.1:1"];
    for source in ["11.0.0.1:1"].iter().chain(&local) {
        assert_eq!(standing(&mut fire, source, &datagram), Ok(Standing::Stranger), "{source}");
        let hash = [7; 32];
        fire.known.awaited = [(at(source).ip(), Kind::Pong, hash)].into();
        assert_eq!(standing(&mut fire, source, &pong(hash)), Ok(Standing::Awaited), "{source}");
        // Nobody asked for that one.
        assert_eq!(standing(&mut fire, source, &pong([8; 32])), Ok(Standing::Stranger));
    }
    fire.known.proven.extend(local.map(|source| at(source).ip()));
    for source in local {
        assert_eq!(standing(&mut fire, source, &datagram), Ok(Standing::Proven), "{source}");
    }
    for _ in 0..limits::PROVEN_PACKETS.burst {
        assert_eq!(standing(&mut fire, Fire::PEER, &datagram), Ok(Standing::Proven));
    }
    assert_eq!(standing(&mut fire, Fire::PEER, &datagram), Ok(Standing::Busy));
    assert!(Standing::Stranger < Standing::Busy && Standing::Busy < Standing::Proven);
    assert!(Standing::Proven < Standing::Awaited);
}

#[test]
fn a_budget_comes_back_with_time_and_not_by_turning_it_back() {
    let mut fire = Fire::new();
    let source = stranger(1);
    fire.shoot(1000, |_| source);
    assert!(!fire.passes(source));
    let end = fire.now;
    for mono in [Instant::ZERO, Instant::from_secs(1)] {
        fire.now = Now { mono, ..end };
        assert!(!fire.passes(source));
        // Nor does turning it back take anything away.
        assert!(fire.passes(stranger(2)));
    }
    let interval = Duration::from_secs(1) / limits::STRANGER_PACKETS.per_second;
    fire.now = end.saturating_add(interval);
    assert!(fire.passes(source) && !fire.passes(source));
    fire.now = end.saturating_add(Duration::from_secs(60));
    assert_eq!((0..1000).filter(|_| fire.passes(source)).count(), 64);
}

#[test]
fn a_network_for_tests_on_one_machine_is_not_held_up() {
    for (source, second) in [("127.0.0.1:1", 20_000), ("192.168.0.1:1", 2_500)] {
        let mut fire = Fire::new();
        (0..10).for_each(|_| fire.shoot(second / 10, |_| at(source)));
        assert_eq!(fire.passed, second, "{source}");
    }
    let mut fire = Fire::new();
    (0..10).for_each(|_| fire.shoot(2000, |_| at("10.0.0.1:1")));
    assert!((2900..=3100).contains(&fire.passed), "{}", fire.passed);
}

#[test]
fn who_forges_addresses_of_local_networks_gets_no_more_than_these_have_together() {
    let mut fire = Fire::new();
    let local = |number: u32| SocketAddr::new([10, 0, 0, number as u8].into(), 30303);
    // 50,000 in a second, of each address fewer than it may send.
    (0..10).for_each(|_| fire.shoot(5000, local));
    let all = limits::ALL_LAN_PACKETS;
    let given = all.burst + all.per_second;
    assert!((given - 10..=given + 2).contains(&fire.passed), "{} of {given}", fire.passed);
    assert!(fire.passes(at(Fire::PEER)) && fire.passes(stranger(1)));
    // A proven one of our own network is heard nevertheless.
    let proven = local(77);
    assert!(!fire.passes(proven));
    fire.known.proven.push(proven.ip());
    assert!(fire.passes(proven));
}

#[test]
fn sixty_thousand_forged_packets_take_little_memory() {
    let mut fire = Fire::new();
    for round in 0..60 {
        fire.shoot(1000, |number| stranger(1000 * round + number));
    }
    assert!(fire.gate.budget.memory() < 150 * 1024);
    assert!(fire.passes(at(Fire::PEER)));
}

proptest! {
    #[test]
    fn whatever_arrives_is_dropped_or_signed(
        kind in 1..=6_u8, head: [u8; 32], body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut datagram = head.repeat(4)[..97].to_vec();
        datagram.push(kind);
        datagram.extend(body);
        prop_assert!(check(&datagram).is_err());
        if let Ok(verified) = check(&hashed(datagram)).and_then(verify) {
            prop_assert_eq!(verified.kind().code(), kind);
        }
    }

    #[test]
    fn what_is_sent_is_received(secret in 1..=200_u8, target: [u8; 32], sequence: u64) {
        let key = SecretKey::from_bytes(&[secret; 32]).unwrap();
        let expiration = EXPIRATION + 20;
        let to = PacketEndpoint::new(at("1.2.3.4:5"), 6);
        let ping = Ping {
            version: 4, from: PacketEndpoint::default(), to, expiration, enr_sequence: Some(sequence),
        };
        let target = target.repeat(2).try_into().unwrap();
        let find_node = FindNode { target, expiration };
        for packet in [Packet::Ping(ping), Packet::FindNode(find_node)] {
            let encoded = encode(&packet, &key);
            let verified = check(&encoded.bytes).and_then(verify);
            let verified = verified.map_err(|reason| TestCaseError::fail(reason.label()))?;
            prop_assert_eq!(verified.hash(), &encoded.hash);
            prop_assert_eq!(verified.public_key(), &key.public_key());
            prop_assert_eq!(verified.packet(), &packet);
        }
    }
}

/// For simulations alone.
#[test]
fn without_budgets_only_what_is_damaged_or_late_is_dropped() {
    let mut gate = gate().without_budgets();
    let (good, late) = (enr_request(EXPIRATION + 20), enr_request(EXPIRATION - 1));
    for _ in 0..10 * limits::STRANGER_PACKETS.burst {
        let checked = gate.check(NOW, stranger(1), &good, &Known::default());
        assert_eq!(checked.unwrap().standing(), Standing::Stranger);
    }
    let dropped = gate.check(NOW, stranger(1), &late, &Known::default());
    assert_eq!(dropped.unwrap_err(), DropReason::Expired);
}
