//! What discovery costs in memory, counted by the allocator: at its fullest, and
//! under a flood.
#![allow(clippy::std_instead_of_alloc, reason = "a test may use std")]
#![allow(clippy::unwrap_used, reason = "a test may panic, outside its functions as well")]

mod allocator;

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::sync::Arc;

use devp2p_core::crypto::SecretKey;
use devp2p_core::discv4::{
    Config, Discovery, EnrRequest, EnrResponse, FindNode, Gate, Input, Kind, Neighbor, Neighbors,
    Output, Packet, PacketEndpoint, Ping, Pong, Sources, encode, verify,
};
use devp2p_core::entropy::Seed;
use devp2p_core::identity::{Contact, NodeId, Record, RecordBuilder};
use devp2p_core::limits;
use devp2p_core::machine::Machine as _;
use devp2p_core::store::{Reply, StoredBond};
use devp2p_core::time::{Instant, Now, UnixTime};
use sha3::{Digest as _, Keccak256};

use allocator::{cost, growth, weight};

const START: Now = Now { mono: Instant::from_secs(1000), unix: UnixTime::from_secs(1_700_000_000) };

fn key(number: u32) -> SecretKey {
    let mut secret = [0; 32];
    secret[28..].copy_from_slice(&number.to_be_bytes());
    SecretKey::from_bytes(&secret).unwrap()
}

/// An address in a /24 of its own for each number.
fn address(number: u32) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::from(0x2100_0001 + (number << 8)).into(), 30303)
}

fn expiration() -> u64 {
    START.unix.as_secs() + 1000
}

fn ping(number: u32) -> Vec<u8> {
    let endpoint = PacketEndpoint::new(address(number), 30303);
    let ping = Ping {
        version: 4,
        from: endpoint,
        to: endpoint,
        expiration: expiration(),
        enr_sequence: Some(1),
    };
    encode(&Packet::Ping(ping), &key(number)).bytes.to_vec()
}

/// A machine, its clock, and what it sent.
struct Node {
    machine: Discovery,
    now: Now,
    sent: Vec<(SocketAddr, Vec<u8>)>,
}

impl Node {
    fn new(configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(key(1));
        configure(&mut config);
        let machine = Discovery::new(config, &Seed::from_number(1), START).unwrap();
        let mut node = Self { machine, now: START, sent: Vec::new() };
        node.drain();
        node
    }

    fn give(&mut self, input: Input<'_>) {
        self.machine.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        let mut unverified = Vec::new();
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Send { to, datagram } => self.sent.push((to, datagram.to_vec())),
                Output::Verify(packet) => unverified.push(packet),
                Output::Store(..) | Output::Answer(..) | Output::Event(_) | Output::Stopped => {}
            }
        }
        for packet in unverified {
            self.give(Input::Verified(verify(packet)));
        }
    }

    fn receive(&mut self, source: SocketAddr, bytes: &[u8]) {
        self.give(Input::Datagram { source, bytes });
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now.saturating_add(time);
        while let Some(deadline) = self.machine.poll_timeout().filter(|due| due.at <= end.mono) {
            self.now = self.now.saturating_add(deadline.at - self.now.mono);
            self.give(Input::Timeout);
        }
        self.now = end;
    }

    /// Nodes of these numbers answer all pings.
    fn serve(&mut self, numbers: core::ops::Range<u32>) {
        for (to, datagram) in core::mem::take(&mut self.sent) {
            let number = numbers.clone().find(|number| address(*number) == to);
            if let Some(number) = number
                && datagram[limits::PACKET_HEAD] == Kind::Ping.code()
            {
                let pong = Pong {
                    to: PacketEndpoint::new(address(1), 0),
                    ping_hash: datagram[..32].try_into().unwrap(),
                    expiration: expiration(),
                    enr_sequence: None,
                };
                let pong = encode(&Packet::Pong(pong), &key(number)).bytes;
                self.receive(address(number), &pong);
            }
        }
    }
}

#[path = "../src/kademlia/tests/mined.rs"]
mod mined;

/// Node 1's table full of the largest records.
fn largest_records() -> Vec<Contact> {
    let mut contacts = Vec::new();
    for (bucket, secrets) in (0..).zip(mined::MINED) {
        for (number, secret) in (0..).zip(secrets) {
            let record = RecordBuilder::new(1).ip([44, bucket, number, 1].into()).udp(1).tcp(1);
            let record = record.string(b"zz", &[7; 157]).sign(&key(secret)).unwrap();
            assert_eq!(record.as_rlp().len(), limits::RECORD);
            contacts.push(Contact::from_record(Arc::new(record)));
        }
    }
    contacts
}

fn opened_with_all_bonds() -> Input<'static> {
    let mut rng = Seed::from_number(2).jitter();
    let bonds = (0..limits::BONDS).map(|_| StoredBond {
        id: NodeId::new(rng.bytes()),
        ip: IpAddr::from(rng.bytes::<4>()),
        last_ping: Some(START.unix),
        last_pong: Some(START.unix),
        find_failures: 0,
    });
    Input::Store(Reply::Opened { sequence: None, bonds: bonds.collect() })
}

#[test]
fn a_full_table_all_bonds_and_a_thousand_pending_proofs_weigh_at_most_a_megabyte() {
    let (mut node, new) = growth(|| Node::new(|config| config.store = true));
    let ((), bonds) = growth(|| node.give(opened_with_all_bonds()));
    let ((), table) = growth(|| {
        node.give(Input::Store(Reply::Seeds(largest_records())));
        node.sent = Vec::new();
    });
    let ((), proofs) = growth(|| {
        for number in 5000..6000 {
            node.receive(address(number), &ping(number));
        }
        node.sent = Vec::new();
    });
    let machine = &node.machine;
    assert_eq!((machine.table().len(), machine.table().replacements()), (272, 170));
    assert_eq!(machine.bonds(), limits::BONDS);
    // Besides the look-up of the first refresh is under way.
    assert_eq!(machine.pending(), limits::PENDING_PROOFS + limits::LOOK_UP_CONCURRENCY);
    let new = new + size_of::<Discovery>().cast_signed();
    let weight = weight(node.machine);
    let parts = format!(
        "{weight} bytes: {new} of a new machine, {bonds} of {} bonds, {table} of a full table and \
         its first look-up, {proofs} of 1,000 pending proofs",
        limits::BONDS,
    );
    // They add up to within what the first use of anything keeps for itself.
    println!("{parts}");
    assert!(weight <= 1_000_000, "{parts}");
}

#[test]
fn sixty_thousand_forged_packets_leave_memory_and_the_honest_table_unharmed() {
    let mut node = Node::new(|_| {});
    let honest = 10..30;
    for number in honest.clone() {
        node.receive(address(number), &ping(number));
        node.serve(honest.clone());
    }
    node.wait(Duration::from_secs(2));
    node.serve(honest.clone());
    assert_eq!((node.machine.table().len(), node.machine.bonds()), (20, 20));
    // Any 65 bytes are as good a signature as any, as they recover to some key.
    let mut forged = ping(7);
    let mut rng = Seed::from_number(5).jitter();
    let mut flood = |node: &mut Node, count: u32| {
        for number in 0..count {
            rng.fill(&mut forged[32..96]);
            let hash = Keccak256::digest(&forged[32..]);
            forged[..32].copy_from_slice(&hash);
            let source = SocketAddr::new(IpAddr::from(rng.bytes::<4>()), 30303);
            node.receive(source, &forged);
            if number % 60 == 59 {
                node.wait(Duration::from_millis(10));
                node.serve(honest.clone());
            }
        }
        // What is awaited is given up in the end.
        for _ in 0..10 {
            node.wait(limits::REPLY_TIMEOUT / 10);
            node.serve(honest.clone());
        }
        // The list of what was sent is the test's.
        node.sent = Vec::new();
    };
    // The first of them have the machine's queues grow to what they need.
    let (((), first), kept) = growth(|| cost(|| flood(&mut node, 6_000)));
    let (((), more), left) = growth(|| cost(|| flood(&mut node, 54_000)));
    println!("6,000 forged packets: {} bytes at most, {kept} are left", first.peak);
    println!("54,000 more: {} bytes at most, {left} are left", more.peak);
    assert!(more.peak <= 1_000_000, "{} bytes", more.peak);
    // Counters that no stranger had come to before; there are 32 KiB of them.
    assert!(left <= 16 * 1024, "{left} bytes");
    assert!(kept <= 64 * 1024, "{kept} bytes");
    let table = node.machine.table();
    assert_eq!((table.len(), node.machine.bonds(), node.machine.pending()), (20, 20, 0));
    assert!(
        honest
            .into_iter()
            .all(|number| { table.contains(&NodeId::from(&key(number).public_key())) })
    );
}

/// CVE-2026-26313: a packet that costs more memory than it has bytes.
#[test]
fn reading_a_packet_costs_at_most_four_times_its_bytes() {
    struct Anyone;
    impl Sources for Anyone {
        fn is_proven(&self, _: IpAddr) -> bool {
            true
        }
        fn is_awaited(&self, _: IpAddr, _: Kind, _: &[u8; 32]) -> bool {
            true
        }
    }
    let shortest = Neighbor { ip: None, udp: 1, tcp: 1, public_key: [1; 64] };
    let expiration = expiration();
    let neighbors =
        |count| Packet::Neighbors(Neighbors { nodes: vec![shortest; count], expiration });
    let to = PacketEndpoint::default();
    let record = [&[0xF9, 4, 0][..], &[5; 1024]].concat();
    let mut packets = vec![
        Packet::Ping(Ping { version: 4, from: to, to, expiration, enr_sequence: None }),
        Packet::Pong(Pong { to, ping_hash: [1; 32], expiration, enr_sequence: None }),
        Packet::FindNode(FindNode { target: [1; 64], expiration }),
        Packet::EnrRequest(EnrRequest { expiration }),
        Packet::EnrResponse(EnrResponse { request_hash: [1; 32], record }),
    ];
    packets.extend([0, 1, 5, 9, limits::NEIGHBORS_READ].map(neighbors));
    let mut gate = Gate::new(&Seed::from_number(1));
    for packet in packets {
        let datagram = encode(&packet, &key(2)).bytes;
        assert!(datagram.len() <= limits::DATAGRAM);
        let (read, cost) = cost(|| {
            let unverified = gate.check(START, address(2), &datagram, &Anyone).unwrap();
            verify(unverified).unwrap()
        });
        assert_eq!(read.packet(), &packet);
        println!("{} of {} bytes: {cost:?}", packet.kind(), datagram.len());
        assert!(cost.peak <= 4 * datagram.len(), "{packet:?} of {}: {cost:?}", datagram.len());
    }
}

#[test]
fn reading_a_record_costs_little_more_than_twice_its_bytes() {
    let record = RecordBuilder::new(1).string(b"zz", &[7; 170]).sign(&key(2)).unwrap();
    for bytes in [record.as_rlp(), &[&[0xF9, 0x40, 0][..], &[0x80; 0x4000]].concat()] {
        let (read, cost) = cost(|| Record::decode(bytes));
        println!("a record of {} bytes: {cost:?}", bytes.len());
        assert_eq!(read.is_ok(), bytes.len() <= limits::RECORD);
        assert!(cost.peak <= 2 * bytes.len() + 64, "{cost:?} for {} bytes", bytes.len());
    }
}
