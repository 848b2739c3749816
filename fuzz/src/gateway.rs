//! What a gateway says: the packets of NAT-PMP and PCP, and the decision that
//! lives by the answers.
//!
//! Packets are read exactly if a second reader, which looks at fixed places,
//! takes them. Whatever a gateway answers and whenever: the mapper asks for one
//! thing at a time, waits in between, believes nothing that it was not told, and
//! ends when it is to.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use devp2p_core::limits;
use devp2p_core::nat::{
    Action, Failure, Gateway, Grant, Mapper, Nat, Protocol, Step, is_public, pcp, pmp,
};
use devp2p_core::time::Instant;

use crate::tape::Tape;

/// Runs one input: a kind, then a packet, or a gateway's answers one after
/// another.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    match tape.choice(4) {
        0 => nat_pmp(tape.rest()),
        1 => port_control(tape.rest()),
        2 => {
            // A good answer with something changed, so that more than its first
            // bytes are looked at.
            let (place, change) = (usize::from(tape.byte()), tape.byte());
            let mut answer = GOOD;
            if let Some(byte) = answer.get_mut(place) {
                *byte ^= change;
            }
            let length = usize::from(tape.byte()).min(GOOD.len());
            port_control(&answer[..GOOD.len() - length]);
        }
        _ => decide(&mut tape),
    }
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn long(bytes: &[u8], at: usize) -> u32 {
    u32::from(word(bytes, at)) << 16 | u32::from(word(bytes, at + 2))
}

fn nat_pmp(bytes: &[u8]) {
    let is_sound =
        |operation: u8, length| bytes.len() >= length && bytes[..4] == [0, 128 + operation, 0, 0];
    match pmp::read_address(bytes) {
        Ok(Some(answer)) => {
            assert!(is_sound(0, 12));
            assert_eq!((answer.epoch, u32::from(answer.address)), (long(bytes, 4), long(bytes, 8)));
        }
        Ok(None) | Err(_) => assert!(!is_sound(0, 12)),
    }
    for (protocol, operation) in [(Protocol::Udp, 1), (Protocol::Tcp, 2)] {
        let internal = if bytes.len() >= 10 { word(bytes, 8) } else { 30303 };
        let other = internal.wrapping_add(1);
        assert!(!matches!(pmp::read_mapping(bytes, protocol, other), Ok(Some(_))));
        match pmp::read_mapping(bytes, protocol, internal) {
            Ok(Some(answer)) => {
                assert!(is_sound(operation, 16));
                let said = (answer.epoch, answer.internal, answer.external, answer.life);
                let there = (long(bytes, 4), internal, word(bytes, 10), long(bytes, 12));
                assert_eq!(said, there);
                assert!(answer.life == 0 || answer.external != 0);
            }
            Ok(None) | Err(_) => {
                let is_one = is_sound(operation, 16);
                assert!(!is_one || (word(bytes, 10) == 0 && long(bytes, 12) != 0));
            }
        }
    }
}

const REQUEST: pcp::Request = pcp::Request {
    nonce: *b"twelve bytes",
    client: Ipv4Addr::new(10, 77, 1, 2),
    protocol: Protocol::Udp,
    internal: 30303,
    external: 30303,
    address: Ipv4Addr::UNSPECIFIED,
    life: 600,
};

/// What an honest gateway answers to it.
const GOOD: [u8; 60] = *b"\x02\x81\0\0\0\0\x02\x58\0\0\x0e\x10\0\0\0\0\0\0\0\0\0\0\0\0\
    twelve bytes\x11\0\0\0\x76\x5f\x9c\x40\0\0\0\0\0\0\0\0\0\0\xff\xff\x0b\x16\x21\x2c";

fn port_control(bytes: &[u8]) {
    let is_whole = |operation: u8, length| {
        (length..=pcp::LONGEST).contains(&bytes.len())
            && bytes.len().is_multiple_of(4)
            && bytes[..2] == [2, 128 + operation]
    };
    match pcp::read_announcement(bytes) {
        Ok(Some(epoch)) => {
            assert!(is_whole(0, 24) && [0, 4].contains(&bytes[3]));
            assert_eq!(epoch, long(bytes, 8));
        }
        Ok(None) | Err(_) => assert!(!is_whole(0, 24) || ![0, 4].contains(&bytes[3])),
    }
    let is_ours = is_whole(1, 60)
        && bytes[24..36] == REQUEST.nonce
        && bytes[36] == 17
        && word(bytes, 40) == REQUEST.internal;
    match pcp::read_mapping(bytes, &REQUEST) {
        Ok(Some(answer)) => {
            assert!(is_ours && bytes[3] == 0);
            let said = (answer.life, answer.epoch, answer.external);
            assert_eq!(said, (long(bytes, 4), long(bytes, 8), word(bytes, 42)));
            assert!(answer.life == 0 || answer.external != 0);
        }
        Ok(None) => assert!(!is_ours),
        Err(failure) => {
            let is_refusal = is_ours && bytes[3] != 0;
            let is_empty = is_ours && bytes[3] == 0 && word(bytes, 42) == 0;
            assert!(is_refusal || is_empty || !is_ours, "{failure}");
        }
    }
}

/// A gateway that answers whatever the input says.
fn decide(tape: &mut Tape<'_>) {
    let nat = [Nat::Any, Nat::Upnp, Nat::Pmp(None), Nat::Pcp(None)]
        .into_iter()
        .nth(usize::from(tape.choice(4)))
        .unwrap_or_default();
    let ports = [Some(30303), None, Some(0), Some(u16::MAX)];
    let port = |choice: u8| ports[usize::from(choice)];
    let mut mapper = Mapper::new(nat.methods(), port(tape.choice(4)), port(tape.choice(4)));
    let mut now = Instant::ZERO + tape.time();
    let mut told = Vec::new();
    while !tape.is_empty() {
        settle(&mut mapper, tape, &mut now, &mut told);
        let Step::Wait(until) = mapper.next(now) else { break };
        assert!(until > now, "a busy loop");
        now = match tape.choice(3) {
            0 => until,
            1 => until + tape.time(),
            _ => now + tape.time() / 1024,
        };
    }
    mapper.stop();
    let mut unmapped = 0;
    while let Step::Do(action) = mapper.next(now) {
        let Action::Unmap { protocol, .. } = action else { panic!("{action:?} after a stop") };
        unmapped += 1;
        assert!(unmapped <= 2, "a mapping is given back again and again");
        mapper.unmapped(protocol, answer(tape, |_| ()));
    }
    assert_eq!(mapper.next(now), Step::Done);
    let external = mapper.status().external;
    assert_eq!((external.tcp, external.udp), (None, None));
}

/// All that is to be done now.
fn settle(
    mapper: &mut Mapper,
    tape: &mut Tape<'_>,
    now: &mut Instant,
    told: &mut Vec<(Option<IpAddr>, u16)>,
) {
    // Each method may be asked, and each port mapped once for each address and
    // epoch that comes with it.
    for round in 0.. {
        let Step::Do(action) = mapper.next(*now) else { break };
        assert!(round < 64, "it does not settle");
        // An answer takes its time, or none.
        *now = *now + Duration::from_millis(u64::from(tape.byte()) * 10 + 1);
        match action {
            Action::Ask(_) => {
                let answer = answer(tape, |tape| Gateway {
                    address: address(tape),
                    epoch: tape.yes().then(|| u32::from(tape.word())),
                });
                if let Ok(gateway) = &answer {
                    told.push((gateway.address, 0));
                }
                mapper.asked(*now, answer);
            }
            Action::Map { protocol, internal, external, life, .. } => {
                assert!(internal != 0 && external != 0);
                assert_eq!(Duration::from_secs(life.into()), limits::NAT_LIFE);
                let answer = answer(tape, |tape| Grant {
                    external: tape.word(),
                    address: address(tape),
                    life: u32::try_from(tape.number()).unwrap_or(u32::MAX),
                    epoch: tape.yes().then(|| u32::from(tape.word())),
                });
                if let Ok(grant) = &answer {
                    told.push((grant.address, grant.external));
                }
                mapper.mapped(*now, protocol, answer);
            }
            Action::Unmap { .. } => panic!("given back before the stop"),
        }
        let external = mapper.status().external;
        if let Some(ip) = external.ip {
            assert!(is_public(ip) && told.iter().any(|(address, _)| *address == Some(ip)));
        }
        for port in [external.tcp, external.udp].into_iter().flatten() {
            assert!(port != 0 && told.iter().any(|(_, external)| *external == port));
        }
        let (mapped, methods) = (mapper.status().counts.mapped, mapper.status().method);
        assert!(external.tcp.or(external.udp).is_none() || (mapped > 0 && methods.is_some()));
    }
}

fn answer<T>(tape: &mut Tape<'_>, good: impl FnOnce(&mut Tape<'_>) -> T) -> Result<T, Failure> {
    match tape.choice(8) {
        0 => Err(Failure::Silent),
        1 => Err(Failure::Refused(u16::from(tape.byte()))),
        2 => Err(Failure::Malformed),
        _ => Ok(good(tape)),
    }
}

fn address(tape: &mut Tape<'_>) -> Option<IpAddr> {
    match tape.choice(4) {
        0 => None,
        1 => Some(IpAddr::from(tape.array::<4>())),
        2 => Some(IpAddr::from([11, 22, 33, tape.byte()])),
        _ => Some(IpAddr::from([192, 168, 1, tape.byte()])),
    }
}
