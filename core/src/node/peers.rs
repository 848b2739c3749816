//! Who is admitted, and who may be: the two checks that every connection passes.
//!
//! Reasons are given in geth's order (`p2p/server.go`, `postHandshakeChecks`
//! and `addPeerChecks`): too many, already connected, self; after the hello
//! also a peer without a shared capability, before all others.
//!
//! Where two nodes dial each other at once, geth lets each keep the connection
//! that was through first, so that both may go. Here the connection dialled by
//! the node with the greater id takes the place of the other, whichever was
//! first: both sides keep the same. Only what has been proved counts, which a
//! connection is when its hello has come; and who dials a node that is connected
//! already is refused by itself.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;

use super::{ConnectionId, Direction, Limits, PeerInfo, Refusal};
use crate::identity::NodeId;
use crate::limits;

/// What a connection is that wants to be admitted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Applicant {
    pub(super) connection: ConnectionId,
    pub(super) id: NodeId,
    pub(super) direction: Direction,
    /// Dialled as a static node.
    pub(super) is_static: bool,
}

#[derive(Debug)]
struct Peer {
    info: Arc<PeerInfo>,
    /// The first connection that began after this one was admitted.
    admitted_before: ConnectionId,
}

/// The peers, and those who become one whatever the limits.
#[derive(Debug)]
pub(super) struct Peers {
    own: NodeId,
    /// By id, so that no two connections of one node are admitted.
    peers: BTreeMap<NodeId, Peer>,
    inbound: usize,
    trusted: BTreeSet<NodeId>,
}

impl Peers {
    pub(super) fn new(own: NodeId, trusted: impl IntoIterator<Item = NodeId>) -> Self {
        let trusted = trusted.into_iter().collect();
        Self { own, peers: BTreeMap::new(), inbound: 0, trusted }
    }

    /// Whether this connection may be admitted, and which one goes if it is.
    /// Nothing is reserved: the second check repeats the first, for the set may
    /// have changed.
    pub(super) fn check(
        &self,
        applicant: &Applicant,
        limits: &Limits,
        no_dial: bool,
    ) -> Result<Option<ConnectionId>, Refusal> {
        let Applicant { id, direction, is_static, .. } = *applicant;
        let rival = self.peers.get(&id);
        let replaced = rival.filter(|rival| self.prefers(applicant, rival));
        let is_trusted = self.trusted.contains(&id);
        let peers = self.peers.len() - usize::from(replaced.is_some());
        if !is_trusted && !is_static && peers >= limits.max_peers {
            return Err(Refusal::TooManyPeers);
        }
        let max_inbound = limits.max_peers.saturating_sub(limits.max_dialled(no_dial));
        // The one that goes was dialled by us if this one was not.
        if !is_trusted && direction == Direction::Inbound && self.inbound >= max_inbound {
            return Err(Refusal::TooManyPeers);
        }
        if rival.is_some() && replaced.is_none() {
            return Err(Refusal::AlreadyConnected);
        }
        if id == self.own {
            return Err(Refusal::SelfConnected);
        }
        // Beyond all limits of the configuration.
        if peers >= limits::PEERS_MAX {
            return Err(Refusal::TooManyPeers);
        }
        Ok(replaced.map(|rival| rival.info.connection))
    }

    /// Whether a connection takes the place of a peer's: the one that the node
    /// with the greater id has dialled, if it is ours before we knew of the other.
    fn prefers(&self, applicant: &Applicant, rival: &Peer) -> bool {
        let ours = self.own > applicant.id;
        let preferred = if ours { Direction::Outbound } else { Direction::Inbound };
        applicant.direction == preferred
            && rival.info.direction != preferred
            && !(ours && applicant.connection >= rival.admitted_before)
    }

    /// It is admitted, before the connection `next` has begun. Returns the one
    /// whose place it takes.
    pub(super) fn insert(
        &mut self,
        info: Arc<PeerInfo>,
        next: ConnectionId,
    ) -> Option<Arc<PeerInfo>> {
        self.inbound += usize::from(info.direction == Direction::Inbound);
        let replaced = self.peers.insert(info.id, Peer { info, admitted_before: next })?;
        self.inbound -= usize::from(replaced.info.direction == Direction::Inbound);
        Some(replaced.info)
    }

    /// A connection is gone; if it was a peer's, which.
    pub(super) fn remove(
        &mut self,
        id: &NodeId,
        connection: ConnectionId,
    ) -> Option<Arc<PeerInfo>> {
        self.get(id).filter(|peer| peer.connection == connection)?;
        let Peer { info, .. } = self.peers.remove(id)?;
        self.inbound -= usize::from(info.direction == Direction::Inbound);
        Some(info)
    }

    pub(super) fn get(&self, id: &NodeId) -> Option<&Arc<PeerInfo>> {
        self.peers.get(id).map(|peer| &peer.info)
    }

    pub(super) fn contains(&self, id: &NodeId) -> bool {
        self.peers.contains_key(id)
    }

    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    /// How many were dialled by us.
    pub(super) fn dialled(&self) -> usize {
        self.peers.len() - self.inbound
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<PeerInfo>> {
        self.peers.values().map(|peer| &peer.info)
    }

    pub(super) fn is_trusted(&self, id: &NodeId) -> bool {
        self.trusted.contains(id)
    }

    pub(super) fn trusted(&self) -> impl Iterator<Item = &NodeId> {
        self.trusted.iter()
    }

    /// Whether there was room for one more.
    pub(super) fn trust(&mut self, id: NodeId) -> bool {
        if self.trusted.len() >= limits::TRUSTED_NODES && !self.trusted.contains(&id) {
            return false;
        }
        self.trusted.insert(id);
        true
    }

    pub(super) fn distrust(&mut self, id: &NodeId) {
        self.trusted.remove(id);
    }

    pub(super) fn audit(&self) -> Result<(), &'static str> {
        if self.peers.len() > limits::PEERS_MAX {
            return Err("peers");
        }
        if self.trusted.len() > limits::TRUSTED_NODES {
            return Err("trusted nodes");
        }
        let inbound = |peer: &&Arc<PeerInfo>| peer.direction == Direction::Inbound;
        if self.iter().filter(inbound).count() != self.inbound {
            return Err("count of inbound peers");
        }
        if self.contains(&self.own) {
            return Err("ourselves among the peers");
        }
        Ok(())
    }
}
