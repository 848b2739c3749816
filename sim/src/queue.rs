//! What is to happen, in order of time; at the same time in the order in which
//! it was planned.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use devp2p_core::time::Instant;

/// Events by time.
#[derive(Debug)]
pub(crate) struct Queue<E> {
    /// When, which, where it lies: small, for a heap moves its items about.
    order: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    events: Vec<Option<E>>,
    free: Vec<usize>,
    planned: u64,
}

impl<E> Queue<E> {
    pub(crate) const fn new() -> Self {
        Self { order: BinaryHeap::new(), events: Vec::new(), free: Vec::new(), planned: 0 }
    }

    /// Plans an event.
    pub(crate) fn push(&mut self, at: Instant, event: E) {
        let place = if let Some(place) = self.free.pop() {
            self.events[place] = Some(event);
            place
        } else {
            self.events.push(Some(event));
            self.events.len() - 1
        };
        self.order.push(Reverse((at, self.planned, place)));
        self.planned += 1;
    }

    /// When the next event is.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.order.peek().map(|Reverse((at, ..))| *at)
    }

    /// The next event.
    pub(crate) fn pop(&mut self) -> Option<(Instant, E)> {
        let Reverse((at, _, place)) = self.order.pop()?;
        let event = self.events[place].take()?;
        self.free.push(place);
        Some((at, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_at_the_same_time_happens_in_the_order_of_planning() {
        let mut queue = Queue::new();
        for (at, event) in [(2, 'c'), (1, 'a'), (2, 'd'), (1, 'b')] {
            queue.push(Instant::from_secs(at), event);
        }
        assert_eq!(queue.next_at(), Some(Instant::from_secs(1)));
        queue.pop();
        queue.push(Instant::from_secs(2), 'e');
        let rest: String = core::iter::from_fn(|| queue.pop()).map(|(_, event)| event).collect();
        assert_eq!(rest, "bcde");
        assert_eq!((queue.order.len(), queue.events.len()), (0, 4));
    }
}
