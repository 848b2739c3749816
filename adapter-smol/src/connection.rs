//! The loop of one connection: a socket, a [`Session`], an application.

use core::future::{Future, poll_fn};
use core::net::SocketAddr;
use core::pin::pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::net::TcpStream;
use std::sync::Arc;

use async_io::{Async, Timer};
use devp2p_core::crypto::PublicKey;
use devp2p_core::driver::{self, Event};
use devp2p_core::p2p::{DisconnectReason, Hello, Message, Shared as Capabilities};
use devp2p_core::session::{Command, Session, SessionError};
use devp2p_core::time::{Deadline, Instant, Now};
use devp2p_handle::adapter::{Admitted, ConnectionEnd};
use devp2p_handle::{Direction, Failure, Peer};
use futures_lite::future::yield_now;

use crate::node::{Shared, lock};
use crate::socket::{self, Moved};

/// Turns without waiting after which the other tasks get their chance.
const BUDGET: usize = 32;

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

    /// Runs an admitted connection to its end, and `announced` beside it.
    pub(crate) async fn run<T>(&mut self, announced: impl Future<Output = T>) -> SessionError {
        let mut announced = pin!(announced);
        let mut announcing = true;
        let error = {
            let mut running = pin!(self.to_end());
            poll_fn(|cx| {
                // A peer that nobody has been told of may still come to its end.
                if announcing && announced.as_mut().poll(cx).is_ready() {
                    announcing = false;
                }
                running.as_mut().poll(cx)
            })
            .await
        };
        // Whoever hears that a peer is gone may count on its slot.
        self.release();
        self.end.closed(error);
        error
    }

    async fn to_end(&mut self) -> SessionError {
        loop {
            if let Turn::Closed(error) = self.turns().await {
                return error;
            }
        }
    }

    /// The handle, if it was admitted.
    pub(crate) fn peer(&self) -> Option<Peer> {
        self.end.peer()
    }

    /// Turns until something happens that the caller must know.
    async fn turns(&mut self) -> Turn {
        for _ in 0..BUDGET {
            match self.turn() {
                Turn::Moved => {}
                Turn::Idle => self.wait().await,
                other => return other,
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
                Event::Closed(error) => return Turn::Closed(error),
            }
        }
        let obeyed = self.obey();
        let delivered = self.deliver();
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
            self.driver.command(self.now(), command);
            moved = true;
        }
        moved
    }

    fn deliver(&mut self) -> bool {
        let Some(message) = self.undelivered.take() else { return false };
        match self.end.deliver(message) {
            Ok(()) => {
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
        if !self.driver.wants_write() {
            return false;
        }
        match socket::write(self.stream.get_ref(), self.driver.writes()) {
            Moved::Done(count) => self.driver.written(self.now(), count),
            Moved::Blocked => return false,
            Moved::Lost(how) => self.driver.lost(self.now(), how),
        }
        true
    }

    fn read(&mut self) -> bool {
        if !self.driver.wants_read() {
            return false;
        }
        let now = self.now();
        match socket::read(self.stream.get_ref(), |bytes| self.driver.received(now, bytes)) {
            Moved::Done(()) => {}
            Moved::Blocked => return false,
            Moved::Lost(how) => self.driver.lost(now, how),
        }
        true
    }

    /// Waits for the socket, the application, or the deadline.
    async fn wait(&mut self) {
        self.set_timer();
        let due = poll_fn(|cx| self.poll(cx)).await;
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
        let writable = self.driver.wants_write() && self.stream.poll_writable(cx).is_ready();
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

    fn release(&mut self) {
        if core::mem::take(&mut self.counted)
            && let Some(public_key) = &self.public_key
        {
            lock(&self.shared.admission).release(public_key);
        }
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
    fn drop(&mut self) {
        self.release();
    }
}
