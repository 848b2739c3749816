//! What a second reader of the rules expects: of admissions, of connections that
//! come in, of dials.

use alloc::sync::Arc;
use core::net::{IpAddr, SocketAddr};

use devp2p_core::identity::{NodeAddress, NodeId};
use devp2p_core::limits;
use devp2p_core::node::{ConnectionId, Direction, IncomingRefusal, PeerInfo};
use devp2p_core::p2p::DisconnectReason;

use super::{Kind, NodeWatch, Seen, Stage};

impl NodeWatch {
    /// Verdicts on this applicant; more than one if it is not known why it was
    /// dialled.
    pub(super) fn expected(
        &self,
        id: ConnectionId,
        useless: bool,
    ) -> Vec<Option<DisconnectReason>> {
        if useless {
            return vec![Some(DisconnectReason::UselessPeer)];
        }
        let seen = &self.connections[&id];
        let remote = NodeId::from(&seen.key.expect("it has shown one"));
        let verdict = |is_static| self.verdict(id, &remote, seen.direction, is_static);
        match seen.kind {
            Kind::Static => vec![verdict(true)],
            Kind::Dynamic | Kind::Requested(_) => vec![verdict(false)],
            Kind::Unknown => vec![verdict(true), verdict(false)],
        }
    }

    /// geth's reasons in geth's order, but for who wins when both dial at once: who
    /// has the greater id, by a dial that began before the other was a peer.
    pub(super) fn verdict(
        &self,
        id: ConnectionId,
        remote: &NodeId,
        direction: Direction,
        is_static: bool,
    ) -> Option<DisconnectReason> {
        let we_win = self.own > *remote;
        let knew_better = self.last_before.get(remote).is_some_and(|last| id > *last);
        let wins = |rival: &Arc<PeerInfo>| {
            rival.direction != direction
                && we_win == (direction == Direction::Outbound)
                && !(we_win && knew_better)
        };
        let rival = self.peers.get(remote);
        let replaces = rival.is_some_and(wins);
        let by_right = self.trusted.contains(remote);
        let others = self.peers.len() - usize::from(replaces);
        let full = others >= self.limits.max_peers && !is_static;
        let inbound_full =
            direction == Direction::Inbound && self.inbound_peers() >= self.max_inbound();
        if !by_right && (full || inbound_full) {
            Some(DisconnectReason::TooManyPeers)
        } else if rival.is_some() && !replaces {
            Some(DisconnectReason::AlreadyConnected)
        } else if *remote == self.own {
            Some(DisconnectReason::SelfConnected)
        } else {
            None
        }
    }

    pub(super) fn inbound_peers(&self) -> usize {
        self.peers.values().filter(|peer| peer.direction == Direction::Inbound).count()
    }

    pub(super) fn max_dialled(&self) -> usize {
        let ratio = if self.limits.dial_ratio == 0 { 3 } else { self.limits.dial_ratio };
        match self.limits.max_peers {
            0 => 0,
            _ if self.no_dial => 0,
            most => (most / ratio).max(1),
        }
    }

    pub(super) fn max_inbound(&self) -> usize {
        self.limits.max_peers - self.max_dialled().min(self.limits.max_peers)
    }

    pub(super) fn max_pending(&self) -> usize {
        if self.limits.max_pending_peers == 0 { 50 } else { self.limits.max_pending_peers }
    }

    pub(super) fn allows(&self, ip: IpAddr) -> bool {
        self.net_restrict.as_ref().is_none_or(|networks| networks.contains(ip))
    }

    pub(super) fn in_stages(
        &self,
        stages: &[Stage],
        direction: Direction,
    ) -> Vec<(&ConnectionId, &Seen)> {
        let fits = |seen: &Seen| seen.direction == direction && stages.contains(&seen.stage);
        self.connections.iter().filter(|(_, seen)| fits(seen)).collect()
    }

    /// Connections that the node has to end before it is at its own.
    pub(super) fn alive(&self) -> impl Iterator<Item = ConnectionId> {
        let gone = [Stage::Naming, Stage::Connecting, Stage::Gone];
        let alive = self.connections.iter().filter(move |(_, seen)| !gone.contains(&seen.stage));
        alive.map(|(id, _)| *id)
    }

    pub(super) fn silent(&self, seen: &Seen) -> bool {
        let now = self.latest.max(self.clock.mono);
        seen.stage == Stage::Handshake && seen.since + limits::SILENT_CONNECTION <= now
    }

    /// Whether a connection from there is taken, and if so, whether another has to go.
    pub(super) fn expected_of_incoming(&self, from: SocketAddr) -> Result<bool, IncomingRefusal> {
        let now = self.latest.max(self.clock.mono);
        let ip = from.ip().to_canonical();
        let pending = self.in_stages(&[Stage::Handshake, Stage::Hello], Direction::Inbound);
        let leaving = self.in_stages(&[Stage::Leaving], Direction::Inbound).len();
        let is_full = pending.len() >= self.max_pending();
        let throttled =
            self.throttled.get(&ip).is_some_and(|at| now < *at + limits::INBOUND_THROTTLE);
        if self.stopping.is_some() {
            Err(IncomingRefusal::Stopping)
        } else if leaving >= self.max_pending() {
            Err(IncomingRefusal::TooManyPending)
        } else if !self.allows(ip) {
            Err(IncomingRefusal::NetRestrict)
        } else if is_full && !pending.iter().any(|(_, seen)| self.silent(seen)) {
            Err(IncomingRefusal::TooManyPending)
        } else if throttled {
            Err(IncomingRefusal::Throttled)
        } else {
            Ok(is_full)
        }
    }

    /// Whether there is anything about this node that keeps it from being dialled
    /// for its own sake.
    pub(super) fn may_be_dialled(&self, id: &NodeId) -> bool {
        let coming = self.in_stages(&[Stage::Hello], Direction::Inbound);
        let is_it = |seen: &Seen| seen.key.is_some_and(|key| NodeId::from(&key) == *id);
        *id != self.own
            && self.attempts.get(id).is_none_or(Vec::is_empty)
            && !self.peers.contains_key(id)
            && !coming.iter().any(|(_, seen)| is_it(seen))
            && self.dialled.get(id).is_none_or(|at| *at + limits::DIAL_HISTORY_LIFE <= self.latest)
    }

    pub(super) fn may_be_dialled_there(&self, address: &NodeAddress) -> bool {
        let contact = address.contact();
        (contact.ip().is_none() || contact.tcp() != 0)
            && contact.ip().is_none_or(|ip| self.allows(ip))
    }
}
