//! The thread that owns the database, and the queue before it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use core::fmt;

use devp2p_core::limits;
use devp2p_core::store::{
    KeyValue as _, Operation, OperationId, Reply, Skipped, StoreCounts, StoreWork, VERSION,
    VERSION_KEY, execute,
};
use tracing::{info, warn};

use crate::clock::Clock;

use super::error::{Damage, StoreError};
use super::files::Files;
use super::level_db::{LevelDb, Sync};

/// A node database on disk, geth's `nodes` directory, with the thread that
/// executes operations on it.
///
/// Dropping it lets the thread end when it is through with what it was given.
#[derive(Debug)]
pub struct Store {
    /// `None` when it is to end.
    operations: Option<SyncSender<Given>>,
    thread: JoinHandle<()>,
    counters: Arc<Counters>,
}

type Given = (OperationId, Operation);

/// The operation was not taken: the queue is full, or the thread has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Busy;

#[derive(Default, Debug)]
struct Counters {
    set_aside: AtomicU64,
    failed: AtomicU64,
    torn: AtomicU64,
    skipped_records: AtomicU64,
    skipped_numbers: AtomicU64,
    taken: [AtomicU64; Operation::KINDS.len()],
    done: AtomicU64,
}

impl Counters {
    /// What was skipped since the store was opened.
    fn skip(&self, skipped: &Skipped) {
        self.skipped_records.store(skipped.records, Ordering::Relaxed);
        self.skipped_numbers.store(skipped.numbers, Ordering::Relaxed);
    }

    fn read(&self) -> StoreCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut counts = StoreCounts::default();
        counts.set_aside = read(&self.set_aside);
        counts.failed = read(&self.failed);
        counts.torn = read(&self.torn);
        counts.skipped.records = read(&self.skipped_records);
        counts.skipped.numbers = read(&self.skipped_numbers);
        counts
    }

    fn work(&self) -> StoreWork {
        let mut work = StoreWork::default();
        // First, so that what is done meanwhile was taken before.
        work.done = self.done.load(Ordering::Relaxed);
        for (count, counter) in work.taken.iter_mut().zip(&self.taken) {
            *count = counter.load(Ordering::Relaxed);
        }
        work
    }
}

impl Store {
    /// Opens the database in `dir`, or begins one. One that is damaged or of
    /// another version is renamed to `DIR.damaged-N` first.
    ///
    /// `reply` is called by the store's thread, in the order of operations, with
    /// the operation that it answers (the last one, if several); it may wait. It
    /// is dropped when the database is closed and the thread about to end.
    pub fn open<R>(dir: impl Into<PathBuf>, reply: R) -> Result<Self, StoreError>
    where
        R: FnMut(OperationId, Reply) + Send + 'static,
    {
        let dir = dir.into();
        let counters = Arc::new(Counters::default());
        let (operations, given) = sync_channel(limits::STORE_OPERATIONS);
        let (opened, first) = sync_channel(1);
        let (theirs, path) = (Arc::clone(&counters), dir);
        let thread = thread::Builder::new().name("devp2p-store".into()).spawn(move || {
            let mut worker = Worker {
                dir: path,
                reply,
                counters: theirs,
                skipped: Skipped::NONE,
                db: None,
                failed: None,
            };
            let result = worker.open_or_renew();
            let is_open = result.is_ok();
            let _ = opened.send(result);
            if is_open {
                worker.run(&given);
            }
        })?;
        match first.recv() {
            Ok(Ok(())) => Ok(Self { operations: Some(operations), thread, counters }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StoreError::Broken),
        }
    }

    /// Has an operation executed; never waits. One that is not taken is not
    /// answered.
    pub fn submit(&self, id: OperationId, operation: Operation) -> Result<(), Busy> {
        let kind = operation.index();
        // Counted before, for it may be done before we look again.
        self.counters.taken[kind].fetch_add(1, Ordering::Relaxed);
        let taken = self
            .operations
            .as_ref()
            .is_some_and(|operations| operations.try_send((id, operation)).is_ok());
        if taken {
            return Ok(());
        }
        self.counters.taken[kind].fetch_sub(1, Ordering::Relaxed);
        self.counters.failed.fetch_add(1, Ordering::Relaxed);
        Err(Busy)
    }

    /// What has gone wrong so far.
    pub fn counts(&self) -> StoreCounts {
        self.counters.read()
    }

    /// What it was given to do so far.
    pub fn work(&self) -> StoreWork {
        self.counters.work()
    }

    /// Takes nothing more. The thread ends when it is through with what it was
    /// given.
    pub fn finish(&mut self) {
        self.operations = None;
    }

    /// [Finishes](Self::finish), and waits until the thread has ended.
    pub fn close(mut self) {
        self.finish();
        // If it has panicked, it has ended as well.
        let _ = self.thread.join();
    }
}

struct Worker<R> {
    dir: PathBuf,
    reply: R,
    counters: Arc<Counters>,
    skipped: Skipped,
    db: Option<LevelDb>,
    /// When it last failed to open.
    failed: Option<Instant>,
}

impl<R: FnMut(OperationId, Reply)> Worker<R> {
    fn run(&mut self, given: &Receiver<Given>) {
        while let Ok(first) = given.recv() {
            // What reads is the last of its batch, so there is one reply to keep.
            let mut batch = vec![first];
            while batch.len() < limits::STORE_BATCH
                && !batch.last().is_some_and(|(_, operation)| operation.is_query())
                && let Ok(next) = given.try_recv()
            {
                batch.push(next);
            }
            self.do_all(&batch);
            self.counters.done.fetch_add(batch.len() as u64, Ordering::Relaxed);
        }
        // Nothing is lost if that fails: each batch was synced.
        self.db = None;
    }

    fn do_all(&mut self, batch: &[Given]) {
        let mut done = self.attempt(batch);
        if let Err(StoreError::Damaged(damage)) = done {
            done = self.renew(damage).and_then(|()| self.attempt(batch));
        }
        match done {
            Ok(replies) => {
                for (id, reply) in replies {
                    (self.reply)(id, reply);
                }
            }
            Err(error) => self.fail(batch, &error),
        }
    }

    /// Does a batch of operations and makes them durable.
    fn attempt(&mut self, batch: &[Given]) -> Result<Vec<(OperationId, Reply)>, StoreError> {
        if self.db.is_none() {
            let since = self.failed.map(|failed| failed.elapsed());
            if since.is_some_and(|since| since < limits::STORE_RETRY) {
                return Err(StoreError::Broken);
            }
            self.open()?;
        }
        let db = self.db.as_mut().ok_or(StoreError::Broken)?;
        let now = Clock::start().now().unix;
        let (mut written, mut answer) = (None, None);
        for (id, operation) in batch {
            match execute(db, &mut self.skipped, operation, now)? {
                None => written = Some(*id),
                Some(reply) => answer = Some((*id, reply)),
            }
        }
        self.counters.skip(&self.skipped);
        if written.is_some() {
            db.sync()?;
        }
        let written = written.map(|up_to| (up_to, Reply::Written { up_to }));
        Ok(written.into_iter().chain(answer).collect())
    }

    fn fail(&mut self, batch: &[Given], error: &StoreError) {
        self.db = None;
        if !matches!(error, StoreError::Broken) {
            warn!(dir = %self.dir.display(), %error, "node database failed; trying again later");
            self.failed = Some(Instant::now());
        }
        self.counters.failed.fetch_add(batch.len() as u64, Ordering::Relaxed);
        for (operation, _) in batch {
            (self.reply)(*operation, Reply::Failed { operation: *operation });
        }
    }

    fn open_or_renew(&mut self) -> Result<(), StoreError> {
        match self.open() {
            Err(StoreError::Damaged(damage)) => self.renew(damage),
            opened => opened,
        }
    }

    fn open(&mut self) -> Result<(), StoreError> {
        let result = LevelDb::open(&self.dir, Sync::ByHand).and_then(|mut db| {
            check_version(&mut db)?;
            Ok(db)
        });
        if result.is_err() {
            self.failed = Some(Instant::now());
        }
        let db = result?;
        if db.torn() > 0 {
            self.counters.torn.fetch_add(db.torn(), Ordering::Relaxed);
            warn!(
                dir = %self.dir.display(), bytes = db.torn(),
                "node database was interrupted while writing, or its last record is damaged"
            );
        }
        if self.failed.take().is_some() {
            info!(dir = %self.dir.display(), "node database opened again");
        }
        self.db = Some(db);
        Ok(())
    }

    /// Sets a damaged database aside and begins a new one.
    fn renew(&mut self, damage: Damage) -> Result<(), StoreError> {
        (self.db, self.failed) = (None, None);
        let aside = set_aside(&self.dir, damage)?;
        self.counters.set_aside.fetch_add(1, Ordering::Relaxed);
        warn!(
            dir = %self.dir.display(), %damage, kept = %aside.display(),
            "node database was damaged: set aside, and a new one begun"
        );
        self.open()
    }
}

/// geth deletes a database of another version.
fn check_version(db: &mut LevelDb) -> Result<(), StoreError> {
    match db.seek(VERSION_KEY)? {
        Some((key, version)) if key == VERSION_KEY => {
            if version == VERSION {
                Ok(())
            } else {
                Err(Damage::Version.into())
            }
        }
        Some(_) | None => {
            db.write(&[(VERSION_KEY.into(), Some(VERSION.into()))])?;
            db.sync()
        }
    }
}

/// Renames the directory, and says to what.
fn set_aside(dir: &Path, damage: Damage) -> Result<PathBuf, StoreError> {
    let dir = fs::canonicalize(dir)?;
    // Nobody else may be about to do the same, or use it.
    let lock = Files::lock(&dir)?;
    for number in 1..=limits::STORE_SET_ASIDE {
        let mut name = dir.clone().into_os_string();
        name.push(format!(".damaged-{number}"));
        let aside = PathBuf::from(name);
        match fs::symlink_metadata(&aside) {
            Ok(_) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        fs::rename(&dir, &aside)?;
        lock.unlock();
        if let Some(Ok(parent)) = dir.parent().map(File::open) {
            let _ = parent.sync_all();
        }
        return Ok(aside);
    }
    Err(damage.into())
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the node database has too much to do")
    }
}

impl core::error::Error for Busy {}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
