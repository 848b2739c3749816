//! One connection of a simulated machine: what the loop of a connection does in
//! an adapter, and what the application gets of it.

use std::collections::VecDeque;
use std::sync::Arc;

use devp2p_core::application::{Input, Output};
use devp2p_core::crypto::PublicKey;
use devp2p_core::driver;
use devp2p_core::entropy::Seed;
use devp2p_core::limits;
use devp2p_core::machine::Machine as _;
use devp2p_core::node::{ConnectionId, DialFailure, PeerInfo};
use devp2p_core::p2p::Message;
use devp2p_core::session::{Command, Lost, Session};
use devp2p_core::time::{Instant, Now};
use devp2p_handle::adapter::ConnectionEnd;

use super::running::Todo;
use super::{Around, Host, RESTLESS, fingerprint};
use crate::network::tcp::{PipeId, Side};
use crate::watched::Watched;

mod pump;

type Driver = driver::Connection<Watched<Session>>;

/// A connection, or the attempt at one.
pub(crate) struct Connection {
    pub(crate) pipe: PipeId,
    pub(crate) side: Side,
    stage: Stage,
    /// Once it is admitted.
    pub(crate) info: Option<Arc<PeerInfo>>,
    /// Since when, by the world's time.
    pub(crate) admitted_at: Option<Instant>,
    /// What the application wants sent.
    outbound: VecDeque<Message>,
    outbound_bytes: usize,
    /// The application was given something back for lack of room.
    wants_room: bool,
    undelivered: Option<Message>,
    /// Before then the application takes no message, if it reads slowly.
    reads_at: Instant,
    unwritable: Option<Lost>,
    pub(super) armed: Option<Instant>,
    /// The end of its handles, if the application is async code.
    pub(super) end: Option<ConnectionEnd>,
    /// Since when there is a TCP connection, by the machine's clock.
    began: Instant,
}

enum Stage {
    /// Until the other has answered: whom we dial, and what its session grows
    /// from.
    Dialling(PublicKey, Seed),
    Connected(Box<Driver>),
}

impl Connection {
    /// Whether a message has come that its application does not take.
    pub(crate) const fn waits_for_application(&self) -> bool {
        self.undelivered.is_some()
    }

    pub(super) fn dialling(pipe: PipeId, remote: PublicKey, seed: Seed) -> Self {
        Self::new(pipe, Side::Dialler, Stage::Dialling(remote, seed))
    }

    pub(super) fn accepted(pipe: PipeId, session: Watched<Session>, now: Now) -> Self {
        let driver = Box::new(driver::Connection::new(session));
        let began = now.mono;
        Self { began, ..Self::new(pipe, Side::Acceptor, Stage::Connected(driver)) }
    }

    const fn new(pipe: PipeId, side: Side, stage: Stage) -> Self {
        Self {
            pipe,
            side,
            stage,
            info: None,
            admitted_at: None,
            outbound: VecDeque::new(),
            outbound_bytes: 0,
            wants_room: false,
            undelivered: None,
            reads_at: Instant::ZERO,
            unwritable: None,
            armed: None,
            end: None,
            began: Instant::ZERO,
        }
    }

    pub(crate) const fn driver(&self) -> Option<&Driver> {
        match &self.stage {
            Stage::Connected(driver) => Some(driver),
            Stage::Dialling(..) => None,
        }
    }

    const fn driver_mut(&mut self) -> Option<&mut Driver> {
        match &mut self.stage {
            Stage::Connected(driver) => Some(driver),
            Stage::Dialling(..) => None,
        }
    }

    pub(super) fn on_time(&mut self, now: Now) {
        if let Some(driver) = self.driver_mut()
            && driver.poll_timeout().is_some_and(|deadline| deadline.at <= now.mono)
        {
            driver.timeout(now);
        }
    }

    fn has_room(&self) -> bool {
        self.outbound.len() < limits::CHANNEL_MESSAGES
            && self.outbound_bytes < limits::CHANNEL_BYTES
    }
}

impl Host {
    /// The other has answered, or nobody will.
    pub(super) fn connected(
        &mut self,
        around: &mut Around<'_>,
        id: ConnectionId,
        result: Result<(), DialFailure>,
    ) {
        let now = self.clock.at(around.now);
        let checked = self.checked;
        let Some(running) = &mut self.running else { return };
        match (result, running.connections.get_mut(&id)) {
            (Ok(()), Some(connection)) => {
                let Stage::Dialling(remote, seed) = &connection.stage else { return };
                let local = Arc::clone(&running.local);
                let (at, print) = ((connection.pipe, connection.side), fingerprint(seed));
                around.watch.oracle.session_begins(self.place, now, id, at, print);
                around.watch.oracle.connected(self.place, id, true);
                let session = Session::dial(local, *remote, seed, now);
                let driver = driver::Connection::new(Watched::new(session, checked));
                connection.stage = Stage::Connected(Box::new(driver));
                connection.began = now.mono;
                match &mut connection.end {
                    Some(end) => end.connected(),
                    None => running.node.connected(now, id, Ok(())),
                }
                running.todo.push_back(Todo::Pump(id));
            }
            // It was given up meanwhile.
            (Ok(()), None) => {}
            (Err(failure), connection) => {
                let mut end = None;
                if let Some(connection) = connection {
                    let (pipe, side) = (connection.pipe, connection.side);
                    around.network.close(around.queue, around.now, pipe, side);
                    end = connection.end.take();
                    running.connections.remove(&id);
                }
                around.watch.oracle.connected(self.place, id, false);
                match end {
                    Some(mut end) => end.not_connected(failure),
                    None => running.node.connected(now, id, Err(failure)),
                }
            }
        }
    }

    /// The node tells a connection something.
    pub(super) fn tell(&mut self, around: &mut Around<'_>, id: ConnectionId, command: Command) {
        let now = self.clock.at(around.now);
        let Some(running) = &mut self.running else { return };
        let Some(connection) = running.connections.get_mut(&id) else { return };
        match &mut connection.stage {
            // There is only one thing to be told before there is a session.
            Stage::Dialling(..) => {
                running.todo.push_back(Todo::Connected(id, Err(DialFailure::GivenUp)));
            }
            Stage::Connected(driver) => {
                if matches!(command, Command::Disconnect(_)) && driver.wants_send() {
                    // What was sent before it goes before it.
                    driver.send(now, &mut connection.outbound);
                }
                let before = pending(driver);
                driver.command(now, command);
                let sizes = (before, pending(driver));
                around.watch.oracle.session_told(self.place, now, id, command, sizes);
                self.pump(around, id);
            }
        }
    }

    /// Hands an input to the application, and does what it wants done. A time-out
    /// that is due comes before it, as with every machine.
    pub(super) fn apply(&mut self, around: &mut Around<'_>, input: Input) {
        let now = self.clock.at(around.now);
        let Some(running) = &mut self.running else { return };
        let Some(application) = &mut running.application else { return };
        let is_due = application.poll_timeout().is_some_and(|deadline| deadline.at <= now.mono);
        if is_due && !matches!(input, Input::Timeout) {
            application.handle(now, Input::Timeout);
            self.drain_application(around);
        }
        let Some(running) = &mut self.running else { return };
        let Some(application) = &mut running.application else { return };
        application.handle(now, input);
        self.drain_application(around);
    }

    /// Does what the application wants done.
    pub(super) fn drain_application(&mut self, around: &mut Around<'_>) {
        let now = self.clock.at(around.now);
        let Some(running) = &mut self.running else { return };
        let Some(application) = &mut running.application else { return };
        let outputs = core::iter::from_fn(|| application.poll_output());
        let outputs: Vec<_> = outputs.take(RESTLESS).collect();
        if outputs.len() == RESTLESS {
            return around.watch.restless(self.name, "the application");
        }
        for output in outputs {
            self.perform(around, now, output);
        }
    }

    fn perform(&mut self, around: &mut Around<'_>, now: Now, output: Output) {
        let name = self.name;
        let Some(running) = &mut self.running else { return };
        match output {
            Output::Send(id, message) => {
                let Some(connection) = running.connections.get_mut(&id) else { return };
                if connection.has_room() && !connection.wants_room {
                    around.watch.put_out(around.now, name, b'm', message.payload());
                    let (pipe, side) = (connection.pipe, connection.side);
                    around.watch.oracle.sent(around.now, pipe, side, &message);
                    connection.outbound_bytes += message.payload().len();
                    connection.outbound.push_back(message);
                    running.todo.push_back(Todo::Pump(id));
                } else {
                    connection.wants_room = true;
                    running.todo.push_back(Todo::Application(Input::Unsent(id, message)));
                }
            }
            Output::Disconnect(id, reason) => self.tell(around, id, Command::Disconnect(reason)),
            Output::Command(id, command) => {
                around.watch.oracle.commanded(self.place, now, id, &command);
                running.node.command(now, id, command);
            }
        }
    }
}

/// Bytes that a session has yet to write.
fn pending(driver: &Driver) -> usize {
    driver.writes().map(<[u8]>::len).sum()
}
