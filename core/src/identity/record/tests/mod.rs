use alloc::string::ToString as _;
use alloc::vec;
use alloc::vec::Vec;

use hex_literal::hex;

use super::*;
use crate::crypto::SecretKey;
use crate::error::DecodeError;
use crate::{limits, rlp};

mod endpoints;
mod properties;

/// EIP-778, "Test Vectors".
const PUBLISHED: [u8; 134] = hex!(
    "f884b8407098ad865b00a582051940cb9cf36836572411a47278783077011599ed5cd16b76f2635f4e23"
    "4738f30813a89eb9137e3e3df5266e3a1f11df72ecf1145ccb9c01826964827634826970847f00000189"
    "736563703235366b31a103ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31"
    "388375647082765f"
);

fn published_key() -> SecretKey {
    SecretKey::from_bytes(&hex!("b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291"))
        .unwrap()
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_bytes(&[number; 32]).unwrap()
}

/// A record of items as they are given, around `before` and `after`.
fn list(items: &[&[u8]]) -> Vec<u8> {
    let mut whole = Vec::new();
    rlp::put_list(&items.concat(), &mut whole);
    whole
}

fn refused(rlp: &[u8]) -> RecordError {
    UnverifiedRecord::decode(rlp).unwrap_err()
}

#[test]
fn the_published_record_is_read() {
    // The same bytes are geth's TestPythonInterop.
    let record = Record::decode(&PUBLISHED).unwrap();
    let id = "a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7";
    assert_eq!(record.node_id().to_string(), id);
    assert_eq!(record.public_key(), &published_key().public_key());
    assert_eq!(record.sequence(), 1);
    assert_eq!(record.as_rlp(), PUBLISHED);
    let entries = record.entries();
    assert_eq!(entries.scheme(), Some(&b"v4"[..]));
    assert_eq!(entries.ip(), Some([127, 0, 0, 1].into()));
    assert_eq!(entries.udp(), Some(30303));
    assert_eq!(entries.tcp(), None);
    let keys: Vec<_> = entries.iter().map(|entry| entry.key).collect();
    assert_eq!(keys, [&b"id"[..], b"ip", b"secp256k1", b"udp"]);
}

#[test]
fn the_published_record_is_what_its_owner_signs() {
    let record =
        RecordBuilder::new(1).ip([127, 0, 0, 1].into()).udp(30303).sign(&published_key()).unwrap();
    assert_eq!(record.as_rlp(), PUBLISHED);
}

#[test]
fn the_text_forms_of_geth_are_read_and_refused_alike() {
    // geth, p2p/enode/urlv4_test.go
    let text = "enr:-IS4QGrdq0ugARp5T2BZ41TrZOqLc_oKvZoPuZP5--anqWE_J-Tucc1xgkOL7qXl0puJgT7qc2KSvcupc4NCb0nr4tdjgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQM6UUF2Rm-oFe1IH_rQkRCi00T2ybeMHRSvw1HDpRvjPYN1ZHCCdl8";
    let key = hex!("45a915e4d060149eb4365960e6a7a45f334393093061116b197e3240065ff2d8");
    let record = RecordBuilder::new(99)
        .ip([127, 0, 0, 1].into())
        .udp(30303)
        .sign(&SecretKey::from_bytes(&key).unwrap())
        .unwrap();
    assert_eq!(text.parse(), Ok(record.clone()));
    assert_eq!(record.to_string(), text);

    let parse = |text: &str| text.parse::<Record>().unwrap_err();
    assert_eq!(parse("enr:"), RecordError::Rlp(DecodeError::Truncated));
    assert_eq!(parse("enr:x"), RecordError::Base64);
    let unsigned = "enr:-EmGZm9vYmFyY4JpZIJ2NIJpcIR_AAABiXNlY3AyNTZrMaEDOlFBdkZvqBXtSB_60JEQotNE9sm3jB0Ur8NRw6Ub4z2DdWRwgnZf";
    assert_eq!(parse(unsigned), RecordError::Signature);
    assert_eq!(unsigned.parse::<UnverifiedRecord>().unwrap().signature(), b"foobar");
}

#[test]
fn a_text_has_one_form() {
    let record = Record::decode(&PUBLISHED).unwrap();
    let text = record.to_string();
    let parse = |text: &str| text.parse::<Record>();
    assert_eq!(parse(&text), Ok(record));
    assert_eq!(parse(&text[4..]), Err(RecordError::MissingPrefix));
    assert_eq!(parse(&["ENR", &text[3..]].concat()), Err(RecordError::MissingPrefix));
    assert_eq!(parse(&[&text, "="].concat()), Err(RecordError::Base64));
    assert_eq!(parse(&[&text, "\n"].concat()), Err(RecordError::Base64));
    assert_eq!(parse(&text.replace('_', "/")), Err(RecordError::Base64));
    assert_eq!(parse(&[&text, "AAAA"].concat()), Err(RecordError::TrailingBytes));
    assert_eq!(parse(&["enr:", &"A".repeat(401)].concat()), Err(RecordError::TooLarge));
    // 134 bytes leave four bits of the last character unused.
    assert!(text.ends_with('8'));
    assert_eq!(parse(&[&text[..text.len() - 1], "9"].concat()), Err(RecordError::Base64));
}

#[test]
fn an_incomplete_record_is_refused() {
    // geth, p2p/enr/enr_test.go, TestDecodeIncomplete
    assert_eq!(refused(&hex!("c0")), RecordError::IncompleteList);
    assert_eq!(refused(&hex!("c101")), RecordError::IncompleteList);
    assert!(UnverifiedRecord::decode(&hex!("c20102")).is_ok());
    assert_eq!(refused(&hex!("c3010203")), RecordError::IncompletePair);
    assert!(UnverifiedRecord::decode(&hex!("c401020304")).is_ok());
    assert_eq!(refused(&hex!("c50102030405")), RecordError::IncompletePair);
}

#[test]
fn only_strict_rlp_is_a_record() {
    let rlp = |error| RecordError::Rlp(error);
    assert_eq!(refused(&[]), rlp(DecodeError::Truncated));
    assert_eq!(refused(&hex!("820102")), rlp(DecodeError::UnexpectedString));
    assert_eq!(refused(&hex!("c2010203")), RecordError::TrailingBytes);
    assert_eq!(refused(&hex!("c301")), rlp(DecodeError::Truncated));
    assert_eq!(refused(&hex!("f8020102")), rlp(DecodeError::NonCanonical));
    assert_eq!(refused(&hex!("c2c002")), rlp(DecodeError::UnexpectedList), "signature");
    assert_eq!(refused(&hex!("c201c0")), rlp(DecodeError::UnexpectedList), "sequence");
    assert_eq!(refused(&hex!("c20100")), rlp(DecodeError::NonCanonical), "sequence");
    assert_eq!(refused(&hex!("c401820001")), rlp(DecodeError::NonCanonical), "sequence");
    assert_eq!(refused(&hex!("cb0189010000000000000000")), rlp(DecodeError::Overflow), "sequence");
    assert_eq!(refused(&hex!("c40101c004")), rlp(DecodeError::UnexpectedList), "key");
    assert_eq!(refused(&hex!("c50101810304")), rlp(DecodeError::NonCanonical), "key");
    assert_eq!(refused(&hex!("c50101038104")), rlp(DecodeError::NonCanonical), "value");
    assert_eq!(refused(&hex!("c401010382")), rlp(DecodeError::Truncated), "value leaves the list");
}

#[test]
fn keys_ascend_strictly() {
    let with = |keys: &[u8]| {
        let pairs: Vec<u8> = keys.iter().flat_map(|key| [*key, 0x80]).collect();
        UnverifiedRecord::decode(&list(&[&[0x80, 1], &pairs])).map(drop)
    };
    assert_eq!(with(b"abc"), Ok(()));
    assert_eq!(with(b"aab"), Err(RecordError::DuplicateKey));
    assert_eq!(with(b"acb"), Err(RecordError::UnsortedKeys));
    assert_eq!(with(b"ba"), Err(RecordError::UnsortedKeys));
    // Bytewise: a longer key comes after the one it begins with.
    let pair = |first: &[u8], second: &[u8]| {
        let mut pairs = vec![0x80, 1];
        for key in [first, second] {
            rlp::put_string(key, &mut pairs);
            pairs.push(1);
        }
        UnverifiedRecord::decode(&list(&[&pairs])).map(drop)
    };
    assert_eq!(pair(b"", b"tcp"), Ok(()));
    assert_eq!(pair(b"tcp", b"tcp6"), Ok(()));
    assert_eq!(pair(b"tcp6", b"tcp"), Err(RecordError::UnsortedKeys));
    assert_eq!(pair(b"", b""), Err(RecordError::DuplicateKey));
    assert_eq!(pair(b"zz", b"\xff"), Ok(()));
}

#[test]
fn a_record_has_at_most_300_bytes() {
    let sized = |length: usize| RecordBuilder::new(1).string(b"x", &vec![7; length]).sign(&key(1));
    // Text, as elsewhere: signature 66, sequence 1, id 6, secp256k1 44, x 1.
    let largest = (0..300).rev().find_map(|length| sized(length).ok()).unwrap();
    assert_eq!(largest.as_rlp().len(), limits::RECORD);
    let value = largest.entries().iter().find(|entry| entry.key == b"x").unwrap().value.len() - 2;
    assert_eq!(sized(value + 1), Err(RecordError::TooLarge));
    assert_eq!(Record::decode(largest.as_rlp()), Ok(largest.clone()));
    assert_eq!(largest.to_string().parse(), Ok(largest));

    let too_large = list(&[&[0x80, 1, b'x', 0xb8, 255], &[7; 255], b"y", &[0xb3], &[7; 51]]);
    assert!(too_large.len() > limits::RECORD);
    assert_eq!(refused(&too_large), RecordError::TooLarge);
    assert_eq!(refused(&[0xc0; 301]), RecordError::TooLarge);
}

#[test]
fn a_changed_record_is_no_longer_signed() {
    for bit in 0..PUBLISHED.len() * 8 {
        let mut changed = PUBLISHED;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(Record::decode(&changed).is_err(), "bit {bit}");
    }
}

#[test]
fn a_record_signed_by_another_is_refused() {
    let record = RecordBuilder::new(1).udp(1).sign(&key(1)).unwrap();
    let stolen = UnverifiedRecord::decode(record.as_rlp()).unwrap();
    let content = &record.as_rlp()[2 + 66..];
    let forged = Raw::assemble(&raw::sign(&key(2), content), content).unwrap();
    assert_eq!(Record::verify(forged), Err(RecordError::Signature));
    assert_eq!(stolen.verify(), Ok(record));
}

#[test]
fn a_signature_with_a_high_s_is_refused() {
    let order = hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    let record = Record::decode(&PUBLISHED).unwrap();
    let mut high = PUBLISHED;
    // n less s, byte by byte.
    let mut borrow = 0;
    for at in (0..32).rev() {
        let difference = i16::from(order[at]) - i16::from(PUBLISHED[4 + 32 + at]) - borrow;
        borrow = i16::from(difference < 0);
        high[4 + 32 + at] = difference.rem_euclid(256) as u8;
    }
    assert_eq!(Record::decode(&high), Err(RecordError::Signature));
    assert_eq!(Record::decode(record.as_rlp()), Ok(record));
}

#[test]
fn a_record_needs_the_scheme_v4_and_a_public_key() {
    let signed = |pairs: &[&[u8]]| {
        let content = [&[1][..], &pairs.concat()].concat();
        Record::verify(Raw::assemble(&raw::sign(&key(1), &content), &content).unwrap()).map(drop)
    };
    let id: &[u8] = b"\x82id\x82v4";
    let public: &[u8] = &[&b"\x89secp256k1\xa1"[..], &key(1).public_key().to_compressed()].concat();
    assert_eq!(signed(&[id, public]), Ok(()));
    assert_eq!(signed(&[public]), Err(RecordError::MissingScheme));
    assert_eq!(signed(&[b"\x82id\xc0", public]), Err(RecordError::MissingScheme));
    assert_eq!(signed(&[b"\x82id\x82v5", public]), Err(RecordError::Scheme));
    assert_eq!(signed(&[b"\x82id\x84null", public]), Err(RecordError::Scheme));
    assert_eq!(signed(&[b"\x82id\x80", public]), Err(RecordError::Scheme));
    assert_eq!(signed(&[id]), Err(RecordError::PublicKey));
    assert_eq!(signed(&[id, b"\x89secp256k1\xc0"]), Err(RecordError::PublicKey));
    assert_eq!(signed(&[id, b"\x89secp256k1\xa0", &[2; 32]]), Err(RecordError::PublicKey));
    assert_eq!(signed(&[id, b"\x89secp256k1\xa1", &[4; 33]]), Err(RecordError::PublicKey));
}

#[test]
fn a_known_key_with_a_strange_value_does_not_spoil_the_record() {
    let record = RecordBuilder::new(1)
        .string(b"ip", &[1, 2, 3])
        .rlp(b"ip6", &[0xc0])
        .unwrap()
        .uint(b"tcp", 65_536)
        .string(b"udp", &[0, 1])
        .udp6(7)
        .sign(&key(1))
        .unwrap();
    let entries = record.entries();
    assert_eq!((entries.ip(), entries.ip6()), (None, None));
    assert_eq!((entries.tcp(), entries.udp(), entries.udp6()), (None, None, Some(7)));
    assert_eq!(record.endpoint(), Endpoint::default());
    assert_eq!(record.get(b"ip"), Some(&[0x83, 1, 2, 3][..]));
    assert_eq!(record.get(b"tcp6"), None);
}

#[test]
fn unknown_keys_are_kept_as_they_are() {
    let eth = hex!("c7c684fc64ec0480");
    let record = RecordBuilder::new(1)
        .rlp(b"eth", &eth)
        .unwrap()
        .string(b"\xff\x00", b"not text")
        .sign(&key(1))
        .unwrap();
    let next = RecordBuilder::from_record(&record).tcp(1).sign(&key(1)).unwrap();
    for record in [&record, &next, &Record::decode(next.as_rlp()).unwrap()] {
        assert_eq!(record.get(b"eth"), Some(&eth[..]));
        assert_eq!(record.get(b"\xff\x00"), Some(&b"\x88not text"[..]));
        assert_eq!(record.get(b"et"), None);
    }
}

#[test]
fn setting_replaces_and_removing_removes() {
    // geth, TestGetSetOverwrite, TestSortedGetAndSet
    let record = RecordBuilder::new(0)
        .uint(b"a", 1)
        .uint(b"c", 2)
        .uint(b"b", 3)
        .uint(b"d", 4)
        .uint(b"a", 5)
        .uint(b"bb", 6)
        .remove(b"d")
        .sign(&key(1))
        .unwrap();
    let pairs: Vec<_> = record.entries().iter().map(|entry| (entry.key, entry.value[0])).collect();
    let expected =
        [(&b"a"[..], 5), (b"b", 3), (b"bb", 6), (b"c", 2), (b"id", 0x82), (b"secp256k1", 0xa1)];
    assert_eq!(pairs, expected);
}

#[test]
fn a_value_is_exactly_one_item() {
    let set = |value: &[u8]| RecordBuilder::new(1).rlp(b"x", value).map(drop);
    assert_eq!(set(&[0xc1, 0x80]), Ok(()));
    assert_eq!(set(&[]), Err(RecordError::Rlp(DecodeError::Truncated)));
    assert_eq!(set(&[0x82, 0]), Err(RecordError::Rlp(DecodeError::Truncated)));
    assert_eq!(set(&[0x81, 5]), Err(RecordError::Rlp(DecodeError::NonCanonical)));
    assert_eq!(set(&[5, 5]), Err(RecordError::TrailingBytes));
}

#[test]
fn the_sequence_number_grows_with_each_record_made_from_another() {
    // geth, TestSeq
    let first = RecordBuilder::new(0).udp(1).sign(&key(1)).unwrap();
    assert_eq!(first.sequence(), 0);
    let second = RecordBuilder::from_record(&first).udp(2).sign(&key(1)).unwrap();
    assert_eq!(second.sequence(), 1);
    let set = RecordBuilder::from_record(&second).sequence(u64::MAX).sign(&key(1)).unwrap();
    assert_eq!(set.sequence(), u64::MAX);
    assert_eq!(Record::decode(set.as_rlp()).unwrap().sequence(), u64::MAX);
    assert_eq!(
        RecordBuilder::from_record(&set).udp(3).sign(&key(1)),
        Err(RecordError::SequenceExhausted)
    );
}

#[test]
fn an_unsigned_record_is_what_geth_keeps_and_never_passes_for_a_signed_one() {
    // geth, `NewV4(key, 127.0.0.1, 30303, 30301)`
    let kept = hex!(
        "f8448080826970847f00000189736563703235366b31a103ca634cae0d49acb401d8a4c6b6fe8c55b7"
        "0d115bf400769cc1400f3258cd31388374637082765f8375647082765d"
    );
    let public = published_key().public_key();
    let record = RecordBuilder::new(0)
        .ip([127, 0, 0, 1].into())
        .tcp(30303)
        .udp(30301)
        .unsigned(&public)
        .unwrap();
    assert_eq!(record.as_rlp(), kept);
    assert_eq!(record.signature(), b"");
    assert_eq!(record.entries().public_key(), Some(public));
    assert_eq!(record.entries().endpoint().udp, 30301);
    assert_eq!(record.verify(), Err(RecordError::MissingScheme));
    assert_eq!(UnverifiedRecord::decode(record.as_rlp()), Ok(record));
}

#[test]
fn a_record_is_small() {
    assert!(size_of::<Record>() <= 128, "{}", size_of::<Record>());
}

#[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
#[test]
fn a_stand_in_key_signs_records_too() {
    let key = SecretKey::insecure_stand_in(&[1; 32]);
    let record = RecordBuilder::new(1).udp(30303).sign(&key).unwrap();
    assert_eq!(record.public_key(), &key.public_key());
    assert_eq!(Record::decode(record.as_rlp()), Ok(record.clone()));
    let mut forged = record.as_rlp().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(Record::decode(&forged), Err(RecordError::Signature));
}
