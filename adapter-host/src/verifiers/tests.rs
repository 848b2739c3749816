//! The threads, their queues, and who finds room there.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{self, Receiver};

use devp2p_core::crypto::SecretKey;
use devp2p_core::discv4::{
    Encoded, EnrRequest, Gate, Kind, Packet, PacketEndpoint, Pong, Sources, encode,
};
use devp2p_core::entropy::Seed;
use devp2p_core::identity::NodeId;
use devp2p_core::time::Now;

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

const STRANGER: &str = "127.0.0.1:9";
/// Has no budget that this could use up.
const PROVEN: &str = "127.0.0.2:9";
const PROVEN_ELSEWHERE: &str = "8.8.8.8:9";

/// Pongs are awaited from everywhere.
struct Known;

impl Sources for Known {
    fn is_proven(&self, ip: IpAddr) -> bool {
        [PROVEN, PROVEN_ELSEWHERE].iter().any(|proven| at(proven).ip() == ip)
    }

    fn is_awaited(&self, _: IpAddr, kind: Kind, _: &[u8; 32]) -> bool {
        kind == Kind::Pong
    }
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn key() -> SecretKey {
    SecretKey::generate(&mut Seed::from_number(1).derive("key", 0).secrets())
}

/// As many packets, all different, of these sources in turn.
fn packets(many: usize, sources: &[SocketAddr]) -> Vec<Unverified> {
    let mut gate = Gate::new(&Seed::from_number(1));
    (1000..)
        .zip(sources.iter().cycle())
        .map(|(expiration, source)| {
            let packet = Packet::EnrRequest(EnrRequest { expiration });
            let Encoded { bytes, .. } = encode(&packet, &key());
            gate.check(Now::ZERO, *source, &bytes, &Known).unwrap()
        })
        .take(many)
        .collect()
}

/// As many packets that stand so.
fn standing(standing: Standing, many: usize) -> Vec<Unverified> {
    let packets = match standing {
        Standing::Stranger => packets(many, &[at(STRANGER)]),
        Standing::Proven => packets(many, &[at(PROVEN)]),
        Standing::Busy => {
            let own = limits::PROVEN_PACKETS.burst as usize;
            packets(own + many, &[at(PROVEN_ELSEWHERE)]).split_off(own)
        }
        Standing::Awaited => answers(many),
    };
    assert!(packets.iter().all(|packet| packet.standing() == standing));
    packets
}

fn answers(many: usize) -> Vec<Unverified> {
    let mut gate = Gate::new(&Seed::from_number(1));
    (0..many)
        .map(|number| {
            let (to, mut ping_hash) = (PacketEndpoint::new(at(STRANGER), 0), [0; 32]);
            ping_hash[..8].copy_from_slice(&number.to_be_bytes());
            let pong = Pong { to, ping_hash, expiration: 1000, enr_sequence: None };
            let Encoded { bytes, .. } = encode(&Packet::Pong(pong), &key());
            gate.check(Now::ZERO, at("9.9.9.9:9"), &bytes, &Known).unwrap()
        })
        .collect()
}

fn hashes(packets: &[Unverified]) -> Vec<[u8; 32]> {
    packets.iter().map(|packet| *packet.hash()).collect()
}

/// One thread that is about to hand on a packet, and what takes that from it.
fn occupied() -> (Verifiers, Receiver<[u8; 32]>) {
    let (begin, begun) = mpsc::channel();
    let (send, receive) = mpsc::sync_channel(0);
    let verifiers = Verifiers::start(1, move |result: Result<Verified, DropReason>| {
        let _ = begin.send(());
        let _ = send.send(*result.unwrap().hash());
    });
    let verifiers = verifiers.unwrap();
    for packet in packets(1, &[at(STRANGER)]) {
        verifiers.submit(packet).unwrap();
    }
    begun.recv_timeout(LIMIT).unwrap();
    (verifiers, receive)
}

fn waiting(verifiers: &Verifiers) -> usize {
    verifiers.lanes.iter().map(|lane| lane.queue.lock().packets.len()).sum()
}

#[test]
fn every_packet_is_verified_once_and_the_threads_end() {
    let (send, receive) = mpsc::channel();
    let verifiers = Verifiers::start(3, move |result| send.send(result).unwrap()).unwrap();
    let packets = packets(200, &[at(STRANGER), at(PROVEN), at("127.0.0.3:9"), at("127.0.0.3:1")]);
    let mut expected = hashes(&packets);
    for packet in packets {
        submit(&verifiers, packet);
    }
    let mut hashes: Vec<_> = (0..200)
        .map(|_| {
            let verified = receive.recv_timeout(LIMIT).unwrap().unwrap();
            assert_eq!(*verified.id(), NodeId::from(&key().public_key()));
            *verified.hash()
        })
        .collect();
    hashes.sort();
    expected.sort();
    assert_eq!(hashes, expected);
    verifiers.join();
    // Each thread has dropped what it hands results to.
    assert!(matches!(receive.recv_timeout(LIMIT), Err(mpsc::RecvTimeoutError::Disconnected)));
}

/// Once there is room for it.
fn submit(verifiers: &Verifiers, mut packet: Unverified) {
    while let Err(refused) = verifiers.submit(packet) {
        packet = refused;
        thread::yield_now();
    }
}

#[test]
fn what_one_source_sends_stays_in_order_whatever_the_threads_do() {
    let (send, receive) = mpsc::channel();
    let verified = move |result: Result<Verified, DropReason>| {
        send.send((thread::current().id(), result.unwrap())).unwrap();
    };
    let verifiers = Verifiers::start(4, verified).unwrap();
    // Nodes behind one address are different sources.
    let sources: Vec<_> = (1..=32)
        .flat_map(|port| {
            [SocketAddr::new(at(PROVEN).ip(), port), SocketAddr::new(at(STRANGER).ip(), port)]
        })
        .collect();
    let packets = packets(64 * 40, &sources);
    let mut sent: BTreeMap<SocketAddr, Vec<[u8; 32]>> = BTreeMap::new();
    for packet in packets {
        sent.entry(packet.source()).or_default().push(*packet.hash());
        submit(&verifiers, packet);
    }
    let mut received: BTreeMap<SocketAddr, Vec<[u8; 32]>> = BTreeMap::new();
    let mut threads = Vec::new();
    for _ in 0..64 * 40 {
        let (thread, verified) = receive.recv_timeout(LIMIT).unwrap();
        received.entry(verified.source()).or_default().push(*verified.hash());
        threads.push(thread);
    }
    assert_eq!(sent.len(), 64);
    for (source, sent) in &sent {
        assert_eq!(received.get(source), Some(sent), "{source}");
    }
    let threads: BTreeSet<_> = threads.iter().map(|thread| format!("{thread:?}")).collect();
    assert!(threads.len() > 1, "one thread has done all the work");
    verifiers.join();
}

#[test]
fn a_queue_full_of_strangers_takes_those_we_know_and_then_what_answers_us() {
    let (verifiers, receive) = occupied();
    let mut expected = hashes(&packets(1, &[at(STRANGER)]));
    for (rank, room) in [
        (Standing::Stranger, limits::UNVERIFIED_BEFORE_STRANGERS),
        (Standing::Busy, limits::UNVERIFIED_BEFORE_BUSY),
        (Standing::Proven, limits::UNVERIFIED_BEFORE_PROVEN),
        (Standing::Awaited, limits::UNVERIFIED_PACKETS),
    ] {
        assert!(waiting(&verifiers) < room, "{rank:?} finds no room");
        for packet in standing(rank, limits::UNVERIFIED_PACKETS + 1) {
            let hash = *packet.hash();
            if verifiers.submit(packet).is_ok() {
                expected.push(hash);
            }
        }
        assert_eq!(waiting(&verifiers), room, "{rank:?}");
    }
    // Who is refused once is refused first: nobody finds room any more.
    for rank in [Standing::Stranger, Standing::Busy, Standing::Proven, Standing::Awaited] {
        standing(rank, 1).into_iter().for_each(|packet| {
            assert_eq!(verifiers.submit(packet).unwrap_err().standing(), rank);
        });
    }
    // What found room is verified, in order.
    for hash in expected {
        assert_eq!(receive.recv_timeout(LIMIT), Ok(hash));
    }
    drop(receive);
    verifiers.join();
}

#[test]
fn all_queues_together_hold_no_more_than_one_would() {
    // More threads than there may be are not started, and fewer than one neither.
    for (asked, started) in [(0, 1), (1, 1), (3, 3), (4, 4), (1000, limits::VERIFIERS)] {
        let (send, receive) = mpsc::sync_channel(0);
        let verified = move |result: Result<Verified, DropReason>| {
            let _ = send.send(result);
        };
        let verifiers = Verifiers::start(asked, verified).unwrap();
        assert_eq!(verifiers.lanes.len(), started);
        let sources: Vec<_> =
            (1..=1000).map(|port| SocketAddr::new(at(PROVEN).ip(), port)).collect();
        for packet in packets(1000, &sources) {
            let _ = verifiers.submit(packet);
        }
        let waiting = waiting(&verifiers);
        // Each thread has taken at most one, before or after its queue was full.
        let room = limits::UNVERIFIED_BEFORE_PROVEN / started * started;
        assert!((room - started..=room).contains(&waiting), "{waiting} at {started} threads");
        drop(receive);
        verifiers.join();
    }
}

#[test]
fn nothing_is_verified_after_the_end() {
    let (verifiers, receive) = occupied();
    let mut packets = packets(4, &[at(STRANGER)]).into_iter();
    let last = packets.next().unwrap();
    packets.for_each(|packet| verifiers.submit(packet).unwrap());
    assert_eq!(waiting(&verifiers), 3);
    verifiers.close();
    assert!(verifiers.submit(last).is_err());
    // The one that it had begun.
    assert_eq!(receive.iter().count(), 1);
    verifiers.join();
}

#[test]
fn dropping_it_ends_the_threads() {
    let (send, receive) = mpsc::channel::<()>();
    let verifiers = Verifiers::start(2, move |_| {
        let _ = &send;
    });
    drop(verifiers.unwrap());
    assert!(matches!(receive.recv_timeout(LIMIT), Err(mpsc::RecvTimeoutError::Disconnected)));
}
