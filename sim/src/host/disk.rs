//! A machine's disk: a node database, and what has not reached it yet.
//!
//! ```text
//!   operation ─▶ given ──(its time)──▶ done: durable, answered
//!                  ╰── power fails: some of the first are durable, the rest is lost
//! ```

use core::time::Duration;
use std::collections::VecDeque;

use devp2p_core::entropy::Rng;
use devp2p_core::store::{KeyValue as _, MemoryStore, Operation, OperationId, Reply};
use devp2p_core::time::{Instant, UnixTime};

use crate::draw::index;

/// Operations that wait for the disk, beyond which it takes none: as
/// `adapter-host`'s queue.
const ROOM: usize = devp2p_core::limits::STORE_OPERATIONS;

/// How a disk behaves, the worst last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Mood {
    /// Each operation takes so long.
    Takes(Duration),
    /// Every operation fails, after a millisecond.
    Fails,
    /// It has no room for any operation.
    Full,
}

impl Mood {
    /// As a disk is that has nothing else to do.
    pub(crate) const WELL: Self = Self::Takes(Duration::from_millis(1));
}

/// What a machine's next run finds of what the last one left.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Durable {
    /// All that was said to be durable.
    All,
    /// What had been so at an earlier time, when the machine was last started:
    /// somebody restored a backup.
    Backup,
    /// Nothing.
    Nothing,
    /// All, but some values are damaged.
    Damaged,
}

/// A disk. It outlives its machine's runs.
#[derive(Debug)]
pub(crate) struct Disk {
    durable: MemoryStore,
    backup: MemoryStore,
    given: VecDeque<(Instant, OperationId, Operation)>,
    pub(crate) mood: Mood,
}

impl Disk {
    pub(crate) const fn new() -> Self {
        Self {
            durable: MemoryStore::new(),
            backup: MemoryStore::new(),
            given: VecDeque::new(),
            mood: Mood::WELL,
        }
    }

    /// Takes an operation, unless there is no room. When it is done.
    pub(crate) fn give(
        &mut self,
        now: Instant,
        id: OperationId,
        operation: Operation,
    ) -> Option<Instant> {
        if self.given.len() >= ROOM {
            return None;
        }
        let takes = match self.mood {
            Mood::Takes(time) => time,
            Mood::Fails => Duration::from_millis(1),
            Mood::Full => return None,
        };
        let begins = self.given.back().map_or(now, |(done, ..)| now.max(*done));
        let done = begins + takes;
        self.given.push_back((done, id, operation));
        Some(done)
    }

    /// What is done by now of what was given first, answered.
    pub(crate) fn next_done(&mut self, now: Instant, unix: UnixTime) -> Option<Reply> {
        let (done, ..) = self.given.front()?;
        if *done > now {
            return None;
        }
        self.do_next(unix)
    }

    fn do_next(&mut self, unix: UnixTime) -> Option<Reply> {
        let (_, id, operation) = self.given.pop_front()?;
        Some(match self.mood {
            Mood::Fails => Reply::Failed { operation: id },
            Mood::Takes(_) | Mood::Full => self.durable.apply(id, &operation, unix),
        })
    }

    /// The power fails, or the process is killed: of what was given and not
    /// answered some of the first is durable, and the rest is lost.
    pub(crate) fn fail(&mut self, rng: &mut Rng, unix: UnixTime) {
        let kept = index(rng, self.given.len() + 1);
        for (_, id, operation) in self.given.drain(..).take(kept) {
            self.durable.apply(id, &operation, unix);
        }
    }

    /// The process ends in order: all that was given is done first.
    pub(crate) fn close(&mut self, unix: UnixTime) {
        while self.do_next(unix).is_some() {}
    }

    /// A machine starts and finds this.
    pub(crate) fn find(&mut self, durable: Durable, rng: &mut Rng) {
        self.given.clear();
        match durable {
            Durable::All => {}
            Durable::Backup => self.durable = self.backup.clone(),
            Durable::Nothing => self.durable = MemoryStore::new(),
            Durable::Damaged => self.damage(rng),
        }
        self.backup = self.durable.clone();
    }

    fn damage(&mut self, rng: &mut Rng) {
        let entries: Vec<_> =
            self.durable.entries().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
        for (key, mut value) in entries {
            if value.is_empty() || rng.below(4) > 0 {
                continue;
            }
            let at = index(rng, value.len());
            value[at] ^= 1 << rng.below(8);
            let Ok(()) = self.durable.write(&[(key, Some(value))]);
        }
    }
}

#[cfg(test)]
mod tests {
    use devp2p_core::entropy::Seed;
    use devp2p_core::identity::NodeId;

    use super::*;

    const LOCAL: NodeId = NodeId::new([1; 32]);

    fn put(sequence: u64) -> Operation {
        Operation::PutSequence { local: LOCAL, sequence }
    }

    fn opened(disk: &mut Disk) -> Option<u64> {
        let at =
            disk.give(Instant::from_secs(100), OperationId(9), Operation::Open { local: LOCAL });
        match disk.next_done(at.unwrap(), UnixTime::EPOCH) {
            Some(Reply::Opened { sequence, .. }) => sequence,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn who_ends_in_order_has_done_all_that_was_given_before_the_disk_was_full() {
        for (mood, kept) in [(Mood::WELL, Some(2)), (Mood::Full, Some(2)), (Mood::Fails, None)] {
            let mut disk = Disk::new();
            for sequence in 1..=2 {
                disk.give(Instant::ZERO, OperationId(sequence), put(sequence));
            }
            disk.mood = mood;
            disk.close(UnixTime::EPOCH);
            disk.mood = Mood::WELL;
            assert_eq!(opened(&mut disk), kept);
        }
    }

    #[test]
    fn what_was_answered_survives_and_of_the_rest_a_beginning_may() {
        let mut rng = Seed::from_number(1).jitter();
        let mut seen = [0; 5];
        for _ in 0..200 {
            let mut disk = Disk::new();
            for sequence in 1..=4 {
                disk.give(Instant::ZERO, OperationId(sequence), put(sequence));
            }
            assert!(disk.next_done(Instant::from_millis(1), UnixTime::EPOCH).is_some());
            disk.fail(&mut rng, UnixTime::EPOCH);
            disk.find(Durable::All, &mut rng);
            seen[opened(&mut disk).unwrap() as usize] += 1;
        }
        assert_eq!(seen[0], 0);
        assert!(seen[1..].iter().all(|count| *count > 20), "{seen:?}");
    }

    #[test]
    fn a_backup_is_what_was_there_at_the_last_start() {
        let mut rng = Seed::from_number(1).jitter();
        let mut disk = Disk::new();
        disk.give(Instant::ZERO, OperationId(1), put(5));
        disk.next_done(Instant::from_secs(1), UnixTime::EPOCH);
        disk.find(Durable::All, &mut rng);
        disk.give(Instant::from_secs(1), OperationId(2), put(6));
        disk.next_done(Instant::from_secs(2), UnixTime::EPOCH);
        disk.find(Durable::Backup, &mut rng);
        assert_eq!(opened(&mut disk), Some(5));
        disk.find(Durable::Nothing, &mut rng);
        assert_eq!(opened(&mut disk), None);
    }

    #[test]
    fn a_disk_that_fails_says_so_and_one_that_is_full_takes_nothing() {
        let mut disk = Disk::new();
        disk.mood = Mood::Fails;
        let done = disk.give(Instant::ZERO, OperationId(1), put(5)).unwrap();
        let failed = Some(Reply::Failed { operation: OperationId(1) });
        assert_eq!(disk.next_done(done, UnixTime::EPOCH), failed);
        disk.mood = Mood::Full;
        assert_eq!(disk.give(Instant::ZERO, OperationId(2), put(6)), None);
    }
}
