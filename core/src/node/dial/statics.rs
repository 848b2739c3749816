//! Nodes to keep a connection to. geth `static`, `staticPool`.

use core::time::Duration;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::entropy::Rng;
use crate::identity::{Contact, HostName, NodeAddress, NodeId};
use crate::limits;
use crate::time::Instant;

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Static {
    /// Where it is, as we were told.
    pub(super) given: Contact,
    pub(super) name: Option<HostName>,
    /// Where discovery has found it last.
    pub(super) found: Option<Contact>,
    /// When discovery was asked for it last, and how long it is not asked again.
    resolved: Option<Instant>,
    resolve_delay: Duration,
    /// Its place in the pool.
    pooled: Option<usize>,
}

impl Static {
    /// Whether it may be dialled now, and waits for that.
    pub(super) const fn is_pooled(&self) -> bool {
        self.pooled.is_some()
    }
}

/// All of them, and the pool of those that may be dialled now.
#[derive(Debug, Default)]
pub(super) struct Statics {
    nodes: BTreeMap<NodeId, Static>,
    pool: Vec<NodeId>,
}

impl Statics {
    /// Whether there was room. One that is known stays as it is, as in geth.
    pub(super) fn insert(&mut self, address: &NodeAddress) -> bool {
        let given = address.contact();
        if self.nodes.contains_key(given.id()) {
            return true;
        }
        if self.nodes.len() >= limits::STATIC_NODES {
            return false;
        }
        let node = Static {
            name: address.host_name().cloned(),
            found: None,
            resolved: None,
            resolve_delay: limits::RESOLVE_DELAY_MIN,
            pooled: None,
            given,
        };
        self.nodes.insert(*node.given.id(), node);
        true
    }

    pub(super) fn remove(&mut self, id: &NodeId) {
        self.set_eligible(id, false);
        self.nodes.remove(id);
    }

    pub(super) fn get(&self, id: &NodeId) -> Option<&Static> {
        self.nodes.get(id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &NodeId> {
        self.nodes.keys()
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// It has been found here.
    pub(super) fn relocate(&mut self, contact: &Contact) {
        if let Some(node) = self.nodes.get_mut(contact.id()) {
            node.found = Some(contact.clone());
            node.resolve_delay = limits::RESOLVE_DELAY_MIN;
        }
    }

    /// Whether discovery may be asked for it now; each time in vain it will be
    /// longer until the next. geth `resolve`.
    pub(super) fn may_resolve(&mut self, now: Instant, id: &NodeId) -> bool {
        let Some(node) = self.nodes.get_mut(id) else { return false };
        if node.resolved.is_some_and(|asked| now < asked + node.resolve_delay) {
            return false;
        }
        node.resolved = Some(now);
        // In vain, unless it is relocated.
        node.resolve_delay = (node.resolve_delay * 2).min(limits::RESOLVE_DELAY_MAX);
        true
    }

    /// Whether it may be dialled now.
    pub(super) fn set_eligible(&mut self, id: &NodeId, eligible: bool) {
        let Some(node) = self.nodes.get_mut(id) else { return };
        match (node.pooled, eligible) {
            (None, true) => {
                node.pooled = Some(self.pool.len());
                self.pool.push(*id);
            }
            (Some(place), false) => {
                node.pooled = None;
                self.pool.swap_remove(place);
                let moved = self.pool.get(place).copied();
                if let Some(moved) = moved.and_then(|moved| self.nodes.get_mut(&moved)) {
                    moved.pooled = Some(place);
                }
            }
            (None, false) | (Some(_), true) => {}
        }
    }

    /// One of those that may be dialled now, at random.
    pub(super) fn draw(&mut self, rng: &mut Rng) -> Option<Static> {
        let count = u32::try_from(self.pool.len()).unwrap_or(u32::MAX);
        let id = self.pool.get(rng.below(count) as usize).copied()?;
        self.set_eligible(&id, false);
        self.nodes.get(&id).cloned()
    }

    pub(super) fn audit(&self) -> Result<(), &'static str> {
        if self.nodes.len() > limits::STATIC_NODES {
            return Err("static nodes");
        }
        let place = |id: &NodeId| self.nodes.get(id).and_then(|node| node.pooled);
        if self.pool.iter().enumerate().any(|(index, id)| place(id) != Some(index)) {
            return Err("pool of static nodes");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SecretKey;
    use crate::entropy::Seed;

    fn node(rng: &mut Rng) -> NodeAddress {
        let key = SecretKey::generate(rng).public_key();
        NodeAddress::Enode(crate::identity::Enode::new(key, [127, 0, 0, 1].into(), 30303, 0))
    }

    #[test]
    fn each_of_the_pool_is_drawn_once() {
        let mut rng = Seed::from_number(1).secrets();
        let mut statics = Statics::default();
        let nodes: Vec<_> = (0..5).map(|_| node(&mut rng)).collect();
        for node in &nodes {
            assert!(statics.insert(node));
            statics.set_eligible(&node.node_id(), true);
            statics.set_eligible(&node.node_id(), true);
        }
        statics.remove(&nodes[1].node_id());
        statics.audit().unwrap();
        let mut drawn: Vec<_> = core::iter::from_fn(|| statics.draw(&mut rng)).collect();
        statics.audit().unwrap();
        drawn.sort_by_key(|node| *node.given.id());
        drawn.dedup_by_key(|node| *node.given.id());
        assert_eq!(drawn.len(), 4);
    }

    /// geth `initialResolveDelay`, `maxResolveDelay`.
    #[test]
    fn discovery_is_asked_ever_less_often_until_the_node_is_found() {
        let mut rng = Seed::from_number(1).secrets();
        let mut statics = Statics::default();
        let address = node(&mut rng);
        let id = address.node_id();
        statics.insert(&address);
        let mut now = Instant::from_secs(1);
        assert!(statics.may_resolve(now, &id));
        for wait in [120, 240, 480, 960, 1920, 3600, 3600] {
            assert!(!statics.may_resolve(now + Duration::from_secs(wait - 1), &id));
            now = now + Duration::from_secs(wait);
            assert!(statics.may_resolve(now, &id));
        }
        statics.relocate(&address.contact());
        assert!(!statics.may_resolve(now + Duration::from_secs(59), &id));
        assert!(statics.may_resolve(now + Duration::from_secs(60), &id));
    }
}
