//! Upkeep: the table's life, the store, and all that time brings.
//!
//! ```text
//!  Opening ── the store has answered or failed, or 5 s ─▶ Open
//!
//!  refresh: seeds of the store (or 1 s) and bootnodes ─▶ look up ourselves
//!           ─▶ look up three random targets ─▶ ready
//! ```

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::bonds::Bond;
use super::look_ups::For;
use super::queries::{Caller, Question};
use super::requests::Purpose;
use super::{Discovery, Event};
use crate::identity::{Contact, NodeId};
use crate::kademlia::{Added, Liveness, Removed};
use crate::limits;
use crate::store::{Operation, OperationId, Reply, StoredBond};
use crate::time::{Deadline, Instant, UnixTime};

/// Where the upkeep stands.
#[derive(Debug)]
pub(super) struct Upkeep {
    /// Until when to wait for the store; `None` once it is open.
    opening: Option<Awaited>,
    refresh: Refresh,
    /// The last operation that keeps the number of our record.
    sequence: Option<OperationId>,
    /// It has failed: it is to be done again as soon as the store does anything.
    sequence_lost: bool,
    /// When an empty table may be filled again.
    next_rescue: Instant,
    next_sweep: Instant,
    ready: bool,
}

/// An answer of the store, and until when to wait for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Awaited {
    operation: OperationId,
    until: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Refresh {
    Idle,
    Seeding(Awaited),
    /// A look-up is under way, and so many are to follow.
    LookUp(u8),
}

impl Upkeep {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            opening: None,
            refresh: Refresh::Idle,
            sequence: None,
            sequence_lost: false,
            next_rescue: now,
            next_sweep: now + limits::STORE_EXPIRE_INTERVAL,
            ready: false,
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        self.opening.is_none()
    }
}

impl Discovery {
    /// Asks the store what it remembers, or goes on without one.
    pub(super) fn open(&mut self) {
        let until = self.now.mono + limits::STORE_OPEN_TIMEOUT;
        match self.store(Operation::Open { local: self.own }) {
            Some(operation) => self.upkeep.opening = Some(Awaited { operation, until }),
            None => self.opened(),
        }
    }

    fn opened(&mut self) {
        self.upkeep.opening = None;
        self.publish_record();
        self.refresh();
        self.begin_early_commands();
    }

    pub(super) fn on_store(&mut self, reply: Reply) {
        match reply {
            Reply::Opened { sequence, bonds } => {
                for bond in bonds {
                    // Under a key that has no number here nobody has ever met us:
                    // the pings that are remembered were meant for another.
                    let last_ping = bond.last_ping.filter(|_| sequence.is_some());
                    self.restore(&StoredBond { last_ping, ..bond });
                }
                self.resume(sequence.unwrap_or(0));
                if !self.upkeep.is_open() {
                    self.opened();
                }
            }
            // Before it is open nobody has asked for them.
            Reply::Seeds(_) if !self.upkeep.is_open() => {}
            Reply::Seeds(seeds) => self.seed(seeds),
            Reply::Failed { operation } => self.not_stored(operation),
            Reply::Written { .. } => {
                if self.upkeep.sequence_lost {
                    self.store_sequence();
                }
            }
        }
    }

    fn not_stored(&mut self, operation: OperationId) {
        if self.upkeep.opening.is_some_and(|awaited| awaited.operation == operation) {
            self.opened();
        }
        if matches!(self.upkeep.refresh, Refresh::Seeding(awaited) if awaited.operation == operation)
        {
            self.look_up_ourselves();
        }
        // Of what is lost this alone is not said again by itself.
        self.upkeep.sequence_lost |= self.upkeep.sequence == Some(operation);
    }

    /// Goes on from the last record of an earlier run, unless others have been
    /// shown a higher number: then the store was late.
    fn resume(&mut self, stored: u64) {
        let late = self.upkeep.is_open();
        if stored == 0 || late && self.local_record().sequence() > stored {
            return;
        }
        if self.local.resume(stored).is_some() && late {
            self.publish_record();
        }
    }

    /// Has the number of our record kept.
    pub(super) fn store_sequence(&mut self) {
        let sequence = self.local_record().sequence();
        self.upkeep.sequence = self.store(Operation::PutSequence { local: self.own, sequence });
        self.upkeep.sequence_lost = false;
    }

    pub(super) fn on_time(&mut self) {
        let now = self.now.mono;
        while let Some(request) = self.requests.pop_due(now) {
            self.expired(request);
        }
        if self.upkeep.opening.is_some_and(|awaited| awaited.until <= now) {
            self.opened();
        }
        if !self.upkeep.is_open() {
            return;
        }
        while let Some(query) = self.queries.pop_due(now) {
            self.ask(query);
        }
        if matches!(self.upkeep.refresh, Refresh::Seeding(awaited) if awaited.until <= now) {
            self.look_up_ourselves();
        }
        if self.table.refresh_deadline().is_some_and(|at| at <= now) {
            self.refresh();
        }
        self.revalidate();
        if self.upkeep.next_sweep <= now {
            self.upkeep.next_sweep = now + limits::STORE_EXPIRE_INTERVAL;
            self.bonds.expire(now);
            self.store(Operation::Expire);
        }
    }

    /// Begins what became due by something else than time. Says whether it did.
    pub(super) fn begin_what_is_due(&mut self) -> bool {
        if !self.upkeep.is_open() {
            return false;
        }
        if self.rescue_is_due() {
            self.refresh();
            return true;
        }
        self.walk()
    }

    pub(super) fn upkeep_deadline(&self) -> Option<Deadline> {
        if let Some(Awaited { until: at, .. }) = self.upkeep.opening {
            return Some(Deadline { at, reason: "opening of the store" });
        }
        let seeding = match self.upkeep.refresh {
            Refresh::Seeding(Awaited { until: at, .. }) => Some(Deadline { at, reason: "seeds" }),
            Refresh::Idle if self.needs_rescue() => {
                Some(Deadline { at: self.upkeep.next_rescue, reason: "empty table" })
            }
            Refresh::Idle | Refresh::LookUp(_) => None,
        };
        let at = |at: Option<Instant>, reason| at.map(|at| Deadline { at, reason });
        [
            seeding,
            at(self.table.refresh_deadline(), "refresh"),
            at(self.table.revalidation_deadline(), "revalidation"),
            at(self.look_ups.walker.next_step(), "random walk"),
            at(Some(self.upkeep.next_sweep), "expiry of what is stored"),
        ]
        .into_iter()
        .fold(None, Deadline::sooner)
    }

    // The table.

    pub(super) fn add_found(&mut self, contact: Contact) {
        let added = self.table.add_found(contact.clone(), self.now.mono);
        self.tell_added(contact, &added);
    }

    /// A node that has pinged us and proved its endpoint. While we have the record
    /// whose number it states, the port in it holds: packets may leave a gateway by
    /// another one than leads in. geth has the node at the one that it saw last.
    pub(super) fn add_inbound(&mut self, seen: Contact, sequence: Option<u64>) {
        let record = self.table.contact(seen.id()).and_then(Contact::record);
        let record = record.filter(|record| Some(record.sequence()) == sequence);
        let signed = record.map(|record| Contact::from_record(Arc::clone(record)));
        let signed = signed.filter(|signed| signed.ip() == seen.ip() && signed.udp() != 0);
        let contact = signed.unwrap_or(seen);
        let added = self.table.add_inbound(contact.clone(), self.now.mono);
        self.tell_added(contact, &added);
    }

    fn tell_added(&mut self, contact: Contact, added: &Added) {
        match added {
            Added::Inserted => self.tell(Event::Added(contact)),
            // What the table has now: a node that has moved keeps its record.
            Added::Updated => {
                let known = self.table.contact(contact.id()).cloned().unwrap_or(contact);
                self.tell(Event::Updated(known));
            }
            Added::Refused(refusal) => self.tell(Event::Refused(*contact.id(), *refusal)),
            Added::Unchanged | Added::Replacement => {}
        }
    }

    pub(super) fn tell_removed(&mut self, id: &NodeId, removed: Option<Removed>) {
        if let Some(Removed { promoted }) = removed {
            self.tell(Event::Removed(*id));
            if let Some(contact) = promoted {
                self.tell(Event::Added(contact));
            }
        }
    }

    pub(super) fn add_bootnodes(&mut self) {
        for contact in self.config.bootnodes.clone() {
            self.add_found(contact);
        }
    }

    fn revalidate(&mut self) {
        let now = self.now.mono;
        // All that are due, however many requests there are: only then is the next
        // time a later one, and nobody can keep us from it.
        while let Some(contact) = self.table.poll_revalidation(now) {
            // What others state of our endpoint grows old.
            if self.local.refresh(now).is_some() {
                self.publish_record();
            }
            let id = contact.id();
            match self.endpoint(&contact) {
                Ok(to) => self.ping(*id, to, Purpose::Revalidation, None),
                // Where there is nobody to ping nobody answers.
                Err(_) => self.revalidated(id, Liveness::Silent, 0),
            }
        }
    }

    /// A node of the table has answered a ping, or has not.
    pub(super) fn revalidated(&mut self, id: &NodeId, liveness: Liveness, sequence: u64) {
        let result = self.table.revalidated(id, liveness, self.now.mono);
        if let Some(contact) = result.store {
            self.store(Operation::PutContact(contact));
        }
        self.tell_removed(id, result.removed);
        let Some(known) = self.table.contact(id).filter(|known| known.sequence() < sequence) else {
            return;
        };
        if liveness == Liveness::Alive {
            let known = known.clone();
            // If there is no room for it now, the next pong brings it up again.
            let _ = self.query(known, Question::Record, Caller::Revalidation);
        }
    }

    // The refresh.

    fn refresh(&mut self) {
        self.upkeep.next_rescue = self.now.mono + limits::EMPTY_REFRESH_INTERVAL;
        self.table.refreshed(self.now.mono);
        if self.upkeep.refresh != Refresh::Idle {
            return;
        }
        let awaited = self.ask_for_seeds();
        self.add_bootnodes();
        match awaited {
            Some(awaited) => self.upkeep.refresh = Refresh::Seeding(awaited),
            None => self.look_up_ourselves(),
        }
    }

    fn ask_for_seeds(&mut self) -> Option<Awaited> {
        if !self.config.store {
            return None;
        }
        let (count, max_age) = (limits::SEEDS, limits::SEED_MAX_AGE);
        let draw = self.look_ups.draw();
        let operation = self.store(Operation::Seeds { count, max_age, draw })?;
        Some(Awaited { operation, until: self.now.mono + limits::STORE_SEEDS_TIMEOUT })
    }

    /// The store has given nodes. If it was so late that the refresh has ended
    /// without them, it is worth another one.
    fn seed(&mut self, seeds: Vec<Contact>) {
        let before = self.table.len();
        for seed in seeds {
            self.add_found(seed);
        }
        match self.upkeep.refresh {
            Refresh::Seeding(_) => self.look_up_ourselves(),
            Refresh::Idle if self.table.len() > before => self.look_up_ourselves(),
            Refresh::Idle | Refresh::LookUp(_) => {}
        }
    }

    fn look_up_ourselves(&mut self) {
        self.upkeep.refresh = Refresh::LookUp(limits::REFRESH_LOOK_UPS);
        let target = *self.key.public_key().as_bytes();
        self.refresh_look_up(target);
    }

    fn refresh_look_up(&mut self, target: [u8; 64]) {
        if self.look_up(target, For::Refresh).is_none() {
            // Too much is under way: that will do for a refresh.
            self.finish_refresh();
        }
    }

    /// A look-up of the refresh has ended.
    pub(super) fn refresh_step(&mut self) {
        match self.upkeep.refresh {
            Refresh::LookUp(left) if left > 0 => {
                self.upkeep.refresh = Refresh::LookUp(left - 1);
                let target = self.look_ups.random_target();
                self.refresh_look_up(target);
            }
            Refresh::LookUp(_) => self.finish_refresh(),
            Refresh::Idle | Refresh::Seeding(_) => {}
        }
    }

    fn finish_refresh(&mut self) {
        self.upkeep.refresh = Refresh::Idle;
        if !core::mem::replace(&mut self.upkeep.ready, true) {
            self.table.set_ready();
            self.tell(Event::Ready);
        }
    }

    /// A table that has lost its last node is filled again at once, and again
    /// and again while its bootnodes do not answer.
    fn needs_rescue(&self) -> bool {
        self.table.is_empty() && (self.config.store || !self.config.bootnodes.is_empty())
    }

    fn rescue_is_due(&self) -> bool {
        self.upkeep.refresh == Refresh::Idle
            && self.needs_rescue()
            && self.upkeep.next_rescue <= self.now.mono
    }

    // The random walk.

    fn walk(&mut self) -> bool {
        let now = self.now.mono;
        if self.look_ups.walker.next_step().is_none_or(|at| at > now) {
            return false;
        }
        let target = self.look_ups.random_target();
        self.look_ups.walker.step(now, true);
        if self.look_up(target, For::Walk).is_none() {
            self.look_ups.walker.arrived();
        }
        self.serve_walker();
        true
    }

    // The store.

    /// An endpoint proof of an earlier run. What lies in the future is not
    /// believed: the clock was wrong, then or now.
    fn restore(&mut self, stored: &StoredBond) {
        let now = self.now;
        let until = |at: Option<UnixTime>| {
            let age = now.unix.as_micros().checked_sub(at?.as_micros())?;
            let age = Duration::from_micros(age);
            let left = limits::BOND_LIFE.checked_sub(age)?;
            Some(now.mono + left)
        };
        let bond = Bond {
            proven: until(stored.last_pong).unwrap_or_default(),
            known: until(stored.last_ping).unwrap_or_default(),
            find_failures: stored.find_failures,
            ..Bond::default()
        };
        if bond.proven.max(bond.known) > now.mono {
            self.bonds.restore(&stored.id, stored.ip, bond);
        }
    }
}
