//! A machine does all that is to be done at one point of time, and is woken at the next.

use core::net::SocketAddr;
use std::sync::Arc;

use devp2p_core::application;
use devp2p_core::discv4::verify;
use devp2p_core::driver::node::Event as NodeEvent;
use devp2p_core::machine::Machine as _;
use devp2p_core::node::DialFailure;
use devp2p_core::session::Session;

use super::connection::Connection;
use super::late::{LANES, SESSIONS, lane_of};
use super::running::{Running, Todo};
use super::{Around, Host, RESTLESS, fingerprint};
use crate::event::Event;
use crate::network::tcp::Side;
use crate::watch::{Happened, kind_of};
use crate::watched::Watched;

impl Host {
    /// Does all that is to be done at this point of time.
    pub(crate) fn settle(&mut self, around: &mut Around<'_>) {
        for step in 0.. {
            if step == RESTLESS {
                around.watch.restless(self.name, "the application");
            }
            if around.watch.is_restless() {
                break;
            }
            self.execute(around);
            self.accept(around);
            let now = self.clock.at(around.now);
            let Some(running) = &mut self.running else { return };
            let Some(todo) = running.todo.pop_front() else {
                // It begins at its front again, where it is in the cache.
                running.todo.clear();
                if self.run_tasks(around) {
                    continue;
                }
                break;
            };
            match todo {
                Todo::Verified(result) => {
                    let (oracle, due) = (&mut around.watch.oracle, running.node.poll_timeout());
                    let place = self.place;
                    oracle.before_packet(place, now, running.node.machine(), due, &result);
                    running.node.verified(now, result);
                    oracle.after_packet(place, running.node.machine());
                }
                Todo::Tell(id, command) => self.tell(around, id, command),
                Todo::Report(id, report) => {
                    around.watch.oracle.reports(self.place, id, &report);
                    running.node.report(now, id, report);
                }
                Todo::Order(id, command) => running.order(id, command),
                Todo::Heard(id, report) => {
                    around.watch.oracle.reports(self.place, id, &report);
                    running.heard(now, id, report);
                }
                Todo::Connected(id, result) => self.connected(around, id, result),
                // Nobody has names here.
                Todo::Named(id) => running.node.named(now, id, &[]),
                Todo::NotStored(id) => running.node.not_stored(now, id),
                Todo::Application(input) => self.apply(around, input),
                Todo::Pump(id) => self.pump(around, id),
                Todo::Arrived(lane) => running.late.arrived(lane),
                Todo::Forget(id, error, counters) => {
                    if let Some(handles) = &mut running.handles {
                        handles.end.count(&counters);
                        handles.end.forget(id, error);
                    }
                }
            }
        }
        if self.running.as_ref().is_some_and(Running::is_over) {
            self.exit(around);
        }
        self.arm(around);
    }

    /// Executes what the node wants done.
    fn execute(&mut self, around: &mut Around<'_>) {
        let (place, name, run) = (self.place, self.name, self.run);
        let (temper, now) = (self.temper, self.clock.at(around.now));
        let Some(running) = &mut self.running else { return };
        while let Some(event) = running.node.poll_event() {
            match event {
                NodeEvent::Accept { id, seed } => {
                    if let Some(from) = running.accepting {
                        around.watch.oracle.accepts(place, now, from, id);
                    }
                    running.accepted = Some((id, seed));
                }
                NodeEvent::Refuse(refusal) => {
                    around.watch.say(around.now, name, format_args!("refuses: {refusal}"));
                }
                NodeEvent::LookUpName(id, _) => running.todo.push_back(Todo::Named(id)),
                NodeEvent::Connect { id, to, remote, seed } => {
                    around.watch.say(around.now, name, format_args!("connects to {to}"));
                    around.watch.oracle.connects(place, now, id, to, &remote);
                    let from = (place, run);
                    match around.network.connect(around.queue, around.now, from, id, to) {
                        Some(pipe) => {
                            let mut connection = Connection::dialling(pipe, remote, seed);
                            connection.end = running.begin(id, false);
                            running.connections.insert(id, connection);
                        }
                        None => {
                            let failed = Err(DialFailure::Unreachable);
                            running.todo.push_back(Todo::Connected(id, failed));
                        }
                    }
                }
                NodeEvent::Session(id, command) if running.handles.is_some() => {
                    around.watch.oracle.tells(place, id, command);
                    if running.late.is_prompt(around.now, temper.late, SESSIONS) {
                        running.order(id, command);
                    } else {
                        let todo = Todo::Order(id, command);
                        running.later(around.now, temper.late, SESSIONS, todo);
                    }
                }
                NodeEvent::Session(id, command) => {
                    around.watch.oracle.tells(place, id, command);
                    running.later(around.now, temper.late, SESSIONS, Todo::Tell(id, command));
                }
                NodeEvent::Verify(packet) => {
                    let lane = lane_of(packet.source());
                    let by = temper.verifies_late * u32::from(lane) / u32::from(LANES);
                    let result = verify(packet);
                    around.watch.oracle.gated(place, now, &result);
                    running.later(around.now, by, lane, Todo::Verified(result));
                }
                NodeEvent::Store(id, operation) => {
                    match self.disk.give(around.now, id, operation) {
                        Some(done) => {
                            around.queue.push(done, Event::Stored { machine: place, run });
                        }
                        None => running.todo.push_back(Todo::NotStored(id)),
                    }
                }
                NodeEvent::Answer(id, answer) => {
                    around.watch.say(around.now, name, format_args!("answers {id:?}: {answer:?}"));
                    around.watch.oracle.answers(place, now, id, &answer);
                    if let Some(handles) = &mut running.handles {
                        handles.end.answer(id, answer);
                    } else {
                        let input = application::Input::Answer(id, answer);
                        running.todo.push_back(Todo::Application(input));
                    }
                }
                NodeEvent::Happened(event) => {
                    running.happened(around, place, name, &event);
                    if let Some(handles) = &mut running.handles {
                        handles.end.tell(event);
                    }
                }
            }
        }
        while let Some((to, datagram)) = running.node.next_send() {
            let to = SocketAddr::new(to.ip().to_canonical(), to.port());
            around.watch.oracle.sends(place, now, to, datagram);
            match around.network.send(around.queue, around.now, place, to, datagram) {
                Ok(()) => {
                    around.watch.put_out(around.now, name, b'd', datagram);
                    around.watch.line(around.now, Some(name), || {
                        let (kind, bytes) = (kind_of(datagram), datagram.len());
                        Happened::Sent { to, kind, bytes }
                    });
                    running.node.sent();
                }
                Err(failure) => {
                    around.watch.line(around.now, Some(name), || Happened::NotSent { to });
                    running.node.not_sent(failure);
                }
            }
        }
        around.watch.oracle.executed(place, running.node.machine());
    }

    /// Accepts what waits to be accepted.
    fn accept(&mut self, around: &mut Around<'_>) {
        let now = self.clock.at(around.now);
        let checked = self.checked;
        let Some(running) = &mut self.running else { return };
        if self.temper.accepts_nothing || !running.node.wants_incoming() {
            return;
        }
        while let Some(pipe) = running.backlog.pop_front() {
            if !around.network.tcp.is_in_backlog(pipe) {
                continue;
            }
            let Some(from) = around.network.tcp.remote_address(pipe) else { continue };
            running.accepting = Some(from.ip());
            running.node.incoming(now, from);
            self.execute(around);
            let Some(running) = &mut self.running else { return };
            running.accepting = None;
            match running.accepted.take() {
                Some((id, seed)) => {
                    around.network.tcp.accept(pipe, id);
                    let (at, print) = ((pipe, Side::Acceptor), fingerprint(&seed));
                    around.watch.oracle.session_begins(self.place, now, id, at, print);
                    let session = Session::accept(Arc::clone(&running.local), seed, now);
                    let mut connection =
                        Connection::accepted(pipe, Watched::new(session, checked), now);
                    connection.end = running.begin(id, true);
                    running.connections.insert(id, connection);
                    running.todo.push_back(Todo::Pump(id));
                }
                None => around.network.close(around.queue, around.now, pipe, Side::Acceptor),
            }
            return;
        }
    }

    /// Asks all when they have something to do next.
    fn arm(&mut self, around: &mut Around<'_>) {
        let Some(running) = &mut self.running else { return };
        let node = running.node.poll_timeout();
        around.watch.oracle.rests(self.place, running.node.machine(), node);
        let application = running.application.as_ref().and_then(|one| one.poll_timeout());
        let machines = [node, application].into_iter().flatten().map(|deadline| deadline.at);
        let tasks = running.handles.as_ref().and_then(|handles| handles.executor.deadline());
        running.due = machines.chain(tasks).min();
        self.rearm(around);
    }

    /// Has the queue wake it then, if nothing does before.
    pub(super) fn rearm(&mut self, around: &mut Around<'_>) {
        let Some(running) = &mut self.running else { return };
        let due = running.due.map(|at| self.clock.when(at));
        let late = running.late.next_at();
        let Some(due) = due.into_iter().chain(late).min() else { return };
        let due = due.max(around.now);
        if running.armed.is_none_or(|armed| armed > due) {
            running.armed = Some(due);
            around.queue.push(due, Event::Wake { machine: self.place, run: self.run });
        }
    }
}
