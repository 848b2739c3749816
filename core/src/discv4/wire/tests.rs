//! What is read, what is ignored, what is refused.

use core::net::IpAddr;

use proptest::prelude::*;

use super::*;

/// A list of elements that are encoded already.
fn list(elements: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    rlp::put_list(&elements.concat(), &mut out);
    out
}

const ENDPOINT: &[u8] = &[0xC3, 0x80, 0x80, 0x80];
const HASH_OF_ONES: &[u8] = &{
    let mut bytes = [1; 33];
    bytes[0] = 0xA0;
    bytes
};
const TARGET: &[u8] = &{
    let mut bytes = [1; 66];
    bytes[0] = 0xB8;
    bytes[1] = 64;
    bytes
};

/// The least that each kind needs.
fn least(kind: Kind) -> Vec<&'static [u8]> {
    match kind {
        Kind::Ping => [&[4], ENDPOINT, ENDPOINT, &[9]].into(),
        Kind::Pong => [ENDPOINT, HASH_OF_ONES, &[9]].into(),
        Kind::FindNode => [TARGET, &[9]].into(),
        Kind::Neighbors => [&[0xC0][..], &[9]].into(),
        Kind::EnrRequest => [&[9][..]].into(),
        Kind::EnrResponse => [HASH_OF_ONES, &[0xC1, 5]].into(),
    }
}

fn with<'a>(kind: Kind, more: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let mut elements: Vec<&'a [u8]> = least(kind);
    elements.extend(more);
    elements
}

#[test]
fn every_element_is_needed() {
    for kind in Kind::ALL {
        let elements = least(kind);
        assert!(decode(kind, &list(&elements)).is_ok(), "{kind}");
        for count in 0..elements.len() {
            assert_eq!(decode(kind, &list(&elements[..count])), Err(DecodeError::Truncated));
        }
    }
}

#[test]
fn what_stands_behind_the_known_is_ignored_if_it_is_rlp_on_the_outside() {
    for kind in Kind::ALL {
        let plain = decode(kind, &list(&with(kind, &[&[7]]))).unwrap();
        // The first of a ping and a pong is a sequence number.
        for extra in [&[0x80][..], &[0xC0], &[0x81, 0x05], &[0xC1, 0x81], &[0x83, 1, 2, 3]] {
            let bytes = list(&with(kind, &[&[7], extra, &[0xC2, 0xFF, 0xFF]]));
            assert_eq!(decode(kind, &bytes).as_ref(), Ok(&plain), "{kind} {extra:x?}");
            let trailing = [&bytes[..], &[0xFF; 9]].concat();
            assert_eq!(decode(kind, &trailing).as_ref(), Ok(&plain), "{kind} {extra:x?}");
        }
        for extra in [&[0x81][..], &[0xC1], &[0xB8, 0x01, 0x00], &[0xF9, 0, 1], &[0xBF]] {
            let bytes = list(&with(kind, &[&[7], extra]));
            assert!(decode(kind, &bytes).is_err(), "{kind} {extra:x?}");
        }
    }
}

#[test]
fn what_stands_in_the_place_of_a_sequence_number_is_one() {
    for kind in [Kind::Ping, Kind::Pong] {
        let sequence = |element: &[u8]| {
            let packet = decode(kind, &list(&with(kind, &[element])))?;
            let (Packet::Ping(Ping { enr_sequence, .. }) | Packet::Pong(Pong { enr_sequence, .. })) =
                packet
            else {
                panic!("{packet:?}")
            };
            Ok(enr_sequence)
        };
        assert_eq!(sequence(&[]), Ok(None));
        assert_eq!(sequence(&[0x80]), Ok(Some(0)));
        assert_eq!(sequence(&[0x2A]), Ok(Some(42)));
        assert_eq!(sequence(&[0x88; 9]), Ok(Some(0x8888_8888_8888_8888)));
        assert_eq!(sequence(&[0x00]), Err(DecodeError::NonCanonical));
        assert_eq!(sequence(&[0x81, 0x05]), Err(DecodeError::NonCanonical));
        assert_eq!(sequence(&[0x82, 0x00, 0x05]), Err(DecodeError::NonCanonical));
        assert_eq!(sequence(&[0x89; 10]), Err(DecodeError::Overflow));
        assert_eq!(sequence(&[0xC0]), Err(DecodeError::UnexpectedList));
    }
}

#[test]
fn the_version_of_a_ping_is_any_number() {
    let version = |bytes: &[u8]| decode(Kind::Ping, &list(&[bytes, ENDPOINT, ENDPOINT, &[9]]));
    assert!(version(&[0x80]).is_ok());
    assert!(version(&[0x82, 0x02, 0x2B]).is_ok());
    assert!(version(&[0x89; 10]).is_err());
    assert!(version(&[0xC0]).is_err());
}

#[test]
fn hashes_keys_and_records_have_their_shape() {
    let pong = |hash: &[u8]| decode(Kind::Pong, &list(&[ENDPOINT, hash, &[9]]));
    assert_eq!(pong(&[0x80]), Err(DecodeError::WrongLength));
    assert_eq!(pong(&[0x9F; 32]), Err(DecodeError::WrongLength));
    let find = |target: &[u8]| decode(Kind::FindNode, &list(&[target, &[9]]));
    assert_eq!(find(HASH_OF_ONES), Err(DecodeError::WrongLength));
    let record = |record: &[u8]| decode(Kind::EnrResponse, &list(&[HASH_OF_ONES, record]));
    assert_eq!(record(&[0x80]), Err(DecodeError::UnexpectedString));
    // What is in the record is its own affair.
    let Ok(Packet::EnrResponse(response)) = record(&[0xC2, 0x81, 0x05]) else { panic!() };
    assert_eq!(response.record, [0xC2, 0x81, 0x05]);
}

#[test]
fn a_neighbor_has_four_elements_and_a_packet_no_more_nodes_than_fit() {
    let nodes = |nodes: &[Vec<u8>]| {
        let mut all = Vec::new();
        rlp::put_list(&nodes.concat(), &mut all);
        let bytes = list(&[&all, &[9]]);
        decode(Kind::Neighbors, &bytes).map(|packet| {
            let Packet::Neighbors(packet) = packet else { panic!("{packet:?}") };
            (packet.nodes.len(), bytes.len())
        })
    };
    let node = list(&[&[0x80], &[0x80], &[0x80], TARGET]);
    assert_eq!(node.len(), 71);
    let longer = list(&[&[0x80], &[0x80], &[0x80], TARGET, &[0x80]]);
    let shorter = list(&[&[0x80], &[0x80], TARGET]);
    assert_eq!(nodes(&[node.clone(), longer]), Err(DecodeError::WrongLength));
    assert!(nodes(&[node.clone(), shorter]).is_err());
    assert!(nodes(&[node.clone(), [0x80].into()]).is_err());
    let most = limits::NEIGHBORS_READ;
    let (count, length) = nodes(&alloc::vec![node.clone(); most]).unwrap();
    assert_eq!(count, most);
    assert!(limits::DATAGRAM_MIN + length <= limits::DATAGRAM);
    assert!(limits::DATAGRAM_MIN + length + node.len() > limits::DATAGRAM);
    assert!(nodes(&alloc::vec![node; most + 1]).is_err());
}

#[test]
fn a_packet_is_a_list() {
    for kind in Kind::ALL {
        assert_eq!(decode(kind, &[]), Err(DecodeError::Truncated));
        assert_eq!(decode(kind, &[0x80]), Err(DecodeError::UnexpectedString));
        assert_eq!(decode(kind, &[0xF8, 0x01, 0x09]), Err(DecodeError::NonCanonical));
    }
}

fn ip() -> impl Strategy<Value = Option<IpAddr>> {
    prop_oneof![
        Just(None),
        any::<[u8; 4]>().prop_map(|octets| Some(octets.into())),
        any::<[u8; 16]>().prop_map(|octets| Some(IpAddr::from(octets).to_canonical())),
    ]
}

prop_compose! {
    fn endpoint()(ip in ip(), udp: u16, tcp: u16) -> PacketEndpoint {
        PacketEndpoint { ip, udp, tcp }
    }
}

prop_compose! {
    fn node()(ip in ip(), udp: u16, tcp: u16, half: [u8; 32]) -> Neighbor {
        Neighbor { ip, udp, tcp, public_key: [half, half].concat().try_into().unwrap() }
    }
}

fn packet() -> impl Strategy<Value = Packet> {
    let sequence = any::<Option<u64>>;
    prop_oneof![
        (any::<u64>(), endpoint(), endpoint(), any::<u64>(), sequence()).prop_map(
            |(version, from, to, expiration, enr_sequence)| Packet::Ping(Ping {
                version,
                from,
                to,
                expiration,
                enr_sequence
            })
        ),
        (endpoint(), any::<[u8; 32]>(), any::<u64>(), sequence()).prop_map(
            |(to, ping_hash, expiration, enr_sequence)| Packet::Pong(Pong {
                to,
                ping_hash,
                expiration,
                enr_sequence
            })
        ),
        (any::<[u8; 32]>(), any::<u64>()).prop_map(|(half, expiration)| Packet::FindNode(
            FindNode { target: [half, half].concat().try_into().unwrap(), expiration }
        )),
        (prop::collection::vec(node(), 0..=12), any::<u64>())
            .prop_map(|(nodes, expiration)| Packet::Neighbors(Neighbors { nodes, expiration })),
        any::<u64>().prop_map(|expiration| Packet::EnrRequest(EnrRequest { expiration })),
        (any::<[u8; 32]>(), prop::collection::vec(any::<u8>(), 0..=297)).prop_map(
            |(request_hash, content)| Packet::EnrResponse(EnrResponse {
                request_hash,
                record: list(&[&content]),
            })
        ),
    ]
}

/// What the gate sees at a glance is what is read later.
fn agrees(kind: Kind, data: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(packet) = decode(kind, data) {
        prop_assert_eq!(expiration(kind, data), Ok(packet.expiration()));
        let named = match &packet {
            Packet::Pong(pong) => Some(pong.ping_hash),
            Packet::EnrResponse(response) => Some(response.request_hash),
            Packet::Ping(_) | Packet::FindNode(_) | Packet::Neighbors(_) => None,
            Packet::EnrRequest(_) => None,
        };
        prop_assert_eq!(token(kind, data), named);
        let again = list(&[&elements(&packet)]);
        prop_assert_eq!(decode(kind, &again), Ok(packet));
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_encoded_decodes(packet in packet()) {
        let data = list(&[&elements(&packet)]);
        prop_assert!(limits::DATAGRAM_MIN + data.len() <= limits::DATAGRAM);
        agrees(packet.kind(), &data)?;
        prop_assert_eq!(decode(packet.kind(), &data), Ok(packet));
    }

    #[test]
    fn no_truncation_decodes(packet in packet(), cut: prop::sample::Index) {
        let data = list(&[&elements(&packet)]);
        prop_assert!(decode(packet.kind(), &data[..cut.index(data.len())]).is_err());
    }

    #[test]
    fn a_changed_byte_gives_an_error_or_a_packet_that_survives(
        packet in packet(), at: prop::sample::Index, byte: u8,
    ) {
        let mut data = list(&[&elements(&packet)]);
        let at = at.index(data.len());
        data[at] = byte;
        for kind in Kind::ALL {
            agrees(kind, &data)?;
        }
    }

    #[test]
    fn any_bytes_give_an_error_or_a_packet_that_survives(
        data in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        for kind in Kind::ALL {
            agrees(kind, &data)?;
            agrees(kind, &list(&[&data]))?;
        }
    }
}
