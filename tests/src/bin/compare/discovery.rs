//! Discovery's part of the comparison: packets, the gate, the table.

use core::cell::Cell;
use core::hint::black_box;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeSet;

use devp2p_core::crypto::SecretKey;
use devp2p_core::discv4::{
    DropReason, FindNode, Gate, Kind, Neighbor, Neighbors, Packet, PacketEndpoint, Ping, Sources,
    encode, verify,
};
use devp2p_core::entropy::Seed;
use devp2p_core::identity::{Contact, NodeId};
use devp2p_core::kademlia::{Liveness, Table, TableConfig};
use devp2p_core::limits;
use devp2p_core::time::{Instant, Now, UnixTime};

use super::{measure, measure_in};

/// Secrets of nodes for every bucket of the node whose secret is 1.
#[path = "../../../../core/src/kademlia/tests/mined.rs"]
mod mined;

const NOW: Now = Now { mono: Instant::ZERO, unix: UnixTime::from_secs(1_800_000_000) };

fn key(number: u32) -> SecretKey {
    let mut secret = [0; 32];
    secret[28..].copy_from_slice(&number.to_be_bytes());
    SecretKey::from_bytes(&secret).expect("a key")
}

/// What geth's half makes too: a ping with all that nodes say nowadays.
fn ping(number: u16) -> Packet {
    let at = |last| SocketAddr::from(([10, 0, 0, last], 30303));
    Packet::Ping(Ping {
        version: 4,
        from: PacketEndpoint::new(at(2), 30303),
        to: PacketEndpoint::new(at(1), number),
        expiration: NOW.unix.as_secs() + 60,
        enr_sequence: Some(1),
    })
}

/// As much as a machine that has met many nodes would know.
struct Met {
    proven: BTreeSet<IpAddr>,
    requests: BTreeSet<[u8; 32]>,
}

impl Met {
    fn new() -> Self {
        let mut rng = Seed::from_number(1).jitter();
        Self {
            // None of them is one of the strangers below.
            proven: (0..4000)
                .map(|_| Ipv4Addr::from(u32::from_le_bytes(rng.bytes()) | 1 << 31).into())
                .collect(),
            requests: (0..1000).map(|_| rng.bytes()).collect(),
        }
    }
}

impl Sources for Met {
    fn is_proven(&self, ip: IpAddr) -> bool {
        self.proven.contains(&ip)
    }

    fn is_awaited(&self, _: IpAddr, _: Kind, request_hash: &[u8; 32]) -> bool {
        self.requests.contains(request_hash)
    }
}

/// A ping, made and signed; and one let through the gate and verified, which is
/// all that geth's half does to one and more.
pub(crate) fn packets() {
    let key = key(2);
    let mut number = 0_u16;
    measure("ping/sign", || {
        number = number.wrapping_add(1);
        black_box(encode(&ping(number), &key));
    });
    let datagram = encode(&ping(0), &key).bytes;
    let (mut gate, met) = (Gate::new(&Seed::from_number(1)), Met::new());
    let home = SocketAddr::from((Ipv4Addr::LOCALHOST, 30303));
    let mut mono = NOW.mono;
    measure("ping/recover", || {
        // The gate lets this machine's own send so many.
        mono = mono + Duration::from_micros(10);
        let unverified = gate.check(Now { mono, ..NOW }, home, &datagram, &met);
        let verified = verify(unverified.expect("it is let through")).expect("a good ping");
        assert_eq!(verified.kind(), Kind::Ping);
        black_box(verified);
    });
}

/// The closest nodes of a table where every bucket is full and everyone lives.
pub(crate) fn table() {
    let own = NodeId::from(&key(1).public_key());
    let jitter = Seed::from_number(1).jitter();
    let mut table = Table::new(own, TableConfig::default(), jitter, Instant::ZERO);
    for (bucket, secrets) in (0..).zip(mined::MINED) {
        for (number, secret) in (0..).zip(secrets) {
            let ip = IpAddr::from([44, bucket, number, 1]);
            let contact = Contact::new(key(secret).public_key(), ip, 30303, 30303);
            let _ = table.add_found(contact, Instant::ZERO);
        }
    }
    while table.live() < table.len() {
        let now = table.revalidation_deadline().expect("somebody to ask");
        if let Some(contact) = table.poll_revalidation(now) {
            let _ = table.revalidated(contact.id(), Liveness::Alive, now);
        }
    }
    assert_eq!(table.len(), 17 * 16);
    let mut rng = Seed::from_number(2).jitter();
    let targets: Vec<NodeId> = (0..4096).map(|_| NodeId::new(rng.bytes())).collect();
    let next = Cell::new(0);
    measure_in(256, "closest", || {
        next.set((next.get() + 1) % targets.len());
        let found = table.closest(&targets[next.get()], limits::NEIGHBORS, true);
        assert_eq!(found.len(), 16);
        black_box(found);
    });
}

/// Datagrams that the gate drops, from sources that are strangers and not on
/// this machine.
pub(crate) fn gate() {
    let key = key(2);
    let find = FindNode { target: [7; 64], expiration: NOW.unix.as_secs() + 60 };
    let find = encode(&Packet::FindNode(find), &key).bytes.to_vec();
    let neighbor = Neighbor {
        ip: Some(source(1).ip()),
        udp: 30303,
        tcp: 30303,
        public_key: *key.public_key().as_bytes(),
    };
    let nodes = vec![neighbor; limits::NEIGHBORS_IN_PACKET];
    let neighbors = Neighbors { nodes, expiration: NOW.unix.as_secs() + 60 };
    let mut large = encode(&Packet::Neighbors(neighbors), &key).bytes.to_vec();
    // What stands behind the list is ignored, but hashed.
    large.resize(limits::DATAGRAM, 0);
    let spoilt = |mut datagram: Vec<u8>| {
        datagram[40] ^= 1;
        datagram
    };
    let wrong = spoilt(encode(&ping(0), &key).bytes.to_vec());
    let one = |_| source(1);
    drops("noise", &[0xA5; 1280], source, DropReason::UnknownType);
    drops("over budget", &find, one, DropReason::OverBudget);
    drops("overloaded", &find, source, DropReason::Overloaded);
    drops("wrong hash", &wrong, one, DropReason::BadHash);
    drops("wrong hash, 1280 bytes", &spoilt(large), one, DropReason::BadHash);
}

/// Another stranger for each number.
fn source(number: u32) -> SocketAddr {
    let ip = Ipv4Addr::from(number.wrapping_mul(0x0101_0101) & 0x1fff_ffff | 0x2000_0000);
    SocketAddr::new(ip.into(), 30303)
}

fn drops(name: &str, datagram: &[u8], from: impl Fn(u32) -> SocketAddr, reason: DropReason) {
    let (mut gate, met) = (Gate::new(&Seed::from_number(1)), Met::new());
    // Uses up what there is to use up.
    for number in 0..20_000 {
        let _ = gate.check(NOW, from(number), datagram, &met);
    }
    let mut number = 0_u32;
    measure_in(256, &format!("gate/{name}"), || {
        // So few numbers that the networks' budgets stay used up.
        number = (number + 1) % 20_000;
        let dropped = gate.check(NOW, from(number), datagram, &met);
        assert!(matches!(&dropped, Err(why) if *why == reason), "{dropped:?}");
        let _ = black_box(dropped);
    });
}
