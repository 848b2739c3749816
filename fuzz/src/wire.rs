//! A connection in memory with a real session at either end. At one end it is
//! ours, and everything between it and its node may be late; at the other there
//! is a stranger, who needs no node to make up his mind.
//!
//! ```text
//!  Node ◀── reports ── ours ══ bytes ══ theirs
//!       ─── commands ─▶
//! ```

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use std::sync::OnceLock;

use devp2p_core::crypto::PublicKey;
use devp2p_core::driver::{Connection, Event};
use devp2p_core::entropy::Seed;
use devp2p_core::machine::Checked;
use devp2p_core::node::{DialFailure, Report};
use devp2p_core::p2p::{DisconnectReason, LocalCapabilities, LocalCapability};
use devp2p_core::session::{Command, Greeting, Local, Lost, Session, SessionError};
use devp2p_core::time::Now;

use crate::keys::{self, Offer};

type End = Connection<Checked<Session>>;

/// What a node hears of a connection, or of the attempt at one.
#[derive(Debug)]
pub enum Said {
    /// What became of the attempt.
    Connected(Result<(), DialFailure>),
    /// The session.
    Report(Report),
}

/// How a stranger behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// It admits us.
    Proper,
    /// It shares no capability with us.
    Useless,
    /// It refuses us when it knows our key.
    Refuses,
    /// It refuses us when it has our hello.
    RefusesLater,
    /// It decides nothing.
    Undecided,
    /// It says nothing at all.
    Mute,
}

impl Manner {
    /// By its number; most are proper.
    pub const fn new(number: u8) -> Self {
        match number % 12 {
            7 => Self::Useless,
            8 => Self::Refuses,
            9 => Self::RefusesLater,
            10 => Self::Undecided,
            11 => Self::Mute,
            _ => Self::Proper,
        }
    }
}

/// A connection with both ends.
#[derive(Debug)]
pub struct Wire {
    /// `None` when it is over, or not there yet.
    ours: Option<End>,
    theirs: Option<End>,
    manner: Manner,
    /// What the node has not heard yet, in order.
    pub reports: VecDeque<Said>,
    /// What our session has not heard yet, in order.
    pub commands: VecDeque<Command>,
}

/// A stranger's side, for each of 16 keys, with a capability of ours or without.
fn local(number: u8, manner: Manner) -> Arc<Local> {
    static LOCALS: [OnceLock<Arc<Local>>; 32] = [const { OnceLock::new() }; 32];
    let useless = manner == Manner::Useless;
    let make = || {
        let list = keys::capabilities(Offer::Theirs).iter();
        let list: LocalCapabilities = if useless {
            LocalCapabilities::new([LocalCapability::new("z", 1, 1)])
        } else {
            LocalCapabilities::new(list.map(|(n, v, l)| LocalCapability::new(*n, *v, *l)))
        }
        .expect("a good offer");
        let secret = keys::secret(number);
        Arc::new(Local::new(secret, "stranger/1", Greeting::Offer(list)).expect("a short name"))
    };
    let slot = 2 * usize::from(number % 16) + usize::from(useless);
    Arc::clone(LOCALS[slot].get_or_init(make))
}

impl Wire {
    /// Nothing yet but a name at the node.
    pub const fn attempt() -> Self {
        Self {
            ours: None,
            theirs: None,
            manner: Manner::Proper,
            reports: VecDeque::new(),
            commands: VecDeque::new(),
        }
    }

    /// A stranger with this key has dialled us.
    pub fn accepted(our: &Arc<Local>, seed: Seed, number: u8, manner: Manner, now: Now) -> Self {
        let theirs = local(number, manner);
        let theirs = Session::dial(theirs, *our.public(), &seed.derive("stranger", 0), now);
        let ours = Session::accept(Arc::clone(our), seed, now);
        Self {
            ours: Some(Connection::new(Checked::new(ours))),
            theirs: Some(Connection::new(Checked::new(theirs))),
            manner,
            ..Self::attempt()
        }
    }

    /// Our dial came to a TCP connection, with a stranger who has this key
    /// whomever we dialled.
    pub fn connect(
        &mut self,
        our: &Arc<Local>,
        remote: PublicKey,
        seed: &Seed,
        number: u8,
        manner: Manner,
        now: Now,
    ) {
        let theirs = Session::accept(local(number, manner), seed.derive("stranger", 0), now);
        let ours = Session::dial(Arc::clone(our), remote, seed, now);
        self.reports.push_back(Said::Connected(Ok(())));
        self.ours = Some(Connection::new(Checked::new(ours)));
        self.theirs = Some(Connection::new(Checked::new(theirs)));
        self.manner = manner;
        self.listen(now);
    }

    /// Whether our session is there.
    pub const fn is_alive(&self) -> bool {
        self.ours.is_some()
    }

    /// Bytes go both ways, once. Says whether anything moved.
    pub fn carry(&mut self, now: Now) -> bool {
        let mut moved = false;
        if self.manner != Manner::Mute {
            moved |= pass(now, &mut self.theirs, &mut self.ours);
        }
        moved |= pass(now, &mut self.ours, &mut self.theirs);
        self.listen(now);
        moved
    }

    /// The next command arrives at our session. Says whether there was one.
    pub fn obey(&mut self, now: Now) -> bool {
        let Some(command) = self.commands.pop_front() else { return false };
        if let Some(ours) = &mut self.ours {
            ours.command(now, command);
        }
        self.listen(now);
        true
    }

    /// Both ends look at the clock.
    pub fn timeout(&mut self, now: Now) {
        for end in [&mut self.ours, &mut self.theirs].into_iter().flatten() {
            end.timeout(now);
        }
        self.listen(now);
    }

    /// Bytes that nobody sent arrive at our end.
    pub fn noise(&mut self, now: Now, bytes: &[u8]) {
        if let Some(ours) = &mut self.ours {
            ours.received(now, bytes);
        }
        self.listen(now);
    }

    /// The stranger hangs up, with or without a word.
    pub fn hang_up(&mut self, now: Now, reason: Option<DisconnectReason>) {
        match (&mut self.theirs, reason) {
            (Some(theirs), Some(reason)) => theirs.command(now, Command::Disconnect(reason)),
            (Some(_), None) | (None, _) => self.theirs = None,
        }
        self.listen(now);
    }

    /// Our end loses the connection.
    pub fn lose(&mut self, now: Now, how: Lost) {
        if let Some(ours) = &mut self.ours {
            ours.lost(now, how);
        }
        self.listen(now);
    }

    /// The task of our session dies. Whoever runs it says so.
    pub fn kill(&mut self) {
        if let Some(ours) = self.ours.take() {
            let (error, counters) = (SessionError::Lost(Lost::Failed), ours.counters());
            self.reports.push_back(Said::Report(Report::Closed { error, counters }));
        }
    }

    fn listen(&mut self, now: Now) {
        while let Some(event) = self.ours.as_mut().and_then(Connection::poll_event) {
            let report = match event {
                Event::Authenticated(remote) => Report::Authenticated(remote),
                Event::Ready { hello, shared } => Report::Ready { hello, shared },
                Event::Message(_) | Event::RoundTrip(_) => continue,
                Event::Closed(error) => {
                    let counters = self.ours.take().map(|ours| ours.counters());
                    let counters = counters.unwrap_or_default();
                    Report::Closed { error, counters }
                }
            };
            self.reports.push_back(Said::Report(report));
        }
        while let Some(theirs) = &mut self.theirs
            && let Some(event) = theirs.poll_event()
        {
            let refusal = Command::Disconnect(DisconnectReason::TooManyPeers);
            match (event, self.manner) {
                (Event::Authenticated(_), Manner::Refuses)
                | (Event::Ready { .. }, Manner::RefusesLater) => theirs.command(now, refusal),
                (Event::Authenticated(_) | Event::Ready { .. }, Manner::Undecided) => {}
                (Event::Authenticated(_), _) => theirs.command(now, Command::Proceed),
                (Event::Ready { .. }, _) => theirs.command(now, Command::Admit),
                (Event::Message(_) | Event::RoundTrip(_), _) => {}
                (Event::Closed(_), _) => self.theirs = None,
            }
        }
    }
}

/// What one end has written arrives at the other, or meets nobody.
fn pass(now: Now, from: &mut Option<End>, to: &mut Option<End>) -> bool {
    match (from, to) {
        (Some(from), Some(to)) => {
            let bytes = from.writes().collect::<Vec<_>>().concat();
            if bytes.is_empty() || !to.wants_read() {
                return false;
            }
            from.written(now, bytes.len());
            to.received(now, &bytes);
            true
        }
        (None, Some(to)) => {
            to.lost(now, Lost::Closed);
            true
        }
        (Some(_) | None, None) => false,
    }
}
