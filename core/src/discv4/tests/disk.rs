//! A store for one machine: a map that does what it is told, or one that is slow,
//! or one that fails.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use crate::identity::{Contact, NodeId};
use crate::limits;
use crate::store::{Operation, OperationId, Reply, StoredBond};
use crate::time::{Instant, Now, UnixTime};

/// What outlives the machine.
#[derive(Clone, Default, Debug)]
pub(super) struct Memory {
    pub(super) sequence: Option<u64>,
    pub(super) contacts: BTreeMap<NodeId, Contact>,
    pub(super) bonds: BTreeMap<(NodeId, IpAddr), StoredBond>,
}

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
    pub(super) memory: Memory,
    pub(super) mode: Mode,
    replies: VecDeque<(Instant, Reply)>,
}

impl Disk {
    pub(super) const fn new(memory: Memory, mode: Mode) -> Self {
        Self { memory, mode, replies: VecDeque::new() }
    }

    pub(super) fn execute(&mut self, now: Now, id: OperationId, operation: &Operation) {
        let (delay, reply) = match self.mode {
            Mode::Works => (Duration::ZERO, self.memory.execute(now.unix, id, operation)),
            Mode::Late(delay) => (delay, self.memory.execute(now.unix, id, operation)),
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
}

impl Memory {
    fn execute(&mut self, now: UnixTime, id: OperationId, operation: &Operation) -> Reply {
        match operation {
            Operation::Open { .. } => {
                let bonds = self.bonds.values().copied().collect();
                return Reply::Opened { sequence: self.sequence, bonds };
            }
            Operation::Seeds { count, max_age, .. } => {
                let oldest = now.saturating_sub(*max_age);
                let fresh = |contact: &&Contact| self.last_pong(contact) >= Some(oldest);
                let fresh = self.contacts.values().filter(fresh);
                return Reply::Seeds(fresh.take(*count).cloned().collect());
            }
            Operation::PutSequence { sequence, .. } => self.sequence = Some(*sequence),
            Operation::PutContact(contact) => {
                self.contacts.insert(*contact.id(), contact.clone());
            }
            Operation::PutTimes { id, ip, last_ping, last_pong, find_failures } => {
                let bond = self.bonds.entry((*id, *ip)).or_insert(StoredBond {
                    id: *id,
                    ip: *ip,
                    last_ping: None,
                    last_pong: None,
                    find_failures: 0,
                });
                let seconds = |time: UnixTime| UnixTime::from_secs(time.as_secs());
                bond.last_ping = last_ping.map(seconds).or(bond.last_ping);
                bond.last_pong = last_pong.map(seconds).or(bond.last_pong);
                bond.find_failures = find_failures.unwrap_or(bond.find_failures);
            }
            Operation::Expire => {
                let oldest = now.saturating_sub(limits::BOND_LIFE);
                self.bonds.retain(|_, bond| bond.last_pong >= Some(oldest));
                let bonds: Vec<_> = self.bonds.keys().map(|(id, _)| *id).collect();
                self.contacts.retain(|id, _| bonds.contains(id));
            }
        }
        Reply::Written { up_to: id }
    }

    fn last_pong(&self, contact: &Contact) -> Option<UnixTime> {
        self.bonds.get(&(*contact.id(), contact.ip()?))?.last_pong
    }
}
