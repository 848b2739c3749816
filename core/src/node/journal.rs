//! What was decided about each node, in order, with why and when: what an
//! operator asks for when a counter is not enough.
//!
//! ```text
//!   a counter is counted, or a state changes ─▶ Journal::note(id, decision)
//!
//!   strangers      who came to us, or was only told of:  1024 nodes, 8 entries each
//!   acquaintances  whom we dialled or were told to keep: 1024 nodes, 32 each
//! ```
//!
//! Of either kind so many are the most, and [`Config::journal`] may say fewer.
//!
//! Where all places are taken the node that was spoken of last the longest ago is
//! forgotten, and of one node the oldest entry. Anybody can make up keys, so
//! strangers only push out strangers.
//!
//! No machine reads it: nothing that is decided depends on it.
//!
//! [`Config::journal`]: super::Config::journal

use core::fmt;
use core::net::SocketAddr;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::{DialFailure, DialRefusal, Direction, Refusal};
use crate::identity::NodeId;
use crate::kademlia;
use crate::limits;
use crate::p2p::DisconnectReason;
use crate::session::SessionError;
use crate::time::UnixTime;

/// For whom a node is dialled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DialPurpose {
    /// It is a node to keep a connection to.
    Static,
    /// Discovery or a capability has brought it.
    Dynamic,
    /// The application asked for it.
    Requested,
}

/// What was decided about a node, or became of it, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Decision {
    /// It is in the table from now on; it is there if its packets come from here.
    TableAdded(Option<SocketAddr>),
    /// The table knows it by a newer record or at another endpoint.
    TableUpdated(Option<SocketAddr>),
    /// The table did not take it.
    TableRefused(kademlia::Refusal),
    /// It has left the table: it did not answer.
    TableRemoved,
    /// To be kept connected from now on.
    StaticAdded,
    /// Not any more.
    StaticRemoved,
    /// To be admitted whatever the limits.
    TrustedAdded,
    /// Not any more.
    TrustedRemoved,
    /// The dial scheduler had it in hand and left it.
    DialRefused(DialRefusal),
    /// A dial was begun.
    DialBegun(DialPurpose),
    /// Its host name is being looked up.
    LookingUpName,
    /// Discovery is asked where it is.
    Resolving,
    /// A TCP connection is being made.
    Connecting(SocketAddr),
    /// It is there.
    Connected(SocketAddr),
    /// The dial came to no TCP connection, or was given up.
    DialFailed(DialFailure),
    /// Somebody connected from there and claims to be this node.
    Claimed(SocketAddr),
    /// The first admission was passed: by its key nothing is against it.
    Proceeded(Direction),
    /// It was refused by its key or hello.
    Refused(Direction, Refusal),
    /// It is a peer.
    Admitted(Direction),
    /// This connection gave way to the one that the other side keeps as well.
    Replaced(Direction),
    /// It was told to go.
    SentAway(DisconnectReason),
    /// The connection of a peer ended.
    Ended(Direction, SessionError),
    /// A connection ended that was never admitted.
    Failed(Direction, SessionError),
}

impl Decision {
    /// Its name for scripts, the same in all versions: `dial_failed`.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::TableAdded(_) => "table_added",
            Self::TableUpdated(_) => "table_updated",
            Self::TableRefused(_) => "table_refused",
            Self::TableRemoved => "table_removed",
            Self::StaticAdded => "static_added",
            Self::StaticRemoved => "static_removed",
            Self::TrustedAdded => "trusted_added",
            Self::TrustedRemoved => "trusted_removed",
            Self::DialRefused(_) => "dial_refused",
            Self::DialBegun(_) => "dial_begun",
            Self::LookingUpName => "looking_up_name",
            Self::Resolving => "resolving",
            Self::Connecting(_) => "connecting",
            Self::Connected(_) => "connected",
            Self::DialFailed(_) => "dial_failed",
            Self::Claimed(_) => "claimed",
            Self::Proceeded(_) => "proceeded",
            Self::Refused(..) => "refused",
            Self::Admitted(_) => "admitted",
            Self::Replaced(_) => "replaced",
            Self::SentAway(_) => "sent_away",
            Self::Ended(..) => "ended",
            Self::Failed(..) => "failed",
        }
    }

    /// Whether it says that we have to do with the node by our own will: nobody gets
    /// so far by making up keys. Who comes to us may be a peer with any.
    const fn acquaints(&self) -> bool {
        match self {
            Self::StaticAdded
            | Self::StaticRemoved
            | Self::TrustedAdded
            | Self::TrustedRemoved
            | Self::DialBegun(_)
            | Self::Admitted(Direction::Outbound) => true,
            Self::TableAdded(_)
            | Self::TableUpdated(_)
            | Self::TableRefused(_)
            | Self::TableRemoved
            | Self::DialRefused(_)
            | Self::LookingUpName
            | Self::Resolving
            | Self::Connecting(_)
            | Self::Connected(_)
            | Self::DialFailed(_)
            | Self::Claimed(_)
            | Self::Proceeded(_)
            | Self::Admitted(Direction::Inbound)
            | Self::Refused(..)
            | Self::Replaced(_)
            | Self::SentAway(_)
            | Self::Ended(..)
            | Self::Failed(..) => false,
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |address: &Option<SocketAddr>, f: &mut fmt::Formatter<'_>| match address {
            Some(address) => write!(f, " at {address}"),
            None => Ok(()),
        };
        match self {
            Self::TableAdded(address) => {
                f.write_str("added to the table")?;
                at(address, f)
            }
            Self::TableUpdated(address) => {
                f.write_str("updated in the table")?;
                at(address, f)
            }
            Self::TableRefused(refusal) => write!(f, "not taken into the table: {refusal}"),
            Self::TableRemoved => f.write_str("removed from the table: it did not answer"),
            Self::StaticAdded => f.write_str("made a static node"),
            Self::StaticRemoved => f.write_str("no static node any more"),
            Self::TrustedAdded => f.write_str("trusted"),
            Self::TrustedRemoved => f.write_str("not trusted any more"),
            Self::DialRefused(refusal) => write!(f, "not dialled: {refusal}"),
            Self::DialBegun(DialPurpose::Static) => f.write_str("dialled as a static node"),
            Self::DialBegun(DialPurpose::Dynamic) => f.write_str("dialled as a candidate"),
            Self::DialBegun(DialPurpose::Requested) => f.write_str("dialled on request"),
            Self::LookingUpName => f.write_str("its host name is looked up"),
            Self::Resolving => f.write_str("discovery is asked where it is"),
            Self::Connecting(address) => write!(f, "connecting to {address}"),
            Self::Connected(address) => write!(f, "connected to {address}"),
            Self::DialFailed(failure) => write!(f, "the dial failed: {failure}"),
            Self::Claimed(address) => write!(f, "a connection from {address} claims its key"),
            Self::Proceeded(direction) => write!(f, "{direction} connection may say hello"),
            Self::Refused(direction, refusal) => {
                write!(f, "{direction} connection refused: {refusal}")
            }
            Self::Admitted(direction) => write!(f, "{direction} connection admitted"),
            Self::Replaced(direction) => {
                write!(f, "{direction} connection gave way to the one that both keep")
            }
            Self::SentAway(reason) => write!(f, "told to go: {reason}"),
            Self::Ended(direction, error) => write!(f, "{direction} peer gone: {error}"),
            Self::Failed(direction, error) => write!(f, "{direction} connection ended: {error}"),
        }
    }
}

/// One entry: a decision, or the same several times in a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Noted {
    /// When it was decided first.
    pub first: UnixTime,
    /// When it was decided last.
    pub last: UnixTime,
    /// How often.
    pub times: u64,
    /// What.
    pub decision: Decision,
}

/// What is remembered of a node.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Story {
    /// Entries that were forgotten, all of them older than the first that is not.
    /// What was noted before the node itself was forgotten is not among them.
    pub forgotten: u64,
    /// Oldest first.
    pub entries: Vec<Noted>,
}

/// How much is kept of one kind of nodes.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    nodes: usize,
    entries: usize,
}

impl Bounds {
    fn at_most(self, nodes: usize) -> Self {
        Self { nodes: self.nodes.min(nodes), ..self }
    }
}

const STRANGERS: Bounds =
    Bounds { nodes: limits::JOURNAL_STRANGERS, entries: limits::JOURNAL_OF_STRANGER };

const ACQUAINTANCES: Bounds =
    Bounds { nodes: limits::JOURNAL_ACQUAINTANCES, entries: limits::JOURNAL_OF_ACQUAINTANCE };

#[derive(Debug, Default)]
struct Kept {
    /// Its place in the order of those that were spoken of last.
    turn: u64,
    forgotten: u64,
    entries: VecDeque<Noted>,
}

impl Kept {
    fn push(&mut self, now: UnixTime, decision: Decision, bounds: Bounds) {
        if let Some(last) = self.entries.back_mut()
            && last.decision == decision
        {
            last.last = now;
            last.times = last.times.saturating_add(1);
            return;
        }
        // Before one more comes: there is never room for more than may be.
        while self.entries.len() >= bounds.entries {
            self.entries.pop_front();
            self.forgotten = self.forgotten.saturating_add(1);
        }
        // Of most nodes there is one entry or two; an empty queue would begin with four.
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(self.entries.len().max(1));
        }
        self.entries.push_back(Noted { first: now, last: now, times: 1, decision });
    }
}

/// The nodes of one kind.
#[derive(Debug, Default)]
struct Shelf {
    nodes: BTreeMap<NodeId, Kept>,
    /// Who was spoken of last, the longest ago first.
    order: BTreeSet<(u64, NodeId)>,
}

impl Shelf {
    fn take(&mut self, id: &NodeId) -> Option<Kept> {
        let kept = self.nodes.remove(id)?;
        self.order.remove(&(kept.turn, *id));
        Some(kept)
    }

    fn put(&mut self, id: NodeId, kept: Kept, bounds: Bounds) {
        if self.nodes.len() >= bounds.nodes
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.nodes.remove(&oldest);
        }
        self.order.insert((kept.turn, id));
        self.nodes.insert(id, kept);
    }

    fn audit(&self, bounds: Bounds) -> bool {
        self.nodes.len() <= bounds.nodes
            && self.order.len() == self.nodes.len()
            && self.nodes.values().all(|kept| kept.entries.len() <= bounds.entries)
    }
}

/// What was decided about whom.
#[derive(Debug)]
pub(super) struct Journal {
    /// Nodes of each kind that are remembered at most.
    nodes: usize,
    strangers: Shelf,
    acquaintances: Shelf,
    turn: u64,
}

impl Journal {
    /// Remembers so many nodes of each kind, no more than the limits; none: nothing at all.
    pub(super) fn new(nodes: usize) -> Self {
        Self { nodes, strangers: Shelf::default(), acquaintances: Shelf::default(), turn: 0 }
    }

    /// This was decided about this node now.
    pub(super) fn note(&mut self, now: UnixTime, id: NodeId, decision: Decision) {
        if self.nodes == 0 {
            return;
        }
        self.turn += 1;
        let known = self.acquaintances.take(&id);
        let is_acquainted = known.is_some() || decision.acquaints();
        let mut kept = known.or_else(|| self.strangers.take(&id)).unwrap_or_default();
        kept.turn = self.turn;
        let bounds = if is_acquainted { ACQUAINTANCES } else { STRANGERS }.at_most(self.nodes);
        kept.push(now, decision, bounds);
        let shelf = if is_acquainted { &mut self.acquaintances } else { &mut self.strangers };
        shelf.put(id, kept, bounds);
    }

    /// What is remembered of this node.
    pub(super) fn story(&self, id: &NodeId) -> Story {
        let kept = self.acquaintances.nodes.get(id).or_else(|| self.strangers.nodes.get(id));
        kept.map(|kept| Story {
            forgotten: kept.forgotten,
            entries: kept.entries.iter().copied().collect(),
        })
        .unwrap_or_default()
    }

    /// Of whom anything is remembered.
    pub(super) fn ids(&self) -> impl Iterator<Item = &NodeId> {
        self.acquaintances.nodes.keys().chain(self.strangers.nodes.keys())
    }

    pub(super) fn audit(&self) -> Result<(), &'static str> {
        if self.strangers.audit(STRANGERS.at_most(self.nodes))
            && self.acquaintances.audit(ACQUAINTANCES.at_most(self.nodes))
        {
            Ok(())
        } else {
            Err("journal of decisions")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: usize) -> NodeId {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&(number as u64).to_be_bytes());
        NodeId::new(id)
    }

    fn at(second: u64) -> UnixTime {
        UnixTime::from_secs(second)
    }

    const LEFT: Decision = Decision::TableRemoved;
    const DIALLED: Decision = Decision::DialBegun(DialPurpose::Dynamic);

    #[test]
    fn what_happens_again_at_once_is_one_entry_that_says_how_often() {
        let mut journal = Journal::new(usize::MAX);
        journal.note(at(1), node(1), DIALLED);
        journal.note(at(2), node(1), LEFT);
        journal.note(at(3), node(2), LEFT);
        journal.note(at(4), node(1), LEFT);
        let noted = |first, last, times, decision| Noted {
            first: at(first),
            last: at(last),
            times,
            decision,
        };
        let story = journal.story(&node(1));
        assert_eq!(story.entries, [noted(1, 1, 1, DIALLED), noted(2, 4, 2, LEFT)]);
        assert!(journal.story(&node(3)).entries.is_empty());
    }

    #[test]
    fn so_many_nodes_as_are_asked_for_are_remembered_and_no_more() {
        let mut journal = Journal::new(2);
        for number in 0..5 {
            journal.note(at(0), node(number), LEFT);
            journal.note(at(0), node(10 + number), DIALLED);
            journal.audit().unwrap();
        }
        assert_eq!(journal.ids().copied().collect::<Vec<_>>(), [13, 14, 3, 4].map(node));
        let mut none = Journal::new(0);
        none.note(at(0), node(1), DIALLED);
        assert_eq!(none.ids().count(), 0);
        none.audit().unwrap();
    }

    #[test]
    fn of_one_node_the_oldest_entries_are_forgotten_and_counted() {
        let mut journal = Journal::new(usize::MAX);
        for second in 0..2 * limits::JOURNAL_OF_ACQUAINTANCE as u64 {
            journal.note(at(second), node(1), if second % 2 == 0 { DIALLED } else { LEFT });
            journal.audit().unwrap();
        }
        let story = journal.story(&node(1));
        assert_eq!(story.entries.len(), limits::JOURNAL_OF_ACQUAINTANCE);
        assert_eq!(story.forgotten, limits::JOURNAL_OF_ACQUAINTANCE as u64);
        assert_eq!(story.entries[0].first, at(story.forgotten));
    }

    #[test]
    fn strangers_push_out_strangers_and_nobody_else() {
        let mut journal = Journal::new(usize::MAX);
        journal.note(at(0), node(0), DIALLED);
        for number in 1..=3 * limits::JOURNAL_STRANGERS {
            journal.note(at(1), node(number), Decision::Admitted(Direction::Inbound));
            journal.note(at(1), node(number), LEFT);
        }
        journal.audit().unwrap();
        assert_eq!(journal.story(&node(0)).entries.len(), 1);
        assert!(journal.story(&node(1)).entries.is_empty());
        assert_eq!(journal.story(&node(3 * limits::JOURNAL_STRANGERS)).entries.len(), 2);
    }

    #[test]
    fn who_is_dialled_brings_what_was_noted_of_the_stranger() {
        let mut journal = Journal::new(usize::MAX);
        journal.note(at(0), node(1), LEFT);
        journal.note(at(1), node(1), DIALLED);
        journal.note(at(2), node(1), LEFT);
        assert_eq!(journal.story(&node(1)).entries.len(), 3);
        assert!(journal.strangers.nodes.is_empty());
        journal.audit().unwrap();
    }

    #[test]
    fn who_was_spoken_of_last_the_longest_ago_is_forgotten_first() {
        let mut journal = Journal::new(usize::MAX);
        for number in 0..limits::JOURNAL_ACQUAINTANCES {
            journal.note(at(0), node(number), DIALLED);
        }
        journal.note(at(1), node(0), DIALLED);
        journal.note(at(2), node(usize::MAX), DIALLED);
        journal.audit().unwrap();
        assert_eq!(journal.story(&node(0)).entries[0].times, 2);
        assert!(journal.story(&node(1)).entries.is_empty());
    }
}
