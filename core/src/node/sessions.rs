//! What sessions report: both admissions, and the end.

use core::net::SocketAddr;

use alloc::sync::Arc;

use super::dial::Kind;
use super::journal::Decision;
use super::machine::{Connection, State};
use super::peers::Applicant;
use super::{Answer, ConnectionId, DialError, Direction, Event, Node, PeerInfo, Refusal, Report};
use crate::crypto::PublicKey;
use crate::identity::{Contact, NodeId};
use crate::p2p::{DisconnectReason, Hello, Shared};
use crate::session::{Command, Counters, SessionError};

impl Node {
    pub(super) fn on_report(&mut self, id: ConnectionId, report: Report) {
        match report {
            Report::Authenticated(remote) => self.authenticated(id, remote),
            Report::Ready { hello, shared } => self.ready(id, hello, shared),
            Report::Closed { error, counters } => self.closed(id, error, counters),
        }
    }

    /// The connection, if it is in this state: else the report comes too late.
    fn in_state(&mut self, id: ConnectionId, state: State) -> Option<&mut Connection> {
        match self.connections.get_mut(&id) {
            Some(connection) if connection.state == state => Some(connection),
            Some(_) | None => {
                self.counts.late_reports = self.counts.late_reports.saturating_add(1);
                None
            }
        }
    }

    /// The first admission. geth `checkpoint(posthandshake)`. Whoever accepts
    /// cannot tell the key's owner from a replay yet: nobody else is touched.
    fn authenticated(&mut self, id: ConnectionId, remote: PublicKey) {
        let Some(connection) = self.in_state(id, State::Handshake) else { return };
        let remote_id = NodeId::from(&remote);
        connection.remote = Some((remote, remote_id));
        let direction = connection.direction;
        let (is_static, address) = (connection.is_static, connection.address);
        let applicant = Applicant { connection: id, id: remote_id, direction, is_static };
        if direction == Direction::Inbound {
            self.incoming.spoke(id);
            self.note(remote_id, Decision::Claimed(address));
        }
        match self.peers.check(&applicant, &self.limits, self.no_dial) {
            Ok(_) => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.state = State::Hello;
                }
                if direction == Direction::Inbound && self.stopping.is_none() {
                    self.dial.inbound_pending(remote_id, id);
                }
                self.note(remote_id, Decision::Proceeded(direction));
                self.command(id, Command::Proceed);
            }
            Err(refusal) => self.refuse(id, refusal),
        }
    }

    /// The second admission. geth `checkpoint(addpeer)`.
    fn ready(&mut self, id: ConnectionId, hello: Hello, shared: Arc<Shared>) {
        let takes_anyone = self.takes_anyone();
        let Some(connection) = self.in_state(id, State::Hello) else { return };
        let Some((public_key, remote_id)) = connection.remote else { return };
        let Connection { address, direction, is_static, request, .. } = *connection;
        let applicant = Applicant { connection: id, id: remote_id, direction, is_static };
        let checked = if shared.is_empty() && !takes_anyone {
            Err(Refusal::UselessPeer)
        } else {
            self.peers.check(&applicant, &self.limits, self.no_dial)
        };
        match checked {
            Ok(_) => self.admit(Arc::new(PeerInfo {
                contact: self.contact_of(id, public_key, address),
                connection: id,
                id: remote_id,
                is_requested: request.is_some(),
                public_key,
                address,
                direction,
                is_static,
                hello,
                shared,
            })),
            Err(refusal) => self.refuse(id, refusal),
        }
    }

    /// Where a peer is, as far as we know: where we dialled it, or the other end of
    /// the socket. geth `nodeFromConn`.
    fn contact_of(&self, id: ConnectionId, key: PublicKey, address: SocketAddr) -> Contact {
        let dialled = self.dial.attempt(id).map(|attempt| &attempt.contact);
        let dialled = dialled.filter(|contact| contact.tcp_endpoint().is_some()).cloned();
        dialled.unwrap_or_else(|| Contact::new(key, address.ip(), address.port(), address.port()))
    }

    fn admit(&mut self, peer: Arc<PeerInfo>) {
        let id = peer.connection;
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.state = State::Admitted;
        }
        if let Some(replaced) = self.peers.insert(Arc::clone(&peer), self.next_connection) {
            self.replace(replaced);
        }
        self.incoming.remove(id);
        self.dial.inbound_completed(peer.id, id);
        let admitted = match peer.direction {
            Direction::Inbound => &mut self.counts.admitted_inbound,
            Direction::Outbound => &mut self.counts.admitted_outbound,
        };
        *admitted = admitted.saturating_add(1);
        self.note(peer.id, Decision::Admitted(peer.direction));
        let attempt = self.dial.take(id);
        self.reconsider(&peer.id);
        self.tell(Event::Connected(Arc::clone(&peer)));
        if let Some(attempt) = attempt
            && let Kind::Requested(request) = attempt.kind
        {
            self.answer(request, Answer::Dialled(Ok(peer)));
        }
        self.command(id, Command::Admit);
    }

    /// Another connection of the same node has taken this one's place.
    fn replace(&mut self, peer: Arc<PeerInfo>) {
        self.counts.replaced = self.counts.replaced.saturating_add(1);
        self.note(peer.id, Decision::Replaced(peer.direction));
        let id = peer.connection;
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.state = State::Replaced;
        }
        let reason = DisconnectReason::AlreadyConnected;
        let error = SessionError::Local(reason);
        self.tell(Event::Disconnected { peer, error, counters: None });
        self.dismiss(id, reason);
    }

    fn refuse(&mut self, id: ConnectionId, refusal: Refusal) {
        let Some(Connection { direction, remote, .. }) = self.connections.get(&id) else { return };
        let (direction, remote) = (*direction, *remote);
        match direction {
            Direction::Inbound => self.counts.refused_inbound.count(refusal),
            Direction::Outbound => self.counts.refused_outbound.count(refusal),
        }
        if let Some((_, remote)) = remote {
            self.note(remote, Decision::Refused(direction, refusal));
        }
        self.send_away(id, refusal.reason());
    }

    /// A connection has to go. If it is not admitted its slot is free at once.
    pub(super) fn send_away(&mut self, id: ConnectionId, reason: DisconnectReason) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if matches!(connection.state, State::Handshake | State::Hello) {
            connection.state = State::Leaving;
            self.leaving += usize::from(connection.is_leaving_inbound());
        }
        self.release(id);
        self.dismiss(id, reason);
    }

    /// Tells a session to go, the first time: it would not listen to a second.
    pub(super) fn dismiss(&mut self, id: ConnectionId, reason: DisconnectReason) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if !core::mem::replace(&mut connection.told, true) {
            let remote = connection.remote;
            if let Some((_, remote)) = remote {
                self.note(remote, Decision::SentAway(reason));
            }
            self.command(id, Command::Disconnect(reason));
        }
    }

    /// The node has waited for them long enough: it stops without them.
    pub(super) fn abandon_all(&mut self) {
        (self.leaving, self.given_up) = (0, 0);
        for (id, connection) in core::mem::take(&mut self.connections) {
            let remote = connection.remote.map(|(_, remote)| remote);
            if let Some(peer) = remote.and_then(|remote| self.peers.remove(&remote, id)) {
                let error = SessionError::Local(DisconnectReason::Quitting);
                self.tell(Event::Disconnected { peer, error, counters: None });
            }
        }
    }

    /// Frees what is held for a connection that is not admitted yet.
    fn release(&mut self, id: ConnectionId) {
        self.incoming.remove(id);
        if let Some(connection) = self.connections.get(&id)
            && connection.direction == Direction::Inbound
            && let Some((_, remote)) = connection.remote
        {
            self.dial.inbound_completed(remote, id);
            self.reconsider(&remote);
        }
    }

    fn closed(&mut self, id: ConnectionId, error: SessionError, counters: Counters) {
        self.counts.ends.count(&error);
        self.release(id);
        let Some(connection) = self.connections.remove(&id) else {
            self.counts.late_reports = self.counts.late_reports.saturating_add(1);
            return;
        };
        self.leaving -= usize::from(connection.is_leaving_inbound());
        if let SessionError::Remote(reason) = error {
            match connection.direction {
                Direction::Inbound => self.counts.told_inbound.count(reason),
                Direction::Outbound => self.counts.told_outbound.count(reason),
            }
        }
        let remote = connection.remote.map(|(_, remote)| remote);
        if let Some(remote) = remote {
            let direction = connection.direction;
            self.note(
                remote,
                match connection.state {
                    State::Admitted | State::Replaced => Decision::Ended(direction, error),
                    State::Handshake | State::Hello | State::Leaving => {
                        Decision::Failed(direction, error)
                    }
                },
            );
        }
        match self.dial.take(id).map(|attempt| attempt.kind) {
            Some(Kind::Requested(request)) => {
                self.answer(request, Answer::Dialled(Err(DialError::Session(error))));
            }
            Some(Kind::Static | Kind::Dynamic) => {}
            None => {
                let dialled = connection.direction == Direction::Outbound;
                let leaving = connection.state == State::Leaving;
                self.given_up -= usize::from(dialled && leaving);
            }
        }
        match connection.state {
            State::Admitted => {
                let peer = remote.and_then(|remote| self.peers.remove(&remote, id));
                if let Some(peer) = peer {
                    let counters = Some(counters);
                    self.tell(Event::Disconnected { peer, error, counters });
                }
            }
            // It was told when it lost its place.
            State::Replaced => {}
            State::Handshake | State::Hello | State::Leaving => {
                let Connection { address, direction, .. } = connection;
                let public_key = connection.remote.map(|(public_key, _)| public_key);
                let is_requested = connection.request.is_some();
                let connection = id;
                self.tell(Event::Failed {
                    connection,
                    address,
                    direction,
                    public_key,
                    is_requested,
                    error,
                });
            }
        }
        if let Some(remote) = remote {
            self.reconsider(&remote);
        }
        for (_, request) in self.removals.extract_if(.., |(removed, _)| *removed == id) {
            self.outputs.push_back(super::Output::Answer(request, Answer::Done));
        }
    }

    /// Something has changed for this node: may it be dialled now?
    pub(super) fn reconsider(&mut self, id: &NodeId) {
        self.with_dial(|dial, around| dial.reconsider(id, around));
    }
}
