//! What all connections of a node have carried, by capability.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use devp2p_core::limits;
use devp2p_core::p2p::Capability;

/// What all connections of a node have carried of one capability.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CapabilityTraffic {
    /// Its name, which is empty for a node that mirrors.
    pub name: String,
    /// Its version.
    pub version: u64,
    /// Messages that were received.
    pub messages_received: u64,
    /// Bytes of their payloads, uncompressed.
    pub bytes_received: u64,
    /// Messages that were given to a connection to send.
    pub messages_sent: u64,
    /// Bytes of their payloads, uncompressed.
    pub bytes_sent: u64,
}

/// The counters of one capability.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    messages_received: AtomicU64,
    bytes_received: AtomicU64,
    messages_sent: AtomicU64,
    bytes_sent: AtomicU64,
}

impl Tally {
    pub(crate) fn received(&self, size: usize) {
        self.messages_received.fetch_add(1, Ordering::Relaxed);
        self.bytes_received.fetch_add(size as u64, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self, size: usize) {
        self.messages_sent.fetch_add(1, Ordering::Relaxed);
        self.bytes_sent.fetch_add(size as u64, Ordering::Relaxed);
    }
}

/// The counters of all capabilities that were ever shared with a peer.
#[derive(Debug, Default)]
pub(crate) struct Traffic(Mutex<BTreeMap<(String, u64), Arc<Tally>>>);

impl Traffic {
    /// Where messages of this capability are counted. Both sides have it, so there
    /// are no more than a node may offer, and the one of all codes.
    pub(crate) fn of(&self, capability: &Capability) -> Arc<Tally> {
        let key = (capability.name.clone(), capability.version);
        let mut tallies = self.lock();
        if tallies.len() > limits::LOCAL_CAPABILITIES && !tallies.contains_key(&key) {
            return Arc::default();
        }
        Arc::clone(tallies.entry(key).or_default())
    }

    /// All of them, by name and version.
    pub(crate) fn read(&self) -> Vec<CapabilityTraffic> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let tallies = self.lock();
        let traffic = tallies.iter().map(|((name, version), tally)| CapabilityTraffic {
            name: name.clone(),
            version: *version,
            messages_received: read(&tally.messages_received),
            bytes_received: read(&tally.bytes_received),
            messages_sent: read(&tally.messages_sent),
            bytes_sent: read(&tally.bytes_sent),
        });
        traffic.collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, u64), Arc<Tally>>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_one_capability_are_counted_together() {
        let traffic = Traffic::default();
        let echo = Capability::new("echo", 1);
        traffic.of(&echo).received(10);
        traffic.of(&echo).sent(3);
        traffic.of(&Capability::new("echo", 2)).sent(0);
        let read = traffic.read();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].messages_received, read[0].bytes_received), (1, 10));
        assert_eq!((read[0].messages_sent, read[0].bytes_sent), (1, 3));
        assert_eq!((read[1].version, read[1].messages_sent, read[1].bytes_sent), (2, 1, 0));
    }

    #[test]
    fn there_are_no_more_than_a_node_may_offer() {
        let traffic = Traffic::default();
        for version in 0..2 * limits::LOCAL_CAPABILITIES as u64 {
            traffic.of(&Capability::new("many", version)).sent(1);
        }
        assert_eq!(traffic.read().len(), limits::LOCAL_CAPABILITIES + 1);
    }
}
