//! What a store has done, and what has gone wrong with it.

use super::{Operation, Skipped};

/// What has gone wrong since a store was opened. Nothing of it ends anything: a
/// node does without what was lost.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct StoreCounts {
    /// Damaged databases that were set aside.
    pub set_aside: u64,
    /// Operations that were not done, or for which there was no room.
    pub failed: u64,
    /// Bytes at the ends of logs that were no whole record: what was being
    /// written when an earlier process was interrupted.
    pub torn: u64,
    /// Damaged values that were passed over, in a database otherwise in order.
    pub skipped: Skipped,
}

/// What a store was given to do since it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct StoreWork {
    /// Operations that were taken, in the order of [`Operation::KINDS`].
    pub taken: [u64; Operation::KINDS.len()],
    /// How many of them have been done, or have failed.
    pub done: u64,
}

impl StoreWork {
    /// Operations that wait, or are being done.
    pub fn waiting(&self) -> u64 {
        self.taken.iter().sum::<u64>().saturating_sub(self.done)
    }
}
