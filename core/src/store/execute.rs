//! What the operations mean, over any ordered map from bytes to bytes.

use alloc::vec::Vec;

use super::key_value::value;
use super::keys::{Field, Key};
use super::values::{decode_unsigned, encode_contact, encode_signed, encode_unsigned};
use super::{Change, KeyValue, Operation, Reply, Skipped, bonds, expire, seeds};
use crate::identity::Contact;
use crate::time::UnixTime;

/// Does what an operation asks. The reply, unless it is an operation that only
/// writes: its reply is [`Reply::Written`] once what was written is durable.
///
/// Takes memory for what it returns and for a portion of a sweep, however large
/// the store is.
pub fn execute<K: KeyValue>(
    store: &mut K,
    skipped: &mut Skipped,
    operation: &Operation,
    now: UnixTime,
) -> Result<Option<Reply>, K::Error> {
    match operation {
        Operation::Open { local } => {
            let sequence = sequence(store, skipped, &Key::LocalSequence(*local))?;
            let bonds = bonds::bonds(store, skipped, now)?;
            let sequence = Some(sequence).filter(|sequence| *sequence != 0);
            return Ok(Some(Reply::Opened { sequence, bonds }));
        }
        Operation::Seeds { count, max_age, draw } => {
            let drawn = seeds::Draw::new(now, *max_age, skipped).run(store, *count, *draw)?;
            return Ok(Some(Reply::Seeds(drawn)));
        }
        Operation::PutSequence { local, sequence } => {
            let key = Key::LocalSequence(*local).encode();
            store.write(&[(key, Some(encode_unsigned(*sequence)))])?;
        }
        Operation::PutContact(contact) => put_contact(store, skipped, contact)?,
        Operation::PutTimes { id, ip, last_ping, last_pong, find_failures } => {
            let fields = [
                (Field::LastPing, last_ping.map(seconds)),
                (Field::LastPong, last_pong.map(seconds)),
                (Field::FindFailures, find_failures.map(i64::from)),
            ];
            let change = |(field, number): (Field, Option<i64>)| {
                Some((Key::Item(*id, *ip, field).encode(), Some(encode_signed(number?))))
            };
            store.write(&fields.into_iter().filter_map(change).collect::<Vec<Change>>())?;
        }
        Operation::Expire => expire::expire(store, skipped, now)?,
    }
    Ok(None)
}

fn put_contact<K: KeyValue>(
    store: &mut K,
    skipped: &mut Skipped,
    contact: &Contact,
) -> Result<(), K::Error> {
    let key = Key::Sequence(*contact.id());
    if contact.sequence() < sequence(store, skipped, &key)? {
        return Ok(());
    }
    // A key, an address and two ports are far from the limit of a record.
    let Ok(record) = encode_contact(contact) else { return Ok(()) };
    store.write(&[
        (Key::Record(*contact.id()).encode(), Some(record)),
        (key.encode(), Some(encode_unsigned(contact.sequence()))),
    ])
}

/// 0 if it is not there, or is no number: as geth.
fn sequence<K: KeyValue>(store: &mut K, skipped: &mut Skipped, key: &Key) -> Result<u64, K::Error> {
    let value = value(store, &key.encode())?;
    Ok(value.and_then(|value| skipped.number(decode_unsigned(&value))).unwrap_or(0))
}

/// As it is stored.
pub(super) fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}
