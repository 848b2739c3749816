//! Endpoint proofs of an earlier run.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::ControlFlow;

use super::key_value::scan;
use super::keys::{self, Field, Key};
use super::values::{decode_count, decode_time};
use super::{KeyValue, Skipped, StoredBond};
use crate::identity::NodeId;
use crate::limits;
use crate::time::UnixTime;

/// The youngest [`limits::BONDS`] that still hold, the youngest first.
pub(super) fn bonds<K: KeyValue>(
    store: &mut K,
    skipped: &mut Skipped,
    now: UnixTime,
) -> Result<Vec<StoredBond>, K::Error> {
    let mut youngest = Youngest::default();
    let mut current: Option<StoredBond> = None;
    scan(store, keys::NODES, |key, value| {
        if !key.starts_with(keys::NODES) {
            return ControlFlow::Break(());
        }
        let Some(Key::Item(id, ip, field)) = Key::decode(key) else {
            return ControlFlow::Continue(());
        };
        // The fields of one node at one address stand side by side.
        if current.is_none_or(|bond| (bond.id, bond.ip) != (id, ip)) {
            let none = StoredBond { id, ip, last_ping: None, last_pong: None, find_failures: 0 };
            if let Some(done) = current.replace(none) {
                youngest.offer(done, now);
            }
        }
        if let Some(bond) = &mut current {
            read(bond, skipped, field, value);
        }
        ControlFlow::Continue(())
    })?;
    if let Some(done) = current {
        youngest.offer(done, now);
    }
    Ok(youngest.0.into_values().rev().collect())
}

fn read(bond: &mut StoredBond, skipped: &mut Skipped, field: Field, value: &[u8]) {
    match field {
        Field::LastPing => bond.last_ping = skipped.number(decode_time(value)),
        Field::LastPong => bond.last_pong = skipped.number(decode_time(value)),
        Field::FindFailures => {
            bond.find_failures = skipped.number(decode_count(value)).unwrap_or(0);
        }
    }
}

#[derive(Default)]
struct Youngest(BTreeMap<(UnixTime, NodeId, IpAddr), StoredBond>);

impl Youngest {
    /// What lies in the future proves nothing: the clock was wrong, then or now.
    fn offer(&mut self, bond: StoredBond, now: UnixTime) {
        let holds = |at: &UnixTime| *at <= now && at.saturating_add(limits::BOND_LIFE) > now;
        let heard = bond.last_pong.filter(holds).max(bond.last_ping.filter(holds));
        let Some(heard) = heard else { return };
        self.0.insert((heard, bond.id, bond.ip), bond);
        if self.0.len() > limits::BONDS {
            self.0.pop_first();
        }
    }
}
