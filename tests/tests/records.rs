//! Our records against those of the `enr` crate, which other Rust clients use.
//!
//! Both take and refuse the same bytes and find the same in them, but for the
//! differences that [`justified`] names. There we do as geth does.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use devp2p_core::crypto::SecretKey;
use devp2p_core::identity::{Entries, Record, RecordBuilder, RecordError, UnverifiedRecord};
use enr::Enr;
use enr::k256::ecdsa::SigningKey;
use proptest::prelude::*;
use sha3::{Digest as _, Keccak256};

type Theirs = Enr<SigningKey>;

/// Exactly one record, which `enr` leaves to its caller.
fn theirs(rlp: &[u8]) -> Option<Theirs> {
    let mut rest = rlp;
    let record = alloy_rlp::Decodable::decode(&mut rest).ok()?;
    rest.is_empty().then_some(record)
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_bytes(&[number; 32]).unwrap()
}

fn string(content: &[u8]) -> Vec<u8> {
    alloy_rlp::encode(content)
}

fn list(content: &[u8]) -> Vec<u8> {
    let mut list = Vec::new();
    alloy_rlp::Header { list: true, payload_length: content.len() }.encode(&mut list);
    list.extend_from_slice(content);
    list
}

fn sign(key: &SecretKey, content: &[u8]) -> [u8; 64] {
    key.sign(&Keccak256::digest(list(content)).into()).r_and_s()
}

/// Items, and bytes that are nearly items.
fn items() -> impl Strategy<Value = Vec<u8>> {
    let bytes = |length| prop::collection::vec(any::<u8>(), length);
    prop_oneof![
        4 => bytes(0..40).prop_map(|content| string(&content)),
        2 => any::<u64>().prop_map(alloy_rlp::encode),
        2 => any::<u16>().prop_map(alloy_rlp::encode),
        2 => bytes(4..5).prop_map(|content| string(&content)),
        2 => bytes(16..17).prop_map(|content| string(&content)),
        2 => (1..254_u8).prop_map(|number| string(&key(number).public_key().to_compressed())),
        1 => (1..254_u8).prop_map(|number| {
            string(&[&[4], &key(number).public_key().as_bytes()[..]].concat())
        }),
        1 => bytes(33..34).prop_map(|content| string(&content)),
        1 => Just(string(b"v4")),
        1 => bytes(0..20).prop_map(|content| list(&content)),
        1 => bytes(0..6),
    ]
}

fn keys() -> impl Strategy<Value = Vec<u8>> {
    let known = ["ip", "ip6", "tcp", "tcp6", "udp", "udp6", "eth", "quic", "ed25519", "id"];
    let known = known.map(|key| string(key.as_bytes())).to_vec();
    prop_oneof![
        12 => prop::sample::select(known),
        2 => Just(string(b"secp256k1")),
        2 => prop::collection::vec(any::<u8>(), 0..5).prop_map(|key| string(&key)),
        1 => items(),
    ]
}

/// What a well-made record says of a key, so that the odd one stands out.
fn plain(key: &[u8]) -> Option<Vec<u8>> {
    Some(match key {
        b"\x82ip" => string(&[1, 2, 3, 4]),
        b"\x83ip6" => string(&[0x20; 16]),
        b"\x83tcp" | b"\x83udp" | b"\x84tcp6" | b"\x84udp6" => alloy_rlp::encode(30303_u16),
        b"\x82id" => string(b"v4"),
        _ => return None,
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signed {
    Well,
    ByAnother,
    HighS,
    TooShort,
}

fn signatures() -> impl Strategy<Value = Signed> {
    prop_oneof![
        12 => Just(Signed::Well),
        1 => Just(Signed::ByAnother),
        1 => Just(Signed::HighS),
        1 => Just(Signed::TooShort),
    ]
}

prop_compose! {
    /// Records that are signed as they are, however they were put together.
    fn records()(
        sequence in prop_oneof![8 => any::<u64>().prop_map(alloy_rlp::encode), 1 => items()],
        mut pairs in prop::collection::vec((keys(), any::<bool>(), items()), 0..6),
        with_scheme in prop::bool::weighted(0.9),
        with_key in prop::bool::weighted(0.9),
        sorted in prop::bool::weighted(0.9),
        signed in signatures(),
        trailing in prop_oneof![12 => Just(vec![]), 1 => items()],
    ) -> Vec<u8> {
        let signer = key(1);
        let public_key = string(&signer.public_key().to_compressed());
        if with_scheme {
            pairs.push((string(b"id"), true, vec![]));
        }
        if with_key {
            pairs.push((string(b"secp256k1"), false, public_key));
        }
        if sorted {
            // Bytewise by key, not by its encoding; the last of equal ones.
            pairs.reverse();
            let content = |item: &[u8]| item.get(1..).filter(|_| item[0] >= 0x80).unwrap_or(item).to_vec();
            pairs.sort_by_key(|(key, ..)| if key.is_empty() { vec![] } else { content(key) });
            pairs.dedup_by_key(|(key, ..)| key.clone());
        }
        let mut content = sequence;
        for (key, usual, value) in pairs {
            let value = plain(&key).filter(|_| usual).unwrap_or(value);
            content.extend([key, value].concat());
        }
        let mut signature = match signed {
            Signed::ByAnother => sign(&key(2), &content),
            Signed::Well | Signed::HighS | Signed::TooShort => sign(&signer, &content),
        };
        if signed == Signed::HighS {
            negate(&mut signature[32..]);
        }
        let signature = &signature[..if signed == Signed::TooShort { 63 } else { 64 }];
        [list(&[string(signature), content].concat()), trailing].concat()
    }
}

/// The order of the group less `number`.
fn negate(number: &mut [u8]) {
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    let mut borrow = 0;
    for at in (0..32).rev() {
        let digit = i16::from_str_radix(&order[2 * at..2 * at + 2], 16).unwrap();
        let difference = digit - i16::from(number[at]) - borrow;
        borrow = i16::from(difference < 0);
        number[at] = difference.rem_euclid(256).to_le_bytes()[0];
    }
}

/// Why only one of the two takes a record.
fn justified(rlp: &[u8], ours: &Result<Record, RecordError>) -> bool {
    let Ok(record) = UnverifiedRecord::decode(rlp) else { return false };
    let entries = record.entries();
    let strange = |key: &str, typed: bool| entries.get(key.as_bytes()).is_some() && !typed;
    match ours {
        // geth passes over a known key with a strange value, `enr` does not;
        // and "ed25519" is a key like any other to us.
        Ok(_) => {
            strange("ip", entries.ip().is_some())
                || strange("ip6", entries.ip6().is_some())
                || strange("tcp", entries.tcp().is_some())
                || strange("udp", entries.udp().is_some())
                || strange("tcp6", entries.tcp6().is_some())
                || strange("udp6", entries.udp6().is_some())
                || entries.get(b"ed25519").is_some_and(|value| value[0] >= 0xc0)
        }
        // `enr` takes public keys that are not compressed.
        Err(error) => {
            *error == RecordError::PublicKey
                && entries.get(b"secp256k1").is_some_and(|value| value.len() == 67)
        }
    }
}

fn check_same(ours: &Record, theirs: &Theirs) -> Result<(), TestCaseError> {
    let entries: Entries<'_> = ours.entries();
    prop_assert_eq!(ours.sequence(), theirs.seq());
    prop_assert_eq!(*ours.node_id().as_bytes(), theirs.node_id().raw());
    prop_assert_eq!(entries.ip(), theirs.ip4());
    prop_assert_eq!(entries.ip6(), theirs.ip6());
    prop_assert_eq!(entries.tcp(), theirs.tcp4());
    prop_assert_eq!(entries.tcp6(), theirs.tcp6());
    prop_assert_eq!(entries.udp(), theirs.udp4());
    prop_assert_eq!(entries.udp6(), theirs.udp6());
    prop_assert_eq!(ours.to_string(), theirs.to_base64());
    let pairs: Vec<_> = entries.iter().map(|entry| (entry.key.to_vec(), entry.value)).collect();
    let expected: Vec<_> = theirs.iter().map(|(key, value)| (key.clone(), value)).collect();
    prop_assert_eq!(pairs, expected);
    Ok(())
}

fn compare(rlp: &[u8]) -> Result<(), TestCaseError> {
    let ours = Record::decode(rlp);
    match (&ours, &theirs(rlp)) {
        (Ok(ours), Some(theirs)) => check_same(ours, theirs),
        (Err(_), None) => Ok(()),
        (Ok(_), None) | (Err(_), Some(_)) => {
            prop_assert!(justified(rlp, &ours), "{:?}", ours);
            Ok(())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn records_however_put_together_are_read_alike(rlp in records()) {
        compare(&rlp)?;
    }

    #[test]
    fn damaged_records_are_read_alike(
        number in 1..254_u8,
        sequence: u64,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let record = RecordBuilder::new(sequence)
            .ip([number; 4].into())
            .udp(30303)
            .rlp(b"eth", &[0xc2, 1, 2])
            .unwrap()
            .sign(&key(number))
            .unwrap();
        let mut rlp = record.as_rlp().to_vec();
        for (at, byte) in damage {
            let at = at.index(rlp.len());
            rlp[at] = byte;
        }
        if let Some(cut) = cut {
            rlp.truncate(cut.index(rlp.len()));
        }
        compare(&rlp)?;
    }

    #[test]
    fn what_we_sign_enr_takes(
        number in 1..254_u8,
        sequence: u64,
        ip in prop::option::of(any::<std::net::IpAddr>()),
        ports in any::<[u16; 4]>(),
        more in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut builder = RecordBuilder::new(sequence).string(b"more", &more);
        builder = builder.udp(ports[0]).tcp(ports[1]).udp6(ports[2]).tcp6(ports[3]);
        if let Some(ip) = ip {
            builder = builder.ip(ip);
        }
        let ours = builder.sign(&key(number)).unwrap();
        let theirs = theirs(ours.as_rlp());
        prop_assert!(theirs.is_some());
        check_same(&ours, &theirs.unwrap())?;
        prop_assert!(ours.to_string().parse::<Theirs>().is_ok());
    }

    #[test]
    fn what_enr_signs_we_take(
        number in 1..254_u8,
        sequence: u64,
        ip: std::net::IpAddr,
        ports in any::<[u16; 4]>(),
        more in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let key = SigningKey::from_slice(&[number; 32]).unwrap();
        let mut builder = Theirs::builder();
        builder.ip(ip).udp4(ports[0]).tcp4(ports[1]).udp6(ports[2]).tcp6(ports[3]).seq(sequence);
        let theirs = builder.add_value("more", &more.as_slice()).build(&key).unwrap();
        let ours = Record::decode(&alloy_rlp::encode(&theirs));
        prop_assert!(ours.is_ok(), "{:?}", ours);
        check_same(&ours.unwrap(), &theirs)?;
        prop_assert!(theirs.to_base64().parse::<Record>().is_ok());
    }
}

/// The generator is worth something only if both sides take a good part of
/// what it makes.
#[test]
fn many_of_the_records_put_together_are_taken_and_many_refused() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut taken, mut differ) = (0, 0);
    for _ in 0..1_000 {
        let rlp = records().new_tree(&mut runner).unwrap().current();
        let ours = Record::decode(&rlp).is_ok();
        taken += u32::from(ours);
        differ += u32::from(ours != theirs(&rlp).is_some());
    }
    assert!((150..=850).contains(&taken), "{taken} of 1000 taken");
    assert!((1..=300).contains(&differ), "{differ} of 1000 differ");
}
