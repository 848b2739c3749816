//! How many packets came and went, by kind.

use super::Kind;

/// Counters of packets. They saturate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    received: [u64; 6],
    sent: [u64; 6],
}

impl Traffic {
    /// Packets of a kind that were acted on.
    pub const fn packets_received(&self, kind: Kind) -> u64 {
        self.received[index(kind)]
    }

    /// Packets of a kind that were sent.
    pub const fn packets_sent(&self, kind: Kind) -> u64 {
        self.sent[index(kind)]
    }

    pub(super) const fn received(&mut self, kind: Kind) {
        let count = &mut self.received[index(kind)];
        *count = count.saturating_add(1);
    }

    pub(super) const fn sent(&mut self, kind: Kind) {
        let count = &mut self.sent[index(kind)];
        *count = count.saturating_add(1);
    }
}

/// Kinds are numbered from 1.
const fn index(kind: Kind) -> usize {
    kind.code() as usize - 1
}
