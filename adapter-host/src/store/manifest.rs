//! The manifest: which tables and which log make up the database.
//!
//! ```text
//!  record:  fields, each a number and what belongs to it; numbers are varints
//!   1 comparator      name            5 compact pointer  level, key
//!   2 log             number          6 deleted table    level, number
//!   3 next file       number          7 new table        level, number, size, first key, last key
//!   4 last sequence   number          9 previous log     number
//! ```
//!
//! Source: LevelDB `db/version_edit.cc`.

use std::collections::BTreeMap;

use super::batch::Reader;
use super::journal::{self, End};

/// Levels that there may be. LevelDB has 7; goleveldb has no limit, and has as
/// few with so little.
const LEVELS: u64 = 7;

const COMPARATOR: &[u8] = b"leveldb.BytewiseComparator";

/// What the records of a manifest come to.
#[derive(Default, Debug)]
pub(super) struct Manifest {
    /// The log that holds what is in no table. Later ones may, too.
    pub(super) log: Option<u64>,
    /// Size of each table, by level and number.
    pub(super) tables: BTreeMap<(u64, u64), u64>,
    next_file: Option<u64>,
    last_sequence: Option<u64>,
}

impl Manifest {
    /// Reads one.
    pub(super) fn read(file: &[u8]) -> (Self, End) {
        let mut manifest = Self::default();
        let end = journal::read(file, |record| manifest.apply(record).is_some());
        let complete = manifest.log.and(manifest.next_file).and(manifest.last_sequence);
        let end = match end {
            End::Whole | End::Torn(_) if complete.is_none() => End::Damaged(0),
            End::Whole | End::Torn(_) | End::Damaged(_) => end,
        };
        (manifest, end)
    }

    fn apply(&mut self, record: &[u8]) -> Option<()> {
        let mut reader = Reader(record);
        while !reader.0.is_empty() {
            match reader.varint()? {
                1 => (reader.bytes()? == COMPARATOR).then_some(())?,
                2 => self.log = Some(reader.varint()?),
                3 => self.next_file = Some(reader.varint()?),
                4 => self.last_sequence = Some(reader.varint()?),
                5 => {
                    level(&mut reader)?;
                    reader.bytes()?;
                }
                6 => {
                    let table = (level(&mut reader)?, reader.varint()?);
                    self.tables.remove(&table);
                }
                7 => {
                    let table = (level(&mut reader)?, reader.varint()?);
                    self.tables.insert(table, reader.varint()?);
                    // Keys of tables end with 8 bytes of LevelDB's own.
                    (reader.bytes()?.len() >= 8 && reader.bytes()?.len() >= 8).then_some(())?;
                }
                9 => {
                    reader.varint()?;
                }
                _ => return None,
            }
        }
        Some(())
    }
}

fn level(reader: &mut Reader<'_>) -> Option<u64> {
    reader.varint().filter(|level| *level < LEVELS)
}
