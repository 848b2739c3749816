//! How connections come about: SYN, answer, and what is sent again of both.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use devp2p_core::node::ConnectionId;
use devp2p_core::time::Instant;

use super::{End, Held, PipeId};
use crate::draw::chance;
use crate::event::Event;
use crate::network::{Network, Route};
use crate::queue::Queue;

/// Attempts to connect: after 1, 2, 4, 8 … seconds. Linux `tcp_syn_retries`.
const SYN_RETRIES: u32 = 6;

impl Network {
    /// A machine connects. `None` if there is no way there.
    pub(crate) fn connect(
        &mut self,
        queue: &mut Queue<Event>,
        now: Instant,
        (machine, run): (usize, u32),
        connection: ConnectionId,
        to: SocketAddr,
    ) -> Option<PipeId> {
        let route = self.route(now, machine, self.tcp.next_port(), to, true);
        self.open(queue, now, (machine, run), Held::By(connection), route, to)
    }

    /// An adversary connects from one of the addresses that it owns.
    pub(crate) fn connect_as(
        &mut self,
        queue: &mut Queue<Event>,
        now: Instant,
        (machine, source): (usize, IpAddr),
        to: SocketAddr,
    ) -> Option<PipeId> {
        let seen = SocketAddr::new(source, self.tcp.next_port());
        let route = self.arrive(now, machine, seen, to, true);
        self.open(queue, now, (machine, 0), Held::ByAdversary, route, to)
    }

    fn open(
        &mut self,
        queue: &mut Queue<Event>,
        now: Instant,
        (machine, run): (usize, u32),
        held: Held,
        route: Route,
        to: SocketAddr,
    ) -> Option<PipeId> {
        let (other, seen) = match route {
            Route::To(other, seen) => (Some(other), seen),
            // Refused when it gets there.
            Route::Closed(other) => (Some(other), to),
            Route::Nowhere => (None, to),
            Route::Unreachable => return None,
        };
        let is_closed_port = matches!(route, Route::Closed(_));
        let dialler = End::new(machine, run, held, seen);
        let acceptor = End::new(other.unwrap_or(machine), u32::MAX, Held::InBacklog, to);
        let id = self.tcp.insert(dialler, acceptor, is_closed_port);
        if let Some(other) = other {
            let path = self.path(machine, other);
            let way = self.latency(now, machine, other, &path);
            queue.push(now + way, Event::Syn { pipe: id, attempt: 0 });
        }
        Some(id)
    }

    /// A SYN has arrived. The machine that it has come to, unless it is lost or
    /// refused on the way.
    pub(crate) fn syn_arrived(
        &mut self,
        queue: &mut Queue<Event>,
        now: Instant,
        id: PipeId,
        attempt: u32,
    ) -> Option<usize> {
        let pipe = self.tcp.get(id)?;
        if pipe.dialler.held == Held::Closed || pipe.established || pipe.severed {
            return None;
        }
        if attempt > 0 && !self.find_again(now, id) {
            self.try_again(queue, now, id, attempt);
            return None;
        }
        let pipe = self.tcp.get(id)?;
        let (from, to) = (pipe.dialler.machine, pipe.acceptor.machine);
        let closed = pipe.is_closed_port;
        let path = self.path(from, to);
        let rng = self.rng(from);
        if path.clogged
            || path.stall
            || chance(rng, path.loss)
            || chance(rng, path.unanswered)
            || self.is_cut(from, to)
        {
            self.try_again(queue, now, id, attempt);
            return None;
        }
        let rng = self.rng(from);
        if closed || chance(rng, path.refuse) {
            self.answer(queue, now, id, false, 0);
            return None;
        }
        Some(to)
    }

    /// Looks for whoever is now where a connection goes. Whether there is somebody.
    fn find_again(&mut self, now: Instant, id: PipeId) -> bool {
        let Some(pipe) = self.tcp.get(id) else { return false };
        let (from, seen, at) = (pipe.dialler.machine, pipe.dialler.address, pipe.acceptor.address);
        let (machine, is_closed_port) = match self.arrive(now, from, seen, at, true) {
            Route::To(machine, _) => (machine, false),
            Route::Closed(machine) => (machine, true),
            Route::Nowhere | Route::Unreachable => return false,
        };
        if let Some(pipe) = self.tcp.get_mut(id) {
            pipe.acceptor.machine = machine;
            pipe.is_closed_port = is_closed_port;
        }
        true
    }

    /// The machine has answered nothing: the system tries again.
    pub(crate) fn try_again(
        &mut self,
        queue: &mut Queue<Event>,
        now: Instant,
        id: PipeId,
        attempt: u32,
    ) {
        if let Some((later, attempt)) = again(now, attempt) {
            queue.push(later, Event::Syn { pipe: id, attempt });
        }
    }

    /// The machine answers: it listens, in this run, or does not. What is lost of that it
    /// says again, to the same SYN or to the next.
    pub(crate) fn answer(
        &mut self,
        queue: &mut Queue<Event>,
        now: Instant,
        id: PipeId,
        accepted: bool,
        attempt: u32,
    ) {
        let Some(pipe) = self.tcp.get_mut(id) else { return };
        if pipe.severed {
            return;
        }
        pipe.established = accepted;
        let (from, to) = (pipe.dialler.machine, pipe.acceptor.machine);
        let path = self.path(to, from);
        let is_lost = path.clogged || path.stall || self.is_cut(to, from);
        if is_lost || chance(self.rng(to), path.loss) {
            if let Some((later, attempt)) = again(now, attempt) {
                queue.push(later, Event::Answer { pipe: id, accepted, attempt });
            }
            return;
        }
        let way = self.latency(now, to, from, &path);
        queue.push(now + way, Event::Connected { pipe: id, accepted });
    }

    /// The run of the machine that accepts it.
    pub(crate) fn set_acceptor_run(&mut self, id: PipeId, run: u32) {
        if let Some(pipe) = self.tcp.get_mut(id) {
            pipe.acceptor.run = run;
        }
    }
}

/// When a system says again what was lost, and the how-manieth time that is; it gives up in
/// the end.
fn again(now: Instant, attempt: u32) -> Option<(Instant, u32)> {
    (attempt < SYN_RETRIES).then(|| (now + Duration::from_secs(1 << attempt), attempt + 1))
}
