//! A look-up: finding the nodes closest to a target by asking ever closer ones.
//!
//! ```text
//!   next_query ──▶ ask it ──▶ answered: those it knows ──▶ closer ones to ask
//!        ▲                 ╰▶ failed                                │
//!        ╰──────────────────────────────────────────────────────────╯
//!   is_finished: the 16 closest have all been asked
//! ```
//!
//! geth `lookup.go`. A look-up is cancelled by dropping it.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::identity::{Contact, NodeId};
use crate::limits;

/// The search for the nodes closest to one id.
///
/// Of the closest nodes seen so far, those not asked yet are asked, closest
/// first, three at a time, each once. A node stays among the closest if it does
/// not answer, as in geth.
#[derive(Debug)]
pub struct Lookup {
    target: NodeId,
    own: NodeId,
    /// Closest first. Whoever falls out at the end cannot come back, as the end
    /// only moves closer: so nobody is asked twice.
    closest: Vec<Contact>,
    /// For each of these whether it was asked, and how far it is.
    asked: Vec<bool>,
    hops: Vec<u8>,
    /// Whom, and how far it is.
    in_flight: Vec<(NodeId, u8)>,
    queries: usize,
    /// All that were ever met, ourselves left out.
    seen: BTreeSet<NodeId>,
}

impl Lookup {
    /// A search for `target` that begins with `start`, usually the closest nodes
    /// of the table. `own` is never asked nor found.
    pub fn new(target: NodeId, own: NodeId, start: impl IntoIterator<Item = Contact>) -> Self {
        let mut lookup = Self {
            target,
            own,
            closest: Vec::with_capacity(limits::NEIGHBORS + 1),
            asked: Vec::with_capacity(limits::NEIGHBORS + 1),
            hops: Vec::with_capacity(limits::NEIGHBORS + 1),
            in_flight: Vec::with_capacity(limits::LOOK_UP_CONCURRENCY),
            queries: 0,
            seen: BTreeSet::new(),
        };
        for contact in start.into_iter().take(limits::NEIGHBORS) {
            lookup.meet(&contact, 0);
        }
        lookup
    }

    /// What is searched for.
    pub const fn target(&self) -> &NodeId {
        &self.target
    }

    /// Whom to ask now for the nodes that it knows closest to the target, if
    /// anyone. Each is to be followed by [`answered`](Self::answered) or
    /// [`failed`](Self::failed).
    pub fn next_query(&mut self) -> Option<Contact> {
        if self.in_flight.len() >= limits::LOOK_UP_CONCURRENCY {
            return None;
        }
        let at = self.next_unasked()?;
        self.asked[at] = true;
        self.queries += 1;
        let contact = self.closest[at].clone();
        self.in_flight.push((*contact.id(), self.hops[at]));
        Some(contact)
    }

    fn next_unasked(&self) -> Option<usize> {
        if self.queries >= limits::LOOK_UP_QUERIES {
            return None;
        }
        self.asked.iter().position(|asked| !asked)
    }

    /// A node has answered. Of `contacts` the first 16 count, in any order.
    /// Returns those that this search had not met before; nothing if the node
    /// was not asked or has answered already.
    pub fn answered(&mut self, id: &NodeId, contacts: Vec<Contact>) -> Vec<Contact> {
        let Some(hops) = self.land(id) else { return Vec::new() };
        let mut new = contacts;
        new.truncate(limits::NEIGHBORS);
        new.retain(|contact| self.meet(contact, hops.saturating_add(1)));
        new
    }

    /// A node was not reached or has not answered.
    pub fn failed(&mut self, id: &NodeId) {
        self.land(id);
    }

    /// How far away the node is, if an answer of it was awaited.
    fn land(&mut self, id: &NodeId) -> Option<u8> {
        let at = self.in_flight.iter().position(|(asked, _)| asked == id)?;
        Some(self.in_flight.remove(at).1)
    }

    /// Remembers a node; says whether it is new.
    fn meet(&mut self, contact: &Contact, hops: u8) -> bool {
        if *contact.id() == self.own || !self.seen.insert(*contact.id()) {
            return false;
        }
        let at = self
            .closest
            .partition_point(|known| self.target.cmp_distance(known.id(), contact.id()).is_lt());
        if at < limits::NEIGHBORS {
            self.closest.insert(at, contact.clone());
            self.asked.insert(at, false);
            self.hops.insert(at, hops);
            self.closest.truncate(limits::NEIGHBORS);
            self.asked.truncate(limits::NEIGHBORS);
            self.hops.truncate(limits::NEIGHBORS);
        }
        true
    }

    /// Whether there is nothing more to ask nor to wait for.
    pub fn is_finished(&self) -> bool {
        self.in_flight.is_empty() && self.next_unasked().is_none()
    }

    /// The closest nodes met so far, at most 16, closest first.
    pub fn closest(&self) -> &[Contact] {
        &self.closest
    }

    /// Through how many answers, one after the other, the closest node came to be
    /// met; 0 if it was there from the start, or nobody was met.
    pub fn hops(&self) -> u8 {
        self.hops.first().copied().unwrap_or(0)
    }

    /// How many nodes were asked so far.
    pub const fn queries(&self) -> usize {
        self.queries
    }

    /// Queries that are neither answered nor failed; at most 3.
    pub const fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// What must always hold; names what does not.
    pub fn audit(&self) -> Result<(), &'static str> {
        let in_order = self
            .closest
            .is_sorted_by(|near, far| self.target.cmp_distance(near.id(), far.id()).is_lt());
        if !in_order || self.closest.len() > limits::NEIGHBORS {
            return Err("look-up: not the closest, closest first");
        }
        if self.asked.len() != self.closest.len() || self.hops.len() != self.closest.len() {
            return Err("look-up: who was asked");
        }
        if self.in_flight.len() > limits::LOOK_UP_CONCURRENCY {
            return Err("look-up: too many queries at once");
        }
        if self.queries > limits::LOOK_UP_QUERIES || self.seen.len() > limits::LOOK_UP_SEEN {
            return Err("look-up: too many queries");
        }
        Ok(())
    }
}
