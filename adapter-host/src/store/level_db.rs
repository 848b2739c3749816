//! rusty-leveldb behind the face that core's store rests on, and its six rules:
//!
//! 1. It is read by iterators: its `get` finds nothing where the next larger key
//!    was removed.
//! 2. Neither log nor manifest is written on after a restart, and blocks are
//!    compressed: goleveldb would lose the end of such a log.
//! 3. It writes through [`Files`], which sync; its own files never do.
//! 4. One thread opens, uses and closes it.
//! 5. Each call may panic, which counts as damage.
//! 6. Where `CURRENT` is missing and tables or logs are there, it would begin
//!    anew and delete them. It does not get so far.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::rc::Rc;

use devp2p_core::store::{Change, Entry, KeyValue};
use rusty_leveldb::compressor::{CompressorId as _, SnappyCompressor};
use rusty_leveldb::infolog::Logger;
use rusty_leveldb::{DB, DBIterator, LdbIterator as _, Options, Status, WriteBatch};

use super::error::{Damage, StoreError};
use super::files::Files;
use super::sound;

/// When changes become durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sync {
    /// With each write, before it returns.
    EachWrite,
    /// With [`LevelDb::sync`].
    ByHand,
}

/// A LevelDB database, open. Nobody else can open it meanwhile. It stays with
/// the thread that opened it:
///
/// ```compile_fail
/// fn is_send<T: Send>() {}
/// is_send::<devp2p_host::store::LevelDb>();
/// ```
pub struct LevelDb {
    // First, so that it is dropped before what it reads.
    cursor: Option<Cursor>,
    db: Option<DB>,
    files: Files,
    sync: Sync,
    torn: u64,
}

/// An iterator that stands at a key, for whoever asks for the next.
struct Cursor {
    iterator: DBIterator,
    key: Vec<u8>,
}

impl core::fmt::Debug for LevelDb {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("LevelDb").field("files", &self.files).finish_non_exhaustive()
    }
}

impl LevelDb {
    /// Opens the database in `dir`, or begins one, with the directory if need be.
    pub fn open(dir: &Path, sync: Sync) -> Result<Self, StoreError> {
        let files = Files::lock(dir)?;
        let sound = sound::inspect(dir)?.unwrap_or_default();
        Self::open_sound(dir, files, sync, sound.torn)
    }

    /// Opens a sound database whose tables are elsewhere, and stay as they are.
    pub(super) fn open_beside(dir: &Path, tables: &Path) -> Result<Self, StoreError> {
        Self::open_sound(dir, Files::lock_beside(dir, Some(tables))?, Sync::ByHand, 0)
    }

    fn open_sound(dir: &Path, files: Files, sync: Sync, torn: u64) -> Result<Self, StoreError> {
        let mut opened = Self { cursor: None, db: None, files, sync, torn };
        let options = options(&opened.files);
        opened.db = Some(guarded(&opened.files, || DB::open(dir, options))?);
        Ok(opened)
    }

    /// Bytes at the end of its logs that were no whole record when it was
    /// opened: what somebody was writing when he was interrupted.
    pub fn torn(&self) -> u64 {
        self.torn
    }

    /// Makes all that was written durable.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.call(|db, _| db.flush())
    }

    fn call<T>(
        &mut self,
        call: impl FnOnce(&mut DB, &mut Option<Cursor>) -> Result<T, Status>,
    ) -> Result<T, StoreError> {
        let Some(db) = self.db.as_mut().filter(|_| !self.files.is_broken()) else {
            return Err(StoreError::Broken);
        };
        let cursor = &mut self.cursor;
        guarded(&self.files, || call(db, cursor))
    }
}

impl KeyValue for LevelDb {
    type Error = StoreError;

    fn seek(&mut self, from: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.call(|db, cursor| {
            let iterator = match cursor.take() {
                Some(mut next) if from.strip_prefix(&*next.key) == Some(&[0]) => {
                    next.iterator.advance();
                    next.iterator
                }
                Some(_) | None => {
                    let mut iterator = db.new_iter()?;
                    iterator.seek(from);
                    iterator
                }
            };
            let Some((key, value)) = iterator.current() else { return Ok(None) };
            *cursor = Some(Cursor { iterator, key: key.to_vec() });
            Ok(Some((key.to_vec(), value.to_vec())))
        })
    }

    fn write(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let sync = self.sync == Sync::EachWrite;
        self.call(|db, cursor| {
            *cursor = None;
            let mut batch = WriteBatch::default();
            for (key, value) in changes {
                match value {
                    Some(value) => batch.put(key, value),
                    None => batch.delete(key),
                }
            }
            db.write(batch, sync)
        })
    }
}

impl Drop for LevelDb {
    fn drop(&mut self) {
        let (cursor, db) = (self.cursor.take(), self.db.take());
        let _ = panic::catch_unwind(AssertUnwindSafe(|| drop((cursor, db))));
        self.files.unlock();
    }
}

/// Calls into the library. If the call fails, or panics, or a file did meanwhile,
/// nothing is written any more.
fn guarded<T>(files: &Files, call: impl FnOnce() -> Result<T, Status>) -> Result<T, StoreError> {
    let result = panic::catch_unwind(AssertUnwindSafe(call));
    // Where the library hides that a file failed, or panics over it.
    if let Some(fault) = files.take_fault() {
        // The result may hold files, which flush when they are dropped.
        let _ = panic::catch_unwind(AssertUnwindSafe(|| drop(result)));
        return Err(fault);
    }
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(_)) | Err(_) => {
            files.give_up();
            Err(Damage::Library.into())
        }
    }
}

fn options(files: &Files) -> Options {
    Options {
        env: Rc::new(Box::new(files.clone())),
        reuse_logs: false,
        reuse_manifest: false,
        compressor: SnappyCompressor::ID,
        log: Some(Rc::new(Logger(Box::new(io::sink())).into())),
        ..Options::default()
    }
}

#[cfg(test)]
#[path = "level_db_tests.rs"]
mod tests;
