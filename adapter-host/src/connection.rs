//! The loop of one connection, but for the waiting: a socket, a session, an
//! application, and the node that decides.

use core::net::SocketAddr;
use core::task::{Context, Poll};
use std::sync::Arc;
use std::time::Instant as Wall;

use devp2p_core::crypto::PublicKey;
use devp2p_core::driver::{self, Event};
use devp2p_core::entropy::Seed;
use devp2p_core::node::Report;
use devp2p_core::p2p::Message;
use devp2p_core::session::{Command, Local, Lost, Phase, Session, SessionError};
use devp2p_core::time::{Deadline, Instant, Now};
use devp2p_handle::adapter::ConnectionEnd;

use crate::Clock;
use crate::tcp::{self, Moved, Stream};

/// Turns after which the other tasks get their chance.
const TURNS: usize = 32;

/// Bytes, written or delivered, after which they get it as well: what costs
/// time is their cryptography.
const BYTES: usize = 64 * 1024;

/// One connection, from its first byte to its end.
///
/// An adapter's task calls [`Connection::turns`], does what it says, and waits
/// until the socket is ready for what the connection [wants](Connection::wants_read),
/// [`Connection::poll_work`] is, or [`Connection::deadline`] has come.
#[derive(Debug)]
pub struct Connection {
    driver: driver::Connection,
    end: ConnectionEnd,
    clock: Clock,
    began: Instant,
    /// A message for which the application has no room yet.
    undelivered: Option<Message>,
    /// Writing has failed, in this way. What the other said before may still
    /// lie in the socket, the reason for its end above all.
    unwritable: Option<Lost>,
    /// Bytes moved since the other tasks had their chance.
    moved: usize,
}

/// What to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Let other tasks have their turn, and take another.
    Yield,
    /// Wait.
    Wait,
    /// Close the socket: [`Connection::close`].
    Close(SessionError),
}

/// What one round came to.
enum Round {
    Moved,
    Idle,
    Closed(SessionError),
}

impl Connection {
    /// One that was accepted.
    pub fn accept(local: Arc<Local>, seed: Seed, clock: Clock, end: ConnectionEnd) -> Self {
        let session = Session::accept(local, seed, clock.now());
        Self::new(session, clock, end)
    }

    /// One that was dialled and is connected now.
    pub fn dial(
        local: Arc<Local>,
        remote: PublicKey,
        seed: &Seed,
        clock: Clock,
        mut end: ConnectionEnd,
    ) -> Self {
        let session = Session::dial(local, remote, seed, clock.now());
        end.connected();
        Self::new(session, clock, end)
    }

    fn new(session: Session, clock: Clock, end: ConnectionEnd) -> Self {
        Self {
            driver: driver::Connection::new(session),
            end,
            began: clock.now().mono,
            clock,
            undelivered: None,
            unwritable: None,
            moved: 0,
        }
    }

    /// Our end of its socket is here, for whoever asks. An adapter says so before
    /// the first turn; geth shows it as a peer's `localAddress`.
    pub fn bound_to(&self, local: SocketAddr) {
        self.end.bound_to(local);
    }

    /// Does everything that can be done without waiting, for a while.
    pub fn turns(&mut self, stream: &impl Stream) -> Turn {
        self.moved = 0;
        for _ in 0..TURNS {
            match self.round(stream) {
                Round::Moved if self.moved >= BYTES => break,
                Round::Moved => {}
                Round::Idle => return self.counted(Turn::Wait),
                Round::Closed(error) => return Turn::Close(error),
            }
        }
        self.counted(Turn::Yield)
    }

    fn counted(&self, turn: Turn) -> Turn {
        self.end.counted(self.driver.counters());
        turn
    }

    /// Whether to wait until the socket can be read.
    pub fn wants_read(&self) -> bool {
        self.driver.wants_read()
    }

    /// Whether to wait until the socket can be written.
    pub fn wants_write(&self) -> bool {
        self.driver.wants_write() && self.unwritable.is_none()
    }

    /// Ready when node or application want something. Wakes the task of `cx`
    /// otherwise.
    pub fn poll_work(&self, cx: &Context<'_>) -> Poll<()> {
        self.end.poll_work(cx)
    }

    /// When to call [`Connection::timeout`].
    pub fn deadline(&self) -> Option<Deadline> {
        self.driver.poll_timeout()
    }

    /// The same by the clock of std.
    pub fn wall(&self, deadline: Deadline) -> Option<Wall> {
        self.clock.instant(deadline.at)
    }

    /// The deadline has come.
    pub fn timeout(&mut self) {
        self.driver.timeout(self.now());
    }

    /// It is over. The node tells everyone who waits.
    pub fn close(mut self, error: SessionError) {
        tracing::debug!(%error, connection = %self.end.id(), "connection closed");
        if let Some(message) = self.undelivered.take() {
            self.end.deliver_last(message);
        }
        let counters = self.driver.counters();
        self.end.closed(truly(error, self.unwritable), counters);
    }

    /// Everything that can be done without waiting, once.
    fn round(&mut self, stream: &impl Stream) -> Round {
        while let Some(event) = self.driver.poll_event() {
            match event {
                Event::Authenticated(remote) => {
                    self.end.shook_hands(self.now().mono - self.began);
                    self.end.report(Report::Authenticated(remote));
                }
                Event::Ready { hello, shared } => {
                    self.end.report(Report::Ready { hello, shared });
                }
                Event::Message(message) => self.undelivered = Some(message),
                Event::RoundTrip(round_trip) => self.end.round_trip(round_trip),
                Event::Closed(error) => return Round::Closed(error),
            }
        }
        let delivered = self.deliver();
        let obeyed = self.obey();
        let sent = self.send();
        let written = self.write(stream);
        let read = self.read(stream);
        if obeyed || delivered || sent || written || read { Round::Moved } else { Round::Idle }
    }

    fn obey(&mut self) -> bool {
        let mut moved = false;
        while let Some(command) = self.end.next_command() {
            if matches!(command, Command::Disconnect(_)) {
                // What was sent before it goes before it, and only now all of
                // that is sure to be seen.
                self.send();
            }
            self.driver.command(self.now(), command);
            moved = true;
        }
        moved
    }

    fn deliver(&mut self) -> bool {
        let Some(message) = self.undelivered.take() else { return false };
        let size = message.payload().len();
        match self.end.deliver(message) {
            Ok(()) => {
                self.moved += size;
                self.driver.delivered(self.now());
                true
            }
            Err(message) => {
                self.undelivered = Some(message);
                false
            }
        }
    }

    fn send(&mut self) -> bool {
        if !self.driver.wants_send() || !self.end.has_messages() {
            return false;
        }
        let now = self.now();
        self.end.with_messages(|messages| self.driver.send(now, messages));
        true
    }

    fn write(&mut self, stream: &impl Stream) -> bool {
        if !self.wants_write() {
            return false;
        }
        match tcp::write(stream, self.driver.writes()) {
            Moved::Done(count) => {
                self.moved += count;
                self.driver.written(self.now(), count);
            }
            Moved::Blocked => return false,
            Moved::Lost(how) => self.unwritable = Some(how),
        }
        true
    }

    fn read(&mut self, stream: &impl Stream) -> bool {
        if !self.driver.wants_read() {
            return false;
        }
        let now = self.now();
        let read = tcp::read(stream, |bytes| self.driver.received(now, bytes));
        match (read, self.unwritable) {
            (Moved::Done(()), _) => {}
            (Moved::Blocked, None) => return false,
            (Moved::Blocked, Some(how)) | (Moved::Lost(how), _) => self.driver.lost(now, how),
        }
        true
    }

    fn now(&self) -> Now {
        self.clock.now()
    }
}

/// Why a connection ended. Where nothing could be read after writing had failed,
/// the session only saw that nothing was written any more.
const fn truly(error: SessionError, unwritable: Option<Lost>) -> SessionError {
    match (error, unwritable) {
        (SessionError::TimedOut(Phase::Write), Some(how)) => SessionError::Lost(how),
        (error, _) => error,
    }
}

#[cfg(test)]
mod tests {
    use devp2p_core::p2p::DisconnectReason;

    use super::*;

    #[test]
    fn a_write_that_failed_is_not_reported_as_one_that_took_too_long() {
        let late = SessionError::TimedOut(Phase::Write);
        assert_eq!(truly(late, None), late);
        assert_eq!(truly(late, Some(Lost::Reset)), SessionError::Lost(Lost::Reset));
        let told = SessionError::Remote(DisconnectReason::TooManyPeers);
        assert_eq!(truly(told, Some(Lost::Reset)), told);
    }
}
