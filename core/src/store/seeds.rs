//! Seeds: nodes of an earlier run, drawn one after the other. geth `QuerySeeds`.

use alloc::vec::Vec;
use core::ops::ControlFlow;
use core::time::Duration;

use super::key_value::{scan, value};
use super::keys::{self, Field, Key};
use super::values::{StoredRecord, decode_time};
use super::{KeyValue, Skipped};
use crate::entropy::{Rng, Seed};
use crate::identity::{Contact, NodeId};
use crate::limits;
use crate::time::UnixTime;

/// A draw.
pub(super) struct Draw<'a> {
    now: UnixTime,
    max_age: Duration,
    skipped: &'a mut Skipped,
    found: Vec<Contact>,
}

impl<'a> Draw<'a> {
    pub(super) const fn new(now: UnixTime, max_age: Duration, skipped: &'a mut Skipped) -> Self {
        Self { now, max_age, skipped, found: Vec::new() }
    }

    /// At most `count` nodes, none twice, and at most [`limits::SEEDS`].
    pub(super) fn run<K: KeyValue>(
        mut self,
        store: &mut K,
        count: usize,
        draw: [u8; 32],
    ) -> Result<Vec<Contact>, K::Error> {
        let count = count.min(limits::SEEDS);
        let mut rng = Seed::new(draw).jitter();
        let mut first = 0_u8;
        for _ in 0..count * limits::SEEKS_FOR_SEED {
            if self.found.len() >= count {
                break;
            }
            first = self.seek(store, &mut rng, first)?;
        }
        Ok(self.found)
    }

    /// Goes on from the first byte of the last place by a little, so that in a
    /// small database every node is met. The byte to go on from.
    fn seek<K: KeyValue>(
        &mut self,
        store: &mut K,
        rng: &mut Rng,
        first: u8,
    ) -> Result<u8, K::Error> {
        let mut place: [u8; 32] = rng.bytes();
        place[0] = first.wrapping_add(place[0] % 16);
        let Some((id, record)) = self.next(store, &keys::record(&NodeId::new(place)))? else {
            return Ok(0);
        };
        let Some(ip) = record.endpoint().ip else { return Ok(place[0]) };
        let pong = value(store, &Key::Item(id, ip, Field::LastPong).encode())?;
        let pong = pong.and_then(|pong| self.skipped.number(decode_time(&pong)));
        let is_young = pong.is_some_and(|pong| pong.saturating_add(self.max_age) >= self.now);
        if is_young
            && self.found.iter().all(|found| *found.id() != id)
            && let Some(contact) = self.skipped.record(record.contact(&id))
        {
            self.found.push(contact);
        }
        Ok(place[0])
    }

    /// The next node that can be read.
    fn next<K: KeyValue>(
        &mut self,
        store: &mut K,
        from: &[u8],
    ) -> Result<Option<(NodeId, StoredRecord)>, K::Error> {
        let mut next = None;
        let mut left = limits::ENTRIES_FOR_SEED;
        scan(store, from, |key, value| {
            left -= 1;
            if let Some(Key::Record(id)) = Key::decode(key)
                && let Some(record) = self.skipped.record(StoredRecord::decode(value))
            {
                next = Some((id, record));
            }
            if next.is_some() || left == 0 || !key.starts_with(keys::NODES) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        Ok(next)
    }
}
