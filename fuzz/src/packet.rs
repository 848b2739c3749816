//! One discovery packet behind a good signature: it is refused, or says
//! something that survives.

use std::net::SocketAddr;
use std::net::{IpAddr, Ipv4Addr};

use devp2p_core::crypto::SecretKey;
use devp2p_core::discv4::{
    DropReason, Gate, Kind, Packet, Sources, Unverified, Verified, decode, encode, is_expired,
    split_neighbors, verify,
};
use devp2p_core::entropy::Seed;
use devp2p_core::limits;
use devp2p_core::time::{Instant, Now, UnixTime};
use sha3::{Digest as _, Keccak256};

use crate::keys;
use crate::rlp;
use crate::tape::Tape;

/// Runs one input: kind, how the body is made, the body.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let kind = Kind::ALL[usize::from(tape.choice(6))];
    let body = match tape.choice(3) {
        0 => tape.rest().to_vec(),
        1 => {
            let count = tape.choice(8);
            let items: Vec<_> = (0..count).map(|_| rlp::item(&mut tape)).collect();
            rlp::list(&items)
        }
        _ => sound(kind, &mut tape),
    };
    let datagram = signed(kind.code(), &body, &keys::secret(keys::THEIRS));
    let read = decode(kind, &body);
    match receive(&datagram) {
        Ok(verified) => {
            assert_eq!(read.as_ref(), Ok(verified.packet()));
            assert_eq!(verified.public_key(), &keys::public(keys::THEIRS));
            assert_eq!(verified.hash()[..], datagram[..32]);
            assert_eq!((verified.kind(), verified.source()), (kind, source()));
            survives(verified.packet());
        }
        Err(DropReason::Malformed(_)) => assert!(read.is_err()),
        Err(DropReason::Expired) => {
            let at = read.ok().and_then(|packet| packet.expiration());
            assert!(at.is_none_or(|at| is_expired(at, now().unix)));
        }
        Err(DropReason::TooLong) => assert!(datagram.len() > limits::DATAGRAM),
        Err(other) => panic!("dropped for {other}"),
    }
}

/// What was said is said again, by another, and means the same.
fn survives(packet: &Packet) {
    let encoded = encode(packet, &keys::secret(keys::OTHERS));
    assert_eq!(encoded.bytes[..32], encoded.hash);
    assert_eq!(decode(packet.kind(), &encoded.bytes[98..]).as_ref(), Ok(packet));
    let again = receive(&encoded.bytes).expect("what was good stays good");
    assert_eq!(again.packet(), packet);
    let Packet::Neighbors(neighbors) = packet else { return };
    assert!(neighbors.nodes.len() <= limits::NEIGHBORS_READ);
    let contacts: Vec<_> = neighbors.nodes.iter().filter_map(|node| node.contact()).collect();
    let mut named = 0;
    for packet in split_neighbors(&contacts, neighbors.expiration) {
        named += packet.nodes.len();
        let encoded = encode(&Packet::Neighbors(packet), &keys::secret(keys::OURS));
        assert!(encoded.bytes.len() <= limits::DATAGRAM);
    }
    assert_eq!(named, contacts.len());
}

/// A body that is nearly right, which noise seldom is.
fn sound(kind: Kind, tape: &mut Tape<'_>) -> Vec<u8> {
    let endpoint = |tape: &mut Tape<'_>| {
        let ip = address(tape);
        rlp::list(&[ip, rlp::uint(tape.number()), rlp::uint(tape.number())])
    };
    let mut items = match kind {
        Kind::Ping => vec![rlp::uint(tape.number()), endpoint(tape), endpoint(tape)],
        Kind::Pong => vec![endpoint(tape), rlp::string(&tape.array::<32>())],
        Kind::FindNode => vec![rlp::string(&[tape.byte(); 64])],
        Kind::Neighbors => {
            let count = tape.choice(18);
            let nodes: Vec<_> = (0..count).map(|_| node(tape)).collect();
            vec![rlp::list(&nodes)]
        }
        Kind::EnrRequest => vec![],
        Kind::EnrResponse => vec![rlp::string(&tape.array::<32>()), rlp::item(tape)],
    };
    if kind != Kind::EnrResponse {
        items.push(rlp::uint(if tape.yes() { tape.number() } else { now().unix.as_secs() + 20 }));
    }
    for _ in 0..tape.choice(4) {
        items.push(if tape.yes() { rlp::item(tape) } else { rlp::uint(tape.number()) });
    }
    let mut body = rlp::list(&items);
    body.extend_from_slice(tape.bytes());
    body
}

fn node(tape: &mut Tape<'_>) -> Vec<u8> {
    let key = match tape.choice(3) {
        0 => keys::public(1 + tape.choice(250)).as_bytes().to_vec(),
        1 => vec![tape.byte(); 64],
        _ => tape.bytes().to_vec(),
    };
    let ip = address(tape);
    rlp::list(&[ip, rlp::uint(tape.number()), rlp::uint(tape.number()), rlp::string(&key)])
}

fn address(tape: &mut Tape<'_>) -> Vec<u8> {
    match tape.choice(4) {
        0 => rlp::string(&tape.array::<4>()),
        1 => rlp::string(&tape.array::<16>()),
        2 => rlp::string(&[]),
        _ => rlp::string(tape.bytes()),
    }
}

/// A datagram with everything in order, written from the specification.
pub fn signed(code: u8, body: &[u8], key: &SecretKey) -> Vec<u8> {
    let mut tail = vec![code];
    tail.extend_from_slice(body);
    let signature = key.sign(&Keccak256::digest(&tail).into());
    hashed(&[signature.as_bytes(), &tail[..]].concat())
}

/// What stands behind a packet's hash, with the hash.
pub fn hashed(rest: &[u8]) -> Vec<u8> {
    [&Keccak256::digest(rest)[..], rest].concat()
}

/// The time in these targets.
pub fn now() -> Now {
    Now { mono: Instant::from_secs(1000), unix: UnixTime::from_secs(1_700_000_000) }
}

/// Where packets come from.
pub fn source() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)), 30303)
}

/// Nobody is known.
#[derive(Debug)]
pub struct Strangers;

impl Sources for Strangers {
    fn is_proven(&self, _: IpAddr) -> bool {
        false
    }

    fn is_awaited(&self, _: IpAddr, _: Kind, _: &[u8; 32]) -> bool {
        false
    }
}

fn receive(datagram: &[u8]) -> Result<Verified, DropReason> {
    thread_local! {
        static GATE: core::cell::RefCell<(Gate, Now)> =
            core::cell::RefCell::new((Gate::new(&Seed::from_number(1)), now()));
    }
    let unverified: Unverified = GATE.with_borrow_mut(|(gate, clock)| {
        // Time for every budget to come back.
        clock.mono = clock.mono + core::time::Duration::from_secs(1);
        gate.check(*clock, source(), datagram, &Strangers)
    })?;
    verify(unverified)
}
