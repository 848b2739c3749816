//! The `Session` machine: one connection, either role, from its first byte to
//! its end. All crypto of the connection happens here, and no decision about
//! the network.
//!
//! ```text
//!   dial ──▶ Handshake ──Authenticated──▶ Admission ──Proceed──▶ Hello
//!  accept ─▶   (5 s)                       (5 s)                 (5 s)
//!                                                                  │ Ready
//!   Closed ◀── Closing ◀──disconnect── Open ◀──Admit── Admission ◀─╯
//!           flushed 1 s,              read 30 s         (5 s)
//!           linger 2 s                write 20 s, ping 15 s
//! ```
//!
//! Every state can fall to `Closed` at once when there is nothing left to say.
//! What is told to the other is [`SessionError::disconnect_reason`]'s to know.
//!
//! Both directions are pulled, so that a slow side stops the bytes and not the
//! memory: [`Input::Received`] takes at most one message's worth from the
//! caller's buffer and nothing more until [`Input::Delivered`];
//! [`Input::Send`] takes messages from the caller's queue while fewer than
//! [`limits::WRITE_BACKLOG`] bytes wait to be written. Whatever is not taken
//! stays with the caller. What waits to be written does not stop the reading,
//! lest two sides that send much at once wait for each other; only answers that
//! pile up ([`limits::ANSWER_BACKLOG`]) do.
//!
//! Specification: rlpx.md. Time limits in [`limits`].

mod contract;
mod error;
mod link;
mod local;
#[cfg(test)]
mod tests;
mod writes;

use core::fmt;
use core::time::Duration;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use bytes::{Bytes, BytesMut};

pub use contract::{Command, Counters, Input, Output};
pub use error::{Lost, Misbehaviour, Phase, SessionError};
pub use local::{Greeting, Local};

use crate::crypto::PublicKey;
use crate::entropy::Seed;
use crate::limits;
use crate::machine::Machine;
use crate::p2p::{DisconnectReason, Message};
use crate::rlpx::frame_length;
use crate::time::{Deadline, Instant, Now};
use link::{Authenticated, Greeted, Handshake, Link};
use writes::{BASE_BACKLOG, Writes};

/// One connection. See the [module](self) for its states.
pub struct Session {
    local: Arc<Local>,
    state: State,
    /// The latest time seen: time never goes back.
    now: Instant,
    /// Bytes for the next [`Output::Write`].
    out: BytesMut,
    /// What the next drain says besides.
    event: Option<Output>,
    round_trip: Option<Duration>,
    writes: Writes,
    counters: Counters,
}

enum State {
    /// Waiting for auth or ack.
    Handshake { handshake: Handshake, deadline: Instant },
    /// Waiting for [`Command::Proceed`].
    Authenticated { link: Link, deadline: Instant },
    /// Waiting for the other's hello.
    Hello { link: Link, deadline: Instant },
    /// Waiting for [`Command::Admit`].
    Ready { link: Link, deadline: Instant },
    /// Exchanging messages.
    Open(Open),
    /// A disconnect is on its way out.
    Closing(Closing),
    /// Over; the error is here until it has been told.
    Closed(Option<SessionError>),
}

struct Closing {
    link: Link,
    error: SessionError,
    deadline: Instant,
    /// Our disconnect has left.
    flushed: bool,
    /// The other's disconnect is here: before ours, or crossing it.
    heard: bool,
}

struct Open {
    link: Link,
    /// A message is out and not yet delivered: take no more.
    delivering: bool,
    /// Since when we have waited for the other's next frame; `None` while it
    /// is we who do not read.
    reading_since: Option<Instant>,
    next_ping: Instant,
    ping_sent: Option<Instant>,
}

impl Session {
    /// We dialled: the first drain writes the auth. `seed` must not serve any
    /// other session.
    pub fn dial(local: Arc<Local>, remote: PublicKey, seed: &Seed, now: Now) -> Self {
        let handshake = Handshake::dial(&local, remote, seed);
        Self::new(local, handshake, now)
    }

    /// We were dialled: the other speaks first. `seed` must not serve any
    /// other session.
    pub fn accept(local: Arc<Local>, seed: Seed, now: Now) -> Self {
        let handshake = Handshake::accept(&local, seed);
        Self::new(local, Ok(handshake), now)
    }

    fn new(
        local: Arc<Local>,
        handshake: Result<Handshake, SessionError>,
        Now { mono: now, .. }: Now,
    ) -> Self {
        let mut out = BytesMut::new();
        let state = match handshake {
            Ok(handshake) => {
                out.extend_from_slice(&handshake.first_bytes());
                let deadline = now + limits::ENCRYPTION_HANDSHAKE_TIMEOUT;
                State::Handshake { handshake, deadline }
            }
            Err(error) => State::Closed(Some(error)),
        };
        Self {
            local,
            state,
            now,
            out,
            event: None,
            round_trip: None,
            writes: Writes::default(),
            counters: Counters::default(),
        }
    }

    /// Whether bytes would be taken now: read from the network only then.
    pub fn wants_read(&self) -> bool {
        match &self.state {
            State::Handshake { .. } | State::Hello { .. } | State::Closing(_) => true,
            State::Open(open) => !open.delivering && self.writes.answers() < limits::ANSWER_BACKLOG,
            State::Authenticated { .. } | State::Ready { .. } | State::Closed(_) => false,
        }
    }

    /// Whether a message would be taken now.
    pub fn wants_send(&self) -> bool {
        matches!(self.state, State::Open(_)) && !self.backlogged()
    }

    /// What it counted so far.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    fn backlogged(&self) -> bool {
        self.writes.pending + self.out.len() >= limits::WRITE_BACKLOG
    }

    /// Takes from `received` what the present state can use.
    fn receive(&mut self, received: &mut BytesMut) -> Result<(), SessionError> {
        loop {
            let wants_read = self.wants_read();
            match &mut self.state {
                State::Handshake { .. } => match Handshake::take_message(received)? {
                    Some(message) => self.shake_hands(message),
                    None => return Ok(()),
                },
                State::Hello { link, .. } => {
                    let Some(greeted) = link.receive_hello(&self.local, received, &mut self.out)?
                    else {
                        return Ok(());
                    };
                    self.greeted(greeted);
                }
                State::Open(_) if !wants_read => return Ok(()),
                State::Open(open) => {
                    let Some((code, payload)) = open.link.receive(received)? else {
                        return Ok(());
                    };
                    open.reading_since = Some(self.now);
                    self.message(code, payload)?;
                }
                State::Authenticated { .. } | State::Ready { .. } => return Ok(()),
                State::Closing(closing) => {
                    closing.heard |= closing.link.receive_disconnect(received);
                    self.settle();
                    return Ok(());
                }
                State::Closed(_) => {
                    received.clear();
                    return Ok(());
                }
            }
        }
    }

    fn shake_hands(&mut self, message: BytesMut) {
        let state = core::mem::replace(&mut self.state, State::Closed(None));
        let State::Handshake { handshake, .. } = state else { return };
        match handshake.finish(message) {
            Ok(Authenticated { remote, answer, link }) => {
                self.out.extend_from_slice(&answer);
                let deadline = self.now + limits::ADMISSION_TIMEOUT;
                self.state = State::Authenticated { link, deadline };
                self.event = Some(Output::Authenticated(remote));
            }
            // There is no link over which to say so.
            Err(error) => self.state = State::Closed(Some(error)),
        }
    }

    fn greeted(&mut self, Greeted { hello, shared }: Greeted) {
        let state = core::mem::replace(&mut self.state, State::Closed(None));
        if let State::Hello { link, .. } = state {
            let deadline = self.now + limits::ADMISSION_TIMEOUT;
            self.state = State::Ready { link, deadline };
            self.event = Some(Output::Ready { hello, shared });
        }
    }

    fn message(&mut self, code: u64, payload: Bytes) -> Result<(), SessionError> {
        use crate::p2p::{EMPTY_LIST, code};
        let State::Open(open) = &mut self.state else { return Ok(()) };
        match code {
            code::DISCONNECT => {
                return Err(SessionError::Remote(DisconnectReason::decode(&payload)));
            }
            code::PING => {
                let before = self.out.len();
                open.link.send(code::PONG, &EMPTY_LIST, &mut self.out)?;
                self.writes.answered(self.out.len() - before);
                self.counters.pings_answered += 1;
            }
            code::PONG if open.ping_sent.is_some() => {
                self.round_trip = open.ping_sent.take().map(|sent| self.now - sent);
            }
            0..limits::BASE_PROTOCOL_LENGTH => self.counters.ignored += 1,
            wire => {
                let (capability, code) =
                    open.link.route(wire).ok_or(Misbehaviour::UnknownCode { code: wire })?;
                open.delivering = true;
                self.counters.messages_received += 1;
                self.event = Some(Output::Message(Message { capability, code, payload }));
            }
        }
        Ok(())
    }

    fn send(&mut self, messages: &mut VecDeque<Message>) {
        while self.wants_send()
            && let State::Open(open) = &mut self.state
            && let Some(message) = messages.pop_front()
        {
            let sent = open
                .link
                .wire_code(&message)
                .is_some_and(|code| open.link.send(code, &message.payload, &mut self.out).is_ok());
            if sent {
                self.counters.messages_sent += 1;
            } else {
                // Made for another connection: its own check refused it.
                self.counters.misaddressed += 1;
            }
        }
    }

    fn command(&mut self, command: Command) -> Result<(), SessionError> {
        if let Command::Disconnect(reason) = command {
            return Err(SessionError::Local(reason));
        }
        // A command may be late: what does not fit the state any more is void.
        let state = core::mem::replace(&mut self.state, State::Closed(None));
        self.state = match (command, state) {
            (Command::Proceed, State::Authenticated { mut link, .. }) => {
                let said = link.say_hello(&self.local, &mut self.out);
                let deadline = self.now + limits::HELLO_TIMEOUT;
                self.state = State::Hello { link, deadline };
                return said;
            }
            (Command::Admit, State::Ready { link, .. }) => State::Open(Open {
                link,
                delivering: false,
                reading_since: Some(self.now),
                next_ping: self.now + limits::PING_INTERVAL,
                ping_sent: None,
            }),
            (Command::Ping, State::Open(mut open)) if !self.backlogged() => {
                let sent = open.ping(self.now, &mut self.out);
                self.state = State::Open(open);
                return sent;
            }
            (_, state) => state,
        };
        Ok(())
    }

    fn lost(&mut self, how: Lost) -> Result<(), SessionError> {
        match self.state {
            State::Closing(Closing { error, .. }) => {
                self.state = State::Closed(Some(error));
                Ok(())
            }
            State::Closed(_) => Ok(()),
            // It could not open our auth, or it refuses us without a word.
            State::Handshake { handshake: Handshake::Dial(_), .. } if how != Lost::Failed => {
                Err(SessionError::Lost(Lost::Unanswered))
            }
            State::Handshake { .. }
            | State::Authenticated { .. }
            | State::Hello { .. }
            | State::Ready { .. }
            | State::Open(_) => {
                self.out.clear();
                Err(SessionError::Lost(how))
            }
        }
    }

    fn written(&mut self, bytes: usize) {
        self.writes.written(bytes, self.now);
        if let State::Closing(closing) = &mut self.state
            && !closing.flushed
            && self.writes.pending == 0
            && self.out.is_empty()
        {
            closing.flushed = true;
            closing.deadline = self.now + limits::DISCONNECT_LINGER;
        }
        self.settle();
    }

    /// Once our disconnect has left there is nothing to wait for if the other
    /// has sent its own: it closes as well.
    fn settle(&mut self) {
        if let State::Closing(Closing { error, flushed: true, heard: true, .. }) = self.state {
            self.state = State::Closed(Some(error));
        }
    }

    /// Does whatever is due at the present time.
    fn expire(&mut self) -> Result<(), SessionError> {
        let now = self.now;
        if !self.is_over() && self.writes.deadline().is_some_and(|at| at <= now) {
            return Err(SessionError::TimedOut(Phase::Write));
        }
        let (deadline, phase) = match &mut self.state {
            State::Handshake { deadline, .. } => (*deadline, Phase::EncryptionHandshake),
            State::Authenticated { deadline, .. } | State::Ready { deadline, .. } => {
                (*deadline, Phase::Admission)
            }
            State::Hello { deadline, .. } => (*deadline, Phase::Hello),
            State::Open(open) => {
                let silent = open.reading_since.map(|since| since + limits::READ_TIMEOUT);
                if silent.is_some_and(|at| at <= now) {
                    return Err(SessionError::TimedOut(Phase::Read));
                }
                if open.next_ping <= now {
                    open.next_ping = now + limits::PING_INTERVAL;
                    if self.writes.pending + self.out.len() < limits::WRITE_BACKLOG {
                        open.ping(now, &mut self.out)?;
                    }
                }
                return Ok(());
            }
            State::Closing(Closing { error, deadline, .. }) => {
                if *deadline <= now {
                    self.state = State::Closed(Some(*error));
                }
                return Ok(());
            }
            State::Closed(_) => return Ok(()),
        };
        if deadline <= now { Err(SessionError::TimedOut(phase)) } else { Ok(()) }
    }

    /// Whether all that is left is to say goodbye.
    const fn is_over(&self) -> bool {
        matches!(self.state, State::Closing(_) | State::Closed(_))
    }

    /// The time in which the other must send starts when we begin to read.
    fn track_reading(&mut self) {
        let reading = self.wants_read();
        if let State::Open(open) = &mut self.state {
            open.reading_since = match open.reading_since {
                Some(since) if reading => Some(since),
                None if reading => Some(self.now),
                _ => None,
            };
        }
    }

    fn close(&mut self, error: SessionError) {
        if self.is_over() {
            return;
        }
        let greeting = matches!(self.state, State::Hello { .. });
        let state = core::mem::replace(&mut self.state, State::Closed(Some(error)));
        let (State::Authenticated { mut link, .. }
        | State::Hello { mut link, .. }
        | State::Ready { mut link, .. }
        | State::Open(Open { mut link, .. })) = state
        else {
            // Nothing is answered to a bad handshake.
            return;
        };
        if greeting && matches!(error, SessionError::Local(_)) {
            link.compress_for_reader_of_hello(&self.local);
        }
        // As in geth: before both hellos are through, a disconnect of the
        // other's is not answered.
        let unanswered = matches!(error, SessionError::Remote(_)) && !link.is_greeted();
        if let Some(reason) = error.disconnect_reason().filter(|_| !unanswered)
            && link.send_disconnect(reason, &mut self.out).is_ok()
        {
            let deadline = self.now + limits::DISCONNECT_WRITE_TIMEOUT;
            let heard = matches!(error, SessionError::Remote(_));
            self.state = State::Closing(Closing { link, error, deadline, flushed: false, heard });
        }
        // What answers earlier messages leaves even so: whether they came in
        // the same bytes as the one that ends it must not show.
    }
}

impl Open {
    fn ping(&mut self, now: Instant, out: &mut BytesMut) -> Result<(), SessionError> {
        // The oldest unanswered ping is the one whose pong comes next.
        self.ping_sent.get_or_insert(now);
        Ok(self.link.send(crate::p2p::code::PING, &crate::p2p::EMPTY_LIST, out)?)
    }
}

impl Machine for Session {
    type Input<'a> = Input<'a>;
    type Output = Output;

    fn handle(&mut self, now: Now, input: Input<'_>) {
        self.now = self.now.max(now.mono);
        if let Err(error) = self.expire() {
            self.close(error);
        }
        let result = match input {
            Input::Received(received) => {
                let before = received.len();
                let result = self.receive(received);
                self.counters.bytes_received += (before - received.len()) as u64;
                result
            }
            Input::Lost(how) => self.lost(how),
            Input::Written(bytes) => {
                self.written(bytes);
                Ok(())
            }
            Input::Command(command) => self.command(command),
            Input::Send(messages) => {
                self.send(messages);
                Ok(())
            }
            Input::Delivered => {
                if let State::Open(open) = &mut self.state {
                    open.delivering = false;
                }
                Ok(())
            }
            Input::Timeout => Ok(()),
        };
        if let Err(error) = result {
            self.close(error);
        }
        self.track_reading();
    }

    fn poll_output(&mut self) -> Option<Output> {
        if !self.out.is_empty() {
            let bytes = core::mem::take(&mut self.out).freeze();
            self.writes.began(bytes.len(), self.now);
            self.counters.bytes_sent += bytes.len() as u64;
            return Some(Output::Write(bytes));
        }
        if let Some(round_trip) = self.round_trip.take() {
            return Some(Output::RoundTrip(round_trip));
        }
        if let Some(event) = self.event.take() {
            return Some(event);
        }
        if let State::Closed(error) = &mut self.state {
            return error.take().map(Output::Closed);
        }
        None
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        let deadline = |at, reason| Some(Deadline { at, reason });
        let state = match &self.state {
            State::Handshake { deadline: at, .. } => deadline(*at, "encryption handshake"),
            State::Authenticated { deadline: at, .. } => deadline(*at, "first admission"),
            State::Hello { deadline: at, .. } => deadline(*at, "hello"),
            State::Ready { deadline: at, .. } => deadline(*at, "second admission"),
            State::Open(open) => {
                let read = open.reading_since.map(|since| since + limits::READ_TIMEOUT);
                Deadline::sooner(
                    deadline(open.next_ping, "ping"),
                    read.and_then(|at| deadline(at, "read")),
                )
            }
            State::Closing(Closing { deadline: at, flushed: false, .. }) => deadline(*at, "flush"),
            State::Closing(Closing { deadline: at, .. }) => deadline(*at, "linger"),
            State::Closed(_) => None,
        };
        if self.is_over() {
            return state;
        }
        let write = self.writes.deadline().and_then(|at| deadline(at, "write"));
        Deadline::sooner(state, write)
    }

    fn timeout() -> Input<'static> {
        Input::Timeout
    }

    fn is_last(output: &Output) -> bool {
        matches!(output, Output::Closed(_))
    }

    /// Bytes, a round trip, one event and the end.
    const MAX_OUTPUTS: usize = 4;

    fn audit(&self) -> Result<(), &'static str> {
        if self.writes.due > self.writes.pending {
            return Err("more bytes due than pending");
        }
        // One message beyond the backlog, and the frames of the base protocol.
        let bound = limits::WRITE_BACKLOG + frame_length(limits::FRAME) + BASE_BACKLOG;
        if self.writes.pending > bound {
            return Err("more than WRITE_BACKLOG and a message pending");
        }
        if self.writes.answers() > BASE_BACKLOG {
            return Err("more than ANSWER_BACKLOG answers pending");
        }
        Ok(())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Handshake { .. } => "Handshake",
            State::Authenticated { .. } => "Authenticated",
            State::Hello { .. } => "Hello",
            State::Ready { .. } => "Ready",
            State::Open(_) => "Open",
            State::Closing(_) => "Closing",
            State::Closed(_) => "Closed",
        };
        f.debug_struct("Session")
            .field("state", &state)
            .field("pending_bytes", &self.writes.pending)
            .finish_non_exhaustive()
    }
}
