//! What a datagram costs: at the gate, and behind it.
//!
//! `cargo bench -p devp2p-core --bench gate`, and the same with
//! `--features secp256k1`. Medians of 40 samples, in thousands a second on one
//! core.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock"
)]

use core::error::Error;
use core::hint::black_box;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::collections::BTreeSet;
use std::time::Instant;

use devp2p_core::crypto::SecretKey;
use devp2p_core::discv4::{
    DropReason, EnrRequest, FindNode, Gate, Kind, Neighbor, Neighbors, Packet, Sources, Unverified,
    encode, verify,
};
use devp2p_core::entropy::Seed;
use devp2p_core::limits;
use devp2p_core::time::{Now, UnixTime};

/// As much as a machine that has met many nodes would know.
struct Met {
    proven: BTreeSet<IpAddr>,
    requests: BTreeSet<[u8; 32]>,
}

impl Sources for Met {
    fn is_proven(&self, ip: IpAddr) -> bool {
        self.proven.contains(&ip)
    }

    fn is_awaited(&self, _: IpAddr, _: Kind, request_hash: &[u8; 32]) -> bool {
        self.requests.contains(request_hash)
    }
}

fn met() -> Met {
    let mut rng = Seed::from_number(1).jitter();
    Met {
        proven: (0..4000).map(|_| IpAddr::V4(Ipv4Addr::from(rng.bytes::<4>()))).collect(),
        requests: (0..1000).map(|_| rng.bytes()).collect(),
    }
}

fn measure<R>(name: &str, rounds: u32, mut work: impl FnMut(u32) -> R) {
    const SAMPLES: usize = 40;
    for round in 0..rounds {
        black_box(work(round));
    }
    let mut samples: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let start = Instant::now();
            for round in 0..rounds {
                black_box(work(round));
            }
            f64::from(rounds) / start.elapsed().as_secs_f64() / 1e3
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    println!("{name:<44}{:>10.1}", samples[SAMPLES / 2]);
}

const NOW: Now = Now { mono: devp2p_core::time::Instant::ZERO, unix: UnixTime::from_secs(1000) };

/// Another stranger for each number.
fn source(number: u32) -> SocketAddr {
    let ip = Ipv4Addr::from(number.wrapping_mul(0x0101_0101) & 0x7fff_ffff | 0x2000_0000);
    SocketAddr::new(ip.into(), 30303)
}

fn expect(name: &str, datagram: &[u8], from: impl Fn(u32) -> SocketAddr, reason: DropReason) {
    let mut gate = Gate::new(&Seed::from_number(1));
    let met = met();
    // Uses up what there is to use up.
    for number in 0..20_000 {
        let _ = gate.check(NOW, from(number), datagram, &met);
    }
    let dropped = gate.check(NOW, from(0), datagram, &met);
    assert!(dropped.as_ref().is_err_and(|why| *why == reason), "{dropped:?}");
    measure(name, 20_000, |number| gate.check(NOW, from(number), datagram, &met));
}

fn admitted(packet: &Packet, key: &SecretKey) -> Result<Unverified, DropReason> {
    let mut gate = Gate::new(&Seed::from_number(1));
    gate.check(NOW, source(1), &encode(packet, key).bytes, &met())
}

fn main() -> Result<(), Box<dyn Error>> {
    let key = SecretKey::generate(&mut Seed::from_number(1).secrets());
    let find_node = |expiration| Packet::FindNode(FindNode { target: [7; 64], expiration });
    let neighbor = Neighbor {
        ip: Some(source(1).ip()),
        udp: 30303,
        tcp: 30303,
        public_key: *key.public_key().as_bytes(),
    };
    let nodes = vec![neighbor; limits::NEIGHBORS_IN_PACKET];
    let neighbors = Packet::Neighbors(Neighbors { nodes, expiration: 2000 });
    let small = encode(&Packet::EnrRequest(EnrRequest { expiration: 2000 }), &key).bytes;
    let middle = encode(&find_node(2000), &key).bytes;
    let large = encode(&neighbors, &key).bytes;
    let spoilt = |datagram: &[u8]| {
        let mut datagram = datagram.to_vec();
        datagram[40] ^= 1;
        datagram
    };
    let one = |_| source(1);

    println!("{:<44}{:>10}", "dropped at the gate", "1000/s");
    expect("too short", &[0; 97], source, DropReason::TooShort);
    expect("too long", &[0; 1281], source, DropReason::TooLong);
    expect("noise", &[0xA5; 1280], source, DropReason::UnknownType);
    expect("over budget, one source", &middle, one, DropReason::OverBudget);
    expect("over budget, all strangers", &middle, source, DropReason::Overloaded);
    let expired = encode(&find_node(999), &key).bytes;
    for (size, datagram) in [("small", &small), ("middle", &middle), ("large", &large)] {
        let name = format!("wrong hash, {size} ({} bytes)", datagram.len());
        expect(&name, &spoilt(datagram), one, DropReason::BadHash);
    }
    expect("expired", &expired, one, DropReason::Expired);

    println!("\n{:<44}{:>10}", "let through", "1000/s");
    let met = met();
    let mut gate = Gate::new(&Seed::from_number(1));
    let home = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 30303);
    let mut mono = NOW.mono;
    measure("at the gate", 20_000, |_| {
        mono = mono + core::time::Duration::from_micros(10);
        gate.check(Now { mono, ..NOW }, home, &middle, &met)
    });
    for (name, packet) in [("find node", find_node(2000)), ("neighbors", neighbors)] {
        let unverified = admitted(&packet, &key)?;
        measure(&format!("verified and read, {name}"), 50, |_| verify(unverified.clone()));
        measure(&format!("encoded and signed, {name}"), 50, |_| encode(&packet, &key));
    }
    Ok(())
}
