//! Connections: two streams of bytes, in order, bounded, as the socket layer of a
//! system shows them.
//!
//! ```text
//!   write ─▶ in flight ──(path)──▶ inbox ─▶ read
//!              at most WINDOW bytes
//! ```
//!
//! What the path loses is sent again, which costs time; nothing of a stream is
//! missing or out of order. A stream ends by FIN, or both by a reset.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::VecDeque;

use bytes::Bytes;
use devp2p_core::node::ConnectionId;
use devp2p_core::session::Lost;
use devp2p_core::time::Instant;

use super::{Network, Route};
use crate::draw::{EVERY_ONE, chance, index};
use crate::event::Event;
use crate::queue::Queue;

/// Bytes of one direction that are under way or unread: what systems give a
/// socket to begin with, more or less.
const WINDOW: usize = 64 * 1024;

/// The least of it, where a link is narrow: one segment. Nobody fills a narrow link's
/// queue for long, and what else is sent over it has to wait as long.
const NARROWEST: usize = 1460;

/// The part of a second's bytes that a connection has under way on a narrow link.
const NARROW: u64 = 4;

/// After which a lost segment is sent again. RFC 6298 has a second at first and
/// systems some 200 ms once the round trip is known.
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// No segment waits longer for being sent again. RFC 6298 has at least a minute.
const RETRANSMISSION_MAX: Duration = Duration::from_secs(60);

/// After which a segment that cannot pass at all is sent again.
const OBSTRUCTED: Duration = Duration::from_secs(1);

/// Attempts to connect: after 1, 2, 4, 8 … seconds. Linux `tcp_syn_retries`.
const SYN_RETRIES: u32 = 6;

/// Pieces into which one write is cut at most; what is left goes whole.
const PIECES: usize = 256;

/// Segments that are to arrive together wait for the next multiple of this.
const MERGED: u64 = 200_000;

/// Names a connection between two sockets. Never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct PipeId {
    place: usize,
    number: u64,
}

#[cfg(test)]
impl PipeId {
    pub(crate) const fn first() -> Self {
        Self { place: 0, number: 1 }
    }
}

/// An end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Side {
    Dialler,
    Acceptor,
}

impl Side {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Acceptor,
            Self::Acceptor => Self::Dialler,
        }
    }
}

/// What a read or a write comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Moved<T> {
    Done(T),
    Blocked,
    Lost(Lost),
}

#[derive(Debug)]
enum Segment {
    Data(Bytes),
    Fin,
    Reset,
}

/// Who has an end of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Held {
    /// It waits to be accepted.
    InBacklog,
    By(ConnectionId),
    ByAdversary,
    /// It was closed.
    Closed,
}

#[derive(Debug)]
struct End {
    machine: usize,
    /// The machine's run: a socket does not outlive it.
    run: u32,
    held: Held,
    /// Where the other sees it.
    address: SocketAddr,
    /// Towards this end, and when the first of them arrives.
    flight: VecDeque<(Instant, Segment)>,
    flight_bytes: usize,
    /// An event is planned for the first of them.
    planned: bool,
    inbox: VecDeque<Bytes>,
    inbox_bytes: usize,
    /// What comes after the inbox.
    ended: Option<Lost>,
    /// This end could not write all that it wanted to.
    blocked: bool,
    /// It has sent its FIN, or a reset.
    shut: bool,
    /// Bytes that were read here of which the other cannot have heard, as nothing passes
    /// to it.
    unacknowledged: usize,
    /// An event is planned that tells the other what was read.
    acknowledges: bool,
}

impl End {
    const fn new(machine: usize, run: u32, held: Held, address: SocketAddr) -> Self {
        Self {
            machine,
            run,
            held,
            address,
            flight: VecDeque::new(),
            flight_bytes: 0,
            planned: false,
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            ended: None,
            blocked: false,
            shut: false,
            unacknowledged: 0,
            acknowledges: false,
        }
    }
}

#[derive(Debug)]
struct Pipe {
    number: u64,
    dialler: End,
    acceptor: End,
    established: bool,
    /// The machine has another port than this.
    is_closed_port: bool,
    /// A gateway has forgotten it: nothing passes any more.
    severed: bool,
}

impl Pipe {
    const fn end(&self, side: Side) -> &End {
        match side {
            Side::Dialler => &self.dialler,
            Side::Acceptor => &self.acceptor,
        }
    }

    const fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::Dialler => &mut self.dialler,
            Side::Acceptor => &mut self.acceptor,
        }
    }
}

/// All connections of a world.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    pipes: Vec<Option<Pipe>>,
    free: Vec<usize>,
    made: u64,
}

/// How it is with a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Presence {
    /// A process runs there, its so-manieth.
    Runs(u32),
    /// Its system alone, which refuses everything.
    Refuses,
    /// Nobody.
    Absent,
}

/// Which socket of which machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Socket {
    pub(crate) machine: usize,
    pub(crate) run: u32,
    /// `None`: nobody has accepted it yet, or it was closed, or it is an adversary's.
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) is_adversarys: bool,
}

impl Pipes {
    fn get(&self, id: PipeId) -> Option<&Pipe> {
        self.pipes.get(id.place)?.as_ref().filter(|pipe| pipe.number == id.number)
    }

    fn get_mut(&mut self, id: PipeId) -> Option<&mut Pipe> {
        self.pipes.get_mut(id.place)?.as_mut().filter(|pipe| pipe.number == id.number)
    }

    fn insert(&mut self, dialler: End, acceptor: End, is_closed_port: bool) -> PipeId {
        self.made += 1;
        let (number, established, severed) = (self.made, false, false);
        let pipe = Some(Pipe { number, dialler, acceptor, established, is_closed_port, severed });
        let place = if let Some(place) = self.free.pop() {
            self.pipes[place] = pipe;
            place
        } else {
            self.pipes.push(pipe);
            self.pipes.len() - 1
        };
        PipeId { place, number }
    }

    fn remove(&mut self, id: PipeId) {
        if self.get(id).is_some() {
            self.pipes[id.place] = None;
            self.free.push(id.place);
        }
    }

    /// Whose end it is.
    pub(crate) fn socket(&self, id: PipeId, side: Side) -> Option<Socket> {
        let end = self.get(id)?.end(side);
        let connection = match end.held {
            Held::By(connection) => Some(connection),
            Held::InBacklog | Held::ByAdversary | Held::Closed => None,
        };
        let is_adversarys = end.held == Held::ByAdversary;
        Some(Socket { machine: end.machine, run: end.run, connection, is_adversarys })
    }

    /// Where the acceptor sees the dialler.
    pub(crate) fn remote_address(&self, id: PipeId) -> Option<SocketAddr> {
        Some(self.get(id)?.dialler.address)
    }

    /// Where the dialler sees the acceptor.
    pub(crate) fn local_address(&self, id: PipeId) -> Option<SocketAddr> {
        Some(self.get(id)?.acceptor.address)
    }

    /// The port that the next connection comes from.
    fn next_port(&self) -> u16 {
        32_768 + u16::try_from(self.made % 28_000).unwrap_or(0)
    }

    /// A machine has accepted it under this name.
    pub(crate) fn accept(&mut self, id: PipeId, connection: ConnectionId) {
        if let Some(pipe) = self.get_mut(id) {
            pipe.acceptor.held = Held::By(connection);
        }
    }

    /// An adversary has accepted it.
    pub(crate) fn accept_as_adversary(&mut self, id: PipeId) {
        if let Some(pipe) = self.get_mut(id) {
            pipe.acceptor.held = Held::ByAdversary;
        }
    }

    /// Whether it still waits to be accepted.
    pub(crate) fn is_in_backlog(&self, id: PipeId) -> bool {
        self.get(id).is_some_and(|pipe| pipe.acceptor.held == Held::InBacklog)
    }
}

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
        if attempt < SYN_RETRIES {
            let later = now + Duration::from_secs(1 << attempt);
            queue.push(later, Event::Syn { pipe: id, attempt: attempt + 1 });
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
            if attempt < SYN_RETRIES {
                let later = now + Duration::from_secs(1 << attempt);
                let attempt = attempt + 1;
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

    /// Writes what there is room for.
    pub(crate) fn write(
        &mut self,
        queue: &mut Queue<Event>,
        now: Instant,
        id: PipeId,
        side: Side,
        bytes: &Bytes,
    ) -> Moved<usize> {
        let Some(pipe) = self.tcp.get_mut(id) else { return Moved::Lost(Lost::Reset) };
        if pipe.end(side).ended == Some(Lost::Reset) || pipe.end(side).shut {
            return Moved::Lost(Lost::Reset);
        }
        let to = pipe.end(side.other());
        let taken = to.flight_bytes + to.inbox_bytes + to.unacknowledged;
        let (from, to) = (pipe.end(side).machine, to_machine(pipe, side));
        let path = self.path(from, to);
        let room = window(path.bandwidth).saturating_sub(taken);
        let taken = room.min(bytes.len());
        if taken < bytes.len()
            && let Some(pipe) = self.tcp.get_mut(id)
        {
            pipe.end_mut(side).blocked = true;
        }
        if taken == 0 {
            return Moved::Blocked;
        }
        let cut = {
            let rng = self.rng(from);
            if chance(rng, path.reset) {
                Some((Segment::Reset, index(rng, taken)))
            } else if chance(rng, path.fin) {
                Some((Segment::Fin, index(rng, taken)))
            } else {
                None
            }
        };
        let whole = cut.as_ref().map_or(taken, |(_, at)| *at);
        let sent = bytes.slice(..whole);
        let piece = if path.segment == 0 { whole.max(1) } else { path.segment };
        let mut at = 0;
        for _ in 0..PIECES {
            if at >= whole {
                break;
            }
            let end = (at + piece).min(whole);
            self.put(queue, now, id, side, Segment::Data(sent.slice(at..end)));
            at = end;
        }
        if at < whole {
            self.put(queue, now, id, side, Segment::Data(sent.slice(at..)));
        }
        match cut {
            Some((Segment::Reset, _)) => {
                self.put(queue, now, id, side, Segment::Reset);
                self.put(queue, now, id, side.other(), Segment::Reset);
            }
            Some((end, _)) => {
                if let Some(pipe) = self.tcp.get_mut(id) {
                    pipe.end_mut(side).shut = true;
                }
                self.put(queue, now, id, side, end);
            }
            None => {}
        }
        Moved::Done(taken)
    }

    /// Reads what has arrived.
    pub(crate) fn read(
        &mut self,
        queue: &mut Queue<Event>,
        now: Instant,
        id: PipeId,
        side: Side,
    ) -> Moved<Bytes> {
        let Some(pipe) = self.tcp.get_mut(id) else { return Moved::Lost(Lost::Reset) };
        let end = pipe.end_mut(side);
        let Some(bytes) = end.inbox.pop_front() else {
            return end.ended.map_or(Moved::Blocked, Moved::Lost);
        };
        end.inbox_bytes -= bytes.len();
        end.unacknowledged += bytes.len();
        self.acknowledge(queue, now, id, side);
        Moved::Done(bytes)
    }

    /// Lets the other know what was read here, if that reaches it, and that it may write
    /// again if it waits for that. What does not reach it is said again a second later.
    fn acknowledge(&mut self, queue: &mut Queue<Event>, now: Instant, id: PipeId, side: Side) {
        let Some(pipe) = self.tcp.get(id).filter(|pipe| !pipe.severed) else { return };
        let (from, to) = (pipe.end(side).machine, to_machine(pipe, side));
        let is_silenced = self.is_obstructed(from, to);
        let Some(pipe) = self.tcp.get_mut(id) else { return };
        let end = pipe.end_mut(side);
        if is_silenced {
            if !core::mem::replace(&mut end.acknowledges, true) {
                queue.push(now + OBSTRUCTED, Event::Acknowledge { pipe: id, from: side });
            }
            return;
        }
        end.unacknowledged = 0;
        if core::mem::take(&mut pipe.end_mut(side.other()).blocked) {
            let path = self.path(from, to);
            let way = self.latency(now, from, to, &path);
            queue.push(now + way, Event::Window { pipe: id, to: side.other() });
        }
    }

    /// It is time to say again what was read.
    pub(crate) fn acknowledge_again(
        &mut self,
        queue: &mut Queue<Event>,
        now: Instant,
        id: PipeId,
        side: Side,
    ) {
        let Some(pipe) = self.tcp.get_mut(id) else { return };
        let end = pipe.end_mut(side);
        end.acknowledges = false;
        if end.held != Held::Closed {
            self.acknowledge(queue, now, id, side);
        }
    }

    /// Whether nothing at all passes from one machine to another now.
    fn is_obstructed(&self, from: usize, to: usize) -> bool {
        let (out, into) = (&self.links[from].outbound, &self.links[to].inbound);
        out.clogged
            || into.clogged
            || out.stall
            || into.stall
            || out.loss.saturating_add(into.loss) >= EVERY_ONE
            || self.is_cut(from, to)
    }

    /// A gateway has forgotten all connections, and is seen elsewhere than at this address:
    /// of those that went through it nothing arrives any more.
    pub(super) fn sever(&mut self, outer: IpAddr) {
        for pipe in self.tcp.pipes.iter_mut().flatten() {
            let through = [&pipe.dialler, &pipe.acceptor].map(|end| end.address.ip() == outer);
            pipe.severed |= through.contains(&true);
        }
    }

    /// Closes an end. What was not read turns it into a reset, as systems do.
    pub(crate) fn close(&mut self, queue: &mut Queue<Event>, now: Instant, id: PipeId, side: Side) {
        let Some(pipe) = self.tcp.get_mut(id) else { return };
        let end = pipe.end_mut(side);
        if end.held == Held::Closed {
            return;
        }
        end.held = Held::Closed;
        let unread = !end.inbox.is_empty();
        let silent = end.shut || end.ended == Some(Lost::Reset);
        end.inbox.clear();
        end.inbox_bytes = 0;
        end.shut = true;
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
            let end = pipe.end_mut(side);
            end.held = Held::Closed;
            end.shut = true;
            end.inbox.clear();
            end.inbox_bytes = 0;
            if !pipe.established && side == Side::Dialler {
                self.tcp.remove(id);
            } else {
                self.sweep(id);
            }
        }
    }

    /// Puts a segment on its way to the other side.
    fn put(
        &mut self,
        queue: &mut Queue<Event>,
        now: Instant,
        id: PipeId,
        from: Side,
        segment: Segment,
    ) {
        let Some(pipe) = self.tcp.get(id) else { return };
        let (machine, other) = (pipe.end(from).machine, to_machine(pipe, from));
        let path = self.path(machine, other);
        let length = match &segment {
            Segment::Data(bytes) => bytes.len(),
            Segment::Fin | Segment::Reset => 0,
        };
        let mut at =
            self.departure(now, machine, length) + self.latency(now, machine, other, &path);
        let mut wait = RETRANSMISSION;
        while path.loss < EVERY_ONE
            && wait < RETRANSMISSION_MAX
            && chance(self.rng(machine), path.loss)
        {
            at = at + wait;
            wait *= 2;
        }
        if path.merge {
            at = Instant::from_micros(at.as_micros().next_multiple_of(MERGED));
        }
        let to = from.other();
        let Some(end) = self.tcp.get_mut(id).map(|pipe| pipe.end_mut(to)) else { return };
        let at = end.flight.back().map_or(at, |(before, _)| at.max(*before));
        end.flight.push_back((at, segment));
        end.flight_bytes += length;
        if !core::mem::replace(&mut end.planned, true) {
            queue.push(at, Event::Segment { pipe: id, to });
        }
    }

    /// What is due arrives. Whether the machine at this end is to look, and which;
    /// `presence` says how it is with a machine. What comes to one that is not there is
    /// sent again, as nobody answers.
    pub(crate) fn segment_arrived(
        &mut self,
        queue: &mut Queue<Event>,
        now: Instant,
        id: PipeId,
        to: Side,
        presence: impl Fn(usize) -> Presence,
    ) -> Option<Socket> {
        let pipe = self.tcp.get_mut(id)?;
        pipe.end_mut(to).planned = false;
        let (from, machine) = (pipe.end(to.other()).machine, pipe.end(to).machine);
        let there = presence(machine);
        let obstructed = self.is_obstructed(from, machine) || there == Presence::Absent;
        let pipe = self.tcp.get_mut(id)?;
        if pipe.severed {
            return None;
        }
        let is_abandoned = there == Presence::Absent && pipe.end(to.other()).held == Held::Closed;
        let end = pipe.end_mut(to);
        if is_abandoned {
            end.flight.clear();
            self.sweep(id);
            return None;
        }
        let is_there = there == Presence::Runs(end.run) || end.run == u32::MAX;
        let mut moved = false;
        let mut answer_reset = false;
        while let Some((at, segment)) = end.flight.front_mut() {
            if *at > now {
                break;
            }
            if obstructed {
                // A reset is sent once only.
                if matches!(segment, Segment::Reset) {
                    end.flight.pop_front();
                    continue;
                }
                *at = now + OBSTRUCTED;
                break;
            }
            let Some((_, segment)) = end.flight.pop_front() else { break };
            match segment {
                Segment::Data(bytes) => {
                    end.flight_bytes -= bytes.len();
                    if end.held == Held::Closed || !is_there {
                        answer_reset = true;
                    } else if end.ended.is_none() {
                        end.inbox_bytes += bytes.len();
                        end.inbox.push_back(bytes);
                    }
                }
                Segment::Fin => {
                    end.ended.get_or_insert(Lost::Closed);
                }
                Segment::Reset => {
                    end.inbox.clear();
                    end.inbox_bytes = 0;
                    end.ended = Some(Lost::Reset);
                }
            }
            moved = true;
        }
        if let Some((at, _)) = end.flight.front() {
            queue.push((*at).max(now), Event::Segment { pipe: id, to });
            end.planned = true;
        }
        if answer_reset {
            self.put(queue, now, id, to, Segment::Reset);
        }
        let socket = self.tcp.socket(id, to);
        self.sweep(id);
        let is_held = |socket: &Socket| socket.connection.is_some() || socket.is_adversarys;
        socket.filter(|socket| moved && is_there && is_held(socket))
    }

    /// Forgets a connection that nobody holds and in which nothing moves.
    fn sweep(&mut self, id: PipeId) {
        let severed = self.tcp.get(id).is_some_and(|pipe| pipe.severed);
        let is_over = |end: &End| end.held == Held::Closed && (severed || end.flight.is_empty());
        if self.tcp.get(id).is_some_and(|pipe| is_over(&pipe.dialler) && is_over(&pipe.acceptor)) {
            self.tcp.remove(id);
        }
    }
}

/// Bytes that may be under way or unread on a link of so many bytes a second.
fn window(bandwidth: u64) -> usize {
    match usize::try_from(bandwidth / NARROW) {
        _ if bandwidth == 0 => WINDOW,
        Ok(bytes) => bytes.clamp(NARROWEST, WINDOW),
        Err(_) => WINDOW,
    }
}

const fn to_machine(pipe: &Pipe, from: Side) -> usize {
    pipe.end(from.other()).machine
}
