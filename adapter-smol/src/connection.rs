//! The loop of one connection: a socket, a [`Session`], an application.

use core::future::{Future, poll_fn};
use core::net::SocketAddr;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;
use std::net::TcpStream;
use std::sync::Arc;

use async_io::{Async, Timer};
use devp2p_core::crypto::PublicKey;
use devp2p_core::driver::{self, Event};
use devp2p_core::p2p::{DisconnectReason, Hello, Message, Shared as Capabilities};
use devp2p_core::session::{Command, Lost, Phase, Session, SessionError};
use devp2p_core::time::{Deadline, Instant, Now};
use devp2p_handle::adapter::{Admitted, ConnectionEnd};
use devp2p_handle::{Direction, Event as Happened, Failure, Peer};
use futures_lite::future::yield_now;

use crate::node::{Shared, lock};
use crate::socket::{self, Moved};

/// Turns after which the other tasks get their chance.
const TURNS: usize = 32;

/// Bytes, written or delivered, after which they get it as well: what costs
/// time is their cryptography.
const BYTES: usize = 64 * 1024;

/// What the admission says.
pub(crate) enum Outcome {
    Admitted,
    Refused(DisconnectReason),
}

/// One connection, from its first byte to its end.
pub(crate) struct Connection {
    shared: Arc<Shared>,
    stream: Async<TcpStream>,
    address: SocketAddr,
    direction: Direction,
    driver: driver::Connection,
    end: ConnectionEnd,
    timer: Timer,
    deadline: Option<Deadline>,
    began: Instant,
    handshake: Duration,
    public_key: Option<PublicKey>,
    /// Among the admitted, to be released when this ends.
    counted: bool,
    /// A message for which the application has no room yet.
    undelivered: Option<Message>,
    /// Writing has failed, in this way. What the other said before may still
    /// lie in the socket, the reason for its end above all.
    unwritable: Option<Lost>,
    /// Bytes moved since the other tasks had their chance.
    moved: usize,
}

/// What a turn of the loop came to.
enum Turn {
    /// Something moved: take another turn.
    Moved,
    /// Nothing will, until somebody wakes us.
    Idle,
    Admitted(Peer),
    Closed(SessionError),
}

impl Connection {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        stream: Async<TcpStream>,
        address: SocketAddr,
        direction: Direction,
        session: Session,
        end: ConnectionEnd,
    ) -> Self {
        // Frames are whole messages: waiting for more to send only delays them.
        let _ = stream.get_ref().set_nodelay(true);
        Self {
            shared: Arc::clone(shared),
            stream,
            address,
            direction,
            driver: driver::Connection::new(session),
            end,
            timer: Timer::never(),
            deadline: None,
            began: shared.clock.now().mono,
            handshake: Duration::ZERO,
            public_key: None,
            counted: false,
            undelivered: None,
            unwritable: None,
            moved: 0,
        }
    }

    /// Runs until the connection is admitted, or ends before.
    pub(crate) async fn handshake(&mut self) -> Result<Peer, Failure> {
        loop {
            match self.turns().await {
                Turn::Admitted(peer) => return Ok(peer),
                Turn::Closed(error) => {
                    let Self { address, public_key, .. } = *self;
                    tracing::debug!(%error, direction = %self.direction, "connection failed");
                    return Err(Failure { address, public_key, error });
                }
                Turn::Moved | Turn::Idle => {}
            }
        }
    }

    /// Runs an admitted connection to its end, and `beside` with it for as
    /// long. Says whether that was through before.
    pub(crate) async fn run(&mut self, mut beside: Pin<&mut impl Future<Output = ()>>) -> bool {
        let mut through = false;
        let error = {
            let mut running = pin!(self.until_closed());
            poll_fn(|cx| {
                through = through || beside.as_mut().poll(cx).is_ready();
                running.as_mut().poll(cx)
            })
            .await
        };
        self.conclude(error);
        through
    }

    async fn until_closed(&mut self) -> SessionError {
        loop {
            if let Turn::Closed(error) = self.turns().await {
                return error;
            }
        }
    }

    /// Says that it is over to everyone who waits for it, and makes room for
    /// the next connection to the same node. Nobody must see the one without
    /// the other, so it is done within one lock of the admission.
    fn conclude(&mut self, error: SessionError) {
        let mut admission = lock(&self.shared.admission);
        if let Some(message) = self.undelivered.take() {
            self.end.deliver_last(message);
        }
        self.end.closed(error);
        if self.direction == Direction::Inbound
            && let Some(peer) = self.end.peer()
        {
            self.shared.events.tell(Happened::Disconnected { peer, error });
        }
        if let Some(public_key) = self.public_key.filter(|_| self.counted) {
            admission.release(&public_key);
            self.counted = false;
        }
    }

    /// Turns until something happens that the caller must know.
    async fn turns(&mut self) -> Turn {
        self.moved = 0;
        for _ in 0..TURNS {
            match self.turn() {
                Turn::Moved if self.moved >= BYTES => break,
                Turn::Moved => {}
                Turn::Idle => self.wait().await,
                turn @ (Turn::Admitted(_) | Turn::Closed(_)) => return turn,
            }
        }
        yield_now().await;
        Turn::Moved
    }

    /// Everything that can be done without waiting, once.
    fn turn(&mut self) -> Turn {
        while let Some(event) = self.driver.poll_event() {
            match event {
                Event::Authenticated(remote) => self.authenticated(remote),
                Event::Ready { hello, shared } => {
                    if let Some(peer) = self.ready(hello, shared) {
                        return Turn::Admitted(peer);
                    }
                }
                Event::Message(message) => self.undelivered = Some(message),
                Event::RoundTrip(round_trip) => self.end.round_trip(round_trip),
                Event::Closed(error) => {
                    let error = truly(error, self.unwritable);
                    self.shared.events.count(&error);
                    return Turn::Closed(error);
                }
            }
        }
        let delivered = self.deliver();
        let obeyed = self.obey();
        let sent = self.send();
        let written = self.write();
        let read = self.read();
        if obeyed || delivered || sent || written || read { Turn::Moved } else { Turn::Idle }
    }

    fn authenticated(&mut self, remote: PublicKey) {
        let now = self.now();
        self.public_key = Some(remote);
        self.handshake = now.mono - self.began;
        let outcome = Outcome::of(lock(&self.shared.admission).check(&remote));
        self.driver.command(now, outcome.command(Command::Proceed));
    }

    fn ready(&mut self, hello: Hello, shared: Arc<Capabilities>) -> Option<Peer> {
        let public_key = self.public_key?;
        let anyone = self.shared.takes_anyone();
        let outcome = Outcome::of(lock(&self.shared.admission).admit(&public_key, &shared, anyone));
        self.counted = matches!(outcome, Outcome::Admitted);
        self.driver.command(self.now(), outcome.command(Command::Admit));
        let Self { address, direction, handshake, .. } = *self;
        self.counted.then(|| {
            self.end.admitted(Admitted { public_key, address, direction, hello, shared, handshake })
        })
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

    fn write(&mut self) -> bool {
        if !self.wants_write() {
            return false;
        }
        match socket::write(self.stream.get_ref(), self.driver.writes()) {
            Moved::Done(count) => {
                self.moved += count;
                self.driver.written(self.now(), count);
            }
            Moved::Blocked => return false,
            Moved::Lost(how) => self.unwritable = Some(how),
        }
        true
    }

    fn wants_write(&self) -> bool {
        self.driver.wants_write() && self.unwritable.is_none()
    }

    fn read(&mut self) -> bool {
        if !self.driver.wants_read() {
            return false;
        }
        let now = self.now();
        let read = socket::read(self.stream.get_ref(), |bytes| self.driver.received(now, bytes));
        match (read, self.unwritable) {
            (Moved::Done(()), _) => {}
            (Moved::Blocked, None) => return false,
            (Moved::Blocked, Some(how)) | (Moved::Lost(how), _) => self.driver.lost(now, how),
        }
        true
    }

    /// Waits for the socket, the application, or the deadline. Ends with every
    /// wake-up: `poll_readable` may be pending still when it has woken us, for
    /// the reactor cannot tell in which order interest and event came, so the
    /// socket itself must be tried.
    async fn wait(&mut self) {
        self.set_timer();
        let mut waited = false;
        let due = poll_fn(|cx| {
            let polled = self.poll(cx);
            let woken = core::mem::replace(&mut waited, true);
            if woken && polled.is_pending() { Poll::Ready(false) } else { polled }
        })
        .await;
        if due {
            self.deadline = None;
            self.driver.timeout(self.now());
        }
    }

    /// Ready, with whether the deadline has come.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.end.poll_work(cx).is_ready() {
            return Poll::Ready(false);
        }
        // An error shows when the read or write is tried.
        let readable = self.driver.wants_read() && self.stream.poll_readable(cx).is_ready();
        let writable = self.wants_write() && self.stream.poll_writable(cx).is_ready();
        if readable || writable {
            return Poll::Ready(false);
        }
        Future::poll(pin!(&mut self.timer), cx).map(|_| true)
    }

    fn set_timer(&mut self) {
        let deadline = self.driver.poll_timeout();
        if deadline == self.deadline {
            return;
        }
        self.deadline = deadline;
        self.timer = deadline
            .and_then(|deadline| self.shared.clock.instant(deadline.at))
            .map_or_else(Timer::never, Timer::at);
    }

    fn now(&self) -> Now {
        self.shared.clock.now()
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

impl Outcome {
    fn command(self, admitted: Command) -> Command {
        match self {
            Self::Admitted => admitted,
            Self::Refused(reason) => Command::Disconnect(reason),
        }
    }
}

impl Drop for Connection {
    /// For a task that is cancelled.
    fn drop(&mut self) {
        if let Some(public_key) = self.public_key.filter(|_| self.counted) {
            lock(&self.shared.admission).release(&public_key);
        }
    }
}

#[cfg(test)]
mod tests;
