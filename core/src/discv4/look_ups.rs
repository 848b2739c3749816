//! Look-ups under way, who started them, and the random walk.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use super::RequestId;
use super::queries::Outcome;
use crate::entropy::Rng;
use crate::identity::Contact;
use crate::kademlia::Lookup;
use crate::limits;
use crate::time::Instant;

/// Who started a look-up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum For {
    /// A refresh of the table.
    Refresh,
    /// The random walk.
    Walk,
    /// The application.
    Command(RequestId),
    /// A step on the way to the latest record of a node.
    Resolve(RequestId),
}

/// One look-up.
#[derive(Debug)]
pub(super) struct LookUp {
    pub(super) lookup: Lookup,
    pub(super) target: [u8; 64],
    pub(super) caller: For,
}

/// All look-ups, and the ends of queries that have not been seen to.
#[derive(Debug)]
pub(super) struct LookUps {
    running: BTreeMap<u64, LookUp>,
    outcomes: VecDeque<(u64, Outcome)>,
    done: VecDeque<(For, Vec<Contact>)>,
    next: u64,
    rng: Rng,
    pub(super) counts: LookUpCounts,
    pub(super) walker: Walker,
}

/// What look-ups have come to, whoever started them. The counters saturate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct LookUpCounts {
    /// Look-ups that came to their end.
    pub finished: u64,
    /// Nodes that these wanted to ask.
    pub queries: u64,
    /// The [hops](Lookup::hops) of all of them together.
    pub hops: u64,
}

impl LookUpCounts {
    fn finished(&mut self, lookup: &Lookup) {
        let queries = u64::try_from(lookup.queries()).unwrap_or(u64::MAX);
        self.finished = self.finished.saturating_add(1);
        self.queries = self.queries.saturating_add(queries);
        self.hops = self.hops.saturating_add(lookup.hops().into());
    }
}

impl LookUps {
    pub(super) const fn new(rng: Rng) -> Self {
        Self {
            running: BTreeMap::new(),
            outcomes: VecDeque::new(),
            done: VecDeque::new(),
            next: 0,
            rng,
            counts: LookUpCounts { finished: 0, queries: 0, hops: 0 },
            walker: Walker::new(),
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.running.len() < limits::LOOK_UPS
    }

    pub(super) fn insert(&mut self, lookup: Lookup, target: [u8; 64], caller: For) -> u64 {
        let number = self.next;
        self.next += 1;
        self.running.insert(number, LookUp { lookup, target, caller });
        number
    }

    pub(super) fn get(&mut self, number: u64) -> Option<&mut LookUp> {
        self.running.get_mut(&number)
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<LookUp> {
        self.running.remove(&number)
    }

    /// A target that nobody chose: 64 random bytes, as geth.
    pub(super) fn random_target(&mut self) -> [u8; 64] {
        self.rng.bytes()
    }

    /// Random bytes for the store to draw seeds by.
    pub(super) fn draw(&mut self) -> [u8; 32] {
        self.rng.bytes()
    }

    /// A query has come to its end, which is seen to when the input at hand has
    /// been dealt with: so nothing here calls itself.
    pub(super) fn ended(&mut self, query: u64, outcome: Outcome) {
        self.outcomes.push_back((query, outcome));
    }

    pub(super) fn next_outcome(&mut self) -> Option<(u64, Outcome)> {
        self.outcomes.pop_front()
    }

    /// A look-up has come to its end, which is seen to later too.
    pub(super) fn done(&mut self, caller: For, lookup: &Lookup) {
        self.counts.finished(lookup);
        self.done.push_back((caller, lookup.closest().to_vec()));
    }

    pub(super) fn next_done(&mut self) -> Option<(For, Vec<Contact>)> {
        self.done.pop_front()
    }

    pub(super) fn clear(&mut self) {
        self.running.clear();
        self.outcomes.clear();
        self.done.clear();
    }

    pub(super) fn audit(&self) -> Result<(), &'static str> {
        if self.running.len() > limits::LOOK_UPS {
            return Err("look-ups");
        }
        if !self.outcomes.is_empty() || !self.done.is_empty() {
            return Err("ends of queries");
        }
        if self.walker.met.len() > limits::WALK_BUFFER {
            return Err("nodes of the random walk");
        }
        Ok(())
    }
}

/// The random walk: look-ups of random targets, for as long as somebody waits
/// for nodes, a second apart at least. geth `lookupIterator`.
#[derive(Debug)]
pub(super) struct Walker {
    met: VecDeque<Contact>,
    waiting: VecDeque<RequestId>,
    next_step: Instant,
    walking: bool,
}

impl Walker {
    const fn new() -> Self {
        Self {
            met: VecDeque::new(),
            waiting: VecDeque::new(),
            next_step: Instant::ZERO,
            walking: false,
        }
    }

    pub(super) fn ask(&mut self, id: RequestId) {
        self.waiting.push_back(id);
    }

    pub(super) fn forget(&mut self, id: RequestId) {
        self.waiting.retain(|waiting| *waiting != id);
    }

    /// A node was met. When nobody has come for the oldest it is forgotten.
    pub(super) fn meet(&mut self, contact: Contact) {
        if self.met.len() >= limits::WALK_BUFFER {
            self.met.pop_front();
        }
        self.met.push_back(contact);
    }

    /// All nodes met so far, for the first one who waits.
    pub(super) fn serve(&mut self) -> Option<(RequestId, Vec<Contact>)> {
        if self.met.is_empty() {
            return None;
        }
        let id = self.waiting.pop_front()?;
        Some((id, core::mem::take(&mut self.met).into()))
    }

    /// When to take the next step, if somebody waits and none is being taken.
    pub(super) fn next_step(&self) -> Option<Instant> {
        (!self.waiting.is_empty() && !self.walking).then_some(self.next_step)
    }

    pub(super) fn step(&mut self, now: Instant, walking: bool) {
        self.walking = walking;
        self.next_step = now + limits::WALK_INTERVAL;
    }

    pub(super) fn arrived(&mut self) {
        self.walking = false;
    }
}
