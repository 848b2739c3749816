//! Two sessions and the two wires between them, in virtual time.
//!
//! ```text
//!  ends[0] ──unsent──▶ wires[0] ──received──▶ ends[1]
//!  (dialled) ◀─received── wires[1] ◀──unsent── (accepted)
//! ```
//!
//! [`End`] is what any driver does for a session, without I/O. [`Wire`] is a
//! network that is slow, stalls, flips and breaks as it is told. [`Pair`] moves
//! time to the next arrival or deadline. It is short so that it can be copied.

use core::time::Duration;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};

use crate::crypto::{PublicKey, SecretKey};
use crate::entropy::Seed;
use crate::machine::{Checked, Machine as _};
use crate::p2p::{Hello, LocalCapabilities, LocalCapability, Message, Shared};
use crate::session::{Command, Greeting, Input, Local, Lost, Output, Session, SessionError};
use crate::time::{Instant, Now};

/// One session and what its driver keeps for it.
pub(super) struct End {
    pub(super) session: Checked<Session>,
    pub(super) now: Now,
    /// Arrived, and not yet taken by the session.
    pub(super) received: BytesMut,
    /// To be sent, and not yet taken by the session.
    pub(super) queue: VecDeque<Message>,
    /// Written by the session, and not yet accepted by the network.
    pub(super) unsent: BytesMut,
    /// All that the session ever wrote.
    pub(super) written: Vec<u8>,
    /// All else that it ever said.
    pub(super) said: Vec<Output>,
    /// How many of `said` have been answered.
    answered: usize,
    /// What is answered without being asked.
    pub(super) manners: Manners,
    lost: bool,
}

/// What an [`End`] answers by itself, as a node without doubts would.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manners {
    pub(super) proceeds: bool,
    pub(super) admits: bool,
    pub(super) delivers: bool,
}

impl Manners {
    pub(super) const ALL: Self = Self { proceeds: true, admits: true, delivers: true };
    pub(super) const NONE: Self = Self { proceeds: false, admits: false, delivers: false };
}

impl End {
    pub(super) fn dial(local: &Arc<Local>, remote: PublicKey, seed: u64, now: Now) -> Self {
        let seed = Seed::from_number(seed).derive("dial", 0);
        Self::new(Session::dial(Arc::clone(local), remote, &seed, now), now)
    }

    pub(super) fn accept(local: &Arc<Local>, seed: u64, now: Now) -> Self {
        let seed = Seed::from_number(seed).derive("accept", 0);
        Self::new(Session::accept(Arc::clone(local), seed, now), now)
    }

    fn new(session: Session, now: Now) -> Self {
        let mut end = Self {
            session: Checked::new(session),
            now,
            received: BytesMut::new(),
            queue: VecDeque::new(),
            unsent: BytesMut::new(),
            written: Vec::new(),
            said: Vec::new(),
            answered: 0,
            manners: Manners::ALL,
            lost: false,
        };
        end.drain();
        end
    }

    /// One input and its drain, and nothing else.
    pub(super) fn handle(&mut self, input: Input<'_>) {
        self.session.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            if let Output::Write(bytes) = output {
                self.written.extend_from_slice(&bytes);
                self.unsent.extend_from_slice(&bytes);
            } else {
                self.said.push(output);
            }
        }
    }

    /// Answers, sends and hands in what has arrived, until nothing moves.
    /// Returns whether anything did.
    pub(super) fn settle(&mut self) -> bool {
        let mut moved = false;
        loop {
            let before = (self.received.len(), self.queue.len(), self.answered);
            self.answer();
            if self.session.get().wants_send() && !self.queue.is_empty() {
                let mut queue = core::mem::take(&mut self.queue);
                self.handle(Input::Send(&mut queue));
                self.queue = queue;
            }
            if !self.received.is_empty() && !self.is_over() {
                let mut received = core::mem::take(&mut self.received);
                self.handle(Input::Received(&mut received));
                self.received = received;
            }
            if before == (self.received.len(), self.queue.len(), self.answered) {
                return moved;
            }
            moved = true;
        }
    }

    fn answer(&mut self) {
        while let Some(output) = self.said.get(self.answered) {
            self.answered += 1;
            let Manners { proceeds, admits, delivers } = self.manners;
            match output {
                Output::Authenticated(_) if proceeds => {
                    self.handle(Input::Command(Command::Proceed));
                }
                Output::Ready { .. } if admits => self.handle(Input::Command(Command::Admit)),
                Output::Message(_) if delivers => self.handle(Input::Delivered),
                Output::Authenticated(_)
                | Output::Ready { .. }
                | Output::Message(_)
                | Output::Write(_)
                | Output::RoundTrip(_)
                | Output::Closed(_) => {}
            }
        }
    }

    /// Bytes arrive.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
        self.settle();
    }

    pub(super) fn command(&mut self, command: Command) {
        self.handle(Input::Command(command));
        self.settle();
    }

    pub(super) fn lose(&mut self, how: Lost) {
        self.lost = true;
        self.handle(Input::Lost(how));
    }

    /// The network accepts everything that was written, and returns it.
    pub(super) fn accept_writes(&mut self) -> BytesMut {
        let bytes = core::mem::take(&mut self.unsent);
        self.handle(Input::Written(bytes.len()));
        self.settle();
        bytes
    }

    /// Time passes, and the session is told so.
    pub(super) fn wake_at(&mut self, now: Now) {
        self.now = now;
        self.handle(Input::Timeout);
        self.settle();
    }

    pub(super) fn is_over(&self) -> bool {
        self.closed().is_some()
    }

    /// Why it closed, if it did.
    pub(super) fn closed(&self) -> Option<SessionError> {
        if let Some(Output::Closed(error)) = self.said.last() { Some(*error) } else { None }
    }

    /// Whom it saw.
    pub(super) fn remote(&self) -> Option<PublicKey> {
        self.said.iter().find_map(|output| {
            if let Output::Authenticated(remote) = output { Some(*remote) } else { None }
        })
    }

    /// What it was told in the hello.
    pub(super) fn greeted(&self) -> Option<(&Hello, &Arc<Shared>)> {
        self.said.iter().find_map(|output| {
            if let Output::Ready { hello, shared } = output { Some((hello, shared)) } else { None }
        })
    }

    pub(super) fn messages(&self) -> Vec<&Message> {
        self.said
            .iter()
            .filter_map(
                |output| if let Output::Message(message) = output { Some(message) } else { None },
            )
            .collect()
    }

    pub(super) fn round_trips(&self) -> Vec<Duration> {
        self.said
            .iter()
            .filter_map(
                |output| if let Output::RoundTrip(time) = output { Some(*time) } else { None },
            )
            .collect()
    }

    /// Queues a message of the first shared capability.
    pub(super) fn send(&mut self, code: u64, payload: impl Into<Bytes>) {
        let message = Message { capability: 0, code, payload: payload.into() };
        self.queue.push_back(message);
        self.settle();
    }
}

/// One direction of a connection.
pub(super) struct Wire {
    /// From acceptance to arrival.
    pub(super) latency: Duration,
    /// Most bytes that arrive at once.
    pub(super) chunk: usize,
    /// Least time from one arrival to the next.
    pub(super) pace: Duration,
    /// Most bytes that are accepted and not yet arrived.
    pub(super) window: usize,
    /// Nothing is accepted and nothing arrives.
    pub(super) stalled: bool,
    /// The connection breaks after so many bytes.
    pub(super) cut: Option<usize>,
    /// This bit of the stream is flipped.
    pub(super) flip: Option<usize>,
    /// Bytes accepted so far.
    carried: usize,
    waiting: usize,
    on_the_way: VecDeque<(Instant, Bytes)>,
    next_arrival: Instant,
    /// When the end of the stream arrives, once the writer has closed.
    end: Option<Instant>,
    reader_gone: bool,
}

impl Wire {
    fn new() -> Self {
        Self {
            latency: Duration::from_millis(10),
            chunk: usize::MAX,
            pace: Duration::ZERO,
            window: 256 * 1024,
            stalled: false,
            cut: None,
            flip: None,
            carried: 0,
            waiting: 0,
            on_the_way: VecDeque::new(),
            next_arrival: Instant::ZERO,
            end: None,
            reader_gone: false,
        }
    }

    fn is_cut(&self) -> bool {
        self.cut.is_some_and(|cut| self.carried >= cut)
    }

    /// Takes what it can, and says how much.
    fn accept(&mut self, now: Instant, unsent: &mut BytesMut) -> usize {
        let room = self.window - self.waiting.min(self.window);
        let left = self.cut.map_or(usize::MAX, |cut| cut.saturating_sub(self.carried));
        let length = unsent.len().min(room).min(left);
        if self.stalled || length == 0 {
            return 0;
        }
        let mut bytes = unsent.split_to(length);
        if let Some(bit) = self.flip
            && (self.carried..self.carried + length).contains(&(bit / 8))
        {
            bytes[bit / 8 - self.carried] ^= 1 << (bit % 8);
        }
        self.carried += length;
        if !self.reader_gone {
            self.waiting += length;
            self.on_the_way.push_back((now + self.latency, bytes.freeze()));
        }
        length
    }

    /// Puts the next chunk behind what was received; whether there was one.
    fn deliver(&mut self, now: Instant, received: &mut BytesMut) -> bool {
        let mut room = self.chunk;
        while self.next_event().is_some_and(|at| at <= now)
            && room > 0
            && let Some((_, bytes)) = self.on_the_way.front_mut()
        {
            let part = bytes.split_to(bytes.len().min(room));
            room -= part.len();
            self.waiting -= part.len();
            received.extend_from_slice(&part);
            if bytes.is_empty() {
                self.on_the_way.pop_front();
            }
        }
        let delivered = room < self.chunk;
        if delivered {
            self.next_arrival = now + self.pace;
        }
        delivered
    }

    /// When something arrives next: bytes, or the end.
    fn next_event(&self) -> Option<Instant> {
        match self.on_the_way.front() {
            _ if self.stalled => None,
            Some((at, _)) => Some((*at).max(self.next_arrival)),
            None => self.end,
        }
    }

    fn has_ended(&self, now: Instant) -> bool {
        self.on_the_way.is_empty() && !self.stalled && self.end.is_some_and(|end| end <= now)
    }

    /// The writer has closed.
    fn finish(&mut self, now: Instant) {
        self.end.get_or_insert(now + self.latency);
    }

    /// The reader has closed: what is on the way is lost.
    fn abandon(&mut self) {
        self.reader_gone = true;
        self.on_the_way.clear();
        self.waiting = 0;
    }
}

/// Two ends and two wires.
pub(super) struct Pair {
    pub(super) now: Now,
    /// The one that dialled, the one that accepted.
    pub(super) ends: [End; 2],
    /// `wires[n]` carries what `ends[n]` writes.
    pub(super) wires: [Wire; 2],
}

impl Pair {
    /// Two nodes with the same capabilities.
    pub(super) fn new(seed: u64) -> Self {
        Self::between(&local(0), &local(1), seed)
    }

    pub(super) fn between(dialler: &Arc<Local>, accepter: &Arc<Local>, seed: u64) -> Self {
        let now = Now::ZERO;
        Self {
            now,
            ends: [
                End::dial(dialler, *accepter.public(), seed, now),
                End::accept(accepter, seed, now),
            ],
            wires: [Wire::new(), Wire::new()],
        }
    }

    /// The same after both have admitted each other.
    pub(super) fn open(seed: u64) -> Self {
        let mut pair = Self::new(seed);
        pair.run(Duration::from_secs(1));
        assert!(pair.ends.iter().all(|end| end.session.get().wants_send()));
        pair
    }

    /// Lets time pass, from event to event.
    pub(super) fn run(&mut self, time: Duration) {
        let until = self.now.saturating_add(time);
        loop {
            self.settle();
            let Some(at) = self.next_event().filter(|at| *at <= until.mono) else { break };
            self.pass(at - self.now.mono);
        }
        self.pass(until.mono - self.now.mono);
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.saturating_add(time);
        self.ends.iter_mut().for_each(|end| end.now = self.now);
    }

    /// Everything that can happen at the present time happens.
    pub(super) fn settle(&mut self) {
        while self.step(0) | self.step(1) {}
    }

    /// One turn for an end: its time-outs, its inputs, its outputs.
    fn step(&mut self, writer: usize) -> bool {
        let now = self.now.mono;
        let end = &mut self.ends[writer];
        if end.session.poll_timeout().is_some_and(|deadline| deadline.at <= now) {
            end.handle(Input::Timeout);
        }
        let mut moved = end.settle();
        let out = &mut self.wires[writer];
        let accepted = out.accept(now, &mut end.unsent);
        if accepted > 0 {
            end.handle(Input::Written(accepted));
            moved = true;
        }
        let broken = out.is_cut();
        if end.is_over() {
            out.finish(now);
            self.wires[1 - writer].abandon();
            return moved;
        }
        let incoming = &mut self.wires[1 - writer];
        // A driver reads only when its session wants to: the rest waits.
        if end.session.get().wants_read() {
            moved |= incoming.deliver(now, &mut end.received);
        }
        let ended = incoming.has_ended(now) && end.session.get().wants_read();
        let cut = incoming.is_cut() && incoming.on_the_way.is_empty();
        if !end.lost && (broken || cut || ended) {
            end.settle();
            end.lose(if ended { Lost::Closed } else { Lost::Reset });
            moved = true;
        }
        moved
    }

    fn next_event(&self) -> Option<Instant> {
        let now = self.now.mono;
        let arrivals = [0, 1].into_iter().filter_map(|writer| {
            let reader = &self.ends[1 - writer];
            let reads = !reader.lost && reader.session.get().wants_read();
            self.wires[writer].next_event().filter(|_| reads)
        });
        let deadlines =
            self.ends.iter().filter_map(|end| end.session.poll_timeout().map(|due| due.at));
        // What is due now and did not happen waits for something else.
        arrivals.chain(deadlines).filter(|at| *at > now).min()
    }
}

/// The key of node `number`.
pub(super) fn key(number: u64) -> SecretKey {
    SecretKey::generate(&mut Seed::from_number(number).derive("static", 0).secrets())
}

/// A node with a key by number that offers `echo/1` (2 codes) and `test/3` (5).
pub(super) fn local(number: u64) -> Arc<Local> {
    local_with(number, [LocalCapability::new("echo", 1, 2), LocalCapability::new("test", 3, 5)])
}

/// A node with a key by number and these capabilities.
pub(super) fn local_with(
    number: u64,
    offer: impl IntoIterator<Item = LocalCapability>,
) -> Arc<Local> {
    let offer = Greeting::Offer(LocalCapabilities::new(offer).unwrap());
    Arc::new(Local::new(key(number), "devp2p-rs/test", offer).unwrap())
}

/// A node that offers whatever the other does.
pub(super) fn mirror(number: u64) -> Arc<Local> {
    Arc::new(Local::new(key(number), "devp2p-rs/mirror", Greeting::Mirror).unwrap())
}

/// Bytes that do not compress, the same for the same seed.
pub(super) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = alloc::vec![0; length];
    Seed::from_number(seed).jitter().fill(&mut bytes);
    bytes
}
