//! What a store rests on: keys in order, and values.

use alloc::vec::Vec;
use core::ops::ControlFlow;

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

/// The value of a key, if it is there.
pub(super) fn value<K: KeyValue>(store: &mut K, key: &[u8]) -> Result<Option<Vec<u8>>, K::Error> {
    Ok(store.seek(key)?.and_then(|(found, value)| (found == key).then_some(value)))
}

/// Shows the entries whose keys are `from` and greater, ascending, until `visit`
/// breaks.
pub(super) fn scan<K: KeyValue>(
    store: &mut K,
    from: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
) -> Result<(), K::Error> {
    let mut from = from.to_vec();
    while let Some((key, value)) = store.seek(&from)? {
        if visit(&key, &value).is_break() {
            break;
        }
        from = successor(key);
    }
    Ok(())
}

/// The next key that there may be.
pub(super) fn successor(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}
