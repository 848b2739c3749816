//! What a store rests on: keys in order, and values.

use alloc::vec::Vec;

/// An entry: its key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// A change to one key: its new value, or `None` to remove it.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// An ordered map of bytes to bytes, as LevelDB is one. Each call sees what all
/// calls before it have written.
pub trait KeyValue {
    /// Why it failed.
    type Error;

    /// The first entry whose key is `from` or comes after it, bytewise.
    fn seek(&mut self, from: &[u8]) -> Result<Option<Entry>, Self::Error>;

    /// Makes all changes or none. When it returns they are durable, as far as
    /// that means anything here.
    fn write(&mut self, changes: &[Change]) -> Result<(), Self::Error>;
}
