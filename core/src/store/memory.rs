//! A store that forgets: for simulations, tests, and nodes without a disk.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::ops::Bound;

use super::{Change, Entry, KeyValue, Operation, OperationId, Reply, Skipped, execute};
use crate::time::UnixTime;

/// The node database as a map. It behaves as the one on disk does.
///
/// ```
/// use devp2p_core::identity::NodeId;
/// use devp2p_core::store::{MemoryStore, Operation, OperationId, Reply};
/// use devp2p_core::time::UnixTime;
///
/// let mut store = MemoryStore::new();
/// let local = NodeId::new([1; 32]);
/// let put = Operation::PutSequence { local, sequence: 7 };
/// let now = UnixTime::from_secs(1);
/// assert_eq!(store.apply(OperationId(1), &put, now), Reply::Written { up_to: OperationId(1) });
/// let opened = store.apply(OperationId(2), &Operation::Open { local }, now);
/// assert_eq!(opened, Reply::Opened { sequence: Some(7), bonds: vec![] });
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    skipped: Skipped,
}

impl MemoryStore {
    /// An empty store.
    pub const fn new() -> Self {
        Self { entries: BTreeMap::new(), skipped: Skipped::NONE }
    }

    /// Does what is asked at once.
    pub fn apply(&mut self, id: OperationId, operation: &Operation, now: UnixTime) -> Reply {
        let mut skipped = self.skipped;
        let Ok(reply) = execute(self, &mut skipped, operation, now);
        self.skipped = skipped;
        reply.unwrap_or(Reply::Written { up_to: id })
    }

    /// Values that were passed over.
    pub const fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// All entries, keys ascending.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|(key, value)| (&**key, &**value))
    }
}

impl KeyValue for MemoryStore {
    type Error = Infallible;

    fn seek(&mut self, from: &[u8]) -> Result<Option<Entry>, Infallible> {
        let range = (Bound::Included(from), Bound::Unbounded);
        let first = self.entries.range::<[u8], _>(range).next();
        Ok(first.map(|(key, value)| (key.clone(), value.clone())))
    }

    fn write(&mut self, changes: &[Change]) -> Result<(), Infallible> {
        for (key, value) in changes {
            match value {
                Some(value) => self.entries.insert(key.clone(), value.clone()),
                None => self.entries.remove(key),
            };
        }
        Ok(())
    }
}
