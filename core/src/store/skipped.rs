//! Values that were passed over.

use super::{Key, Value, ValueError};

/// Values that were passed over since they are not what geth or we write; each
/// as often as it was met. The counters saturate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Skipped {
    /// Records that are none, are not signed as they should be, or belong to
    /// another node.
    pub records: u64,
    /// Times, counts and sequence numbers.
    pub numbers: u64,
}

impl Skipped {
    /// None so far.
    pub const NONE: Self = Self { records: 0, numbers: 0 };

    /// Whether nothing was passed over.
    pub const fn is_none(&self) -> bool {
        self.records == 0 && self.numbers == 0
    }

    /// Reads a value, or counts it.
    pub fn value(&mut self, key: &Key, bytes: &[u8]) -> Option<Value> {
        let value = Value::decode(key, bytes);
        if matches!(key, Key::Record(_)) { self.record(value) } else { self.number(value) }
    }

    /// The number, or `None` and one more.
    pub(super) fn number<T>(&mut self, number: Result<T, ValueError>) -> Option<T> {
        if number.is_err() {
            self.numbers = self.numbers.saturating_add(1);
        }
        number.ok()
    }

    /// The record, or `None` and one more.
    pub(super) fn record<T>(&mut self, record: Result<T, ValueError>) -> Option<T> {
        if record.is_err() {
            self.records = self.records.saturating_add(1);
        }
        record.ok()
    }
}
