//! What lies on a disk: any entries, under every operation that a store is given.
//! Keys and values read as they were written; what is answered stands there, and
//! is good; what a node's own operations wrote is found again.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use devp2p_core::identity::{Contact, NodeId, RecordBuilder};
use devp2p_core::limits;
use devp2p_core::store::{
    Change, Entry, Field, Key, KeyValue, Operation, Reply, Skipped, StoredBond, StoredRecord,
    decode_signed, decode_time, decode_unsigned, encode_contact, encode_signed, encode_unsigned,
    execute,
};
use devp2p_core::time::UnixTime;

use crate::keys;
use crate::rlp;
use crate::tape::Tape;

/// What an entry of an input is, by its first byte.
pub mod entry {
    /// A good key, then a value.
    pub const GOOD_KEY: u8 = 0;
    /// A good key with some bytes changed, or cut; a value.
    pub const CHANGED_KEY: u8 = 1;
    /// Any bytes, twice.
    pub const ANY: u8 = 2;
    /// How many kinds there are.
    pub const COUNT: u8 = 3;
}

/// Entries of a store, at most: then there are more than a portion of a sweep.
const ENTRIES: u16 = 300;

/// Runs one input: entries, then operations.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut disk = Disk::default();
    for _ in 0..tape.word() % ENTRIES {
        if tape.is_empty() {
            break;
        }
        let (key, value) = an_entry(&mut tape);
        check_key(&key);
        check_value(&value);
        disk.entries.insert(key, value);
    }
    let mut now = UnixTime::from_secs(1_800_000_000);
    let mut skipped = Skipped::NONE;
    for _ in 0..16 {
        if tape.is_empty() {
            break;
        }
        if tape.choice(8) == 0 {
            now = UnixTime::from_micros(tape.number());
        }
        operate(&mut disk, &mut skipped, &an_operation(&mut tape, now), now);
    }
    // Whatever there is, these are executed at every start.
    let local = NodeId::from(&keys::public(keys::OURS));
    for operation in [
        Operation::Open { local },
        Operation::Expire,
        Operation::Seeds { count: limits::SEEDS, max_age: limits::SEED_MAX_AGE, draw: [7; 32] },
    ] {
        operate(&mut disk, &mut skipped, &operation, now);
    }
}

/// An ordered map that counts how often it is looked at.
#[derive(Default)]
struct Disk {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    seeks: usize,
}

impl KeyValue for Disk {
    type Error = Infallible;

    fn seek(&mut self, from: &[u8]) -> Result<Option<Entry>, Infallible> {
        self.seeks += 1;
        let next = self.entries.range(from.to_vec()..).next();
        Ok(next.map(|(key, value)| (key.clone(), value.clone())))
    }

    fn write(&mut self, changes: &[Change]) -> Result<(), Infallible> {
        for (key, value) in changes {
            assert!(Key::decode(key).is_some() || value.is_none(), "not a key of geth's");
            match value {
                Some(value) => self.entries.insert(key.clone(), value.clone()),
                None => self.entries.remove(key),
            };
        }
        Ok(())
    }
}

fn node(tape: &mut Tape<'_>) -> (u8, NodeId) {
    let number = 1 + tape.choice(8);
    (number, NodeId::from(&keys::public(number)))
}

/// Mostly of one of a few nodes that have keys, at one of a few addresses.
fn a_key(tape: &mut Tape<'_>) -> (Key, u8) {
    let (number, id) = node(tape);
    let id = if tape.choice(8) == 7 { NodeId::new([tape.byte(); 32]) } else { id };
    let field = [Field::FindFailures, Field::LastPing, Field::LastPong];
    let key = match tape.choice(8) {
        0 => Key::Version,
        1 => Key::LocalSequence(id),
        2 | 3 => Key::Record(id),
        4 => Key::Sequence(id),
        5 | 6 => Key::Item(id, address(tape), field[usize::from(tape.choice(3))]),
        _ => Key::FindFailuresV5(id, address(tape)),
    };
    (key, number)
}

fn address(tape: &mut Tape<'_>) -> IpAddr {
    match tape.choice(4) {
        0 => IpAddr::from([33, 0, 0, tape.byte()]),
        1 => IpAddr::from(tape.array::<4>()),
        2 => IpAddr::from(tape.array::<16>()),
        _ => IpAddr::from([0_u16; 8]),
    }
}

fn an_entry(tape: &mut Tape<'_>) -> (Vec<u8>, Vec<u8>) {
    match tape.choice(entry::COUNT) {
        entry::GOOD_KEY => {
            let (key, number) = a_key(tape);
            let value = a_value(tape, number);
            (key.encode(), value)
        }
        entry::CHANGED_KEY => {
            let (key, number) = a_key(tape);
            let mut key = key.encode();
            let at = usize::from(tape.byte()) % key.len();
            match tape.byte() {
                0 => key.truncate(at),
                flip => key[at] ^= flip,
            }
            if tape.yes() {
                key.extend_from_slice(tape.bytes());
            }
            (key, a_value(tape, number))
        }
        _ => (tape.bytes().to_vec(), tape.bytes().to_vec()),
    }
}

/// A number, a record of that node's or of another's, one that is nearly right,
/// or any bytes.
fn a_value(tape: &mut Tape<'_>, number: u8) -> Vec<u8> {
    match tape.choice(8) {
        0 => encode_signed(1_800_000_000 - i64::from(tape.word()) * 16),
        1 => encode_unsigned(tape.number()),
        2 => encode_signed(tape.number().cast_signed()),
        3 => encode_contact(&contact(tape, number)).expect("room for an address"),
        4 => encode_contact(&contact(tape, number % 8 + 1)).expect("room for an address"),
        5 => {
            let mut record = encode_contact(&contact(tape, number)).expect("room");
            let length = record.len();
            record[usize::from(tape.byte()) % length] ^= tape.byte();
            record
        }
        6 => {
            let count = tape.choice(8);
            rlp::list(&(0..count).map(|_| rlp::item(tape)).collect::<Vec<_>>())
        }
        _ => tape.bytes().to_vec(),
    }
}

fn contact(tape: &mut Tape<'_>, number: u8) -> Contact {
    // Without an address the ports would not be kept, and mean nothing.
    let ip = match address(tape) {
        ip if ip.to_canonical().is_multicast() => IpAddr::from([33, 0, 0, 1]),
        ip => ip,
    };
    let udp = tape.word();
    if tape.yes() {
        return Contact::new(keys::public(number), ip, udp, 30303);
    }
    let record = RecordBuilder::new(tape.number()).ip(ip).udp(udp);
    let record = record.sign(&keys::secret(number)).expect("room for an address");
    Contact::from_record(Arc::new(record))
}

fn an_operation(tape: &mut Tape<'_>, now: UnixTime) -> Operation {
    let (number, id) = node(tape);
    let time = |tape: &mut Tape<'_>| match tape.choice(4) {
        0 => None,
        1 => Some(UnixTime::from_micros(tape.number())),
        _ => Some(UnixTime::from_secs(now.as_secs().saturating_sub(tape.number()))),
    };
    match tape.choice(6) {
        0 => Operation::Open { local: id },
        1 => Operation::Seeds {
            count: usize::from(tape.byte()),
            max_age: Duration::from_secs(tape.number()),
            draw: [tape.byte(); 32],
        },
        2 => Operation::PutSequence { local: id, sequence: tape.number() },
        3 => Operation::PutContact(contact(tape, number)),
        4 => Operation::PutTimes {
            id,
            ip: address(tape),
            last_ping: time(tape),
            last_pong: time(tape),
            find_failures: tape.yes().then(|| u32::from(tape.word()) << 8),
        },
        _ => Operation::Expire,
    }
}

fn check_key(bytes: &[u8]) {
    let Some(key) = Key::decode(bytes) else { return };
    assert_eq!(key.encode(), bytes, "{key:?}");
    assert_eq!(Key::decode(&key.encode()), Some(key));
}

fn check_value(bytes: &[u8]) {
    // Go's varint: what comes out goes in the same, up to zeros at its end.
    if let Ok(number) = decode_unsigned(bytes) {
        let shortest = encode_unsigned(number);
        assert!(shortest.len() <= bytes.len() && shortest.len() <= 10);
        assert_eq!(decode_unsigned(&shortest), Ok(number));
        let signed = decode_signed(bytes).expect("as many bits");
        assert_eq!(encode_signed(signed), shortest);
        assert_eq!(decode_time(bytes).is_ok(), signed >= 0);
    } else {
        assert!(decode_signed(bytes).is_err() && decode_time(bytes).is_err());
    }
    let Ok(record) = StoredRecord::decode(bytes) else { return };
    assert_eq!(record.record().as_rlp(), bytes);
    for number in 1..=9 {
        let id = NodeId::from(&keys::public(number));
        let Ok(contact) = record.contact(&id) else { continue };
        assert_eq!(contact.id(), &id);
        assert_eq!(contact.record().is_none(), record.is_unsigned());
        let again = encode_contact(&contact).expect("it was one");
        let again = StoredRecord::decode(&again).expect("it was one").contact(&id);
        assert_eq!(again.as_ref(), Ok(&contact));
    }
}

/// Does it, within bounds, and checks the answer against what stands there.
fn operate(disk: &mut Disk, skipped: &mut Skipped, operation: &Operation, now: UnixTime) {
    let before = disk.entries.clone();
    disk.seeks = 0;
    let Ok(reply) = execute(disk, skipped, operation, now);
    let seeks = disk.seeks;
    let unchanged = || assert_eq!(disk.entries, before, "{operation:?} writes nothing");
    match (operation, reply) {
        (Operation::Open { local }, Some(Reply::Opened { sequence, bonds })) => {
            unchanged();
            assert!(seeks <= 2 * before.len() + 4, "{seeks} looks at {}", before.len());
            let stored = number(&before, &Key::LocalSequence(*local), decode_unsigned);
            assert_eq!(sequence, stored.filter(|sequence| *sequence != 0));
            check_bonds(&before, &bonds, now);
        }
        (Operation::Seeds { count, max_age, .. }, Some(Reply::Seeds(seeds))) => {
            unchanged();
            let each = limits::ENTRIES_FOR_SEED + 2;
            assert!(seeks <= limits::SEEDS * limits::SEEKS_FOR_SEED * each, "{seeks} looks");
            assert!(seeds.len() <= (*count).min(limits::SEEDS));
            check_seeds(&before, &seeds, now, *max_age);
        }
        (Operation::PutSequence { local, sequence }, None) => {
            let stored = number(&disk.entries, &Key::LocalSequence(*local), decode_unsigned);
            assert_eq!(stored, Some(*sequence));
            only(&before, &disk.entries, |key| key == Key::LocalSequence(*local));
        }
        (Operation::PutContact(contact), None) => check_contact(&before, &disk.entries, contact),
        (Operation::PutTimes { id, ip, last_ping, last_pong, find_failures }, None) => {
            let item = |field| Key::Item(*id, ip.to_canonical(), field);
            let find_failures = find_failures.map(i64::from);
            let seconds = |at: &Option<UnixTime>| at.map(|at| at.as_secs().cast_signed());
            for (field, put) in [
                (Field::LastPing, seconds(last_ping)),
                (Field::LastPong, seconds(last_pong)),
                (Field::FindFailures, find_failures),
            ] {
                let key = item(field);
                let then = number(&before, &key, decode_signed);
                assert_eq!(number(&disk.entries, &key, decode_signed), put.or(then));
            }
            only(
                &before,
                &disk.entries,
                |key| matches!(key, Key::Item(a, b, _) if (a, b) == (*id, ip.to_canonical())),
            );
        }
        (Operation::Expire, None) => {
            assert!(seeks <= 8 * before.len() + 8, "{seeks} looks at {}", before.len());
            check_expired(&before, &disk.entries, now);
            let swept = disk.entries.clone();
            let Ok(_) = execute(disk, skipped, operation, now);
            assert_eq!(disk.entries, swept, "a second sweep finds nothing");
        }
        (operation, reply) => panic!("{reply:?} to {operation:?}"),
    }
}

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

fn number<T, E>(
    entries: &Entries,
    key: &Key,
    decode: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Option<T> {
    decode(entries.get(&key.encode())?).ok()
}

/// What is there afterwards and was not, or the other way round, is of some keys.
fn only(before: &Entries, after: &Entries, may_change: impl Fn(Key) -> bool) {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for key in keys {
        if before.get(key) != after.get(key) {
            assert!(Key::decode(key).is_some_and(&may_change), "{key:?} has changed");
        }
    }
}

/// Each is there, still holds, and no younger one was left out; in order.
fn check_bonds(entries: &Entries, bonds: &[StoredBond], now: UnixTime) {
    let life = limits::BOND_LIFE;
    let mut expected = BTreeSet::new();
    for key in entries.keys() {
        let Some(Key::Item(id, ip, _)) = Key::decode(key) else { continue };
        let heard = |field| {
            let at = number(entries, &Key::Item(id, ip, field), decode_time)?;
            (at <= now && at.saturating_add(life) > now).then_some(at)
        };
        if let Some(at) = heard(Field::LastPing).max(heard(Field::LastPong)) {
            expected.insert((at, id, ip));
        }
    }
    let found: Vec<_> = bonds.iter().map(|bond| (bond.id, bond.ip)).collect();
    let expected = expected.into_iter().rev().map(|(_, id, ip)| (id, ip));
    assert_eq!(found, expected.take(limits::BONDS).collect::<Vec<_>>());
    for bond in bonds {
        let item = |field| Key::Item(bond.id, bond.ip, field);
        assert_eq!(bond.last_ping, number(entries, &item(Field::LastPing), decode_time));
        assert_eq!(bond.last_pong, number(entries, &item(Field::LastPong), decode_time));
        let failures = number(entries, &item(Field::FindFailures), decode_signed);
        let failures = failures.and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
        assert_eq!(bond.find_failures, failures);
    }
}

/// Each is there, was alive not long ago, and comes once.
fn check_seeds(entries: &Entries, seeds: &[Contact], now: UnixTime, max_age: Duration) {
    let ids: BTreeSet<_> = seeds.iter().map(|seed| *seed.id()).collect();
    assert_eq!(ids.len(), seeds.len(), "a seed comes twice");
    for seed in seeds {
        let record = &entries[&Key::Record(*seed.id()).encode()];
        let stored = StoredRecord::decode(record).and_then(|record| record.contact(seed.id()));
        assert_eq!(stored.as_ref(), Ok(seed));
        let ip = seed.ip().expect("an address");
        let pong = number(entries, &Key::Item(*seed.id(), ip, Field::LastPong), decode_time);
        assert!(pong.expect("a pong").saturating_add(max_age) >= now, "too long ago");
    }
}

/// It is there now, unless a newer one was.
fn check_contact(before: &Entries, after: &Entries, contact: &Contact) {
    let id = *contact.id();
    let sequence = Key::Sequence(id);
    let newer = number(before, &sequence, decode_unsigned).unwrap_or(0) > contact.sequence();
    if newer {
        assert_eq!(before, after);
        return;
    }
    assert_eq!(number(after, &sequence, decode_unsigned), Some(contact.sequence()));
    let stored = StoredRecord::decode(&after[&Key::Record(id).encode()]).expect("a record");
    assert_eq!(stored.contact(&id).as_ref(), Ok(contact));
    only(before, after, |key| key == sequence || key == Key::Record(id));
}

/// What is gone is a node's that was not heard of for a day; what was heard of
/// since is all there; of a node with only old pongs no record is left.
fn check_expired(before: &Entries, after: &Entries, now: UnixTime) {
    let threshold = now.as_secs().cast_signed() - limits::STORED_LIFE.as_secs().cast_signed();
    let mut pongs = BTreeMap::<NodeId, Vec<i64>>::new();
    for (key, value) in before {
        if let Some(Key::Item(id, _, Field::LastPong)) = Key::decode(key) {
            pongs.entry(id).or_default().push(decode_signed(value).unwrap_or(0));
        }
    }
    let youngest = |id: &NodeId| pongs.get(id).and_then(|pongs| pongs.iter().max()).copied();
    let is_forgotten = |id: &NodeId| youngest(id).is_some_and(|at| at > 0 && at < threshold);
    let holds = |id: NodeId, ip: IpAddr| {
        let pong = before.get(&Key::Item(id, ip, Field::LastPong).encode());
        let pong = pong.map(|value| decode_signed(value).unwrap_or(0));
        !is_forgotten(&id) && pong.is_none_or(|at| at >= threshold)
    };
    for (key, value) in before {
        let stays = match Key::decode(key) {
            Some(Key::Record(id)) => !is_forgotten(&id),
            // As in geth it stands with what is known of the address of zeros.
            Some(Key::Sequence(id)) => holds(id, IpAddr::from([0_u16; 8])),
            Some(Key::Item(id, ip, _)) => holds(id, ip),
            Some(Key::Version | Key::LocalSequence(_) | Key::FindFailuresV5(..)) => true,
            // What is no key is nobody's, unless it begins as a node's does.
            None | Some(_) => continue,
        };
        assert_eq!(after.get(key), Some(value).filter(|_| stays), "{:?}", Key::decode(key));
    }
    assert!(after.iter().all(|(key, value)| before.get(key) == Some(value)));
}
