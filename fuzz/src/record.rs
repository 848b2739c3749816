//! Node records, as bytes and as text: what is taken is what a second reader
//! takes, comes out as it went in, and is true only behind its key's signature.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use devp2p_core::crypto::SecretKey;
use devp2p_core::identity::{
    Contact, Entries, NodeId, Record, RecordBuilder, RecordError, UnverifiedRecord,
};
use devp2p_core::limits;
use sha3::{Digest as _, Keccak256};

use crate::keys;
use crate::rlp;
use crate::tape::Tape;

/// Runs one input: bytes, a text, or how to make a record that is nearly right.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    match tape.choice(4) {
        0 => check(tape.rest()),
        1 => {
            if let Ok(text) = std::str::from_utf8(tape.rest()) {
                check_text(text);
                check_text(&format!("enr:{text}"));
            }
        }
        2 => made(&mut tape),
        _ => built(&mut tape),
    }
}

/// Any bytes.
fn check(bytes: &[u8]) {
    let unverified = UnverifiedRecord::decode(bytes);
    let expected = read(bytes);
    assert_eq!(unverified.is_ok(), expected.is_some(), "{unverified:?}");
    let record = Record::decode(bytes);
    let (Ok(unverified), Some(expected)) = (unverified, expected) else {
        assert!(record.is_err());
        return;
    };
    assert!(bytes.len() <= limits::RECORD);
    assert_eq!(unverified.as_rlp(), bytes);
    assert_eq!(unverified.sequence(), expected.sequence);
    assert_eq!(unverified.signature(), expected.signature);
    check_entries(&unverified.entries(), &expected.pairs);
    comes_back(&unverified, bytes);
    assert_eq!(unverified.verify(), record);
    if let Ok(record) = record {
        assert_eq!(record.as_rlp(), bytes);
        assert_eq!(record.sequence(), expected.sequence);
        assert_eq!(record.node_id(), NodeId::from(record.public_key()));
        assert_eq!(record.entries(), unverified.entries());
        comes_back(&record, bytes);
        signed_anew(&record);
        let contact = Contact::from_record(Arc::new(record.clone()));
        assert_eq!((contact.id(), contact.sequence()), (&record.node_id(), record.sequence()));
        assert_eq!(contact.ip(), record.endpoint().ip);
    }
}

/// What a second reader, written from EIP-778, finds in a record.
struct Expected<'a> {
    signature: &'a [u8],
    sequence: u64,
    pairs: Vec<(&'a [u8], &'a [u8])>,
}

fn read(bytes: &[u8]) -> Option<Expected<'_>> {
    if bytes.len() > 300 {
        return None;
    }
    let mut rest = bytes;
    let list = rlp::read(&mut rest).filter(|item| item.list && rest.is_empty())?;
    let mut content = list.content;
    let signature = rlp::read(&mut content).filter(|item| !item.list)?.content;
    let (sequence, mut content) = rlp::read_uint(content)?;
    let mut pairs: Vec<(&[u8], &[u8])> = Vec::new();
    while !content.is_empty() {
        let key = rlp::read(&mut content).filter(|item| !item.list)?.content;
        let value = rlp::read(&mut content)?.whole;
        if pairs.last().is_some_and(|(last, _)| *last >= key) {
            return None;
        }
        pairs.push((key, value));
    }
    Some(Expected { signature, sequence, pairs })
}

fn check_entries(entries: &Entries<'_>, expected: &[(&[u8], &[u8])]) {
    let found: Vec<_> = entries.iter().map(|entry| (entry.key, entry.value)).collect();
    assert_eq!(found, expected);
    for (key, value) in expected {
        assert_eq!(entries.get(key), Some(*value));
    }
    assert_eq!(entries.get(b"there is no such key"), None);
    // A value that is not what it should be is none.
    let number = |key: &str| {
        let value = entries.get(key.as_bytes())?;
        let (number, rest) = rlp::read_uint(value)?;
        u16::try_from(number).ok().filter(|_| rest.is_empty())
    };
    assert_eq!(entries.udp(), number("udp"));
    assert_eq!(entries.tcp(), number("tcp"));
    assert_eq!(entries.udp6(), number("udp6"));
    assert_eq!(entries.tcp6(), number("tcp6"));
    assert_eq!(entries.quic(), number("quic"));
    assert_eq!(entries.quic6(), number("quic6"));
    let address = |key: &str| {
        let value = rlp::read(&mut entries.get(key.as_bytes())?)?;
        (!value.list).then(|| value.content.to_vec())
    };
    let v4 = entries.ip().map(|ip| ip.octets().to_vec());
    assert_eq!(v4, address("ip").filter(|ip| ip.len() == 4));
    let v6 = entries.ip6().map(|ip| ip.octets().to_vec());
    assert_eq!(v6, address("ip6").filter(|ip| ip.len() == 16));
    let endpoint = entries.endpoint();
    assert!(entries.endpoints().contains(&endpoint));
    assert!(endpoint.ip.is_none_or(|ip| !ip.is_multicast()));
    let quic = entries.quic_endpoint();
    assert!(quic.is_none_or(|quic| quic.port() != 0 && Some(quic.ip()) == endpoint.ip));
}

/// As text it is what the alphabet of RFC 4648 says, and reads the same.
fn comes_back<R>(record: &R, bytes: &[u8])
where
    R: Display + FromStr<Err = RecordError> + PartialEq + std::fmt::Debug,
{
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut expected = String::from("enr:");
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for at in 0..=three.len() {
            let digit = bits >> (18 - 6 * at) & 63;
            expected.push(char::from(ALPHABET[digit as usize]));
        }
    }
    let text = record.to_string();
    assert_eq!(text, expected);
    assert_eq!(text.parse::<R>().as_ref(), Ok(record));
}

/// Any text: of one record there is one text.
fn check_text(text: &str) {
    let unverified = text.parse::<UnverifiedRecord>();
    match &unverified {
        Ok(record) => {
            assert_eq!(record.to_string(), text);
            check(record.as_rlp());
        }
        Err(RecordError::MissingPrefix) => assert!(!text.starts_with("enr:")),
        Err(_) => {}
    }
    let verified = unverified.and_then(|record| record.verify());
    assert_eq!(text.parse::<Record>(), verified);
}

/// The next record of the same node says the same, signed by whoever signs.
fn signed_anew(record: &Record) {
    let signer = keys::secret(keys::OTHERS);
    match RecordBuilder::from_record(record).sign(&signer) {
        Ok(next) => {
            assert_eq!(next.sequence(), record.sequence() + 1);
            assert_eq!(next.public_key(), &signer.public_key());
            let others = |record: &Record| -> Vec<(Vec<u8>, Vec<u8>)> {
                let pairs = record.entries().into_iter();
                let others = pairs.filter(|pair| pair.key != b"secp256k1");
                others.map(|pair| (pair.key.to_vec(), pair.value.to_vec())).collect()
            };
            assert_eq!(others(&next), others(record));
            assert_eq!(Record::decode(next.as_rlp()).as_ref(), Ok(&next));
        }
        Err(RecordError::SequenceExhausted) => assert_eq!(record.sequence(), u64::MAX),
        Err(RecordError::TooLarge) => assert!(record.as_rlp().len() + 9 > limits::RECORD),
        Err(error) => panic!("{error}"),
    }
}

const KEYS: [&[u8]; 10] =
    [b"eth", b"ip", b"ip6", b"quic", b"quic6", b"snap", b"tcp", b"tcp6", b"udp", b"udp6"];

fn pair(tape: &mut Tape<'_>) -> (Vec<u8>, Vec<u8>) {
    let key = match tape.choice(16) {
        known @ 0..10 => KEYS[usize::from(known)].to_vec(),
        _ => tape.bytes().to_vec(),
    };
    let value = match tape.choice(4) {
        0 => rlp::string(&tape.array::<4>()),
        1 => rlp::string(&tape.array::<16>()),
        2 => rlp::uint(tape.number()),
        _ => rlp::item(tape),
    };
    (key, value)
}

fn is_item(mut value: &[u8]) -> bool {
    rlp::read(&mut value).is_some() && value.is_empty()
}

/// A record written from EIP-778, with something wrong or nothing.
fn made(tape: &mut Tape<'_>) {
    let wrong = tape.byte();
    let key = keys::secret(1 + tape.choice(250));
    let count = tape.choice(10);
    let mut pairs: Vec<_> = (0..count).map(|_| pair(tape)).collect();
    pairs.retain(|(key, _)| wrong == 1 || (key != b"id" && key != b"secp256k1"));
    if wrong != 2 {
        pairs.push((b"id".to_vec(), rlp::string(if wrong == 3 { b"v5" } else { b"v4" })));
    }
    if wrong != 4 {
        let public_key = if wrong == 5 { keys::public(keys::OURS) } else { key.public_key() };
        pairs.push((b"secp256k1".to_vec(), rlp::string(&public_key.to_compressed())));
    }
    if wrong != 6 {
        pairs.sort();
        pairs.dedup_by(|(later, _), (earlier, _)| later == earlier);
    }
    let sound = pairs.iter().all(|(_, value)| is_item(value));
    let mut items = vec![rlp::uint(tape.number())];
    items.extend(pairs.iter().flat_map(|(key, value)| [rlp::string(key), value.clone()]));
    if wrong == 7 {
        items.pop();
    }
    let bytes = put_together(wrong, &key, items, tape);
    check(&bytes);
    let record = Record::decode(&bytes);
    if wrong > 10 && sound && read(&bytes).is_some() {
        let record = record.expect("nothing is wrong with it");
        assert_eq!(record.public_key(), &key.public_key());
        changed(&record, tape);
    } else if wrong == 8 || wrong == 9 {
        assert!(record.is_err(), "its signature is none");
    }
}

fn put_together(
    wrong: u8,
    key: &SecretKey,
    mut items: Vec<Vec<u8>>,
    tape: &mut Tape<'_>,
) -> Vec<u8> {
    let digest = Keccak256::digest(rlp::list(&items)).into();
    let mut signature = key.sign(&digest).as_bytes()[..64].to_vec();
    match wrong {
        8 => signature[usize::from(tape.choice(64))] ^= tape.byte().max(1),
        9 => signature.truncate(usize::from(tape.choice(64))),
        _ => {}
    }
    items.insert(0, rlp::string(&signature));
    let mut bytes = rlp::list(&items);
    if wrong == 10 {
        bytes.extend_from_slice(tape.bytes());
    }
    bytes
}

/// One byte is changed, of the bytes or the text: then it is no record, or says
/// what was not signed.
fn changed(record: &Record, tape: &mut Tape<'_>) {
    let at = usize::from(tape.word());
    let flip = tape.byte().max(1);
    let mut bytes = record.as_rlp().to_vec();
    let length = bytes.len();
    bytes[at % length] ^= flip;
    check(&bytes);
    assert!(Record::decode(&bytes).is_err(), "nobody has signed that");
    let mut text = record.to_string().into_bytes();
    let length = text.len();
    text[at % length] ^= flip;
    if let Ok(text) = String::from_utf8(text) {
        check_text(&text);
        assert!(text.parse::<Record>().is_err(), "nobody has signed that");
    }
}

/// What a builder makes is a record, or there is no room for it.
fn built(tape: &mut Tape<'_>) {
    let sequence = tape.number();
    let mut builder = RecordBuilder::new(sequence);
    let count = tape.choice(12);
    for _ in 0..count {
        let (key, value) = pair(tape);
        let set = builder.clone().rlp(&key, &value);
        assert_eq!(set.is_ok(), is_item(&value), "{set:?}");
        builder = set.unwrap_or(builder);
        if tape.choice(8) == 7 {
            builder = builder.remove(&key);
        }
    }
    let key = keys::secret(keys::THEIRS);
    match builder.clone().sign(&key) {
        Ok(record) => {
            assert_eq!((record.sequence(), record.public_key()), (sequence, &key.public_key()));
            check(record.as_rlp());
            changed(&record, tape);
        }
        Err(error) => assert_eq!(error, RecordError::TooLarge),
    }
    match builder.unsigned(&key.public_key()) {
        Ok(record) => {
            assert!(record.signature().is_empty());
            check(record.as_rlp());
            assert!(record.verify().is_err());
        }
        Err(error) => assert_eq!(error, RecordError::TooLarge),
    }
}
