//! Dials: the steps of each attempt, executed.

use core::net::IpAddr;

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::dial::{Attempt, Kind, Progress, Stage, Step};
use super::discovery::Purpose;
use super::journal::{Decision, DialPurpose};
use super::machine::{Connection, State};
use super::{Answer, ConnectionId, DialError, DialFailure, Direction, Event, Node, Output};
use crate::discv4;
use crate::identity::{Contact, NodeId};
use crate::limits;
use crate::p2p::DisconnectReason;
use crate::session::Command;

impl Node {
    /// Begins the next dial, or asks for nodes to dial. Says whether there was
    /// something to begin.
    pub(super) fn dial_next(&mut self) -> bool {
        if let Some(attempt) = self.with_dial(|dial, around| dial.next(around)) {
            self.begin(attempt);
            return true;
        }
        match self.with_dial(|dial, around| dial.ask(around)) {
            Some(_) if self.walks => self.walk(),
            Some(source) => self.tell(Event::WantsCandidates(source)),
            None => return false,
        }
        true
    }

    pub(super) fn begin(&mut self, attempt: Attempt) {
        self.counts.dials = self.counts.dials.saturating_add(1);
        let purpose = match attempt.kind {
            Kind::Static => DialPurpose::Static,
            Kind::Dynamic => DialPurpose::Dynamic,
            Kind::Requested(_) => DialPurpose::Requested,
        };
        self.note(*attempt.id(), Decision::DialBegun(purpose));
        self.proceed(attempt, Progress::Begun);
    }

    /// The next step of an attempt that waits for nothing.
    fn proceed(&mut self, mut attempt: Attempt, progress: Progress<'_>) {
        let step = self.with_dial(|dial, around| dial.step(&mut attempt, around, progress));
        let id = self.next_connection();
        let remote = *attempt.contact.public_key();
        match step {
            Step::LookUpName(name) => {
                self.note(*attempt.id(), Decision::LookingUpName);
                self.put(Output::LookUpName { id, name });
            }
            Step::Resolve(contact) => {
                self.note(*attempt.id(), Decision::Resolving);
                self.ask(Purpose::Resolve(id), discv4::Command::Resolve(contact));
            }
            Step::Connect(to) => {
                self.note(*attempt.id(), Decision::Connecting(to));
                let seed = self.next_seed();
                self.put(Output::Connect { id, to, remote, seed });
            }
            Step::Failed(failure) => return self.dial_failed(&attempt, failure),
        }
        self.dial.put(id, attempt);
    }

    fn dial_failed(&mut self, attempt: &Attempt, failure: DialFailure) {
        self.counts.dials_failed.count(failure);
        self.note(*attempt.id(), Decision::DialFailed(failure));
        match attempt.kind {
            Kind::Requested(request) if self.stopping.is_some() => {
                self.answer(request, Answer::Stopped);
            }
            Kind::Requested(request) => {
                self.answer(request, Answer::Dialled(Err(DialError::Failed(failure))));
            }
            Kind::Static | Kind::Dynamic => {
                self.tell(Event::DialFailed(Box::new(attempt.contact.clone()), failure));
            }
        }
        self.reconsider(attempt.id());
    }

    /// The attempt of this name, if it waits for this; else what came is late.
    fn take(&mut self, id: ConnectionId, stage: Stage) -> Option<Attempt> {
        if self.dial.attempt(id).is_none_or(|attempt| attempt.stage != stage) {
            self.counts.late_reports = self.counts.late_reports.saturating_add(1);
            return None;
        }
        self.dial.take(id)
    }

    /// Whether anybody still waits for the addresses of this
    /// [`Output::LookUpName`]: it need not be begun otherwise.
    pub fn awaits_name(&self, id: ConnectionId) -> bool {
        self.dial.attempt(id).is_some_and(|attempt| attempt.stage == Stage::Naming)
    }

    pub(super) fn on_named(&mut self, id: ConnectionId, ips: &[IpAddr]) {
        if let Some(attempt) = self.take(id, Stage::Naming) {
            self.proceed(attempt, Progress::Named(ips));
        }
    }

    pub(super) fn on_resolved(&mut self, id: ConnectionId, found: Option<Contact>) {
        if let Some(attempt) = self.take(id, Stage::Resolving) {
            self.proceed(attempt, Progress::Resolved(found));
        }
    }

    pub(super) fn on_connected(&mut self, id: ConnectionId, result: Result<(), DialFailure>) {
        match result {
            Ok(()) => self.connected(id),
            Err(failure) => {
                if let Some(attempt) = self.take(id, Stage::Connecting) {
                    self.proceed(attempt, Progress::Failed(failure));
                }
            }
        }
    }

    fn connected(&mut self, id: ConnectionId) {
        let waiting = self.dial.attempt(id).filter(|attempt| attempt.stage == Stage::Connecting);
        let Some((attempt, address)) = waiting.and_then(|it| Some((it, it.address?))) else {
            // Given up meanwhile; it was told to go, and how it ends means nothing.
            self.counts.late_reports = self.counts.late_reports.saturating_add(1);
            return;
        };
        self.counts.dials_connected = self.counts.dials_connected.saturating_add(1);
        let request = match attempt.kind {
            Kind::Requested(request) => Some(request),
            Kind::Static | Kind::Dynamic => None,
        };
        let connection = Connection {
            address,
            direction: Direction::Outbound,
            is_static: attempt.kind == Kind::Static,
            request,
            remote: Some((*attempt.contact.public_key(), *attempt.id())),
            state: State::Handshake,
            told: false,
        };
        let node = *attempt.id();
        self.connections.insert(id, connection);
        self.dial.connected(id);
        self.note(node, Decision::Connected(address));
    }

    /// Attempts that have waited too long for what they wait for.
    pub(super) fn give_up_overdue(&mut self) {
        for id in self.dial.overdue(self.now.mono) {
            let Some(attempt) = self.dial.take(id) else { continue };
            if attempt.stage == Stage::Naming {
                self.proceed(attempt, Progress::Named(&[]));
            } else {
                self.command(id, Command::Disconnect(DisconnectReason::Quitting));
                self.proceed(attempt, Progress::Failed(DialFailure::TimedOut));
            }
        }
    }

    /// Gives up what the application wants no more.
    pub(super) fn give_up(&mut self, id: ConnectionId) {
        let Some(attempt) = self.dial.take(id) else { return };
        match attempt.stage {
            Stage::Connecting => {
                self.command(id, Command::Disconnect(DisconnectReason::Quitting));
            }
            Stage::Shaking => {
                self.given_up += 1;
                self.send_away(id, DisconnectReason::Quitting);
            }
            Stage::Naming | Stage::Resolving => {}
        }
        self.dial_failed(&attempt, DialFailure::GivenUp);
    }

    /// The node stops: sessions are told with all others, and end by themselves.
    pub(super) fn give_up_all(&mut self) {
        for id in self.dial.under_way() {
            if self.dial.attempt(id).is_some_and(|attempt| attempt.stage != Stage::Shaking) {
                self.give_up(id);
            }
        }
    }

    /// The node has stopped: nothing more comes of sessions that did not end.
    pub(super) fn forget_all(&mut self) {
        for id in self.dial.under_way() {
            if let Some(attempt) = self.dial.take(id) {
                self.dial_failed(&attempt, DialFailure::GivenUp);
            }
        }
    }

    /// Nodes for the dial scheduler: some of the table at once, and those that a
    /// random walk meets.
    fn walk(&mut self) {
        self.ask(Purpose::Walk, discv4::Command::RandomNodes);
        let target = NodeId::new(self.dial.draw());
        if let Some(discovery) = self.discovery() {
            let known = discovery.table().closest(&target, limits::NEIGHBORS, true);
            let known: Vec<_> = known.into_iter().cloned().collect();
            self.dial.add(0, known);
        }
    }
}
