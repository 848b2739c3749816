//! All that a node knows of another, and decided about it: an operator's question.

use core::time::Duration;

use alloc::sync::Arc;

use super::dial::Surroundings;
use super::{DialRefusal, Node, PeerInfo, Story};
use crate::identity::{Contact, NodeId};
use crate::kademlia::Entry;
use crate::time::Instant;

/// A node of the table at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TableEntry {
    /// Where it is.
    pub contact: Contact,
    /// For how long it has been an entry or waited to be one.
    pub known_for: Duration,
    /// For how long it has been an entry.
    pub entered_for: Duration,
    /// Pings that it has answered; one without an answer divides them by three.
    pub checks: u32,
    /// Whether it has answered one where it is.
    pub is_live: bool,
}

impl TableEntry {
    /// What the table has, at this moment.
    pub fn of(entry: &Entry, now: Instant) -> Self {
        Self {
            contact: entry.contact().clone(),
            known_for: now.saturating_since(entry.known_since()),
            entered_for: now.saturating_since(entry.entered()),
            checks: entry.checks(),
            is_live: entry.is_live(),
        }
    }
}

/// All that is known of a node, and what was decided about it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// Which node.
    pub id: NodeId,
    /// Whether it is ourselves.
    pub is_self: bool,
    /// The peer, if it is one.
    pub peer: Option<Arc<PeerInfo>>,
    /// Whether it is admitted whatever the limits.
    pub is_trusted: bool,
    /// Whether a connection to it is to be kept.
    pub is_static: bool,
    /// The table's entry of it.
    pub table: Option<TableEntry>,
    /// Whether the dial scheduler would dial it if its turn came now, or why not;
    /// `None` if nobody has said where it is.
    pub dial: Option<Result<(), DialRefusal>>,
    /// What was decided about it, in order.
    pub story: Story,
}

impl Node {
    /// All that is known of a node, and what was decided about it.
    pub fn explain(&self, id: &NodeId) -> Explanation {
        let discovery = self.discovery();
        let entry = discovery.and_then(|discovery| discovery.table().entry(id));
        let around = Surroundings::new(
            self.now.mono,
            &self.peers,
            &self.limits,
            self.no_dial,
            self.net_restrict.as_ref(),
            discovery.is_some(),
        );
        let peer = self.peers.get(id);
        let contact = self.dial.static_contact(id);
        let contact = contact.or_else(|| entry.map(Entry::contact));
        let contact = contact.or_else(|| peer.map(|peer| &peer.contact));
        Explanation {
            id: *id,
            is_self: *id == self.own,
            peer: peer.cloned(),
            is_trusted: self.peers.is_trusted(id),
            is_static: self.dial.is_static(id),
            table: entry.map(|entry| TableEntry::of(entry, self.now.mono)),
            dial: contact.map(|contact| self.dial.verdict(contact, &around)),
            story: self.journal.story(id),
        }
    }
}
