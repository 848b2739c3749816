//! The sweep: what was not heard of for a day is forgotten. geth `expireNodes`.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use super::execute::seconds;
use super::key_value::{scan, successor};
use super::keys::{self, Field, Key};
use super::values::decode_signed;
use super::{Change, KeyValue, Skipped};
use crate::identity::NodeId;
use crate::limits;
use crate::time::UnixTime;

/// Goes through all nodes, in portions, so that memory does not grow with the
/// store. What fails leaves it half swept, and the next sweep goes on.
pub(super) fn expire<K: KeyValue>(
    store: &mut K,
    skipped: &mut Skipped,
    now: UnixTime,
) -> Result<(), K::Error> {
    let mut sweep = Sweep::new(now);
    let mut from = Some(keys::NODES.to_vec());
    while let Some(start) = from.take() {
        scan(store, &start, |key, value| {
            if !key.starts_with(keys::NODES) {
                return ControlFlow::Break(());
            }
            sweep.meet(skipped, key, value);
            if sweep.expired.len() < limits::EXPIRE_PORTION {
                return ControlFlow::Continue(());
            }
            from = Some(successor(key.to_vec()));
            ControlFlow::Break(())
        })?;
        if from.is_none() {
            sweep.leave_node();
        }
        sweep.of_node = 0;
        for prefix in sweep.expired.drain(..) {
            remove(store, &prefix)?;
        }
    }
    Ok(())
}

struct Sweep {
    /// What was heard of before is forgotten.
    threshold: i64,
    node: Option<NodeId>,
    /// The youngest of its pongs that were met.
    youngest: i64,
    /// Beginnings of keys that are to go.
    expired: Vec<Vec<u8>>,
    /// Where those of the node begin.
    of_node: usize,
}

impl Sweep {
    fn new(now: UnixTime) -> Self {
        let life = i64::try_from(limits::STORED_LIFE.as_secs()).unwrap_or(i64::MAX);
        let threshold = seconds(now).saturating_sub(life);
        Self { threshold, node: None, youngest: 0, expired: Vec::new(), of_node: 0 }
    }

    fn meet(&mut self, skipped: &mut Skipped, key: &[u8], value: &[u8]) {
        let Some(node) = keys::owner(key) else { return };
        if self.node != Some(node) {
            self.leave_node();
            self.node = Some(node);
            self.of_node = self.expired.len();
        }
        if let Some(Key::Item(id, ip, Field::LastPong)) = Key::decode(key) {
            // geth reads what is no number as 0.
            let pong = skipped.number(decode_signed(value)).unwrap_or(0);
            self.youngest = self.youngest.max(pong);
            if pong < self.threshold {
                self.expired.push(keys::address(&id, ip));
            }
        }
    }

    /// All of a node goes if all its pongs do, unless it never sent one; and at
    /// once, since without pongs the rest would stay for good.
    fn leave_node(&mut self) {
        let youngest = core::mem::take(&mut self.youngest);
        if let Some(node) = self.node.take()
            && youngest > 0
            && youngest < self.threshold
        {
            self.expired.truncate(self.of_node);
            self.expired.push(keys::record(&node));
        }
    }
}

/// Removes what begins so.
fn remove<K: KeyValue>(store: &mut K, prefix: &[u8]) -> Result<(), K::Error> {
    loop {
        let mut changes: Vec<Change> = Vec::new();
        scan(store, prefix, |key, _| {
            if !key.starts_with(prefix) || changes.len() >= limits::EXPIRE_PORTION {
                return ControlFlow::Break(());
            }
            changes.push((key.to_vec(), None));
            ControlFlow::Continue(())
        })?;
        store.write(&changes)?;
        if changes.len() < limits::EXPIRE_PORTION {
            return Ok(());
        }
    }
}
