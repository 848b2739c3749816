//! Nodes that may be dialled, from several sources in turn. geth `FairMix`.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::identity::{Contact, NodeId};
use crate::limits;

#[derive(Debug, Default)]
struct Source {
    nodes: VecDeque<Contact>,
    /// It has been asked and has not answered yet.
    asked: bool,
}

/// The sources, by number.
#[derive(Debug)]
pub(super) struct Candidates {
    sources: Vec<Source>,
    /// Whose turn it is.
    turn: usize,
}

impl Candidates {
    pub(super) fn new(sources: usize) -> Self {
        Self { sources: (0..sources).map(|_| Source::default()).collect(), turn: 0 }
    }

    /// The next node, each source in its turn.
    pub(super) fn next(&mut self) -> Option<Contact> {
        let count = self.sources.len();
        for _ in 0..count {
            let source = self.sources.get_mut(self.turn);
            self.turn = (self.turn + 1) % count;
            if let Some(node) = source.and_then(|source| source.nodes.pop_front()) {
                return Some(node);
            }
        }
        None
    }

    /// The next source that has nothing and was not asked; it is asked now.
    pub(super) fn ask(&mut self) -> Option<usize> {
        let is_idle = |source: &Source| source.nodes.is_empty() && !source.asked;
        let index = self.sources.iter().position(is_idle)?;
        self.sources[index].asked = true;
        Some(index)
    }

    /// A source answers.
    pub(super) fn answer(&mut self, source: usize, nodes: impl IntoIterator<Item = Contact>) {
        if let Some(source) = self.sources.get_mut(source) {
            source.asked = false;
        }
        self.add(source, nodes);
    }

    /// It brings some besides, and still owes an answer.
    pub(super) fn add(&mut self, source: usize, nodes: impl IntoIterator<Item = Contact>) {
        let Some(source) = self.sources.get_mut(source) else { return };
        let room = limits::DIAL_CANDIDATES - source.nodes.len().min(limits::DIAL_CANDIDATES);
        source.nodes.extend(nodes.into_iter().take(room));
    }

    /// What a source has brought of this node.
    pub(super) fn find(&self, id: &NodeId) -> Option<&Contact> {
        let mut nodes = self.sources.iter().flat_map(|source| &source.nodes);
        nodes.find(|node| node.id() == id)
    }

    pub(super) fn len(&self) -> usize {
        self.sources.iter().map(|source| source.nodes.len()).sum()
    }

    pub(super) fn audit(&self) -> Result<(), &'static str> {
        let full = |source: &Source| source.nodes.len() > limits::DIAL_CANDIDATES;
        if self.sources.iter().any(full) { Err("dial candidates") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SecretKey;
    use crate::entropy::Seed;

    fn contacts(count: u16) -> Vec<Contact> {
        let key = SecretKey::generate(&mut Seed::from_number(1).secrets()).public_key();
        (0..count).map(|port| Contact::new(key, [127, 0, 0, 1].into(), 0, port)).collect()
    }

    #[test]
    fn every_source_has_its_turn() {
        let mut candidates = Candidates::new(3);
        candidates.answer(0, contacts(4));
        candidates.answer(2, contacts(2));
        let ports: Vec<_> = core::iter::from_fn(|| candidates.next()).map(|c| c.tcp()).collect();
        assert_eq!(ports, [0, 0, 1, 1, 2, 3]);
    }

    #[test]
    fn a_source_is_asked_once_until_it_answers() {
        let mut candidates = Candidates::new(2);
        assert_eq!(candidates.ask(), Some(0));
        assert_eq!(candidates.ask(), Some(1));
        assert_eq!(candidates.ask(), None);
        candidates.answer(1, []);
        assert_eq!(candidates.ask(), Some(1));
        candidates.answer(0, contacts(1));
        assert_eq!(candidates.ask(), None);
        candidates.next();
        assert_eq!(candidates.ask(), Some(0));
    }

    #[test]
    fn what_a_source_brings_beyond_the_bound_is_dropped() {
        let mut candidates = Candidates::new(1);
        for _ in 0..3 {
            candidates.answer(0, contacts(1000));
            candidates.audit().unwrap();
        }
        assert_eq!(candidates.len(), limits::DIAL_CANDIDATES);
        candidates.answer(7, contacts(1));
    }
}
