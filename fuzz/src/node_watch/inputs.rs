//! What goes in, and what must come of it at once.

use core::net::{IpAddr, SocketAddr};

use devp2p_core::crypto::PublicKey;
use devp2p_core::discv4::RequestId;
use devp2p_core::node::{Answer, Command, ConnectionId, DialFailure, Direction, Input, Report};
use devp2p_core::p2p::DisconnectReason;
use devp2p_core::session::{Counters, SessionError};
use devp2p_core::{discv4, limits, session};

use super::{Cause, Drained, NodeWatch, Seen, Stage};

impl NodeWatch {
    /// Time has passed, or not.
    pub fn wake(&mut self) -> Drained {
        self.give(&Cause::Time, Input::Timeout)
    }

    /// A TCP connection was accepted from there.
    pub fn incoming(&mut self, from: SocketAddr) -> Drained {
        let expected = self.expected_of_incoming(from);
        let before = self.counted.evicted;
        let drained = self.give(&Cause::Incoming(from), Input::Incoming(from));
        if self.stopped {
            return drained;
        }
        assert_eq!(drained.accepted.len(), 1, "each connection is answered at once");
        match (&drained.accepted[0], expected) {
            (Ok(_), Ok(evicts)) => {
                assert_eq!(self.counted.evicted - before, u64::from(evicts), "evictions");
            }
            (Err(refusal), Err(expected)) => assert_eq!(*refusal, expected),
            (given, expected) => panic!("{given:?} where {expected:?} was expected"),
        }
        drained
    }

    /// Addresses were found for a name.
    pub fn named(&mut self, id: ConnectionId, ips: &[IpAddr]) -> Drained {
        let mut drained = self.catch_up();
        let seen = self.connections.get_mut(&id).expect("a look-up of ours");
        if self.stopping.is_some() || seen.since + limits::NAME_LOOK_UP_TIMEOUT <= self.latest {
            seen.stage = Stage::Gone;
        }
        let awaited = seen.stage == Stage::Naming;
        assert_eq!(self.look().awaits_name(id), awaited, "whether anybody waits for {id}");
        self.moves(id, Stage::Naming, Stage::Gone);
        drained.append(self.give(&Cause::Other, Input::Named(id, ips)));
        drained
    }

    /// What became of a dial.
    pub fn connected(&mut self, id: ConnectionId, result: Result<(), DialFailure>) -> Drained {
        let mut drained = self.catch_up();
        let next = if result.is_ok() { Stage::Handshake } else { Stage::Gone };
        if self.moves(id, Stage::Connecting, next) && result.is_ok() {
            self.counted.connected += 1;
        }
        drained.append(self.give(&Cause::Other, Input::Connected(id, result)));
        drained
    }

    /// A session says this.
    pub fn report(&mut self, id: ConnectionId, report: Report) -> Drained {
        let mut drained = self.catch_up();
        let report = match report {
            Report::Authenticated(key) => self.authenticated(id, key),
            Report::Ready { hello, shared } => {
                let useless = shared.is_empty() && !self.takes_anyone;
                self.ready(id, useless, Report::Ready { hello, shared })
            }
            Report::Closed { error, counters } => self.closed(id, error, counters),
        };
        drained.append(report);
        drained
    }

    /// The application asks for this.
    pub fn command(&mut self, command: Command) -> (u64, Drained) {
        let mut drained = self.catch_up();
        let id = self.next_command;
        self.next_command += 1;
        if self.stopped {
            // Nobody is there any more.
            return (id, self.give(&Cause::Other, Input::Command(RequestId(id), command)));
        }
        self.commands.insert(id, command.clone());
        if self.stopping.is_none() {
            self.prepare(id, &command);
        }
        let cause = Cause::Command(id, Box::new(command.clone()));
        let given = self.give(&cause, Input::Command(RequestId(id), command.clone()));
        if !self.stopped {
            self.after_command(id, &command, &given);
        }
        drained.append(given);
        let changes = matches!(
            command,
            Command::SetEntry { value: Some(_), .. }
                | Command::Discovery(discv4::Command::SetEntries(_))
        );
        if changes && self.stopping.is_none() {
            // Whatever became of it: what is there now can be said once more.
            let nothing = Command::SetEntry { key: b"nothing".to_vec(), value: None };
            let (id, given) = self.command(nothing);
            let sound = |(to, answer): &(u64, Answer)| *to == id && matches!(answer, Answer::Done);
            assert!(given.answers.iter().any(sound), "the record is lost: {:?}", given.answers);
            drained.append(given);
        }
        (id, drained)
    }

    /// The application takes no events, or does again.
    pub fn hold(&mut self, held: bool) -> Drained {
        let mut drained = self.catch_up();
        self.held = held;
        drained.append(self.give(&Cause::Other, Input::Hold(held)));
        drained
    }

    /// Something happens to discovery.
    pub fn discovery(&mut self, input: Input<'_>) -> Drained {
        let mut drained = self.catch_up();
        drained.append(self.give(&Cause::Other, input));
        drained
    }

    /// It is to stop.
    pub fn stop(&mut self) -> Drained {
        let mut drained = self.catch_up();
        if self.stopping.is_none() {
            self.stopping = Some(self.latest);
            let untold = |id: &ConnectionId| !self.connections[id].told;
            let untold: Vec<_> = self.alive().filter(untold).collect();
            let given = self.give(&Cause::Stop, Input::Stop);
            for id in untold {
                assert!(self.connections[&id].told, "{id} is not told to go");
            }
            let is_dial = |command: &Command| matches!(command, Command::Dial(_));
            let waits = self.commands.values().find(|command| !is_dial(command));
            assert!(waits.is_none(), "{waits:?} waits for a node that stops");
            drained.append(given);
        } else {
            drained.append(self.give(&Cause::Stop, Input::Stop));
        }
        drained
    }

    pub(super) fn authenticated(&mut self, id: ConnectionId, key: PublicKey) -> Drained {
        let Some(seen) = self.in_time(id, Stage::Handshake) else {
            let input = Input::Session(id, Report::Authenticated(key));
            return self.late(id, &Cause::Authenticated(id), input);
        };
        if seen.direction == Direction::Outbound {
            assert_eq!(seen.key, Some(key), "the session sees to it");
        }
        seen.key = Some(key);
        let expected = self.expected(id, false);
        let input = Input::Session(id, Report::Authenticated(key));
        let drained = self.give(&Cause::Authenticated(id), input);
        self.judge(id, &drained, session::Command::Proceed, &expected);
        drained
    }

    pub(super) fn ready(&mut self, id: ConnectionId, useless: bool, report: Report) -> Drained {
        let input = Input::Session(id, report);
        if self.in_time(id, Stage::Hello).is_none() {
            return self.late(id, &Cause::Ready(id), input);
        }
        let expected = self.expected(id, useless);
        let drained = self.give(&Cause::Ready(id), input);
        self.judge(id, &drained, session::Command::Admit, &expected);
        drained
    }

    pub(super) fn closed(
        &mut self,
        id: ConnectionId,
        error: SessionError,
        counters: Counters,
    ) -> Drained {
        let input = Input::Session(id, Report::Closed { error, counters });
        let cause = Cause::Closed(id, error, counters);
        self.counted.ends += 1;
        let seen = self.connections.get_mut(&id).expect("a session of ours");
        let before = core::mem::replace(&mut seen.stage, Stage::Gone);
        if before == Stage::Gone {
            return self.late(id, &cause, input);
        }
        let told = match before {
            Stage::Admitted => 'd',
            Stage::Replaced => '-',
            Stage::Handshake | Stage::Hello | Stage::Leaving => 'f',
            Stage::Naming | Stage::Connecting | Stage::Gone => panic!("it never began"),
        };
        let drained = self.give(&cause, input);
        assert_eq!(self.told, told, "what is told of the end of {id}, {before:?}");
        let stale = self.removals.iter().find(|(_, connection)| **connection == id);
        assert!(stale.is_none(), "a removal is not answered when the peer is gone");
        drained
    }

    /// The connection, if what is said fits its stage and we go on at all.
    pub(super) fn in_time(&mut self, id: ConnectionId, stage: Stage) -> Option<&mut Seen> {
        let going_on = self.stopping.is_none();
        self.connections.get_mut(&id).filter(|seen| going_on && seen.stage == stage)
    }

    /// A message moves it on, or is late.
    pub(super) fn moves(&mut self, id: ConnectionId, from: Stage, to: Stage) -> bool {
        let seen = self.connections.get_mut(&id).expect("an attempt of ours");
        let fits = seen.stage == from;
        if fits {
            seen.stage = to;
        } else {
            self.counted.late += 1;
        }
        fits
    }

    /// What is late is counted, and nothing comes of it.
    pub(super) fn late(&mut self, id: ConnectionId, cause: &Cause, input: Input<'_>) -> Drained {
        self.counted.late += 1;
        let drained = self.give(cause, input);
        assert!(drained.commands.iter().all(|(to, _)| *to != id), "an answer to what is late");
        assert_eq!(self.told, '-', "something is told of what is late");
        drained
    }

    /// Exactly one answer, and the right one.
    pub(super) fn judge(
        &self,
        id: ConnectionId,
        drained: &Drained,
        granted: session::Command,
        expected: &[Option<DisconnectReason>],
    ) {
        let mine: Vec<_> = drained.commands.iter().filter(|(to, _)| *to == id).collect();
        let [(_, answer)] = mine[..] else { panic!("{mine:?} is no answer") };
        let expected: Vec<_> = expected
            .iter()
            .map(|refusal| refusal.map_or(granted, session::Command::Disconnect))
            .collect();
        assert!(expected.contains(answer), "{answer:?} where {expected:?} was expected");
    }
}
