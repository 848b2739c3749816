//! The packets of PCP, as far as a client needs them: MAP and ANNOUNCE. RFC 6887,
//! sections 7, 11 and 14.1.
//!
//! ```text
//! request    2 · operation · 0 0 · life · our address (16)
//! response   2 · 128 + operation · 0 · result · life · epoch · 0 (12)
//! MAP adds   nonce (12) · protocol · 0 (3) · internal · external · address (16)
//! ```
//!
//! The nonce is ours: only who has seen the request can answer it, or change the
//! mapping.

use core::net::{IpAddr, Ipv4Addr};

use super::{Failure, Protocol, field, ip4_of};

/// Longest packet, bytes. RFC 6887, section 7.
pub const LONGEST: usize = 1100;

const VERSION: u8 = 2;
const ANNOUNCE: u8 = 0;
const MAP: u8 = 1;
const RESPONSE: u8 = 128;

/// Bytes of what all packets begin with.
const HEAD: usize = 24;

/// Result codes: section 7.4.
const UNSUPPORTED_VERSION: u8 = 1;
const UNSUPPORTED_OPERATION: u8 = 4;
const UNSUPPORTED_PROTOCOL: u8 = 9;

/// Names a mapping; whoever knows it may renew or end it.
pub type Nonce = [u8; 12];

const fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
    }
}

fn head(operation: u8, life: u32, client: Ipv4Addr) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[0] = VERSION;
    head[1] = operation;
    head[4..8].copy_from_slice(&life.to_be_bytes());
    head[8..].copy_from_slice(&client.to_ipv6_mapped().octets());
    head
}

/// Asks whether the gateway is there and what its epoch is. `client` is where
/// the request comes from.
pub fn announce_request(client: Ipv4Addr) -> [u8; HEAD] {
    head(ANNOUNCE, 0, client)
}

/// A mapping to ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// Its name, the same in each renewal.
    pub nonce: Nonce,
    /// Where the request comes from.
    pub client: Ipv4Addr,
    /// What is to be mapped.
    pub protocol: Protocol,
    /// Our port.
    pub internal: u16,
    /// The port that we would like out there; 0 for any.
    pub external: u16,
    /// The address that we would like; unspecified for any.
    pub address: Ipv4Addr,
    /// For how many seconds; 0 ends it.
    pub life: u32,
}

/// Asks for a mapping.
pub fn map_request(request: &Request) -> [u8; HEAD + 36] {
    let mut bytes = [0; HEAD + 36];
    bytes[..HEAD].copy_from_slice(&head(MAP, request.life, request.client));
    let (nonce, rest) = bytes[HEAD..].split_at_mut(12);
    nonce.copy_from_slice(&request.nonce);
    rest[0] = number(request.protocol);
    rest[4..6].copy_from_slice(&request.internal.to_be_bytes());
    rest[6..8].copy_from_slice(&request.external.to_be_bytes());
    rest[8..].copy_from_slice(&request.address.to_ipv6_mapped().octets());
    bytes
}

/// The answer to [`map_request`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// For how many seconds the gateway remembers its mappings.
    pub epoch: u32,
    /// The port that leads to ours.
    pub external: u16,
    /// The address at which it does.
    pub address: IpAddr,
    /// For how many seconds. 0: there is none any more.
    pub life: u32,
}

/// Reads an answer to [`announce_request`]: the epoch. A gateway that knows PCP
/// and not this operation is there all the same. `Ok(None)` is an answer to
/// something else.
///
/// Fails with [`Failure::Unsupported`] for another version,
/// [`Failure::Refused`] by the number of its result, or [`Failure::Malformed`].
/// Source: RFC 6887, sections 7.2 and 14.1.
pub fn read_announcement(bytes: &[u8]) -> Result<Option<u32>, Failure> {
    let Some(head) = read_head(bytes, ANNOUNCE)? else { return Ok(None) };
    match head.result {
        0 | UNSUPPORTED_OPERATION => Ok(Some(head.epoch)),
        code => Err(refusal(code)),
    }
}

/// Reads an answer to this request. `Ok(None)` is an answer to something else.
///
/// Fails with [`Failure::Unsupported`] for another version, operation or
/// protocol, [`Failure::Refused`] by the number of its result, or
/// [`Failure::Malformed`]. Source: RFC 6887, section 11.1.
pub fn read_mapping(bytes: &[u8], request: &Request) -> Result<Option<Mapping>, Failure> {
    let Some(head) = read_head(bytes, MAP)? else { return Ok(None) };
    if head.result == UNSUPPORTED_VERSION {
        return Err(Failure::Unsupported);
    }
    // A refusal names the mapping too: section 11.3.
    let nonce: Nonce = field(bytes, HEAD).ok_or(Failure::Malformed)?;
    let protocol = *bytes.get(HEAD + 12).ok_or(Failure::Malformed)?;
    let internal = field(bytes, HEAD + 16).map(u16::from_be_bytes).ok_or(Failure::Malformed)?;
    let of_it = nonce == request.nonce && internal == request.internal;
    if !of_it || protocol != number(request.protocol) {
        return Ok(None);
    }
    if head.result != 0 {
        return Err(refusal(head.result));
    }
    let external = field(bytes, HEAD + 18).map(u16::from_be_bytes).ok_or(Failure::Malformed)?;
    let address: [u8; 16] = field(bytes, HEAD + 20).ok_or(Failure::Malformed)?;
    let address = ip4_of(address).map_or_else(|| IpAddr::from(address), IpAddr::V4);
    if head.life != 0 && external == 0 {
        return Err(Failure::Malformed);
    }
    Ok(Some(Mapping { epoch: head.epoch, external, address, life: head.life }))
}

struct Head {
    result: u8,
    life: u32,
    epoch: u32,
}

fn read_head(bytes: &[u8], operation: u8) -> Result<Option<Head>, Failure> {
    let [version, its, _, result] = field::<4>(bytes, 0).ok_or(Failure::Malformed)?;
    // NAT-PMP answers in its own version; RFC 6886, section 3.5.
    if version != VERSION {
        return Err(Failure::Unsupported);
    }
    if bytes.len() < HEAD || bytes.len() > LONGEST || !bytes.len().is_multiple_of(4) {
        return Err(Failure::Malformed);
    }
    if its != RESPONSE | operation {
        return Ok(None);
    }
    let life = field(bytes, 4).map(u32::from_be_bytes).ok_or(Failure::Malformed)?;
    let epoch = field(bytes, 8).map(u32::from_be_bytes).ok_or(Failure::Malformed)?;
    Ok(Some(Head { result, life, epoch }))
}

fn refusal(code: u8) -> Failure {
    match code {
        UNSUPPORTED_VERSION | UNSUPPORTED_OPERATION | UNSUPPORTED_PROTOCOL => Failure::Unsupported,
        code => Failure::Refused(code.into()),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use hex_literal::hex;

    use super::*;

    const REQUEST: Request = Request {
        nonce: [7; 12],
        client: Ipv4Addr::new(10, 77, 1, 2),
        protocol: Protocol::Udp,
        internal: 30303,
        external: 30304,
        address: Ipv4Addr::UNSPECIFIED,
        life: 600,
    };

    /// What a gateway says to it.
    fn answer(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = hex!(
            "02 81 00 00 00000258 00000e10 000000000000000000000000"
            "070707070707070707070707 11 000000 765f 9c40"
            "00000000000000000000ffff0b16212c"
        )
        .to_vec();
        change(&mut bytes);
        bytes
    }

    #[test]
    fn requests_are_as_the_specification_draws_them() {
        let client = hex!("00000000000000000000ffff0a4d0102");
        let announce = announce_request(REQUEST.client);
        assert_eq!(announce[..8], hex!("02 00 0000 00000000"));
        assert_eq!(announce[8..], client);
        let map = map_request(&REQUEST);
        assert_eq!(map[..8], hex!("02 01 0000 00000258"));
        assert_eq!(map[8..24], client);
        assert_eq!(map[24..36], [7; 12]);
        assert_eq!(map[36..44], hex!("11 000000 765f 7660"));
        assert_eq!(map[44..], hex!("00000000000000000000ffff00000000"));
    }

    #[test]
    fn a_mapping_is_read_and_another_port_accepted() {
        let address = IpAddr::from([11, 22, 33, 44]);
        let expected = Mapping { epoch: 3600, external: 40000, address, life: 600 };
        assert_eq!(read_mapping(&answer(|_| {}), &REQUEST), Ok(Some(expected)));
    }

    #[test]
    fn only_who_knows_the_nonce_can_answer() {
        for (place, what) in [(24, "nonce"), (36, "protocol"), (41, "port"), (1, "operation")] {
            let other = answer(|bytes| bytes[place] ^= 1);
            assert_eq!(read_mapping(&other, &REQUEST), Ok(None), "{what}");
        }
        // A refusal too: anybody could end our attempts else.
        let forged = answer(|bytes| (bytes[3], bytes[24]) = (2, 1));
        assert_eq!(read_mapping(&forged, &REQUEST), Ok(None));
    }

    #[test]
    fn refusals_and_nonsense_have_their_names() {
        let read = |bytes: Vec<u8>| read_mapping(&bytes, &REQUEST);
        assert_eq!(read(answer(|bytes| bytes[3] = 2)), Err(Failure::Refused(2)));
        assert_eq!(read(answer(|bytes| bytes[3] = 1)), Err(Failure::Unsupported));
        // NAT-PMP's answer to a packet of version 2.
        assert_eq!(read(hex!("0081 0001 00000e10").to_vec()), Err(Failure::Unsupported));
        assert_eq!(read(answer(|bytes| bytes[42..44].fill(0))), Err(Failure::Malformed));
        assert_eq!(read(answer(|bytes| bytes.resize(1104, 0))), Err(Failure::Malformed));
        for length in 0..60 {
            let cut = read(answer(|bytes| bytes.truncate(length)));
            assert_eq!(cut, Err(Failure::Malformed), "{length}");
        }
    }

    #[test]
    fn a_gateway_that_does_not_know_the_question_is_there_all_the_same() {
        let mut bytes = hex!("02 80 00 00 00000000 00000e10 000000000000000000000000");
        assert_eq!(read_announcement(&bytes), Ok(Some(3600)));
        bytes[3] = 4;
        assert_eq!(read_announcement(&bytes), Ok(Some(3600)));
        bytes[3] = 2;
        assert_eq!(read_announcement(&bytes), Err(Failure::Refused(2)));
        assert_eq!(read_announcement(&answer(|_| {})), Ok(None));
    }
}
