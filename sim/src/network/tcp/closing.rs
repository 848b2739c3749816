//! How connections end: closed, left behind, or forgotten by a gateway.

use core::net::IpAddr;

use devp2p_core::session::Lost;
use devp2p_core::time::Instant;

use super::{End, Held, PipeId, Segment, Side};
use crate::event::Event;
use crate::network::Network;
use crate::queue::Queue;

impl Network {
    /// Closes an end. What was not read turns it into a reset, as systems do.
    pub(crate) fn close(&mut self, queue: &mut Queue<Event>, now: Instant, id: PipeId, side: Side) {
        let Some(pipe) = self.tcp.get_mut(id) else { return };
        let end = pipe.end_mut(side);
        if end.held == Held::Closed {
            return;
        }
        let unread = !end.inbox.is_empty();
        let silent = end.shut || end.ended == Some(Lost::Reset);
        end.let_go();
        if !pipe.established && side == Side::Dialler {
            return self.tcp.remove(id);
        }
        if !silent {
            let last = if unread { Segment::Reset } else { Segment::Fin };
            self.put(queue, now, id, side, last);
        }
        self.sweep(id);
    }

    /// A machine is gone without a word: its end is held by nobody, and answers
    /// nothing until it runs again.
    pub(crate) fn abandon(&mut self, id: PipeId, side: Side) {
        if let Some(pipe) = self.tcp.get_mut(id) {
            pipe.end_mut(side).let_go();
            if !pipe.established && side == Side::Dialler {
                self.tcp.remove(id);
            } else {
                self.sweep(id);
            }
        }
    }

    /// A gateway has forgotten all connections, and is seen elsewhere than at this address:
    /// of those that went through it nothing arrives any more.
    pub(in super::super) fn sever(&mut self, outer: IpAddr) {
        for pipe in self.tcp.pipes.iter_mut().flatten() {
            let through = [&pipe.dialler, &pipe.acceptor].map(|end| end.address.ip() == outer);
            pipe.severed |= through.contains(&true);
        }
    }

    /// Forgets a connection that nobody holds and in which nothing moves.
    pub(super) fn sweep(&mut self, id: PipeId) {
        let severed = self.tcp.get(id).is_some_and(|pipe| pipe.severed);
        let is_over = |end: &End| end.held == Held::Closed && (severed || end.flight.is_empty());
        if self.tcp.get(id).is_some_and(|pipe| is_over(&pipe.dialler) && is_over(&pipe.acceptor)) {
            self.tcp.remove(id);
        }
    }
}
