//! When to ping nodes of the table: two lists of them, one timer each.
//!
//! Whenever a timer runs out one node of its list, drawn at random, is pinged.
//! So the traffic is the same however many nodes there are. An entry says as well
//! which list it is on. geth `table_reval.go`.

use core::time::Duration;

use alloc::vec::Vec;

use super::bucket::Pace;
use crate::entropy::Rng;
use crate::identity::NodeId;
use crate::limits;
use crate::time::Instant;

/// Both lists.
#[derive(Debug, Default)]
pub(super) struct Revalidation {
    pub(super) fast: List,
    pub(super) slow: List,
}

/// Who is on it, and when one of them is due. There is a time if and only if there
/// are any.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) nodes: Vec<NodeId>,
    pub(super) due: Option<Instant>,
}

impl Revalidation {
    pub(super) const fn list(&mut self, pace: Pace) -> &mut List {
        match pace {
            Pace::Fast => &mut self.fast,
            Pace::Slow => &mut self.slow,
        }
    }

    pub(super) fn enter(&mut self, pace: Pace, id: NodeId, now: Instant, rng: &mut Rng) {
        let list = self.list(pace);
        list.nodes.push(id);
        if list.due.is_none() {
            list.due = Some(next(pace, now, rng));
        }
    }

    pub(super) fn leave(&mut self, pace: Pace, id: &NodeId) {
        let list = self.list(pace);
        if let Some(at) = list.nodes.iter().position(|node| node == id) {
            list.nodes.swap_remove(at);
        }
        if list.nodes.is_empty() {
            list.due = None;
        }
    }

    /// A list whose time has come, which is set anew.
    pub(super) fn due(&mut self, now: Instant, rng: &mut Rng) -> Option<Pace> {
        [Pace::Fast, Pace::Slow].into_iter().find(|pace| {
            let list = self.list(*pace);
            let due = list.due.is_some_and(|due| due <= now);
            if due {
                list.due = Some(next(*pace, now, rng));
            }
            due
        })
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match (self.fast.due, self.slow.due) {
            (Some(fast), Some(slow)) => Some(fast.min(slow)),
            (fast, slow) => fast.or(slow),
        }
    }
}

/// Uniformly within the list's interval, and later than `now`.
fn next(pace: Pace, now: Instant, rng: &mut Rng) -> Instant {
    let interval = match pace {
        Pace::Fast => limits::FAST_REVALIDATION,
        Pace::Slow => limits::SLOW_REVALIDATION,
    };
    now + Duration::from_micros(1) + within(interval, rng)
}

/// A time from zero up to `interval`, which is less than an hour.
pub(super) fn within(interval: Duration, rng: &mut Rng) -> Duration {
    let micros = u32::try_from(interval.as_micros()).unwrap_or(u32::MAX);
    Duration::from_micros(rng.below(micros).into())
}
