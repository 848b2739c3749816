//! What the tests of the store share: places, and small databases.

use core::net::IpAddr;
use core::ops::ControlFlow;
use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};

use devp2p_core::identity::NodeId;
use devp2p_core::store::{
    Change, Entry, KeyValue as _, Operation, OperationId, Reply, VERSION_KEY,
};
use devp2p_core::time::UnixTime;
use tempfile::TempDir;

use super::table::checksum_of;
use super::{LevelDb, Store, StoreError, Sync, dump};

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

/// Spoils the first block of a table so that its checksum is right, and two of
/// its entries begin behind its end. The library panics over it.
pub(super) fn spoil(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let is_block = |end: usize| {
        let (covered, checksum) = bytes[..end].split_last_chunk::<4>().unwrap();
        checksum_of(covered) == u32::from_le_bytes(*checksum)
    };
    let end = (5..bytes.len()).find(|end| is_block(*end)).unwrap();
    let offsets_count_and_compression =
        [0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 2, 0, 0, 0, 0];
    bytes[end - 17..end - 4].copy_from_slice(&offsets_count_and_compression);
    let checksum = checksum_of(&bytes[..end - 4]);
    bytes[end - 4..end].copy_from_slice(&checksum.to_le_bytes());
    fs::write(path, bytes).unwrap();
}

// The store.

pub(super) const LIMIT: Duration = Duration::from_secs(30);

pub(super) fn node(number: u64) -> NodeId {
    let mut id = [7; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    NodeId::new(id)
}

pub(super) fn times(number: u64) -> Operation {
    Operation::PutTimes {
        id: node(number),
        ip: IpAddr::from([20, 0, 0, 1]),
        last_ping: None,
        last_pong: Some(UnixTime::from_secs(1_700_000_000 + number)),
        find_failures: None,
    }
}

pub(super) type Replies = Receiver<(OperationId, Reply)>;

pub(super) fn started(dir: &Path) -> (Store, Replies) {
    let (send, replies) = mpsc::channel();
    let reply = move |id, reply| send.send((id, reply)).unwrap();
    (Store::open(dir, reply).unwrap(), replies)
}

/// Submits these, and waits until the last is written.
pub(super) fn write(store: &Store, replies: &Replies, numbers: std::ops::RangeInclusive<u64>) {
    let last = OperationId(*numbers.end());
    for number in numbers {
        store.submit(OperationId(number), times(number)).unwrap();
    }
    loop {
        match replies.recv_timeout(LIMIT).unwrap() {
            (_, Reply::Written { up_to }) if up_to == last => break,
            (_, Reply::Written { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Entries but for the version.
pub(super) fn count(dir: &Path) -> usize {
    let mut entries = 0;
    let visit = |(key, _)| {
        entries += usize::from(key != VERSION_KEY);
        ControlFlow::Continue(())
    };
    dump(dir, visit).unwrap();
    entries
}

/// Where a damaged database is kept.
pub(super) fn aside(dir: &Path, number: u32) -> PathBuf {
    let mut name = dir.to_path_buf().into_os_string();
    name.push(format!(".damaged-{number}"));
    name.into()
}
