//! What a database holds, and whether it is sound, without touching it.
//!
//! The library writes as soon as it opens a database. So it is given a copy of
//! manifest and logs, which are small, and reads the tables where they are.

use std::fs::{self, File, TryLockError};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use devp2p_core::store::{Entry, Key, KeyValue as _, Skipped, VERSION};
use tempfile::TempDir;

use super::error::{Damage, StoreError};
use super::level_db::LevelDb;
use super::sound::{self, Sound};

/// What was found in a database.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Entries that can be read.
    pub entries: usize,
    /// Nodes among them: their records.
    pub nodes: usize,
    /// Entries whose keys geth does not write. They do no harm.
    pub foreign: usize,
    /// Values that are not what geth writes under such keys. They are passed
    /// over here, and make geth panic.
    pub skipped: Skipped,
    /// Table files.
    pub tables: usize,
    /// Batches in the log that are in no table yet.
    pub records: usize,
    /// Bytes at the ends of logs that are no whole record.
    pub torn: u64,
    /// What is wrong with it; nothing, if it is sound. Counts are then of what
    /// lies before the damage.
    pub error: Option<StoreError>,
}

impl Report {
    fn meet(&mut self, key: &[u8], value: &[u8]) {
        self.entries += 1;
        let Some(key) = Key::decode(key) else {
            self.foreign += 1;
            return;
        };
        self.nodes += usize::from(matches!(key, Key::Record(_)));
        if key == Key::Version && value != VERSION {
            self.error = Some(Damage::Version.into());
        } else {
            self.skipped.value(&key, value);
        }
    }
}

/// Reads all of the database in `dir`: `CURRENT`, the manifest, the logs, the
/// checksum of each block of each table, and each value. Changes nothing there.
/// Fails if it is in use, is none, or cannot be read at all.
pub fn check(dir: &Path) -> Result<Report, StoreError> {
    let looking = Looking::at(dir)?;
    let mut report = Report::default();
    match looking.report(&mut report) {
        Ok(()) => Ok(report),
        // What cannot be read weighs more than what is not understood.
        Err(error @ StoreError::Damaged(_)) => Ok(Report { error: Some(error), ..report }),
        Err(error) => Err(error),
    }
}

/// Hands each entry of the database in `dir` to `visit`, in order, until it
/// breaks. Changes nothing there.
pub fn dump(dir: &Path, visit: impl FnMut(Entry) -> ControlFlow<()>) -> Result<(), StoreError> {
    let looking = Looking::at(dir)?;
    looking.walk(&looking.inspect()?, visit)
}

/// A database that is looked at. Nobody writes to it meanwhile.
struct Looking {
    dir: PathBuf,
    /// Its lock file is not made where it is missing, and not every file system
    /// has locks, least of all read-only ones.
    lock: Option<File>,
}

impl Looking {
    fn at(dir: &Path) -> Result<Self, StoreError> {
        fs::read_dir(dir)?;
        let lock = match File::open(dir.join("LOCK")) {
            Ok(lock) => match lock.try_lock() {
                Ok(()) => Some(lock),
                Err(TryLockError::WouldBlock) => return Err(StoreError::Locked),
                Err(TryLockError::Error(_)) => None,
            },
            Err(_) => None,
        };
        Ok(Self { dir: dir.into(), lock })
    }

    fn inspect(&self) -> Result<Sound, StoreError> {
        sound::inspect(&self.dir)?.ok_or(StoreError::Missing)
    }

    fn report(&self, report: &mut Report) -> Result<(), StoreError> {
        let sound = self.inspect()?;
        report.tables = sound.tables.len();
        report.records = sound.records;
        report.torn = sound.torn;
        self.walk(&sound, |(key, value)| {
            report.meet(&key, &value);
            ControlFlow::Continue(())
        })
    }

    fn walk(
        &self,
        sound: &Sound,
        mut visit: impl FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let copy = TempDir::with_prefix("devp2p-db-")?;
        for file in &sound.files {
            if let Some(name) = file.file_name() {
                fs::copy(file, copy.path().join(name))?;
            }
        }
        let mut db = LevelDb::open_beside(copy.path(), &self.dir)?;
        let mut from = Vec::new();
        while let Some((key, value)) = db.seek(&from)? {
            from.clone_from(&key);
            from.push(0);
            if visit((key, value)).is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        if let Some(lock) = self.lock.take() {
            let _ = lock.unlock();
        }
    }
}
