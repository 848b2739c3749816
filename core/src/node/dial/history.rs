//! Whom we have dialled of late, and do not dial again. geth `expHeap`.

use alloc::collections::{BTreeMap, VecDeque};

use crate::identity::NodeId;
use crate::limits;
use crate::time::Instant;

/// Nodes that were dialled less than [`limits::DIAL_HISTORY_LIFE`] ago.
#[derive(Debug, Default)]
pub(super) struct History {
    until: BTreeMap<NodeId, Instant>,
    /// The same, oldest first; one that was renewed stands here twice.
    order: VecDeque<(Instant, NodeId)>,
}

impl History {
    pub(super) fn contains(&self, id: &NodeId) -> bool {
        self.until.contains_key(id)
    }

    /// Whether one more can be remembered.
    pub(super) fn has_room(&self) -> bool {
        self.order.len() < limits::DIAL_HISTORY
    }

    pub(super) fn insert(&mut self, now: Instant, id: NodeId) {
        let until = now + limits::DIAL_HISTORY_LIFE;
        self.until.insert(id, until);
        self.order.push_back((until, id));
    }

    /// The next node whose time is over.
    pub(super) fn expire(&mut self, now: Instant) -> Option<NodeId> {
        loop {
            let (until, id) = self.order.front().copied().filter(|(until, _)| *until <= now)?;
            self.order.pop_front();
            if self.until.get(&id) == Some(&until) {
                self.until.remove(&id);
                return Some(id);
            }
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.order.front().map(|(until, _)| *until)
    }

    pub(super) fn audit(&self) -> Result<(), &'static str> {
        if self.order.len() > limits::DIAL_HISTORY + limits::REQUESTED_DIALS {
            return Err("dial history");
        }
        if self.until.len() > self.order.len() {
            return Err("dial history that does not expire");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> NodeId {
        NodeId::new([number; 32])
    }

    #[test]
    fn a_node_is_forgotten_after_thirty_five_seconds() {
        let mut history = History::default();
        history.insert(Instant::from_secs(1), id(1));
        assert_eq!(history.deadline(), Some(Instant::from_secs(36)));
        assert_eq!(history.expire(Instant::from_millis(35_999)), None);
        assert!(history.contains(&id(1)));
        assert_eq!(history.expire(Instant::from_secs(36)), Some(id(1)));
        assert!(!history.contains(&id(1)));
    }

    #[test]
    fn one_that_is_dialled_again_is_remembered_from_then_on() {
        let mut history = History::default();
        history.insert(Instant::from_secs(1), id(1));
        history.insert(Instant::from_secs(10), id(1));
        assert_eq!(history.expire(Instant::from_secs(44)), None);
        assert!(history.contains(&id(1)));
        assert_eq!(history.expire(Instant::from_secs(45)), Some(id(1)));
        history.audit().unwrap();
    }
}
