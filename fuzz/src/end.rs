//! One session under watch, with what hangs on it: buffers, a queue, a clock.
//!
//! [`Checked`] sees to the contract of machines; what a session promises
//! besides is asserted here, on every output of every target.

use core::time::Duration;

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use bytes::BytesMut;
use devp2p_core::crypto::PublicKey;
use devp2p_core::entropy::Seed;
use devp2p_core::limits;
use devp2p_core::machine::{Checked, Machine as _};
use devp2p_core::p2p::{Hello, Message, Shared};
use devp2p_core::session::{Command, Input, Lost, Output, Session, SessionError};
use devp2p_core::time::{Instant, Now};

use crate::keys::{self, Offer};

/// Where a target's clock stops: beyond it deadlines saturate.
const END_OF_TIME: Instant = Instant::from_micros(1 << 60);

/// A silent world ends any session within so many time-outs.
const LAST_WORDS: usize = 16;

/// A session and what it did so far.
#[derive(Debug)]
pub struct End {
    session: Checked<Session>,
    now: Now,
    /// How far back the clock is, for the next input alone.
    set_back: Duration,
    /// What has arrived and is not taken yet.
    pub received: BytesMut,
    /// What is to be sent and is not taken yet.
    pub queue: VecDeque<Message>,
    /// All bytes that it wrote.
    pub written: Vec<u8>,
    /// Of these, the bytes of which it has not been told yet.
    pub unconfirmed: usize,
    /// Who the other proved to be.
    pub authenticated: Option<PublicKey>,
    /// The other's hello and what both have.
    pub ready: Option<(Hello, Arc<Shared>)>,
    /// All messages that it received.
    pub messages: Vec<Message>,
    /// All messages that it took to send, those misaddressed left out.
    pub taken: Vec<Message>,
    /// Whether a message waits for [`Input::Delivered`].
    pub undelivered: bool,
    /// Round trips that it reported.
    pub round_trips: Vec<Duration>,
    /// Why it closed.
    pub closed: Option<SessionError>,
    proceeded: bool,
    admitted: bool,
    bytes_taken: u64,
}

impl End {
    /// Dials the node with this key.
    pub fn dial(offer: Offer, remote: &PublicKey) -> Self {
        let seed = Seed::from_number(1);
        Self::new(Session::dial(keys::local(offer), *remote, &seed, Now::ZERO))
    }

    /// Waits to be dialled.
    pub fn accept(offer: Offer) -> Self {
        let seed = Seed::from_number(2);
        Self::new(Session::accept(keys::local(offer), seed, Now::ZERO))
    }

    fn new(session: Session) -> Self {
        let mut end = Self {
            session: Checked::new(session),
            now: Now::ZERO,
            set_back: Duration::ZERO,
            received: BytesMut::new(),
            queue: VecDeque::new(),
            written: Vec::new(),
            unconfirmed: 0,
            authenticated: None,
            ready: None,
            messages: Vec::new(),
            taken: Vec::new(),
            undelivered: false,
            round_trips: Vec::new(),
            closed: None,
            proceeded: false,
            admitted: false,
            bytes_taken: 0,
        };
        end.drain();
        end
    }

    /// The session, to look at.
    pub fn session(&self) -> &Session {
        self.session.get()
    }

    /// Whether it exchanges messages.
    pub const fn is_open(&self) -> bool {
        self.admitted && self.closed.is_none()
    }

    /// Moves its clock, and tells it nothing.
    pub fn sleep(&mut self, by: Duration) {
        let target = self.now.saturating_add(by);
        if target.mono <= END_OF_TIME {
            self.now = target;
        }
    }

    /// Moves its clock to (or `short` of) the deadline, and tells it nothing.
    pub fn sleep_to_deadline(&mut self, short: Duration) {
        if let Some(deadline) = self.session.poll_timeout() {
            self.sleep((deadline.at - self.now.mono).saturating_sub(short));
        }
    }

    /// The deadline may have come.
    pub fn timeout(&mut self) {
        self.tell(Input::Timeout);
    }

    /// The next input, whatever it is, comes by a clock that went back by so much.
    pub const fn set_back(&mut self, by: Duration) {
        self.set_back = by;
    }

    /// The connection is gone.
    pub fn lost(&mut self, how: Lost) {
        self.tell(Input::Lost(how));
    }

    /// So many bytes went out.
    pub fn confirm(&mut self, bytes: usize) {
        self.unconfirmed = self.unconfirmed.saturating_sub(bytes);
        self.tell(Input::Written(bytes));
    }

    /// The last message has found its place.
    pub fn delivered(&mut self) {
        self.undelivered = false;
        self.tell(Input::Delivered);
    }

    /// The node or the application decided.
    pub fn command(&mut self, command: Command) {
        match command {
            Command::Proceed if self.authenticated.is_some() => self.proceeded = true,
            Command::Admit if self.ready.is_some() => self.admitted = true,
            Command::Proceed | Command::Admit | Command::Ping | Command::Disconnect(_) => {}
        }
        self.tell(Input::Command(command));
    }

    /// Hands the queue in, once.
    pub fn send(&mut self) {
        let before: Vec<Message> = self.queue.iter().cloned().collect();
        let wanted = self.session().wants_send();
        let misaddressed = self.session().counters().misaddressed;
        let (now, unconfirmed) = (self.clock(), self.unconfirmed);
        self.session.handle(now, Input::Send(&mut self.queue));
        self.drain();
        let count = before.len() - self.queue.len();
        assert!(wanted || count == 0, "messages were taken that were not wanted");
        let backlogged = unconfirmed >= limits::WRITE_BACKLOG;
        assert!(!backlogged || count == 0, "messages were taken behind a full backlog");
        assert!(self.queue.iter().eq(&before[count..]), "messages were taken out of order");
        let (taken, shared) = (before.into_iter().take(count), self.ready.as_ref());
        let fits = |message: &Message| {
            let shared = shared.and_then(|(_, shared)| shared.get(message.capability()));
            shared.is_some_and(|shared| message.code() < shared.length)
        };
        let (good, bad): (Vec<_>, Vec<_>) = taken.partition(fits);
        let counted = self.session().counters().misaddressed - misaddressed;
        assert_eq!(counted, bad.len() as u64, "misaddressed messages");
        self.taken.extend(good);
    }

    /// Hands the receive buffer in, once. Says whether any of it was taken.
    pub fn receive(&mut self) -> bool {
        let before = self.received.len();
        let (wanted, was_closed) = (self.session().wants_read(), self.closed.is_some());
        let now = self.clock();
        self.session.handle(now, Input::Received(&mut self.received));
        let taken = before.checked_sub(self.received.len()).expect("the buffer grew");
        self.bytes_taken += taken as u64;
        // What may have become due first is a reason to close, which drops all.
        self.drain();
        let closing = was_closed || self.closed.is_some() || self.received.is_empty();
        assert!(wanted || taken == 0 || closing, "bytes were taken that were not wanted");
        assert_eq!(self.session().counters().bytes_received, self.bytes_taken);
        taken > 0
    }

    /// Does what a good driver of a fast network and a willing node does,
    /// until there is nothing left to do at this moment.
    pub fn settle(&mut self) {
        loop {
            if self.authenticated.is_some() && !self.proceeded && self.closed.is_none() {
                self.command(Command::Proceed);
            } else if self.ready.is_some() && !self.admitted && self.closed.is_none() {
                self.command(Command::Admit);
            } else if self.unconfirmed > 0 {
                self.confirm(self.unconfirmed);
            } else if self.undelivered {
                self.delivered();
            } else if !self.queue.is_empty() && self.session().wants_send() {
                self.send();
            } else if self.received.is_empty() || !self.receive() {
                return;
            }
        }
    }

    /// Ends it: by a loss, or by a silence in which nothing happens but time.
    /// Either way it must close, once, and be still from then on.
    pub fn finish(&mut self, silence: bool) {
        if silence {
            for _ in 0..LAST_WORDS {
                if self.closed.is_some() {
                    break;
                }
                assert!(self.session.poll_timeout().is_some(), "it waits for ever");
                self.sleep_to_deadline(Duration::ZERO);
                self.timeout();
            }
        } else {
            self.lost(Lost::Closed);
        }
        assert!(self.closed.is_some(), "it does not close");
        // Late inputs of every kind; Checked panics if one of them has an effect.
        self.received.extend_from_slice(b"late");
        self.receive();
        self.send();
        for command in [Command::Proceed, Command::Admit, Command::Ping] {
            self.command(command);
        }
        self.delivered();
        self.confirm(1);
        self.lost(Lost::Reset);
        assert!(self.received.is_empty() && self.session.poll_timeout().is_none());
        assert!(!self.session().wants_read() && !self.session().wants_send());
    }

    fn tell(&mut self, input: Input<'_>) {
        let now = self.clock();
        self.session.handle(now, input);
        self.drain();
    }

    fn clock(&mut self) -> Now {
        let mut now = self.now;
        let since = now.mono - Instant::ZERO;
        now.mono = Instant::ZERO + since.saturating_sub(core::mem::take(&mut self.set_back));
        now
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Write(bytes) => {
                    assert!(!bytes.is_empty(), "nothing was written");
                    self.unconfirmed += bytes.len();
                    self.written.extend_from_slice(&bytes);
                }
                Output::Authenticated(remote) => {
                    assert!(self.authenticated.is_none(), "authenticated twice");
                    self.authenticated = Some(remote);
                }
                Output::Ready { hello, shared } => {
                    assert!(self.proceeded, "a hello before the first admission");
                    assert!(self.ready.is_none(), "ready twice");
                    let remote = self.authenticated.expect("ready before authenticated");
                    assert_eq!(&hello.id, remote.as_bytes(), "the hello of somebody else");
                    self.ready = Some((hello, shared));
                }
                Output::Message(message) => self.message(message),
                Output::RoundTrip(round_trip) => {
                    assert!(self.admitted, "a round trip before the second admission");
                    self.round_trips.push(round_trip);
                }
                Output::Closed(error) => self.closed = Some(error),
            }
        }
        assert_eq!(self.session().counters().bytes_sent, self.written.len() as u64);
    }

    fn message(&mut self, message: Message) {
        assert!(self.admitted, "a message before the second admission");
        assert!(!self.undelivered, "a message before the last one was delivered");
        let (_, shared) = self.ready.as_ref().expect("a message before ready");
        let capability = shared.get(message.capability()).expect("a message of no capability");
        assert!(message.code() < capability.length, "a code beyond the capability's");
        assert!(message.payload().len() <= limits::MESSAGE, "a message beyond the limit");
        self.undelivered = true;
        self.messages.push(message);
    }
}
