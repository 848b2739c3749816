//! What the network brings comes to whoever is there: a node, an adversary, or a
//! machine on which nothing runs.

use devp2p_core::node::ConnectionId;

use super::World;
use crate::event::Datagram;
use crate::host::{Heard, Host};
use crate::network::tcp::{PipeId, Presence, Side};

impl World {
    pub(super) fn datagram(&mut self, to: usize, Datagram { by, from, at, bytes }: Datagram) {
        if let Some(number) = self.adversary_at(to) {
            self.network.counts.delivered += 1;
            return self.act(number, |actor, around| actor.datagram(around, from, at, &bytes));
        }
        let Host { running, is_off, .. } = &self.hosts[to];
        if running.is_some() {
            self.network.counts.delivered += 1;
            self.with(to, |host, around| host.take(around, Heard::Datagram(from, bytes)));
        } else if !is_off {
            self.network.refuse(&mut self.queue, self.now, by, to);
        }
    }

    /// Somebody wants to connect.
    pub(super) fn syn(&mut self, pipe: PipeId, attempt: u32) {
        let Some(to) = self.network.syn_arrived(&mut self.queue, self.now, pipe, attempt) else {
            return;
        };
        let answer = if let Some(number) = self.adversary_at(to) {
            Some(self.act(number, |actor, around| actor.syn(around, pipe)))
        } else if self.hosts[to].running.is_some() {
            self.with(to, |host, around| host.syn(around, pipe))
        } else if self.hosts[to].is_off {
            None
        } else {
            Some(false)
        };
        let (queue, now) = (&mut self.queue, self.now);
        match answer {
            Some(accepted) => self.network.answer(queue, now, pipe, accepted, 0),
            None => self.network.try_again(queue, now, pipe, attempt),
        }
    }

    /// The other has answered who wanted to connect.
    pub(super) fn connected(&mut self, pipe: PipeId, accepted: bool) {
        if let Some(number) = self.held_by(pipe, Side::Dialler) {
            return self.act(number, |actor, around| actor.connected(around, pipe, accepted));
        }
        self.tell_end(pipe, Side::Dialler, |connection| Heard::Connected(connection, accepted));
    }

    /// Something arrives at an end of a connection.
    pub(super) fn segment(&mut self, pipe: PipeId, to: Side) {
        let hosts = &self.hosts;
        // Adversaries run for all time.
        let presence = |machine: usize| match hosts.get(machine) {
            Some(host) if host.running.is_some() => Presence::Runs(host.run),
            Some(host) if host.is_off => Presence::Absent,
            Some(_) => Presence::Refuses,
            None => Presence::Runs(0),
        };
        let (queue, now) = (&mut self.queue, self.now);
        let socket = self.network.segment_arrived(queue, now, pipe, to, presence);
        let Some(socket) = socket else { return };
        if let Some(number) = self.adversary_at(socket.machine) {
            return self.act(number, |actor, around| actor.pump(around, pipe));
        }
        if let Some(connection) = socket.connection {
            let heard = Heard::Pipe(connection);
            self.with(socket.machine, |host, around| host.take(around, heard));
        }
    }

    /// An end of a connection may write again.
    pub(super) fn window(&mut self, pipe: PipeId, to: Side) {
        if let Some(number) = self.held_by(pipe, to) {
            return self.act(number, |actor, around| actor.pump(around, pipe));
        }
        self.tell_end(pipe, to, Heard::Pipe);
    }

    /// Tells the node that has an end of a connection, if it is the same run that did.
    fn tell_end(&mut self, pipe: PipeId, side: Side, heard: impl FnOnce(ConnectionId) -> Heard) {
        if let Some(socket) = self.network.tcp.socket(pipe, side)
            && let Some(connection) = socket.connection
            && self.hosts[socket.machine].run == socket.run
        {
            let heard = heard(connection);
            self.with(socket.machine, |host, around| host.take(around, heard));
        }
    }

    /// The adversary that has an end of a connection.
    fn held_by(&self, pipe: PipeId, side: Side) -> Option<usize> {
        let socket = self.network.tcp.socket(pipe, side)?;
        self.adversary_at(socket.machine)
    }
}
