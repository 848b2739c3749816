//! The packets of NAT-PMP. RFC 6886, section 3.
//!
//! ```text
//! request    0 · operation                                       which address?
//!            0 · operation · 0 0 · internal · external · life    map
//! response   0 · 128 + operation · result · epoch · address
//!            0 · 128 + operation · result · epoch · internal · external · life
//! ```

use core::net::Ipv4Addr;

use super::{Failure, Protocol, field};

/// The port of a gateway that speaks NAT-PMP or PCP. RFC 6886, section 1.
pub const PORT: u16 = 5351;

/// Longest request or response, bytes.
pub const LONGEST: usize = 16;

const VERSION: u8 = 0;
const ADDRESS: u8 = 0;
const RESPONSE: u8 = 128;

/// Result codes: section 3.5.
const UNSUPPORTED_VERSION: u16 = 1;
const UNSUPPORTED_OPERATION: u16 = 5;

const fn operation(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Udp => 1,
        Protocol::Tcp => 2,
    }
}

/// Asks for the gateway's address out there.
pub const fn address_request() -> [u8; 2] {
    [VERSION, ADDRESS]
}

/// Asks for a mapping of a port of ours, seconds long; with no life, and external
/// port 0, for its end.
pub fn map_request(protocol: Protocol, internal: u16, external: u16, life: u32) -> [u8; 12] {
    let mut request = [0; 12];
    request[1] = operation(protocol);
    request[4..6].copy_from_slice(&internal.to_be_bytes());
    request[6..8].copy_from_slice(&external.to_be_bytes());
    request[8..].copy_from_slice(&life.to_be_bytes());
    request
}

/// The answer to [`address_request`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address {
    /// For how many seconds the gateway remembers its mappings.
    pub epoch: u32,
    /// Its address out there.
    pub address: Ipv4Addr,
}

/// The answer to [`map_request`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// For how many seconds the gateway remembers its mappings.
    pub epoch: u32,
    /// The port that was mapped.
    pub internal: u16,
    /// The port that leads to it, which need not be the one asked for.
    pub external: u16,
    /// For how many seconds. 0: there is none any more.
    pub life: u32,
}

/// Reads an answer to [`address_request`]. `Ok(None)` is an answer to something
/// else.
///
/// Fails with [`Failure::Unsupported`] for another version or a gateway that
/// does not know the operation, [`Failure::Refused`] by the number of its
/// result, or [`Failure::Malformed`]. Source: RFC 6886, sections 3.2 and 3.5.
pub fn read_address(bytes: &[u8]) -> Result<Option<Address>, Failure> {
    let Some(epoch) = read_head(bytes, ADDRESS)? else { return Ok(None) };
    let address = field::<4>(bytes, 8).ok_or(Failure::Malformed)?;
    Ok(Some(Address { epoch, address: address.into() }))
}

/// Reads an answer to a [`map_request`] of this protocol and internal port.
/// `Ok(None)` is an answer to something else.
///
/// Fails as [`read_address`] does. Source: RFC 6886, section 3.3.
pub fn read_mapping(
    bytes: &[u8],
    protocol: Protocol,
    internal: u16,
) -> Result<Option<Mapping>, Failure> {
    let Some(epoch) = read_head(bytes, operation(protocol))? else { return Ok(None) };
    let its = field(bytes, 8).map(u16::from_be_bytes).ok_or(Failure::Malformed)?;
    if its != internal {
        return Ok(None);
    }
    let external = field(bytes, 10).map(u16::from_be_bytes).ok_or(Failure::Malformed)?;
    let life = field(bytes, 12).map(u32::from_be_bytes).ok_or(Failure::Malformed)?;
    if life != 0 && external == 0 {
        return Err(Failure::Malformed);
    }
    Ok(Some(Mapping { epoch, internal, external, life }))
}

/// What all answers begin with: the epoch, if it is of this operation.
fn read_head(bytes: &[u8], operation: u8) -> Result<Option<u32>, Failure> {
    let [version, its, high, low] = field::<4>(bytes, 0).ok_or(Failure::Malformed)?;
    if version != VERSION {
        return Err(Failure::Unsupported);
    }
    if its != RESPONSE | operation {
        return Ok(None);
    }
    match u16::from_be_bytes([high, low]) {
        0 => {}
        UNSUPPORTED_VERSION | UNSUPPORTED_OPERATION => return Err(Failure::Unsupported),
        code => return Err(Failure::Refused(code)),
    }
    field(bytes, 4).map(u32::from_be_bytes).map(Some).ok_or(Failure::Malformed)
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn requests_are_as_the_specification_draws_them() {
        assert_eq!(address_request(), hex!("0000"));
        assert_eq!(map_request(Protocol::Udp, 30303, 30304, 600), hex!("00010000765f766000000258"));
        assert_eq!(map_request(Protocol::Tcp, 30303, 0, 0), hex!("00020000765f000000000000"));
    }

    #[test]
    fn an_address_is_read() {
        let answer = read_address(&hex!("0080 0000 00000e10 0b16212c"));
        let expected = Address { epoch: 3600, address: [11, 22, 33, 44].into() };
        assert_eq!(answer, Ok(Some(expected)));
    }

    #[test]
    fn a_mapping_is_read_and_another_port_accepted() {
        let answer =
            read_mapping(&hex!("0082 0000 00000e10 765f 9c40 00000258"), Protocol::Tcp, 30303);
        let expected = Mapping { epoch: 3600, internal: 30303, external: 40000, life: 600 };
        assert_eq!(answer, Ok(Some(expected)));
    }

    #[test]
    fn an_answer_to_something_else_is_none() {
        let answer = hex!("0082 0000 00000e10 765f 9c40 00000258");
        assert_eq!(read_address(&answer), Ok(None));
        assert_eq!(read_mapping(&answer, Protocol::Udp, 30303), Ok(None));
        assert_eq!(read_mapping(&answer, Protocol::Tcp, 30304), Ok(None));
        // A request of ours that came back.
        assert_eq!(read_mapping(&map_request(Protocol::Tcp, 1, 1, 1), Protocol::Tcp, 1), Ok(None));
    }

    #[test]
    fn refusals_and_nonsense_have_their_names() {
        assert_eq!(read_address(&hex!("0080 0002 00000001")), Err(Failure::Refused(2)));
        assert_eq!(read_address(&hex!("0080 0001 00000001")), Err(Failure::Unsupported));
        assert_eq!(read_address(&hex!("0080 0005 00000001")), Err(Failure::Unsupported));
        assert_eq!(read_address(&hex!("0280 0000 00000001 0b16212c")), Err(Failure::Unsupported));
        let full = hex!("0082 0000 00000e10 765f 9c40 00000258");
        for length in 0..full.len() {
            let cut = read_mapping(&full[..length], Protocol::Tcp, 30303);
            assert_eq!(cut, Err(Failure::Malformed), "{length}");
        }
        let port_0 = hex!("0082 0000 00000e10 765f 0000 00000258");
        assert_eq!(read_mapping(&port_0, Protocol::Tcp, 30303), Err(Failure::Malformed));
    }
}
