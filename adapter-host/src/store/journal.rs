//! The frame of logs and manifests, read to tell whether it is whole.
//!
//! ```text
//!  file:   blocks of 32 KiB, the last one may be shorter
//!  block:  chunks; fewer than 7 bytes that remain are zeros
//!  chunk:  checksum u32 | length u16 | type u8 | bytes      little endian
//!  type:   1 full, 2 first, 3 middle, 4 last chunk of a record
//! ```
//!
//! Source: LevelDB `doc/log_format.md`.

const BLOCK: usize = 32 * 1024;
const HEADER: usize = 7;

/// How a file ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// After a record.
    Whole,
    /// Within a record or a run of zeros, from this offset on: somebody was
    /// interrupted, or the last record is damaged.
    Torn(usize),
    /// At this offset is no record, and yet records follow.
    Damaged(usize),
}

/// Hands each record to `record` with its offset, until that returns `false`:
/// then the file is damaged there.
pub(super) fn read(file: &[u8], mut record: impl FnMut(&[u8]) -> bool) -> End {
    let mut offset = 0;
    while offset < file.len() {
        let start = offset;
        let mut bytes = Vec::new();
        loop {
            offset += trailer(offset);
            let Some((kind, chunk)) = chunk(file, offset) else {
                return ending(file, start, offset);
            };
            if matches!(kind, Kind::Full | Kind::First) != (offset == start + trailer(start)) {
                return End::Damaged(start);
            }
            bytes.extend_from_slice(chunk);
            offset += HEADER + chunk.len();
            if matches!(kind, Kind::Full | Kind::Last) {
                break;
            }
        }
        if !record(&bytes) {
            return End::Damaged(start);
        }
    }
    End::Whole
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Full,
    First,
    Middle,
    Last,
}

/// Bytes from `offset` to the next block, if no chunk fits there any more.
fn trailer(offset: usize) -> usize {
    let left = BLOCK - offset % BLOCK;
    if left < HEADER { left } else { 0 }
}

/// The chunk at `offset`, if it is whole.
fn chunk(file: &[u8], offset: usize) -> Option<(Kind, &[u8])> {
    let header = file.get(offset..offset + HEADER)?;
    let (checksum, rest) = header.split_first_chunk::<4>()?;
    let (length, kind) = rest.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_le_bytes(*length));
    let kind = match kind {
        [1] => Kind::Full,
        [2] => Kind::First,
        [3] => Kind::Middle,
        [4] => Kind::Last,
        _ => return None,
    };
    if offset % BLOCK + HEADER + length > BLOCK {
        return None;
    }
    let covered = file.get(offset + HEADER - 1..offset + HEADER + length)?;
    (masked(crc32c::crc32c(covered)) == u32::from_le_bytes(*checksum))
        .then(|| (kind, &covered[1..]))
}

/// LevelDB's way to store a checksum of what may hold checksums.
pub(super) fn masked(checksum: u32) -> u32 {
    checksum.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// What it means that there is no chunk at `offset`. Files are written from the
/// front, so an interruption leaves nothing readable behind it.
fn ending(file: &[u8], start: usize, offset: usize) -> End {
    let block_end = (offset - offset % BLOCK + BLOCK).min(file.len());
    let rest = file.get(block_end..).unwrap_or_default();
    let follows = (offset + 1..block_end).any(|offset| chunk(file, offset).is_some());
    if follows || rest.iter().any(|byte| *byte != 0) {
        End::Damaged(start)
    } else {
        End::Torn(start)
    }
}
