//! What a database holds, and whether it is sound, without touching it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use devp2p_core::store::{Entry, KeyValue as _};
use tempfile::TempDir;

use super::error::StoreError;
use super::level_db::{LevelDb, Sync};
use super::sound;

/// What was found in a database.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Entries that can be read.
    pub entries: usize,
    /// Table files.
    pub tables: usize,
    /// Batches in the log that are in no table yet.
    pub records: usize,
    /// Bytes at the ends of logs that are no whole record.
    pub torn: u64,
    /// What is wrong with it; nothing, if it is sound. `entries` then counts
    /// those before the damage.
    pub error: Option<StoreError>,
}

/// Reads all of the database in `dir`: `CURRENT`, the manifest, the logs, and
/// the checksum of each block of each table. Fails if it is in use or cannot be
/// read at all.
pub fn check(dir: &Path) -> Result<Report, StoreError> {
    let copy = copy(dir)?;
    let mut report = Report::default();
    match sound::inspect(copy.path()) {
        Ok(Some(sound)) => {
            report.tables = sound.tables.len();
            report.records = sound.records;
            report.torn = sound.torn;
        }
        Ok(None) => {}
        Err(error) => report.error = Some(error),
    }
    if report.error.is_none() {
        let walked = walk(copy.path(), |_| report.entries += 1);
        report.error = walked.err();
    }
    Ok(report)
}

/// Hands each entry of the database in `dir` to `entry`, in order.
pub fn dump(dir: &Path, entry: impl FnMut(Entry)) -> Result<(), StoreError> {
    let copy = copy(dir)?;
    walk(copy.path(), entry)
}

fn walk(dir: &Path, mut entry: impl FnMut(Entry)) -> Result<(), StoreError> {
    let mut db = LevelDb::open(dir, Sync::ByHand)?;
    let mut from = Vec::new();
    while let Some((key, value)) = db.seek(&from)? {
        from.clone_from(&key);
        from.push(0);
        entry((key, value));
    }
    Ok(())
}

/// A copy of the database, which opening it changes. Nobody writes to the
/// original meanwhile; its lock file is not made where it is missing.
fn copy(dir: &Path) -> Result<TempDir, StoreError> {
    let lock = match File::open(dir.join("LOCK")) {
        Ok(lock) => match lock.try_lock() {
            Ok(()) => Some(lock),
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked),
            // Not every file system has locks, least of all read-only ones.
            Err(TryLockError::Error(_)) => None,
        },
        Err(_) => None,
    };
    let copy = copy_files(dir);
    if let Some(lock) = lock {
        let _ = lock.unlock();
    }
    Ok(copy?)
}

fn copy_files(dir: &Path) -> io::Result<TempDir> {
    let copy = TempDir::with_prefix("devp2p-db-")?;
    for file in fs::read_dir(dir)? {
        let file = file?;
        if file.file_type()?.is_file() && file.file_name() != "LOCK" {
            fs::copy(file.path(), copy.path().join(file.file_name()))?;
        }
    }
    Ok(copy)
}
