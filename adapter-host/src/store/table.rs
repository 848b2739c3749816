//! A table file, each block of which is checked when it is read.
//!
//! ```text
//!  file:    blocks | footer
//!  block:   bytes | compression u8 | checksum u32 of both
//!  footer:  places of two blocks (offset, length, as varints), padding | magic     48 bytes
//! ```
//!
//! Source: LevelDB `doc/table_format.md`.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use super::batch::Reader;
use super::journal::masked;

pub(super) const FOOTER: usize = 48;
const MAGIC: [u8; 8] = 0xdb47_7524_8b80_fb57u64.to_le_bytes();
/// What follows the bytes of a block.
const TRAILER: usize = 5;

/// Why it could not be read.
#[derive(Debug)]
pub(super) enum TableError {
    Damaged,
    Io(io::Error),
}

impl From<io::Error> for TableError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Damaged } else { Self::Io(error) }
    }
}

/// An open table.
#[derive(Debug)]
pub(super) struct Table {
    file: File,
    length: u64,
}

impl Table {
    /// Takes a file whose footer points into it. No checksum covers the footer,
    /// and rusty-leveldb makes room for whatever length it finds there.
    pub(super) fn new(file: File) -> Result<Self, TableError> {
        let length = file.metadata()?.len();
        let table = Self { file, length };
        let end = length.checked_sub(FOOTER as u64).ok_or(TableError::Damaged)?;
        let mut footer = [0; FOOTER];
        table.read(end, &mut footer)?;
        let (places, magic) = footer.split_at(FOOTER - MAGIC.len());
        let mut places = Reader(places);
        let inside = (0..2).all(|_| {
            let place = places.varint().zip(places.varint());
            let last = place.and_then(|(offset, length)| {
                offset.checked_add(length)?.checked_add(TRAILER as u64)
            });
            last.is_some_and(|last| last <= end)
        });
        if inside && magic == MAGIC { Ok(table) } else { Err(TableError::Damaged) }
    }

    /// Fills `bytes`, which is the footer, or a block with its trailer, or one
    /// without (rusty-leveldb reads filters so).
    pub(super) fn read_checked(&self, offset: usize, bytes: &mut [u8]) -> Result<(), TableError> {
        let start = offset as u64;
        self.read(start, bytes)?;
        let end = start + bytes.len() as u64;
        if end == self.length && bytes.len() == FOOTER || is_sound(bytes) {
            return Ok(());
        }
        let mut trailer = [0; TRAILER];
        self.read(end, &mut trailer)?;
        let block = [&*bytes, &trailer].concat();
        if is_sound(&block) { Ok(()) } else { Err(TableError::Damaged) }
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<(), TableError> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(offset))?;
        Ok(file.read_exact(bytes)?)
    }
}

/// Whether a block has the checksum that it ends with.
fn is_sound(block: &[u8]) -> bool {
    let Some((covered, checksum)) = block.split_last_chunk::<4>() else { return false };
    checksum_of(covered) == u32::from_le_bytes(*checksum)
}

pub(super) fn checksum_of(covered: &[u8]) -> u32 {
    masked(crc32c::crc32c(covered))
}
