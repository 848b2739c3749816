//! Answers of STUN servers: what is taken says what a second reader finds, and
//! only what answers the question under way is kept from discovery.

use core::net::SocketAddr;

use devp2p_core::entropy::Seed;
use devp2p_core::nat::is_public;
use devp2p_core::nat::stun::{self, Query, Transaction};
use devp2p_core::time::Instant;

use crate::tape::Tape;

const TRANSACTION: Transaction = *b"twelve bytes";

/// Runs one input: a kind, then a packet or its attributes, or what happens to
/// one who asks.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    match tape.choice(3) {
        0 => read(tape.rest()),
        1 => {
            let kind = [0x0101_u16, 0x0111, 0x0001][usize::from(tape.choice(3))];
            read(&packet(kind, &TRANSACTION, tape.rest()));
        }
        _ => ask(&mut tape),
    }
}

/// A packet with its head in order.
fn packet(kind: u16, transaction: &Transaction, attributes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(attributes.len()).unwrap_or(u16::MAX);
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(b"\x21\x12\xa4\x42");
    bytes.extend_from_slice(transaction);
    bytes.extend_from_slice(attributes);
    bytes
}

fn read(bytes: &[u8]) {
    let is_ours =
        bytes.len() >= 20 && bytes[4..8] == *b"\x21\x12\xa4\x42" && bytes[8..20] == TRANSACTION;
    match stun::read_binding(bytes, &TRANSACTION) {
        Ok(Some(seen)) => {
            assert!(is_ours && bytes[..2] == [1, 1]);
            assert_eq!(bytes.len(), 20 + usize::from(u16::from_be_bytes([bytes[2], bytes[3]])));
            assert!(stands_there(bytes, seen), "{seen}");
            let mut other = TRANSACTION;
            other[11] ^= 1;
            assert_eq!(stun::read_binding(bytes, &other), Ok(None));
        }
        Ok(None) => assert!(!is_ours),
        Err(_) => assert!(is_ours),
    }
}

/// Whether an attribute somewhere says so, masked or not.
fn stands_there(bytes: &[u8], seen: SocketAddr) -> bool {
    let mask = &bytes[4..20];
    let ip = match seen {
        SocketAddr::V4(seen) => seen.ip().octets().to_vec(),
        SocketAddr::V6(seen) => seen.ip().octets().to_vec(),
    };
    let masked: Vec<u8> = ip.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    let port = seen.port().to_be_bytes();
    let masked_port = [port[0] ^ mask[0], port[1] ^ mask[1]];
    let stands = |port: &[u8], ip: &[u8]| {
        // A mapped address was longer there.
        let whole = [port, ip].concat();
        bytes.windows(whole.len()).any(|window| window == whole)
            || (bytes.windows(2).any(|window| window == port) && seen.is_ipv4())
    };
    stands(&port, &ip) || stands(&masked_port, &masked)
}

fn ask(tape: &mut Tape<'_>) {
    let server = |number: u8| SocketAddr::from(([11, 0, 0, number], 3478));
    let servers: Vec<_> = (0..tape.choice(5)).map(server).collect();
    let none = servers.is_empty();
    let mut query = Query::new(servers, Seed::from_number(7).secrets());
    let mut now = Instant::ZERO + tape.time();
    let mut last: Option<(SocketAddr, Vec<u8>)> = None;
    while !tape.is_empty() {
        for round in 0.. {
            let Some((to, request)) = query.next_request(now) else { break };
            assert!(round < 16 && !none, "it does not stop asking");
            last = Some((to, request.to_vec()));
        }
        assert_eq!(query.deadline().is_none(), none);
        assert!(query.deadline().is_none_or(|deadline| deadline.at > now), "a busy loop");
        match tape.choice(4) {
            0 => now = query.deadline().map_or(now, |deadline| deadline.at),
            1 => now = now + tape.time() / 1024,
            2 => {
                // Not ours, whatever it is and wherever it comes from.
                let before = query.status();
                let (source, bytes) = (server(tape.choice(6)), tape.bytes());
                let is_answer = last.as_ref().is_some_and(|(to, request)| {
                    *to == source && bytes.get(4..20) == Some(&request[4..])
                });
                assert!(!query.received(now, source, bytes) || is_answer);
                assert!(is_answer || query.status().external == before.external);
            }
            _ => {
                let Some((from, request)) = &last else { continue };
                let Ok(transaction) = request[8..].try_into() else { continue };
                let attributes = tape.bytes();
                query.received(now, *from, &packet(0x0101, transaction, attributes));
            }
        }
        let external = query.status().external;
        assert_eq!(external.ip.is_some(), external.udp.is_some());
        assert!(external.tcp.is_none() && external.udp != Some(0));
        assert!(external.ip.is_none_or(is_public));
    }
}
