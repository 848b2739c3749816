//! Queries: the book of questions, from when somebody wants to know until he is
//! told. Each needs an endpoint proof first, and so may take several requests
//! (`requests.rs`), sent by `asking.rs`.
//!
//! ```text
//!            ┌──────────────── it knows us ───────────────────┐
//!  start ────┤                                                ├──▶ Asked ──▶ outcome
//!            └─ no ─▶ Proving ── pong ─▶ AwaitingPing ────────┤       ▲
//!                        │               its ping, or 500 ms  └──▶ Blocked
//!                        └─ no pong ─▶ outcome                  another find-node
//!                                                               to it is under way
//! ```
//!
//! A node answers find-node and ENR requests only when we have proved our
//! endpoint to it: it must have pinged us. geth waits 500 ms for that whatever
//! comes; here the ping itself ends the wait.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::{RequestError, RequestId};
use crate::identity::{Contact, NodeId};
use crate::limits;
use crate::time::{Deadline, Instant};

/// A question to one node.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) contact: Contact,
    pub(super) to: SocketAddr,
    pub(super) question: Question,
    pub(super) caller: Caller,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    /// Which nodes do you know that are closest to this key?
    Neighbors([u8; 64]),
    /// What is your record?
    Record,
}

/// Who wants to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Caller {
    LookUp(u64),
    Command(RequestId),
    /// A step on the way to the latest record of a node.
    Resolve(RequestId),
    /// A pong named a newer record than the table has.
    Revalidation,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Proving,
    AwaitingPing(Instant),
    Blocked,
    Asked,
}

/// What came of a query.
#[derive(Debug)]
pub(super) enum Outcome {
    Neighbors(Vec<Contact>),
    Record(Contact),
    Failed(RequestError),
}

/// All queries under way, at most [`limits::QUERIES`].
#[derive(Debug, Default)]
pub(super) struct Queries {
    queries: BTreeMap<u64, Query>,
    /// Those that await a ping, by when to ask without it.
    waits: BTreeSet<(Instant, u64)>,
    /// Those that await a ping, or their turn, by the node.
    waiting: BTreeSet<(NodeId, u64)>,
    next: u64,
}

impl Queries {
    pub(super) fn len(&self) -> usize {
        self.queries.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.len() < limits::QUERIES
    }

    pub(super) fn get(&self, number: u64) -> Option<&Query> {
        self.queries.get(&number)
    }

    /// A new one, which is to be [proved](Phase::Proving) or asked next.
    pub(super) fn insert(
        &mut self,
        contact: Contact,
        to: SocketAddr,
        question: Question,
        caller: Caller,
    ) -> u64 {
        let number = self.next;
        self.next += 1;
        let phase = Phase::Proving;
        self.queries.insert(number, Query { contact, to, question, caller, phase });
        number
    }

    /// Its node has answered our ping; its own ping may be on the way.
    pub(super) fn await_ping(&mut self, number: u64, until: Instant) {
        self.enter(number, Phase::AwaitingPing(until));
    }

    /// Another query has to end first.
    pub(super) fn block(&mut self, number: u64) {
        self.enter(number, Phase::Blocked);
    }

    /// It is being asked.
    pub(super) fn ask(&mut self, number: u64) {
        self.enter(number, Phase::Asked);
    }

    fn enter(&mut self, number: u64, phase: Phase) {
        let Some(query) = self.queries.get_mut(&number) else { return };
        leave(&mut self.waits, &mut self.waiting, number, query);
        query.phase = phase;
        match phase {
            Phase::AwaitingPing(until) => {
                self.waits.insert((until, number));
                self.waiting.insert((*query.contact.id(), number));
            }
            Phase::Blocked => {
                self.waiting.insert((*query.contact.id(), number));
            }
            Phase::Proving | Phase::Asked => {}
        }
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Query> {
        let query = self.queries.remove(&number)?;
        leave(&mut self.waits, &mut self.waiting, number, &query);
        Some(query)
    }

    /// A node's ping came and was answered: those who waited for it need not
    /// wait longer than the answer may take.
    pub(super) fn ping_came(&mut self, id: &NodeId, now: Instant) {
        let soon = now + limits::PING_BACK_GRACE;
        for number in self.waiting_for(id) {
            if let Some(Phase::AwaitingPing(until)) = self.phase(number) {
                self.enter(number, Phase::AwaitingPing(until.min(soon)));
            }
        }
    }

    /// The first of those that waited for their turn at this node.
    pub(super) fn unblock(&mut self, id: &NodeId) -> Option<u64> {
        let mut waiting = self.waiting_for(id).into_iter();
        waiting.find(|number| self.phase(*number) == Some(Phase::Blocked))
    }

    fn waiting_for(&self, id: &NodeId) -> Vec<u64> {
        self.waiting.range((*id, 0)..=(*id, u64::MAX)).map(|(_, number)| *number).collect()
    }

    fn phase(&self, number: u64) -> Option<Phase> {
        self.queries.get(&number).map(|query| query.phase)
    }

    /// One that has waited long enough for a ping.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<u64> {
        let (until, number) = *self.waits.first()?;
        (until <= now).then_some(())?;
        self.ask(number);
        Some(number)
    }

    /// Any query: for the end.
    pub(super) fn pop(&mut self) -> Option<Query> {
        let number = *self.queries.first_key_value()?.0;
        self.remove(number)
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        let (at, _) = *self.waits.first()?;
        Some(Deadline { at, reason: "ping after a pong" })
    }

    /// Recounts.
    pub(super) fn audit(&self) -> Result<(), &'static str> {
        if self.queries.len() > limits::QUERIES {
            return Err("queries");
        }
        let phases = || self.queries.values().map(|query| query.phase);
        let waits = phases().filter(|phase| matches!(phase, Phase::AwaitingPing(_))).count();
        let blocked = phases().filter(|phase| *phase == Phase::Blocked).count();
        if waits != self.waits.len() || waits + blocked != self.waiting.len() {
            return Err("index of queries");
        }
        Ok(())
    }
}

fn leave(
    waits: &mut BTreeSet<(Instant, u64)>,
    waiting: &mut BTreeSet<(NodeId, u64)>,
    number: u64,
    query: &Query,
) {
    if let Phase::AwaitingPing(until) = query.phase {
        waits.remove(&(until, number));
    }
    waiting.remove(&(*query.contact.id(), number));
}
