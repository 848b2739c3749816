//! The store of one machine: one that does what it is told, or is slow, or fails.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use crate::identity::NodeId;
use crate::store::{
    Field, Key, MemoryStore, Operation, OperationId, Reply, Skipped, decode_signed, decode_unsigned,
};
use crate::time::{Instant, Now};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    Works,
    /// Answers so much later.
    Late(Duration),
    Fails,
    /// Never answers.
    Silent,
}

#[derive(Debug)]
pub(super) struct Disk {
    /// What outlives the machine.
    pub(super) memory: MemoryStore,
    pub(super) mode: Mode,
    replies: VecDeque<(Instant, Reply)>,
}

impl Disk {
    pub(super) const fn new(memory: MemoryStore, mode: Mode) -> Self {
        Self { memory, mode, replies: VecDeque::new() }
    }

    pub(super) fn execute(&mut self, now: Now, id: OperationId, operation: &Operation) {
        let (delay, reply) = match self.mode {
            Mode::Works => (Duration::ZERO, self.memory.apply(id, operation, now.unix)),
            Mode::Late(delay) => (delay, self.memory.apply(id, operation, now.unix)),
            Mode::Fails => (Duration::ZERO, Reply::Failed { operation: id }),
            Mode::Silent => return,
        };
        self.replies.push_back((now.mono + delay, reply));
    }

    /// When it will answer next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.replies.front().map(|(at, _)| *at)
    }

    pub(super) fn reply(&mut self, now: Instant) -> Option<Reply> {
        self.deadline().filter(|at| *at <= now)?;
        self.replies.pop_front().map(|(_, reply)| reply)
    }

    /// The number of a record of ours.
    pub(super) fn sequence(&self, local: &NodeId) -> Option<u64> {
        decode_unsigned(self.value(Key::LocalSequence(*local))?).ok()
    }

    /// What is known of a node at an address; times in seconds.
    pub(super) fn item(&self, id: &NodeId, ip: IpAddr, field: Field) -> Option<u64> {
        let value = decode_signed(self.value(Key::Item(*id, ip, field))?).ok()?;
        u64::try_from(value).ok()
    }

    /// Whose records it has.
    pub(super) fn records(&self) -> Vec<NodeId> {
        assert_eq!(self.memory.skipped(), Skipped::default());
        let record = |key: &[u8]| match Key::decode(key)? {
            Key::Record(id) => Some(id),
            Key::Version
            | Key::LocalSequence(_)
            | Key::Sequence(_)
            | Key::Item(..)
            | Key::FindFailuresV5(..) => None,
        };
        self.memory.entries().filter_map(|(key, _)| record(key)).collect()
    }

    fn value(&self, key: Key) -> Option<&[u8]> {
        let key = key.encode();
        self.memory.entries().find(|(at, _)| *at == key).map(|(_, value)| value)
    }
}
