//! Everything that a connection can do without waiting: messages to the application,
//! its commands, what the session says, bytes of the network, one after the other
//! until nothing moves.

use core::time::Duration;

use bytes::Bytes;
use devp2p_core::application::Input;
use devp2p_core::driver::Event;
use devp2p_core::node::{ConnectionId, DialFailure, Report};
use devp2p_core::p2p::Message;
use devp2p_core::session::{Command, Lost, Phase, SessionError};
use devp2p_core::time::Now;
use devp2p_handle::adapter::ConnectionEnd;

use super::super::late::SESSIONS;
use super::super::running::Todo;
use super::super::{Around, Host};
use super::{Connection, Driver, Stage, pending};
use crate::event::Event as Planned;
use crate::network::tcp::Moved;
use crate::watch::Happened;

/// One connection and what it is in touch with.
struct Pump<'a, 'b> {
    around: &'a mut Around<'b>,
    connection: &'a mut Connection,
    place: usize,
    name: u32,
    id: ConnectionId,
    /// By the machine's clock.
    now: Now,
    /// How often the application takes a message; `None`: never.
    reads: Option<Duration>,
    todo: Vec<Todo>,
    reports: Vec<Report>,
    closed: Option<SessionError>,
}

impl Host {
    /// Does everything that a connection can do without waiting.
    pub(in super::super) fn pump(&mut self, around: &mut Around<'_>, id: ConnectionId) {
        let now = self.clock.at(around.now);
        let (place, name, late) = (self.place, self.name, self.temper.late);
        let reads = (!self.temper.reads_nothing).then_some(self.temper.reads_every);
        let Some(running) = &mut self.running else { return };
        let Some(connection) = running.connections.get_mut(&id) else { return };
        if matches!(connection.stage, Stage::Dialling(..)) {
            // There is only one thing to be told before there is a session.
            if connection.end.as_mut().is_some_and(|end| end.next_command().is_some()) {
                running.todo.push_back(Todo::Connected(id, Err(DialFailure::GivenUp)));
            }
            return;
        }
        let (todo, reports) = (Vec::new(), Vec::new());
        let mut pump =
            Pump { around, connection, place, name, id, now, reads, todo, reports, closed: None };
        while pump.step() {}
        let Pump { todo, mut reports, closed, .. } = pump;
        running.todo.extend(todo);
        match closed {
            Some(error) => self.ends(around, id, error, &mut reports),
            None => self.rests(around, id, &mut reports),
        }
        let Some(running) = &mut self.running else { return };
        for report in reports {
            running.later(around.now, late, SESSIONS, Todo::Report(id, report));
        }
    }

    /// A session is over, and with it the connection.
    fn ends(
        &mut self,
        around: &mut Around<'_>,
        id: ConnectionId,
        error: SessionError,
        reports: &mut Vec<Report>,
    ) {
        let Some(running) = &mut self.running else { return };
        let Some(mut connection) = running.connections.remove(&id) else { return };
        around.watch.oracle.session_ends(self.place, id, error);
        let error = truly(error, connection.unwritable);
        let last = connection.undelivered.take();
        let counters = connection.driver().map(Driver::counters).unwrap_or_default();
        around.network.close(around.queue, around.now, connection.pipe, connection.side);
        match connection.end {
            Some(end) => {
                last.into_iter().for_each(|message| end.deliver_last(message));
                reports.drain(..).for_each(|report| end.report(report));
                end.closed(error, counters);
            }
            None => {
                let input = last.map(|message| Input::Message(id, message));
                running.todo.extend(input.map(Todo::Application));
                reports.push(Report::Closed { error, counters });
            }
        }
    }

    /// A connection has to wait for something, or for its time.
    fn rests(&mut self, around: &mut Around<'_>, id: ConnectionId, reports: &mut Vec<Report>) {
        let Some(running) = &mut self.running else { return };
        let Some(connection) = running.connections.get_mut(&id) else { return };
        let Stage::Connected(driver) = &connection.stage else { return };
        if let Some(end) = &connection.end {
            end.counted(driver.counters());
            reports.drain(..).for_each(|report| end.report(report));
        }
        let due = driver.poll_timeout();
        let reads_on = (connection.undelivered.is_some() && connection.reads_at > around.now)
            .then_some(connection.reads_at);
        let state = (pending(driver), driver.wants_read());
        if connection.wants_room && connection.has_room() {
            connection.wants_room = false;
            running.todo.push_back(Todo::Application(Input::Room(id)));
        }
        let now = self.clock.at(around.now);
        around.watch.oracle.session_rests(self.place, now, id, state, due);
        let due = due.map(|deadline| self.clock.when(deadline.at).max(around.now));
        let Some(due) = due.into_iter().chain(reads_on).min() else { return };
        if connection.armed.is_none_or(|armed| armed > due) {
            connection.armed = Some(due);
            let (machine, run) = (self.place, self.run);
            around.queue.push(due, Planned::WakeConnection { machine, run, connection: id });
        }
    }
}

impl Pump<'_, '_> {
    /// Each thing once, in this order. Whether anything has moved.
    fn step(&mut self) -> bool {
        let delivered = self.deliver();
        let told = self.obey();
        let said = self.listen();
        if self.closed.is_some() {
            return false;
        }
        let sent = self.send();
        let written = self.write();
        let read = self.read();
        delivered | told | said | sent | written | read
    }

    /// Hands on the message that waits for the application.
    fn deliver(&mut self) -> bool {
        let Stage::Connected(driver) = &mut self.connection.stage else { return false };
        let Some(every) = self.reads else { return false };
        let is_time = every.is_zero() || self.connection.reads_at <= self.around.now;
        let Some(message) = self.connection.undelivered.take_if(|_| is_time) else {
            return false;
        };
        self.connection.reads_at = self.around.now + every;
        let delivered = match &self.connection.end {
            Some(end) => end.deliver(message),
            None => {
                self.todo.push(Todo::Application(Input::Message(self.id, message)));
                Ok(())
            }
        };
        match delivered {
            Ok(()) => driver.delivered(self.now),
            Err(message) => self.connection.undelivered = Some(message),
        }
        self.connection.undelivered.is_none()
    }

    /// Takes commands and messages of an application that is async code.
    fn obey(&mut self) -> bool {
        let Stage::Connected(driver) = &mut self.connection.stage else { return false };
        let Some(end) = &mut self.connection.end else { return false };
        let (around, now) = (&mut *self.around, self.now);
        let at = (self.connection.pipe, self.connection.side);
        let mut left = Vec::new();
        let mut commands = Vec::new();
        while let Some(command) = end.next_command() {
            if matches!(command, Command::Disconnect(_)) && driver.wants_send() {
                // What was sent before it goes before it.
                left.extend(take(driver, end, now));
            }
            let before = pending(driver);
            driver.command(now, command);
            commands.push((command, (before, pending(driver))));
        }
        let sends = driver.wants_send() && end.has_messages();
        if sends {
            left.extend(take(driver, end, now));
        }
        for message in &left {
            around.watch.put_out(around.now, self.name, b'm', message.payload());
            around.watch.oracle.sent(around.now, at.0, at.1, message);
        }
        let moved = sends || !commands.is_empty();
        for (command, sizes) in commands {
            around.watch.oracle.session_told(self.place, now, self.id, command, sizes);
        }
        moved
    }

    /// What the session says. Whether it has a message.
    fn listen(&mut self) -> bool {
        let Stage::Connected(driver) = &mut self.connection.stage else { return false };
        let (pipe, side) = (self.connection.pipe, self.connection.side);
        let mut moved = false;
        while let Some(event) = driver.poll_event() {
            let oracle = &mut self.around.watch.oracle;
            oracle.session_says(self.place, self.now, self.id, &event);
            match event {
                Event::Authenticated(remote) => {
                    if let Some(end) = &self.connection.end {
                        end.shook_hands(self.now.mono - self.connection.began);
                    }
                    self.reports.push(Report::Authenticated(remote));
                }
                Event::Ready { hello, shared } => {
                    self.reports.push(Report::Ready { hello, shared });
                }
                Event::Message(message) => {
                    oracle.received(self.place, self.id, pipe, side, &message);
                    self.connection.undelivered = Some(message);
                    moved = true;
                }
                Event::RoundTrip(round_trip) => {
                    if let Some(end) = &self.connection.end {
                        end.round_trip(round_trip);
                    }
                }
                Event::Closed(error) => self.closed = Some(error),
            }
        }
        moved
    }

    /// Takes messages of an application that is a state machine.
    fn send(&mut self) -> bool {
        let Stage::Connected(driver) = &mut self.connection.stage else { return false };
        if !driver.wants_send() || self.connection.outbound.is_empty() {
            return false;
        }
        driver.send(self.now, &mut self.connection.outbound);
        let left = self.connection.outbound.iter().map(|message| message.payload().len());
        self.connection.outbound_bytes = left.sum();
        true
    }

    fn write(&mut self) -> bool {
        let Stage::Connected(driver) = &mut self.connection.stage else { return false };
        if !driver.wants_write() || self.connection.unwritable.is_some() {
            return false;
        }
        let around = &mut *self.around;
        let (pipe, side) = (self.connection.pipe, self.connection.side);
        let first = driver.writes().next().map(Bytes::copy_from_slice).unwrap_or_default();
        match around.network.write(around.queue, around.now, pipe, side, &first) {
            Moved::Done(count) => {
                around.watch.put_out(around.now, self.name, b't', &first[..count]);
                let wrote = || Happened::Wrote { connection: self.id, bytes: count };
                around.watch.line(around.now, Some(self.name), wrote);
                let oracle = &mut around.watch.oracle;
                oracle.session_writes(self.place, self.now, self.id, &first, count);
                driver.written(self.now, count);
                true
            }
            Moved::Blocked => false,
            Moved::Lost(how) => {
                self.connection.unwritable = Some(how);
                true
            }
        }
    }

    fn read(&mut self) -> bool {
        let Stage::Connected(driver) = &mut self.connection.stage else { return false };
        if !driver.wants_read() {
            return false;
        }
        let around = &mut *self.around;
        let (pipe, side) = (self.connection.pipe, self.connection.side);
        let read = around.network.read(around.queue, around.now, pipe, side);
        match (read, self.connection.unwritable) {
            (Moved::Done(bytes), _) => {
                around.watch.oracle.session_reads(self.place, self.now, self.id);
                driver.received(self.now, &bytes);
            }
            (Moved::Blocked, None) => return false,
            (Moved::Blocked, Some(how)) | (Moved::Lost(how), _) => driver.lost(self.now, how),
        }
        true
    }
}

/// Has a session take what lies in the queue of its handles. That is when it counts as
/// sent: what is left in the queue of a connection that ends never was.
fn take(driver: &mut Driver, end: &ConnectionEnd, now: Now) -> Vec<Message> {
    let mut taken = Vec::new();
    end.with_messages(|messages| {
        taken.extend(messages.iter().cloned());
        driver.send(now, messages);
        taken.truncate(taken.len() - messages.len());
    });
    taken
}

/// Why a connection ended. Where nothing could be read after writing had failed,
/// the session only saw that nothing was written any more.
const fn truly(error: SessionError, unwritable: Option<Lost>) -> SessionError {
    match (error, unwritable) {
        (SessionError::TimedOut(Phase::Write), Some(how)) => SessionError::Lost(how),
        (error, _) => error,
    }
}
