//! What a record of a log holds, read to tell whether it is whole.
//!
//! ```text
//!  batch:   sequence u64 | count u32 | changes        little endian
//!  change:  1 | key | value     or     0 | key
//!  both:    length as a varint | bytes
//! ```
//!
//! Source: LevelDB `db/write_batch.cc`.

/// A cursor over bytes.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}

/// Whether it is a batch.
pub(super) fn is_whole(record: &[u8]) -> bool {
    let Some((header, changes)) = record.split_first_chunk::<12>() else { return false };
    let [.., a, b, c, d] = *header;
    let count = u32::from_le_bytes([a, b, c, d]);
    let mut changes = Reader(changes);
    let mut seen = 0u32;
    while !changes.0.is_empty() {
        let whole = match changes.byte() {
            Some(1) => changes.bytes().and_then(|_| changes.bytes()).is_some(),
            Some(0) => changes.bytes().is_some(),
            Some(_) | None => false,
        };
        if !whole {
            return false;
        }
        seen = seen.saturating_add(1);
    }
    // An empty one makes rusty-leveldb count below zero.
    seen == count && count > 0
}
