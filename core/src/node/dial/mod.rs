//! Whom to dial, and when: geth's dial scheduler (`p2p/dial.go`).
//!
//! Static nodes come first, one at random of those that may be dialled; if there
//! are slots left, a node of the sources, each in its turn. A node that has been
//! dialled is left alone for 35 s.

mod attempt;
mod candidates;
mod history;
mod statics;

use core::net::IpAddr;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

pub(super) use attempt::{Attempt, Kind, Means, Stage, Step};

use super::peers::Peers;
use super::{ConnectionId, DialFailure, DialRefusal, DialRefusals, Limits};
use crate::discv4::RequestId;
use crate::entropy::Rng;
use crate::identity::{Contact, NetRestrict, NodeAddress, NodeId};
use crate::limits;
use crate::time::{Deadline, Instant};
use candidates::Candidates;
use history::History;
use statics::{Static, Statics};

/// What the scheduler may know of the rest of the node.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) now: Instant,
    pub(super) peers: &'a Peers,
    /// Peers that are dialled, and dials under way, at most.
    pub(super) max_dialled: usize,
    pub(super) max_pending: usize,
    pub(super) net_restrict: Option<&'a NetRestrict>,
    pub(super) discovery: bool,
}

impl<'a> Surroundings<'a> {
    pub(super) fn new(
        now: Instant,
        peers: &'a Peers,
        limits: &Limits,
        no_dial: bool,
        net_restrict: Option<&'a NetRestrict>,
        discovery: bool,
    ) -> Self {
        let (max_dialled, max_pending) = (limits.max_dialled(no_dial), limits.max_pending());
        Self { now, peers, max_dialled, max_pending, net_restrict, discovery }
    }
}

#[derive(Debug)]
pub(super) struct DialScheduler {
    own: NodeId,
    /// By the name of what they wait for, which changes with it.
    attempts: BTreeMap<ConnectionId, Attempt>,
    /// Who is being dialled.
    dialling: BTreeSet<(NodeId, ConnectionId)>,
    /// How many of the attempts the application has asked for.
    requested: usize,
    /// Who is dialling us and has passed the first admission.
    pending_inbound: BTreeSet<(NodeId, ConnectionId)>,
    statics: Statics,
    history: History,
    candidates: Candidates,
    pub(super) refusals: DialRefusals,
    /// The same by node, until they are taken: no more than one call has looked at.
    refused: Vec<(NodeId, DialRefusal)>,
    rng: Rng,
}

impl DialScheduler {
    pub(super) fn new(own: NodeId, sources: usize, rng: Rng) -> Self {
        Self {
            own,
            attempts: BTreeMap::new(),
            dialling: BTreeSet::new(),
            requested: 0,
            pending_inbound: BTreeSet::new(),
            statics: Statics::default(),
            history: History::default(),
            candidates: Candidates::new(sources),
            refusals: DialRefusals::default(),
            refused: Vec::new(),
            rng,
        }
    }

    /// How many more may be dialled. geth `freeDialSlots`.
    fn free_slots(&self, around: &Surroundings<'_>) -> usize {
        let missing = around.max_dialled.saturating_sub(around.peers.dialled());
        let slots = missing.saturating_mul(2).min(around.max_pending);
        slots.saturating_sub(self.attempts.len() - self.requested)
    }

    /// Why this node is not dialled now. geth `checkDial`, which refuses as well
    /// who has no address yet where there are networks to keep to: here each
    /// address of a name or a record is looked at when it is known.
    fn check(&self, contact: &Contact, around: &Surroundings<'_>) -> Result<(), DialRefusal> {
        self.check_id(contact.id(), Some(contact), around)
    }

    /// The same of a node of which it may not be known where it is.
    fn check_id(
        &self,
        id: &NodeId,
        contact: Option<&Contact>,
        around: &Surroundings<'_>,
    ) -> Result<(), DialRefusal> {
        let ip = contact.and_then(Contact::ip);
        let allowed = |ip: IpAddr| around.net_restrict.is_none_or(|networks| networks.contains(ip));
        if *id == self.own {
            Err(DialRefusal::SelfDialled)
        } else if ip.is_some() && contact.is_some_and(|contact| contact.tcp() == 0) {
            Err(DialRefusal::NoPort)
        } else if names(&self.dialling, id) {
            Err(DialRefusal::AlreadyDialling)
        } else if around.peers.contains(id) {
            Err(DialRefusal::AlreadyConnected)
        } else if names(&self.pending_inbound, id) {
            Err(DialRefusal::PendingInbound)
        } else if !ip.is_none_or(allowed) {
            Err(DialRefusal::NetRestrict)
        } else if self.history.contains(id) {
            Err(DialRefusal::RecentlyDialled)
        } else {
            Ok(())
        }
    }

    /// The next attempt to make, if there is a slot and a node for it.
    pub(super) fn next(&mut self, around: &Surroundings<'_>) -> Option<Attempt> {
        if self.free_slots(around) == 0 || !self.history.has_room() {
            return None;
        }
        let attempt = match self.statics.draw(&mut self.rng) {
            Some(node) => Attempt::of_static(node),
            None => Attempt::new(Kind::Dynamic, self.candidate(around)?, None),
        };
        self.history.insert(around.now, *attempt.id());
        Some(attempt)
    }

    fn candidate(&mut self, around: &Surroundings<'_>) -> Option<Contact> {
        loop {
            let contact = self.candidates.next()?;
            // A source that knows no address is of no use; only static nodes are resolved.
            match self.check(&contact, around) {
                Ok(()) if contact.tcp_endpoint().is_some() => return Some(contact),
                Ok(()) => self.refuse(contact.id(), DialRefusal::NoPort),
                Err(refusal) => self.refuse(contact.id(), refusal),
            }
        }
    }

    fn refuse(&mut self, id: &NodeId, refusal: DialRefusal) {
        self.refusals.count(refusal);
        self.refused.push((*id, refusal));
    }

    /// Who was refused since they were taken last.
    pub(super) fn take_refused(&mut self) -> Vec<(NodeId, DialRefusal)> {
        core::mem::take(&mut self.refused)
    }

    /// Whether this node would be dialled if its turn came now, or why not; `None`
    /// if nothing is against it but that nobody knows where it is.
    pub(super) fn verdict(
        &self,
        id: &NodeId,
        contact: Option<&Contact>,
        around: &Surroundings<'_>,
    ) -> Option<Result<(), DialRefusal>> {
        match (self.check_id(id, contact, around), contact) {
            (Err(refusal), _) => Some(Err(refusal)),
            (Ok(()), None) => None,
            (Ok(()), Some(contact)) if self.is_static(id) || contact.tcp_endpoint().is_some() => {
                Some(Ok(()))
            }
            (Ok(()), Some(_)) => Some(Err(DialRefusal::NoPort)),
        }
    }

    /// Where a node is: as we were told, as it is being dialled, or as a source has
    /// brought it.
    pub(super) fn contact(&self, id: &NodeId) -> Option<&Contact> {
        let contact = self.statics.get(id).map(|node| &node.given);
        let contact = contact.or_else(|| self.of_node(id).next().map(|attempt| &attempt.contact));
        contact.or_else(|| self.candidates.find(id))
    }

    /// The attempts to reach a node that are under way.
    pub(super) fn of_node(&self, id: &NodeId) -> impl Iterator<Item = &Attempt> {
        let first = (*id, ConnectionId(0));
        let of_it = self.dialling.range(first..).take_while(move |(other, _)| *other == first.0);
        of_it.filter_map(|(_, connection)| self.attempts.get(connection))
    }

    /// Whether a node may be dialled and waits for its turn.
    pub(super) fn awaits_turn(&self, id: &NodeId) -> bool {
        self.statics.get(id).is_some_and(Static::is_pooled) || self.candidates.find(id).is_some()
    }

    /// Whom it has to do with now; some are named twice.
    pub(super) fn ids(&self) -> impl Iterator<Item = &NodeId> {
        let dialling = self.dialling.iter().map(|(id, _)| id);
        let inbound = self.pending_inbound.iter().map(|(id, _)| id);
        self.statics.ids().chain(dialling).chain(inbound)
    }

    /// The next source to ask for nodes: there are slots and nothing to fill them.
    pub(super) fn ask(&mut self, around: &Surroundings<'_>) -> Option<usize> {
        let idle = self.free_slots(around) == 0 || !self.history.has_room();
        if idle || self.candidates.len() > 0 { None } else { self.candidates.ask() }
    }

    /// A source has brought these.
    pub(super) fn offer(&mut self, source: usize, nodes: impl IntoIterator<Item = Contact>) {
        self.candidates.answer(source, nodes);
    }

    /// It brings these besides.
    pub(super) fn add(&mut self, source: usize, nodes: impl IntoIterator<Item = Contact>) {
        self.candidates.add(source, nodes);
    }

    /// A random place in the space of ids.
    pub(super) fn draw(&mut self) -> [u8; 32] {
        self.rng.bytes()
    }

    /// An attempt that the application asks for, if there is room for it.
    pub(super) fn request(
        &mut self,
        now: Instant,
        id: RequestId,
        address: &NodeAddress,
        room: usize,
    ) -> Option<Attempt> {
        if self.requested >= room {
            return None;
        }
        let attempt = Attempt::requested(id, address);
        if self.history.has_room() {
            self.history.insert(now, *attempt.id());
        }
        Some(attempt)
    }

    /// The first step of an attempt, or the one after its name has been looked
    /// up, discovery has answered, or a connection has failed.
    pub(super) fn step(
        &mut self,
        attempt: &mut Attempt,
        around: &Surroundings<'_>,
        progress: Progress<'_>,
    ) -> Step {
        let mut means = Means {
            now: around.now,
            net_restrict: around.net_restrict,
            statics: &mut self.statics,
            discovery: around.discovery,
        };
        match progress {
            Progress::Begun => attempt.begin(&mut means),
            Progress::Named(ips) => attempt.named(ips, &mut means),
            Progress::Resolved(found) => attempt.resolved(found, &mut means),
            Progress::Failed(failure) => attempt.failed(failure, &mut means),
        }
    }

    /// It waits under this name from now on.
    pub(super) fn put(&mut self, id: ConnectionId, attempt: Attempt) {
        self.requested += usize::from(matches!(attempt.kind, Kind::Requested(_)));
        self.dialling.insert((*attempt.id(), id));
        self.statics.set_eligible(attempt.id(), false);
        self.attempts.insert(id, attempt);
    }

    /// It waits no more under this name.
    pub(super) fn take(&mut self, id: ConnectionId) -> Option<Attempt> {
        let attempt = self.attempts.remove(&id)?;
        self.dialling.remove(&(*attempt.id(), id));
        self.requested -= usize::from(matches!(attempt.kind, Kind::Requested(_)));
        Some(attempt)
    }

    pub(super) fn attempt(&self, id: ConnectionId) -> Option<&Attempt> {
        self.attempts.get(&id)
    }

    /// Its TCP connection is there.
    pub(super) fn connected(&mut self, id: ConnectionId) {
        if let Some(attempt) = self.attempts.get_mut(&id) {
            attempt.connected();
        }
    }

    /// The attempt that a request of the application has made.
    pub(super) fn of_request(&self, id: RequestId) -> Option<ConnectionId> {
        let is_it = |attempt: &Attempt| attempt.kind == Kind::Requested(id);
        self.attempts.iter().find(|(_, attempt)| is_it(attempt)).map(|(id, _)| *id)
    }

    /// Attempts whose time is over.
    pub(super) fn overdue(&self, now: Instant) -> Vec<ConnectionId> {
        let due = |attempt: &Attempt| attempt.deadline.is_some_and(|at| at <= now);
        self.attempts.iter().filter(|(_, attempt)| due(attempt)).map(|(id, _)| *id).collect()
    }

    /// All that are under way.
    pub(super) fn under_way(&self) -> Vec<ConnectionId> {
        self.attempts.keys().copied().collect()
    }

    /// How many are.
    pub(super) fn len(&self) -> usize {
        self.attempts.len()
    }

    pub(super) fn add_static(&mut self, address: &NodeAddress, around: &Surroundings<'_>) -> bool {
        let is_new = self.statics.get(&address.node_id()).is_none();
        let added = self.statics.insert(address);
        // Later it is the rule that it is not dialled: it is a peer.
        if is_new && let Err(refusal) = self.check(&address.contact(), around) {
            self.refuse(&address.node_id(), refusal);
        }
        self.reconsider(&address.node_id(), around);
        added
    }

    pub(super) fn remove_static(&mut self, id: &NodeId) {
        self.statics.remove(id);
    }

    pub(super) fn is_static(&self, id: &NodeId) -> bool {
        self.statics.get(id).is_some()
    }

    pub(super) fn statics(&self) -> usize {
        self.statics.len()
    }

    /// Something has changed for this node: may it be dialled now?
    pub(super) fn reconsider(&mut self, id: &NodeId, around: &Surroundings<'_>) {
        let Some(node) = self.statics.get(id) else { return };
        let eligible = self.check(&node.given, around).is_ok();
        self.statics.set_eligible(id, eligible);
    }

    /// An inbound connection of this node has passed the first admission.
    pub(super) fn inbound_pending(&mut self, id: NodeId, connection: ConnectionId) {
        self.pending_inbound.insert((id, connection));
        self.statics.set_eligible(&id, false);
    }

    /// It was admitted or is gone.
    pub(super) fn inbound_completed(&mut self, id: NodeId, connection: ConnectionId) {
        self.pending_inbound.remove(&(id, connection));
    }

    /// Forgets whom we have dialled long ago.
    pub(super) fn expire(&mut self, around: &Surroundings<'_>) {
        while let Some(id) = self.history.expire(around.now) {
            self.reconsider(&id, around);
        }
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        let history = self.history.deadline();
        let attempts = self.attempts.values().filter_map(|attempt| attempt.deadline).min();
        let deadline = |at: Option<Instant>, reason| at.map(|at| Deadline { at, reason });
        Deadline::sooner(deadline(history, "dial history"), deadline(attempts, "dial"))
    }

    /// Whether nothing is left of any dial, and nobody is dialling us.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.dialling.is_empty()
            && self.attempts.is_empty()
            && self.pending_inbound.is_empty()
            && self.history.deadline().is_none()
    }

    pub(super) fn audit(&self) -> Result<(), &'static str> {
        if self.attempts.len() != self.dialling.len() {
            return Err("nodes that are being dialled");
        }
        if self.requested > limits::REQUESTED_DIALS {
            return Err("requested dials");
        }
        if self.attempts.len() - self.requested > limits::PENDING_CONNECTIONS_MAX {
            return Err("dials under way");
        }
        if self.pending_inbound.len() > limits::PENDING_CONNECTIONS_MAX {
            return Err("pending inbound nodes");
        }
        self.statics.audit()?;
        self.history.audit()?;
        self.candidates.audit()
    }
}

/// What an attempt has come to.
#[derive(Debug)]
pub(super) enum Progress<'a> {
    Begun,
    Named(&'a [IpAddr]),
    Resolved(Option<Contact>),
    Failed(DialFailure),
}

fn names(set: &BTreeSet<(NodeId, ConnectionId)>, id: &NodeId) -> bool {
    let first = (*id, ConnectionId(0));
    set.range(first..).next().is_some_and(|(other, _)| other == id)
}
