//! Which node a crawl asks next, and what becomes of those it has asked. No
//! packets, no clock: time comes with each call.
//!
//! ```text
//! file ──▶ to ask again ─┐              ┌─ answered: score + 1
//!                        ├─▶ being asked ┤
//! walk ──▶ met ──────────┘              └─ silent: score / 2, removed at 0
//! ```
//!
//! The nodes of the file go first. A node that was asked within the last ten
//! minutes is passed over. One that never answered is kept out, unless the
//! crawl began with it: bootnodes may be back another time.
//!
//! Source: geth `cmd/devp2p/crawl.go`. Unlike there the time limit begins when
//! the last node of the file has its turn, as its description says, so that a
//! large file does not use all of it up.

use core::num::NonZeroUsize;
use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

use devp2p_smol::core::identity::{Contact, NodeAddress, NodeId};
use devp2p_smol::core::time::{Instant, Now, UnixTime};
use jiff::{SignedDuration, Timestamp};

use crate::nodes::{Node, NodeSet};

/// Between two questions to the same node. geth `revalidateInterval`.
const REVALIDATION: SignedDuration = SignedDuration::from_mins(10);

/// A crawl of the network: the nodes it knows, and those it will ask.
pub(super) struct Crawl {
    nodes: NodeSet,
    /// Nodes of the file that had no turn yet.
    again: VecDeque<NodeId>,
    /// Nodes of the walk that had no turn yet.
    met: VecDeque<Contact>,
    asked: BTreeSet<NodeId>,
    /// Those whose last question in this crawl was answered.
    live: BTreeSet<NodeId>,
    parallel: NonZeroUsize,
    limit: Option<Duration>,
    /// When the last node of the file had its turn.
    began: Option<Instant>,
    tally: Tally,
}

/// How often something happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Tally {
    /// A node answered for the first time.
    pub(super) added: u64,
    /// Another question was answered, or missed and forgiven.
    pub(super) updated: u64,
    /// A node's score came to 0.
    pub(super) removed: u64,
    /// A node was passed over because it was asked a short time ago.
    pub(super) recent: u64,
    /// A node that was never heard of did not answer.
    pub(super) silent: u64,
}

/// What came of asking a node for its record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// It gave one.
    Answered(Contact),
    /// It gave none, or no good one.
    Silent,
    /// The question was not sent.
    NotAsked,
}

/// How a crawl stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Standing {
    pub(super) tally: Tally,
    /// Nodes in the set.
    pub(super) nodes: usize,
    /// Nodes whose last question in this crawl was answered.
    pub(super) live: usize,
}

impl Tally {
    /// Questions that have come to an end.
    pub(super) const fn asked(&self) -> u64 {
        self.added + self.updated + self.removed + self.silent
    }
}

impl Crawl {
    /// Begins with the nodes of a file or, if it has none, with these others.
    /// `None` if there are none either.
    pub(super) fn new(
        mut nodes: NodeSet,
        others: impl IntoIterator<Item = NodeAddress>,
        parallel: NonZeroUsize,
        limit: Option<Duration>,
    ) -> Option<Self> {
        if nodes.is_empty() {
            nodes.extend(others.into_iter().map(|node| (node.node_id(), Node::new(node))));
        }
        (!nodes.is_empty()).then(|| Self {
            again: nodes.keys().copied().collect(),
            nodes,
            met: VecDeque::new(),
            asked: BTreeSet::new(),
            live: BTreeSet::new(),
            parallel,
            limit,
            began: None,
            tally: Tally::default(),
        })
    }

    /// The nodes as they stand now.
    pub(super) const fn nodes(&self) -> &NodeSet {
        &self.nodes
    }

    /// The nodes as it leaves them.
    pub(super) fn into_nodes(self) -> NodeSet {
        self.nodes
    }

    pub(super) fn standing(&self) -> Standing {
        Standing { tally: self.tally, nodes: self.nodes.len(), live: self.live.len() }
    }

    /// Whether the walk should go on: what it has met so far has had its turn,
    /// and there is room for more.
    pub(super) fn wants_nodes(&self) -> bool {
        self.again.is_empty() && self.met.is_empty() && self.asked.len() < self.parallel.get()
    }

    /// The walk met these.
    pub(super) fn met(&mut self, contacts: impl IntoIterator<Item = Contact>) {
        self.met.extend(contacts);
    }

    /// Whom to ask now; [`Crawl::heard`] is to follow. `None` if there is
    /// nobody, or as many are being asked as may be.
    pub(super) fn next(&mut self, now: Now) -> Option<Contact> {
        while self.asked.len() < self.parallel.get() {
            let contact = self.turn(now)?;
            let id = *contact.id();
            if self.asked.contains(&id) || self.is_recent(&id, now) {
                self.tally.recent += 1;
            } else {
                self.asked.insert(id);
                return Some(contact);
            }
        }
        None
    }

    /// Whose turn it is.
    fn turn(&mut self, now: Now) -> Option<Contact> {
        while let Some(id) = self.again.pop_front() {
            // Nobody was removed who had no turn.
            if let Some(node) = self.nodes.get(&id) {
                return Some(node.address.contact());
            }
        }
        self.began.get_or_insert(now.mono);
        self.met.pop_front()
    }

    /// A clock that was set back does not keep a node from being asked.
    fn is_recent(&self, id: &NodeId, now: Now) -> bool {
        let checked = self.nodes.get(id).and_then(|node| node.last_check);
        checked.is_some_and(|checked| {
            let since = time(now.unix).duration_since(checked);
            !since.is_negative() && since < REVALIDATION
        })
    }

    /// What came of a node that was asked.
    pub(super) fn heard(&mut self, id: NodeId, outcome: Outcome, now: Now) {
        if !self.asked.remove(&id) {
            return;
        }
        match outcome {
            Outcome::Answered(contact) => self.answered(&contact, time(now.unix)),
            Outcome::Silent => self.silent(&id, time(now.unix)),
            // Those of the file get another turn; the walk meets the others again.
            Outcome::NotAsked if self.nodes.contains_key(&id) => self.again.push_back(id),
            Outcome::NotAsked => {}
        }
    }

    fn answered(&mut self, contact: &Contact, now: Timestamp) {
        let fresh = Node::met(contact);
        let node = self.nodes.entry(*contact.id()).or_insert_with(|| fresh.clone());
        node.address = fresh.address;
        node.score = node.score.saturating_add(1);
        node.last_check = Some(now);
        node.last_response = Some(now);
        if node.first_response.is_none() {
            node.first_response = Some(now);
            self.tally.added += 1;
        } else {
            self.tally.updated += 1;
        }
        self.live.insert(*contact.id());
    }

    fn silent(&mut self, id: &NodeId, now: Timestamp) {
        self.live.remove(id);
        let Some(node) = self.nodes.get_mut(id).filter(|node| node.score != 0) else {
            self.tally.silent += 1;
            return;
        };
        node.last_check = Some(now);
        node.score /= 2;
        if node.score <= 0 {
            self.nodes.remove(id);
            self.tally.removed += 1;
        } else {
            self.tally.updated += 1;
        }
    }

    /// When the crawl is over, once that is known.
    pub(super) fn end(&self) -> Option<Instant> {
        Some(self.began?.saturating_add(self.limit?))
    }
}

/// To the second, as the file has it.
fn time(unix: UnixTime) -> Timestamp {
    let seconds = i64::try_from(unix.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
