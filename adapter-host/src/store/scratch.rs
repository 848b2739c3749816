//! What the tests of the store share: places, and small databases.

use std::fs;
use std::path::{Path, PathBuf};

use devp2p_core::store::{Change, Entry, KeyValue as _};
use tempfile::TempDir;

use super::{LevelDb, StoreError, Sync};

/// A directory in memory where there is one, since thousands of databases are
/// opened and synced.
pub(super) fn place() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap()
}

pub(super) fn open(dir: &Path) -> Result<LevelDb, StoreError> {
    LevelDb::open(dir, Sync::EachWrite)
}

pub(super) fn put(key: &str, value: &str) -> Change {
    (key.into(), Some(value.into()))
}

pub(super) fn all(db: &mut LevelDb) -> Result<Vec<Entry>, StoreError> {
    let (mut entries, mut from) = (Vec::new(), Vec::new());
    while let Some(entry) = db.seek(&from)? {
        from.clone_from(&entry.0);
        from.push(0);
        entries.push(entry);
    }
    Ok(entries)
}

pub(super) fn number(key: usize) -> Vec<u8> {
    format!("n:{key:06}").into()
}

/// Key and value with this number.
pub(super) fn entry(key: usize) -> Entry {
    (number(key), format!("value {key} ").repeat(3).into())
}

/// Writes these entries, each in a batch of its own.
pub(super) fn fill(db: &mut LevelDb, keys: std::ops::Range<usize>) {
    for key in keys {
        let (key, value) = entry(key);
        db.write(&[(key, Some(value))]).unwrap();
    }
}

/// The files of a database, in order.
pub(super) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// The only file whose name has that in it.
pub(super) fn file(dir: &Path, name: &str) -> PathBuf {
    let mut files = files(dir);
    files.retain(|file| file.file_name().unwrap().to_str().unwrap().contains(name));
    assert_eq!(files.len(), 1, "{name}: {files:?}");
    files.remove(0)
}

pub(super) fn copy(from: &Path) -> TempDir {
    let to = place();
    for file in files(from) {
        fs::copy(&file, to.path().join(file.file_name().unwrap())).unwrap();
    }
    to
}
