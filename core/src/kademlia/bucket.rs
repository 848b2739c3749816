//! One bucket: its entries, and those who wait to replace them.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::identity::{Contact, NodeId};
use crate::limits;
use crate::time::Instant;

/// Nodes whose distance to ourselves is alike.
#[derive(Debug, Default)]
pub struct Bucket {
    /// Oldest first.
    pub(super) entries: Vec<Entry>,
    /// Newest first.
    pub(super) replacements: Vec<Replacement>,
}

/// A node of the table.
#[derive(Debug)]
pub struct Entry {
    pub(super) contact: Contact,
    pub(super) known_since: Instant,
    pub(super) entered: Instant,
    pub(super) checks: u32,
    pub(super) live: bool,
    pub(super) pace: Pace,
    pub(super) check: Check,
}

/// Which list of the revalidation an entry is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pace {
    Fast,
    Slow,
}

/// Where the ping to an entry stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Check {
    Idle,
    /// It is to be pinged or has been, and the result is awaited.
    Asked,
    /// The same, but the result says nothing of it: it has moved since.
    Outdated,
}

impl Check {
    /// What is left of a ping to where the node was.
    pub(super) const fn after_move(self) -> Self {
        match self {
            Self::Idle => Self::Idle,
            Self::Asked | Self::Outdated => Self::Outdated,
        }
    }
}

/// A node that waits for an entry of its bucket to leave.
#[derive(Debug)]
pub struct Replacement {
    pub(super) contact: Contact,
    pub(super) known_since: Instant,
}

impl Entry {
    /// The node.
    pub const fn contact(&self) -> &Contact {
        &self.contact
    }

    /// Pings that it has answered. One without an answer divides them by three.
    pub const fn checks(&self) -> u32 {
        self.checks
    }

    /// Whether it has answered a ping to this endpoint.
    pub const fn is_live(&self) -> bool {
        self.live
    }

    /// Since when it is an entry or was a replacement.
    pub const fn known_since(&self) -> Instant {
        self.known_since
    }

    /// Since when it is an entry.
    pub const fn entered(&self) -> Instant {
        self.entered
    }

    /// Whether it is pinged soon: it is new, has moved, or did not answer.
    pub const fn is_on_fast_list(&self) -> bool {
        matches!(self.pace, Pace::Fast)
    }
}

impl Replacement {
    /// The node.
    pub const fn contact(&self) -> &Contact {
        &self.contact
    }

    /// Since when it waits.
    pub const fn known_since(&self) -> Instant {
        self.known_since
    }
}

impl Bucket {
    /// At most 16, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// At most 10, newest first.
    pub fn replacements(&self) -> &[Replacement] {
        &self.replacements
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= limits::BUCKET_ENTRIES
    }

    pub(super) fn position(&self, id: &NodeId) -> Option<usize> {
        self.entries.iter().position(|entry| entry.contact.id() == id)
    }

    pub(super) fn entry(&self, id: &NodeId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.contact.id() == id)
    }

    pub(super) fn entry_mut(&mut self, id: &NodeId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.contact.id() == id)
    }

    pub(super) fn replacement_mut(&mut self, id: &NodeId) -> Option<&mut Replacement> {
        self.replacements.iter_mut().find(|replacement| replacement.contact.id() == id)
    }

    /// The addresses of all nodes, replacements included.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Option<IpAddr>> {
        let entries = self.entries.iter().map(|entry| entry.contact.ip());
        entries.chain(self.replacements.iter().map(|replacement| replacement.contact.ip()))
    }

    /// Appends those of the bucket that are closest to `target`, closest first,
    /// at most `count`.
    pub(super) fn append_closest<'a>(
        &'a self,
        target: &NodeId,
        count: usize,
        only_live: bool,
        to: &mut Vec<&'a Contact>,
    ) {
        // Eight bytes of the distance decide but for ids that somebody made to
        // be alike; sixteen such numbers are sorted in no time.
        let near = target.prefix();
        let mut order = [(0, 0); limits::BUCKET_ENTRIES];
        let wanted = self.entries.iter().enumerate().filter(|(_, entry)| entry.live || !only_live);
        let mut len = 0;
        for (slot, (at, entry)) in order.iter_mut().zip(wanted) {
            *slot = (entry.contact.id().prefix() ^ near, at);
            len += 1;
        }
        let order = &mut order[..len];
        order.sort_unstable_by(|(near, a), (far, b)| {
            near.cmp(far).then_with(|| {
                target.cmp_distance(self.entries[*a].contact.id(), self.entries[*b].contact.id())
            })
        });
        to.extend(order.iter().take(count).map(|(_, at)| &self.entries[*at].contact));
    }
}
