//! Datagrams at the gate, and what it lets through: any bytes, from anywhere,
//! at any time. Nothing passes that the packet's own rules forbid, and nothing
//! beyond the budgets.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use devp2p_core::discv4::{
    DropReason, Drops, Gate, Kind, Sources, Verified, decode, is_expired, verify,
};
use devp2p_core::entropy::Seed;
use devp2p_core::identity::NodeId;
use devp2p_core::limits;
use sha3::{Digest as _, Keccak256};

use crate::keys;
use crate::packet::{hashed, now, signed};
use crate::tape::Tape;

/// What the machine would know: some of the addresses are proven, one hash is
/// awaited.
#[derive(Debug)]
struct Known {
    proven: u8,
}

const AWAITED: [u8; 32] = [0xAA; 32];

impl Sources for Known {
    fn is_proven(&self, ip: IpAddr) -> bool {
        (0..8).any(|number| self.proven >> number & 1 == 1 && address(number) == ip)
    }

    fn is_awaited(&self, _: IpAddr, kind: Kind, request_hash: &[u8; 32]) -> bool {
        assert!(matches!(kind, Kind::Pong | Kind::EnrResponse));
        *request_hash == AWAITED
    }
}

/// Runs one input: who is known, then datagrams, each with its source, how much
/// later it comes, how it is finished, and how often it comes.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let known = Known { proven: tape.byte() };
    let mut gate = Gate::new(&Seed::from_number(1));
    let mut drops = Drops::default();
    let (mut clock, mut start, mut seen) = (now(), now().mono, 0);
    let mut passed = BTreeMap::<IpAddr, u64>::new();
    while !tape.is_empty() && seen < 2000 {
        let source = SocketAddr::new(address(tape.choice(10)), tape.word());
        let later = Duration::from_millis(u64::from(tape.word()));
        clock.mono = match tape.choice(8) {
            // A step back changes nothing.
            0 => devp2p_core::time::Instant::from_micros(tape.number()),
            _ => start + later,
        };
        start = start.max(clock.mono);
        clock.unix = clock.unix.saturating_add(Duration::from_secs(tape.number().min(1 << 40)));
        let datagram = datagram(&mut tape);
        let times = if tape.yes() { u32::from(tape.byte()) * 4 } else { 1 };
        for time in 0..times {
            seen += 1;
            let result = gate.check(clock, source, &datagram, &known);
            if let Ok(unverified) = &result {
                if time == 0 {
                    must_pass(&datagram, clock.unix);
                    assert_eq!(unverified.datagram()[..], datagram[..]);
                    assert_eq!(unverified.source().ip(), source.ip().to_canonical());
                    assert_eq!(unverified.hash()[..], datagram[..32]);
                }
                *passed.entry(unverified.source().ip()).or_default() += 1;
            }
            // Verification depends on nothing else, and costs much.
            let result = result.and_then(|it| {
                if times == 1 { verify(it).map(|packet| says(&packet, &datagram)) } else { Ok(()) }
            });
            if let Err(reason) = result {
                if time == 0 {
                    check(reason, &datagram, source);
                }
                drops.count(reason);
            }
        }
    }
    within_budgets(&passed, start.saturating_since(now().mono));
    assert!(drops.total() <= seen);
    assert_eq!(drops.iter().map(|(_, count)| count).sum::<u64>(), drops.total());
}

/// Any bytes, or ones that are right up to some point.
fn datagram(tape: &mut Tape<'_>) -> Vec<u8> {
    match tape.choice(4) {
        0 => tape.bytes().to_vec(),
        1 => hashed(tape.bytes()),
        2 => signed(tape.byte(), tape.bytes(), &keys::secret(keys::THEIRS)),
        _ => {
            let mut datagram = signed(1 + tape.choice(6), tape.bytes(), &keys::secret(2));
            let at = usize::from(tape.word()) % datagram.len();
            datagram[at] ^= tape.byte();
            datagram
        }
    }
}

/// The rules, a second time.
fn must_pass(datagram: &[u8], unix: devp2p_core::time::UnixTime) {
    assert!((98..=1280).contains(&datagram.len()));
    assert!((1..=6).contains(&datagram[97]));
    assert_eq!(datagram[..32], Keccak256::digest(&datagram[32..])[..]);
    let kind = Kind::from_code(datagram[97]).expect("one of the six");
    if let Ok(packet) = decode(kind, &datagram[98..]) {
        assert!(packet.expiration().is_none_or(|at| !is_expired(at, unix)));
    }
}

/// A packet says what its datagram does.
fn says(packet: &Verified, datagram: &[u8]) {
    assert_eq!(packet.hash()[..], datagram[..32]);
    assert_eq!(packet.kind().code(), datagram[97]);
    assert_eq!(decode(packet.kind(), &datagram[98..]).as_ref(), Ok(packet.packet()));
    assert_eq!(packet.id(), &NodeId::from(packet.public_key()));
}

/// A reason must be true.
fn check(reason: DropReason, datagram: &[u8], source: SocketAddr) {
    match reason {
        DropReason::TooShort => assert!(datagram.len() < 98),
        DropReason::TooLong => assert!(datagram.len() > 1280),
        DropReason::UnknownType => assert!(!(1..=6).contains(&datagram[97])),
        DropReason::BadSource => {
            let ip = source.ip().to_canonical();
            assert!(source.port() == 0 || ip.is_unspecified() || ip.is_multicast());
        }
        DropReason::BadHash => assert_ne!(datagram[..32], Keccak256::digest(&datagram[32..])[..]),
        DropReason::Malformed(_) => {
            let kind = Kind::from_code(datagram[97]).expect("one of the six");
            assert!(decode(kind, &datagram[98..]).is_err());
        }
        DropReason::Expired
        | DropReason::OverBudget
        | DropReason::Overloaded
        | DropReason::BadSignature => {}
        DropReason::FromSelf
        | DropReason::NotOpen
        | DropReason::Unproven
        | DropReason::Unsolicited
        | DropReason::BadRecord
        | DropReason::NoCapacity
        | _ => panic!("{reason} is none of the gate's reasons"),
    }
}

/// No public address gets more than all of its budgets together.
fn within_budgets(passed: &BTreeMap<IpAddr, u64>, time: Duration) {
    let seconds = time.as_secs() + 1;
    let of = |rate: limits::Rate| {
        u64::from(rate.burst) + u64::from(rate.per_second).saturating_mul(seconds)
    };
    let answers = of(limits::ANSWERS_TO_REQUEST);
    let stranger = of(limits::STRANGER_PACKETS);
    let proven = of(limits::PROVEN_PACKETS) + of(limits::ALL_PROVEN_PACKETS);
    for (ip, count) in passed {
        let local = of(limits::LAN_PACKETS).max(of(limits::LOOPBACK_PACKETS));
        let most = answers + stranger.max(proven) + if is_local(*ip) { local } else { 0 };
        assert!(*count <= most, "{ip}: {count} of {most}");
    }
}

fn is_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(ip) if ip.is_loopback() || ip.is_private())
}

fn address(number: u8) -> IpAddr {
    match number {
        0 => Ipv4Addr::LOCALHOST.into(),
        1 => Ipv4Addr::new(10, 0, 0, 1).into(),
        2 => Ipv4Addr::new(8, 8, 8, 8).into(),
        3 => Ipv4Addr::new(8, 8, 8, 9).into(),
        4 => Ipv4Addr::new(9, 9, 9, 9).into(),
        5 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
        6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 1).into(),
        7 => Ipv4Addr::new(7, 7, 7, 7).to_ipv6_mapped().into(),
        8 => Ipv4Addr::UNSPECIFIED.into(),
        _ => Ipv4Addr::new(224, 0, 0, 1).into(),
    }
}
