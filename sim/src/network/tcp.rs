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

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;

use bytes::Bytes;
use devp2p_core::node::ConnectionId;
use devp2p_core::session::Lost;
use devp2p_core::time::Instant;

mod arriving;
mod closing;
mod moving;
mod opening;

/// After which a segment that cannot pass at all is sent again.
const OBSTRUCTED: Duration = Duration::from_secs(1);

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

    /// Nobody holds it any more: what has come is for nobody, and nothing is said.
    fn let_go(&mut self) {
        self.held = Held::Closed;
        self.shut = true;
        self.forget_inbox();
    }

    fn forget_inbox(&mut self) {
        self.inbox.clear();
        self.inbox_bytes = 0;
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

const fn to_machine(pipe: &Pipe, from: Side) -> usize {
    pipe.end(from.other()).machine
}
