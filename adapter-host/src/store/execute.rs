//! What operations mean in geth's keys and values.
//!
//! ```text
//!  n:<id>:v4                          record, RLP
//!  n:<id>:v4:<ip, 16 bytes>:lastping  signed varint, Unix seconds; lastpong and findfail likewise
//!  n:<id>:v4:<16 zeros>:seq           unsigned varint
//!  local:<id>:seq                     unsigned varint
//! ```
//!
//! Source: geth `p2p/enode/nodedb.go`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use devp2p_core::identity::{Contact, NodeId, RecordBuilder, UnverifiedRecord};
use devp2p_core::limits;
use devp2p_core::store::{Change, Entry, KeyValue, Operation, Reply, StoredBond};
use devp2p_core::time::UnixTime;

use super::batch::Reader;

/// What comes of an operation.
pub(super) enum Answer {
    /// Something was written, or need not be.
    Written,
    /// What was asked for.
    Reply(Reply),
}

/// Whether an operation is answered by a reply of its own.
pub(super) fn is_read(operation: &Operation) -> bool {
    matches!(operation, Operation::Open { .. } | Operation::Seeds { .. })
}

pub(super) fn execute<K: KeyValue>(
    db: &mut K,
    now: UnixTime,
    operation: &Operation,
) -> Result<Answer, K::Error> {
    match operation {
        Operation::Open { local } => {
            let sequence = find(db, &local_key(local))?.and_then(|value| unsigned(&value));
            let bonds = bonds(db, now)?;
            return Ok(Answer::Reply(Reply::Opened { sequence, bonds }));
        }
        Operation::Seeds { count, max_age, draw } => {
            let oldest = now.as_secs().saturating_sub(max_age.as_secs());
            return Ok(Answer::Reply(Reply::Seeds(seeds(db, *count, oldest, draw)?)));
        }
        Operation::PutSequence { local, sequence } => {
            db.write(&[(local_key(local), Some(varint(*sequence)))])?;
        }
        Operation::PutContact(contact) => put_contact(db, contact)?,
        Operation::PutTimes { id, ip, last_ping, last_pong, find_failures } => {
            let seconds = |time: &UnixTime| time.as_secs();
            let values = [
                ("lastping", last_ping.as_ref().map(seconds)),
                ("lastpong", last_pong.as_ref().map(seconds)),
                ("findfail", find_failures.map(u64::from)),
            ];
            let changes: Vec<Change> = values
                .into_iter()
                .filter_map(|(field, value)| {
                    Some((field_key(id, *ip, field), Some(signed(value?))))
                })
                .collect();
            db.write(&changes)?;
        }
        Operation::Expire => expire(db, now)?,
        // Those that this version does not know ask for nothing to be kept.
        _ => {}
    }
    Ok(Answer::Written)
}

fn put_contact<K: KeyValue>(db: &mut K, contact: &Contact) -> Result<(), K::Error> {
    let sequence = contact.sequence();
    let sequence_key = field_key(contact.id(), Ipv6Addr::UNSPECIFIED.into(), "seq");
    let stored = find(db, &sequence_key)?.and_then(|value| unsigned(&value));
    let record = match contact.record() {
        Some(record) => Some(record.as_rlp().to_vec()),
        None => unsigned_record(contact),
    };
    match record {
        Some(record) if stored.is_none_or(|stored| stored <= sequence) => db.write(&[
            (node_key(contact.id()), Some(record)),
            (sequence_key, Some(varint(sequence))),
        ]),
        Some(_) | None => Ok(()),
    }
}

/// As geth keeps a node that never gave a record.
fn unsigned_record(contact: &Contact) -> Option<Vec<u8>> {
    let mut builder = RecordBuilder::new(0);
    if let Some(ip) = contact.ip() {
        builder = builder.ip(ip);
    }
    if contact.udp() != 0 {
        builder = builder.udp(contact.udp());
    }
    if contact.tcp() != 0 {
        builder = builder.tcp(contact.tcp());
    }
    Some(builder.unsigned(contact.public_key()).ok()?.as_rlp().to_vec())
}

/// A node from its record, if it is the one that the key names.
fn contact(id: &NodeId, record: &[u8]) -> Option<Contact> {
    let record = UnverifiedRecord::decode(record).ok()?;
    let contact = if record.signature().is_empty() {
        let entries = record.entries();
        let endpoint = entries.endpoint();
        Contact::new(entries.public_key()?, endpoint.ip?, endpoint.udp, endpoint.tcp)
    } else {
        Contact::from_record(Arc::new(record.verify().ok()?))
    };
    (contact.id() == id).then_some(contact)
}

/// geth `QuerySeeds`: from random places on, the next record.
fn seeds<K: KeyValue>(
    db: &mut K,
    count: usize,
    oldest: u64,
    draw: &[u8; 32],
) -> Result<Vec<Contact>, K::Error> {
    let mut seeds = BTreeMap::new();
    let mut random = devp2p_core::entropy::Seed::new(*draw).secrets();
    let mut first = 0u8;
    for _ in 0..count.saturating_mul(5) {
        if seeds.len() >= count {
            break;
        }
        let mut id = random.bytes::<32>();
        // So that all of a small database is come across.
        id[0] = first.wrapping_add(id[0] % 16);
        first = id[0];
        let Some((id, record)) = next_record(db, &NodeId::new(id))? else {
            first = 0;
            continue;
        };
        let Some(contact) = contact(&id, &record) else { continue };
        let Some(ip) = contact.ip() else { continue };
        let pong = find(db, &field_key(&id, ip, "lastpong"))?.and_then(|value| zigzag(&value));
        if pong.is_some_and(|pong| pong >= oldest) {
            seeds.insert(id, contact);
        }
    }
    Ok(seeds.into_values().collect())
}

/// The first record of a node whose id is this or a later one.
fn next_record<K: KeyValue>(
    db: &mut K,
    id: &NodeId,
) -> Result<Option<(NodeId, Vec<u8>)>, K::Error> {
    let mut from = node_key(id);
    while let Some((key, value)) = db.seek(&from)? {
        match parts(&key) {
            Some((id, Field::Record)) => return Ok(Some((id, value))),
            // The rest of this node; behind `:v4:` comes `:v4;`.
            Some((id, _)) => {
                from = node_key(&id);
                from.push(b';');
                // A foreign key between the two must not hold us up.
                if from <= key {
                    from = successor(key);
                }
            }
            None if key.starts_with(b"n:") => from = successor(key),
            None => break,
        }
    }
    Ok(None)
}

fn successor(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

/// Hands each field of a node to `visit`.
fn each<K: KeyValue>(
    db: &mut K,
    mut visit: impl FnMut(NodeId, Field, Entry),
) -> Result<(), K::Error> {
    let mut from = b"n:".to_vec();
    while let Some((key, value)) = db.seek(&from)? {
        if !key.starts_with(b"n:") {
            break;
        }
        if let Some((id, field)) = parts(&key) {
            visit(id, field, (key.clone(), value));
        }
        from = successor(key);
    }
    Ok(())
}

fn bonds<K: KeyValue>(db: &mut K, now: UnixTime) -> Result<Vec<StoredBond>, K::Error> {
    let oldest = now.as_secs().saturating_sub(limits::BOND_LIFE.as_secs());
    let mut bonds = BTreeMap::<(NodeId, IpAddr), StoredBond>::new();
    each(db, |id, field, (_, value)| {
        let Field::Time(ip, name) = field else { return };
        let Some(number) = zigzag(&value) else { return };
        let bond = bonds.entry((id, ip)).or_insert(StoredBond {
            id,
            ip,
            last_ping: None,
            last_pong: None,
            find_failures: 0,
        });
        match name {
            Name::Ping => bond.last_ping = Some(UnixTime::from_secs(number)),
            Name::Pong => bond.last_pong = Some(UnixTime::from_secs(number)),
            Name::Failures => bond.find_failures = u32::try_from(number).unwrap_or(u32::MAX),
        }
    })?;
    let mut bonds: Vec<_> = bonds.into_values().collect();
    let newest = |bond: &StoredBond| bond.last_ping.max(bond.last_pong);
    bonds.retain(|bond| newest(bond).is_some_and(|time| time.as_secs() >= oldest));
    bonds.sort_by_key(|bond| core::cmp::Reverse(newest(bond)));
    bonds.truncate(limits::BONDS);
    Ok(bonds)
}

/// geth `expireNodes`.
fn expire<K: KeyValue>(db: &mut K, now: UnixTime) -> Result<(), K::Error> {
    let oldest = now.as_secs().saturating_sub(limits::BOND_LIFE.as_secs());
    // By node: its keys with their address, and its pongs.
    let mut nodes =
        BTreeMap::<NodeId, (Vec<(Vec<u8>, Option<IpAddr>)>, BTreeMap<IpAddr, u64>)>::new();
    each(db, |id, field, (key, value)| {
        let (keys, pongs) = nodes.entry(id).or_default();
        let ip = match field {
            Field::Time(ip, name) => {
                if let (Name::Pong, Some(pong)) = (name, zigzag(&value)) {
                    pongs.insert(ip, pong);
                }
                Some(ip)
            }
            Field::Record | Field::Sequence => None,
        };
        keys.push((key, ip));
    })?;
    for (keys, pongs) in nodes.into_values() {
        let youngest = pongs.values().max().copied().unwrap_or(0);
        let all = youngest > 0 && youngest < oldest;
        let is_old = |ip: &IpAddr| pongs.get(ip).is_some_and(|pong| *pong < oldest);
        let old = keys.into_iter().filter(|(_, ip)| all || ip.as_ref().is_some_and(is_old));
        let changes: Vec<Change> = old.map(|(key, _)| (key, None)).collect();
        db.write(&changes)?;
    }
    Ok(())
}

fn find<K: KeyValue>(db: &mut K, key: &[u8]) -> Result<Option<Vec<u8>>, K::Error> {
    Ok(db.seek(key)?.and_then(|(found, value)| (found == key).then_some(value)))
}

fn local_key(id: &NodeId) -> Vec<u8> {
    [b"local:", id.as_bytes().as_slice(), b":seq"].concat()
}

fn node_key(id: &NodeId) -> Vec<u8> {
    [b"n:", id.as_bytes().as_slice(), b":v4"].concat()
}

fn field_key(id: &NodeId, ip: IpAddr, field: &str) -> Vec<u8> {
    let ip = match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    [&node_key(id), b":".as_slice(), &ip.octets(), b":", field.as_bytes()].concat()
}

enum Field {
    Record,
    Sequence,
    Time(IpAddr, Name),
}

enum Name {
    Ping,
    Pong,
    Failures,
}

/// What a key of a node stands for.
fn parts(key: &[u8]) -> Option<(NodeId, Field)> {
    let (id, rest) = key.strip_prefix(b"n:")?.split_first_chunk::<32>()?;
    let rest = rest.strip_prefix(b":v4")?;
    if rest.is_empty() {
        return Some((NodeId::new(*id), Field::Record));
    }
    let (ip, name) = rest.strip_prefix(b":")?.split_first_chunk::<16>()?;
    let ip = Ipv6Addr::from(*ip).to_canonical();
    let field = match name {
        b":lastping" => Field::Time(ip, Name::Ping),
        b":lastpong" => Field::Time(ip, Name::Pong),
        b":findfail" => Field::Time(ip, Name::Failures),
        b":seq" => Field::Sequence,
        _ => return None,
    };
    Some((NodeId::new(*id), field))
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
    bytes
}

/// A number that is not negative as Go's `PutVarint` has it.
fn signed(value: u64) -> Vec<u8> {
    varint(value.saturating_mul(2) & !1)
}

fn unsigned(bytes: &[u8]) -> Option<u64> {
    Reader(bytes).varint()
}

/// `None` if it is negative.
fn zigzag(bytes: &[u8]) -> Option<u64> {
    unsigned(bytes).filter(|value| value & 1 == 0).map(|value| value / 2)
}
