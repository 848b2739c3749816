//! What comes out, each against the stage that it concerns and its cause.

use alloc::sync::Arc;
use core::net::SocketAddr;

use devp2p_core::crypto::PublicKey;
use devp2p_core::discv4::RequestId;
use devp2p_core::identity::{NodeId, is_lan};
use devp2p_core::machine::Machine as _;
use devp2p_core::node::{Command, ConnectionId, Direction, Event, Input, Output, PeerInfo};
use devp2p_core::p2p::DisconnectReason;
use devp2p_core::session::SessionError;
use devp2p_core::{limits, session};

use super::{Cause, Connect, Drained, Kind, NodeWatch, Seen, Stage, is_as_dialled, key_of};

impl NodeWatch {
    /// What is due is done first, so that what comes out belongs to what goes in.
    pub(super) fn catch_up(&mut self) -> Drained {
        self.latest = self.latest.max(self.clock.mono);
        if self.deadline().is_some_and(|at| at <= self.clock.mono) {
            self.wake()
        } else {
            Drained::default()
        }
    }

    pub(super) fn give(&mut self, cause: &Cause, input: Input<'_>) -> Drained {
        self.latest = self.latest.max(self.clock.mono);
        self.machine.handle(self.clock, input);
        self.drain(cause)
    }

    pub(super) fn drain(&mut self, cause: &Cause) -> Drained {
        (self.begun, self.scheduled, self.told) = (false, false, '-');
        let was_stopped = self.stopped;
        let mut drained = Drained::default();
        while let Some(output) = self.machine.poll_output() {
            self.output(cause, output, &mut drained);
        }
        // Checked looks whether there is a new one.
        let _ = self.machine.poll_timeout();
        if !was_stopped {
            self.check();
        }
        if self.stopped {
            self.connections.values_mut().for_each(|seen| seen.stage = Stage::Gone);
        }
        drained
    }

    pub(super) fn output(&mut self, cause: &Cause, output: Output, drained: &mut Drained) {
        match output {
            Output::Accept { id, seed } => {
                let &Cause::Incoming(address) = cause else { panic!("nobody has come") };
                self.counted.accepted += 1;
                if !is_lan(address.ip().to_canonical()) {
                    self.throttled.insert(address.ip().to_canonical(), self.latest);
                }
                self.meet(id, None, Some(address), Direction::Inbound, Kind::Dynamic);
                drained.accepted.push(Ok((id, seed)));
            }
            Output::Refuse(refusal) => {
                self.counted.turned_away += 1;
                drained.accepted.push(Err(refusal));
            }
            Output::LookUpName { id, name } => {
                let key = key_of(&name);
                let kind = self.attempt(cause, &key);
                self.meet(id, Some(key), None, Direction::Outbound, kind);
                drained.names.push((id, name));
            }
            Output::Connect { id, to, remote, seed } => {
                assert!(self.allows(to.ip()), "{to} is outside of our networks");
                assert_ne!(to.port(), 0);
                let kind = self.attempt(cause, &remote);
                self.meet(id, Some(remote), Some(to), Direction::Outbound, kind);
                drained.connects.push(Connect { id, remote, seed });
            }
            Output::Session(id, command) => {
                self.commanded(cause, id, command);
                drained.commands.push((id, command));
            }
            Output::Send { to, datagram } => drained.datagrams.push((to, datagram)),
            Output::Verify(unverified) => drained.unverified.push(unverified),
            Output::Store(id, _) => drained.operations.push(id),
            Output::Answer(RequestId(id), answer) => {
                self.answered(cause, id, &answer);
                drained.answers.push((id, answer));
            }
            Output::Event(event) => self.event(cause, event),
            Output::Stopped => self.stopped = true,
        }
    }

    /// A new name.
    pub(super) fn meet(
        &mut self,
        id: ConnectionId,
        key: Option<PublicKey>,
        address: Option<SocketAddr>,
        direction: Direction,
        kind: Kind,
    ) {
        assert!(self.stopping.is_none(), "something begins while it stops");
        let last = self.connections.last_key_value();
        assert!(last.is_none_or(|(last, _)| *last < id), "a name is used again");
        let stage = match (direction, address) {
            (Direction::Inbound, _) => Stage::Handshake,
            (Direction::Outbound, Some(_)) => Stage::Connecting,
            (Direction::Outbound, None) => Stage::Naming,
        };
        let since = self.latest;
        let seen = Seen { stage, key, address, direction, kind, since, told: false };
        self.connections.insert(id, seen);
    }

    /// A step of an attempt to reach this node: why it is made.
    pub(super) fn attempt(&mut self, cause: &Cause, key: &PublicKey) -> Kind {
        let id = NodeId::from(key);
        if let Cause::Command(request, command) = cause
            && let Command::Dial(address) = &**command
            && address.node_id() == id
            && !core::mem::replace(&mut self.begun, true)
        {
            self.attempts.entry(id).or_default().push(Kind::Requested(*request));
            return Kind::Requested(*request);
        }
        match self.attempts.get(&id).map_or(&[][..], |kinds| kinds) {
            [] => self.begins(&id),
            [only] => *only,
            _ => Kind::Unknown,
        }
    }

    /// Nobody has asked for this dial but the scheduler.
    pub(super) fn begins(&mut self, id: &NodeId) -> Kind {
        // It may have begun long ago, by asking discovery where the node is.
        let asked = self.discovery && self.once_static.contains(id);
        assert!(asked || !self.held, "a dial begins while nothing may");
        assert!(asked || self.may_be_dialled(id), "{id} is dialled");
        let kind = match self.statics.get(id) {
            _ if asked => Kind::Unknown,
            Some(address) if self.may_be_dialled_there(address) => Kind::Static,
            Some(_) | None => Kind::Dynamic,
        };
        self.attempts.entry(*id).or_default().push(kind);
        self.dialled.insert(*id, self.latest);
        self.scheduled |= !asked;
        kind
    }

    /// An attempt is over.
    pub(super) fn ended(&mut self, id: &NodeId, request: Option<u64>) {
        let attempts = self.attempts.entry(*id).or_default();
        let is_it = |kind: &Kind| match (kind, request) {
            (Kind::Requested(of), Some(request)) => *of == request,
            (Kind::Requested(_), None) | (_, Some(_)) => false,
            (Kind::Static | Kind::Dynamic | Kind::Unknown, None) => true,
        };
        match attempts.iter().position(is_it) {
            Some(place) => drop(attempts.remove(place)),
            // It came to nothing as soon as it began.
            None if request.is_none() => {
                self.begins(id);
                self.attempts.remove(id);
            }
            None => {}
        }
    }

    pub(super) fn commanded(&mut self, cause: &Cause, id: ConnectionId, command: session::Command) {
        let seen = self.connections.get_mut(&id).expect("a session of ours");
        let reason = match command {
            session::Command::Proceed => {
                let asks = matches!(cause, Cause::Authenticated(asks) if *asks == id);
                assert!(asks && seen.stage == Stage::Handshake, "Proceed, at {:?}", seen.stage);
                seen.stage = Stage::Hello;
                return;
            }
            session::Command::Admit => {
                let asks = matches!(cause, Cause::Ready(asks) if *asks == id);
                assert!(asks && seen.stage == Stage::Admitted, "Admit, at {:?}", seen.stage);
                return;
            }
            session::Command::Ping => panic!("nobody has asked for a ping"),
            session::Command::Disconnect(reason) => reason,
        };
        assert!(!core::mem::replace(&mut seen.told, true), "{id} is told to go again");
        let stops = matches!(cause, Cause::Stop);
        let cancels = matches!(cause, Cause::Command(_, command)
            if matches!(**command, Command::Cancel(_)));
        assert!(!stops || reason == DisconnectReason::Quitting);
        match seen.stage {
            Stage::Connecting => {
                let overdue = seen.since + limits::DIAL_TIMEOUT <= self.latest;
                assert!(overdue || cancels || stops, "a dial is given up");
                seen.stage = Stage::Gone;
            }
            Stage::Handshake | Stage::Hello => {
                let asked = matches!(cause, Cause::Authenticated(asks) | Cause::Ready(asks)
                    if *asks == id);
                let evicted = matches!(cause, Cause::Incoming(_))
                    && seen.stage == Stage::Handshake
                    && seen.direction == Direction::Inbound
                    && seen.since + limits::SILENT_CONNECTION <= self.latest;
                let given_up = cancels && seen.direction == Direction::Outbound;
                assert!(asked || evicted || given_up || stops, "{reason} without a cause");
                self.counted.evicted += u64::from(evicted);
                let outbound = usize::from(seen.direction == Direction::Outbound);
                self.counted.refused[outbound] += u64::from(asked);
                seen.stage = Stage::Leaving;
            }
            Stage::Admitted => {
                let removed = matches!(cause, Cause::Command(_, command)
                    if matches!(**command, Command::RemovePeer(_)));
                assert!(stops || removed && reason == DisconnectReason::Requested);
            }
            Stage::Replaced => {
                assert!(matches!(cause, Cause::Ready(_)), "it was told when it lost its place");
            }
            Stage::Naming | Stage::Leaving | Stage::Gone => panic!("{reason} to nobody"),
        }
    }

    pub(super) fn event(&mut self, cause: &Cause, event: Event) {
        match event {
            Event::Connected(peer) => self.admitted(cause, peer),
            Event::Disconnected { peer, error, counters } => {
                let told = self.peers.remove(&peer.id).expect("it is not connected");
                assert_eq!(told, peer, "another connection of that node");
                let seen = self.connections.get_mut(&peer.connection).expect("it is there");
                match (cause, counters) {
                    (Cause::Closed(id, why, counted), Some(counters)) => {
                        assert_eq!((*id, *why, *counted), (peer.connection, error, counters));
                        self.told = 'd';
                    }
                    (Cause::Ready(id), None) => {
                        assert_eq!(error, SessionError::Local(DisconnectReason::AlreadyConnected));
                        assert!(*id != peer.connection && seen.stage == Stage::Admitted);
                        seen.stage = Stage::Replaced;
                        self.counted.replaced += 1;
                    }
                    // Its session has not ended in time.
                    (_, None) => {
                        assert!(self.stopping.is_some() && seen.stage == Stage::Admitted);
                        assert_eq!(error, SessionError::Local(DisconnectReason::Quitting));
                        seen.stage = Stage::Gone;
                    }
                    (_, Some(_)) => panic!("{peer:?} is gone, and nobody has said so"),
                }
            }
            Event::Failed {
                connection,
                address,
                direction,
                public_key,
                is_requested,
                error,
                ..
            } => {
                let Cause::Closed(id, why, _) = cause else { panic!("nothing has ended") };
                assert_eq!((*id, *why), (connection, error));
                let seen = &self.connections[&connection];
                assert_eq!((seen.address, seen.direction), (Some(address), direction));
                assert_eq!(seen.key, public_key);
                is_as_dialled(seen.kind, None, is_requested);
                self.told = 'f';
                if direction == Direction::Outbound && !is_requested && self.stopping.is_none() {
                    self.ended(&NodeId::from(&seen.key.expect("we dialled it")), None);
                }
            }
            Event::DialFailed(contact, _) => {
                self.counted.failed += 1;
                self.ended(contact.id(), None);
            }
            Event::WantsCandidates(source) => {
                assert!(source < self.sources, "there is no such source");
                assert!(self.wanted.insert(source), "it has been asked already");
                assert!(!self.held && self.stopping.is_none());
            }
            Event::Discovery(_) => {}
            _ => panic!("an event that nobody knows"),
        }
    }

    pub(super) fn admitted(&mut self, cause: &Cause, peer: Arc<PeerInfo>) {
        let id = peer.connection;
        assert!(matches!(cause, Cause::Ready(ready) if *ready == id), "it is not ready");
        let seen = self.connections.get_mut(&id).expect("it is there");
        assert_eq!(core::mem::replace(&mut seen.stage, Stage::Admitted), Stage::Hello);
        assert_eq!((seen.address, seen.direction), (Some(peer.address), peer.direction));
        assert_eq!((seen.key, &peer.hello.id), (Some(peer.public_key), peer.public_key.as_bytes()));
        assert_eq!(peer.id, NodeId::from(&peer.public_key));
        assert_ne!(peer.id, self.own, "we are our own peer");
        is_as_dialled(seen.kind, Some(peer.is_static), peer.is_requested);
        let outbound = peer.direction == Direction::Outbound;
        self.counted.admitted[usize::from(outbound)] += 1;
        let by_right = self.trusted.contains(&peer.id);
        let (remote, is_static, is_requested) = (peer.id, peer.is_static, peer.is_requested);
        let last = self.connections.last_key_value().map_or(id, |(last, _)| *last);
        self.last_before.insert(remote, last);
        let before = self.peers.insert(remote, peer);
        assert!(before.is_none(), "two connections of one node");
        assert!(by_right || is_static || self.peers.len() <= self.limits.max_peers, "too many");
        assert!(by_right || outbound || self.inbound_peers() <= self.max_inbound(), "inbound");
        if outbound && !is_requested {
            self.ended(&remote, None);
        }
    }
}
