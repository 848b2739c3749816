use proptest::prelude::*;

use super::*;

/// One RLP item of a few bytes.
fn values() -> impl Strategy<Value = Vec<u8>> {
    let string = prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| {
        let mut item = Vec::new();
        rlp::put_string(&bytes, &mut item);
        item
    });
    let list = prop::collection::vec(string.clone(), 0..4).prop_map(|items| {
        let mut item = Vec::new();
        rlp::put_list(&items.concat(), &mut item);
        item
    });
    prop_oneof![3 => string, 1 => list]
}

fn keys() -> impl Strategy<Value = Vec<u8>> {
    let known = ["ip", "ip6", "tcp", "udp", "tcp6", "udp6", "quic", "eth", "id"];
    prop_oneof![
        prop::sample::select(known.map(|key| key.as_bytes().to_vec()).to_vec()),
        prop::collection::vec(any::<u8>(), 0..8),
    ]
}

proptest! {
    #[test]
    fn what_is_signed_is_read_back(
        sequence: u64,
        number in 1_u8..=254,
        pairs in prop::collection::btree_map(keys(), values(), 0..8),
    ) {
        let mut builder = RecordBuilder::new(sequence);
        for (key, value) in &pairs {
            builder = builder.rlp(key, value).unwrap();
        }
        let size: usize = pairs.iter().map(|(key, value)| key.len() + 2 + value.len()).sum();
        let record = match builder.sign(&key(number)) {
            Ok(record) => record,
            Err(error) => {
                prop_assert_eq!(error, RecordError::TooLarge);
                prop_assert!(size > 150);
                return Ok(());
            }
        };
        prop_assert_eq!(Record::decode(record.as_rlp()), Ok(record.clone()));
        prop_assert_eq!(record.to_string().parse(), Ok(record.clone()));
        prop_assert_eq!(record.sequence(), sequence);
        prop_assert_eq!(record.public_key(), &key(number).public_key());
        for (key, value) in pairs.iter().filter(|(key, _)| *key != b"id" && *key != b"secp256k1") {
            prop_assert_eq!(record.get(key), Some(&value[..]));
        }
    }

    #[test]
    fn whatever_is_read_prints_and_encodes_as_it_was(
        bytes in prop::collection::vec(any::<u8>(), 0..40),
        items in prop::collection::vec(values(), 0..8),
    ) {
        for rlp in [bytes, list(&items.iter().map(Vec::as_slice).collect::<Vec<_>>())] {
            let Ok(record) = UnverifiedRecord::decode(&rlp) else { continue };
            prop_assert_eq!(record.as_rlp(), &rlp);
            prop_assert_eq!(record.to_string().parse(), Ok(record.clone()));
            let mut again = vec![];
            rlp::put_string(record.signature(), &mut again);
            rlp::put_uint(record.sequence(), &mut again);
            for entry in record.entries() {
                rlp::put_string(entry.key, &mut again);
                again.extend_from_slice(entry.value);
                prop_assert_eq!(record.entries().get(entry.key), Some(entry.value));
            }
            prop_assert_eq!(list(&[&again]), rlp);
        }
    }
}
